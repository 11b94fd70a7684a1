// A write that gets no answer: it is never sent again, but read back.
import { afterEach, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer } from "../../test/harness.ts";
import { row, type StubAgent, startStubAgent } from "../../test/stub-agent.ts";

afterEach(endAll);

const web = "/clusters/eu-1/namespaces/shop/deployments/web";

async function world(silent: StubAgent["silent"]) {
  const agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web")] });
  onEnd(() => agent.stop());
  const server = await startTestServer({ timeoutMs: 700 });
  await server.announce("eu-1", agent.address);
  agent.silent = silent;
  const audited = async () => (await server.client.get("/audit?cluster=eu-1&q=web")).body.items;
  return { agent, server, audited };
}

test("a write that was made all the same is answered with the workload as it was read", async () => {
  const { agent, server, audited } = await world("after");
  const { status, body } = await server.client.post(`${web}/scale`, { replicas: 5 }, { "x-request-id": "mine" });
  expect([status, body.row.desired]).toEqual([200, 5]);
  expect(agent.calls.get("lizardcd.v1.WorkloadService/Get")).toBe(1);
  expect(await audited()).toMatchObject([{ operation: "workload.scale", outcome: "done" }]);
});

test("a write that is not there is said to be missing so far, and stays unknown on record", async () => {
  const { agent, server, audited } = await world("before");
  const { status, body } = await server.client.post(`${web}/restart`, {});
  expect([status, body.code]).toEqual([504, "request.not_seen"]);
  expect(body.message).toContain("was not there when it was read again");
  expect(agent.calls.get("lizardcd.v1.WorkloadService/Get")).toBeGreaterThan(1);
  expect(await audited()).toMatchObject([{ operation: "workload.restart", outcome: "unknown" }]);
});

test("the same change by an earlier request of the same name is not taken for this one", async () => {
  const { agent, server } = await world(undefined);
  const headers = { "x-request-id": "same" };
  expect((await server.client.post(`${web}/restart`, {}, headers)).status).toBe(200);
  agent.silent = "before";
  expect((await server.client.post(`${web}/restart`, {}, headers)).body.code).toBe("request.not_seen");
});

test("a write to an agent that is gone meanwhile stays unknown", async () => {
  const { agent, server } = await world("before");
  const asked = server.client.post(`${web}/restart`, {});
  await eventually(
    () => agent.held,
    (held) => held === 1,
  );
  agent.stop();
  const { status, body } = await asked;
  expect([status, body.code]).toEqual([504, "request.outcome_unknown"]);
});
