// An agent with a good certificate for one cluster speaks of others: what it says of them is believed nowhere, and seen
// where agents are looked at.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/cli/run.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { startRogue } from "./rogue-agent.ts";

afterEach(endAll);

const trusting = () => startTestServer({ trust: { lifeMs: 86_400_000 }, metrics: { host: "127.0.0.1", port: 0 } });

const esc = "\u001b]0;owned\u0007\u001b[31mRED\u202eevil<script>alert(1)</script>";
const good = (cluster: string, name = "cart", more: object = {}) => ({
  ...{ cluster, namespace: "shop", resource: "deployments", name, state: "ok", desired: 2, ready: 2, updated: 2 },
  ...{ available: 2, current: 2, containers: [{ name: "c", image: "good:1" }], changedMs: 1, createdMs: 1, ...more },
});
/** Of the victim, with what it is to be believed to be. */
const lies = (victim: string) => [
  good(victim, "cart", { state: "failed", containers: [{ name: "c", image: "forged:1" }], reason: { message: esc } }),
  good(victim, "coredns", { namespace: "kube-system", containers: [{ name: "c", image: "forged:1" }] }),
  { ...good("../.."), namespace: "..", resource: "javascript:alert(1)", name: '"><img src=x onerror=alert(1)>' },
];

async function pair(server: TestServer, more: object = {}) {
  const victim = await startRogue(server, { cluster: "eu-1", rows: [good("eu-1"), good("eu-1", "web")] });
  const rogue = await startRogue(server, { cluster: "evil", rows: [good("evil", "own"), ...lies("eu-1")], ...more });
  await eventually(
    () => server.client.get("/fleet"),
    ({ body }) =>
      body.clusters.length === 2 &&
      body.clusters.every(({ seenMs, failure }: { seenMs: number; failure?: object }) => seenMs >= 0 || failure),
  );
  return { victim, rogue };
}

async function agentRow(server: TestServer, key: string) {
  const { body } = await server.client.get("/agents");
  return body.items.find((one: { key: string }) => one.key === key);
}

/** What a stream says until it has said enough. */
async function* streamed(server: TestServer, path: string, accept: string): AsyncGenerator<string> {
  const stop = new AbortController();
  onEnd(() => stop.abort());
  const headers = { authorization: `Bearer ${server.client.token}`, accept };
  const answer = await fetch(`${server.url}${path}`, { headers, signal: stop.signal });
  expect(answer.status).toBe(200);
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream() as never))
    yield chunk as unknown as string;
}

async function until(stream: AsyncGenerator<string>, right: (all: string) => boolean): Promise<string> {
  let all = "";
  for (;;) {
    const { value, done } = await stream.next();
    if (done) throw new Error(`the stream ended: ${all.slice(-2_000)}`);
    all += value;
    if (right(all)) return all;
  }
}

async function cli(server: TestServer, words: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "lizardcd-rogue-"));
  onEnd(() => rm(home, { recursive: true, force: true }));
  let out = "";
  const write = async (text: string) => {
    out += text;
  };
  await run(words.split(" "), {
    env: { HOME: home, LIZARDCD_SERVER: server.url, LIZARDCD_TOKEN: server.client.token },
    version: "0.0.0-test",
    terminal: { out: write, err: write } as never,
  });
  return out;
}

