// In which order and how fast agents are asked; what they answer is tested through the doors.
import { afterEach, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { eventually } from "../../test/harness.ts";
import { Failed } from "../contract/errors.ts";
import { SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { log } from "../process/log.ts";
import type { AgentEntry, Told } from "./directory.ts";
import type { Pool } from "./pool.ts";
import { createSummaries } from "./summaries.ts";

const stop = new Set<AbortController>();
afterEach(() => {
  for (const one of stop) one.abort();
  stop.clear();
});

test("new agents are asked at once, and later in turn at the rate that is set: no rush hour", async () => {
  const fleet = running(400, { perSecond: 50, everyMs: 5_000 });
  await eventually(
    () => fleet.asked.length,
    (asked) => asked === 400,
  );
  const first = [...fleet.asked];
  // All are overdue from here on.
  fleet.pass(3_600_000);
  await eventually(
    () => fleet.asked.length,
    (asked) => asked > 420,
  );
  // Ten in each of its ticks, oldest first.
  expect(fleet.asked.slice(400, 420)).toEqual(first.slice(0, 20));
  expect(fleet.asked.length).toBeLessThan(500);
});

test("an agent that is withdrawn is asked no more, and asked at once when it comes again", async () => {
  const fleet = running(2, { perSecond: 50, everyMs: 5_000 });
  await eventually(
    () => fleet.asked.length,
    (asked) => asked === 2,
  );
  const [gone, left] = fleet.entries as [AgentEntry, AgentEntry];
  fleet.tell({ gone: { key: gone.key, namespace: "*", cluster: gone.cluster, goneAt: 0 } });
  fleet.pass(60_000);
  await eventually(
    () => fleet.asked.length,
    (asked) => asked === 3,
  );
  expect(fleet.asked[2]).toBe(left.cluster);
  fleet.tell({ entry: gone });
  await eventually(
    () => fleet.asked.length,
    (asked) => asked === 4,
  );
  expect(fleet.asked[3]).toBe(gone.cluster);
});

test("an agent that is withdrawn while it is asked stays lost, though its answer comes", async () => {
  const answers = Promise.withResolvers<void>();
  const fleet = running(1, { perSecond: 50, everyMs: 5_000, until: answers.promise });
  await eventually(
    () => fleet.asked.length,
    (asked) => asked === 1,
  );
  const [entry] = fleet.entries as [AgentEntry];
  fleet.tell({ gone: { key: entry.key, namespace: "*", cluster: entry.cluster, goneAt: 0 } });
  answers.resolve();
  await Bun.sleep(20);
  const [known] = fleet.summaries.clusters().get(entry.cluster)!;
  expect(known!.failure?.code).toBe("agent.unavailable");
});

test("an agent that could not be asked, since the server itself had no connection left, is not taken for lost", async () => {
  const full = Promise.reject(new Failed("connections.all_in_use", { most: 2 }));
  full.catch(() => {});
  const fleet = running(1, { perSecond: 50, everyMs: 5_000, until: full });
  await eventually(
    () => fleet.asked.length,
    (asked) => asked === 1,
  );
  await Bun.sleep(20);
  const [known] = fleet.summaries.clusters().get("c-0")!;
  expect([known!.failure, known!.seenAt]).toEqual([undefined, undefined]);
});

function running(
  count: number,
  { perSecond, everyMs, until }: { perSecond: number; everyMs: number; until?: Promise<void> },
) {
  const entries = Array.from({ length: count }, (_, index): AgentEntry => {
    const cluster = `c-${index}`;
    return { key: `lizardcd-agent.*.${cluster}`, namespace: "*", cluster, endpoints: new Map(), announcedAt: 0 };
  });
  const asked: string[] = [];
  let time = 0;
  let tell = (_: Told) => {};
  const directory = {
    entries: () => entries,
    gone: () => [],
    onChange(listener: typeof tell) {
      tell = listener;
      return () => {};
    },
  };
  const summary = async ({ cluster }: { cluster: string }) => {
    asked.push(cluster);
    await until;
    return create(SummaryResponseSchema, { info: {} });
  };
  const pool = { directory, peers: () => ({ agent: { summary } }) } as unknown as Pool;
  const end = new AbortController();
  stop.add(end);
  const options = { pool, everyMs, perSecond, concurrency: 4, timeoutMs: 1_000, now: () => time, log: log("test") };
  const summaries = createSummaries(options);
  void summaries.run(end.signal);
  return {
    entries,
    asked,
    summaries,
    tell: (told: Told) => tell(told),
    pass(ms: number) {
      time += ms;
    },
  };
}
