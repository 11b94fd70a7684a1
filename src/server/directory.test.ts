// What whoever may write into a registry can make the server hold, and that it is well again afterwards.
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Change, Entry } from "../discovery/discovery.ts";
import { log } from "../process/log.ts";
import { bounds, createDirectory, type Directory, type Told } from "./directory.ts";

let say: (change: Change) => Promise<void>;
let directory: Directory;
let told: Told[];
const stop: AbortController[] = [];

beforeEach(() => {
  directory = createDirectory({
    prefix: "",
    forgetMs: 60_000,
    onDropped() {},
    now: () => performance.now(),
    log: log("x"),
  });
  told = [];
  directory.onChange((one) => told.push(one));
  const queue: { change: Change; heard: () => void }[] = [];
  let wake = () => {};
  const over = new AbortController();
  stop.push(over);
  const source = {
    name: "etcd",
    kind: "etcd",
    async *watch() {
      while (!over.signal.aborted) {
        for (const { change, heard } of queue.splice(0)) {
          yield change;
          heard();
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  } as const;
  void directory.follow(source, over.signal);
  say = (change) =>
    new Promise((heard) => {
      queue.push({ change, heard });
      wake();
    });
});

afterEach(() => {
  for (const one of stop.splice(0)) one.abort();
});

const entryOf = (key: string, instance: number, address = `10.0.${instance >> 8}.${instance & 255}:5017`): Entry => ({
  key: `lizardcd-agent.${key}`,
  instance: String(instance),
  via: { address },
});
const many = (count: number, make: (index: number) => Entry) =>
  Array.from({ length: count }, (_, index) => make(index));
const state = () => directory.sources()[0]!;

test("50,000 instances of one key are 64 and a word; other keys are served, and all is as before when they have gone", async () => {
  const flood = many(50_000, (index) => entryOf("*.many", index, `127.0.0.1:${1 + index}`));
  await say({ type: "set", entries: [...flood, entryOf("*.eu-1", 1)] });
  expect(directory.find("many")!.endpoints.size).toBe(bounds.addressesOfKey);
  expect(directory.find("eu-1")!.endpoints.size).toBe(1);
  // Whoever follows the directory hears of what is served alone.
  expect(told).toHaveLength(bounds.addressesOfKey + 1);
  expect(state()).toMatchObject({ entries: bounds.addressesOfKey + 1, ignored: 50_000 - bounds.addressesOfKey });
  expect(state().lastIgnored).toEqual({ key: "lizardcd-agent.*.many", problem: "its key has 64 addresses already" });
  await say({ type: "set", entries: [entryOf("*.eu-1", 1)] });
  expect(directory.find("many")).toBeUndefined();
  expect(state()).toMatchObject({ entries: 1, ignored: 0, lastIgnored: undefined });
  await say({ type: "put", entry: entryOf("*.many", 7) });
  expect(directory.find("many")!.endpoints.size).toBe(1);
});

test("what waits for a place has one when another has gone, in whatever way the registry says so", async () => {
  for (const one of many(bounds.addressesOfKey + 1, (index) => entryOf("*.many", index)))
    await say({ type: "put", entry: one });
  const last = `10.0.0.${bounds.addressesOfKey}:5017`;
  expect(directory.find("many")!.endpoints.has(last)).toBe(false);
  await say({ type: "removed", key: "lizardcd-agent.*.many", instance: "0" });
  for (let turn = 0; turn < 200 && !directory.find("many")!.endpoints.has(last); turn++) await Bun.sleep(50);
  expect(directory.find("many")!.endpoints.has(last)).toBe(true);
  expect(state()).toMatchObject({ entries: bounds.addressesOfKey, ignored: 0 });
});

test("an instance that moves keeps its place", async () => {
  for (const one of many(bounds.addressesOfKey, (index) => entryOf("*.many", index)))
    await say({ type: "put", entry: one });
  await say({ type: "put", entry: entryOf("*.many", 3, "10.9.9.9:5017") });
  expect(directory.find("many")!.endpoints.has("10.9.9.9:5017")).toBe(true);
  expect(state().ignored).toBe(0);
});

test("20,000 keys of one cluster, or of one address, are as many as the bound says", async () => {
  await say({
    type: "set",
    entries: many(20_000, (index) => entryOf(`n${index}.eu-1`, index, `127.0.0.1:${1 + index}`)),
  });
  expect(directory.namespaced("eu-1")).toHaveLength(bounds.keysOfCluster);
  expect(state().lastIgnored!.problem).toBe("its cluster has 2000 keys already");
  await say({ type: "set", entries: many(20_000, (index) => entryOf(`*.c${index}`, index, "127.0.0.1:30000")) });
  expect([...directory.entries()]).toHaveLength(bounds.instancesOfAddress);
  expect(state().lastIgnored!.problem).toBe("its address is announced 10000 times already");
  await say({ type: "set", entries: [] });
  expect([[...directory.entries()].length, state().entries, state().ignored]).toEqual([0, 0, 0]);
});

test("20,000 values that are none of ours are counted while they stand, and the last of them is told", async () => {
  const junk = (index: number) => ({ ...entryOf("BAD.x", index), key: `lizardcd-agent.BAD${index}.x` });
  await say({ type: "set", entries: many(20_000, junk) });
  expect([state().ignored, state().lastIgnored!.key]).toEqual([20_000, "lizardcd-agent.BAD19999.x"]);
  await say({ type: "removed", key: "lizardcd-agent.BAD19999.x", instance: "19999" });
  expect([state().ignored, state().lastIgnored!.key]).toEqual([19_999, "lizardcd-agent.BAD19998.x"]);
});
