// What registries say of agents (announced) beside what the agents last answered (seen), and how the registries are.
import { create } from "@bufbuild/protobuf";
import {
  type AgentRow,
  AgentRowSchema,
  ListAgentsResponseSchema,
  ListRegistriesResponseSchema,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import { age, compare, type FleetDeps } from "./clusters.ts";
import type { Known } from "./summaries.ts";

/** One row for each key that is announced, or was not long ago. */
export function agentsOf({ pool, summaries, now }: FleetDeps, cluster: string) {
  const silent = new Set(
    pool.directory.sources().flatMap(({ name, problem }) => (problem === undefined ? [] : [name])),
  );
  const rows: AgentRow[] = [];
  for (const [name, known] of summaries.clusters()) {
    if (cluster !== "" && name !== cluster) continue;
    for (const one of known) rows.push(agentRow(one, silent, now()));
  }
  rows.sort((a, b) => compare(a.cluster, b.cluster) || compare(a.namespace, b.namespace));
  return create(ListAgentsResponseSchema, { items: rows });
}

function agentRow(
  { key, cluster, namespace, entry, summary, failure, seenAt }: Known,
  silent: Set<string>,
  time: number,
) {
  const endpoints = [...(entry?.endpoints.values() ?? [])];
  const sources = [...new Set(endpoints.flatMap((endpoint) => [...endpoint.sources.keys()]))].sort();
  const stale = sources.length > 0 && sources.every((source) => silent.has(source));
  const certificateEnd = Math.min(...endpoints.flatMap(({ certificateEnd: end }) => (end === undefined ? [] : [end])));
  return create(AgentRowSchema, {
    key,
    cluster,
    namespace,
    state: failure ? "lost" : !summary ? "unknown" : stale ? "stale" : "ok",
    sources,
    instances: endpoints.map((endpoint) => ({
      address: endpoint.address.startsWith("unix:") ? "tunnel" : endpoint.address,
      sources: [...endpoint.sources.keys()],
      answering: endpoint.ejectedUntil <= time,
      outstanding: endpoint.outstanding,
      seenMs: age(time, endpoint.seenAt),
    })),
    announcedMs: age(time, entry?.announcedAt),
    seenMs: age(time, seenAt),
    version: summary?.info?.version,
    kubernetesVersion: summary?.info?.kubernetesVersion,
    certificateMs: Number.isFinite(certificateEnd) ? Math.max(0, certificateEnd - Date.now()) : 0,
    failure,
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
    items: pool.directory.sources().map(({ name, kind, entries, ignored, heardAt, problem, lastIgnored }) => ({
      name,
      kind,
      state: problem !== undefined ? "stale" : heardAt === undefined ? "unknown" : "ok",
      entries,
      ignored,
      // What lives in this process cannot fall silent.
      heardMs: kind === "embedded" || kind === "memory" ? 0 : age(now(), heardAt),
      problem,
      ignoredKey: lastIgnored?.key,
      ignoredProblem: lastIgnored?.problem,
    })),
  });
}
