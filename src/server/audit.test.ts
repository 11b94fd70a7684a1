import { afterAll, beforeAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, startStubAgent } from "../../test/stub-agent.ts";
import { href } from "../contract/operation.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  const agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web")] });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  await eventually(
    () => server.client.get("/fleet"),
    ({ body }) => body.clusters[0]?.state === "ok",
  );
});
afterAll(endAll);

const entriesOf = async (operation: string) =>
  (await server.client.get(`/audit?limit=1000&operation=${operation}`)).body.items;
const web = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "web" };

test("refused calls of who has proved nothing are counted in one small entry", async () => {
  const body = JSON.stringify({ token: "x", cluster: "a", request: "R".repeat(3_800) });
  const headers = { "content-type": "application/json" };
  for (let round = 0; round < 10; round++) {
    const calls = Array.from({ length: 20 }, () =>
      fetch(`${server.url}/agents/certificates`, { method: "POST", body, headers }),
    );
    for (const answer of await Promise.all(calls)) expect(answer.status).toBeGreaterThanOrEqual(400);
  }
  const counted = (items: { count: number }[]) => items.reduce((sum, { count }) => sum + count, 0);
  const items = await eventually(
    () => entriesOf("trust.enroll"),
    (all) => counted(all) === 200,
  );
  // A minute may end in between.
  expect(items.length).toBeLessThanOrEqual(2);
  expect(JSON.stringify(items[0]).length).toBeLessThan(1_500);
  expect([items[0].outcome, items[0].address, items[0].request]).toEqual(["refused", "127.0.0.1", ""]);
});

test("what a known user asks wrongly is on record, and of unknown fields the names alone", async () => {
  const answer = await server.client.post(href("workload.scale", web), { replicas: -3, pasword: "hunter2-hunter2" });
  expect(answer.status).toBe(400);
  const [entry] = await entriesOf("workload.scale");
  expect([entry.actor, entry.outcome, entry.name, entry.count, entry.cut]).toEqual([
    "admin",
    "refused",
    "web",
    1,
    false,
  ]);
  expect(JSON.parse(entry.request)).toMatchObject({ replicas: -3, pasword: "(not kept)" });
  expect(JSON.stringify(entry)).not.toContain("hunter2");
});

test("what is too long to be kept is JSON still and says that it is cut", async () => {
  await server.client.post(href("workload.setImage", web), { container: "web", image: `r/${"x".repeat(9_000)}:1` });
  const [entry] = await entriesOf("workload.setImage");
  expect(entry.cut).toBe(true);
  expect(JSON.parse(entry.request).image).toContain("characters left out");
});
