// The connections behind the pool: made on first use, shared by all callers, closed when idle, bounded in number.
import type { Channel, Pings } from "../contract/channel.ts";
import { Failed } from "../contract/errors.ts";
import { grpcChannel } from "../contract/grpc-channel.ts";
import { http2Channel } from "../contract/http2-channel.ts";
import type { AgentKey } from "../discovery/discovery.ts";
import type { Peer, Trust } from "./trust.ts";
import { createTurns, type Patience } from "./turn.ts";

export interface ConnectionOptions {
  /** Who may be called; without it calls are plaintext, and anybody is. */
  trust?: Pick<Trust, "secure">;
  /** At most so many open at once; past it the least recently used idle one is closed, and where none is, calls wait. */
  most: number;
  /** Closed after so many milliseconds without a call. */
  idleMs: number;
  /** Told of each that is closed. */
  onClosed?: () => void;
  now: () => number;
}

/** One dialled address; over TLS one for each key, since the peer is checked against it. */
export interface Connection {
  readonly id: string;
  readonly address: string;
  channel: Channel;
  /** What its certificate said, once it has shown one. */
  peer?: Peer;
  /** Dialled over plain TCP, where nobody but a call finds out that the other host has gone. */
  readonly silentLoss: boolean;
  /** Calls under way, and those of them that are streams. */
  outstanding: number;
  streams: number;
  usedAt: number;
  /** When something last came over it, however little. */
  heardAt: number;
  /** True while somebody waits for its place: calls to come wait too, behind them. */
  yields: boolean;
  /** True once no more calls begin on it; it is open until those under way have ended. */
  ended: boolean;
  /** Why it was cut, once it was: its calls then end in an error of their own. */
  cut?: string;
  /** Ends the calls under way. */
  readonly cancels: Set<() => void>;
}

/**
 * "own" is what the server asks of its own accord: people come first, and half of the places are theirs alone. A stream holds
 * its place for as long as somebody looks: a quarter of them is for calls alone.
 */
export type Use = "call" | "stream" | "own";

export interface Connections {
  /**
   * Opens or shares the connection to an address; `release` when the call has ended. Nothing where all that may be open
   * are in use: `turn` then waits.
   * @throws Failed "connections.all_in_use" for a stream where streams have all that they may have
   */
  acquire(address: string, key: AgentKey, plain?: boolean, use?: Use): Connection | undefined;
  /**
   * As `acquire`, once there is a place, the oldest first. A connection that is in use by one call after the other makes
   * room between them; one with a stream keeps its place.
   * @throws Failed "connections.all_in_use" at the deadline.
   */
  turn(address: string, key: AgentKey, plain: boolean | undefined, use: Use, patience: Patience): Promise<Connection>;
  release(connection: Connection, use?: Use): void;
  /** Closes the connections of an address: calls under way may end, the next one dials anew. */
  drop(address: string): void;
  /** The same at once: calls under way end here, for a peer that is trusted no longer; `problem` says why. */
  cut(address: string, problem: string): void;
  /** Closes one connection: another one to the same address may be well. */
  end(connection: Connection): void;
  /** A call met its deadline that began then: where no pings tell and nothing came since, the next one dials anew. */
  silentSince(connection: Connection, began: number): void;
  /** Told when an open connection breaks. */
  onBroken(tell: (connection: Connection) => void): void;
  readonly open: number;
  close(): void;
}

/** The largest answer that is read, bytes: what an agent may cost in memory at once. */
export const mostAnswerBytes = 16 * 1024 * 1024;

const endedProblem = "its certificate has ended, and the connection made with it is closed";
/** Calls that began before the certificate ended have so long. */
const endedMs = 10_000;

/** True where the certificate that it was made with holds no longer. */
function hasEnded({ peer }: Connection): boolean {
  return peer?.end !== undefined && peer.end <= Date.now();
}

// A lost host is to be known within 5 s, also where nobody calls. Ours alone speak TLS or dial in, and they answer any
// number of pings; a busy one has two seconds for it.
const quick: Pings = { everyMs: 2_500, withinMs: 2_000, idle: true };
// Over plain TCP anything may listen, an agent of the existing system too. It understands no call of ours, but shares
// registries with ours, and hangs up (GOAWAY, too_many_pings) on whoever pings more often than every five minutes. There
// a call that hears nothing until its deadline finds out.
const rare: Pings = { everyMs: 310_000, withinMs: 10_000, idle: false };

