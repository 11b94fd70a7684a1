// Every cluster at once, as the summaries tell it: what answers, what needs somebody. Makes no call.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { labelOf } from "../contract/labels.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import {
  AttentionSchema,
  type ClusterGroupSchema,
  type ClusterRow,
  ClusterRowSchema,
  type Fleet,
  FleetSchema,
  type GetFleetRequest,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import { added, countedOf, mostCounted, mostWorst, rankOf, sum } from "./counted.ts";
import { compare, countStates, pageOf } from "./page.ts";
import type { Pool } from "./pool.ts";
import type { Known, Summaries } from "./summaries.ts";

export interface FleetDeps {
  pool: Pool;
  summaries: Summaries;
  now: () => number;
}

const mostAttention = 20;
type AttentionInit = MessageInitShape<typeof AttentionSchema> & { cluster: string };

export type FleetAsked = Pick<GetFleetRequest, "group" | "q" | "state" | "label" | "limit" | "continue">;

export function fleetOf({ summaries, now }: Pick<FleetDeps, "summaries" | "now">, asked: FleetAsked): Fleet {
  const time = now();
  const all = [...summaries.clusters()].map(([name, known]) => briefOf(name, known, summaries, time));
  all.sort((a, b) => compare(a.name, b.name));
  const answering = all.filter(answers);
  const found = all.filter((one) => matches(one, asked));
  const matching = asked.state.length === 0 ? found : found.filter(({ state }) => asked.state.includes(state));
  const page = pageOf(matching, asked, ({ name }) => name);
  return create(FleetSchema, {
    clusters: page.rows.map((brief) => rowOf(brief, summaries, time)),
    continue: page.continue,
    total: all.length,
    matching: matching.length,
    states: countStates(found),
    answering: answering.length,
    workloads: sum(all, ({ workloads }) => workloads),
    workloadStates: added(answering.map(({ states }) => states)),
    pods: sum(all, ({ counted }) => sum(counted, (one) => one.summary!.podsReady)),
    seenMs: answering.reduce((oldest, { seenAt }) => Math.max(oldest, age(time, seenAt)), 0),
    ...attentionOf(all, summaries, time),
    groups: [...new Set(all.flatMap(({ labels }) => Object.keys(labels)))].sort(),
    group: asked.group,
    grouped: groupsOf(page.rows, matching, asked.group),
  });
}

/** One cluster as its tile shows it: the union of what its agents answered last. */
export function clusterRow(name: string, known: ReadonlySet<Known>, summaries: Summaries, time: number): ClusterRow {
  return rowOf(briefOf(name, known, summaries, time), summaries, time);
}

/** What has to be known of every cluster, whichever are shown. */
interface Brief {
  name: string;
  state: string;
  all: Known[];
  /** Those whose counts are the cluster's, each workload once. */
  counted: Known[];
  states: Record<string, number>;
  workloads: number;
  labels: Record<string, string>;
  seenAt: number | undefined;
}

function briefOf(name: string, known: ReadonlySet<Known>, summaries: Summaries, time: number): Brief {
  const all = [...known];
  const counted = countedIn(all);
  // Of ten thousand clusters nearly all have one key: what is said of it is not made anew.
  const states = counted.length === 1 ? counted[0]!.summary!.states : added(counted.map((one) => one.summary!.states));
  return {
    name,
    state: stateOf(all, states, summaries, time),
    all,
    counted,
    states,
    workloads: sum(counted, (one) => one.summary!.workloads),
    labels: counted[0]?.summary?.info?.labels ?? none,
    seenAt: newest(all),
  };
}

const none: Record<string, string> = {};

/** What has never been read counts nothing, and hides nothing that others count. */
function countedIn(all: Known[]): Known[] {
  if (all.length === 1) return all[0]!.summary ? all : [];
  const read = all.filter(({ readAt }) => readAt !== undefined);
  return countedOf(read.length > 0 ? read : all);
}

