import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";
import {
  answering,
  answeringRegistry,
  type Check,
  certificatePair,
  freeAddress,
  runChecks,
  writableFolder,
} from "./check.ts";

const folder = mkdtempSync(join(tmpdir(), "lizardcd-check-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function looked(...checks: Check[]) {
  const lines: string[] = [];
  const failed = await runChecks(checks, (line) => lines.push(line));
  return { failed, lines };
}

test("every check is a line, in order, and the failed ones are counted", async () => {
  const wrong = { what: "b", look: () => Promise.reject(new Error("not\nso")) };
  const right = (what: string, remark?: string) => ({ what, look: async () => remark });
  expect(await looked(right("a"), wrong, right("c", "fine"))).toEqual({
    failed: 1,
    lines: ["ok      a\n", "failed  b: not so\n", "ok      c: fine\n"],
  });
});

test("an address in use is told, a free one is left free", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  expect((await looked(freeAddress("http-addr", `127.0.0.1:${port}`))).lines[0]).toContain("in use by another program");
  await new Promise((resolve) => server.close(resolve));
  for (let again = 0; again < 2; again++) {
    expect((await looked(freeAddress("http-addr", `127.0.0.1:${port}`))).failed).toBe(0);
  }
  expect((await looked(freeAddress("http-addr", "192.0.2.1:5117"))).lines[0]).toContain("no such address");
});

test("a folder is written to and left as it was, or would be made", async () => {
  const own = join(folder, "own");
  mkdirSync(own);
  expect(await looked(writableFolder("the data folder", own, "data"))).toEqual({
    failed: 0,
    lines: [`ok      the data folder ${own}\n`],
  });
  expect(readdirSync(own)).toEqual([]);
  const [line] = (await looked(writableFolder("the data folder", join(own, "a/b"), "data"))).lines;
  expect(line).toContain("will be made at the first start");
  expect(readdirSync(own)).toEqual([]);
  writeFileSync(join(own, "file"), "");
  expect((await looked(writableFolder("it", join(own, "file/below"), "data"))).failed).toBe(1);
  const unwritable = (await looked(writableFolder("it", "/proc/nowhere", "data"))).lines[0];
  expect(unwritable).toContain("/proc cannot be written");
  expect(unwritable).toContain("make it writable, or name another with --data");
});

test("a certificate that has ended, or is another key's, is told", async () => {
  const authority = createAuthority("check CA");
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o600);
    return join(folder, name);
  };
  const [one, two] = [createServerCertificate(authority, ["a"]), createServerCertificate(authority, ["b"])];
  const cert = write("one.crt", one.cert);
  const pair = (key: string) => looked(certificatePair("the certificate", { cert, key }));
  expect((await pair(write("one.key", one.key))).lines[0]).toMatch(/^ok .* valid until \d{4}-/);
  expect((await pair(write("two.key", two.key))).lines[0]).toContain("cannot be used together");
  expect((await pair(join(folder, "away.key"))).lines[0]).toContain("away.key cannot be read: there is no such file");
});

test("a server and a registry that do not answer are told with the reason", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) => new Response("", { status: url.endsWith("/ok") ? 200 : 500 }),
  });
  expect((await looked(answering("the server", `${server.url}ok`, "server"))).failed).toBe(0);
  expect((await looked(answering("the server", `${server.url}x`, "server"))).lines[0]).toContain("HTTP 500");
  await server.stop(true);
  expect((await looked(answering("the server", "http://127.0.0.1:1/", "server"))).lines[0]).toContain(
    "it does not answer: connection refused: does it run, and is --server its address?",
  );
  const source = (...changes: { type: string; problem?: string; entries?: [] }[]) => ({
    name: "etcd",
    async *watch() {
      yield* changes;
    },
  });
  expect((await looked(answeringRegistry(source({ type: "set", entries: [] }), "etcd-addr"))).lines).toEqual([
    "ok      the registry etcd: 0 announced\n",
  ]);
  const silent = await looked(
    answeringRegistry(source({ type: "silent", problem: "refused" }, { type: "set" }), "etcd-addr"),
  );
  expect(silent.lines[0]).toContain("it does not answer: refused: does it run, and is --etcd-addr its address?");
});
