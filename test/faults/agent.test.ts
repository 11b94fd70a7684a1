// What may happen to an agent: stopped, killed, its host lost, silent, named where nothing is. Others are never touched.
import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import type { Failed } from "../../src/contract/errors.ts";
import type { ServerOptions } from "../../src/server/server.ts";
import { startSilence } from "../e2e/world.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, type StubAgent, startStubAgent } from "../stub-agent.ts";
import { freePorts, signalProcess } from "../testbed/processes.ts";
import { type AgentProcess, agentFleet } from "./agent-process.ts";
import { besides, expectUntouched, expectWithin, figure, lateness, msUntil, shownMs } from "./figure.ts";
import { startWire } from "./wire.ts";

afterEach(endAll);

const day = 86_400_000;
const cluster = "eu-1";
const web = { cluster, namespace: "shop", resource: "deployments", name: "web" };

const trusting = (options: Partial<ServerOptions> = {}) => startTestServer({ trust: { lifeMs: day }, ...options });

async function stub(name = cluster): Promise<StubAgent> {
  const agent = await startStubAgent({ cluster: name, rows: [row(name, "web")] });
  onEnd(() => agent.stop());
  return agent;
}

async function announced(server: TestServer, name: string, address: string): Promise<void> {
  server.announce(name, address);
  await msUntil("it known", () => server.pool.directory.find(name)?.endpoints.has(address) === true);
}

const endpointsOf = (server: TestServer, name = cluster) => [
  ...(server.pool.directory.find(name)?.endpoints.values() ?? []),
];
const seen = (server: TestServer) => endpointsOf(server).filter(({ seenAt }) => seenAt !== undefined).length;
const out = (server: TestServer, address: string) =>
  (server.pool.directory.endpoint(address)?.ejectedUntil ?? Number.POSITIVE_INFINITY) > performance.now();

const info = (server: TestServer, name = cluster, actor = "") =>
  outcome(() => server.pool.on({ cluster: name }).agent.info({ cluster: name }, { actor }));

/** Asks until each of them has answered: several at once, since those that nobody waits for are asked first. */
async function askAll(server: TestServer, count: number): Promise<void> {
  while (seen(server) < count) {
    await Promise.all(Array.from({ length: count }, (_, one) => info(server, cluster, `user-${one}`)));
    await Bun.sleep(5);
  }
}

