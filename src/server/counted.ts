// Which answers together count a cluster's workloads, each once. Every key is asked for its own namespace; an agent of an
// earlier version counts all that it serves whichever namespace it is asked for, and is known by that.
import { create } from "@bufbuild/protobuf";
import { reasons } from "../contract/reasons.ts";
import { type SummaryResponse, SummaryResponseSchema, type Trouble } from "../gen/lizardcd/v1/agent_pb.ts";

interface Counting {
  /** Of its key. */
  readonly namespace: string;
  readonly summary?: SummaryResponse;
}

/** An agent of the whole cluster has counted what those of single namespaces count again. */
export function countedOf<C extends Counting>(all: readonly C[]): C[] {
  const whole = all.filter(({ namespace }) => namespace === "*");
  const counting = whole.length > 0 ? whole : all;
  const scopes = new Set<string>();
  return counting.filter(({ namespace, summary }) => {
    if (summary?.namespace !== "" || namespace === "*") return summary !== undefined;
    const scope = JSON.stringify(summary.info?.scope ?? []);
    const first = !scopes.has(scope);
    scopes.add(scope);
    return first;
  });
}

/** Workloads that one agent, or all of a cluster together, name as its worst. */
export const mostWorst = 10;

/** One answer of many, each for a part of the cluster. */
export function mergedSummary(parts: readonly Counting[]): SummaryResponse {
  const counted = countedOf(parts).map(({ summary }) => summary!);
  const all = parts.flatMap(({ summary }) => summary ?? []);
  const [{ info } = {} as SummaryResponse] = counted;
  const union = (of: (summary: SummaryResponse) => readonly string[] | undefined) =>
    [...new Set(all.flatMap((summary) => of(summary) ?? []))].sort();
  return create(SummaryResponseSchema, {
    info: info && { ...info, keys: union((one) => one.info?.keys), scope: union((one) => one.info?.scope) },
    states: added(counted.map(({ states }) => states)),
    workloads: sum(counted, ({ workloads }) => workloads),
    namespaces: sum(counted, ({ namespaces }) => namespaces),
    podsDesired: sum(counted, ({ podsDesired }) => podsDesired),
    podsReady: sum(counted, ({ podsReady }) => podsReady),
    worst: counted
      .flatMap(({ worst }) => worst)
      .sort((a, b) => rankOf(b) - rankOf(a))
      .slice(0, mostWorst),
    watchAgeMs: all.reduce((oldest, { watchAgeMs }) => Math.max(oldest, watchAgeMs), 0),
    synced: all.length > 0 && all.every(({ synced }) => synced),
    failure: all.find(({ failure }) => failure)?.failure,
    namespace: "*",
  });
}

/** How much a workload needs somebody: by its state first, then by its reason. */
export function rankOf({ state, reason }: Pick<Trouble, "state" | "reason">): number {
  const code = reason?.code as keyof typeof reasons | undefined;
  const base = state === "failed" ? 500 : state === "degraded" ? 100 : 0;
  return base + ((code && reasons[code]?.rank) ?? 0);
}

/** What a count may be in the contract: agents that say more together would make an answer that no client reads. */
export const mostCounted = 2 ** 31 - 1;

export function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return Math.min(
    mostCounted,
    items.reduce((total, item) => total + of(item), 0),
  );
}

/** Counts of many, added up name by name. */
export function added(all: readonly Record<string, number>[]): Record<string, number> {
  // An agent may call a state as it likes, also as something that every object has.
  const total = new Map<string, number>();
  for (const one of all)
    for (const [name, count] of Object.entries(one))
      total.set(name, Math.min(mostCounted, (total.get(name) ?? 0) + count));
  return Object.fromEntries(total);
}
