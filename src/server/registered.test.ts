// Agents and registries as pages, over real HTTP: enrolled, revoked and followed as a browser does it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, type StubAgent, startStubAgent } from "../../test/stub-agent.ts";

let server: TestServer;
let eu: StubAgent;
let withdraw: () => Promise<void>;

beforeAll(async () => {
  server = await startTestServer({
    trust: { lifeMs: 86_400_000 },
    insecure: true,
    publicUrl: "https://cd.example.com",
  });
  eu = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web"), row("eu-1", "cart", { state: "failed" })] });
  onEnd(eu.stop);
  withdraw = server.announce("eu-1", eu.address);
  await eventually(
    () => server.client.get("/agents"),
    ({ body }) => body.items[0]?.state === "ok",
  );
});
afterAll(endAll);

const htmx = { "hx-request": "true", "hx-request-type": "partial" };

test("a browser without scripts enrolls by a form: the lines stand on the page that answers, and are kept nowhere", async () => {
  const form = { cluster: "eu-2", namespaces: "", lifetime: "86400" };
  const { status, body, headers } = await server.client.page("/agents/invitations", { form });
  expect(status).toBe(200);
  expect(headers.get("cache-control")).toBe("no-store");
  expect(body).toStartWith("<!doctype html>");
  const token = /--token (lz1\.[\w.-]+)/.exec(body)![1]!;
  expect(body).toContain(`lizardcd-agent --server https://cd.example.com --cluster eu-2`);
  expect(body).toMatch(/within 24 h, until \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
  for (const path of ["/agents", "/audit", "/fleet"]) {
    expect((await server.client.page(path)).body).not.toContain(token);
  }
});

test("htmx is given the lines alone, and a wrong name is said in their place", async () => {
  const headers = { ...htmx, "hx-target": "div#invitation" };
  const made = await server.client.page("/agents/invitations", { form: { cluster: "eu-2" }, headers });
  expect(made.body).toStartWith("<section");
  const wrong = await server.client.page("/agents/invitations", { form: { cluster: "EU 2" }, headers });
  expect(wrong.status).toBe(400);
  expect(wrong.body).toContain("a cluster name");
  expect(wrong.body).not.toContain("toast-note");
});

test("revoking a cluster that has no certificate says so", async () => {
  const { status, body } = await server.client.page("/agents/revocations", { form: { cluster: "eu-9" } });
  expect(status).toBe(404);
  expect(body).toContain("is left to revoke");
});

test("what was revoked is said on the page to which a browser without scripts is sent", async () => {
  const { body } = await server.client.page("/agents?cluster=eu-1&done=revoke");
  expect(body).toContain("The certificates of eu-1 are revoked.");
  expect(body).toContain('action="/agents/revocations"');
});

test("a cluster's agent, namespaces and summary are pages for a browser and JSON for others", async () => {
  for (const [path, shown] of [
    ["agent", "Agent of eu-1"],
    ["namespaces", "/workloads?cluster=eu-1&amp;namespace=shop"],
    ["summary", "shop/cart"],
  ]) {
    const page = await server.client.page(`/clusters/eu-1/${path}`);
    expect([path, page.status, page.headers.get("content-type")]).toEqual([path, 200, "text/html; charset=utf-8"]);
    expect(page.body).toContain(shown!);
    expect((await server.client.get(`/clusters/eu-1/${path}`)).headers.get("content-type")).toContain("json");
  }
  expect((await server.client.page("/clusters/nowhere-1/agent")).status).toBe(404);
});

test("the page of registries moves, and a silent one appears in the top bar of every page", async () => {
  const registries = await follow("/registries/live");
  const fleet = await follow("/fleet/live");
  await eventually(registries, (text) => text.includes('hx-target="#registry-rows"'));
  await eventually(fleet, (text) => text.includes('<span id="registries"></span>'));
  server.registry.silence("127.0.0.1:2379: it went away");
  await eventually(registries, (text) => /data-k="stale"[\s\S]*it went away/.test(text));
  await eventually(fleet, (text) => text.includes("0 of 1 registry"));
  expect((await server.client.page("/workloads")).body).toContain("0 of 1 registry");
  server.registry.restore();
  await eventually(fleet, (text) => /0 of 1 registry[\s\S]*<span id="registries"><\/span>/.test(text));
});

test("the page of agents moves: all rows first, ages, and the row of an agent that goes away", async () => {
  const messages = await follow("/agents/live");
  await eventually(messages, (text) => text.includes('hx-target="#agents"') && text.includes("event: ages"));
  const before = messages().length;
  await withdraw();
  await eventually(messages, (text) => /data-k="lost"[\s\S]*no longer announced/.test(text.slice(before)));
});

/** What a stream has said so far. */
async function follow(path: string): Promise<() => string> {
  const stop = new AbortController();
  onEnd(() => stop.abort());
  const answer = await fetch(`${server.url}${path}`, {
    headers: { cookie: `__Host-lizardcd_session=${server.client.token}`, accept: "text/html, text/event-stream" },
    signal: stop.signal,
  });
  expect(answer.headers.get("content-type")).toStartWith("text/event-stream");
  let text = "";
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of answer.body!) text += decoder.decode(chunk as Uint8Array, { stream: true });
  })().catch(() => {});
  return () => text;
}
