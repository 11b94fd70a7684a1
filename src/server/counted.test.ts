import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { added, countedOf, mergedSummary, sum } from "./counted.ts";

type Init = MessageInitShape<typeof SummaryResponseSchema>;
const said = (namespace: string, init: Init = {}) => ({
  namespace,
  summary: create(SummaryResponseSchema, { namespace, workloads: 3, synced: true, ...init } as Init),
});
const older = (namespace: string, scope: string[]) => said(namespace, { namespace: "", info: { scope } });

test("each namespace of an agent of several is counted once", () => {
  expect(countedOf([said("a"), said("b")])).toHaveLength(2);
  expect(mergedSummary([said("a"), said("b")]).workloads).toBe(6);
});

test("an agent of the whole cluster has counted what those of single namespaces count again", () => {
  expect(countedOf([said("a"), said("*"), said("b")]).map(({ namespace }) => namespace)).toEqual(["*"]);
});

test("an earlier agent, which counts all that it serves at each of its keys, is counted once", () => {
  const two = [older("a", ["a", "b"]), older("b", ["a", "b"])];
  expect(countedOf(two).map(({ namespace }) => namespace)).toEqual(["a"]);
  expect(countedOf([...two, older("c", ["c"])]).map(({ namespace }) => namespace)).toEqual(["a", "c"]);
  expect(countedOf([...two, said("d")]).map(({ namespace }) => namespace)).toEqual(["a", "d"]);
});

test("an answer made of many says the worst of all, the oldest age, and what any of them lacks", () => {
  const bad = (name: string, state: string) => ({ namespace: "a", resource: "deployments", name, state });
  const failure = { code: "cluster.unreachable", message: "no" };
  const merged = mergedSummary([
    said("a", { worst: [bad("slow", "run"), bad("broken", "failed")], watchAgeMs: 10, states: { ok: 2, failed: 1 } }),
    said("b", { worst: [bad("half", "degraded")], watchAgeMs: 20, states: { ok: 3 }, synced: false, failure }),
  ]);
  expect(merged.worst.map(({ name }) => name)).toEqual(["broken", "half", "slow"]);
  expect(merged).toMatchObject({ watchAgeMs: 20, states: { ok: 5, failed: 1 }, synced: false, failure });
});

test("counts of agents that say too much together are still counts of the contract", () => {
  const most = 2 ** 31 - 1;
  expect(sum([most, most], (one) => one)).toBe(most);
  expect(added([{ ok: most }, { ok: most }])).toEqual({ ok: most });
});
