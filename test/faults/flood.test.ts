// An agent that streams rows without end: what the server holds of it is bounded, and who looks is told.
import { afterEach, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { type Handlers, serve } from "../../src/contract/grpc.ts";
import type { WorkloadRow } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { WorkloadService } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { log } from "../../src/process/log.ts";
import { createWatches, type Most, type RowChange, type Subscription } from "../../src/server/watches.ts";
import { endAll, eventually, onEnd, startTestServer } from "../harness.ts";
import { row, startStubAgent } from "../stub-agent.ts";

afterEach(endAll);

const cluster = "eu-1";
type Event = {
  event: { case: "upsert" | "removed"; value: WorkloadRow } | { case: "synced"; value: { ageMs: number } };
};

/** Serves this stream to whoever watches. */
async function startFlood(events: (count: { sent: number; asked: number }) => AsyncGenerator<Event>) {
  const count = { sent: 0, asked: 0 };
  const server = new grpc.Server();
  const methods = Object.fromEntries(WorkloadService.methods.map(({ localName }) => [localName, async () => ({})]));
  const watch = (_: unknown, { signal }: { signal: AbortSignal }) => {
    count.asked++;
    return until(signal, events(count));
  };
  serve(server, WorkloadService, { ...methods, watch } as unknown as Handlers<typeof WorkloadService>, {
    place: "agent",
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  onEnd(() => server.forceShutdown());
  return { count, address: `127.0.0.1:${port}` };
}

async function* until(signal: AbortSignal, events: AsyncGenerator<Event>): AsyncGenerator<Event> {
  for await (const event of events) {
    if (signal.aborted) return;
    yield event;
  }
}

async function watching(address: string, most?: Most) {
  const server = await startTestServer({ summaryMs: 60_000 });
  server.announce(cluster, address);
  const entry = await eventually(
    () => server.pool.directory.find(cluster),
    (found) => found !== undefined,
  );
  const watches = createWatches({
    pool: server.pool,
    lingerMs: 0,
    now: () => performance.now(),
    log: log("watches"),
    most,
  });
  onEnd(() => watches.close());
  const subscribe = () => watches.subscribe({ entry: entry!, namespace: "*", resource: "deployments" });
  return { server, subscribe };
}

/** Reads until it is told that the watch is broken. */
async function brokenOf(subscription: Subscription): Promise<Extract<RowChange, { type: "broken" }>> {
  const signal = AbortSignal.timeout(30_000);
  while (!signal.aborted) {
    for (const change of await subscription.next(signal)) if (change.type === "broken") return change;
  }
  throw new Error("never told");
}

describe("an agent that streams rows without end", () => {
  for (const [what, most, more] of [
    ["many small ones", { rows: 2_000, bytes: 64 * 1024 ** 2 }, {}],
    ["large ones", { rows: 100_000, bytes: 1024 ** 2 }, { containers: [{ name: "x", image: "x".repeat(32 * 1024) }] }],
  ] as const) {
    test(`${what}: the watch ends in words that name the cluster, and what it held is dropped`, async () => {
      const { count, address } = await startFlood(async function* (count) {
        for (;;) {
          yield { event: { case: "upsert", value: row(cluster, `w-${count.sent++}`, more as never) } };
          if (count.sent % 100 === 0) await Bun.sleep(0);
        }
      });
      const { subscribe } = await watching(address, most);
      const subscription = subscribe();
      const { failed } = await brokenOf(subscription);
      expect(failed.code).toBe("watch.too_much");
      expect(failed.message).toContain("the agent of eu-1 sends more than one watch may hold");
      expect([subscription.rows().length, subscription.synced]).toEqual([0, false]);
      // The call is over, and is not made again at once.
      const sent = await eventually(
        async () => {
          const before = count.sent;
          await Bun.sleep(400);
          return { before, after: count.sent };
        },
        ({ before, after }) => before === after,
      );
      expect([count.asked, sent.before === sent.after]).toEqual([1, true]);
      // Who comes later is told at once.
      expect((await brokenOf(subscribe())).failed.code).toBe("watch.too_much");
    });
  }

  test("takes back what it was believed before: who was told of a row is told that it is no more", async () => {
    let flood = () => {};
    const told = new Promise<void>((resolve) => {
      flood = resolve;
    });
    const { address } = await startFlood(async function* (count) {
      yield { event: { case: "upsert", value: row(cluster, "believed") } };
      yield { event: { case: "synced", value: { ageMs: 0 } } };
      await told;
      for (;;) yield { event: { case: "upsert", value: row(cluster, `w-${count.sent++}`) } };
    });
    const { subscribe } = await watching(address, { rows: 50, bytes: 1024 ** 2 });
    const subscription = subscribe();
    await eventually(
      () => subscription.synced,
      (synced) => synced,
    );
    const known = new Set<string>();
    const signal = AbortSignal.timeout(10_000);
    let broken = false;
    for (let first = true; !(broken && known.size === 0); first = false) {
      const changes = await subscription.next(signal);
      if (signal.aborted) break;
      for (const change of changes) {
        if (change.type === "upsert") known.add(change.live.row.name);
        if (change.type === "removed") known.delete(change.row.name);
        if (change.type === "broken") broken = true;
      }
      if (first) flood();
    }
    expect([broken, [...known]]).toEqual([true, []]);
  });

  test("that come and go: a reader that stands still is not kept every one of them", async () => {
    let going = true;
    const { count, address } = await startFlood(async function* (count) {
      yield { event: { case: "upsert", value: row(cluster, "stays") } };
      yield { event: { case: "synced", value: { ageMs: 0 } } };
      while (going) {
        const one = row(cluster, `w-${count.sent++}`);
        yield { event: { case: "upsert", value: one } };
        yield { event: { case: "removed", value: one } };
        if (count.sent % 50 === 0) await Bun.sleep(0);
        if (count.sent === 3_000) going = false;
      }
      yield { event: { case: "removed", value: row(cluster, "stays") } };
      await Bun.sleep(600_000);
    });
    const { subscribe } = await watching(address, { rows: 50, bytes: 1024 ** 2 });
    const [slow, quick] = [subscribe(), subscribe()];
    await eventually(
      () => quick.synced,
      (synced) => synced,
    );
    const first = await slow.next(AbortSignal.timeout(5_000));
    expect(first.length).toBeLessThanOrEqual(60);
    await eventually(
      () => [count.sent, quick.rows().length],
      ([sent, held]) => sent === 3_000 && held === 0,
    );
    const changes = await slow.next(AbortSignal.timeout(5_000));
    expect(changes.map((change) => (change.type === "removed" ? change.row.name : change.type))).toContain("stays");
    expect(changes.length).toBeLessThanOrEqual(60);
  });
});

test("a row that changes is counted once, however often", async () => {
  const agent = await startStubAgent({ cluster, rows: Array.from({ length: 40 }, (_, n) => row(cluster, `w-${n}`)) });
  onEnd(() => agent.stop());
  const { subscribe } = await watching(agent.address, { rows: 50, bytes: 16 * 1024 });
  const subscription = subscribe();
  await eventually(
    () => subscription.synced,
    (synced) => synced,
  );
  for (let time = 0; time < 500; time++) agent.put(row(cluster, "w-1", { desired: time }));
  await eventually(
    () => subscription.rows().find(({ row }) => row.name === "w-1")?.row.desired,
    (desired) => desired === 499,
  );
  expect(subscription.rows()).toHaveLength(40);
});
