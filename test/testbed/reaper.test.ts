import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markedProcesses } from "./marked.ts";
import { describePart } from "./part.ts";
import { processGroup } from "./processes.ts";
import { until } from "./wait.ts";

const mark = "LIZARDCD_TEST_MARK";

/** Starts a runner and waits until its processes are there. */
async function startRunner() {
  const id = crypto.randomUUID();
  const runner = Bun.spawn([process.execPath, join(import.meta.dirname, "reaper.fixture.ts")], {
    env: { ...process.env, [mark]: id },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = runner.stdout.getReader();
  const { value } = await reader.read();
  const { folders } = JSON.parse(new TextDecoder().decode(value)) as { folders: string[] };
  return { runner, folders, alive: () => markedProcesses(mark, id) };
}

describePart("kubernetes", "a test runner that dies", () => {
  test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
    "by %s leaves no process and no folder behind",
    async (signal) => {
      const { runner, folders, alive } = await startRunner();
      // Runner, three reapers, a cluster's five, an etcd, the deaf one and its child.
      await until(() => alive().length >= 12, { what: "all processes to be there" });
      expect(folders.map((folder) => existsSync(folder))).toEqual([true, true]);
      runner.kill(signal);
      await until(() => alive().length === 0, { what: "all processes to be gone" });
      expect(folders.map((folder) => existsSync(folder))).toEqual([false, false]);
    },
  );
});

test("a group that is stopped ends its processes first, then its folder", async () => {
  const group = await processGroup({ grace: 5000 });
  const file = join(group.folder, "said");
  const script = `trap 'echo bye > ${file}.tmp; sleep 0.1; mv ${file}.tmp ${file}; exit 7' TERM; echo ready; while :; do sleep 0.05; done`;
  const running = await group.start({ name: "polite", command: ["sh", "-c", script] });
  await until(() => running.log().includes("ready"), { what: "the process to be ready" });
  await group.stop();
  expect(await running.exited).toBe("7");
  expect(existsSync(group.folder)).toBe(false);
});

test.skipIf(process.platform !== "linux")("a group outlives a SIGTERM that is not its owner's end", async () => {
  const group = await processGroup();
  const running = await group.start({ name: "sleep", command: ["sleep", "100"] });
  const reaper = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${running.pid}/status`, "utf8"))![1]);
  process.kill(reaper, "SIGTERM");
  const second = await group.start({ name: "second", command: ["sleep", "100"] });
  await group.stop();
  expect([await running.exited, await second.exited]).toEqual(["SIGTERM", "SIGTERM"]);
});

test("a program that does not exist is an error that names it", async () => {
  const group = await processGroup();
  const running = group.start({ name: "nothing", command: ["/no/such/program"] });
  await expect(running).rejects.toThrow("/no/such/program");
  await group.stop();
});
