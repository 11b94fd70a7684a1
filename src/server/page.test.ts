// A long list page by page, and the pages of a fleet of ten thousand clusters.
import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { encode } from "../contract/json.ts";
import { type SummaryResponse, SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { FleetSchema, type ListAgentsRequest, ListAgentsRequestSchema } from "../gen/lizardcd/v1/fleet_pb.ts";
import { agentsPage } from "../views/agents.tsx";
import * as examples from "../views/examples.ts";
import { fleetPage } from "../views/fleet.tsx";
import { fleetOf } from "./clusters.ts";
import { added } from "./counted.ts";
import { pageOf, shownTo } from "./page.ts";
import { agentsOf } from "./registered.ts";
import type { Known } from "./summaries.ts";

const row = (name: string, state = "ok") => ({ name, state });
const nameOf = ({ name }: { name: string }) => name;
const all = { limit: 0, continue: "" };

test("what all fits keeps its order", () => {
  const rows = [row("b"), row("a", "lost")];
  expect(pageOf(rows, all, nameOf)).toEqual({ rows, continue: "" });
  expect(pageOf(rows, { ...all, limit: 2 }, nameOf)).toEqual({ rows, continue: "" });
});

test("of what does not fit, those that need somebody come first, and its pages together hold each row once", () => {
  const states = ["ok", "degraded", "lost", "unknown", "stale"];
  const rows = Array.from({ length: 103 }, (_, index) => row(`c-${index}`, states[index % 5]));
  const seen: string[] = [];
  let from = "";
  do {
    const page = pageOf(rows, { limit: 10, continue: from, needFirst: true }, nameOf);
    expect(page.rows.length).toBeLessThanOrEqual(10);
    seen.push(...page.rows.map(({ state, name }) => `${state} ${name}`));
    from = page.continue;
  } while (from !== "");
  expect(new Set(seen).size).toBe(103);
  expect([...new Set(seen.map((one) => one.split(" ")[0]))]).toEqual(["lost", "degraded", "stale", "unknown", "ok"]);
});

test("a client meets each row, also those whose state moves while it reads", () => {
  const rows = Array.from({ length: 30 }, (_, index) => row(`c-${10 + index}`, index < 15 ? "ok" : "lost"));
  const seen: string[] = [];
  let from = "";
  do {
    const page = pageOf(rows, { limit: 10, continue: from }, nameOf);
    seen.push(...page.rows.map(nameOf));
    for (const one of rows) one.state = one.state === "ok" ? "lost" : "ok";
    from = page.continue;
  } while (from !== "");
  expect(seen).toEqual(rows.map(nameOf));
});

test("a page begins after the one before it, whatever has gone meanwhile", () => {
  const rows = Array.from({ length: 30 }, (_, index) => row(`c-${10 + index}`));
  const first = pageOf(rows, { limit: 10, continue: "" }, nameOf);
  const left = rows.filter(({ name }) => name !== "c-19" && name !== "c-20");
  expect(pageOf(left, { limit: 10, continue: first.continue }, nameOf).rows[0]!.name).toBe("c-21");
});

for (const token of ["x", "bnVsbA", "W10", Buffer.from('["a",1]').toString("base64url")]) {
  test(`"${token}" is no place to go on from`, () => {
    expect(() => pageOf([row("a")], { limit: 1, continue: token }, nameOf)).toThrow(/continue/);
  });
}

const count = 10_000;
const deps = crowd();
const ctx = examples.context();

test("the page of ten thousand clusters shows what one can look at, and counts all of them", () => {
  const asked = examples.fleetRequest({ group: "" });
  const fleet = fleetOf(deps, shownTo("page", asked));
  expect([fleet.clusters.length, fleet.total, fleet.matching, fleet.answering]).toEqual([200, count, count, 9_900]);
  expect(fleet.states).toEqual({ lost: 100, degraded: 200, ok: 9_700 });
  expect([fleet.workloads, fleet.workloadStates]).toEqual([400_000, { ok: 395_600, degraded: 400 }]);
  expect(fleet.clusters.slice(0, 101).map(({ state }) => state)).toEqual([...Array(100).fill("lost"), "degraded"]);
  const page = fleetPage(ctx, fleet, asked);
  expect(page.length).toBeLessThan(300_000);
  expect(page).toContain("200 of 10,000 shown");
  expect(page).toContain('rel="next"');
  // Clients are given all unless they ask for less.
  expect(fleetOf(deps, shownTo("json", asked)).clusters.length).toBe(count);
});

test("text, state and label find those few among ten thousand", () => {
  const found = (change: Parameters<typeof examples.fleetRequest>[0]) => {
    const asked = shownTo("page", examples.fleetRequest({ group: "", ...change }));
    const { clusters, matching, total } = fleetOf(deps, asked);
    expect(total).toBe(count);
    return [matching, clusters[0]?.name];
  };
  expect(found({ q: "c-4711" })).toEqual([1, "c-4711"]);
  expect(found({ q: "c-4711", state: ["lost"] })).toEqual([0, undefined]);
  expect(found({ state: ["lost"] })).toEqual([100, "c-1007"]);
  expect(found({ label: ["region=r-7"], state: ["lost"] })).toEqual([100, "c-1007"]);
  expect(found({ label: ["region=r-7"], q: "c-99" })[0]).toBe(11);
  expect(found({ label: ["region=r"] })[0]).toBe(0);
  expect(found({ q: "region=r-3" })[0]).toBe(1_000);
});

test("a group says how many of it there are, not how many of them are shown", () => {
  const asked = examples.fleetRequest({ group: "region" });
  const fleet = fleetOf(deps, shownTo("page", asked));
  const group = fleet.grouped.find(({ value }) => value === "r-7")!;
  expect([group.clusters, group.answering]).toEqual([1_000, 900]);
  expect(fleetPage(ctx, fleet, asked)).toContain("/fleet?group=region&amp;label=region%3Dr-7");
});

test("names that every object has are names like others: of a label, of a group, of a state", () => {
  for (const name of ["constructor", "__proto__"]) {
    const asked = shownTo("page", examples.fleetRequest({ group: name, label: [`${name}=`] }));
    const fleet = fleetOf(deps, asked);
    expect(fleet.matching).toBe(count);
    expect(encode(FleetSchema, fleet)).toMatchObject({ grouped: [{ value: "", clusters: count }] });
    expect(fleetPage(ctx, fleet, asked)).not.toContain("native code");
    const states = Object.fromEntries([[name, 1]]);
    expect(Object.entries(added([states, states]))).toEqual([[name, 2]]);
  }
});

test("the page of ten thousand agents shows what one can look at, and finds one by its address", () => {
  const asked = (change: Partial<ListAgentsRequest>) =>
    shownTo("page", { ...create(ListAgentsRequestSchema), ...change });
  const agents = agentsOf(deps as never, asked({}));
  expect([agents.items.length, agents.total, agents.states]).toEqual([200, count, { lost: 100, ok: 9_900 }]);
  expect(agents.items[0]!.state).toBe("lost");
  const page = agentsPage(ctx, agents, asked({}), { enrolls: "yes" });
  expect(page.length).toBeLessThan(400_000);
  expect(agentsOf(deps as never, asked({ q: "10.0.18.103:" })).items.map(({ cluster }) => cluster)).toEqual(["c-4711"]);
});

/** Of every hundred one is lost, of every fifty one has trouble. */
function crowd() {
  const now = performance.now();
  const clusters = new Map<string, Set<Known>>();
  for (let number = 0; number < count; number++) {
    const name = `c-${number}`;
    const address = `10.0.${number >> 8}.${number & 255}:5017`;
    const ill = number % 50 === 3;
    const endpoint = {
      address,
      sources: new Map([["etcd", 1]]),
      ejectedUntil: 0,
      outstanding: 0,
      failures: 0,
      seenAt: now,
    };
    const known = {
      key: `lizardcd-agent.*.${name}`,
      namespace: "*",
      cluster: name,
      seenAt: now,
      readAt: now,
      failure: number % 100 === 7 ? examples.failure("agent.unavailable", { key: name, problem: "p" }) : undefined,
      entry: { announcedAt: now, endpoints: new Map([[address, endpoint]]) },
      summary: create(SummaryResponseSchema, {
        synced: true,
        workloads: 40,
        states: ill ? { ok: 38, degraded: 2 } : { ok: 40 },
        worst: ill ? [{ namespace: "shop", resource: "deployments", name: "web", state: "degraded" }] : [],
        info: { labels: { region: `r-${number % 10}` }, kubernetesVersion: "v1.36.3", scope: ["*"] },
      }) satisfies SummaryResponse,
    };
    clusters.set(name, new Set([known as unknown as Known]));
  }
  const summaries = { clusters: () => clusters, intervalMs: () => 200_000, enrolledAt: () => undefined } as never;
  return {
    summaries,
    now: () => now,
    pool: { directory: { sources: () => [] }, answers: { refusals: () => undefined } },
  };
}
