// What the server makes of files, those of earlier versions among them.
import { afterEach, expect, spyOn, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, onEnd } from "../../test/harness.ts";
import { serverConfig } from "./config.ts";

afterEach(endAll);

/** @returns the configuration and what was said on standard error. */
async function configured(text: string, ...flags: string[]) {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-config-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "server.yaml");
  await writeFile(file, text);
  const said = spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    const { httpAddr, metricsAddr } = serverConfig(["-f", file, ...flags]);
    return { addresses: [httpAddr, metricsAddr], said: said.mock.calls.map(([line]) => String(line)) };
  } finally {
    said.mockRestore();
  }
}

const old = `
Name: server
Host: 0.0.0.0
Port: 5117
Prometheus: { Host: 0.0.0.0, Port: 15117, Path: /metrics }
Rpc: { Timeout: 2000, KeepaliveTime: 600, RetryInterval: 10 }
`;
const open = ["0.0.0.0:5117", "0.0.0.0:15117"];

test("a file of an earlier version listens where it says, and is told what that means", async () => {
  const { addresses, said } = await configured(old);
  expect(addresses).toEqual(open);
  const warned = (text: string) => said.filter((line) => line.includes(text));
  expect(warned("0.0.0.0:5117 can be reached from other machines and is not encrypted")).toEqual([
    expect.stringContaining("give --http.tls.cert and --http.tls.key, or --http.plain behind a proxy"),
  ]);
  expect(warned("0.0.0.0:15117 can be reached from other machines")).toHaveLength(1);
  for (const ignored of ["Name", "Prometheus.Path", "Rpc.KeepaliveTime", "Rpc.RetryInterval"]) {
    expect([ignored, warned(`the key ${ignored} of `).length]).toEqual([ignored, 1]);
  }
});

test("it is told nothing of it once somebody says that it is meant", async () => {
  const { addresses, said } = await configured(old, "--http.plain");
  expect([addresses, said.filter((line) => line.includes("can be reached"))]).toEqual([open, []]);
});

test("a host alone is that host at the standard port, as a port alone is that port on this machine", async () => {
  expect((await configured("Host: 0.0.0.0\nPrometheus: { Port: 1 }")).addresses).toEqual([
    "0.0.0.0:5117",
    "127.0.0.1:1",
  ]);
});

test("an address in words of this version has to be meant, wherever it stands", async () => {
  for (const [text, ...flags] of [
    ["http-addr: 0.0.0.0:5117"],
    ["metrics-addr: 0.0.0.0:15117"],
    [old, "--http-addr", "0.0.0.0:5117"],
  ] as [string, ...string[]][]) {
    await expect(configured(text, ...flags)).rejects.toThrow("add --http.plain if that is meant");
  }
});

test("networks, names and the public address that are none are refused by name, before anything listens", async () => {
  for (const [said, ...flags] of [
    ['--http.trusted-proxies: "10.0.0.0/99" is no network', "--http.trusted-proxies", "10.1.0.0/16,10.0.0.0/99"],
    ['--http.hosts: "https://a.example" is no name of a host', "--http.hosts", "b.example,https://a.example"],
    ["--public-url must be an address such as https://", "--public-url", "cd.example.com"],
  ] as [string, ...string[]][]) {
    await expect(configured("{}", ...flags)).rejects.toThrow(said);
  }
  await configured("{}", "--http.trusted-proxies", "10.1.0.0/16,::1", "--http.hosts", "*.example.com");
});