export function connections({ trust, most, idleMs, onClosed = () => {}, now }: ConnectionOptions): Connections {
  const open = new Map<string, Connection>();
  /** Open ones, with those that have ended and whose last calls have not. */
  let places = 0;
  /** Calls under way that the server makes of its own accord. */
  let ownCalls = 0;
  const mostOwnCalls = Math.max(1, Math.floor(most / 2));
  /** Connections with a stream on them. */
  let streaming = 0;
  const mostStreaming = Math.max(1, Math.floor((most * 3) / 4));
  const turns = createTurns<Connection>((id) => !open.has(id));
  /** By what is waited for, which connection makes room for it. */
  const yielding = new Map<string, Connection>();
  const broken: ((connection: Connection) => void)[] = [];
  const sweep = setInterval(closeIdle, Math.max(50, idleMs / 4));
  sweep.unref();

  const idOf = (address: string, key: AgentKey, plain: boolean) =>
    plain ? address : `${address} ${key.namespace}.${key.cluster}`;

  function acquire(
    address: string,
    key: AgentKey,
    plain = trust === undefined,
    use: Use = "call",
  ): Connection | undefined {
    const id = idOf(address, key, plain);
    let connection = open.get(id);
    if (connection && hasEnded(connection)) {
      endWithCertificate(connection);
      connection = undefined;
    }
    if (use === "stream" && !connection?.streams && streaming >= mostStreaming) throw allInUse(key);
    if (connection?.yields && connection.outstanding > 0) return undefined;
    if (!connection) {
      if (use === "own" && (turns.people > 0 || ownCalls >= mostOwnCalls)) return undefined;
      if (places >= most && !closeLeastRecent()) return undefined;
      connection = make(id, address, key, plain);
    }
    connection.outstanding++;
    connection.usedAt = now();
    if (use === "own") ownCalls++;
    if (use === "stream" && connection.streams++ === 0) streaming++;
    return connection;
  }

  const allInUse = (key: AgentKey) => new Failed("connections.all_in_use", { most }, { object: key.cluster });

  function turn(
    address: string,
    key: AgentKey,
    plain = trust === undefined,
    use: Use,
    patience: Patience,
  ): Promise<Connection> {
    const id = idOf(address, key, plain);
    const get = () => acquire(address, key, plain, use);
    const got = turns.wait(id, use === "own", get, patience, () => allInUse(key));
    makeRoom();
    return got.finally(serve);
  }

  function serve(): void {
    turns.serve();
    const waiting = new Set(turns.ids());
    let freed = false;
    for (const [id, connection] of yielding) {
      if (waiting.has(id) && !open.has(id) && !connection.ended) continue;
      yielding.delete(id);
      connection.yields = false;
      freed = true;
    }
    if (freed) turns.serve();
    makeRoom();
  }

  /**
   * Calls that overlap would hold a place for good: for each peer that people wait for, the connection used least recently
   * takes no more of them.
   */
  function makeRoom(): void {
    for (const id of turns.ids()) {
      if (yielding.has(id) || open.has(id)) continue;
      let oldest: Connection | undefined;
      for (const connection of open.values()) {
        if (connection.yields || connection.streams > 0) continue;
        if (!oldest || connection.usedAt < oldest.usedAt) oldest = connection;
      }
      if (!oldest) return;
      oldest.yields = true;
      yielding.set(id, oldest);
    }
  }

  function make(id: string, address: string, key: AgentKey, plain: boolean): Connection {
    const made: Connection = {
      id,
      address,
      channel: undefined as never,
      silentLoss: plain && !address.startsWith("unix:"),
      outstanding: 0,
      streams: 0,
      usedAt: now(),
      heardAt: now(),
      yields: false,
      ended: false,
      cancels: new Set(),
    };
    made.channel = dial(made, key, plain);
    // An instance that dies is known by its socket, long before its lease ends.
    made.channel.onBroken(() => {
      if (open.get(id) === made) for (const tell of broken) tell(made);
    });
    open.set(id, made);
    places++;
    return made;
  }

  function dial(connection: Connection, key: AgentKey, plain: boolean): Channel {
    const { address } = connection;
    // Who speaks plain TCP may be of any make; all others are ours, and there may be thousands.
    if (connection.silentLoss) return grpcChannel(address, { mostAnswerBytes, pings: rare });
    const onPeer = (peer: Peer) => {
      connection.peer = peer;
    };
    const secure = trust && !plain ? trust.secure(key, onPeer) : undefined;
    return http2Channel(address, { mostAnswerBytes, pings: quick, secure });
  }

  function closeIdle(): void {
    const limit = now() - idleMs;
    for (const connection of open.values()) {
      if (hasEnded(connection)) endWithCertificate(connection);
      else if (connection.outstanding === 0 && connection.usedAt <= limit) end(connection);
    }
  }

  function closeLeastRecent(): boolean {
    let oldest: Connection | undefined;
    for (const connection of open.values()) {
      if (connection.outstanding > 0) continue;
      if (!oldest || connection.usedAt < oldest.usedAt) oldest = connection;
    }
    if (oldest) end(oldest);
    return oldest !== undefined;
  }

  function drop(address: string): void {
    for (const connection of open.values()) if (connection.address === address) end(connection);
  }

  function cut(address: string, problem: string): void {
    for (const connection of open.values()) if (connection.address === address) cutOne(connection, problem);
  }

  function cutOne(connection: Connection, problem: string): void {
    connection.cut = problem;
    end(connection);
    for (const cancel of connection.cancels) cancel();
  }

  /** A renewed agent shows its new certificate to the next connection. Calls under way have their time, streams have none. */
  function endWithCertificate(connection: Connection): void {
    end(connection);
    setTimeout(() => cutOne(connection, endedProblem), endedMs).unref();
  }

  function end(connection: Connection): void {
    if (connection.ended) return;
    connection.ended = true;
    open.delete(connection.id);
    connection.channel.close();
    onClosed();
    if (connection.outstanding === 0) places--;
  }

  function silentSince(connection: Connection, began: number): void {
    if (!connection.silentLoss || connection.heardAt >= began) return;
    // While it is being made, calls wait for it that would end with it; the ones that were sent go on.
    if (connection.channel.state === "ready") end(connection);
  }

  return {
    acquire,
    turn,
    release(connection, use = "call") {
      connection.outstanding--;
      connection.usedAt = now();
      if (use === "own") ownCalls--;
      if (use === "stream" && --connection.streams === 0) streaming--;
      if (connection.ended && connection.outstanding === 0) places--;
      if (turns.waiting > 0 && (use !== "call" || connection.outstanding === 0)) serve();
    },
    drop,
    cut,
    end,
    silentSince,
    onBroken: (tell) => void broken.push(tell),
    get open() {
      return places;
    },
    close() {
      clearInterval(sweep);
      for (const connection of [...open.values()]) end(connection);
    },
  };
}

/** One call on a connection. */
export interface Leg {
  /** Aborted when the caller leaves, the connection is cut, or nothing could be sent in time. */
  signal: AbortSignal;
  /** True where it was given up before anything could be sent. */
  readonly unsent: boolean;
  end(): void;
}

/** @param connectedBy milliseconds since the epoch: what is not connected by then is given up. */
export function begin(connection: Connection, caller: AbortSignal | undefined, connectedBy?: number): Leg {
  const stop = new AbortController();
  const cancel = () => stop.abort();
  let unsent = false;
  const look = () => {
    // Whatever was connected once and is no longer has been ended, and says so by itself.
    unsent = connection.channel.state === "connecting" || connection.channel.state === "broken";
    if (unsent) cancel();
  };
  const timer = connectedBy === undefined ? undefined : setTimeout(look, connectedBy - Date.now());
  connection.cancels.add(cancel);
  caller?.addEventListener("abort", cancel, { once: true });
  if (caller?.aborted) cancel();
  return {
    signal: stop.signal,
    get unsent() {
      return unsent;
    },
    end() {
      clearTimeout(timer);
      connection.cancels.delete(cancel);
      caller?.removeEventListener("abort", cancel);
    },
  };
}