function rowOf(brief: Brief, summaries: Summaries, time: number): ClusterRow {
  const { name, state, all, counted, states, workloads, labels, seenAt } = brief;
  const info = counted[0]?.summary?.info;
  const endpoints = new Map(all.flatMap((one) => [...(one.entry?.endpoints ?? [])]));
  const answering = new Set(all.flatMap((one) => [...endpointsAnswering(one)]));
  return create(ClusterRowSchema, {
    name,
    state,
    labels,
    kubernetesVersion: info?.kubernetesVersion,
    agentVersion: info?.version,
    simulated: info?.simulated,
    scope: [...new Set(counted.flatMap((one) => one.summary!.info?.scope ?? []))].sort(),
    agents: endpoints.size,
    agentsAnswering: answering.size,
    states,
    workloads,
    podsDesired: sum(counted, (one) => one.summary!.podsDesired),
    podsReady: sum(counted, (one) => one.summary!.podsReady),
    seenMs: age(time, seenAt),
    announcedMs: age(time, announcedLast(all)),
    failure: failureOf(all),
    keys: all.map((one) => one.key).sort(),
    enrolledMs: enrolledMs(name, summaries, time),
  });
}

function announcedLast(all: readonly Known[]): number | undefined {
  const times = all.flatMap(({ entry }) => entry?.announcedAt ?? []);
  return times.length > 0 ? Math.max(...times) : undefined;
}

/** Addresses of a key that answered the last time they were asked. */
function* endpointsAnswering({ entry, summary, failure }: Known): Generator<string> {
  if (!entry || !summary || failure) return;
  for (const [address, { failures }] of entry.endpoints) if (failures === 0) yield address;
}

function answers({ state }: Brief): boolean {
  return state === "ok" || state === "degraded";
}

/** Whether name and labels are what is looked for; its state is counted before it is looked at. */
function matches({ name, labels }: Brief, { q, label }: FleetAsked): boolean {
  const has = (pair: string) => {
    const cut = pair.indexOf("=");
    return labelOf(labels, cut < 0 ? pair : pair.slice(0, cut)) === (cut < 0 ? "" : pair.slice(cut + 1));
  };
  if (!label.every(has)) return false;
  return q === "" || name.includes(q) || Object.entries(labels).some(([key, value]) => `${key}=${value}`.includes(q));
}

/** How many there are of each group that is shown, shown or not. */
function groupsOf(
  shown: readonly Brief[],
  matching: readonly Brief[],
  group: string,
): MessageInitShape<typeof ClusterGroupSchema>[] {
  if (group === "") return [];
  const groups = new Map(shown.map(({ labels }) => [labelOf(labels, group), { clusters: 0, answering: 0 }]));
  for (const one of matching) {
    const counts = groups.get(labelOf(one.labels, group));
    if (!counts) continue;
    counts.clusters++;
    if (answers(one)) counts.answering++;
  }
  return [...groups].map(([value, counts]) => ({ value, ...counts }));
}

/** Only what is known well is ok: what was never read is unknown, a failed question is lost, an old answer is stale. */
function stateOf(all: Known[], states: Record<string, number>, summaries: Summaries, time: number): string {
  const old = Math.max(3 * summaries.intervalMs(), 30_000);
  let [answering, read, reading] = [0, 0, 0];
  let [failed, stale, missing] = [false, false, false];
  for (const one of all) {
    const { entry, failure, summary, readAt, seenAt = 0 } = one;
    if (failure) failed = true;
    if (failure || !summary) continue;
    answering++;
    if (isReading(one)) reading++;
    if (readAt === undefined) missing = true;
    else {
      read++;
      stale ||= !entry || summary.failure !== undefined || summary.watchAgeMs > 60_000 || time - seenAt > old;
    }
  }
  if (answering === 0) return failed ? "lost" : "unknown";
  if (read === 0) return reading === answering ? "reading" : "unknown";
  if (stale) return "stale";
  if (reading > 0) return "reading";
  return missing || failed || (states.failed ?? 0) + (states.degraded ?? 0) > 0 ? "degraded" : "ok";
}

