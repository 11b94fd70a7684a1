// What the registries say, merged by reference: the same key in two sources is one entry, and one source's silence or
// loss removes nothing that another still says.
import { type Change, isAddress, parseKey, type Source, type Via } from "../discovery/discovery.ts";
import type { Log } from "../process/log.ts";

/** One address at which an agent serves, as pages show it. */
export interface Endpoint {
  readonly address: string;
  /** Sources that say so: name -> instance ids. */
  readonly sources: Map<string, Set<string>>;
  outstanding: number;
  /** Set while it is left out after a failure; on the pool's clock. */
  ejectedUntil: number;
  failures: number;
  /** When it last answered us; undefined for never. */
  seenAt?: number;
  /** True where it answered without TLS, which only an insecure server accepts. */
  plain?: boolean;
  /** When the certificate that it last showed ends, milliseconds UTC. */
  certificateEnd?: number;
}

/** One key: the instances that announce it. */
export interface AgentEntry {
  readonly key: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly endpoints: Map<string, Endpoint>;
  /** When a registry last confirmed it. */
  announcedAt: number;
}

export interface GoneEntry {
  key: string;
  namespace: string;
  cluster: string;
  goneAt: number;
}

export interface SourceState {
  name: string;
  kind: string;
  entries: number;
  /** When it last said anything; undefined before the first answer. */
  heardAt?: number;
  /** Set while it is silent. */
  problem?: string;
  /** What it was silent with before it answered again, and when that was. */
  lastProblem?: { problem: string; at: number };
  /** Values it holds that are not ours, and the last of them. */
  ignored: number;
  lastIgnored?: { key: string; problem: string };
}

/** A change of the directory: an entry that is new or moved, or one that is gone. */
export type Told = { entry: AgentEntry } | { gone: GoneEntry };

export interface Directory {
  /** Two map look-ups: the cluster, then the exact namespace, else "*". Left out: any, the whole cluster first. */
  find(cluster: string, namespace?: string): AgentEntry | undefined;
  /** The namespaced entries of a cluster that has no agent for the whole of it. */
  namespaced(cluster: string): AgentEntry[];
  entries(): Iterable<AgentEntry>;
  endpoint(address: string): Endpoint | undefined;
  /** Keys that are announced no longer, remembered for a while: their clusters are lost, not forgotten. */
  gone(): Iterable<GoneEntry>;
  sources(): SourceState[];
  /** Follows a source until the signal aborts. */
  follow(source: Source, signal: AbortSignal): Promise<void>;
  onChange(tell: (told: Told) => void): () => void;
}

export interface DirectoryOptions {
  prefix: string;
  /** Milliseconds a key that has gone is remembered. */
  forgetMs: number;
  /** Told of an address that no source names any more. */
  onDropped(address: string): void;
  /** Monotonic milliseconds. */
  now: () => number;
  log: Log;
}

const mostGone = 2_000;
const mostWarned = 1_000;

