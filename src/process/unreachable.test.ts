import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";
import { unreachable, unreachableServer } from "./unreachable.ts";

test("a connection that fails is said without advice", async () => {
  const cases: [said: string, shown: string][] = [
    ["ECONNREFUSED: Unable to connect. Is the computer able to access the url?", "connection refused"],
    ["the socket was closed", "the socket was closed"],
    ["self signed certificate", "self signed certificate"],
  ];
  for (const [said, shown] of cases) expect(unreachable(said)).toBe(shown);
  expect(await unreachableServer("https://127.0.0.1:1", "the socket was closed")).toBe("the socket was closed");
});

test("a certificate of the server's that nobody knows is said with its fingerprint, and how to trust it", async () => {
  const tls = createServerCertificate(createAuthority("its own"), ["127.0.0.1"]);
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls, fetch: () => new Response("") });
  const { message } = await fetch(server.url).then(
    () => new Error("trusted"),
    (cause: Error) => cause,
  );
  const said = await unreachableServer(server.url.origin, message);
  await server.stop(true);
  expect(said).toContain(`SHA-256 ${new X509Certificate(tls.cert).fingerprint256}`);
  expect(said).toEndWith("if that is the server's own, give its CA with --server-ca");
  // Nobody is there to show one any more.
  expect(await unreachableServer(server.url.origin, message)).toBe(
    `${message}: if that is the server's own, give its CA with --server-ca`,
  );
});
