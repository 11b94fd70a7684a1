// What travels over a tunnel: many byte streams over one WebSocket, each frame a kind, a stream's number and its bytes.
// The server opens streams, since it is the one that calls; both may end them.
import { Duplex } from "node:stream";

export const kind = { open: 1, data: 2, end: 3 } as const;
type Kind = (typeof kind)[keyof typeof kind];

const headBytes = 5;

/** What one frame carries at most: a socket that has not proved itself yet must not be able to send much. */
const mostBytes = 64 * 1024;

/** The largest message of a tunnel that is taken; earlier agents cut theirs where their sockets did. */
export const mostMessageBytes = 256 * 1024;

export interface Frame {
  kind: Kind;
  stream: number;
  bytes: Uint8Array;
}

export function encodeFrame(of: Kind, stream: number, bytes: Uint8Array = new Uint8Array()): Uint8Array {
  const frame = new Uint8Array(headBytes + bytes.byteLength);
  frame[0] = of;
  new DataView(frame.buffer).setUint32(1, stream);
  frame.set(bytes, headBytes);
  return frame;
}

/** @throws Error for bytes that are no frame. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const of = bytes[0] as Kind;
  if (bytes.byteLength < headBytes || !Object.values(kind).includes(of)) throw new Error("not a frame of the tunnel");
  const stream = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  return { kind: of, stream, bytes: bytes.subarray(headBytes) };
}

/** The WebSocket as both ends see it. */
export interface Wire {
  /** Resolves when more may be sent: the other end, or the network, may be slow. */
  send(frame: Uint8Array): Promise<void> | void;
}

export interface Streams {
  /** Feeds what has arrived. @throws Error for bytes that are no frame. */
  arrived(bytes: Uint8Array): void;
  /** A new stream, with the number the next free one; for the end that calls. */
  open(): Duplex;
  /** Ends all of them with this error. */
  close(cause: Error): void;
  readonly count: number;
}

/** @param onOpen told of streams that the other end opens. */
export function createStreams(wire: Wire, onOpen?: (stream: Duplex) => void): Streams {
  const streams = new Map<number, Duplex>();
  let last = 0;

  function make(number: number): Duplex {
    const stream = new Duplex({
      read() {},
      write(chunk: Uint8Array, _, done) {
        sendAll(number, chunk, done);
      },
      final(done) {
        send(kind.end, number, undefined, done);
      },
      destroy(cause, done) {
        // A wire that is closed needs no word of it: the other end's streams have ended with it.
        if (streams.delete(number)) send(kind.end, number, undefined, () => {});
        done(cause);
      },
    });
    // Whoever holds the stream hears of it; without a listener an error would end the process.
    stream.on("error", () => {});
    streams.set(number, stream);
    return stream;
  }

  function sendAll(number: number, bytes: Uint8Array, done: (cause?: Error | null) => void): void {
    if (bytes.byteLength <= mostBytes) {
      send(kind.data, number, bytes, done);
      return;
    }
    send(kind.data, number, bytes.subarray(0, mostBytes), (cause) =>
      cause ? done(cause) : sendAll(number, bytes.subarray(mostBytes), done),
    );
  }

  function send(of: Kind, number: number, bytes: Uint8Array | undefined, done: (cause?: Error | null) => void): void {
    try {
      const sent = wire.send(encodeFrame(of, number, bytes));
      if (sent) sent.then(() => done(), done);
      else done();
    } catch (cause) {
      done(cause as Error);
    }
  }

  return {
    arrived(bytes) {
      const frame = decodeFrame(bytes);
      if (frame.kind === kind.open) {
        const stream = make(frame.stream);
        if (onOpen) onOpen(stream);
        else stream.destroy();
        return;
      }
      const stream = streams.get(frame.stream);
      // A stream that ended here may still be spoken to by who has not heard of it.
      if (!stream) return;
      if (frame.kind === kind.data) {
        // The bytes belong to the WebSocket's buffer, which is used again.
        stream.push(Buffer.from(frame.bytes));
        return;
      }
      streams.delete(frame.stream);
      stream.push(null);
      stream.end();
    },
    open() {
      last++;
      const stream = make(last);
      send(kind.open, last, undefined, (cause) => cause && stream.destroy(cause));
      return stream;
    },
    close(cause) {
      for (const stream of [...streams.values()]) stream.destroy(cause);
      streams.clear();
    },
    get count() {
      return streams.size;
    },
  };
}

/** The first words, as JSON text: the server's challenge, the agent's answer, the server's welcome. */
export interface Challenge {
  challenge: string;
}

/** What an agent signs as it dials in. Anything else could be a text that means something where its key is shown again. */
export function isChallenge(text: unknown): text is string {
  return typeof text === "string" && /^[\w-]{1,64}$/.test(text);
}

export interface Hello {
  instance: string;
  keys: string[];
  /** Proof by certificate: a signature over `challenge`. */
  certificate?: string;
  proof?: string;
  /** Or the server's join token, where it runs without certificates. */
  token?: string;
  /** It beats as often as the server says; agents of old keep to the quickest. */
  paced?: true;
}

/** @param beatMs how often to beat: beat.ts. */
export type Welcome = { welcome: true; beatMs?: number } | { refused: string };

/** What the agent is to know while the tunnel stays open: nobody calls it any more, and why. */
export interface Notice {
  notice: string;
}

export const tunnelPath = "/tunnel";
/** Said by an agent that will hang up once its calls have ended, and by the server when it sends no new ones. */
export const leaving = "leaving";
