// What the agent says of itself, and of its cluster in 2 KB.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Handlers } from "../contract/grpc.ts";
import {
  type AgentInfo,
  type AgentService,
  type SummaryResponse,
  SummaryResponseSchema,
} from "../gen/lizardcd/v1/agent_pb.ts";
import type { Cluster } from "./cluster.ts";
import { type Row, toReason } from "./row.ts";
import { rankOf, severity, type Why } from "./state.ts";

type Summary = Exclude<MessageInitShape<typeof SummaryResponseSchema>, SummaryResponse>;

/** The server keeps the last summary of each of ten thousand agents. */
const summaryBytes = 2_048;
const worstShown = 10;

export function agentHandlers(cluster: Cluster, info: () => AgentInfo): Handlers<typeof AgentService> {
  return {
    info: async () => info(),
    summary: async ({ namespace }) => summary(cluster, info(), namespace || "*"),
  };
}

/** @param namespace counted alone; "*" for all that is served. */
export function summary(cluster: Cluster, info: AgentInfo, namespace = "*"): Summary {
  const { store, kube } = cluster;
  const watcher = cluster.watcher.of(namespace);
  const states: Record<string, number> = {};
  const namespaces = new Set<string>();
  let [workloads, podsDesired, podsReady] = [0, 0, 0];
  const troubled: Row[] = [];
  for (const row of store.rows()) {
    if (namespace !== "*" && row.namespace !== namespace) continue;
    workloads++;
    states[row.state] = (states[row.state] ?? 0) + 1;
    namespaces.add(row.namespace);
    podsDesired += row.desired;
    podsReady += row.ready;
    if (row.state === "failed" || row.state === "degraded" || row.state === "run") troubled.push(row);
  }
  const worst = byNode(troubled.sort(byTrouble)).slice(0, worstShown);
  const counts: Summary = {
    info,
    states,
    workloads,
    namespaces: namespaces.size,
    podsDesired,
    podsReady,
    watchAgeMs: watcher.ageMs(),
    synced: watcher.synced,
    failure: cluster.failure(namespace),
    namespace,
  };
  return fitted(counts, worst, kube.now());
}

/** A workload, and how many others have its reason. */
interface Told {
  row: Row;
  others: number;
}

/** What a node does to its workloads is told once, at the worst of them. */
function byNode(rows: readonly Row[]): Told[] {
  const told: Told[] = [];
  const nodes = new Map<string, Told>();
  for (const row of rows) {
    const node = row.why?.object.startsWith("nodes/") ? `${row.why.code} ${row.why.object}` : "";
    const known = nodes.get(node);
    if (known) {
      known.others++;
      continue;
    }
    const one = { row, others: 0 };
    told.push(one);
    if (node) nodes.set(node, one);
  }
  return told;
}

/** Long sentences are cut first, then the least of the worst are left out. */
function fitted(counts: Summary, worst: readonly Told[], now: number): Summary {
  for (const shown of [worst.length, 7, 5, 3, 1, 0]) {
    for (const length of [160, 80, 40]) {
      const summary: Summary = { ...counts, worst: worst.slice(0, shown).map((one) => troubleOf(one, length, now)) };
      const message = create(SummaryResponseSchema, summary);
      if (toBinary(SummaryResponseSchema, message).length <= summaryBytes) return summary;
    }
  }
  return { ...counts, worst: [] };
}

function troubleOf({ row, others }: Told, length: number, now: number) {
  const { namespace, resource, name, state, desired, ready, why } = row;
  const reason = why && toReason(clipped(why, length), now);
  return { namespace, resource, name, state, desired, ready, reason, others };
}

function clipped(why: Why, length: number): Why {
  const params = Object.entries(why.params).map(([name, value]) => [
    name,
    typeof value === "string" && value.length > length ? `${value.slice(0, length - 1)}…` : value,
  ]);
  return { ...why, params: Object.fromEntries(params) };
}

function byTrouble(a: Row, b: Row): number {
  return (
    severity[a.state] - severity[b.state] ||
    rankOf(b.why) - rankOf(a.why) ||
    b.desired - b.ready - (a.desired - a.ready)
  );
}
