// The agents the server knows: merged from all sources by reference, found by two map look-ups, called over shared
// connections. Memory follows the agents in use, not the agents that exist.
import type { DescService } from "@bufbuild/protobuf";
import { Failed, grpcCode } from "../contract/errors.ts";
import { type CallOptions, type Peer, stub, WireFailed } from "../contract/grpc.ts";
import { agentServices, type Operation, operations } from "../contract/operation.ts";
import { type Change, formatKey, isAddress, parseKey, type Source } from "../discovery/discovery.ts";
import type { Log } from "../process/log.ts";
import type { Connections } from "./connection.ts";

/** What an agent serves, by noun: `pool.on(input).workload.restart(input)`. */
export type Peers = { [N in keyof typeof agentServices]: Peer<(typeof agentServices)[N]> };

export interface Where {
  cluster: string;
  /** Left out: any agent of the cluster, the whole-cluster one first. */
  namespace?: string;
}

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
  /** Values it holds that are not ours. */
  ignored: number;
}

export interface Pool {
  /** @throws Failed "agent.none", or "agent.unavailable" for a cluster that has gone. */
  on(where: Where): Peers;
  /** The entries that together hold what is asked: one, or each namespaced one where no agent has the whole cluster. */
  covering(where: Where): AgentEntry[];
  /** The peers of exactly this entry. */
  peers(entry: AgentEntry): Peers;
  entries(): Iterable<AgentEntry>;
  /** Keys that are announced no longer, remembered for a while: their clusters are lost, not forgotten. */
  gone(): Iterable<GoneEntry>;
  sources(): SourceState[];
  /** Follows a source until the signal aborts. */
  follow(source: Source, signal: AbortSignal): Promise<void>;
  onChange(tell: (entry: AgentEntry | GoneEntry) => void): () => void;
  readonly connections: number;
  close(): void;
}

export interface PoolOptions {
  prefix: string;
  connections: Connections;
  /** Milliseconds a call may take where the caller sets no deadline. */
  timeoutMs: number;
  /** Milliseconds a key that has gone is remembered. */
  forgetMs: number;
  /** Monotonic milliseconds. */
  now: () => number;
  log: Log;
}

const mostGone = 2_000;
const ejectMs = 1_000;
const mostEjectMs = 15_000;

