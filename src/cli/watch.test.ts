// --watch against a real server: what changes is printed when the server says so, nothing is asked again.
import { afterAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, type StubAgent, startStubAgent } from "../../test/stub-agent.ts";
import { run } from "./run.ts";
import { failure, startFake, workloadRow } from "./testserver.ts";

afterAll(endAll);

class Stopped extends Error {}

/** The command in this process, until `stop` is called. */
function start(words: string, env: Record<string, string>, columns?: number) {
  const printed = { out: "", err: "" };
  let stopped = false;
  const write = (to: "out" | "err") => async (text: string) => {
    if (stopped) throw new Stopped();
    printed[to] += text;
  };
  const readInput = async () => "";
  const terminal = { out: write("out"), err: write("err"), readInput, columns };
  const ended = run(words.split(" "), { env: { HOME: "/nowhere", ...env }, version: "1.2.3", terminal });
  ended.catch(() => {});
  const until = (text: string, from: "out" | "err" = "out") =>
    eventually(
      () => printed[from],
      (said) => said.includes(text),
    );
  return {
    printed,
    ended,
    until,
    stop: () => {
      stopped = true;
    },
  };
}

async function fleet(): Promise<{ server: TestServer; agent: StubAgent; env: Record<string, string> }> {
  const server = await startTestServer();
  const agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web"), row("eu-1", "cart")] });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  await eventually(
    () => server.client.get("/workloads"),
    ({ body }) => body.items?.length === 2,
  );
  return { server, agent, env: { LIZARDCD_SERVER: server.url, LIZARDCD_TOKEN: server.client.token } };
}

const listed = (agent: StubAgent) => [...agent.calls].filter(([path]) => path.endsWith("/List"));

test("a change is printed when it happens, the list is asked once", async () => {
  const { agent, env } = await fleet();
  const { printed, until, stop } = start("get deploy -w", env);
  await until("cart");
  const asked = JSON.stringify(listed(agent));
  for (const ready of [1, 2, 1]) {
    const before = printed.out.length;
    agent.put({ ...row("eu-1", "web"), ready });
    await eventually(
      () => printed.out.slice(before),
      (news) => /^eu-1 +shop +deployments\/web .*\n$/.test(news),
    );
  }
  agent.remove(row("eu-1", "cart"));
  await until("eu-1/shop/deployments/cart: gone\n", "err");
  expect(JSON.stringify(listed(agent))).toBe(asked);
  expect(printed.out.match(/CLUSTER/g)).toHaveLength(1);
  stop();
});

test("JSON comes one object a line, also of one workload by its name", async () => {
  const { agent, env } = await fleet();
  const { printed, until, stop } = start("get deploy/web -c eu-1 -n shop -w -o json", env);
  await until("\n");
  agent.put({ ...row("eu-1", "cart"), ready: 1 });
  agent.put({ ...row("eu-1", "web"), ready: 2 });
  await until('"ready":2');
  const lines = printed.out.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).row.name)).toEqual(["web", "web"]);
  stop();
});

test("an agent that is lost is named once, and what it changed meanwhile is printed when it is back", async () => {
  const { server, agent, env } = await fleet();
  const { printed, until, stop } = start("get deploy -w", env);
  await until("cart");
  await agent.stop();
  await until("eu-1 did not answer", "err");
  const again = await startStubAgent({ cluster: "eu-1", rows: [{ ...row("eu-1", "web"), ready: 0 }] });
  onEnd(again.stop);
  server.announce("eu-1", again.address);
  await until("cart: gone", "err");
  expect(printed.out).toMatch(/web +\S+ +0\/\d/);
  stop();
});

test("a stream that ends is opened again, later each time, and what was missed is printed", async () => {
  const fake = startFake();
  onEnd(fake.stop);
  const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
  const stream = (...events: object[]) =>
    new Response(events.map(event).join(""), { headers: { "content-type": "text/event-stream" } });
  const web = (ready: number) => workloadRow("web", { ready });
  let opened = 0;
  const times: number[] = [];
  fake.answers["GET /workloads"] = ({ path }) => {
    if (!path.includes("watch=1")) return Response.json({ items: [{ row: web(3) }, { row: workloadRow("cart") }] });
    times.push(performance.now());
    opened++;
    if (opened === 1) return stream({ upsert: web(3) }, { upsert: workloadRow("cart") }, { synced: { ageMs: 0 } });
    if (opened < 4) return failure(503, "agent.unavailable", { key: "k", problem: "gone" });
    return stream({ upsert: web(2) }, { synced: { ageMs: 0 } });
  };
  const { printed, until, stop } = start("get deploy -w --no-headers", {
    LIZARDCD_SERVER: fake.url,
    LIZARDCD_TOKEN: "tok",
  });
  await until("answers again", "err");
  await until("cart: gone", "err");
  expect(printed.out.match(/\d\/3/g)).toEqual(["3/3", "3/3", "2/3"]);
  const [first, second, third, fourth] = times as [number, number, number, number];
  expect(fourth - third).toBeGreaterThan(second - first);
  expect(printed.err.match(/trying again/g)!.length).toBeGreaterThanOrEqual(2);
  stop();
});

test("a session that ends while somebody watches ends the watch", async () => {
  const fake = startFake();
  onEnd(fake.stop);
  fake.answers["GET /workloads"] = ({ path }) =>
    path.includes("watch=1") ? failure(401, "session.ended") : Response.json({ items: [] });
  const env = { LIZARDCD_SERVER: fake.url, LIZARDCD_TOKEN: "tok" };
  const { ended, printed } = start("get deploy -w", env);
  expect(await ended).toBe(3);
  expect(printed.err).toContain("lizardcd login");
});
