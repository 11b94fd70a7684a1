// Two servers on one data folder would sign with one key and write over each other: the second is refused. What a
// killed one leaves behind refuses nobody.
import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { free, hold } from "../../src/process/hold.ts";
import { endAll, eventually, onEnd } from "../harness.ts";
import { freePorts, type ProcessGroup, processGroup, type RunningProcess } from "../testbed/processes.ts";

afterEach(endAll);

const root = join(import.meta.dirname, "../..");

async function place() {
  const group = await processGroup({ name: "hold" });
  onEnd(() => group.stop());
  const data = await mkdtemp(join(tmpdir(), "lizardcd-hold-"));
  onEnd(() => rm(data, { recursive: true, force: true }));
  return { group, data };
}

async function started(group: ProcessGroup, name: string, program: string, data: string) {
  const [http, metrics] = (await freePorts(2)) as [number, number];
  const flags = ["--data", data, "--http-addr", `127.0.0.1:${http}`, "--metrics-addr", `127.0.0.1:${metrics}`];
  const running = await group.start({ name, command: [process.execPath, join("src", program), ...flags], cwd: root });
  return Object.assign(running, { url: `http://127.0.0.1:${http}` });
}

const serves = ({ url }: { url: string }) =>
  eventually(
    () => fetch(`${url}/healthz`).then(({ ok }) => ok, () => false), // biome-ignore format: one line
    (ok) => ok,
  );

const refused = async ({ exited, log }: RunningProcess) => [await exited, log().trim().split("\n").at(-1)];

test("a second server on one data folder is refused in words that name the folder and the first one's process", async () => {
  const { group, data } = await place();
  const first = await started(group, "first", "server/main.ts", data);
  await serves(first);
  const second = await started(group, "second", "server/main.ts", data);
  expect(await refused(second)).toEqual([
    "1",
    `lizardcd-server: the data folder ${data} is in use by another server, process ${first.pid}: ` +
      "end that one, or choose another folder with --data",
  ]);
  await serves(first);
  const elsewhere = await started(group, "elsewhere", "server/main.ts", join(data, "other"));
  await serves(elsewhere);
});

test("after kill -9, and after a stop, the next server starts on what was left", async () => {
  const { group, data } = await place();
  for (const [name, signal] of [
    ["killed", "SIGKILL"],
    ["stopped", "SIGTERM"],
    ["last", "SIGTERM"],
  ] as const) {
    const server = await started(group, name, "server/main.ts", data);
    await serves(server);
    await server.stop(signal);
  }
});

test("a second npm start on one data folder is refused before it starts anything", async () => {
  const { group, data } = await place();
  const first = await started(group, "first", "start.ts", data);
  await serves(first);
  const kubeconfig = join(data, "eu-1.kubeconfig");
  await eventually(
    () => Bun.file(kubeconfig).exists(),
    (there) => there,
  );
  const before = await Bun.file(kubeconfig).text();
  const second = await started(group, "second", "start.ts", data);
  const [code, said] = await refused(second);
  expect([code, said]).toEqual([
    "1",
    expect.stringContaining(`${data} is in use by another npm start, process ${first.pid}:`),
  ]);
  expect(await Bun.file(kubeconfig).text()).toBe(before);
});

test("whoever lets go in time is waited for", async () => {
  const { data } = await place();
  const held = await hold(data, { program: "server", file: "server" });
  // As --check looks, which takes nothing and waits for nobody.
  await expect(free(data, { program: "server", file: "server" })).rejects.toThrow("is in use by another server");
  const next = hold(data, { program: "server", file: "server" });
  await expect(hold(data, { program: "server", file: "server", patience: 0 })).rejects.toThrow(String(process.pid));
  // A full disk, or the moment before it is written.
  await Bun.write(join(data, "server.pid"), "");
  await expect(hold(data, { program: "server", file: "server", patience: 0 })).rejects.toThrow("another server: end");
  held.release();
  (await next).release();
  await free(data, { program: "server", file: "server" });
});
