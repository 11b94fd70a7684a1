// gRPC as Nacos speaks it, over node:http2: many unary calls and one stream both ways, on the one connection by which the
// server knows a client. A call costs about half of grpc-js's processor time, and a server that starts makes one for
// each key.
import { type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { framed, frames } from "../wire/frames.ts";
import { said } from "../wire/status.ts";

export interface Wire {
  /** @throws Error where it does not answer in time, or not by a message */
  unary(path: string, message: Uint8Array): Promise<Uint8Array>;
  /** Opens a stream both ways; the connection ends with it. @returns what sends a message on it */
  open(path: string, onMessage: (message: Uint8Array) => void): (message: Uint8Array) => void;
  /** Rejects with why the connection has ended. */
  readonly broken: Promise<never>;
  /** Whatever is under way fails with the cause. */
  end(cause: unknown): void;
}

export interface WireOptions {
  /** PEM. Without it, https trusts the authorities that Bun ships with. */
  ca?: Buffer;
  /** Milliseconds without an answer after which a call fails. */
  timeoutMs: number;
}

/** What may arrive before it is read, bytes: the names of some thousand services. */
const windowBytes = 1024 * 1024;
/** More than any answer of Nacos: the names of some hundred thousand services. */
const mostAnswerBytes = 64 * 1024 * 1024;
const hungUp = "it ended the connection";

/** @param origin "http://10.0.0.1:9848", "https://[::1]:9848" */
export function openWire(origin: string, { ca, timeoutMs }: WireOptions): Wire {
  const underWay = new Set<(cause: unknown) => void>();
  const { promise: broken, reject } = Promise.withResolvers<never>();
  // Who holds the connection is told; before that, the call under way is.
  broken.catch(() => {});
  const session = connect(origin, {
    settings: { enablePush: false, initialWindowSize: windowBytes },
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    rejectUnauthorized: true,
    ...(ca ? { ca } : {}),
  });
  let ended: { cause: unknown } | undefined;

  function end(cause: unknown): void {
    if (ended) return;
    ended = { cause };
    reject(cause);
    for (const fail of [...underWay]) fail(cause);
    session.destroy();
  }

  session.on("error", end);
  session.on("goaway", () => end(new Error("it takes leave")));
  session.on("close", () => end(new Error(hungUp)));

  /** @throws why the connection has ended */
  function begin(path: string): ClientHttp2Stream {
    if (ended) throw ended.cause;
    return session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "lizardcd",
    });
  }

  return {
    broken,
    end,
    async unary(path, message) {
      const { promise, resolve, reject: fail } = Promise.withResolvers<Uint8Array>();
      const stream = begin(path);
      let answer: Uint8Array | undefined;
      const onMessage = (message: Uint8Array) => {
        answer ??= message;
      };
      follow(stream, onMessage, (problem, whole) => {
        if (answer && whole && !problem) resolve(answer);
        else fail(problem ?? new Error(answer ? "it breaks off its answer" : "it answers nothing"));
      });
      const late = setTimeout(() => {
        fail(new DOMException("it does not answer", "TimeoutError"));
        stream.close(constants.NGHTTP2_CANCEL);
      }, timeoutMs);
      underWay.add(fail);
      stream.end(framed(message));
      try {
        return await promise;
      } finally {
        clearTimeout(late);
        underWay.delete(fail);
      }
    },
    open(path, onMessage) {
      const stream = begin(path);
      follow(stream, onMessage, (problem) => end(problem ?? new Error(hungUp)));
      // It closes once both sides have ended it.
      stream.on("end", () => stream.end());
      return (message) => {
        if (!stream.destroyed) stream.write(framed(message));
      };
    },
  };
}

/** @param onEnd told what was wrong with the answer, if anything was, and whether a status has come at its end */
function follow(
  stream: ClientHttp2Stream,
  onMessage: (message: Uint8Array) => void,
  onEnd: (problem: unknown, whole: boolean) => void,
): void {
  const messages = frames(mostAnswerBytes, {
    compressed: () => new Error("it compresses its answer without being asked"),
    tooLarge: (bytes) => new Error(`it answers ${bytes} bytes at once`),
  });
  let problem: unknown;
  let whole = false;
  const look = ({ "grpc-status": code, "grpc-message": message }: IncomingHttpHeaders) => {
    if (code === undefined) return;
    whole = true;
    if (code !== "0") problem ??= new Error(`it answers with gRPC status ${code}: ${said(message)}`);
  };
  stream.on("response", (headers) => {
    // What follows is no gRPC, but the words of a proxy.
    if (headers[":status"] !== 200) problem = new Error(`it answers HTTP ${headers[":status"]}`);
    // Without a message, what else comes last stands here.
    look(headers);
  });
  stream.on("data", (chunk: Buffer) => {
    if (problem) return;
    try {
      for (const message of messages(chunk)) onMessage(message);
    } catch (cause) {
      problem = cause;
      stream.close(constants.NGHTTP2_CANCEL);
    }
  });
  stream.on("trailers", look);
  stream.on("error", (cause) => {
    problem ??= cause;
  });
  stream.on("close", () => onEnd(problem, whole));
}
