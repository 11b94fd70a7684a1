// The streams of long lists, over real HTTP: a page is sent what it shows of what has changed.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, type StubAgent, startStubAgent } from "../../test/stub-agent.ts";

let server: TestServer;
const agents = new Map<string, StubAgent>();

beforeAll(async () => {
  server = await startTestServer();
  for (const cluster of ["a-1", "b-1", "c-1"]) {
    const agent = await startStubAgent({ cluster, rows: [row(cluster, "web")] });
    onEnd(agent.stop);
    agents.set(cluster, agent);
    server.announce(cluster, agent.address);
  }
  await eventually(
    () => server.client.get("/fleet"),
    ({ body }) => body.states.ok === 3,
  );
});
afterAll(endAll);

test("the page of clusters is sent the tiles it shows, and counts of those that it does not", async () => {
  const told = await follow("/fleet/live?limit=1");
  await eventually(told, (text) => text.includes('hx-target="#fleet"'));
  expect(tiles(told())).toEqual(["a-1"]);
  // What has not changed is sent as ages.
  await eventually(told, (text) => /event: ages\ndata: .*"a-1":\d+/.test(text));
  expect(tiles(told())).toEqual(["a-1"]);
  const before = told().length;
  agents.get("a-1")!.put(row("a-1", "web", { state: "run", ready: 2 }));
  await eventually(told, (text) => tiles(text.slice(before)).length > 0);
  expect(told().slice(before)).not.toContain('hx-target="#board"');
  expect(tiles(told().slice(before))).toEqual(["a-1"]);

  const later = told().length;
  agents.get("b-1")!.put(row("b-1", "web", { state: "failed", ready: 0 }));
  // It needs somebody now, so it takes the place.
  await eventually(told, (text) => text.slice(later).includes('hx-target="#board"'));
  expect(tiles(told().slice(later))).toEqual(["b-1"]);
  expect(told().slice(later)).toMatch(/hx-target="#fleet-states"[\s\S]*Degraded <b>1<\/b>/);
  expect(told().slice(later)).toMatch(/hx-target="#attention"[\s\S]*shop\/web/);
});

test("the page of agents is sent the rows it shows", async () => {
  const told = await follow("/agents/live?q=c-1");
  await eventually(told, (text) => text.includes("event: ages"));
  expect(told()).toContain('data-c="agent lizardcd-agent.*.c-1"');
  expect(told()).not.toMatch(/lizardcd-agent\.\*\.[ab]-1/);
});

/** The clusters of which tiles were sent, each once. */
function tiles(text: string): string[] {
  return [...new Set([...text.matchAll(/<li id="cluster-[^>]*data-c="([^"]+)"/g)].map((match) => match[1]!))];
}

/** What a stream has said so far. */
async function follow(path: string): Promise<() => string> {
  const stop = new AbortController();
  onEnd(() => stop.abort());
  const answer = await fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${server.client.token}` },
    signal: stop.signal,
  });
  let text = "";
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of answer.body!) text += decoder.decode(chunk as Uint8Array, { stream: true });
  })().catch(() => {});
  return () => text;
}