export function createDirectory({ prefix, forgetMs, onDropped, now, log }: DirectoryOptions): Directory {
  const clusters = new Map<string, Map<string, AgentEntry>>();
  const byKey = new Map<string, AgentEntry>();
  const endpoints = new Map<string, Endpoint>();
  const gone = new Map<string, GoneEntry>();
  const states = new Map<string, SourceState>();
  /** By source, `<key>\0<instance>` -> address: what it has said, so that it can be unsaid. */
  const said = new Map<string, Map<string, string>>();
  const listeners = new Set<(told: Told) => void>();
  const warned = new Set<string>();

  async function follow(source: Source, signal: AbortSignal): Promise<void> {
    const state: SourceState = { name: source.name, kind: source.kind, entries: 0, ignored: 0 };
    states.set(source.name, state);
    said.set(source.name, new Map());
    for await (const change of source.watch(signal)) hear(state, change);
  }

  function hear(state: SourceState, change: Change): void {
    const known = said.get(state.name)!;
    if (change.type === "silent") {
      if (!state.problem) log.warn("registry is silent", { registry: state.name, problem: change.problem });
      state.problem = change.problem;
      return;
    }
    if (state.problem) {
      log.info("registry answers again", { registry: state.name });
      state.lastProblem = { problem: state.problem, at: now() };
    }
    state.problem = undefined;
    state.heardAt = now();
    switch (change.type) {
      case "set": {
        const left = new Set(known.keys());
        for (const entry of change.entries) {
          left.delete(`${entry.key}\0${entry.instance}`);
          put(state, entry.key, entry.instance, entry.via);
        }
        for (const id of left) unsay(state, id);
        break;
      }
      case "put":
        put(state, change.entry.key, change.entry.instance, change.entry.via);
        break;
      case "removed":
        unsay(state, `${change.key}\0${change.instance}`);
        break;
      case "ignored":
        ignore(state, change.key, change.problem);
        break;
      case "alive":
        for (const id of known.keys()) {
          const entry = byKey.get(id.slice(0, id.indexOf("\0")));
          if (entry) entry.announcedAt = now();
        }
    }
    state.entries = known.size;
  }

  function put(state: SourceState, key: string, instance: string, via: Via): void {
    const parsed = parseKey(prefix, key);
    if ("problem" in parsed) {
      ignore(state, key, parsed.problem);
      return;
    }
    const address = "address" in via ? via.address : `unix:${via.tunnel}`;
    if ("address" in via && !isAddress(address)) {
      ignore(state, key, `${JSON.stringify(address)} is not host:port`);
      return;
    }
    const id = `${key}\0${instance}`;
    const known = said.get(state.name)!;
    const before = known.get(id);
    if (before !== undefined && before !== address) unsay(state, id);
    known.set(id, address);
    const entry = entryOf(key, parsed.namespace, parsed.cluster);
    entry.announcedAt = now();
    let endpoint = endpoints.get(address);
    if (!endpoint) {
      endpoint = { address, sources: new Map(), outstanding: 0, ejectedUntil: 0, failures: 0 };
      endpoints.set(address, endpoint);
    }
    const instances = endpoint.sources.get(state.name) ?? new Set();
    const isNew = !instances.has(id);
    instances.add(id);
    endpoint.sources.set(state.name, instances);
    // What announces itself anew has just been alive.
    if (isNew) {
      endpoint.ejectedUntil = 0;
      endpoint.failures = 0;
    }
    const joined = !entry.endpoints.has(address);
    entry.endpoints.set(address, endpoint);
    if (isNew || joined) tell({ entry });
  }

  function entryOf(key: string, namespace: string, cluster: string): AgentEntry {
    let entry = byKey.get(key);
    if (!entry) {
      entry = { key, namespace, cluster, endpoints: new Map(), announcedAt: now() };
      byKey.set(key, entry);
      const namespaces = clusters.get(cluster) ?? new Map<string, AgentEntry>();
      namespaces.set(namespace, entry);
      clusters.set(cluster, namespaces);
      gone.delete(key);
    }
    return entry;
  }

  function unsay(state: SourceState, id: string): void {
    const known = said.get(state.name)!;
    const address = known.get(id);
    if (address === undefined) return;
    known.delete(id);
    const endpoint = endpoints.get(address);
    const entry = byKey.get(id.slice(0, id.indexOf("\0")));
    const instances = endpoint?.sources.get(state.name);
    instances?.delete(id);
    if (instances?.size === 0) endpoint!.sources.delete(state.name);
    if (endpoint && entry && !stillSaid(endpoint, entry.key)) entry.endpoints.delete(address);
    if (endpoint && endpoint.sources.size === 0) {
      endpoints.delete(address);
      onDropped(address);
    }
    if (!entry) return;
    if (entry.endpoints.size === 0) forget(entry);
    else tell({ entry });
  }

  function stillSaid(endpoint: Endpoint, key: string): boolean {
    for (const instances of endpoint.sources.values()) {
      for (const id of instances) if (id.startsWith(`${key}\0`)) return true;
    }
    return false;
  }

  function forget(entry: AgentEntry): void {
    byKey.delete(entry.key);
    const namespaces = clusters.get(entry.cluster);
    namespaces?.delete(entry.namespace);
    if (namespaces?.size === 0) clusters.delete(entry.cluster);
    const left: GoneEntry = { key: entry.key, namespace: entry.namespace, cluster: entry.cluster, goneAt: now() };
    gone.set(entry.key, left);
    for (const [key, { goneAt }] of gone) {
      if (gone.size <= mostGone && goneAt > now() - forgetMs) break;
      gone.delete(key);
    }
    tell({ gone: left });
  }

  function ignore(state: SourceState, key: string, problem: string): void {
    const shown = key.slice(0, 200);
    state.ignored++;
    state.lastIgnored = { key: shown, problem };
    if (warned.size > mostWarned || warned.has(shown)) return;
    warned.add(shown);
    log.warn("registry holds a value that is not ours", { registry: state.name, key: shown, problem });
  }

  function tell(told: Told): void {
    for (const listener of listeners) listener(told);
  }

  return {
    find(cluster, namespace) {
      const namespaces = clusters.get(cluster);
      if (!namespaces) return undefined;
      if (namespace !== undefined && namespace !== "*") return namespaces.get(namespace) ?? namespaces.get("*");
      return namespaces.get("*") ?? namespaces.values().next().value;
    },
    namespaced(cluster) {
      const namespaces = clusters.get(cluster);
      return namespaces?.has("*") ? [] : [...(namespaces?.values() ?? [])];
    },
    entries: () => byKey.values(),
    endpoint: (address) => endpoints.get(address),
    *gone() {
      const limit = now() - forgetMs;
      for (const entry of gone.values()) if (entry.goneAt > limit) yield entry;
    },
    sources: () => [...states.values()],
    follow,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
