// What registries say of agents (announced) beside what the agents last answered (seen), and how the registries are.
import { create } from "@bufbuild/protobuf";
import {
  type AgentRow,
  AgentRowSchema,
  type ListAgentsRequest,
  ListAgentsResponseSchema,
  ListRegistriesResponseSchema,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import { age, enrolledMs, type FleetDeps, isReading } from "./clusters.ts";
import type { Endpoint } from "./directory.ts";
import { compare, countStates, pageOf } from "./page.ts";
import type { Known } from "./summaries.ts";

export type AgentsAsked = Pick<ListAgentsRequest, "cluster" | "q" | "state" | "limit" | "continue">;

/** One row for each key that is announced, or was not long ago. */
export function agentsOf({ pool, summaries, now }: FleetDeps, asked: AgentsAsked) {
  const silent = new Set(
    pool.directory.sources().flatMap(({ name, problem }) => (problem === undefined ? [] : [name])),
  );
  const clusters = summaries.clusters();
  const known = asked.cluster === "" ? [...clusters.values()] : [clusters.get(asked.cluster) ?? []];
  const found = known.flatMap((set) =>
    [...set].filter((one) => matches(one, asked.q)).map((one) => briefOf(one, silent)),
  );
  found.sort((a, b) => compare(a.of.cluster, b.of.cluster) || compare(a.of.namespace, b.of.namespace));
  const matching = asked.state.length === 0 ? found : found.filter(({ state }) => asked.state.includes(state));
  const page = pageOf(matching, asked, ({ of }) => `${of.cluster} ${of.namespace}`);
  return create(ListAgentsResponseSchema, {
    items: page.rows.map((brief) => agentRow(brief, { pool, summaries, now })),
    total: matching.length,
    states: countStates(found),
    continue: page.continue,
  });
}

/** What has to be known of every key, whichever are shown. */
interface Brief {
  of: Known;
  state: string;
  endpoints: Endpoint[];
  sources: string[];
}

function briefOf(of: Known, silent: ReadonlySet<string>): Brief {
  const endpoints = [...(of.entry?.endpoints.values() ?? [])];
  const sources = [...new Set(endpoints.flatMap((endpoint) => [...endpoint.sources.keys()]))].sort();
  const stale = sources.length > 0 && sources.every((source) => silent.has(source));
  return { of, state: stateOf(of, stale), endpoints, sources };
}

function stateOf(of: Known, stale: boolean): string {
  if (of.failure) return "lost";
  if (!of.summary) return "unknown";
  if (of.summary.failure) return "degraded";
  if (stale) return "stale";
  return isReading(of) ? "reading" : "ok";
}

function matches({ key, entry }: Known, q: string): boolean {
  return q === "" || key.includes(q) || [...(entry?.endpoints.keys() ?? [])].some((address) => address.includes(q));
}

function agentRow({ of, state, endpoints, sources }: Brief, { pool, summaries, now }: FleetDeps): AgentRow {
  const time = now();
  const refusals = pool.answers.refusals(of.key);
  const { key, cluster, namespace, entry, summary, failure, seenAt, readAt } = of;
  const certificateEnd = Math.min(...endpoints.flatMap(({ certificateEnd: end }) => (end === undefined ? [] : [end])));
  return create(AgentRowSchema, {
    key,
    cluster,
    namespace,
    state,
    sources,
    instances: endpoints.map((endpoint) => ({
      address: endpoint.address.startsWith("unix:") ? "tunnel" : endpoint.address,
      sources: [...endpoint.sources.keys()],
      answering: endpoint.failures === 0,
      outstanding: endpoint.outstanding,
      seenMs: age(time, endpoint.seenAt),
    })),
    announcedMs: age(time, entry?.announcedAt),
    seenMs: age(time, seenAt),
    version: summary?.info?.version,
    kubernetesVersion: summary?.info?.kubernetesVersion,
    certificateMs: Number.isFinite(certificateEnd) ? Math.max(0, certificateEnd - Date.now()) : 0,
    failure: failure ?? summary?.failure,
    enrolledMs: readAt === undefined ? enrolledMs(cluster, summaries, time) : undefined,
    refused: refusals && Math.min(refusals.count, 2 ** 31 - 1),
    refusedProblem: refusals?.problem,
  });
}

/** Those that can fall silent, for the top bar: what lives in this process cannot. */
export function registriesOutside(deps: Pick<FleetDeps, "pool" | "now">) {
  return registriesOf(deps)
    .items.filter(({ kind }) => kind !== "embedded")
    .map(({ name, state, heardMs }) => ({ name, state, heardMs }));
}

export function registriesOf({ pool, now }: Pick<FleetDeps, "pool" | "now">) {
  return create(ListRegistriesResponseSchema, {
    items: pool.directory
      .sources()
      .map(({ name, kind, entries, ignored, heardAt, problem, lastIgnored, lastProblem }) => ({
        name,
        kind,
        state: problem !== undefined ? "stale" : heardAt === undefined ? "unknown" : "ok",
        entries,
        ignored,
        // What lives in this process cannot fall silent.
        heardMs: kind === "embedded" || kind === "memory" ? 0 : age(now(), heardAt),
        problem,
        lastProblem: problem ?? lastProblem?.problem,
        lastProblemMs: problem !== undefined ? 0 : age(now(), lastProblem?.at),
        ignoredKey: lastIgnored?.key,
        ignoredProblem: lastIgnored?.problem,
      })),
  });
}
