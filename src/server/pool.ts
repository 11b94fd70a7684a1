// The way to every agent: found by two map look-ups, called over shared connections, moved on when one does not answer.
// Memory follows the agents in use, not the agents that exist.
import { create, type DescService, toBinary } from "@bufbuild/protobuf";
import { type Channel, WireFailed } from "../contract/channel.ts";
import { Failed, grpcCode } from "../contract/errors.ts";
import { type CallOptions, type Peer, stub } from "../contract/grpc.ts";
import { agentServices, type Operation, operation as operationOf, operations } from "../contract/operation.ts";
import { formatKey } from "../discovery/discovery.ts";
import type { Log } from "../process/log.ts";
import { type Answers, createAnswers, prepareFor } from "./answer.ts";
import { begin, type Connection, type Connections } from "./connection.ts";
import type { AgentEntry, Directory, Endpoint } from "./directory.ts";
import { createGate, type Gate } from "./gate.ts";
import { createSharing } from "./share.ts";
import { fromWire, outcomeUnknown, shortened, unconnected } from "./wire.ts";

/** What an agent serves, by noun: `pool.on(input).workload.restart(input)`. */
export type Peers = { [N in keyof typeof agentServices]: Peer<(typeof agentServices)[N]> };

export interface Where {
  cluster: string;
  /** Left out: any agent of the cluster, the whole-cluster one first. */
  namespace?: string;
}

export interface Pool {
  /** @throws Failed "agent.none", or "agent.unavailable" for a cluster that has gone. */
  on(where: Where): Peers;
  /** The entries that together hold what is asked: one, or each namespaced one where no agent has the whole cluster. */
  covering(where: Where): AgentEntry[];
  /** The peers of exactly this entry. */
  peers(entry: AgentEntry): Peers;
  readonly directory: Directory;
  /** What of agents' answers was not believed. */
  readonly answers: Pick<Answers, "refusals" | "refused">;
  readonly connections: number;
  /** Closes the connections to an address; the next call dials anew. */
  drop(address: string): void;
  close(): void;
}

export interface PoolOptions {
  prefix: string;
  directory: Directory;
  connections: Connections;
  /** Agents that do not speak TLS are called without it: ours with --insecure. What older ones speak is not spoken here. */
  allowPlain?: boolean;
  /** Milliseconds a call may take where the caller sets no deadline. */
  timeoutMs: number;
  /** Monotonic milliseconds. */
  now: () => number;
  log?: Log;
}

interface Bound {
  entry: AgentEntry;
}

const ejectMs = 1_000;
const mostEjectMs = 15_000;
const probeMs = 3_000;
/** Of one key at once: of many instances that are dead each has its turn. */
const mostProbes = 4;
export const cutProblem = "its certificate was revoked, and the connection to it cut";
/** Each cluster's own limits. */
const gateOptions = { concurrency: 64, queue: 256, failures: 5, closedMs: 1_000, mostMs: 8_000 };

