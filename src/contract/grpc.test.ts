// What a peer may write into a call's metadata, to a server that has not looked yet at who it is.
import { afterEach, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { WorkloadService } from "../gen/lizardcd/v1/workload_pb.ts";
import type { Channel } from "./channel.ts";
import { type Call, type Handlers, serve } from "./grpc.ts";
import { grpcChannel } from "./grpc-channel.ts";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

/** Keeps what it was told of each caller. An empty message is refused by the rules, which is an answer as good. */
async function serving(): Promise<{ channel: Channel; calls: Call[] }> {
  const calls: Call[] = [];
  const server = new grpc.Server();
  const handlers = Object.fromEntries(
    WorkloadService.methods.map((method) => [
      method.localName,
      method.methodKind === "unary"
        ? async () => ({})
        : async function* () {
            yield {};
          },
    ]),
  ) as unknown as Handlers<typeof WorkloadService>;
  serve(server, WorkloadService, handlers, { place: "test", onCall: (_path, call) => calls.push(call) });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    ),
  );
  ends.push(() => server.forceShutdown());
  const pings = { everyMs: 10_000, withinMs: 10_000, idle: true };
  const channel = grpcChannel(`127.0.0.1:${port}`, { mostAnswerBytes: 1_000, pings });
  ends.push(() => channel.close());
  return { channel, calls };
}

describe("a caller's name", () => {
  for (const [written, read] of [
    ["ada%20%E5%90%8D", "ada 名"],
    ["%E0%A4%A", "%E0%A4%A"],
  ] as const) {
    test(`written as ${written} is read as ${read}, by calls and by streams`, async () => {
      const { channel, calls } = await serving();
      const call = { metadata: { "x-lizardcd-actor": written }, deadline: Date.now() + 3_000 };
      for (const { name, methodKind } of WorkloadService.methods) {
        const path = `/${WorkloadService.typeName}/${name}`;
        const none = new Uint8Array();
        const asked =
          methodKind === "unary" ? channel.unary(path, none, call) : drained(channel.stream(path, none, call));
        await asked.catch(() => {});
      }
      expect(new Set(calls.map(({ actor }) => actor))).toEqual(new Set([read]));
      expect(calls.length).toBeGreaterThanOrEqual(WorkloadService.methods.length);
    });
  }
});

async function drained(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of stream) return;
}