/** An agent whose first whole list is under way; one that takes longer than a watch may be silent is stuck. */
export function isReading({ summary }: Pick<Known, "summary">): boolean {
  return summary !== undefined && !summary.synced && !summary.failure && summary.watchAgeMs <= 60_000;
}

function failureOf(all: Known[]) {
  return all.find((one) => one.failure)?.failure ?? all.find((one) => one.summary?.failure)?.summary?.failure;
}

/** The worst of what needs somebody, and how many there are. */
function attentionOf(clusters: readonly Brief[], summaries: Summaries, time: number) {
  const found: Found[] = [];
  let needs = 0;
  for (const cluster of clusters) {
    const { name, state, all, workloads } = cluster;
    if (state === "ok") continue;
    const failure = failureOf(all);
    const enrolled = enrolledMs(name, summaries, time);
    const rank = clusterRank(cluster, failure, enrolled);
    if (rank > 0) {
      needs++;
      const seenMs = age(time, cluster.seenAt);
      found.push({ rank, attention: { cluster: name, state, failure, seenMs, workloads, enrolledMs: enrolled } });
    }
    if (state === "lost") continue;
    const troubled = troubledOf(cluster, time);
    needs += troubled.needs;
    found.push(...troubled.found);
  }
  found.sort((a, b) => b.rank - a.rank || compare(a.attention.cluster, b.attention.cluster));
  const attention = found.slice(0, mostAttention).map(({ attention }) => create(AttentionSchema, attention));
  return { attention, needs: Math.min(mostCounted, needs) };
}

interface Found {
  rank: number;
  attention: AttentionInit;
}

/** A cluster's workloads. What it says of them takes nothing off what others need, and fills half of the list at most. */
function troubledOf({ name, counted, workloads, states }: Brief, time: number): { needs: number; found: Found[] } {
  const found: Found[] = [];
  let others = 0;
  for (const { summary, seenAt, failure } of counted) {
    if (failure) continue;
    for (const trouble of summary!.worst.slice(0, mostWorst)) {
      // What still moves may yet be well.
      if (trouble.state !== "failed" && trouble.state !== "degraded") continue;
      // One node is one thing to look after, however many workloads it takes along.
      others += trouble.others;
      const attention = { cluster: name, trouble, state: trouble.state, seenMs: age(time, seenAt), workloads };
      found.push({ rank: rankOf(trouble), attention });
    }
  }
  const needs = Math.max(found.length, (states.failed ?? 0) + (states.degraded ?? 0) - others);
  return { needs, found: found.sort((a, b) => b.rank - a.rank).slice(0, mostWorst) };
}

/** An agent that has just enrolled is about to announce itself. */
const aboutToMs = 30_000;

/** How much a whole cluster needs somebody; 0 where it does not. */
function clusterRank({ state }: Brief, failure: Failure | undefined, enrolledMs = 0): number {
  if (state === "lost") return 1_000;
  if (state === "unknown") return failure || enrolledMs > aboutToMs ? 900 : 0;
  if (state === "degraded") return failure ? 50 : 0;
  return state === "stale" ? 10 : 0;
}

/** When one of them answered last. */
function newest(all: Iterable<Known>): number | undefined {
  let last: number | undefined;
  for (const { seenAt } of all) if (seenAt !== undefined && !(last !== undefined && last > seenAt)) last = seenAt;
  return last;
}

/** Milliseconds since; -1 for never. */
export function age(time: number, at: number | undefined): number {
  return at === undefined ? -1 : Math.max(0, Math.round(time - at));
}

/** Milliseconds since its agent enrolled; undefined where it has no certificate that holds. */
export function enrolledMs(cluster: string, { enrolledAt }: Summaries, time: number): number | undefined {
  const at = enrolledAt(cluster);
  return at === undefined ? undefined : age(time, at);
}

/** Milliseconds since an agent of the cluster last answered; -1 for never. */
export function seenMs({ summaries, now }: Pick<FleetDeps, "summaries" | "now">, cluster: string): number {
  return age(now(), newest(summaries.clusters().get(cluster) ?? []));
}
