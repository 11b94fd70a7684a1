import { expect, test } from "bun:test";
import type { Change, Entry } from "./discovery.ts";
import { createTold } from "./told.ts";

const entry = (cluster: string, port = 1): Entry => {
  return { key: `lizardcd-agent.*.${cluster}`, instance: `${cluster}-${port}`, via: { address: `10.0.0.1:${port}` } };
};

function toldBy(graceMs = 40) {
  const changes: Change[] = [];
  const told = createTold({ graceMs, push: (change) => changes.push(change) });
  const since = (from: number) => changes.slice(from).filter(({ type }) => type !== "alive");
  const keys = (change: Change | undefined) =>
    change?.type === "set" ? change.entries.map(({ key }) => key.split(".").at(-1)) : undefined;
  return { told, changes, since, keys };
}

test("the first view is a set, later ones are told as what differs", () => {
  const { told, changes } = toldBy();
  told.all([entry("a"), entry("b")]);
  told.all([entry("b"), entry("c")]);
  told.of(entry("c").key, [entry("c", 2)]);
  expect(changes).toEqual([
    { type: "set", entries: [entry("a"), entry("b")] },
    { type: "put", entry: entry("c") },
    { type: "removed", key: entry("a").key, instance: "a-1" },
    { type: "alive" },
    { type: "put", entry: entry("c", 2) },
    { type: "removed", key: entry("c").key, instance: "c-1" },
  ]);
});

test("what a registry has forgotten in a silence is kept for the grace, and is gone after it", async () => {
  const { told, changes, since, keys } = toldBy();
  told.all([entry("a"), entry("b")]);
  told.silent("away");
  told.all([]);
  expect(keys(changes.at(-1))).toEqual(["a", "b"]);
  told.all([entry("b")]);
  const before = changes.length;
  await Bun.sleep(60);
  expect(since(before)).toEqual([{ type: "removed", key: entry("a").key, instance: "a-1" }]);
  told.close();
});

test("what it has named since the silence and withdraws is gone at once; what it only doubts is kept", async () => {
  const { told, changes, since } = toldBy(5_000);
  told.all([entry("a"), entry("b")]);
  told.silent("away");
  told.all([entry("a"), entry("b")]);
  const before = changes.length;
  told.all([], [entry("b")]);
  expect(since(before)).toEqual([{ type: "removed", key: entry("a").key, instance: "a-1" }]);
  told.close();
});

test("a second silence in the grace keeps all again", async () => {
  const { told, changes, since, keys } = toldBy();
  told.all([entry("a")]);
  told.silent("away");
  told.all([]);
  told.silent("away again");
  const before = changes.length;
  await Bun.sleep(60);
  expect(since(before)).toEqual([]);
  told.all([]);
  expect(keys(changes.at(-1))).toEqual(["a"]);
  told.close();
});

test("the grace after a second silence is a whole one, also for what was missing before", async () => {
  const { told, changes, since } = toldBy(1_000);
  told.all([entry("a")]);
  told.silent("away");
  told.all([]);
  await Bun.sleep(600);
  told.silent("away again");
  told.all([]);
  const before = changes.length;
  await Bun.sleep(600);
  expect(since(before)).toEqual([]);
  told.close();
});

test("what comes and goes one by one is told so; in the grace nothing goes, unless nothing can have been forgotten", () => {
  const { told, changes, since } = toldBy(5_000);
  const removal = (cluster: string) => ({
    type: "removed" as const,
    key: entry(cluster).key,
    instance: `${cluster}-1`,
  });
  told.all([entry("a"), entry("b"), entry("c")]);
  told.removed(entry("a").key, "a-1");
  told.put(entry("d"));
  told.silent("away");
  told.allCertainly([entry("b"), entry("d")]);
  told.removed(entry("d").key, "d-1");
  expect(since(1)).toEqual([
    removal("a"),
    { type: "put", entry: entry("d") },
    { type: "silent", problem: "away" },
    { type: "set", entries: [entry("b"), entry("d")] },
    removal("d"),
  ]);
  told.silent("away");
  told.all([entry("b")]);
  const before = changes.length;
  told.removed(entry("b").key, "b-1");
  expect(since(before)).toEqual([]);
  told.close();
});

test("after something was missed, the whole is told as a set", () => {
  const { told, changes } = toldBy();
  told.all([entry("a")]);
  told.missed();
  told.allCertainly([entry("b")]);
  expect(changes.slice(1)).toEqual([{ type: "set", entries: [entry("b")] }]);
});
