// What happens to many agents at once: servers and agents that are replaced, a whole fleet that comes in one moment, one
// cluster that is slow.
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { enrolledIdentity } from "../../src/agent/identity.ts";
import { createKube } from "../../src/agent/kube.ts";
import { accessFromKubeconfig } from "../../src/agent/kubeconfig.ts";
import { type AgentOptions, type RunningAgent, startAgent } from "../../src/agent/server.ts";
import { tunnelAnnouncer } from "../../src/agent/tunnel.ts";
import type { Failed } from "../../src/contract/errors.ts";
import { etcdAnnouncer, etcdSource } from "../../src/discovery/etcd.ts";
import { log } from "../../src/process/log.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/cluster.ts";
import type { Fault } from "../../src/sandbox/faults.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { connections } from "../../src/server/connection.ts";
import { createDirectory } from "../../src/server/directory.ts";
import { createPool } from "../../src/server/pool.ts";
import { startSimulated } from "../e2e/world.ts";
import { endAll, eventually, login, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { startStubAgent } from "../stub-agent.ts";
import { type RealEtcd, startEtcd } from "../testbed/etcd.ts";
import { describePart } from "../testbed/part.ts";
import { freePorts, processGroup } from "../testbed/processes.ts";
import { compiledPrograms } from "../testbed/programs.ts";
import { untilAlive } from "../testbed/wait.ts";
import { besides, expectUntouched, expectWithin, figure, lateness, msUntil, percentile, shownMs } from "./figure.ts";
import type { Look, Looking } from "./looking.ts";

afterEach(endAll);

const day = 86_400_000;
const cluster = "eu-1";
const now = () => performance.now();

async function outcome(ask: () => Promise<unknown>): Promise<string> {
  try {
    await ask();
    return "answered";
  } catch (cause) {
    return (cause as Failed).code;
  }
}

describePart("etcd", "in an etcd", () => {
  let etcd: RealEtcd;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(async () => {
    await etcd?.stop();
  });

  test("two instances of one key: a server that has just started loses no call when either one leaves", async () => {
    const [one, two] = await Promise.all([startStubAgent({ cluster }), startStubAgent({ cluster })]);
    onEnd(() => one.stop());
    onEnd(() => two.stop());
    const announce = (address: string) => {
      const stop = new AbortController();
      const registration = { keys: [`lizardcd-agent.*.${cluster}`], via: { address }, instance: crypto.randomUUID() };
      let done: Promise<void> | undefined;
      const there = new Promise<void>((resolve) => {
        const announcer = etcdAnnouncer({ hosts: [etcd.endpoint] });
        done = announcer.announce(registration, stop.signal, ({ announced }) => announced && resolve());
      });
      return {
        there,
        async leave() {
          stop.abort();
          await done;
        },
      };
    };
    const failed: string[] = [];
    let calls = 0;
    const both = [announce(one.address), announce(two.address)];
    onEnd(() => Promise.all(both.map(({ leave }) => leave())));
    for (let turn = 0; turn < 100; turn++) {
      await Promise.all(both.map(({ there }) => there));
      const server = startPool(etcd);
      await eventually(
        () => server.directory.find(cluster)?.endpoints.size,
        (size) => size === 2,
      );
      const ask = async () => {
        calls++;
        const code = await outcome(() => server.pool.on({ cluster }).agent.info({ cluster }, { actor: `${calls}` }));
        if (code !== "answered") failed.push(code);
      };
      const leaving = both[turn % 2]!.leave();
      let left = false;
      void leaving.then(() => {
        left = true;
      });
      while (!left) await Promise.all([ask(), ask()]);
      await eventually(
        () => server.directory.find(cluster)?.endpoints.size,
        (size) => size === 1,
      );
      for (let after = 0; after < 3; after++) await ask();
      server.stop();
      both[turn % 2] = announce(turn % 2 === 0 ? one.address : two.address);
    }
    figure("two instances, server restarted, either one leaves", `${failed.length} of ${calls} calls failed`, "0");
    expect(failed).toEqual([]);
  });

  test("a rolling update of three agents costs no call", async () => {
    await rollingUpdate("etcd", () => etcdAnnouncer({ hosts: [etcd.endpoint] }), {
      sources: [etcdSource({ hosts: [etcd.endpoint], prefix: "" })],
    });
  });
});

/** What a server has of it: the registry followed, the pool. */
function startPool(etcd: RealEtcd) {
  const open = connections({ most: 500, idleMs: 60_000, now });
  const directory = createDirectory({ prefix: "", forgetMs: 60_000, onDropped: open.drop, now, log: log("test") });
  const pool = createPool({ prefix: "", directory, connections: open, timeoutMs: 5_000, now });
  const stop = new AbortController();
  void directory.follow(etcdSource({ hosts: [etcd.endpoint], prefix: "" }), stop.signal);
  return {
    directory,
    pool,
    stop() {
      stop.abort();
      pool.close();
    },
  };
}

test("a rolling update of three agents that have dialled in costs no call", async () => {
  await rollingUpdate(
    "tunnel",
    (server, identity) => (inject) =>
      tunnelAnnouncer({ server: server.url, inject, prove: (challenge) => identity.proof(challenge) }),
  );
});

test("ten thousand agents that announce themselves in one moment are all usable soon, and pages answer meanwhile", async () => {
  const group = await processGroup({ name: "crowd", grace: 0 });
  onEnd(() => group.stop());
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const data = join(group.folder, "data");
  const flags = {
    "http-addr": `127.0.0.1:${port}`,
    "metrics-addr": "127.0.0.1:0",
    data,
    "access.secret": "s".repeat(40),
    // Nobody renews here.
    "lease-time": "10m",
  };
  const server = await group.start({
    name: "server",
    command: [
      (await compiledPrograms())["lizardcd-server"],
      "--insecure",
      ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
    ],
  });
  const ready = async () => (await fetch(`${url}/healthz`)).ok;
  await untilAlive(server, ready, { what: "the server to answer" });
  const joinToken = (await Bun.file(join(data, "join-token")).text()).trim();
  const admin = await login(url, "admin", (await Bun.file(join(data, "first-password")).text()).trim());

  const hosts = await Promise.all(Array.from({ length: 20 }, () => startStubAgent({})));
  for (const host of hosts) onEnd(() => host.stop());
  const agents = 10_000;
  const announce = async (number: number) => {
    const answer = await fetch(`${url}/discovery/instances/${crypto.randomUUID()}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${joinToken}`, "content-type": "application/json" },
      body: JSON.stringify({
        keys: [`lizardcd-agent.*.c-${number}`],
        address: hosts[number % hosts.length]!.address,
      }),
    });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  };
  await announce(0);
  await eventually(
    () => admin.get("/clusters/c-0/agent"),
    ({ status }) => status === 200,
  );

  let next = 1;
  const looking: Looking = { url: `${url}/fleet`, token: admin.token, pid: server.pid };
  const onlooker = new Worker(join(import.meta.dirname, "looking.ts"), { workerData: looking });
  onEnd(() => onlooker.terminate());
  const late = lateness(server.pid);
  const began = now();
  const crowd = Array.from({ length: 64 }, async () => {
    while (next < agents) await announce(next++);
  });
  await Promise.all(crowd);
  const announcedMs = now() - began;
  const asked = () => hosts.reduce((sum, { calls }) => sum + (calls.get("lizardcd.v1.AgentService/Summary") ?? 0), 0);
  await msUntil("each asked once", () => asked() >= agents, 90_000);
  const usable = async () => {
    const { clusters } = (await admin.get("/fleet")).body as { clusters: { state: string }[] };
    return clusters.filter(({ state }) => state === "ok" || state === "stale").length;
  };
  while ((await usable()) < agents) {
    if (now() - began > 120_000) throw new Error(`after two minutes ${await usable()} agents are usable`);
    await Bun.sleep(500);
  }
  const usableMs = now() - began;
  const lateMs = late();
  const looked = new Promise<Look[]>((resolve) => onlooker.once("message", resolve));
  onlooker.postMessage("enough");
  const looks = await looked;
  expect(looks.filter(({ status }) => status !== 200)).toEqual([]);
  figure("10,000 announcing at once: all announced", shownMs(announcedMs), "–");
  expectWithin("10,000 announcing at once: all usable", usableMs, 15_000, lateMs);
  const p99 = (of: (look: Look) => number) => percentile(looks.map(of), 99);
  // What of each page was spent in waiting for a processor is the machine's: server and agents have two in this test.
  const what = `10,000 announcing at once: p99 of ${looks.length} pages of the fleet meanwhile`;
  figure(`${what}, the machine's part with it`, shownMs(p99(({ ms }) => ms)), "≤ 250 ms");
  // The goal is a figure: the p99 of some sixty pages is the slowest of them, and alternating runs of one version gave 214
  // to 308 ms on a quiet machine. What is asserted is three times the goal.
  const pagesMs = p99(({ ms, lateMs }) => ms - lateMs);
  figure(what, shownMs(pagesMs), "≤ 250 ms");
  expect(pagesMs).toBeLessThanOrEqual(750);
}, 180_000);

