// The connections behind the pool: made on first use, shared by all callers, closed when idle, bounded in number.
import type { Channel, Pings } from "../contract/channel.ts";
import { grpcChannel } from "../contract/grpc-channel.ts";
import { http2Channel } from "../contract/http2-channel.ts";
import type { AgentKey } from "../discovery/discovery.ts";
import type { Peer, Trust } from "./trust.ts";

export interface ConnectionOptions {
  /** Who may be called; without it calls are plaintext, and anybody is. */
  trust?: Pick<Trust, "secure">;
  /** At most so many open at once; past it the least recently used idle one is closed. */
  most: number;
  /** Closed after so many milliseconds without a call. */
  idleMs: number;
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
  /** Calls under way. */
  outstanding: number;
  usedAt: number;
  /** When something last came over it, however little. */
  heardAt: number;
  /** True once it was cut: its calls then end in an error of their own. */
  cut: boolean;
  /** Ends the calls under way. */
  readonly cancels: Set<() => void>;
}

export interface Connections {
  /** Opens or shares the connection to an address; `release` when the call has ended. */
  acquire(address: string, key: AgentKey, plain?: boolean): Connection;
  release(connection: Connection): void;
  /** Closes the connections of an address: calls under way may end, the next one dials anew. */
  drop(address: string): void;
  /** The same at once: calls under way end here, for a peer that is trusted no longer. */
  cut(address: string): void;
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

// A lost host is to be known within 5 s, also where nobody calls. Ours alone speak TLS or dial in, and they answer any
// number of pings; a busy one has two seconds for it.
const quick: Pings = { everyMs: 2_500, withinMs: 2_000, idle: true };
// Over plain TCP it may be an agent of the existing system, which hangs up (GOAWAY, too_many_pings) on whoever pings more
// often than every five minutes. There a call that hears nothing until its deadline finds out.
const rare: Pings = { everyMs: 310_000, withinMs: 10_000, idle: false };

export function connections({ trust, most, idleMs, now }: ConnectionOptions): Connections {
  const open = new Map<string, Connection>();
  const broken: ((connection: Connection) => void)[] = [];
  const sweep = setInterval(closeIdle, Math.max(50, idleMs / 4));
  sweep.unref();

  function acquire(address: string, key: AgentKey, plain = trust === undefined): Connection {
    const id = !plain ? `${address} ${key.namespace}.${key.cluster}` : address;
    let connection = open.get(id);
    if (!connection) {
      if (open.size >= most) closeLeastRecent();
      const made: Connection = {
        id,
        address,
        channel: undefined as never,
        silentLoss: plain && !address.startsWith("unix:"),
        outstanding: 0,
        usedAt: now(),
        heardAt: now(),
        cut: false,
        cancels: new Set(),
      };
      made.channel = dial(made, key, plain);
      // An instance that dies is known by its socket, long before its lease ends.
      made.channel.onBroken(() => {
        if (open.get(id) === made) for (const tell of broken) tell(made);
      });
      open.set(id, made);
      connection = made;
    }
    connection.outstanding++;
    connection.usedAt = now();
    return connection;
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
      if (connection.outstanding === 0 && connection.usedAt <= limit) end(connection);
    }
  }

  function closeLeastRecent(): void {
    let oldest: Connection | undefined;
    for (const connection of open.values()) {
      if (connection.outstanding > 0) continue;
      if (!oldest || connection.usedAt < oldest.usedAt) oldest = connection;
    }
    if (oldest) end(oldest);
  }

  function drop(address: string): void {
    for (const connection of open.values()) if (connection.address === address) end(connection);
  }

  function cut(address: string): void {
    for (const connection of open.values()) {
      if (connection.address !== address) continue;
      connection.cut = true;
      end(connection);
      for (const cancel of connection.cancels) cancel();
    }
  }

  function end(connection: Connection): void {
    if (open.get(connection.id) === connection) open.delete(connection.id);
    connection.channel.close();
  }

  function silentSince(connection: Connection, began: number): void {
    if (!connection.silentLoss || connection.heardAt >= began) return;
    // While it is being made, calls wait for it that would end with it; the ones that were sent go on.
    if (connection.channel.state === "ready") end(connection);
  }

  return {
    acquire,
    release(connection) {
      connection.outstanding--;
      connection.usedAt = now();
    },
    drop,
    cut,
    end,
    silentSince,
    onBroken: (tell) => void broken.push(tell),
    get open() {
      return open.size;
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
