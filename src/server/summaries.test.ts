// In which order and how fast agents are asked; what they answer is tested through the doors.
import { afterEach, describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { eventually } from "../../test/harness.ts";
import { Failed } from "../contract/errors.ts";
import { SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { log } from "../process/log.ts";
import { clusterRow } from "./clusters.ts";
import type { AgentEntry, Told } from "./directory.ts";
import type { Pool } from "./pool.ts";
import type { Remembered } from "./remembered.ts";
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

describe("a key that is announced no longer", () => {
  const cluster = "c-0";
  const entry = (namespace: string, instance: string): AgentEntry => {
    const key = `lizardcd-agent.${namespace}.${cluster}`;
    const sources = new Map([["etcd", new Map([[`${key}\0${instance}`, true as const]])]]);
    const endpoint = { address: instance, sources, outstanding: 0, ejectedUntil: 0, failures: 0 };
    return { key, namespace, cluster, endpoints: new Map([[instance, endpoint]]), announcedAt: 0 };
  };
  const fleetWith = (...entries: AgentEntry[]) => {
    const fleet = running(0, { perSecond: 50, everyMs: 5_000 });
    const gone = ({ key, namespace }: AgentEntry, instance: string) =>
      fleet.tell({ gone: { key, namespace, cluster, goneAt: 0, instance } });
    for (const one of entries) fleet.tell({ entry: one });
    // Long before what comes now.
    fleet.pass(3_600_000);
    const known = () =>
      [...(fleet.summaries.clusters().get(cluster) ?? [])]
        .map((one) => `${one.namespace} ${one.failure ? "lost" : "there"}`)
        .toSorted();
    return { fleet, gone, known };
  };

  test("is replaced where its agent has gone from the whole cluster to namespaces, whichever is heard first", () => {
    for (const goneFirst of [true, false]) {
      const [whole, a, b] = [entry("*", "one"), entry("a", "one"), entry("b", "one")];
      const { fleet, gone, known } = fleetWith(whole);
      if (goneFirst) gone(whole, "one");
      for (const one of [a, b]) fleet.tell({ entry: one });
      if (!goneFirst) gone(whole, "one");
      expect(known()).toEqual(["a there", "b there"]);
    }
  });

  test("is replaced where another agent takes over, which is there for a while before the first goes", () => {
    const [whole, a] = [entry("*", "one"), entry("a", "two")];
    const { fleet, gone, known } = fleetWith(whole);
    fleet.tell({ entry: a });
    fleet.pass(20_000);
    gone(whole, "one");
    expect(known()).toEqual(["a there"]);
  });

  test("is lost where the others of its cluster were there before, and serve less", () => {
    const [whole, a] = [entry("*", "one"), entry("a", "two")];
    const { gone, known } = fleetWith(whole, a);
    gone(whole, "one");
    expect(known()).toEqual(["* lost", "a there"]);
  });

  test("is lost where it was another agent's namespace, and let go where its agent serves one less", () => {
    const [a, b] = [entry("a", "one"), entry("b", "two")];
    const other = fleetWith(a, b);
    other.gone(b, "two");
    expect(other.known()).toEqual(["a there", "b lost"]);
    const same = fleetWith(a, entry("b", "one"));
    same.gone(b, "one");
    expect(same.known()).toEqual(["a there"]);
  });

  test("is let go where an agent of the whole cluster is there", () => {
    const [whole, a] = [entry("*", "one"), entry("a", "two")];
    const { gone, known } = fleetWith(a, whole);
    gone(a, "two");
    expect(known()).toEqual(["* there"]);
  });

  test("is remembered without end where it is the last of its cluster, and for an hour where it is not", async () => {
    const [a, b] = [entry("a", "one"), entry("b", "two")];
    const last = fleetWith(a);
    await eventually(
      () => last.fleet.asked.length,
      (asked) => asked === 1,
    );
    last.gone(a, "one");
    last.fleet.pass(86_400_000);
    const beside = fleetWith(a, b);
    beside.gone(b, "two");
    beside.fleet.pass(3_500_000);
    await Bun.sleep(500);
    expect([last.known(), beside.known()]).toEqual([["a lost"], ["a there", "b lost"]]);
    beside.fleet.pass(200_000);
    await eventually(beside.known, (known) => known.length === 1);
  });
});

test("what was known before a start is old at first, and lost when it has not announced itself for a while", async () => {
  const summary = create(SummaryResponseSchema, { workloads: 3, synced: true });
  const agent = {
    key: "lizardcd-agent.*.old",
    namespace: "*",
    cluster: "old",
    summary,
    seenAt: -60_000,
    readAt: -60_000,
  };
  const remembered = { agents: [agent], enrollments: new Map(), note() {}, forget() {} } as unknown as Remembered;
  const fleet = running(0, { perSecond: 50, everyMs: 5_000, remembered });
  const [known] = fleet.summaries.clusters().get("old")!;
  const shown = () => clusterRow("old", new Set([known!]), fleet.summaries, fleet.now());
  expect(shown()).toMatchObject({ state: "stale", workloads: 3, seenMs: 60_000 });
  fleet.pass(29_000);
  await Bun.sleep(500);
  expect(shown().state).toBe("stale");
  fleet.pass(10_000);
  const lost = await eventually(shown, ({ state }) => state === "lost");
  expect(lost.failure?.message).toContain("since the server started");
  expect(lost).toMatchObject({ workloads: 3, seenMs: 99_000 });
});

function running(
  count: number,
  {
    perSecond,
    everyMs,
    until,
    remembered,
  }: { perSecond: number; everyMs: number; until?: Promise<void>; remembered?: Remembered },
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
  const options = {
    pool,
    remembered,
    everyMs,
    perSecond,
    concurrency: 4,
    timeoutMs: 1_000,
    now: () => time,
    log: log("test"),
  };
  const summaries = createSummaries(options);
  void summaries.run(end.signal);
  return {
    entries,
    asked,
    summaries,
    now: () => time,
    tell: (told: Told) => tell(told),
    pass(ms: number) {
      time += ms;
    },
  };
}
