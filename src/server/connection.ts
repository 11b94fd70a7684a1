// The gRPC clients behind the pool: made on first use, shared by all callers, closed when idle, bounded in number.
import * as grpc from "@grpc/grpc-js";
import type { AgentKey } from "../discovery/discovery.ts";
import { agentName } from "../trust/identity.ts";
import type { Peer, Trust } from "./trust.ts";

export interface ConnectionOptions {
  /** Who may be called; without it calls are plaintext, and anybody is. */
  trust?: Pick<Trust, "credentials">;
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
  client: grpc.Client;
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
const quick = {
  "grpc.keepalive_time_ms": 2_500,
  "grpc.keepalive_timeout_ms": 2_000,
  "grpc.keepalive_permit_without_calls": 1,
};
// Over plain TCP it may be an agent of the existing system, which hangs up (GOAWAY, too_many_pings) on whoever pings more
// often than every five minutes. There a call that hears nothing until its deadline finds out.
const rare = {
  "grpc.keepalive_time_ms": 310_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.keepalive_permit_without_calls": 0,
};

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
        client: undefined as never,
        silentLoss: plain && !address.startsWith("unix:"),
        outstanding: 0,
        usedAt: now(),
        heardAt: now(),
        cut: false,
        cancels: new Set(),
      };
      made.client = dial(made, key, plain);
      open.set(id, made);
      watchState(made);
      connection = made;
    }
    connection.outstanding++;
    connection.usedAt = now();
    return connection;
  }

  function dial(connection: Connection, key: AgentKey, plain: boolean): grpc.Client {
    const onPeer = (peer: Peer) => {
      connection.peer = peer;
    };
    const credentials = trust && !plain ? trust.credentials(key, onPeer) : grpc.credentials.createInsecure();
    return new grpc.Client(connection.address, credentials, {
      "grpc.max_receive_message_length": mostAnswerBytes,
      ...(connection.silentLoss ? rare : quick),
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 2_000,
      // Channels share sockets by default, so a closed client would keep its socket alive through another.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      // Nobody reads them here, and each connection and call would write them.
      "grpc.enable_channelz": 0,
      // TLS wants a DNS name where the address is an IP; whom the certificate names is checked by the key.
      ...(trust && !plain ? { "grpc.ssl_target_name_override": agentName } : {}),
    });
  }

  // An instance that dies is known by its socket, long before its lease ends.
  function watchState(connection: Connection): void {
    const channel = connection.client.getChannel();
    const step = () => {
      if (open.get(connection.id) !== connection) return;
      const state = channel.getConnectivityState(false);
      channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, (error) => {
        if (error || open.get(connection.id) !== connection) return;
        const next = channel.getConnectivityState(false);
        const lost = next === grpc.connectivityState.TRANSIENT_FAILURE;
        const left = state === grpc.connectivityState.READY && next !== grpc.connectivityState.SHUTDOWN;
        if (lost || left) for (const tell of broken) tell(connection);
        step();
      });
    };
    step();
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
    connection.client.close();
  }

  function silentSince(connection: Connection, began: number): void {
    if (!connection.silentLoss || connection.heardAt >= began) return;
    // While it is being made, calls wait for it that would end with it; the ones that were sent go on.
    const state = connection.client.getChannel().getConnectivityState(false);
    if (state === grpc.connectivityState.READY) end(connection);
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
    const state = connection.client.getChannel().getConnectivityState(false);
    unsent = state === grpc.connectivityState.CONNECTING || state === grpc.connectivityState.TRANSIENT_FAILURE;
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
