// The gRPC clients behind the pool: made on first use, shared by all callers, closed when idle, bounded in number.
import * as grpc from "@grpc/grpc-js";

export interface ConnectionOptions {
  credentials: grpc.ChannelCredentials;
  /** At most so many open at once; past it the least recently used idle one is closed. */
  most: number;
  /** Closed after so many milliseconds without a call. */
  idleMs: number;
  now: () => number;
}

/** One dialled address. */
export interface Connection {
  readonly address: string;
  client: grpc.Client;
  /** Calls under way. */
  outstanding: number;
  usedAt: number;
}

export interface Connections {
  /** Opens or shares the connection to an address; `release` when the call has ended. */
  acquire(address: string, authority?: string): Connection;
  release(connection: Connection): void;
  /** Closes the connection of an address: its calls fail, the next one dials anew. */
  drop(address: string): void;
  /** Told when an open connection breaks, with its address. */
  onBroken(tell: (address: string) => void): void;
  readonly open: number;
  close(): void;
}

export function connections({ credentials, most, idleMs, now }: ConnectionOptions): Connections {
  const open = new Map<string, Connection>();
  const broken: ((address: string) => void)[] = [];
  const sweep = setInterval(closeIdle, Math.max(50, idleMs / 4));
  sweep.unref();

  function acquire(address: string, authority?: string): Connection {
    let connection = open.get(address);
    if (!connection) {
      if (open.size >= most) closeLeastRecent();
      connection = { address, client: dial(address, authority), outstanding: 0, usedAt: now() };
      open.set(address, connection);
      watchState(connection);
    }
    connection.outstanding++;
    connection.usedAt = now();
    return connection;
  }

  function dial(address: string, authority?: string): grpc.Client {
    return new grpc.Client(address, credentials, {
      "grpc.max_receive_message_length": 16 * 1024 * 1024,
      "grpc.keepalive_time_ms": 20_000,
      "grpc.keepalive_timeout_ms": 4_000,
      "grpc.keepalive_permit_without_calls": 0,
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 2_000,
      // Channels share sockets by default, so a closed client would keep its socket alive through another.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      ...(authority ? { "grpc.default_authority": authority } : {}),
    });
  }

  // An instance that dies is known by its socket, long before its lease ends.
  function watchState(connection: Connection): void {
    const channel = connection.client.getChannel();
    const step = () => {
      if (open.get(connection.address) !== connection) return;
      const state = channel.getConnectivityState(false);
      channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, (error) => {
        if (error || open.get(connection.address) !== connection) return;
        const next = channel.getConnectivityState(false);
        const lost = next === grpc.connectivityState.TRANSIENT_FAILURE;
        const left = state === grpc.connectivityState.READY && next !== grpc.connectivityState.SHUTDOWN;
        if (lost || left) for (const tell of broken) tell(connection.address);
        step();
      });
    };
    step();
  }

  function closeIdle(): void {
    const limit = now() - idleMs;
    for (const connection of open.values()) {
      if (connection.outstanding === 0 && connection.usedAt <= limit) drop(connection.address);
    }
  }

  function closeLeastRecent(): void {
    let oldest: Connection | undefined;
    for (const connection of open.values()) {
      if (connection.outstanding > 0) continue;
      if (!oldest || connection.usedAt < oldest.usedAt) oldest = connection;
    }
    if (oldest) drop(oldest.address);
  }

  function drop(address: string): void {
    const connection = open.get(address);
    open.delete(address);
    connection?.client.close();
  }

  return {
    acquire,
    release(connection) {
      connection.outstanding--;
      connection.usedAt = now();
    },
    drop,
    onBroken: (tell) => void broken.push(tell),
    get open() {
      return open.size;
    },
    close() {
      clearInterval(sweep);
      for (const address of [...open.keys()]) drop(address);
    },
  };
}
