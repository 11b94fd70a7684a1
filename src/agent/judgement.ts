// The one judgement of a workload's pods: lists, pages, summaries, the command line and rollouts say what is found here.
// Pure: `diagnosis.ts` and `detail.ts` read what it is made from, the one a little for many, the other all for one.
import { reasons } from "../contract/reasons.ts";
import { fill } from "../contract/template.ts";
import { kinds, type Resource } from "./kind.ts";
import { type RawEvent, type RawNode, type RawPod, timeOf } from "./object.ts";
import {
  creationFailure,
  eventsAbout,
  type PodVerdict,
  podVerdict,
  unreadyContainer,
  waitsForCreation,
  worstOf,
} from "./reason.ts";
import { type Diagnosis, rankOf, type Why, why } from "./state.ts";

export interface Judged {
  pod: RawPod;
  verdict: PodVerdict;
}

export interface Evidence {
  resource: Resource;
  workload: Judgeable;
  /** Its own ones alone. */
  pods: readonly RawPod[];
  /** Of the pods, the workload and its ReplicaSets, as far as they were read; others do no harm. */
  events: readonly RawEvent[];
  /** What is known of nodes by name; null for one that is not there. */
  nodes: ReadonlyMap<string, RawNode | null>;
  /** The ReplicaSets of a Deployment, whose events tell why no pod is made. */
  revisions?: readonly { uid?: string; name: string }[];
  /** By the API server's clock. */
  now: number;
}

/** What has to be known of a workload to judge its pods. */
export interface Judgeable {
  namespace: string;
  name: string;
  uid: string;
  desired: number;
  /** How long pods may take to start. */
  deadlineSeconds: number;
  /** The revision that is wanted, where its pods carry it by name. */
  wanted?: string;
  /** Pods are made one after the other. */
  inOrder?: boolean;
}

export function judge(evidence: Evidence): { pods: Judged[]; diagnosis: Diagnosis } {
  const { resource, workload, events, nodes, now } = evidence;
  const pods = evidence.pods.map((pod) => ({
    pod,
    verdict: podVerdict(pod, events, now, nodes.get(pod.spec?.nodeName ?? "")),
  }));
  const there = pods.filter(({ verdict }) => verdict.state !== "gone" && verdict.state !== "over");
  const missing = there.length < workload.desired;
  const worst = worstOf(there.map(({ verdict }) => verdict));
  let found = worst?.why;
  let early = worst?.early;
  if (missing && rankOf(found) < failing) {
    const other = creationFailure(eventsOfMakers(evidence)) ?? lastOf(pods);
    if (other) [found, early] = [other, false];
  }
  const blocked = blockedBy(resource, workload, there);
  if (blocked) [found, early] = [blocked, false];

  const limit = workload.deadlineSeconds * 1000;
  const coming = there.filter(({ verdict: { state, why } }) => {
    return (state === "run" || state === "wait" || state === "degraded") && rankOf(why) < failing;
  });
  const ageOf = ({ metadata }: RawPod) => now - (timeOf(metadata.creationTimestamp) ?? now);
  const starting = coming.some(({ pod, verdict }) => verdict.state !== "degraded" && ageOf(pod) < limit);
  const late = coming.some(({ pod }) => ageOf(pod) >= limit);
  return { pods, diagnosis: { why: found, early, starting: starting || missing, late } };
}

/** Whether events could change what is said of a pod: only then are they asked for. */
export function needsEvents({ pod, verdict: { state, why } }: Judged): boolean {
  if (state === "ok" || state === "gone" || state === "over" || state === "wait") return false;
  if (!why || rankOf(why) < failing || why.code === "container.not_ready") {
    return waitsForCreation(pod) || unreadyContainer(pod) !== undefined || state === "degraded";
  }
  if (why.code === "image.pull") return /^Back-off pulling/.test(String(why.params.problem));
  // Since when it crashes, and whether a probe ended it.
  return why.code === "container.crash_loop" || why.code.startsWith("container.out_of_memory");
}

/** What ranks lower is no failure: it passes by itself. */
const failing = 60;

/** Pods that have ended, or do not end, count only where another one is missing for it. */
function lastOf(pods: readonly Judged[]): Why | undefined {
  const stuck = pods.find(({ verdict }) => verdict.state === "gone" && verdict.why);
  if (stuck) return stuck.verdict.why;
  const over = pods.filter(({ verdict }) => verdict.state === "over" && verdict.why);
  const age = ({ pod }: Judged) => timeOf(pod.metadata.creationTimestamp) ?? 0;
  return over.sort((a, b) => age(b) - age(a))[0]?.verdict.why;
}

function eventsOfMakers({ resource, workload, revisions = [], events }: Evidence): RawEvent[] {
  const { namespace, name, uid } = workload;
  return [
    ...eventsAbout({ kind: kinds[resource].kind, name, uid, namespace }, events),
    ...revisions.flatMap((one) => eventsAbout({ kind: "ReplicaSet", ...one, namespace }, events)),
  ];
}

/** A pod of an older revision that is broken is never replaced by a StatefulSet that makes its pods in order. */
function blockedBy(resource: Resource, workload: Judgeable, pods: readonly Judged[]): Why | undefined {
  if (resource !== "statefulsets" || !workload.inOrder || !workload.wanted) return undefined;
  const holds = pods.find(({ pod, verdict }) => {
    const revision = kinds.statefulsets.revisionOf(workload.name, pod);
    const broken = rankOf(verdict.why) >= failing && !verdict.early && verdict.why?.code !== "node.not_ready";
    return broken && revision !== "" && revision !== workload.wanted;
  });
  if (!holds) return undefined;
  const { pod, verdict } = holds;
  const { since, object, code, params } = verdict.why!;
  const problem = fill(reasons[code].message, params);
  return why("rollout.blocked", { pod: pod.metadata.name, problem }, { object, since });
}
