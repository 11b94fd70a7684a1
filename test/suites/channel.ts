// What a channel must do, whichever carries it: the suite that grpc-js and our own over node:http2 both pass, against a
// real gRPC server in this process.
import { afterEach, describe, expect, test } from "bun:test";
import { createServer as createHttp2, type ServerHttp2Stream } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import {
  type Channel,
  type ChannelOptions,
  detailsKey,
  type WireCall,
  WireFailed,
} from "../../src/contract/channel.ts";
import { grpcCode } from "../../src/contract/errors.ts";
import { until } from "../testbed/wait.ts";

const ends: (() => void)[] = [];

export interface ChannelBed {
  /** How the server is to be called. */
  serverCredentials: grpc.ServerCredentials;
  /** Where it listens: "127.0.0.1:0", or "unix:" and a path. */
  listen: () => string;
  open(address: string, options: ChannelOptions): Channel;
  /** Without TLS: peers of the test's own making can be spoken to. */
  plain: boolean;
}

const options: ChannelOptions = {
  mostAnswerBytes: 1024 * 1024,
  pings: { everyMs: 300, withinMs: 300, idle: true },
};

interface Echo {
  address: string;
  server: grpc.Server;
  metadata: grpc.Metadata[];
  /** Calls that were cancelled. */
  cancelled: number;
  /** Messages that were written to streams. */
  written: number;
  /** Lets the calls of "/t/Wait" be answered. */
  release(): void;
  waiting: number;
}