export function createPool({ prefix, directory, connections, allowPlain, timeoutMs, now, log }: PoolOptions): Pool {
  /** By noun, the methods of all peers; they find their entry in `this`. */
  const calls: Record<string, Record<string, (this: Bound, input: object, call?: CallOptions) => unknown>> = {};
  for (const operation of operations) {
    if (!(operation.noun in agentServices)) continue;
    prepareFor(operation.method.output);
    calls[operation.noun] ??= {};
    calls[operation.noun]![operation.verb] = operation.streams
      ? function (input, call) {
          return stream(this.entry, operation, input, call);
        }
      : function (input, call) {
          return unary(this.entry, operation, input, call);
        };
  }
  const answers = createAnswers({ prefix, directory, log });
  const probing = new WeakMap<AgentEntry, number>();
  const gates = new WeakMap<AgentEntry, Gate>();
  const limits = { ...gateOptions, now };
  const sharing = createSharing();
  const stubs = new WeakMap<Channel, Map<DescService, unknown>>();

  connections.onBroken((connection) => {
    const endpoint = directory.endpoint(connection.address);
    if (endpoint) eject(endpoint);
    connections.end(connection);
  });

  // -- finding --

  function on(where: Where): Peers {
    const entry = directory.find(where.cluster, where.namespace);
    if (entry) return peers(entry);
    throw missing(where);
  }

  function covering({ cluster, namespace }: Where): AgentEntry[] {
    const parts = namespace === undefined || namespace === "*" ? directory.namespaced(cluster) : [];
    if (parts.length > 0) return parts;
    const entry = directory.find(cluster, namespace);
    return entry ? [entry] : [];
  }

  function missing({ cluster, namespace = "*" }: Where): Failed {
    const key = formatKey(prefix, { cluster, namespace });
    for (const left of directory.gone()) {
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

  /** Made anew for each call: kept for every key they would take 1.3 KB each. */
  function peers(entry: AgentEntry): Peers {
    const made: Record<string, Bound> = {};
    for (const noun in calls) made[noun] = Object.assign(Object.create(calls[noun]!), { entry });
    return made as unknown as Peers;
  }

  function unary(entry: AgentEntry, operation: Operation, input: object, call: CallOptions = {}): Promise<unknown> {
    const deadline = call.deadline ?? Date.now() + timeoutMs;
    // The background question is what finds out that a cluster is back: it passes a gate that is closed.
    if (operation.id === "agent.summary") return attempt(entry, operation, input, { ...call, deadline });
    const run = (signal?: AbortSignal) =>
      gateOf(entry).pass(() => attempt(entry, operation, input, { ...call, signal, deadline }), deadline, signal);
    if (operation.audited) return run(call.signal);
    return sharing.read(questionOf(entry, operation, input, call), run, call.signal);
  }

  /** A read moves on to another instance inside the same deadline; a write only if it was never sent. */
  async function attempt(
    entry: AgentEntry,
    operation: Operation,
    input: object,
    call: CallOptions & { deadline: number },
  ): Promise<unknown> {
    const tried = new Set<Endpoint>();
    /** Instances for whose connection there was no place. */
    const full: Endpoint[] = [];
    let problem = "no instance is announced";
    let untrusted: string | undefined;
    let againPlain = false;
    const use = operation.id === "agent.summary" ? "own" : "call";
    if (entry.endpoints.size > 1) probeFailed(entry);
    while (Date.now() < call.deadline) {
      const endpoint = pick(entry, tried) ?? full.shift();
      if (!endpoint) break;
      const waits = tried.has(endpoint);
      tried.add(endpoint);
      const other = full.length > 0 || pick(entry, tried) !== undefined;
      const { address, plain } = endpoint;
      let connection = connections.acquire(address, entry, plain, use);
      if (!connection && other && !waits) {
        full.push(endpoint);
        continue;
      }
      connection ??= await connections.turn(address, entry, plain, use, call);
      const began = now();
      endpoint.outstanding++;
      // Half of the time is left for the other instance: a read's in any case, a write's while nothing was sent.
      const leg = begin(connection, call.signal, other && operation.audited ? half(call.deadline) : undefined);
      try {
        const method = methodOf(connection.channel, operation);
        const deadline = other && !operation.audited ? half(call.deadline) : call.deadline;
        const answer = await method(input, { ...call, signal: leg.signal, deadline });
        answered(endpoint, connection);
        endpoint.certificateEnd = connection.peer?.end;
        heard(entry, true);
        return believed(entry, operation, input, answer as object);
      } catch (cause) {
        if (!(cause instanceof WireFailed)) {
          if (isOurs(cause)) throw cause;
          answered(endpoint, connection);
          heard(entry, true);
          throw cause instanceof Failed ? answers.failed(entry, input, cause) : cause;
        }
        const slow = cause.code === grpcCode.deadline;
        if (slow) connections.silentSince(connection, began);
        const unsent = leg.unsent || cause.unsent;
        if (slow && other && (!operation.audited || unsent)) {
          eject(endpoint);
          continue;
        }
        if (cause.code !== grpcCode.unavailable && !leg.unsent && !connection.cut) {
          if (slow) heard(entry, false);
          if (slow && operation.audited && unsent) throw unconnected(entry, cause);
          throw fromWire(entry, operation, cause);
        }
        eject(endpoint);
        connections.end(connection);
        untrusted = connection.cut ?? connection.peer?.problem;
        if (allowPlain && connection.peer === undefined && unsent) {
          // TLS first, then without; the next call after a failure begins with TLS again. Calls beside this one may
          // have found out already.
          if (plain === undefined && !againPlain) tried.delete(endpoint);
          if (plain === undefined) againPlain = true;
          if (endpoint.plain === plain) endpoint.plain = plain === undefined ? true : undefined;
        }
        problem = shortened(cause.message);
        // Who is not trusted is told nothing; who was until now may have acted on it.
        if (operation.audited && !unsent && (untrusted === undefined || connection.cut !== undefined))
          throw outcomeUnknown(entry, cause);
      } finally {
        leg.end();
        endpoint.outstanding--;
        connections.release(connection, use);
      }
    }
    heard(entry, false);
    if (untrusted !== undefined) {
      throw new Failed("agent.untrusted", { key: entry.key, problem: untrusted }, { object: entry.cluster });
    }
    throw new Failed("agent.unavailable", { key: entry.key, problem }, { object: entry.cluster });
  }

  /** A write whose answer is not believed may have been made. */
  function believed(entry: AgentEntry, operation: Operation, input: object, answer: object): object {
    try {
      return answers.take(entry, operation, input, answer)!;
    } catch (cause) {
      if (!operation.audited || (input as { dryRun?: boolean }).dryRun || !(cause instanceof Failed)) throw cause;
      throw outcomeUnknown(entry, cause);
    }
  }

  /** An agent that answers and that nobody calls has no gate. */
  function heard(entry: AgentEntry, answered: boolean): void {
    if (answered) gates.get(entry)?.heard(true);
    else gateOf(entry).heard(false);
  }

  function gateOf(entry: AgentEntry): Gate {
    let gate = gates.get(entry);
    if (!gate) {
      gate = createGate(entry.key, entry.cluster, limits);
      gates.set(entry, gate);
    }
    return gate;
  }

  async function* stream(
    entry: AgentEntry,
    operation: Operation,
    input: object,
    call: CallOptions = {},
  ): AsyncGenerator<unknown> {
    gateOf(entry).enter();
    const endpoint = pick(entry, new Set());
    if (!endpoint) {
      throw new Failed("agent.unavailable", { key: entry.key, problem: "no instance is announced" });
    }
    const { address, plain } = endpoint;
    const patience = { signal: call.signal, deadline: call.deadline ?? Date.now() + timeoutMs };
    const connection =
      connections.acquire(address, entry, plain, "stream") ??
      (await connections.turn(address, entry, plain, "stream", patience));
    endpoint.outstanding++;
    const leg = begin(connection, call.signal);
    try {
      for await (const message of methodOf(connection.channel, operation)(input, {
        ...call,
        signal: leg.signal,
      }) as unknown as AsyncIterable<unknown>) {
        answered(endpoint, connection);
        const believed = answers.take(entry, operation, input, message as object);
        if (believed) yield believed;
      }
    } catch (cause) {
      if (cause instanceof Failed && !isOurs(cause)) throw answers.failed(entry, input, cause);
      if (!(cause instanceof WireFailed)) throw cause;
      if (connection.cut) {
        throw new Failed(
          "agent.untrusted",
          { key: entry.key, problem: connection.cut },
          { object: entry.cluster, cause },
        );
      }
      if (cause.code === grpcCode.unavailable) {
        eject(endpoint);
        connections.end(connection);
      }
      throw fromWire(entry, operation, cause);
    } finally {
      leg.end();
      endpoint.outstanding--;
      connections.release(connection, "stream");
    }
  }

  /** Least outstanding calls among those that answer; else the one that has been left out longest. */
  function pick(entry: AgentEntry, tried: Set<Endpoint>): Endpoint | undefined {
    let best: Endpoint | undefined;
    let longest: Endpoint | undefined;
    for (const endpoint of entry.endpoints.values()) {
      if (tried.has(endpoint)) continue;
      if (endpoint.failures > 0) {
        if (!longest || endpoint.ejectedUntil < longest.ejectedUntil) longest = endpoint;
      } else if (!best || endpoint.outstanding < best.outstanding) best = endpoint;
    }
    return best ?? longest;
  }

  /** One that failed is asked beside the calls, once its time is over: no call pays for finding out that it is back. */
  function probeFailed(entry: AgentEntry): void {
    for (const endpoint of entry.endpoints.values()) {
      const under = probing.get(entry) ?? 0;
      if (under >= mostProbes) return;
      if (endpoint.failures === 0 || endpoint.ejectedUntil > now()) continue;
      probing.set(entry, under + 1);
      void probe(entry, endpoint).finally(() => probing.set(entry, probing.get(entry)! - 1));
    }
  }

  async function probe(entry: AgentEntry, endpoint: Endpoint): Promise<void> {
    const connection = connections.acquire(endpoint.address, entry, endpoint.plain, "own");
    endpoint.ejectedUntil = now() + (connection ? 2 * probeMs : ejectMs);
    // Where calls wait for a place, it is asked another time.
    if (!connection) return;
    try {
      const ask = methodOf(connection.channel, operationOf("agent.info"));
      await ask({ cluster: entry.cluster }, { deadline: Date.now() + probeMs, actor: "server" });
      answered(endpoint, connection);
    } catch (cause) {
      if (cause instanceof WireFailed) {
        endpoint.ejectedUntil = 0;
        eject(endpoint);
        connections.end(connection);
      } else answered(endpoint, connection);
    } finally {
      connections.release(connection, "own");
    }
  }

  function methodOf(channel: Channel, operation: Operation): (input: object, call?: CallOptions) => Promise<unknown> {
    let services = stubs.get(channel);
    if (!services) {
      services = new Map();
      stubs.set(channel, services);
    }
    const service = operation.method.parent;
    let made = services.get(service) as Record<string, never> | undefined;
    if (!made) {
      made = stub(channel, service) as never as Record<string, never>;
      services.set(service, made);
    }
    return made[operation.verb]!;
  }

  function answered(endpoint: Endpoint, connection: Connection): void {
    endpoint.seenAt = now();
    connection.heardAt = endpoint.seenAt;
    endpoint.failures = 0;
    endpoint.ejectedUntil = 0;
  }

  function eject(endpoint: Endpoint): void {
    // All calls under way end with the connection: that is one failure.
    if (endpoint.ejectedUntil > now()) return;
    const out = Math.min(mostEjectMs, ejectMs * 2 ** Math.min(endpoint.failures, 6));
    endpoint.failures++;
    endpoint.ejectedUntil = now() + out;
  }

  return {
    on,
    covering,
    peers,
    directory,
    answers,
    get connections() {
      return connections.open;
    },
    drop: connections.drop,
    close: () => connections.close(),
  };
}

/** True for what was said here of an answer, not by the agent in it. */
function isOurs(cause: unknown): boolean {
  if (!(cause instanceof Failed)) return false;
  return cause.code === "agent.answer_refused" || (cause.cause as Failed | undefined)?.code === "agent.answer_refused";
}

/** The same question is the same bytes; what may be read can depend on name and role, where an agent impersonates. */
function questionOf({ key }: AgentEntry, { id, method }: Operation, input: object, { actor, role }: CallOptions) {
  const bytes = Buffer.from(toBinary(method.input, create(method.input, input as never))).toString("latin1");
  return `${key}\0${id}\0${actor}\0${role}\0${bytes}`;
}

/** Half of the time that is left: the other half is for another instance. */
function half(deadline: number): number {
  return Date.now() + (deadline - Date.now()) / 2;
}
