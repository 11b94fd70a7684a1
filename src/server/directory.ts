// What the registries say, merged by reference: the same key in two sources is one entry, and one source's silence or
// loss removes nothing that another still says.
import { type AgentKey, type Change, type Entry, parseKey, type Source, wrongWith } from "../discovery/discovery.ts";
import { createFew, type Few } from "../discovery/few.ts";
import type { Log } from "../process/log.ts";

/** One address at which an agent serves, as pages show it. */
export interface Endpoint {
  readonly address: string;
  /** Sources that say so: name -> `<key>\0<instance>` of each that is there. */
  readonly sources: Few<Few<true>>;
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
  readonly endpoints: Few<Endpoint>;
  /** When a registry last confirmed it. */
  announcedAt: number;
  /** True for an agent that says that it can serve nothing: it does not stand in the way of others of its cluster. */
  idle?: boolean;
}

export interface GoneEntry {
  key: string;
  namespace: string;
  cluster: string;
  goneAt: number;
  /** The one that announced it last: an agent that announces other keys instead is not lost. */
  instance?: string;
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
  /** Values it holds now that are not ours, and the last of them. */
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

/** What one source has said and not unsaid, each by `<key>\0<instance>`. */
interface Said {
  /** The addresses of what is ours. */
  known: Map<string, string>;
  /** Of what is not, why. */
  wrong: Map<string, string>;
  /** The last of those, while it stands. */
  lastWrong?: string;
  /** Of what is ours and beyond a bound, until there is a place for it. */
  waiting: Map<string, Entry>;
}

/** Whoever may write into a registry may write without end: what is beyond these is ignored until others have gone. */
export const bounds = {
  /** Addresses at which one key is served: what `pick` looks through. */
  addressesOfKey: 64,
  keysOfCluster: 2_000,
  /** Of one address in one source, over all its keys. */
  instancesOfAddress: 10_000,
  instancesOfSource: 65_536,
  /** Values that are not ours, which are counted one by one up to here. */
  ignoredOfSource: 65_536,
};

/** How soon what waits for a place has one that became free. */
const placeMs = 1_000;

const mostGone = 2_000;
const mostWarned = 1_000;

export function createDirectory({ prefix, forgetMs, onDropped, now, log }: DirectoryOptions): Directory {
  const clusters = new Map<string, Map<string, AgentEntry>>();
  const byKey = new Map<string, AgentEntry>();
  const endpoints = new Map<string, Endpoint>();
  const gone = new Map<string, GoneEntry>();
  const states = new Map<string, SourceState>();
  const said = new Map<string, Said>();
  const listeners = new Set<(told: Told) => void>();
  const warned = new Set<string>();
  /** `<key>\0<address>` that is said several times -> how many times beyond the first. */
  const more = new Map<string, number>();
  let placing: ReturnType<typeof setTimeout> | undefined;

  async function follow(source: Source, signal: AbortSignal): Promise<void> {
    const state: SourceState = { name: source.name, kind: source.kind, entries: 0, ignored: 0 };
    states.set(source.name, state);
    said.set(source.name, { known: new Map(), wrong: new Map(), waiting: new Map() });
    for await (const change of source.watch(signal)) hear(state, change);
  }

  function hear(state: SourceState, change: Change): void {
    const { known, wrong } = said.get(state.name)!;
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
        const left = new Set([...known.keys(), ...wrong.keys()]);
        for (const entry of change.entries) {
          left.delete(idOf(entry));
          put(state, entry);
        }
        for (const id of left) unsay(state, id);
        break;
      }
      case "put":
        put(state, change.entry);
        break;
      case "removed":
        unsay(state, idOf(change));
        break;
      case "alive":
        for (const id of known.keys()) {
          const entry = byKey.get(keyOf(id));
          if (entry) entry.announcedAt = now();
        }
    }
    state.entries = known.size;
    state.ignored = wrong.size;
  }

  function put(state: SourceState, told: Entry): void {
    const { key, via } = told;
    const id = idOf(told);
    const problem = wrongWith(prefix, told);
    if (problem !== undefined) {
      // It may have been good before.
      unsayKnown(state, id);
      said.get(state.name)!.waiting.delete(id);
      ignore(state, id, problem);
      return;
    }
    const parsed = parseKey(prefix, key) as AgentKey;
    const address = "address" in via ? via.address : `unix:${via.tunnel}`;
    const { known, wrong, waiting } = said.get(state.name)!;
    const before = known.get(id);
    const beyond = before === address ? undefined : beyondOf(state, key, parsed, address, before);
    if (beyond !== undefined) {
      unsayKnown(state, id);
      ignore(state, id, beyond, key);
      waiting.set(id, told);
      return;
    }
    waiting.delete(id);
    wrong.delete(id);
    if (before !== undefined && before !== address) unsayKnown(state, id);
    known.set(id, address);
    const entry = entryOf(key, parsed.namespace, parsed.cluster);
    entry.announcedAt = now();
    let endpoint = endpoints.get(address);
    if (!endpoint) {
      endpoint = { address, sources: createFew(), outstanding: 0, ejectedUntil: 0, failures: 0 };
      endpoints.set(address, endpoint);
    }
    const instances = endpoint.sources.get(state.name) ?? createFew<true>();
    const isNew = !instances.has(id);
    instances.set(id, true);
    endpoint.sources.set(state.name, instances);
    // What announces itself anew has just been alive.
    if (isNew) {
      endpoint.ejectedUntil = 0;
      endpoint.failures = 0;
    }
    const joined = !entry.endpoints.has(address);
    if (isNew && !joined) more.set(`${key}\0${address}`, (more.get(`${key}\0${address}`) ?? 0) + 1);
    entry.endpoints.set(address, endpoint);
    if (isNew || joined) tell({ entry });
  }

  /** In words which bound it is beyond. @param before its address until now, whose place it leaves */
  function beyondOf(
    { name }: SourceState,
    key: string,
    { cluster }: AgentKey,
    address: string,
    before: string | undefined,
  ): string | undefined {
    const entry = byKey.get(key);
    const instances = endpoints.get(address)?.sources.get(name)?.size ?? 0;
    if (instances >= bounds.instancesOfAddress)
      return `its address is announced ${bounds.instancesOfAddress} times already`;
    const newAddress = entry && before === undefined && !entry.endpoints.has(address);
    if (newAddress && entry.endpoints.size >= bounds.addressesOfKey)
      return `its key has ${bounds.addressesOfKey} addresses already`;
    if (!entry && (clusters.get(cluster)?.size ?? 0) >= bounds.keysOfCluster)
      return `its cluster has ${bounds.keysOfCluster} keys already`;
    if (before === undefined && said.get(name)!.known.size >= bounds.instancesOfSource)
      return `its registry names ${bounds.instancesOfSource} instances already`;
    return undefined;
  }

  /** Together for all that became free in the meantime: a flood that ends costs one look, not one for each value. */
  function place(): void {
    placing = undefined;
    for (const state of states.values()) {
      const { known, wrong, waiting } = said.get(state.name)!;
      for (const entry of [...waiting.values()]) put(state, entry);
      state.entries = known.size;
      state.ignored = wrong.size;
    }
  }

  function entryOf(key: string, namespace: string, cluster: string): AgentEntry {
    let entry = byKey.get(key);
    if (!entry) {
      entry = { key, namespace, cluster, endpoints: createFew(), announcedAt: now() };
      byKey.set(key, entry);
      const namespaces = clusters.get(cluster) ?? new Map<string, AgentEntry>();
      namespaces.set(namespace, entry);
      clusters.set(cluster, namespaces);
      gone.delete(key);
    }
    return entry;
  }

  function unsay(state: SourceState, id: string): void {
    const { wrong, waiting } = said.get(state.name)!;
    wrong.delete(id);
    waiting.delete(id);
    unsayKnown(state, id);
  }

  function unsayKnown(state: SourceState, id: string): void {
    const { known } = said.get(state.name)!;
    const address = known.get(id);
    if (address === undefined) return;
    known.delete(id);
    if (!placing && [...said.values()].some(({ waiting }) => waiting.size > 0)) {
      placing = setTimeout(place, placeMs);
      placing.unref();
    }
    const endpoint = endpoints.get(address);
    const entry = byKey.get(keyOf(id));
    const instances = endpoint?.sources.get(state.name);
    instances?.delete(id);
    if (instances?.size === 0) endpoint!.sources.delete(state.name);
    if (entry && isLast(entry.key, address)) entry.endpoints.delete(address);
    if (endpoint && endpoint.sources.size === 0) {
      endpoints.delete(address);
      onDropped(address);
    }
    if (!entry) return;
    if (entry.endpoints.size === 0) forget(entry, instanceOf(id));
    else tell({ entry });
  }

  /** False where another source or instance says the same, of which there is one less now. */
  function isLast(key: string, address: string): boolean {
    const id = `${key}\0${address}`;
    const left = more.get(id);
    if (left === undefined) return true;
    if (left === 1) more.delete(id);
    else more.set(id, left - 1);
    return false;
  }

  function forget(entry: AgentEntry, instance: string): void {
    byKey.delete(entry.key);
    const namespaces = clusters.get(entry.cluster);
    namespaces?.delete(entry.namespace);
    if (namespaces?.size === 0) clusters.delete(entry.cluster);
    const { key, namespace, cluster } = entry;
    const left: GoneEntry = { key, namespace, cluster, goneAt: now(), instance };
    gone.set(entry.key, left);
    for (const [key, { goneAt }] of gone) {
      if (gone.size <= mostGone && goneAt > now() - forgetMs) break;
      gone.delete(key);
    }
    tell({ gone: left });
  }

  /** @param about what is warned of once: each value, unless many share what is wrong with them */
  function ignore(state: SourceState, id: string, problem: string, about = id): void {
    const those = said.get(state.name)!;
    if (those.wrong.size < bounds.ignoredOfSource || those.wrong.has(id)) {
      those.wrong.set(id, problem);
      those.lastWrong = id;
    }
    const warning = `${state.name}\0${shown(about)}\0${problem}`;
    if (warned.size >= mostWarned || warned.has(warning)) return;
    warned.add(warning);
    log.warn("registry holds a value that is not ours", { registry: state.name, key: shown(keyOf(id)), problem });
  }

  function lastIgnored({ name }: SourceState): SourceState["lastIgnored"] {
    const those = said.get(name)!;
    if (those.lastWrong === undefined || !those.wrong.has(those.lastWrong)) {
      those.lastWrong = undefined;
      for (const id of those.wrong.keys()) those.lastWrong = id;
    }
    const id = those.lastWrong;
    return id === undefined ? undefined : { key: shown(keyOf(id)), problem: those.wrong.get(id)! };
  }

  function tell(told: Told): void {
    for (const listener of listeners) listener(told);
  }

  return {
    find(cluster, namespace) {
      const namespaces = clusters.get(cluster);
      if (!namespaces) return undefined;
      if (namespace !== undefined && namespace !== "*") return namespaces.get(namespace) ?? namespaces.get("*");
      return wholeOf(namespaces) ?? partsOf(namespaces)[0];
    },
    namespaced(cluster) {
      const namespaces = clusters.get(cluster);
      return !namespaces || wholeOf(namespaces) ? [] : partsOf(namespaces);
    },
    entries: () => byKey.values(),
    endpoint: (address) => endpoints.get(address),
    *gone() {
      const limit = now() - forgetMs;
      for (const entry of gone.values()) if (entry.goneAt > limit) yield entry;
    },
    sources: () => [...states.values()].map((state) => ({ ...state, lastIgnored: lastIgnored(state) })),
    follow,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

type Namespaces = ReadonlyMap<string, AgentEntry>;

/** The one that serves the whole cluster; one that can serve nothing does so where there is no other. */
function wholeOf(namespaces: Namespaces): AgentEntry | undefined {
  const whole = namespaces.get("*");
  return whole?.idle && namespaces.size > 1 ? undefined : whole;
}

function partsOf(namespaces: Namespaces): AgentEntry[] {
  return [...namespaces.values()].filter(({ namespace }) => namespace !== "*");
}

function idOf({ key, instance }: Pick<Entry, "key" | "instance">): string {
  return `${key}\0${instance}`;
}

function keyOf(id: string): string {
  return id.slice(0, id.indexOf("\0"));
}

function instanceOf(id: string): string {
  return id.slice(id.indexOf("\0") + 1);
}

/** True where this running agent announces the key. */
export function announces({ endpoints }: AgentEntry, instance: string): boolean {
  for (const { sources } of endpoints.values())
    for (const instances of sources.values())
      for (const id of instances.keys()) if (instanceOf(id) === instance) return true;
  return false;
}

/** A key that is not ours may have any length. */
function shown(key: string): string {
  return key.slice(0, 200);
}