type Identity = Awaited<ReturnType<typeof enrolledIdentity>>;

async function rollingUpdate(
  by: string,
  announcer: (server: TestServer, identity: Identity) => AgentOptions["announcer"],
  options: Parameters<typeof startTestServer>[0] = {},
): Promise<void> {
  const server = await startTestServer({ trust: { lifeMs: day }, timeoutMs: 20_000, ...options });
  const sandbox = await startSandbox({ name: cluster, seed: calm });
  onEnd(() => sandbox.stop());
  const kubeconfig = await written(sandbox);
  const start = async () => {
    const stop = new AbortController();
    onEnd(() => stop.abort());
    const token = server.joinToken;
    const identity = await enrolledIdentity({ server: server.url, cluster, token, log: log("a"), signal: stop.signal });
    const agent = await startAgent({
      kube: createKube(await accessFromKubeconfig(kubeconfig), {}),
      cluster,
      prefix: "",
      listen: "127.0.0.1:0",
      labels: {},
      identity,
      announcer: announcer(server, identity),
      log: log("agent"),
    });
    onEnd(() => agent.stop());
    return agent;
  };
  const known = (count: number) =>
    eventually(
      () => server.pool.directory.find(cluster)?.endpoints.size,
      (size) => size === count,
    );
  const old: RunningAgent[] = [];
  for (let one = 0; one < 3; one++) old.push(await start());
  await known(3);

  const on = () => server.pool.on({ cluster });
  const { items } = await eventually(
    () => on().workload.list({ cluster, namespace: "*", resource: "deployments" }),
    (list) => list.items.length > 0,
  );
  const outcomes: string[] = [];
  let over = false;
  const caller = async (user: number) => {
    const { namespace, name, desired } = items[user]!;
    const target = { cluster, namespace, resource: "deployments", name };
    for (let call = 0; !over || outcomes.length < 1_000; call++) {
      const more = { actor: `user-${user}` };
      const kinds = [
        () => on().workload.get(target, more),
        () => on().workload.list({ ...target, namespace: "*" }, more),
        () => on().agent.info(target, more),
        () => on().workload.scale({ ...target, replicas: desired }, more),
      ];
      outcomes.push(await outcome(kinds[(call + user) % kinds.length]!));
      await Bun.sleep(10);
    }
  };
  const calling = Promise.all(Array.from({ length: 8 }, (_, user) => caller(user)));
  for (const [one, agent] of old.entries()) {
    await start();
    await known(4);
    await agent.stop();
    await known(3);
    expect(one).toBeLessThan(3);
  }
  over = true;
  await calling;
  const failed = outcomes.filter((code) => code !== "answered");
  figure(
    `rolling update of three agents by ${by}`,
    `${failed.length} of ${outcomes.length} calls failed`,
    "0 of 1,000",
  );
  expect(failed).toEqual([]);
}

