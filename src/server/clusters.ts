// Every cluster at once, as the summaries tell it: what answers, what needs somebody. Makes no call.
import { create } from "@bufbuild/protobuf";
import { reasons } from "../contract/reasons.ts";
import {
  type Attention,
  AttentionSchema,
  type ClusterRow,
  ClusterRowSchema,
  type Fleet,
  FleetSchema,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import type { Pool } from "./pool.ts";
import type { Known, Summaries } from "./summaries.ts";

export interface FleetDeps {
  pool: Pool;
  summaries: Summaries;
  now: () => number;
}

const mostAttention = 20;

/** @param group a label's name; "" groups by none. */
export function fleetOf({ summaries, now }: Pick<FleetDeps, "summaries" | "now">, group: string): Fleet {
  const clusters = [...summaries.clusters()].map(([name, known]) => clusterRow(name, known, summaries, now()));
  clusters.sort((a, b) => compare(a.name, b.name));
  const answering = clusters.filter((cluster) => cluster.state === "ok" || cluster.state === "degraded");
  return create(FleetSchema, {
    clusters,
    answering: answering.length,
    workloads: sum(clusters, (cluster) => cluster.workloads),
    pods: sum(clusters, (cluster) => cluster.podsReady),
    attention: attentionOf(clusters, summaries, now()),
    groups: [...new Set(clusters.flatMap((cluster) => Object.keys(cluster.labels)))].sort(),
    group,
  });
}

/** One cluster as its tile shows it: the union of what its agents answered last. */
export function clusterRow(name: string, known: ReadonlySet<Known>, summaries: Summaries, time: number): ClusterRow {
  const all = [...known];
  const answered = all.filter((one) => one.summary);
  const whole = answered.filter((one) => one.namespace === "*");
  // An agent of the whole cluster has counted what those of single namespaces count again.
  const counted = whole.length > 0 ? whole : answered;
  const info = counted[0]?.summary?.info;
  const states: Record<string, number> = {};
  for (const { summary } of counted) {
    for (const [state, count] of Object.entries(summary!.states)) states[state] = (states[state] ?? 0) + count;
  }
  const endpoints = new Map(all.flatMap((one) => [...(one.entry?.endpoints ?? [])]));
  const out = [...endpoints.values()].filter((endpoint) => endpoint.ejectedUntil > time).length;
  return create(ClusterRowSchema, {
    name,
    state: stateOf(all, states, summaries, time),
    labels: info?.labels,
    kubernetesVersion: info?.kubernetesVersion,
    agentVersion: info?.version,
    simulated: info?.simulated,
    scope: [...new Set(counted.flatMap((one) => one.summary!.info?.scope ?? []))].sort(),
    agents: endpoints.size,
    agentsAnswering: all.some((one) => one.failure === undefined && one.summary) ? endpoints.size - out : 0,
    states,
    workloads: sum(counted, (one) => one.summary!.workloads),
    podsDesired: sum(counted, (one) => one.summary!.podsDesired),
    podsReady: sum(counted, (one) => one.summary!.podsReady),
    seenMs: age(time, newest(all.map((one) => one.seenAt))),
    announcedMs: age(time, newest(all.map((one) => one.entry?.announcedAt))),
    failure: failureOf(all),
    keys: all.map((one) => one.key).sort(),
  });
}

/** Never asked is unknown, a failed question is lost, an old answer is stale: only what is known well is ok. */
function stateOf(all: Known[], states: Record<string, number>, summaries: Summaries, time: number): string {
  if (all.every((one) => !one.summary && !one.failure)) return "unknown";
  if (all.every((one) => one.failure !== undefined || !one.summary)) return "lost";
  const old = Math.max(3 * summaries.intervalMs(), 30_000);
  for (const { summary, seenAt = 0 } of all) {
    if (!summary) continue;
    if (summary.failure || !summary.synced || summary.watchAgeMs > 60_000 || time - seenAt > old) return "stale";
  }
  const missing = all.some((one) => one.failure !== undefined);
  return missing || (states.failed ?? 0) + (states.degraded ?? 0) > 0 ? "degraded" : "ok";
}

function failureOf(all: Known[]) {
  return all.find((one) => one.failure)?.failure ?? all.find((one) => one.summary?.failure)?.summary?.failure;
}

function attentionOf(clusters: ClusterRow[], summaries: Summaries, time: number): Attention[] {
  const found: { rank: number; attention: Attention }[] = [];
  for (const cluster of clusters) {
    if (cluster.state === "lost" || cluster.state === "stale") {
      const rank = cluster.state === "lost" ? 1_000 : 10;
      const { name, state, failure, seenMs } = cluster;
      found.push({ rank, attention: create(AttentionSchema, { cluster: name, state, failure, seenMs }) });
    }
    if (cluster.state === "lost") continue;
    for (const { summary, seenAt, failure } of summaries.clusters().get(cluster.name) ?? []) {
      if (failure) continue;
      for (const trouble of summary?.worst ?? []) {
        // What still moves may yet be well.
        if (trouble.state !== "failed" && trouble.state !== "degraded") continue;
        const seenMs = age(time, seenAt);
        const attention = create(AttentionSchema, { cluster: cluster.name, trouble, state: trouble.state, seenMs });
        const reason = trouble.reason?.code as keyof typeof reasons | undefined;
        const rank = (trouble.state === "failed" ? 500 : 100) + ((reason && reasons[reason]?.rank) ?? 0);
        found.push({ rank, attention });
      }
    }
  }
  found.sort((a, b) => b.rank - a.rank || compare(a.attention.cluster, b.attention.cluster));
  return found.slice(0, mostAttention).map((one) => one.attention);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function newest(times: (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.max(...known) : undefined;
}

/** Milliseconds since; -1 for never. */
export function age(time: number, at: number | undefined): number {
  return at === undefined ? -1 : Math.max(0, Math.round(time - at));
}

/** Milliseconds since an agent of the cluster last answered; -1 for never. */
export function seenMs({ summaries, now }: Pick<FleetDeps, "summaries" | "now">, cluster: string): number {
  return age(now(), newest([...(summaries.clusters().get(cluster) ?? [])].map((one) => one.seenAt)));
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
