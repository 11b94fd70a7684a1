import { afterAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";
import { startFake } from "./testserver.ts";

const fake = startFake();
const authority = createAuthority("shop CA");
const own = createServerCertificate(authority, ["127.0.0.1"]);
const fingerprint = new X509Certificate(own.cert).fingerprint256;
const clusters = () => Response.json({ clusters: [{ name: "eu-1", state: "ok" }] });
const answers: Record<string, () => Response> = {
  "/fleet": clusters,
  "/agents": () => Response.json({ items: [] }),
  "/login": () => Response.json({ accessToken: "tok", expiresIn: 60 }),
};
const secure = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  tls: own,
  fetch: ({ url }) => answers[new URL(url).pathname]!(),
});
const elsewhere = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  tls: createServerCertificate(authority, ["elsewhere.example.com"]),
  fetch: clusters,
});
const url = `https://127.0.0.1:${secure.port}`;
const ca = join(fake.home, "ca.pem");
writeFileSync(ca, authority.cert);

afterAll(async () => {
  await Promise.all([fake.stop(), secure.stop(true), elsewhere.stop(true)]);
});

const at = (server: string, words = "clusters -o name", env = {}) =>
  fake.cli(words, { env: { LIZARDCD_SERVER: server, ...env } });

test("a certificate that nobody here knows is shown by its fingerprint, with how to trust it", async () => {
  const { code, err, out } = await at(url);
  expect([code, out]).toEqual([6, ""]);
  expect(err).toContain(fingerprint);
  expect(err).toContain("--server-ca FILE");
  expect(err).toContain("context set NAME --ca FILE");
  expect(err.trimEnd()).not.toContain("\n");
});

test("it is trusted by flag, by environment and by context", async () => {
  expect((await at(url, `clusters -o name --server-ca ${ca}`)).out).toBe("eu-1\n");
  expect((await at(url, "clusters -o name", { LIZARDCD_SERVER_CA: ca })).out).toBe("eu-1\n");
  expect((await at(url, `context set shop --server ${url} --ca ${ca}`)).code).toBe(0);
  expect((await at(url)).out).toBe("eu-1\n");
  expect((await fake.cli("clusters -o name --context shop")).out).toBe("eu-1\n");
});

test("lzcli trusts it by the environment, and says so", async () => {
  const older = (words: string, env = {}) =>
    fake.lzcli(words, { env: { LIZARDCD_SERVER: url, LIZARDCD_TOKEN: undefined, ...env } });
  for (const words of ["agent list", "login -u ada -p secret"]) {
    const { code, err } = await older(words);
    expect([words, code, err]).toEqual([words, 6, expect.stringContaining("LIZARDCD_SERVER_CA=FILE")]);
    expect(err).toContain(fingerprint);
    expect(err).not.toMatch(/--server-ca|context set/);
    const trusted = await older(words, { LIZARDCD_SERVER_CA: ca });
    expect([words, trusted.code, trusted.err]).toEqual([words, 0, ""]);
  }
});

test("a certificate for another name is not taken, trusted CA or not", async () => {
  const { code, err } = await at(`https://127.0.0.1:${elsewhere.port}`, `clusters --server-ca ${ca}`);
  expect([code, err]).toEqual([6, expect.stringContaining("its certificate is for elsewhere.example.com alone")]);
  // To trust its CA would not help.
  expect(err).not.toContain("--server-ca");
});

test("http where TLS is spoken and the other way round say which address to use", async () => {
  const plain = await at(fake.url.replace("http:", "https:"));
  expect([plain.code, plain.err]).toEqual([6, expect.stringContaining(`Use ${fake.url}.`)]);
  const tls = await at(url.replace("https:", "http:"));
  expect([tls.code, tls.err]).toEqual([6, expect.stringContaining(`Use ${url}.`)]);
});

test("nobody there, no such host, and one who never answers are told apart", async () => {
  const away = await at("http://127.0.0.1:1");
  expect([away.code, away.err]).toEqual([6, expect.stringContaining("http://127.0.0.1:1 cannot be reached")]);
  expect(away.err).not.toContain("verbose");
  expect((await at("http://nowhere.invalid")).code).toBe(6);
  const silent = createServer((socket) => socket.on("error", () => socket.destroy()));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const slow = await at(`http://127.0.0.1:${port}`, "clusters --timeout 200ms");
  expect([slow.code, slow.err]).toEqual([124, expect.stringContaining("within 0.2 s")]);
  silent.close();
});

test("a password is not sent over plain http to elsewhere without a word", async () => {
  const { err } = await at("http://127.0.0.1:1", "login http://lizardcd.invalid -u a --password-stdin");
  expect(err).toContain("http://lizardcd.invalid is not encrypted");
});
