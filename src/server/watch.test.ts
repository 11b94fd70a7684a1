// The JSON watch of lists, over real HTTP from stub agents.
import { afterAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, startStubAgent } from "../../test/stub-agent.ts";
import { Failed } from "../contract/errors.ts";
import type { RowChange } from "./watches.ts";
import { type WorkloadWatchDeps, workloadWatch } from "./workload-watch.ts";

afterAll(endAll);

test("a list with ?watch=1 is a stream: the whole set, that it is whole, then what changes", async () => {
  const { server, agents } = await fleetOf("eu-1");
  const { heard, reading, end } = await watch(server, "/clusters/eu-1/namespaces/shop/deployments?watch=1");
  await until(heard, "synced");
  expect(heard.filter((one) => one.startsWith("upsert")).sort()).toEqual(["upsert eu-1/cart", "upsert eu-1/web"]);
  expect(heard.indexOf("synced")).toBe(2);
  agents[0]!.remove(row("eu-1", "web"));
  await until(heard, "removed eu-1/web");
  end();
  await expect(reading).rejects.toThrow();
});

test("the list across clusters is watched as a whole, with clusters that come later; one that goes is told once", async () => {
  const { server, agents, leave } = await fleetOf("eu-1", "us-1");
  const { heard, end } = await watch(server, "/workloads?watch=1");
  await until(heard, "synced");
  expect(heard.slice(0, 4).sort()).toEqual([
    "upsert eu-1/cart",
    "upsert eu-1/web",
    "upsert us-1/cart",
    "upsert us-1/web",
  ]);
  const late = await startStubAgent({ cluster: "late-1", rows: [row("late-1", "new")] });
  onEnd(late.stop);
  server.announce("late-1", late.address);
  await until(heard, "upsert late-1/new");
  await agents[1]!.stop();
  await until(heard, "lost us-1");
  await leave["us-1"]!();
  await eventually(
    () => server.pool.directory.find("us-1"),
    (entry) => entry === undefined,
  );
  agents[0]!.put(row("eu-1", "after"));
  await until(heard, "upsert eu-1/after");
  expect(heard.filter((one) => one.startsWith("lost"))).toEqual(["lost us-1"]);
  expect(heard.filter((one) => one.startsWith("removed"))).toEqual([]);
  end();
});

test("what no longer matches what was asked for is removed, what never did is not told", async () => {
  const { server, agents } = await fleetOf("eu-1");
  const { heard, end } = await watch(server, "/workloads?watch=1&state=ok&q=WEB&cluster=eu-1");
  await until(heard, "synced");
  agents[0]!.put({ ...row("eu-1", "cart"), desired: 9 });
  agents[0]!.put({ ...row("eu-1", "web"), state: "failed" });
  await until(heard, "removed eu-1/web");
  agents[0]!.put({ ...row("eu-1", "web"), state: "ok" });
  await until(heard, "upsert eu-1/web", 2);
  expect(heard.filter((one) => one.includes("cart"))).toEqual([]);
  end();
});

test("a cluster that nobody knows, and labels that are none, are answered as the list answers", async () => {
  const { server } = await fleetOf("eu-1");
  const none = await server.client.get("/clusters/nowhere-1/namespaces/shop/deployments?watch=1");
  expect([none.status, none.body.code]).toEqual([404, "agent.none"]);
  expect((await server.client.get("/workloads?watch=1&colour=red")).body.code).toBe("request.invalid");
});

test("a cluster is told as lost once, though another agent of it lives, and again when it was lost anew", async () => {
  const entries = ["shop", "pay"].map((namespace) => ({ key: `k.${namespace}.eu-1`, cluster: "eu-1", namespace }));
  const says = new Map<string, (...changes: RowChange[]) => void>();
  const deps = {
    pool: { covering: () => entries, on: () => {}, directory: { entries: () => entries } },
    summaries: { clusters: () => new Map([["eu-1", new Set()]]), onChange: () => () => {} },
    watches: {
      subscribe({ entry }: { entry: { namespace: string } }) {
        const next = () =>
          new Promise<RowChange[]>((resolve) => says.set(entry.namespace, (...changes) => resolve(changes)));
        return { next, rows: () => [], synced: false, close() {} };
      },
    },
  } as unknown as WorkloadWatchDeps;
  const all = { cluster: [], namespace: [], resource: [], labelSelector: "", state: [], q: "" };
  const end = new AbortController();
  const heard: string[] = [];
  void (async () => {
    for await (const text of workloadWatch(deps, all, end.signal)) heard.push(Object.keys(JSON.parse(text))[0]!);
  })();
  await eventually(
    () => says.size,
    (size) => size === 2,
  );
  const broken = () =>
    says.get("pay")!({ type: "broken", cluster: "eu-1", failed: new Failed("request.cancelled", {}) });
  const settled = () => Bun.sleep(20);
  says.get("shop")!({ type: "synced" });
  for (let time = 0; time < 3; time++) {
    broken();
    await settled();
    says.get("shop")!({ type: "beat", cluster: "eu-1", ageMs: 1 });
    await settled();
  }
  expect(heard.filter((kind) => kind === "lost")).toEqual(["lost"]);
  says.get("pay")!({ type: "synced" });
  await settled();
  broken();
  await eventually(
    () => heard.filter((kind) => kind === "lost").length,
    (times) => times === 2,
  );
  end.abort();
});

async function fleetOf(...clusters: string[]) {
  const server = await startTestServer();
  const agents = [];
  const leave: Record<string, () => Promise<void>> = {};
  for (const cluster of clusters) {
    const agent = await startStubAgent({ cluster, rows: [row(cluster, "web"), row(cluster, "cart")] });
    onEnd(agent.stop);
    leave[cluster] = server.announce(cluster, agent.address);
    agents.push(agent);
  }
  await eventually(
    () => server.client.get("/workloads"),
    ({ body }) => body.items?.length === 2 * clusters.length,
  );
  return { server, agents, leave };
}

async function watch(server: TestServer, path: string) {
  const end = new AbortController();
  const answer = await fetch(server.url + path, {
    headers: { authorization: `Bearer ${server.client.token}` },
    signal: end.signal,
  });
  expect(answer.headers.get("content-type")).toStartWith("text/event-stream");
  const heard: string[] = [];
  const reading = read(answer, heard);
  reading.catch(() => {});
  onEnd(() => end.abort());
  return { heard, reading, end: () => end.abort() };
}

const until = (heard: string[], wanted: string, times = 1) =>
  eventually(
    () => heard,
    () => heard.filter((one) => one === wanted).length >= times,
  );

async function read({ body }: Response, heard: string[]): Promise<void> {
  let text = "";
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      const [[kind, { cluster, name }]] = Object.entries(JSON.parse(line.slice(6))) as [
        [string, { cluster?: string; name?: string }],
      ];
      heard.push([kind, [cluster, name].filter(Boolean).join("/")].filter(Boolean).join(" "));
    }
  }
}
