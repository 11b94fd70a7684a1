// A channel over node:http2: one connection for its whole life, unary calls and server streams, nothing else. A third of
// grpc-js's memory and half of its time for each connection, which counts where there are thousands of peers. It is for
// peers of our own make; test/suites/channel.ts holds it to what grpc-js does.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type PeerCertificate, type SecureContext } from "node:tls";
import { framed } from "../wire/frames.ts";
import { type Channel, type ChannelOptions, type ChannelState, type WireCall, WireFailed } from "./channel.ts";
import { grpcCode } from "./errors.ts";
import { codeOfHttp, failureOf, headersOf, lostStream, messageOf, messagesOf, notLookedAt } from "./framing.ts";

export interface Http2ChannelOptions extends ChannelOptions {
  /** Without it calls are plaintext. */
  secure?: Secure;
}

export interface Secure {
  context: SecureContext;
  /** A DNS name that the peer's certificate has. */
  serverName: string;
  /** Looks at a certificate whose signature is right. @returns why it is refused */
  check(peer: PeerCertificate): Error | undefined;
}

/** One call, from when it is asked for until it has ended. */
interface Pending {
  /** Settles with what the peer said, or why there is none. */
  readonly ended: Promise<void>;
  over: boolean;
  /** Set once it is sent. */
  wire?: ClientHttp2Stream;
  settle(failed?: WireFailed): void;
  /** The same, and tells the peer. */
  stop(failed: WireFailed): void;
}

/** What a peer may send before it is read, bytes: a list of a thousand rows in one go. */
const windowBytes = 1024 * 1024;
/** Whoever has not connected by then is dialled anew, milliseconds. */
const dialMs = 10_000;

