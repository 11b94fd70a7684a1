import { afterEach, expect, test } from "bun:test";
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";
import { freePorts } from "../../test/testbed/processes.ts";
import { openWire, type Wire, type WireOptions } from "./nacos-wire.ts";

const open: { stop(): void }[] = [];
afterEach(() => {
  for (const { stop } of open.splice(0)) stop();
});

const good = { ":status": 200, "content-type": "application/grpc" };
const hello = Buffer.from("hello");

test("a call is answered, also by a message of megabytes in small pieces, and many at once are kept apart", async () => {
  const wire = wireTo(await peer((stream, { ":path": path }) => answer(stream, path === "/large" ? large : undefined)));
  expect(Buffer.from(await wire.unary("/large", hello))).toEqual(large);
  const many = Array.from({ length: 300 }, (_, index) => Buffer.from(`hello ${index}`));
  const answers = await Promise.all(many.map((message) => wire.unary("/echo", message)));
  expect(answers.map((bytes) => Buffer.from(bytes))).toEqual(many);
});

test("on a stream both ways messages are cut as they were sent, and its end is the end of the connection", async () => {
  const heard: string[] = [];
  const wire = wireTo(
    await peer((stream) => {
      stream.respond(good);
      const all = Buffer.concat([framed(Buffer.from("one")), framed(Buffer.from("two")), framed(Buffer.alloc(0))]);
      stream.on("data", async () => {
        for (const byte of all) {
          stream.write(Buffer.from([byte]));
          await Bun.sleep(1);
        }
        stream.end();
      });
    }),
  );
  const send = wire.open("/both", (message) => heard.push(Buffer.from(message).toString()));
  send(hello);
  await expect(wire.broken).rejects.toThrow("it ended the connection");
  expect(heard).toEqual(["one", "two", ""]);
  await expect(wire.unary("/echo", hello)).rejects.toThrow("it ended the connection");
});

test("what is no good answer is a failure of its call that says why, and the connection lives on", async () => {
  const answers: Record<string, (stream: ServerHttp2Stream) => void> = {
    "/proxy": (stream) => {
      stream.respond({ ":status": 404, "content-type": "text/html" });
      stream.end("<h1>Not Found</h1>");
    },
    "/status": (stream) =>
      stream.respond({ ...good, "grpc-status": "12", "grpc-message": "no such%3A %E4%B8%8D" }, { endStream: true }),
    "/nothing": (stream) => {
      stream.respond(good);
      stream.end();
    },
    "/broken": (stream) => {
      stream.respond(good);
      stream.write(framed(hello), () => stream.close(8));
    },
    "/compressed": (stream) => {
      stream.respond(good);
      stream.end(Buffer.concat([Buffer.from([1]), framed(hello).subarray(1)]));
    },
    "/silent": () => {},
    "/echo": (stream) => answer(stream),
  };
  const wire = wireTo(await peer((stream, { ":path": path }) => answers[path!]!(stream)), { timeoutMs: 300 });
  const call = (path: string) => wire.unary(path, hello);
  await expect(call("/proxy")).rejects.toThrow("it answers HTTP 404");
  await expect(call("/status")).rejects.toThrow("it answers with gRPC status 12: no such: 不");
  await expect(call("/nothing")).rejects.toThrow("it answers nothing");
  await expect(call("/broken")).rejects.toThrow("it breaks off its answer");
  await expect(call("/compressed")).rejects.toThrow("it compresses its answer without being asked");
  await expect(call("/silent")).rejects.toMatchObject({ name: "TimeoutError" });
  expect(Buffer.from(await call("/echo"))).toEqual(hello);
});

test("when the connection breaks, every call under way fails at once", async () => {
  const sessions: ServerHttp2Session[] = [];
  const wire = wireTo(await peer(() => {}, sessions), { timeoutMs: 30_000 });
  const calls = Promise.allSettled([wire.unary("/a", hello), wire.unary("/b", hello)]);
  while (sessions.length === 0) await Bun.sleep(5);
  sessions[0]!.destroy();
  expect((await calls).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await expect(wire.broken).rejects.toThrow();
});

test("whoever ends it says why to what is under way", async () => {
  const wire = wireTo(await peer(() => {}), { timeoutMs: 30_000 });
  const call = wire.unary("/a", hello);
  wire.end(new Error("enough"));
  await expect(call).rejects.toThrow("enough");
  await expect(wire.unary("/b", hello)).rejects.toThrow("enough");
});

test("where nobody listens a call fails at once", async () => {
  const [port] = await freePorts(1);
  const wire = wireTo(`http://127.0.0.1:${port}`, { timeoutMs: 30_000 });
  await expect(wire.unary("/a", hello)).rejects.toThrow("ECONNREFUSED");
});

test("a certificate of a trusted authority serves for the name and the address that stand in it, and for no other", async () => {
  const authority = createAuthority("wire CA");
  const ca = Buffer.from(authority.cert);
  const hosts = ["localhost", "127.0.0.1"];
  for (const name of hosts) {
    const { cert, key } = createServerCertificate(authority, [name]);
    const port = new URL(await listening(createSecureServer({ cert, key }), (stream) => answer(stream))).port;
    for (const host of hosts) {
      const called = wireTo(`https://${host}:${port}`, { ca }).unary("/echo", hello);
      if (host === name) expect(Buffer.from(await called)).toEqual(hello);
      else await expect(called).rejects.toThrow(/altnames/);
    }
    await expect(wireTo(`https://${name}:${port}`).unary("/echo", hello)).rejects.toThrow(/certificate/);
  }
});

const large = Buffer.alloc(3 * 1024 * 1024, "large");

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** What was sent, or `message`, as a gRPC server answers. */
function answer(stream: ServerHttp2Stream, message?: Buffer): void {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    stream.respond(good, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(message ? framed(message) : Buffer.concat(chunks));
  });
}

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

function peer(onStream: OnStream, sessions?: ServerHttp2Session[]): Promise<string> {
  const server = createServer();
  if (sessions) server.on("session", (session) => sessions.push(session));
  return listening(server, onStream);
}

async function listening(server: Http2Server, onStream: OnStream): Promise<string> {
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    onStream(stream, headers);
  });
  server.on("sessionError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ stop: () => server.close() });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function wireTo(origin: string, options: Partial<WireOptions> = {}): Wire {
  const wire = openWire(origin, { timeoutMs: 10_000, ...options });
  open.unshift({ stop: () => wire.end(new Error("the test is over")) });
  return wire;
}
