// A channel by grpc-js: for peers of whatever make.
import * as grpc from "@grpc/grpc-js";
import {
  type Channel,
  type ChannelOptions,
  type ChannelState,
  detailsKey,
  type WireCall,
  WireFailed,
} from "./channel.ts";
import { grpcCode } from "./errors.ts";

const { connectivityState } = grpc;

/** @param address of a peer that is called without TLS. */
export function grpcChannel(address: string, { mostAnswerBytes, pings }: ChannelOptions): Channel {
  return overGrpc(
    new grpc.Client(address, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": mostAnswerBytes,
      "grpc.keepalive_time_ms": pings.everyMs,
      "grpc.keepalive_timeout_ms": pings.withinMs,
      "grpc.keepalive_permit_without_calls": pings.idle ? 1 : 0,
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 2_000,
      // Channels share sockets by default, so a closed client would keep its socket alive through another.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      // Nobody reads them here, and each connection and call would write them.
      "grpc.enable_channelz": 0,
    }),
  );
}

/** A client of grpc-js as a channel. */
export function overGrpc(client: grpc.Client): Channel {
  const broken: (() => void)[] = [];
  let watching = false;
  let closed = false;
  const admit = ({ signal }: WireCall) => {
    if (signal?.aborted) throw new WireFailed(grpcCode.cancelled, "cancelled before it was sent", { unsent: true });
    if (closed) throw new WireFailed(grpcCode.unavailable, "the connection was closed", { unsent: true });
  };

  // A peer that dies is known by its socket, long before its lease ends.
  function watchState(): void {
    const channel = client.getChannel();
    const step = () => {
      const state = channel.getConnectivityState(false);
      channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, (error) => {
        if (error) return;
        const next = channel.getConnectivityState(false);
        if (next === connectivityState.SHUTDOWN) return;
        if (next === connectivityState.TRANSIENT_FAILURE || state === connectivityState.READY) {
          for (const tell of broken) tell();
        }
        // Who was told may have closed it.
        if (!closed) step();
      });
    };
    step();
  }

  return {
    unary(path, request, call) {
      return new Promise((resolve, reject) => {
        admit(call);
        const sent = client.makeUnaryRequest(
          path,
          asBuffer,
          asBytes,
          request,
          metadataOf(call),
          { deadline: call.deadline },
          (error, answer) => {
            call.signal?.removeEventListener("abort", cancel);
            if (error) reject(fromServiceError(error));
            else resolve(answer!);
          },
        );
        const cancel = () => sent.cancel();
        call.signal?.addEventListener("abort", cancel, { once: true });
      });
    },
    async *stream(path, request, call) {
      admit(call);
      const { signal, deadline } = call;
      const wire = client.makeServerStreamRequest(path, asBuffer, asBytes, request, metadataOf(call), { deadline });
      const cancel = () => wire.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      // Cancelling emits an error that nobody waits for once the loop is left.
      wire.on("error", () => {});
      try {
        for await (const message of wire) yield message;
      } catch (cause) {
        throw cause instanceof Error && "code" in cause ? fromServiceError(cause as grpc.ServiceError) : cause;
      } finally {
        signal?.removeEventListener("abort", cancel);
        wire.cancel();
      }
    },
    get state() {
      return states[client.getChannel().getConnectivityState(false)] ?? "closed";
    },
    onBroken(tell) {
      broken.push(tell);
      if (!watching) watchState();
      watching = true;
    },
    close() {
      closed = true;
      client.close();
    },
  };
}

const states: Partial<Record<grpc.connectivityState, ChannelState>> = {
  [connectivityState.IDLE]: "idle",
  [connectivityState.CONNECTING]: "connecting",
  [connectivityState.READY]: "ready",
  [connectivityState.TRANSIENT_FAILURE]: "broken",
};

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function asBytes(bytes: Buffer): Uint8Array {
  return bytes;
}

function metadataOf({ metadata }: WireCall): grpc.Metadata {
  const made = new grpc.Metadata();
  for (const name in metadata) made.set(name, metadata[name]!);
  return made;
}

// grpc-js has no other words for it: no connection was ready, or the peer is about to leave and did not look at the call.
const notSent =
  /^No connection established|^Channel closed before|^Stream refused by server|Waiting for LB pick|waiting for name resolution/;
const larger = /^Received message (larger than max|that decompresses to a size larger)/;

function fromServiceError(error: grpc.ServiceError): WireFailed {
  const message = error.details || error.message;
  const details = error.metadata?.get(detailsKey)[0];
  return new WireFailed(error.code, message, {
    unsent: notSent.test(message),
    tooLarge: larger.test(message),
    details: details instanceof Buffer ? details : undefined,
    cause: error,
  });
}
