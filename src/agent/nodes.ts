// Nodes of pods that are not well, one by one and each for a while: a cluster may have thousands, and few are of interest.
import { type Kube, type RequestOptions, StatusFailed } from "./kube.ts";
import type { RawNode } from "./object.ts";

/** null where there is no node of that name; undefined where nodes may not be read. */
export type FoundNode = RawNode | null | undefined;

export interface Nodes {
  read(names: Iterable<string>, options: RequestOptions): Promise<Map<string, RawNode | null>>;
}

const freshMs = 10_000;
/** Rights may be given later. */
const refusedMs = 60_000;
/** Of the pods of one workload. */
const mostAsked = 8;
const mostKept = 1_000;

export function createNodes(kube: Kube): Nodes {
  const kept = new Map<string, { at: number; node: Promise<FoundNode> }>();
  let refusedAt = Number.NEGATIVE_INFINITY;

  async function ask(name: string, options: RequestOptions): Promise<FoundNode> {
    try {
      const { metadata, status } = await kube.get<RawNode>(`/api/v1/nodes/${encodeURIComponent(name)}`, {}, options);
      // A node's status lists its images, too: only its readiness is kept.
      const conditions = status?.conditions?.filter(({ type }) => type === "Ready");
      return { metadata: { name: metadata.name }, status: { conditions } };
    } catch (cause) {
      if (cause instanceof StatusFailed && cause.status === 404) return null;
      if (!(cause instanceof StatusFailed) || cause.status !== 403) throw cause;
      refusedAt = performance.now();
      return undefined;
    }
  }

  function one(name: string, options: RequestOptions): Promise<FoundNode> {
    const now = performance.now();
    const known = kept.get(name);
    if (known && now - known.at < freshMs) return known.node;
    if (kept.size >= mostKept) kept.clear();
    const node = ask(name, options);
    kept.set(name, { at: now, node });
    // What was not answered is asked again; whoever waits for it is told.
    node.catch(() => kept.delete(name));
    return node;
  }

  return {
    async read(names, options) {
      if (performance.now() - refusedAt < refusedMs) return new Map();
      const asked = [...new Set(names)].filter(Boolean).slice(0, mostAsked);
      const found = await Promise.all(asked.map(async (name) => [name, await one(name, options)] as const));
      return new Map(found.filter((entry): entry is [string, RawNode | null] => entry[1] !== undefined));
    },
  };
}
