import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markedProcesses } from "./marked.ts";
import { describePart, testUnless } from "./part.ts";
import { processGroup } from "./processes.ts";
import { until } from "./wait.ts";

const mark = "LIZARDCD_TEST_MARK";

/** Starts a runner, in a group of its own so that a test that fails leaves nothing either. */
async function startRunner() {
  const id = crypto.randomUUID();
  const group = await processGroup();
  const runner = await group.start({
    name: "runner",
    command: [process.execPath, join(import.meta.dirname, "reaper.fixture.ts")],
    env: { ...process.env, [mark]: id },
  });
  const said = await until(() => runner.log().endsWith("\n") && runner.log(), { what: "the runner to be ready" });
  const { folders } = JSON.parse(said) as { folders: string[] };
  return { runner, folders, alive: () => markedProcesses(mark, id), [Symbol.asyncDispose]: group.stop };
}

describePart("kubernetes", "a test runner that dies", () => {
  test.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)(
    "by %s leaves no process and no folder behind",
    async (signal) => {
      await using started = await startRunner();
      const { runner, folders, alive } = started;
      // Runner, three reapers, a cluster's five, an etcd, the deaf one and its child.
      await until(() => alive().length >= 12, { what: "all processes to be there" });
      expect(folders.map((folder) => existsSync(folder))).toEqual([true, true]);
      await runner.stop(signal);
      await until(() => alive().length === 0, { what: "all processes to be gone" });
      expect(folders.map((folder) => existsSync(folder))).toEqual([false, false]);
    },
  );
});

const noProc = process.platform === "linux" ? undefined : { part: "/proc", reason: `this is ${process.platform}` };

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

testUnless(noProc, "a group outlives a SIGTERM that is not its owner's end", async () => {
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