/** A connection that says nothing, and when it ended: what the kernel tells of the process at its other end. */
async function endOf(address: string): Promise<{ ended: Promise<number> }> {
  const [host, port] = address.split(":") as [string, string];
  const socket = connect(Number(port), host);
  onEnd(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  return { ended: new Promise((resolve) => socket.on("close", () => resolve(performance.now()))) };
}

/** "answered", or the failure's code. */
async function outcome(ask: () => Promise<unknown>): Promise<string> {
  try {
    await ask();
    return "answered";
  } catch (cause) {
    return (cause as Failed).code;
  }
}

async function inTurn(count: number, ask: () => Promise<string>): Promise<string[]> {
  const outcomes: string[] = [];
  for (let call = 0; call < count; call++) outcomes.push(await ask());
  return outcomes;
}

const failed = (outcomes: readonly string[]) => outcomes.filter((one) => one !== "answered");

/** So many real agents of one key, each of which has answered. */
async function running(server: TestServer, count: number) {
  const fleet = await agentFleet(server, cluster);
  const agents: AgentProcess[] = [];
  for (let one = 0; one < count; one++) agents.push(await fleet.start());
  await eventually(
    () => endpointsOf(server).length,
    (known) => known === count,
  );
  await askAll(server, count);
  return { ...fleet, agents: agents as [AgentProcess, AgentProcess] };
}

describe("an agent", () => {
  test("that is stopped past its lease and continued is usable at once", async () => {
    const server = await trusting({ embedded: { leaseMs: 2_000 } });
    const {
      agents: [agent],
    } = await running(server, 1);
    signalProcess(agent.pid, "SIGSTOP");
    await msUntil("its lease over", () => endpointsOf(server).length === 0);
    expect(await info(server)).toBe("agent.unavailable");
    await Bun.sleep(2_000);
    const late = lateness(agent.pid);
    signalProcess(agent.pid, "SIGCONT");
    const usableMs = await msUntil("it usable", async () => (await info(server)) === "answered");
    expectWithin("agent stopped past its lease and continued: usable", usableMs, 1_000, late());
    expect(failed(await inTurn(50, () => info(server)))).toEqual([]);
  });

  test("that is killed is left out before its lease ends: known at once by an open connection, else by the first call", async () => {
    const server = await trusting({ summaryMs: 60_000, idleMs: 400, embedded: { leaseMs: 60_000 } });
    const {
      agents: [one, two],
      start,
    } = await running(server, 2);
    // A process that is killed must first be given a processor to die on: a connection beside the server's tells when.
    const told = await endOf(one.address);
    const late = lateness();
    signalProcess(one.pid, "SIGKILL");
    const killed = performance.now();
    const unroutableMs = await msUntil("it left out", () => out(server, one.address));
    const dyingMs = (await told.ended) - killed;
    expectWithin("agent killed, connection open: unroutable", unroutableMs, 100, Math.max(0, dyingMs) + late());
    const calls = await inTurn(100, () => info(server));
    figure("agent killed, connection open", `${failed(calls).length} of 100 calls failed`, "0");
    expect(failed(calls)).toEqual([]);

    await start();
    await eventually(
      () => endpointsOf(server).length,
      (known) => known === 3,
    );
    await askAll(server, 3);
    await eventually(
      () => server.pool.connections,
      (open) => open === 0,
    );
    signalProcess(two.pid, "SIGKILL");
    await two.exited;
    const later = await inTurn(100, () => info(server));
    figure("agent killed, no connection open", `${failed(later).length} of 100 calls failed`, "≤ 1");
    expect(failed(later)).toEqual([]);
  });

  test("that is killed in a call: a read moves on, a write is unknown and made once", async () => {
    const server = await trusting({ timeoutMs: 20_000, embedded: { leaseMs: 60_000 } });
    const { agents, sandbox } = await running(server, 2);
    const [name] = (await server.pool.on(web).workload.list({ ...web, namespace: "*" })).items;
    const target = { ...web, namespace: name!.namespace, name: name!.name };
    // The API server takes its time with both.
    sandbox.fault({ delayMs: 3_000, match: `deployments/${target.name}` });
    const busy = () => agents.find(({ address }) => (server.pool.directory.endpoint(address)?.outstanding ?? 0) > 0);
    const read = outcome(() => server.pool.on(web).workload.get(target));
    await msUntil("the read under way", () => busy() !== undefined);
    await Bun.sleep(300);
    const first = busy()!;
    signalProcess(first.pid, "SIGKILL");
    expect(await read).toBe("answered");

    const write = outcome(() => server.pool.on(web).workload.restart(target));
    await msUntil("the write under way", () => busy() !== undefined);
    await Bun.sleep(300);
    const began = performance.now();
    for (const { pid } of agents) signalProcess(pid, "SIGKILL");
    expect(await write).toBe("request.outcome_unknown");
    figure("agent killed in a write: said to be unknown", shownMs(performance.now() - began), "at once, not repeated");
  });

  test("that is named in the registry but is not there costs at most one call", async () => {
    const server = await startTestServer();
    const agent = await stub();
    const [port] = await freePorts(1);
    const nowhere = `127.0.0.1:${port}`;
    await announced(server, cluster, nowhere);
    await announced(server, cluster, agent.address);
    await announced(server, "gone-1", nowhere);
    const restart = () => outcome(() => server.pool.on(web).workload.restart(web));
    const late = lateness();
    const began = performance.now();
    const writes = [await restart()];
    await msUntil("it left out", () => out(server, nowhere));
    expectWithin("stale entry: quarantined", performance.now() - began, 5_000, late());
    writes.push(...(await inTurn(99, restart)));
    const reads = await inTurn(100, () => info(server));
    figure("stale entry beside a living one", `${failed([...reads, ...writes]).length} of 200 calls failed`, "≤ 1");
    expect(failed([...reads, ...writes])).toEqual([]);
    const lost = () =>
      [...(server.summaries.clusters().get("gone-1") ?? [])].some(({ failure }) => failure !== undefined);
    await msUntil("it said to be lost", lost);
    expect(await info(server, "gone-1")).toBe("agent.unavailable");
  });

  for (const where of ["takes connections and says nothing", "takes calls and never answers"] as const) {
    test(`that ${where} is given up at the deadline, and others are not held up`, async () => {
      const deadlineMs = 1_000;
      const server = await startTestServer({ timeoutMs: deadlineMs, summaryMs: 60_000 });
      const silent = where.startsWith("takes connections") ? undefined : await stub("hung");
      if (silent) silent.delayMs = 600_000;
      const address = silent?.address ?? (await startSilence());
      const other = await stub();
      await announced(server, cluster, other.address);
      const givenUp = { ms: 0, lateMs: 0 };
      let [turn, underWay] = [0, 0];
      let ended: Promise<void> = Promise.resolve();
      const hang = async (hung: string, actor: string) => {
        underWay++;
        const began = performance.now();
        expect(await info(server, hung, actor)).toBe("request.timed_out");
        underWay--;
        return performance.now() - began;
      };
      const rounds = await besides(async () => expect(await info(server)).toBe("answered"), {
        async begin() {
          // Each time another one, whose gate has not closed yet.
          const hung = `hung-${++turn}`;
          await announced(server, hung, address);
          const late = lateness();
          const calls = Array.from({ length: 20 }, (_, user) => hang(hung, `user-${user}`));
          ended = Promise.all(calls).then((waits) => {
            const [ms, lateMs] = [Math.max(...waits), late()];
            if (ms - lateMs > givenUp.ms - givenUp.lateMs) Object.assign(givenUp, { ms, lateMs });
          });
          await Bun.sleep(100);
          expect(underWay).toBe(20);
        },
        end: () => ended,
      });
      expectUntouched(`agent that ${where}`, rounds);
      // A tenth for the way there and back.
      expectWithin(`agent that ${where}: given up after`, givenUp.ms, deadlineMs * 1.1, givenUp.lateMs);
      // Its gate has closed: who comes now does not wait at all.
      expect(await info(server, `hung-${turn}`, "late")).toBe("agent.unavailable");
    });
  }
});

describe("a host that is lost without a word", () => {
  for (const how of ["with a call under way", "with an open connection and no call"] as const) {
    test(`${how} is left out, and its calls end`, async () => {
      const server = await trusting({ timeoutMs: 30_000, summaryMs: 60_000, embedded: { leaseMs: 60_000 } });
      const { start } = await agentFleet(server, cluster);
      let wire!: Awaited<ReturnType<typeof startWire>>;
      await start({
        async announceAt(address) {
          wire = await startWire(address);
          return wire.address;
        },
      });
      await eventually(
        () => seen(server),
        (count) => count === 1,
      );
      const rows = server.pool.on(web).workload.watch({ ...web, namespace: "*" });
      const watch = how.startsWith("with a call") ? rows[Symbol.asyncIterator]() : undefined;
      await watch?.next();
      const ended =
        watch &&
        outcome(async () => {
          while (!(await watch.next()).done);
        });
      const late = lateness();
      wire.goDark();
      const outMs = await msUntil("it left out", () => out(server, wire.address));
      expectWithin(`host lost ${how}: left out`, outMs, 5_000, late());
      if (ended) expect(await ended).toBe("agent.unavailable");
      wire.heal();
      const backMs = await msUntil("it back", async () => (await info(server)) === "answered");
      figure(`host lost ${how}: usable when it is back`, shownMs(backMs), "at once");
    });
  }

  test("over plain TCP, where agents of old refuse pings, is found by the deadline of one call, and dialled anew by the next", async () => {
    const server = await startTestServer({ timeoutMs: 1_000, summaryMs: 60_000 });
    const agent = await stub();
    const wire = await startWire(agent.address);
    await announced(server, cluster, wire.address);
    expect(await info(server)).toBe("answered");
    wire.lose();
    const outcomes = await inTurn(20, () => info(server));
    figure("host lost over plain TCP", `${failed(outcomes).length} of 20 calls failed`, "1, at its deadline");
    expect(failed(outcomes)).toEqual(["request.timed_out"]);
  });
});