export function createPool({ prefix, connections, timeoutMs, forgetMs, now, log }: PoolOptions): Pool {
  const clusters = new Map<string, Map<string, AgentEntry>>();
  const byKey = new Map<string, AgentEntry>();
  const endpoints = new Map<string, Endpoint>();
  const gone = new Map<string, GoneEntry>();
  const states = new Map<string, SourceState>();
  /** `<source>\0<key>\0<instance>` -> address: what each source has said, so that it can be unsaid. */
  const said = new Map<string, Map<string, string>>();
  const peersOf = new WeakMap<AgentEntry, Peers>();
  const stubs = new WeakMap<object, Map<DescService, unknown>>();
  const listeners = new Set<(entry: AgentEntry | GoneEntry) => void>();
  const warned = new Set<string>();

  connections.onBroken((address) => {
    const endpoint = endpoints.get(address);
    if (endpoint) eject(endpoint);
    connections.drop(address);
  });

  // -- finding --

  function find({ cluster, namespace }: Where): AgentEntry | undefined {
    const namespaces = clusters.get(cluster);
    if (!namespaces) return undefined;
    if (namespace !== undefined && namespace !== "*") return namespaces.get(namespace) ?? namespaces.get("*");
    return namespaces.get("*") ?? namespaces.values().next().value;
  }

  function on(where: Where): Peers {
    const entry = find(where);
    if (entry) return peers(entry);
    throw missing(where);
  }

  function covering({ cluster, namespace }: Where): AgentEntry[] {
    const namespaces = clusters.get(cluster);
    if (namespace !== undefined && namespace !== "*") {
      const entry = find({ cluster, namespace });
      return entry ? [entry] : [];
    }
    const whole = namespaces?.get("*");
    return whole ? [whole] : [...(namespaces?.values() ?? [])];
  }

  function missing({ cluster, namespace = "*" }: Where): Failed {
    const key = formatKey(prefix, { cluster, namespace });
    for (const left of gone.values()) {
      if (left.cluster !== cluster || (left.namespace !== "*" && left.namespace !== namespace)) continue;
      const seconds = Math.round((now() - left.goneAt) / 1000);
      const problem = `it is no longer announced, since ${seconds} s`;
      return new Failed("agent.unavailable", { key: left.key, problem }, { object: cluster });
    }
    const where = namespace === "*" ? `cluster ${cluster}` : `cluster ${cluster}, namespace ${namespace}`;
    const looked = namespace === "*" ? key : `${key} or ${formatKey(prefix, { cluster, namespace: "*" })}`;
    return new Failed("agent.none", { where, key: looked }, { object: cluster });
  }

  // -- calling --

  function peers(entry: AgentEntry): Peers {
    let made = peersOf.get(entry);
    if (!made) {
      made = makePeers(entry);
      peersOf.set(entry, made);
    }
    return made;
  }

  function makePeers(entry: AgentEntry): Peers {
    const nouns: Record<string, Record<string, unknown>> = {};
    for (const operation of operations) {
      if (!(operation.noun in agentServices)) continue;
      nouns[operation.noun] ??= {};
      nouns[operation.noun]![operation.verb] = operation.streams
        ? (input: object, call?: CallOptions) => stream(entry, operation, input, call)
        : (input: object, call?: CallOptions) => unary(entry, operation, input, call);
    }
    return nouns as Peers;
  }

  /** A read moves on to another instance inside the same deadline; a write only if it was never sent. */
  async function unary(
    entry: AgentEntry,
    operation: Operation,
    input: object,
    call: CallOptions = {},
  ): Promise<unknown> {
    const deadline = call.deadline ?? Date.now() + timeoutMs;
    const tried = new Set<Endpoint>();
    let problem = "no instance is announced";
    while (Date.now() < deadline) {
      const endpoint = pick(entry, tried);
      if (!endpoint) break;
      tried.add(endpoint);
      const connection = connections.acquire(endpoint.address);
      endpoint.outstanding++;
      try {
        const method = methodOf(connection.client, operation);
        const answer = await method(input, { ...call, deadline });
        answered(endpoint);
        return answer;
      } catch (cause) {
        if (!(cause instanceof WireFailed)) {
          answered(endpoint);
          throw cause;
        }
        if (cause.code !== grpcCode.unavailable) throw fromWire(entry, operation, cause);
        eject(endpoint);
        connections.drop(endpoint.address);
        problem = shortened(cause.message);
        if (operation.audited && wasSent(cause)) throw outcomeUnknown(entry, cause);
      } finally {
        endpoint.outstanding--;
        connections.release(connection);
      }
    }
    throw new Failed("agent.unavailable", { key: entry.key, problem }, { object: entry.cluster });
  }

  async function* stream(
    entry: AgentEntry,
    operation: Operation,
    input: object,
    call: CallOptions = {},
  ): AsyncGenerator<unknown> {
    const endpoint = pick(entry, new Set());
    if (!endpoint) {
      throw new Failed("agent.unavailable", { key: entry.key, problem: "no instance is announced" });
    }
    const connection = connections.acquire(endpoint.address);
    endpoint.outstanding++;
    try {
      for await (const message of methodOf(connection.client, operation)(
        input,
        call,
      ) as unknown as AsyncIterable<unknown>) {
        answered(endpoint);
        yield message;
      }
    } catch (cause) {
      if (!(cause instanceof WireFailed)) throw cause;
      if (cause.code === grpcCode.unavailable) {
        eject(endpoint);
        connections.drop(endpoint.address);
      }
      throw fromWire(entry, operation, cause);
    } finally {
      endpoint.outstanding--;
      connections.release(connection);
    }
  }

  /** Least outstanding calls among those that answer; else the one that has been out longest. */
  function pick(entry: AgentEntry, tried: Set<Endpoint>): Endpoint | undefined {
    const time = now();
    let best: Endpoint | undefined;
    let longest: Endpoint | undefined;
    for (const endpoint of entry.endpoints.values()) {
      if (tried.has(endpoint)) continue;
      if (endpoint.ejectedUntil > time) {
        if (!longest || endpoint.ejectedUntil < longest.ejectedUntil) longest = endpoint;
      } else if (!best || endpoint.outstanding < best.outstanding) best = endpoint;
    }
    return best ?? longest;
  }

  function methodOf(client: object, operation: Operation): (input: object, call?: CallOptions) => Promise<unknown> {
    let services = stubs.get(client);
    if (!services) {
      services = new Map();
      stubs.set(client, services);
    }
    const service = operation.method.parent;
    let made = services.get(service) as Record<string, never> | undefined;
    if (!made) {
      made = stub(client as never, service) as never as Record<string, never>;
      services.set(service, made);
    }
    return made[operation.verb]!;
  }

  function answered(endpoint: Endpoint): void {
    endpoint.seenAt = now();
    endpoint.failures = 0;
    endpoint.ejectedUntil = 0;
  }

  function eject(endpoint: Endpoint): void {
    const out = Math.min(mostEjectMs, ejectMs * 2 ** Math.min(endpoint.failures, 6));
    endpoint.failures++;
    endpoint.ejectedUntil = now() + out;
  }

  // -- what sources say --

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
    if (state.problem) log.info("registry answers again", { registry: state.name });
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

  function put(state: SourceState, key: string, instance: string, via: { address: string } | { tunnel: string }): void {
    const parsed = parseKey(prefix, key);
    if ("problem" in parsed) return ignore(state, key, parsed.problem);
    const address = "address" in via ? via.address : `tunnel:${via.tunnel}`;
    if (!isAddress(address)) return ignore(state, key, `${JSON.stringify(address)} is not host:port`);
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
    if (isNew) endpoint.ejectedUntil = 0;
    const joined = !entry.endpoints.has(address);
    entry.endpoints.set(address, endpoint);
    if (isNew || joined) tell(entry);
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
      connections.drop(address);
    }
    if (!entry) return;
    if (entry.endpoints.size === 0) forget(entry);
    else tell(entry);
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
    tell(left);
  }

  function ignore(state: SourceState, key: string, problem: string): void {
    state.ignored++;
    const shown = key.slice(0, 200);
    if (warned.size > 1_000 || warned.has(shown)) return;
    warned.add(shown);
    log.warn("registry holds a value that is not ours", { registry: state.name, key: shown, problem });
  }

  function tell(entry: AgentEntry | GoneEntry): void {
    for (const listener of listeners) listener(entry);
  }

  return {
    on,
    covering,
    peers,
    entries: () => byKey.values(),
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
    get connections() {
      return connections.open;
    },
    close: () => connections.close(),
  };
}

function fromWire(entry: AgentEntry, operation: Operation, cause: WireFailed): Failed {
  const about = { object: entry.cluster, cause };
  switch (cause.code) {
    case grpcCode.cancelled:
      return new Failed("request.cancelled", {}, about);
    case grpcCode.deadline:
      if (operation.audited) return outcomeUnknown(entry, cause);
      return new Failed("request.timed_out", { cluster: entry.cluster }, about);
    case grpcCode.exhausted:
      return new Failed("request.busy", { cluster: entry.cluster }, about);
    default:
      return new Failed("agent.unavailable", { key: entry.key, problem: shortened(cause.message) }, about);
  }
}

function outcomeUnknown(entry: AgentEntry, cause: WireFailed): Failed {
  return new Failed("request.outcome_unknown", { cluster: entry.cluster }, { object: entry.cluster, cause });
}

/** grpc-js says so when no connection was ready: nothing left this process. */
function wasSent(cause: WireFailed): boolean {
  return !/^No connection established/.test(cause.message);
}

function shortened(message: string): string {
  return message.length > 160 ? `${message.slice(0, 157)}…` : message;
}
