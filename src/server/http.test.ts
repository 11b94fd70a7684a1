// The listening address with TLS, renewed while the server serves.
import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { endAll, eventually, onEnd, startTestServer } from "../../test/harness.ts";
import { createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";

afterEach(endAll);

async function world() {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-tls-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const authority = createAuthority("test");
  const files = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key") };
  const renew = async () => {
    const { cert, key } = createServerCertificate(authority, ["localhost", "127.0.0.1"]);
    await writeFile(files.key, key);
    await writeFile(files.cert, cert);
  };
  await renew();
  return { files, renew, ca: authority.cert };
}

function serialAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.end();
    });
    socket.on("error", reject);
  });
}

test("pages come over TLS, with cookies that stay on it", async () => {
  const { files, ca } = await world();
  const server = await startTestServer({ http: { host: "127.0.0.1", port: 0, tls: files } }, { ca });
  expect(server.url).toStartWith("https://");
  const answer = await fetch(`${server.url}/login`, {
    method: "POST",
    headers: { accept: "text/html", "sec-fetch-site": "same-origin" },
    body: new URLSearchParams({ username: "admin", password: server.password }),
    redirect: "manual",
    tls: { ca },
  } as RequestInit);
  expect(answer.status).toBe(303);
  expect(answer.headers.get("set-cookie")).toContain("Secure");
});

test("a renewed certificate is taken up, and a stream that is open lives on", async () => {
  const { files, renew, ca } = await world();
  const server = await startTestServer({ http: { host: "127.0.0.1", port: 0, tls: files } }, { ca });
  const port = Number(new URL(server.url).port);
  const stream = await fetch(`${server.url}/fleet/live`, {
    headers: { authorization: `Bearer ${server.client.token}`, accept: "text/html" },
    tls: { ca },
  } as RequestInit);
  const reader = stream.body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toContain("data:");
  const before = await serialAt(port);
  await renew();
  server.lookAgain();
  await eventually(
    () => serialAt(port),
    (serial) => serial !== before,
  );
  server.announce("eu-1", "127.0.0.1:1");
  expect(new TextDecoder().decode((await reader.read()).value)).toContain("eu-1");
  await reader.cancel();
});

test("a certificate that cannot be read is refused at start, and keeps the old one while serving", async () => {
  const { files, ca } = await world();
  const missing = { cert: `${files.cert}.none`, key: files.key };
  await expect(startTestServer({ http: { host: "127.0.0.1", port: 0, tls: missing } }, { ca })).rejects.toThrow(
    "tls.crt.none cannot be read: there is no such file",
  );
  const strange = { cert: files.cert, key: `${files.key}.other` };
  await writeFile(strange.key, createServerCertificate(createAuthority("other"), ["localhost"]).key);
  await expect(startTestServer({ http: { host: "127.0.0.1", port: 0, tls: strange } }, { ca })).rejects.toThrow(
    `--http.tls.cert ${strange.cert} and --http.tls.key ${strange.key} cannot be used together`,
  );
  const server = await startTestServer({ http: { host: "127.0.0.1", port: 0, tls: files } }, { ca });
  const port = Number(new URL(server.url).port);
  const before = await serialAt(port);
  await writeFile(files.cert, "nonsense");
  expect(() => server.lookAgain()).toThrow(`--http.tls.cert ${files.cert} and`);
  expect(await serialAt(port)).toBe(before);
});

test("an address that is in use is refused by its setting and itself, with TLS and without", async () => {
  const { files, ca } = await world();
  for (const tls of [files, undefined]) {
    const server = await startTestServer({ http: { host: "127.0.0.1", port: 0, tls } }, { ca });
    const port = Number(new URL(server.url).port);
    await expect(startTestServer({ http: { host: "127.0.0.1", port, tls } }, { ca })).rejects.toThrow(
      `--http-addr 127.0.0.1:${port} is in use by another program: choose another one (port 0 is any that is free), or stop that program`,
    );
    const metrics = { host: "127.0.0.1", port };
    await expect(startTestServer({ http: { host: "127.0.0.1", port: 0, tls }, metrics }, { ca })).rejects.toThrow(
      `--metrics-addr 127.0.0.1:${port} is in use`,
    );
  }
});