async function written(sandbox: Sandbox): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-fleet-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  await Bun.write(join(folder, "kubeconfig"), sandbox.kubeconfig());
  return join(folder, "kubeconfig");
}

for (const [what, fault] of [
  ["answers late", { delayMs: 500 }],
  ["answers 429 only", { status: 429 }],
] satisfies [string, Fault][]) {
  test(`an API server that ${what} costs the other clusters nothing`, async () => {
    const server = await startTestServer({ timeoutMs: 5_000 });
    const [ill] = await Promise.all([
      startSimulated(server, "ill-1", { seed: calm }),
      startSimulated(server, "well-1", { seed: calm }),
    ]);
    const workloads = async (name: string) => {
      const all = { cluster: name, namespace: "*", resource: "deployments" };
      const { items } = await server.pool.on(all).workload.list(all);
      return items.map(({ namespace, name: of }) => `/clusters/${name}/namespaces/${namespace}/deployments/${of}`);
    };
    const [there, [here]] = [await workloads("ill-1"), await workloads("well-1")];
    // As long as a call is held back, by the API server or by the agent's patience with it: they ask equally often always.
    const paceMs = fault.delayMs ?? 1_000;
    const met = { answered: 0, late: 0, refused: 0 };
    let over = false;
    onEnd(() => {
      over = true;
    });
    const asking = Array.from({ length: 8 }, async (_, one) => {
      while (!over) {
        const asked = now();
        // Of each its own: equal questions are asked once.
        const { status, body } = await server.client.get(there[one % there.length]!);
        const ms = now() - asked;
        if (status !== 200) expect(body.code).toBe("cluster.overloaded");
        if (status !== 200) met.refused++;
        else if (ms >= paceMs * 0.9) met.late++;
        else met.answered++;
        await Bun.sleep(Math.max(0, paceMs - ms));
      }
    });
    const rounds = await besides(async () => expect((await server.client.get(here!)).status).toBe(200), {
      async begin() {
        ill.sandbox.fault(fault);
        // Until all have met it.
        await Bun.sleep(paceMs);
      },
      async end() {
        ill.sandbox.fault({});
        // Until what it held back has gone through.
        await Bun.sleep(paceMs);
      },
    });
    const { refused } = met;
    ill.sandbox.fault(fault);
    // An agent tries again before it gives up: refusals need a fault that lasts.
    if (fault.status) await msUntil("eight refused", () => met.refused >= refused + 8);
    over = true;
    ill.sandbox.fault({});
    await Promise.all(asking);
    figure(`an API server that ${what}: calls there`, JSON.stringify(met), "late or refused, one by one");
    expect(met.late).toBeGreaterThan(20);
    expectUntouched(`an API server that ${what}`, rounds);
  });
}
