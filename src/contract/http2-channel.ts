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
import {
  type Channel,
  type ChannelOptions,
  type ChannelState,
  detailsKey,
  type WireCall,
  WireFailed,
} from "./channel.ts";
import { grpcCode } from "./errors.ts";

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

/** One call that is under way. */
interface Exchange {
  readonly wire: ClientHttp2Stream;
  fail(cause: WireFailed): void;
}

/** What a peer may send before it is read, bytes: a list of a thousand rows in one go. */
const windowBytes = 1024 * 1024;
const headBytes = 5;
/** Whoever has not connected by then is dialled anew, milliseconds. */
const dialMs = 10_000;

/** @param address "host:port", or "unix:" and a path. */
export function http2Channel(address: string, options: Http2ChannelOptions): Channel {
  const { mostAnswerBytes, pings, secure } = options;
  const broken: (() => void)[] = [];
  const exchanges = new Set<Exchange>();
  let state: ChannelState = "idle";
  let connecting: Promise<ClientHttp2Session> | undefined;
  let session: ClientHttp2Session | undefined;
  let pinging: Timer | undefined;
  let heardAt = 0;

  function connected(): Promise<ClientHttp2Session> {
    connecting ??= connect();
    return connecting;
  }

  async function connect(): Promise<ClientHttp2Session> {
    if (state === "closed") throw new WireFailed(grpcCode.unavailable, "the connection was closed", { unsent: true });
    state = "connecting";
    try {
      const socket = await dial(address, secure);
      if (stateNow() === "closed") {
        socket.destroy();
        throw new WireFailed(grpcCode.unavailable, "the connection was closed", { unsent: true });
      }
      await begun(begin(socket));
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

  function begin(socket: Socket): ClientHttp2Session {
    const made = connectHttp2(`http://${secure?.serverName ?? "localhost"}`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    let problem = "the connection was lost";
    made.on("error", (cause) => {
      problem = messageOf(cause);
    });
    made.on("goaway", (_code, lastStream) => {
      for (const exchange of [...exchanges]) {
        if ((exchange.wire.id ?? Number.POSITIVE_INFINITY) > lastStream) exchange.fail(notLookedAt());
      }
      lose("draining");
    });
    made.on("close", () => {
      clearTimeout(pinging);
      lose("broken");
      for (const exchange of [...exchanges]) exchange.fail(new WireFailed(grpcCode.unavailable, problem));
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
      if (pings.idle || exchanges.size > 0) ping(made);
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

  /** Sends a call; `ended` settles with its status. */
  async function send(path: string, request: Uint8Array, call: WireCall, onData?: (chunk: Buffer) => void) {
    const { signal, deadline } = call;
    const ended = Promise.withResolvers<void>();
    // Who reads a stream looks at it at its end only.
    ended.promise.catch(() => {});
    let exchange: Exchange | undefined;
    let over = false;
    const settle = (failed?: WireFailed) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
      if (exchange) exchanges.delete(exchange);
      if (failed) ended.reject(failed);
      else ended.resolve();
    };
    const stop = (failed: WireFailed) => {
      settle(failed);
      if (exchange && !exchange.wire.destroyed) exchange.wire.close(constants.NGHTTP2_CANCEL);
    };
    const cancel = () => stop(new WireFailed(grpcCode.cancelled, "cancelled by the caller", { unsent: !exchange }));
    const late = () => stop(new WireFailed(grpcCode.deadline, "the deadline has passed", { unsent: !exchange }));
    const timer = deadline === undefined ? undefined : setTimeout(late, Math.max(0, deadline - Date.now()));
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();

    if (!over) await Promise.race([connected(), ended.promise]).catch((cause) => settle(cause));
    const open = session;
    if (over || !open) return { ended: ended.promise, stop };
    if (state !== "ready") {
      settle(new WireFailed(grpcCode.unavailable, "the peer takes no more calls on this connection", { unsent: true }));
      return { ended: ended.promise, stop };
    }
    const wire = requested(open, headersOf(path, call));
    if (!wire) {
      settle(notLookedAt());
      return { ended: ended.promise, stop };
    }
    exchange = { wire, fail: stop };
    exchanges.add(exchange);
    follow(wire, settle, stop);
    if (onData) wire.on("data", onData);
    wire.end(framed(request));
    return { ended: ended.promise, stop, wire };
  }

  /** Settles with what the peer said at the end. */
  function follow(
    wire: ClientHttp2Stream,
    settle: (failed?: WireFailed) => void,
    stop: (failed: WireFailed) => void,
  ): void {
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
      const messages = frames(mostAnswerBytes);
      let answer: Uint8Array | undefined;
      let stop: (failed: WireFailed) => void = () => {};
      const sent = await send(path, request, call, (chunk) => {
        heardAt = performance.now();
        try {
          for (const message of messages.take(chunk)) answer ??= message;
        } catch (cause) {
          stop(cause as WireFailed);
        }
      });
      ({ stop } = sent);
      await sent.ended;
      if (!answer) throw new WireFailed(grpcCode.internal, "the peer answered without a message");
      return answer;
    },
    async *stream(path, request, call) {
      const messages = frames(mostAnswerBytes);
      const { wire, ended, stop } = await send(path, request, call);
      if (!wire) return await ended;
      try {
        for await (const chunk of wire) {
          heardAt = performance.now();
          yield* messages.take(chunk);
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
      session?.close();
    },
  };
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

function headersOf(path: string, { metadata, deadline }: WireCall): Record<string, string> {
  return {
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": "lizardcd",
    ...(deadline === undefined ? {} : { "grpc-timeout": timeout(deadline) }),
    ...metadata,
  };
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

/** At most eight digits, milliseconds. */
function timeout(deadline: number): string {
  return `${Math.min(99_999_999, Math.max(1, Math.ceil(deadline - Date.now())))}m`;
}

function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, headBytes);
  return bytes;
}

/** Cuts what arrives into messages. @throws WireFailed for one that is too large, or compressed. */
function frames(most: number) {
  let rest: Buffer[] = [];
  let held = 0;

  function* take(chunk: Buffer): Generator<Uint8Array> {
    rest.push(chunk);
    held += chunk.length;
    while (held >= headBytes) {
      if (rest[0]!.length < headBytes) rest = [Buffer.concat(rest)];
      const head = rest[0]!;
      if (head[0] !== 0) throw new WireFailed(grpcCode.internal, "the peer compressed its answer without being asked");
      const length = head.readUInt32BE(1);
      if (length > most) {
        throw new WireFailed(grpcCode.exhausted, `a message of ${length} bytes, more than ${most}`, { tooLarge: true });
      }
      if (held < headBytes + length) return;
      const all = rest.length === 1 ? head : Buffer.concat(rest);
      const end = headBytes + length;
      rest = all.length > end ? [all.subarray(end)] : [];
      held -= end;
      yield all.subarray(headBytes, end);
    }
  }
  return { take };
}

function failureOf(headers: IncomingHttpHeaders): WireFailed | undefined {
  const code = Number(headers["grpc-status"]);
  if (code === 0) return undefined;
  const details = headers[detailsKey];
  return new WireFailed(Number.isInteger(code) ? code : grpcCode.unknown, said(headers["grpc-message"]), {
    details: typeof details === "string" ? Buffer.from(details, "base64") : undefined,
  });
}

/** gRPC writes what is not ASCII as percent and two digits. */
function said(message: string | string[] | undefined): string {
  const text = String(message ?? "");
  try {
    return decodeURIComponent(text);
  } catch {
    // Not by the rule: as it came.
    return text;
  }
}

/** A stream that ended without a status. */
function lostStream(reset: number, problem: unknown): WireFailed {
  if (reset === constants.NGHTTP2_REFUSED_STREAM) return notLookedAt();
  if (reset === constants.NGHTTP2_CANCEL) return new WireFailed(grpcCode.cancelled, "the peer cancelled the call");
  if (reset === constants.NGHTTP2_ENHANCE_YOUR_CALM) return new WireFailed(grpcCode.exhausted, "the peer is too busy");
  const message = problem === undefined ? "the call ended without a status" : messageOf(problem);
  return new WireFailed(grpcCode.unavailable, message, { cause: problem });
}

function notLookedAt(): WireFailed {
  return new WireFailed(grpcCode.unavailable, "the peer did not look at the call", { unsent: true });
}

/** As gRPC maps answers of proxies. */
function codeOfHttp(status: number): number {
  if (status === 401) return grpcCode.unauthenticated;
  if (status === 403) return grpcCode.forbidden;
  if (status === 404) return grpcCode.unimplemented;
  if ([429, 502, 503, 504].includes(status)) return grpcCode.unavailable;
  return grpcCode.unknown;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