/** @param address "host:port", or "unix:" and a path. */
export function http2Channel(address: string, options: Http2ChannelOptions): Channel {
  const { mostAnswerBytes, pings, secure } = options;
  const broken: (() => void)[] = [];
  const underWay = new Set<Pending>();
  /** Rejects when it is closed: nobody waits for a connection that is still being made then. */
  const left = Promise.withResolvers<never>();
  left.promise.catch(() => {});
  let state: ChannelState = "idle";
  let connecting: Promise<ClientHttp2Session> | undefined;
  let session: ClientHttp2Session | undefined;
  let pinging: Timer | undefined;
  let heardAt = 0;

  function connected(): Promise<ClientHttp2Session> {
    connecting ??= Promise.race([connect(), left.promise]);
    return connecting;
  }

  async function connect(): Promise<ClientHttp2Session> {
    if (state === "closed") throw wasClosed();
    state = "connecting";
    try {
      const socket = await dial(address, secure);
      if (stateNow() === "closed") {
        socket.destroy();
        throw wasClosed();
      }
      await begun(converse(socket));
      if (stateNow() === "connecting") state = "ready";
      return session!;
    } catch (cause) {
      lose("broken");
      if (cause instanceof WireFailed) throw cause;
      throw new WireFailed(grpcCode.unavailable, messageOf(cause), { unsent: true, cause });
    }
  }

  /** The compiler believes that a state which was just set stays so. */
  const stateNow = (): ChannelState => state;

  function converse(socket: Socket): ClientHttp2Session {
    const made = connectHttp2(`http://${secure?.serverName ?? "localhost"}`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    let problem = "the connection was lost";
    made.on("error", (cause) => {
      problem = messageOf(cause);
    });
    made.on("goaway", (_code, lastStream) => {
      for (const pending of [...underWay]) {
        if ((pending.wire?.id ?? Number.POSITIVE_INFINITY) > lastStream) pending.stop(notLookedAt());
      }
      lose("draining");
    });
    made.on("close", () => {
      clearTimeout(pinging);
      lose("broken");
      for (const pending of [...underWay]) pending.stop(new WireFailed(grpcCode.unavailable, problem));
    });
    session = made;
    heardAt = performance.now();
    watchOver(made, pings.everyMs);
    return made;
  }

  /** Pings as soon as nothing was heard for so long: a fixed rhythm would let up to twice that pass. */
  function watchOver(made: ClientHttp2Session, afterMs: number): void {
    pinging = setTimeout(() => {
      if (made.destroyed) return;
      const quietMs = performance.now() - heardAt;
      if (quietMs < pings.everyMs) return watchOver(made, pings.everyMs - quietMs);
      if (pings.idle || underWay.size > 0) ping(made);
      watchOver(made, pings.everyMs);
    }, afterMs);
    pinging.unref();
  }

  function ping(to: ClientHttp2Session): void {
    const giveUp = setTimeout(() => {
      lose("broken");
      to.destroy(new Error(`no answer to a ping within ${pings.withinMs} ms`));
    }, pings.withinMs);
    giveUp.unref();
    to.ping((error) => {
      clearTimeout(giveUp);
      if (!error) heardAt = performance.now();
    });
  }

  function lose(next: "broken" | "draining"): void {
    if (state === "closed" || state === "broken" || state === next) return;
    const told = state === "draining";
    state = next;
    if (!told) for (const tell of broken) tell();
  }

  /** Sends a call once there is a connection; without a `wire` it was never sent. */
  async function send(path: string, request: Uint8Array, call: WireCall, onData?: (chunk: Buffer) => void) {
    const pending = begin(call);
    if (!pending.over) await Promise.race([connected().catch(pending.settle), pending.ended.catch(() => {})]);
    if (pending.over) return pending;
    const wire = state === "ready" ? requested(session!, headersOf(path, call)) : undefined;
    if (!wire) {
      pending.settle(notLookedAt());
      return pending;
    }
    pending.wire = wire;
    underWay.add(pending);
    follow(wire, pending);
    if (onData) wire.on("data", onData);
    wire.end(framed(request));
    return pending;
  }

  function begin({ signal, deadline }: WireCall): Pending {
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    // Who reads a stream looks at it at its end only.
    ended.catch(() => {});
    const stop = (failed: WireFailed) => {
      pending.settle(failed);
      if (pending.wire && !pending.wire.destroyed) pending.wire.close(constants.NGHTTP2_CANCEL);
    };
    const unsent = () => ({ unsent: pending.wire === undefined });
    const cancel = () => stop(new WireFailed(grpcCode.cancelled, "cancelled by the caller", unsent()));
    const late = () => stop(new WireFailed(grpcCode.deadline, "the deadline has passed", unsent()));
    const pending: Pending = {
      ended,
      over: false,
      stop,
      settle(failed) {
        if (pending.over) return;
        pending.over = true;
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
        underWay.delete(pending);
        if (failed) reject(failed);
        else resolve();
      },
    };
    const timer = deadline === undefined ? undefined : setTimeout(late, Math.max(0, deadline - Date.now()));
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    return pending;
  }

  /** Settles with what the peer said at the end. */
  function follow(wire: ClientHttp2Stream, { settle, stop }: Pending): void {
    let status: IncomingHttpHeaders | undefined;
    let problem: unknown;
    wire.on("response", (headers) => {
      heardAt = performance.now();
      const http = Number(headers[":status"]);
      // What follows is no gRPC, but the words of a proxy.
      if (http !== 200) return stop(new WireFailed(codeOfHttp(http), `the peer answered HTTP ${http}`));
      // Without a body, what else comes last stands here.
      if (headers["grpc-status"] !== undefined) status = headers;
    });
    wire.on("trailers", (trailers) => {
      heardAt = performance.now();
      status = trailers;
    });
    wire.on("error", (cause) => {
      problem = cause;
    });
    wire.on("end", () => {
      if (status) settle(failureOf(status));
    });
    wire.on("close", () => {
      if (status) return settle(failureOf(status));
      // A connection that breaks resets its streams as if they were cancelled: no peer has said that.
      const reset = session?.destroyed ? constants.NGHTTP2_NO_ERROR : (wire.rstCode ?? constants.NGHTTP2_NO_ERROR);
      settle(lostStream(reset, problem));
    });
  }

  return {
    async unary(path, request, call) {
      const messages = messagesOf(mostAnswerBytes);
      const answers: Uint8Array[] = [];
      const pending: Promise<Pending> = send(path, request, call, async (chunk) => {
        heardAt = performance.now();
        try {
          answers.push(...messages(chunk));
          if (answers.length > 1) throw new WireFailed(grpcCode.internal, "the peer answered more than once");
        } catch (cause) {
          (await pending).stop(cause as WireFailed);
        }
      });
      await (await pending).ended;
      if (!answers[0]) throw new WireFailed(grpcCode.internal, "the peer answered without a message");
      return answers[0];
    },
    async *stream(path, request, call) {
      const messages = messagesOf(mostAnswerBytes);
      const { wire, ended, stop } = await send(path, request, call);
      if (!wire) return await ended;
      try {
        for await (const chunk of wire) {
          heardAt = performance.now();
          yield* messages(chunk);
        }
      } catch (cause) {
        // What was reset in the middle says so by its status, or by how it was stopped.
        if (cause instanceof WireFailed) throw cause;
        await ended;
        throw cause;
      } finally {
        stop(new WireFailed(grpcCode.cancelled, "the reader has left"));
      }
      await ended;
    },
    get state() {
      return state;
    },
    onBroken: (tell) => void broken.push(tell),
    close() {
      state = "closed";
      left.reject(wasClosed());
      session?.close();
    },
  };
}

function wasClosed(): WireFailed {
  return new WireFailed(grpcCode.unavailable, "the connection was closed", { unsent: true });
}

/** A peer that takes connections and says nothing, or refuses the certificate, is not connected. @throws Error */
function begun(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.once("remoteSettings", () => resolve());
    session.once("error", reject);
    session.once("close", () => reject(new Error("the peer hung up before it said anything")));
  });
}

/** @throws Error of the socket, or what `check` says. */
function dial(address: string, secure: Secure | undefined): Promise<Socket> {
  const target = targetOf(address);
  return new Promise((resolve, reject) => {
    const ready = () => {
      clearTimeout(timer);
      socket.off("error", refused);
      socket.setNoDelay();
      resolve(socket);
    };
    const socket = secure
      ? connectTls(
          {
            ...target,
            secureContext: secure.context,
            servername: secure.serverName,
            ALPNProtocols: ["h2"],
            // Whatever NODE_TLS_REJECT_UNAUTHORIZED says: without this it also skips `check`.
            rejectUnauthorized: true,
            checkServerIdentity: (_name: string, peer: PeerCertificate) => secure.check(peer),
          },
          ready,
        )
      : connectTcp(target, ready);
    const refused = (cause: Error) => {
      clearTimeout(timer);
      reject(cause);
    };
    socket.once("error", refused);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no connection within ${dialMs / 1000} s`));
    }, dialMs);
    timer.unref();
  });
}

function targetOf(address: string): { path: string } | { host: string; port: number } {
  if (address.startsWith("unix:")) return { path: address.slice("unix:".length) };
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(address.slice(colon + 1)) };
}

/** Undefined where the peer has taken leave meanwhile. */
function requested(session: ClientHttp2Session, headers: Record<string, string>): ClientHttp2Stream | undefined {
  try {
    return session.request(headers);
  } catch (cause) {
    if (session.closed || session.destroyed || messageOf(cause).includes("GOAWAY")) return undefined;
    throw cause;
  }
}