export function channelSuite(name: string, bed: ChannelBed): void {
  const later = (ms = 10_000) => Date.now() + ms;
  const call = (more: Partial<WireCall> = {}): WireCall => ({ metadata: {}, deadline: later(), ...more });
  const bytes = (text: string) => Buffer.from(text);
  const textOf = (answer: Uint8Array) => Buffer.from(answer).toString();

  afterEach(() => {
    for (const end of ends.splice(0).reverse()) end();
  });

  async function startEcho(at = bed.listen()): Promise<Echo> {
    const server = new grpc.Server({ "grpc.max_concurrent_streams": 1000 });
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const echo: Echo = { address: "", server, metadata: [], cancelled: 0, written: 0, waiting: 0, release };
    const watched = (wire: { on(event: "cancelled", told: () => void): unknown }) =>
      wire.on("cancelled", () => echo.cancelled++);
    const rich = () => {
      const metadata = new grpc.Metadata();
      metadata.set(detailsKey, bytes("more"));
      return Object.assign(new Error(), { code: grpc.status.NOT_FOUND, details: "none of 名字 here: 100 %", metadata });
    };
    server.addService(definition, {
      Echo(wire: Unary, answer: Answer) {
        echo.metadata.push(wire.metadata);
        answer(null, wire.request);
      },
      Wait(wire: Unary, answer: Answer) {
        watched(wire);
        echo.waiting++;
        void released.then(() => answer(null, bytes("waited")));
      },
      Large: (wire: Unary, answer: Answer) => answer(null, Buffer.alloc(Number(wire.request.toString()), 7)),
      Fail: (_: Unary, answer: Answer) => answer(rich()),
      async Count(wire: grpc.ServerWritableStream<Buffer, Buffer>) {
        watched(wire);
        const [count, size] = wire.request.toString().split(" ").map(Number) as [number, number];
        for (let each = 0; each < count && !wire.cancelled; each++) {
          const message = Buffer.alloc(Math.max(size, 8));
          message.writeUInt32BE(each);
          echo.written++;
          if (!wire.write(message)) await new Promise<void>((resolve) => wire.once("drain", resolve));
        }
        if (!wire.cancelled) wire.end();
      },
      CountAndFail(wire: grpc.ServerWritableStream<Buffer, Buffer>) {
        wire.write(bytes("one"));
        wire.write(bytes("two"));
        wire.emit("error", rich());
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(at, bed.serverCredentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    ends.push(() => server.forceShutdown());
    echo.address = at.startsWith("unix:") ? at : `127.0.0.1:${port}`;
    return echo;
  }

  function open(address: string, more: Partial<ChannelOptions> = {}): Channel & { breaks: () => number } {
    const channel = bed.open(address, { ...options, ...more });
    let breaks = 0;
    channel.onBroken(() => breaks++);
    ends.push(() => channel.close());
    // Not by spreading: `state` is read each time.
    return Object.assign(Object.create(channel) as Channel, { breaks: () => breaks });
  }

  async function failure(asked: Promise<unknown>): Promise<WireFailed> {
    const outcome = await asked.then(
      () => undefined,
      (cause) => cause,
    );
    if (!(outcome instanceof WireFailed)) throw new Error(`no WireFailed, but ${outcome}`);
    return outcome;
  }

  /** A peer of the test's own making, behind plain TCP or a unix socket. */
  async function listening(server: Server): Promise<string> {
    const at = bed.listen();
    const sockets = new Set<Socket>();
    server.on("connection", (socket) => sockets.add(socket));
    await new Promise<void>((resolve) =>
      at.startsWith("unix:")
        ? server.listen(at.slice("unix:".length), resolve)
        : server.listen(0, "127.0.0.1", resolve),
    );
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return at.startsWith("unix:") ? at : `127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  /** A way to a server that can go dark: nothing passes, and nobody is told. */
  async function darkable(to: string): Promise<{ address: string; goDark(): void }> {
    let dark = false;
    const server = createServer((near) => {
      const [host, port] = to.split(":") as [string, string];
      const far = to.startsWith("unix:") ? connect(port) : connect(Number(port), host);
      ends.push(() => far.destroy());
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        one.on("data", (data) => dark || other.write(data));
        one.on("close", () => dark || other.destroy());
        one.on("error", () => one.destroy());
      }
    });
    const address = await listening(server);
    return {
      address,
      goDark() {
        dark = true;
      },
    };
  }

  describe(`${name} as a channel`, () => {
    test("carries a call, its metadata and its answer, and connects on first use only", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      expect(channel.state).toBe("idle");
      const answer = await channel.unary("/t/Echo", bytes("hello"), call({ metadata: { "x-actor": "ada" } }));
      expect(textOf(answer)).toBe("hello");
      expect(echo.metadata[0]!.get("x-actor")).toEqual(["ada"]);
      expect(channel.state).toBe("ready");
      expect(textOf(await channel.unary("/t/Echo", new Uint8Array(), call()))).toBe("");
    });

    test("carries a thousand calls at once", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      const asked = Array.from({ length: 1_000 }, (_, each) => channel.unary("/t/Echo", bytes(`${each}`), call()));
      expect((await Promise.all(asked)).map(textOf)).toEqual(asked.map((_, each) => `${each}`));
    });

    test("carries an answer of a megabyte whole, and refuses a larger one", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      const most = options.mostAnswerBytes;
      expect((await channel.unary("/t/Large", bytes(`${most}`), call())).length).toBe(most);
      const failed = await failure(channel.unary("/t/Large", bytes(`${most + 1}`), call()));
      expect(failed).toMatchObject({ code: grpcCode.exhausted, tooLarge: true, unsent: false });
      const counted = failure(collect(channel.stream("/t/Count", bytes(`2 ${most + 1}`), call())));
      expect(await counted).toMatchObject({ code: grpcCode.exhausted, tooLarge: true });
      expect(textOf(await channel.unary("/t/Echo", bytes("after"), call()))).toBe("after");
    });

    test("tells the peer's status, its sentence in any language and its details", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      const failed = await failure(channel.unary("/t/Fail", bytes(""), call()));
      expect(failed).toMatchObject({ code: grpcCode.notFound, message: "none of 名字 here: 100 %", unsent: false });
      expect(textOf(failed.details!)).toBe("more");
      const unknown = await failure(channel.unary("/t/Nothing", bytes(""), call()));
      expect(unknown.code).toBe(grpcCode.unimplemented);
    });

    test("gives a call up at its deadline, and tells the peer", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      await channel.unary("/t/Echo", bytes("warm"), call());
      const failed = await failure(channel.unary("/t/Wait", bytes(""), call({ deadline: later(200) })));
      expect(failed).toMatchObject({ code: grpcCode.deadline, unsent: false });
      await until(async () => echo.cancelled === 1, { what: "the peer to hear of it" });
      expect(channel.state).toBe("ready");
    });

    test("cancels a call when its signal aborts, before and after it was sent", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      const gone = AbortSignal.abort();
      expect(await failure(channel.unary("/t/Echo", bytes(""), call({ signal: gone })))).toMatchObject({
        code: grpcCode.cancelled,
        unsent: true,
      });
      const stop = new AbortController();
      const asked = failure(channel.unary("/t/Wait", bytes(""), call({ signal: stop.signal })));
      await until(async () => echo.waiting === 1, { what: "the call to arrive" });
      stop.abort();
      expect(await asked).toMatchObject({ code: grpcCode.cancelled, unsent: false });
      await until(async () => echo.cancelled === 1, { what: "the peer to hear of it" });
    });

    test("reads a stream in order and to its end", async () => {
      const echo = await startEcho();
      const messages = await collect(open(echo.address).stream("/t/Count", bytes("2000 100"), call()));
      expect(messages.map((one) => Buffer.from(one).readUInt32BE())).toEqual(
        Array.from({ length: 2_000 }, (_, each) => each),
      );
    });

    test("yields what came before a stream failed, then the failure", async () => {
      const echo = await startEcho();
      const seen: string[] = [];
      const read = (async () => {
        for await (const one of open(echo.address).stream("/t/CountAndFail", bytes(""), call())) seen.push(textOf(one));
      })();
      expect(await failure(read)).toMatchObject({ code: grpcCode.notFound, message: "none of 名字 here: 100 %" });
      expect(seen).toEqual(["one", "two"]);
    });

    test("cancels a stream that its reader leaves, or whose signal aborts", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      for await (const _ of channel.stream("/t/Count", bytes("1000000 1000"), call())) break;
      await until(async () => echo.cancelled === 1, { what: "the peer to hear that the reader left" });
      const stop = new AbortController();
      const read = (async () => {
        for await (const _ of channel.stream("/t/Count", bytes("1000000 1000"), call({ signal: stop.signal }))) {
          stop.abort();
        }
      })();
      expect((await failure(read)).code).toBe(grpcCode.cancelled);
      await until(async () => echo.cancelled === 2, { what: "the peer to hear of the signal" });
    });

    test("stops the sender of a stream that nobody reads", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      let read = 0;
      for await (const _ of channel.stream("/t/Count", bytes("4000 16000"), call())) {
        if (++read > 1) continue;
        // As much as windows and buffers take, and no more: it stands still while others are answered.
        let before = -1;
        await until(
          async () => {
            const still = echo.written === before;
            before = echo.written;
            return still;
          },
          { what: "the sender to stand still", interval: 300 },
        );
        expect(echo.written).toBeLessThan(2_000);
        expect(textOf(await channel.unary("/t/Echo", bytes("beside"), call()))).toBe("beside");
      }
      expect(read).toBe(4_000);
    });

    test("says that nothing was sent where nobody listens, and tells that it broke", async () => {
      const echo = await startEcho();
      echo.server.forceShutdown();
      const channel = open(echo.address);
      const failed = await failure(channel.unary("/t/Echo", bytes(""), call()));
      expect(failed).toMatchObject({ code: grpcCode.unavailable, unsent: true });
      await until(async () => channel.breaks() > 0, { what: "to be told" });
    });

    test("is not connected to a peer that takes connections and says nothing", async () => {
      const channel = open(await listening(createServer()));
      const failed = await failure(channel.unary("/t/Echo", bytes(""), call({ deadline: later(500) })));
      expect(failed).toMatchObject({ code: grpcCode.deadline, unsent: true });
      expect(channel.state).toBe("connecting");
    });

    test("closed before it is connected: whoever waits for it is told at once that nothing was sent", async () => {
      const channel = open(await listening(createServer()));
      const asked = failure(channel.unary("/t/Echo", bytes(""), call({ deadline: later(5_000) })));
      await until(async () => channel.state === "connecting", { what: "to be connecting" });
      channel.close();
      expect(await asked).toMatchObject({ code: grpcCode.unavailable, unsent: true });
    });

    test("is not connected to a peer that speaks something else", async () => {
      const other = createServer((socket) => {
        socket.on("error", () => {});
        socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
      });
      const channel = open(await listening(other));
      const failed = await failure(channel.unary("/t/Echo", bytes(""), call({ deadline: later(3_000) })));
      expect(failed).toMatchObject({ code: grpcCode.unavailable, unsent: true });
    });

    test("tells at once when the peer dies in a call, which may have been made", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      const asked = failure(channel.unary("/t/Wait", bytes(""), call()));
      await until(async () => echo.waiting === 1, { what: "the call to arrive" });
      echo.server.forceShutdown();
      expect(await asked).toMatchObject({ unsent: false });
      await until(async () => channel.breaks() > 0, { what: "to be told" });
    });

    test("lets calls end when the peer takes leave, and makes no new ones on that connection", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      const asked = channel.unary("/t/Wait", bytes(""), call());
      await until(async () => echo.waiting === 1, { what: "the call to arrive" });
      const left = new Promise<void>((resolve) => echo.server.tryShutdown(() => resolve()));
      await until(async () => channel.breaks() > 0, { what: "to be told" });
      const failed = await failure(channel.unary("/t/Echo", bytes(""), call({ deadline: later(2_000) })));
      expect(failed).toMatchObject({ code: grpcCode.unavailable, unsent: true });
      echo.release();
      expect(textOf(await asked)).toBe("waited");
      await left;
    });

    test("finds out by pings that nobody is there, also while no call is under way", async () => {
      const echo = await startEcho();
      const way = await darkable(echo.address);
      const channel = open(way.address);
      await channel.unary("/t/Echo", bytes(""), call());
      way.goDark();
      await until(async () => channel.breaks() > 0, { what: "to be told" });
      const other = await darkable(echo.address);
      const busy = open(other.address);
      const asked = failure(busy.unary("/t/Wait", bytes(""), call()));
      await until(async () => echo.waiting === 1, { what: "the call to arrive" });
      other.goDark();
      expect(await asked).toMatchObject({ code: grpcCode.unavailable, unsent: false });
    });

    test("closes when the last call has ended", async () => {
      const echo = await startEcho();
      const channel = open(echo.address);
      const asked = channel.unary("/t/Wait", bytes(""), call());
      await until(async () => echo.waiting === 1, { what: "the call to arrive" });
      channel.close();
      expect(channel.state).toBe("closed");
      expect((await failure(channel.unary("/t/Echo", bytes(""), call()))).unsent).toBe(true);
      echo.release();
      expect(textOf(await asked)).toBe("waited");
      // A server that is told to stop waits for its connections.
      await new Promise<void>((resolve) => echo.server.tryShutdown(() => resolve()));
    });

    if (bed.plain)
      test("says that nothing was done where the peer refuses to look at a call", async () => {
        // By Node: Bun's server does not send the reason.
        const script = `const server = require("node:http2").createServer();
        server.on("stream", (stream) => stream.on("error", () => {}).close(7));
        server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;
        const peer = Bun.spawn(["node", "-e", script], { stdout: "pipe" });
        ends.push(() => peer.kill());
        const { value } = await peer.stdout.getReader().read();
        const channel = open(`127.0.0.1:${Number(Buffer.from(value!).toString())}`);
        const failed = await failure(channel.unary("/t/Echo", bytes(""), call({ deadline: later(2_000) })));
        expect(failed).toMatchObject({ unsent: true });
      });

    if (bed.plain)
      test("makes the best of peers that are no gRPC servers", async () => {
        const answers: Record<string, (stream: ServerHttp2Stream) => void> = {
          "/t/Proxy": (stream) => {
            stream.respond({ ":status": 502 });
            stream.end("bad gateway");
          },
          "/t/Forbidden": (stream) => stream.respond({ ":status": 403 }, { endStream: true }),
          "/t/NoStatus": (stream) => {
            stream.respond({ ":status": 200, "content-type": "application/grpc" });
            stream.end(Buffer.from([0, 0, 0, 0, 1, 7]));
          },
          "/t/Nothing": (stream) => {
            stream.respond(
              { ":status": 200, "content-type": "application/grpc", "grpc-status": "0" },
              { endStream: true },
            );
          },
        };
        const peer = createHttp2();
        peer.on("stream", (stream, headers) => answers[String(headers[":path"])]!(stream));
        peer.on("session", (session) => ends.push(() => session.destroy()));
        const channel = open(await listening(peer as unknown as Server));
        const codeOf = async (path: string) => (await failure(channel.unary(path, bytes(""), call()))).code;
        expect(await codeOf("/t/Proxy")).toBe(grpcCode.unavailable);
        expect(await codeOf("/t/Forbidden")).toBe(grpcCode.forbidden);
        expect([grpcCode.unknown, grpcCode.internal, grpcCode.unavailable]).toContain(
          (await codeOf("/t/NoStatus")) as never,
        );
        expect([grpcCode.unknown, grpcCode.internal, grpcCode.unimplemented]).toContain(
          (await codeOf("/t/Nothing")) as never,
        );
      });
  });
}

type Unary = grpc.ServerUnaryCall<Buffer, Buffer>;
type Answer = grpc.sendUnaryData<Buffer>;

const same = (message: Buffer) => message;
const definition: grpc.ServiceDefinition = Object.fromEntries(
  ["Echo", "Wait", "Large", "Fail", "Count", "CountAndFail"].map((name) => [
    name,
    {
      path: `/t/${name}`,
      requestStream: false,
      responseStream: name.startsWith("Count"),
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  ]),
);

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}
