// What the agent, its lists, its pages, the command line and `rollout status` say of the tables of pods and workloads.
import { expect, test } from "bun:test";
import { judge } from "../../../src/agent/judgement.ts";
import { kinds } from "../../../src/agent/kind.ts";
import type { RawPod } from "../../../src/agent/object.ts";
import { podVerdict } from "../../../src/agent/reason.ts";
import { deadlineOf, rowOf, Texts, toReason, toWorkloadRow, wantedOf } from "../../../src/agent/row.ts";
import { verdictOf } from "../../../src/cli/rollout.ts";
import { reasons } from "../../../src/contract/reasons.ts";
import { sentence } from "../../../src/words/words.ts";
import { now, podOf } from "./case.ts";
import { podCases } from "./pods.ts";
import { workloadOf } from "./workload-object.ts";
import { type WorkloadCase, workloadCases, workloadUid } from "./workloads.ts";

test("the tables hold 150 cases and more, each of its own name", () => {
  const names = [...podCases, ...workloadCases].map(({ name }) => name);
  expect(names.length).toBeGreaterThanOrEqual(150);
  expect(new Set(names).size).toBe(names.length);
});

test.each(podCases.map((one) => [one.name, one] as const))("the pod %s", (_, one) => {
  const { state, why, early = false } = podVerdict(podOf(one), one.events ?? [], now, one.node);
  expect([state, why?.code].filter(Boolean).join(" ")).toBe(one.says);
  if (one.params) expect(why?.params).toMatchObject(one.params);
  if (one.early !== undefined) expect(early).toBe(one.early);
  if (one.since !== undefined) expect((now - why!.since!) / 1000).toBe(one.since);
});

test.each(workloadCases.map((one) => [one.name, one] as const))("the workload %s", (_, one) => {
  const { row, pods } = judged(one);
  expect([row.state, row.why?.code].filter(Boolean).join(" ")).toBe(one.says);
  if (one.params) expect(row.why?.params).toMatchObject(one.params);
  const conditions = one.status?.conditions ?? [];
  const message = { row: toWorkloadRow(row, "c", now), pods, paused: one.spec?.paused ?? false, conditions };
  expect(verdictOf(message as never)).toBe(one.rollout);
});

test("what kubectl calls rolled out is never failing here, unless pods are too many or it is being deleted", () => {
  for (const one of workloadCases) {
    if (!/successfully rolled out|complete:/.test(one.kubectl) || one.deleting) continue;
    expect([one.name, one.says.split(" ")[0]]).toEqual([one.name, expect.stringMatching(/^(ok|zero|paused|run)$/)]);
  }
});

test("whatever kubectl says beside Running, ContainerCreating, Init or Pending has a reason here", () => {
  for (const { name, kubectl, says } of podCases) {
    const [, status = ""] = kubectl.split(" ");
    if (/^(Running|Pending|ContainerCreating|PodInitializing|Init:\d|Completed|Terminating)/.test(status)) continue;
    expect([name, says]).toEqual([name, expect.stringMatching(/ \S/)]);
  }
});

test("every reason of a pod is in the tables, and each is said in both languages without a place left open", () => {
  const said = new Set<string>();
  for (const one of podCases) {
    const { why } = podVerdict(podOf(one), one.events ?? [], now, one.node);
    if (!why) continue;
    said.add(why.code);
    for (const lang of ["en", "zh"] as const)
      expect(sentence(lang, toReason(why, now))).not.toMatch(/\{\w+\}|undefined/);
  }
  const ofPods = Object.keys(reasons).filter((code) => /^(image|container|probe|volume|node)\.|^pod\./.test(code));
  const elsewhere = ["pod.quota", "pod.refused", "pod.not_ready"];
  expect(ofPods.filter((code) => !said.has(code) && !elsewhere.includes(code))).toEqual([]);
});

/** As list and page judge it: both go through `judge` and `rowOf`. */
function judged(one: WorkloadCase) {
  const object = workloadOf(one);
  const { resource, pods, events = [] } = one;
  const progress = kinds[resource].progress(object);
  const wanted = wantedOf(object);
  if (!pods) return { row: rowOf(resource, object, new Texts()), pods: [] };
  const all = pods.map((pod, index): RawPod => {
    const made = podOf({ ...pod, spec: { nodeName: `n${index}`, ...pod.spec } });
    // What is broken is of the older revision, where the rollout has not come so far.
    const labels = { "controller-revision-hash": one.status?.updatedReplicas ? `${one.name}-2` : `${one.name}-1` };
    return { ...made, metadata: { ...made.metadata, labels, uid: `${pod.name}-${index}` } };
  });
  const ofPods = pods.flatMap((pod, index) =>
    (pod.events ?? []).map((event) => ({
      ...event,
      involvedObject: { ...event.involvedObject, name: pod.name, uid: `${pod.name}-${index}` },
    })),
  );
  const nodes = new Map(pods.flatMap((pod, index) => (pod.node ? [[`n${index}`, pod.node] as const] : [])));
  const { diagnosis, pods: verdicts } = judge({
    resource,
    workload: {
      ...{ namespace: "default", name: one.name, uid: workloadUid, desired: progress.desired },
      ...{ deadlineSeconds: deadlineOf(object), wanted, inOrder: progress.inOrder },
    },
    ...{ pods: all, events: [...events, ...ofPods], nodes, now },
  });
  const row = rowOf(resource, object, new Texts(), diagnosis);
  return { row, pods: verdicts.map(({ verdict }) => ({ state: verdict.state, updated: true })) };
}