describe("an agent of evil that speaks of eu-1", () => {
  test("adds no row to eu-1 in JSON, on pages, in streams and on the command line", async () => {
    const server = await trusting();
    await pair(server);
    const { body } = await server.client.get("/workloads");
    const rows = body.items.map(({ row }: { row: Record<string, string> }) => `${row.cluster}/${row.name}`).sort();
    expect(rows).toEqual(["eu-1/cart", "eu-1/web", "evil/own"]);
    const one = await server.client.get("/clusters/evil/namespaces/*/workloads");
    expect(one.body.items.map((row: { name: string }) => row.name)).toEqual(["own"]);
    expect(one.body.total).toBe(1);

    const said = [
      (await server.client.page("/workloads")).body,
      (await server.client.page("/fleet")).body,
      await until(streamed(server, "/workloads/live", "text/event-stream"), (all) => all.includes("own")),
      await until(streamed(server, "/workloads?watch=1", "application/json"), (all) => all.includes("synced")),
      await cli(server, "get workloads -o wide"),
      await cli(server, "get workloads -o json"),
    ];
    for (const text of said) {
      expect(text).not.toMatch(/forged|coredns|onerror|owned|javascript:alert/);
      expect(text.includes("own") || text.includes("evil")).toBe(true);
    }
  });

  test("takes none of eu-1's rows away, and changes none, in open streams", async () => {
    const server = await trusting();
    const { rogue } = await pair(server);
    const stream = streamed(server, "/workloads?watch=1", "application/json");
    await until(stream, (all) => all.includes('"synced"'));
    const cart = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "cart" };
    rogue.tell({
      case: "upsert",
      value: good("eu-1", "cart", { state: "failed", containers: [{ image: "forged:1" }] }),
    });
    rogue.tell({ case: "removed", value: cart });
    rogue.tell({ case: "upsert", value: good("evil", "last") });
    const said = await until(stream, (all) => all.includes('"last"'));
    expect(said).not.toMatch(/removed|forged|eu-1/);
    const { body } = await server.client.get("/workloads?cluster=eu-1");
    expect(body.items.map(({ row }: { row: { state: string } }) => row.state)).toEqual(["ok", "ok"]);
  });

  test("has no page under its own address that is eu-1's, and no form of it reaches eu-1", async () => {
    const server = await trusting();
    const { victim, rogue } = await pair(server, { one: () => ({ row: lies("eu-1")[0] }) });
    const path = "/clusters/evil/namespaces/shop/deployments/cart";
    const page = await server.client.page(path);
    expect(page.status).toBe(502);
    expect(page.body).not.toMatch(/forged|action="\/clusters\/eu-1|hx-post="\/clusters\/eu-1/);
    const json = await server.client.get(path);
    expect(json.body).toMatchObject({ code: "agent.answer_refused", object: "evil" });
    expect(json.body.params.problem).toBe('cluster is "eu-1", and evil was asked for');

    const restarted = await server.client.post(`${path}/restart`, {});
    expect(restarted.body.code).toBe("request.outcome_unknown");
    expect(rogue.writes).toEqual(["restart evil/shop/cart"]);
    expect(victim.writes).toEqual([]);
    const { body: audit } = await server.client.get("/audit");
    expect(JSON.stringify(audit.items[0])).toContain("evil");
    expect(JSON.stringify(audit.items[0])).not.toContain("eu-1");
  });

  test("is no part of eu-1 on the fleet page, whatever it calls itself", async () => {
    const server = await trusting();
    await pair(server, { info: { cluster: "eu-1", keys: ["lizardcd-agent.*.eu-1"], labels: { env: esc } } });
    const { body } = await server.client.get("/fleet");
    const [eu, evil] = ["eu-1", "evil"].map((name) => body.clusters.find((one: { name: string }) => one.name === name));
    expect([eu.state, eu.workloads, eu.agents]).toEqual(["ok", 1, 1]);
    expect([evil.state, evil.workloads, evil.failure.code]).toEqual(["lost", 0, "agent.answer_refused"]);
  });

  test("is counted, named on the page of agents, in `agents list` and in the metrics, in both languages", async () => {
    const server = await trusting();
    await pair(server);
    await server.client.get("/workloads");
    const row = await agentRow(server, "lizardcd-agent.*.evil");
    expect(row.refused).toBeGreaterThanOrEqual(3);
    expect((await agentRow(server, "lizardcd-agent.*.eu-1")).refused).toBe(0);
    const { body: page } = await server.client.page("/agents");
    expect(page).toMatch(/things in its answers were not believed, the last: /);
    const chinese = await server.client.page("/agents", { headers: { "accept-language": "zh" } });
    expect(chinese.body).toContain("未被采信");
    const metrics = await (await fetch(`${server.metricsUrl}/metrics`)).text();
    expect(Number(/^lizardcd_agent_answers_refused_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThanOrEqual(
      row.refused,
    );
    expect(await cli(server, "agents list")).toContain("were not believed, the last: ");
  });
});

describe("an agent with a certificate for shop.eu-1", () => {
  test("is believed about shop alone, whatever is asked", async () => {
    const server = await trusting();
    const outside = good("eu-1", "coredns", { namespace: "kube-system", containers: [{ image: "forged:1" }] });
    await startRogue(server, {
      cluster: "eu-1",
      namespaces: ["shop"],
      rows: [good("eu-1"), outside],
      info: { scope: ["*"], keys: ["lizardcd-agent.*.eu-1"] },
      summary: {
        worst: [
          { ...outside, state: "failed" },
          { ...good("eu-1"), state: "failed" },
        ],
      },
      namespaceNames: ["shop", "kube-system"],
    });
    await eventually(
      () => server.client.get("/fleet"),
      ({ body }) => body.clusters[0]?.seenMs >= 0,
    );
    for (const path of [
      "/workloads",
      "/clusters/eu-1/namespaces/*/workloads",
      "/clusters/eu-1/namespaces/shop/workloads",
    ]) {
      const { status, body } = await server.client.get(path);
      expect(status).toBe(200);
      expect(JSON.stringify(body.items)).not.toContain("kube-system");
      expect(body.items).toHaveLength(1);
    }
    expect((await server.client.get("/clusters/eu-1/namespaces/kube-system/workloads")).status).toBe(404);
    const { body: names } = await server.client.get("/clusters/eu-1/namespaces");
    expect(names.items.map(({ name }: { name: string }) => name)).toEqual(["shop"]);
    const { body: info } = await server.client.get("/clusters/eu-1/agent");
    expect([info.scope ?? [], info.keys ?? []]).toEqual([[], []]);
    const { body: fleet } = await server.client.get("/fleet");
    expect(JSON.stringify(fleet)).not.toContain("kube-system");
    const { body: summary } = await server.client.get("/clusters/eu-1/summary");
    expect(summary.worst.map(({ name }: { name: string }) => name)).toEqual(["cart"]);
  });

  test("that announces all namespaces is asked about none of them", async () => {
    const server = await trusting();
    await startRogue(server, { cluster: "eu-1", namespaces: ["shop"], announced: ["*", "pay"], rows: [good("eu-1")] });
    const { items } = await eventually(
      async () => (await server.client.get("/agents")).body,
      ({ items }) => items.length === 2 && items.every(({ state }: { state: string }) => state === "lost"),
    );
    expect(items.map(({ failure }: { failure: { code: string } }) => failure.code)).toEqual([
      "agent.untrusted",
      "agent.untrusted",
    ]);
  });
});

test("a list of the whole cluster is whole where agents of single namespaces serve it, each believed about its own", async () => {
  const server = await trusting();
  const pay = { namespace: "pay" };
  for (const namespace of ["shop", "pay"]) {
    const rows = [good("eu-1", `of-${namespace}`), good("eu-1", `of-${namespace}`, pay)];
    await startRogue(server, { cluster: "eu-1", namespaces: [namespace], rows });
  }
  await eventually(
    () => server.client.get("/agents"),
    ({ body }) => body.items.length === 2 && body.items.every(({ state }: { state: string }) => state === "ok"),
  );
  const { body } = await server.client.get("/clusters/eu-1/namespaces/*/deployments?sort=name");
  expect(body.items.map((row: { namespace: string; name: string }) => `${row.namespace}/${row.name}`)).toEqual([
    "pay/of-pay",
    "shop/of-shop",
  ]);
  expect(body.total).toBe(2);
  const { body: summary } = await server.client.get("/clusters/eu-1/summary");
  expect(summary.workloads).toBe(2);
});

test("numbers that cannot be, and texts for terminals, are believed of no agent, its own cluster included", async () => {
  const server = await trusting();
  const bad = [
    { ready: -5 },
    { changedMs: Number.NaN },
    { createdMs: Number.POSITIVE_INFINITY },
    { createdMs: -1e12 },
  ].map((more, at) => good("evil", `bad-${at}`, more));
  const spoken = good("evil", "spoken", { state: '"><b>', reason: { code: "x", message: esc, params: { a: esc } } });
  await startRogue(server, { cluster: "evil", rows: [...bad, spoken, good("evil")], summary: { podsReady: -1 } });
  await eventually(
    async () => (await agentRow(server, "lizardcd-agent.*.evil"))?.failure?.code,
    (code) => code === "agent.answer_refused",
  );
  const { body } = await server.client.get("/workloads");
  const rows = body.items.map(({ row }: { row: Record<string, string> }) => `${row.name} ${row.state}`).sort();
  expect(rows).toEqual(["cart ok", "spoken unknown"]);
  const page = (await server.client.page("/workloads")).body;
  for (const text of [JSON.stringify(body), page, await cli(server, "get workloads -o wide")]) {
    expect(text).not.toMatch(/\u001b|\\u001b|\u202e/);
    expect(text).not.toContain("bad-");
  }
  expect(page).not.toContain("<script>alert");
});

const trouble = (name: string, more: object = {}) => ({
  ...{ namespace: "shop", resource: "deployments", name, state: "failed", desired: 2, ready: 0 },
  ...more,
});

test("what one agent says of its troubles takes nothing off what others need, and leaves them room in the list", async () => {
  const server = await trusting();
  const most = 2 ** 31 - 1;
  const rows = [good("eu-1")];
  await startRogue(server, { cluster: "eu-1", rows, summary: { states: { failed: 3 }, worst: [trouble("cart")] } });
  const worst = Array.from({ length: 60 }, (_, at) => trouble(`t-${at}`, { others: most }));
  await startRogue(server, { cluster: "evil", rows, summary: { states: { failed: 1 }, worst } });
  const { body } = await eventually(
    () => server.client.get("/fleet"),
    ({ body }) => body.answering === 2 && body.attention.length > 1,
  );
  // Three of eu-1, and the ten that evil names.
  expect(body.needs).toBe(13);
  const from = body.attention.map(({ cluster }: { cluster: string }) => cluster);
  expect([from.filter((name: string) => name === "evil").length, from.includes("eu-1")]).toEqual([10, true]);
  const states = { failed: most, degraded: most };
  await startRogue(server, { cluster: "evil-2", rows, summary: { states } });
  const all = await eventually(
    () => server.client.get("/fleet"),
    ({ body, status }) => status !== 200 || body.answering === 3,
  );
  expect([all.status, all.body.needs]).toEqual([200, most]);
  expect((await server.client.page("/fleet")).status).toBe(200);
});
