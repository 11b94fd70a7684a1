// The namespaces that the agent may read, with how much lies in each.
import type { Handlers } from "../contract/grpc.ts";
import type { NamespaceService } from "../gen/lizardcd/v1/namespace_pb.ts";
import type { Cluster } from "./cluster.ts";
import { translated } from "./failure.ts";
import type { KubeObject } from "./object.ts";

type RawNamespace = KubeObject & { status?: { phase?: string } };

/** Several pages open at once ask for the same. */
const freshMs = 2_000;

export function namespaceHandlers(cluster: Cluster): Handlers<typeof NamespaceService> {
  const { kube, store, watcher } = cluster;
  let kept: { phases: Map<string, string>; at: number } | undefined;

  async function phases(signal: AbortSignal): Promise<Map<string, string>> {
    if (kept && performance.now() - kept.at < freshMs) return kept.phases;
    const at = performance.now();
    const { items } = await kube.list<RawNamespace>("/api/v1/namespaces", {}, { signal });
    kept = { phases: new Map(items.map(({ metadata, status }) => [metadata.name, status?.phase ?? ""])), at };
    return kept.phases;
  }

  return {
    async list(_input, { signal }) {
      await cluster.synced(signal);
      const scope = cluster.scope();
      const counts = new Map<string, number>();
      for (const { namespace } of store.rows()) counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
      const known = scope?.listsNamespaces
        ? await translated({ cluster: cluster.name }, () => phases(signal))
        : new Map<string, string>();
      const whole = scope?.namespaces.includes("*") ?? false;
      const names = whole ? new Set([...known.keys(), ...counts.keys()]) : new Set(scope?.namespaces);
      return {
        items: [...names]
          .sort()
          .map((name) => ({ name, phase: known.get(name) ?? "", workloads: counts.get(name) ?? 0 })),
        ageMs: scope?.listsNamespaces && kept ? Math.round(performance.now() - kept.at) : watcher.ageMs(),
      };
    },
  };
}
