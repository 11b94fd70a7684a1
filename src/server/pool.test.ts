// The pool against real gRPC servers that serve the agent's contract from a stub.
import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { Failed } from "../contract/errors.ts";
import { type Call, type Handlers, serve } from "../contract/grpc.ts";
import type { Change, Source } from "../discovery/discovery.ts";
import { AgentService } from "../gen/lizardcd/v1/agent_pb.ts";
import { WorkloadService } from "../gen/lizardcd/v1/workload_pb.ts";
import { log } from "../process/log.ts";
import { connections } from "./connection.ts";
import { createDirectory } from "./directory.ts";
import { createPool } from "./pool.ts";

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const now = () => performance.now();

/** A source that tells what the test says. */
function scripted() {
  let tell: (change: Change) => void = () => {};
  const queue: Change[] = [{ type: "set", entries: [] }];
  const source: Source = {
    name: "scripted",
    kind: "memory",
    async *watch(signal) {
      while (!signal.aborted) {
        while (queue.length > 0) yield queue.shift()!;
        await new Promise<void>((resolve) => {
          tell = (change) => {
            queue.push(change);
            resolve();
          };
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    },
  };
  return {
    source,
    async say(change: Change) {
      tell(change);
      await Bun.sleep(1);
    },
  };
}

async function world({ most = 500, idleMs = 60_000, timeoutMs = 3_000 } = {}) {
  const open = connections({ most, idleMs, now });
  const directory = createDirectory({ prefix: "", forgetMs: 60_000, onDropped: open.drop, now, log: log("test") });
  const pool = createPool({ prefix: "", directory, connections: open, timeoutMs, now });
  const registry = scripted();
  const stop = new AbortController();
  void directory.follow(registry.source, stop.signal);
  ends.push(() => {
    stop.abort();
    pool.close();
  });
  await Bun.sleep(1);
  const announce = (namespace: string, cluster: string, address: string, instance = address) =>
    registry.say({
      type: "put",
      entry: { key: `lizardcd-agent.${namespace}.${cluster}`, instance, via: { address } },
    });
  return { pool, directory, announce, say: registry.say };
}

/** A stub agent: answers with its name as the strategy, counts, can be slow, or answer only when it may. */
async function stubAgent(
  name: string,
  { delayMs = 0, port = 0, until }: { delayMs?: number; port?: number; until?: Promise<void> } = {},
) {
  const server = new grpc.Server();
  let calls = 0;
  const answer = async ({ cluster, namespace, resource, name: asked }: typeof web) => {
    calls++;
    if (delayMs > 0) await Bun.sleep(delayMs);
    await until;
    return { row: { cluster, namespace, resource, name: asked }, strategy: name };
  };
  const none = () =>
    Promise.reject(new Failed("workload.not_found", { kind: "", name: "", cluster: "", namespace: "" }));
  serve(
    server,
    WorkloadService,
    {
      ...Object.fromEntries(WorkloadService.methods.map(({ localName }) => [localName, none])),
      get: answer,
      restart: answer,
      scale: answer,
      async *watch(_: unknown, { signal }: Call) {
        yield { event: { case: "synced" as const, value: { ageMs: 1 } } };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    } as unknown as Handlers<typeof WorkloadService>,
    { place: "agent" },
  );
  serve(
    server,
    AgentService,
    {
      info: async () => ({ instance: name }),
      summary: async () => ({}),
    } as Handlers<typeof AgentService>,
    { place: "agent" },
  );
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    ),
  );
  const stop = () => server.forceShutdown();
  ends.push(stop);
  return {
    address: `127.0.0.1:${bound}`,
    port: bound,
    stop,
    get calls() {
      return calls;
    },
  };
}

/** Takes connections and says nothing; no HTTP/2 ever begins. */
async function silence(): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

const web = { cluster: "c", namespace: "shop", resource: "deployments", name: "web" };

async function failure(promise: Promise<unknown>): Promise<Failed> {
  try {
    await promise;
  } catch (cause) {
    if (cause instanceof Failed) return cause;
    throw cause;
  }
  throw new Error("it did not fail");
}

describe("finding an agent", () => {
  test("the exact namespace comes before *, and prod never meets prod2", async () => {
    const { pool, announce } = await world();
    const whole = await stubAgent("whole");
    const shop = await stubAgent("shop");
    await announce("*", "prod", whole.address);
    await announce("shop", "prod", shop.address);
    const name = async (cluster: string, namespace: string) =>
      (await pool.on({ cluster, namespace }).workload.get({ ...web, cluster, namespace })).strategy;
    expect(await name("prod", "shop")).toBe("shop");
    expect(await name("prod", "pay")).toBe("whole");
    expect(() => pool.on({ cluster: "prod2", namespace: "shop" })).toThrow("no agent for cluster prod2");
    expect(() => pool.on({ cluster: "pro", namespace: "shop" })).toThrow(Failed);
  });

  test("a cluster that was announced once is unavailable, not unknown, and the failure names its key", async () => {
    const { pool, announce, say } = await world();
    await announce("*", "eu-1", "127.0.0.1:9");
    await say({ type: "removed", key: "lizardcd-agent.*.eu-1", instance: "127.0.0.1:9" });
    const failed = await failure((async () => pool.on({ cluster: "eu-1" }))());
    expect(failed.code).toBe("agent.unavailable");
    expect(failed.http).toBe(503);
    expect(failed.message).toContain("lizardcd-agent.*.eu-1");
  });

  test("keys and addresses that are not ours are counted and otherwise ignored", async () => {
    const { directory, say } = await world();
    await say({ type: "put", entry: { key: "lizardcd-agent..*", instance: "1", via: { address: "127.0.0.1:1" } } });
    await say({ type: "put", entry: { key: "lizardcd-agent.*.a", instance: "1", via: { address: "nowhere" } } });
    await say({ type: "put", entry: { key: ".*", instance: "1", via: { address: "127.0.0.1:1" } } });
    expect([...directory.entries()]).toEqual([]);
    expect(directory.sources()[0]).toMatchObject({ ignored: 3, entries: 0 });
  });
});

describe("several sources and instances", () => {
  test("an instance that is put again is one, and leaves with its last word", async () => {
    const { directory, announce, say } = await world();
    const key = "lizardcd-agent.*.c";
    await announce("*", "c", "127.0.0.1:1", "a");
    await announce("*", "c", "127.0.0.1:1", "a");
    await announce("*", "c", "127.0.0.1:2", "b");
    expect([...directory.find("c")!.endpoints.keys()]).toEqual(["127.0.0.1:1", "127.0.0.1:2"]);
    await say({ type: "removed", key, instance: "a" });
    expect([...directory.find("c")!.endpoints.keys()]).toEqual(["127.0.0.1:2"]);
    await say({ type: "set", entries: [] });
    expect(directory.find("c")).toBeUndefined();
  });

  test("a source's silence removes nothing", async () => {
    const { directory, announce, say } = await world();
    await announce("*", "c", "127.0.0.1:1");
    await say({ type: "silent", problem: "connection refused" });
    expect(directory.find("c")).toBeDefined();
    expect(directory.sources()[0]!.problem).toBe("connection refused");
    await say({ type: "alive" });
    expect(directory.sources()[0]!.problem).toBeUndefined();
  });

  test("a read moves on to the instance that answers, a dead one costs no call", async () => {
    const { pool, announce } = await world();
    const dead = await stubAgent("dead");
    const alive = await stubAgent("alive");
    await announce("*", "c", dead.address);
    await announce("*", "c", alive.address);
    dead.stop();
    for (let call = 0; call < 20; call++) {
      expect((await pool.on(web).workload.get(web)).strategy).toBe("alive");
    }
  });

  test("a write that was never sent moves on too, and is made once", async () => {
    const { pool, announce } = await world();
    const dead = await stubAgent("dead");
    const alive = await stubAgent("alive");
    await announce("*", "c", dead.address);
    await announce("*", "c", alive.address);
    dead.stop();
    await Promise.all(Array.from({ length: 10 }, () => pool.on(web).workload.restart(web)));
    expect(alive.calls).toBe(10);
  });
});

test("a call goes to the instance that has least to do: one that takes long is asked no more meanwhile", async () => {
  const { pool, directory, announce } = await world();
  const answers = Promise.withResolvers<void>();
  const slow = await stubAgent("slow", { until: answers.promise });
  const fast = await stubAgent("fast");
  for (const { address } of [slow, fast]) await announce("*", "c", address);
  const restart = () => pool.on(web).workload.restart(web);
  const outstanding = () => [slow, fast].map(({ address }) => directory.endpoint(address)!.outstanding);
  const first = restart();
  while (slow.calls === 0) await Bun.sleep(1);
  expect(outstanding()).toEqual([1, 0]);
  for (let call = 0; call < 20; call++) expect((await restart()).strategy).toBe("fast");
  expect([slow.calls, fast.calls]).toEqual([1, 20]);
  answers.resolve();
  expect((await first).strategy).toBe("slow");
  expect(outstanding()).toEqual([0, 0]);
  const atOnce = await Promise.all(Array.from({ length: 10 }, restart));
  expect(atOnce.filter(({ strategy }) => strategy === "slow")).toHaveLength(5);
});

test("a stream counts as something to do for as long as it goes on", async () => {
  const { pool, directory, announce } = await world();
  const [one, other] = [await stubAgent("one"), await stubAgent("other")];
  for (const { address } of [one, other]) await announce("*", "c", address);
  const stream = pool.on(web).workload.watch(web)[Symbol.asyncIterator]();
  await stream.next();
  const busy = directory.endpoint(one.address)!.outstanding === 1 ? one : other;
  for (let call = 0; call < 5; call++) await pool.on(web).workload.restart(web);
  expect([busy.calls, one.calls + other.calls]).toEqual([0, 5]);
  await stream.return!();
});

describe("an instance that failed", () => {
  test("is left alone while another answers, and taken back by a question of our own", async () => {
    const { pool, directory, announce } = await world();
    const first = await stubAgent("first");
    const other = await stubAgent("other");
    await announce("*", "c", first.address);
    await announce("*", "c", other.address);
    first.stop();
    expect((await pool.on(web).workload.get(web)).strategy).toBe("other");
    const again = await stubAgent("again", { port: first.port });
    const endpoint = directory.endpoint(again.address)!;
    expect(endpoint.failures).toBe(1);
    while (endpoint.failures > 0) {
      expect((await pool.on(web).workload.get(web)).strategy).toBe("other");
      await Bun.sleep(20);
    }
    expect(again.calls).toBe(0);
    expect((await pool.on(web).workload.get(web)).strategy).toBe("again");
  });

  test("before a write could be sent costs half of its time, and the write is made once by the other", async () => {
    const { pool, announce } = await world({ timeoutMs: 1_000 });
    const deaf = await silence();
    const other = await stubAgent("other");
    await announce("*", "c", deaf);
    expect((await failure(pool.on(web).workload.restart(web))).message).toContain("nothing was sent");
    await announce("*", "c", other.address);
    expect((await pool.on(web).workload.restart(web)).strategy).toBe("other");
    expect(other.calls).toBe(1);
  });
});

test("identical reads at once are one call of one user in one role; another user or role has an answer of its own", async () => {
  const { pool, announce } = await world();
  const agent = await stubAgent("a", { delayMs: 100 });
  await announce("*", "c", agent.address);
  const calls = async (...askers: { actor: string; role: string }[]) => {
    const before = agent.calls;
    await Promise.all(askers.map((asker) => pool.on(web).workload.get(web, asker)));
    return agent.calls - before;
  };
  const eva = { actor: "eva", role: "readonly" };
  expect(await calls(eva, eva, { ...eva })).toBe(1);
  expect(await calls(eva, { ...eva, actor: "ivo" })).toBe(2);
  expect(await calls(eva, { ...eva, role: "admin" })).toBe(2);
});

describe("an agent that fails", () => {
  test("a dead one answers 503 that names its key, while others answer", async () => {
    const { pool, announce } = await world();
    const other = await stubAgent("other");
    await announce("*", "dead", "127.0.0.1:1");
    await announce("*", "c", other.address);
    const failed = await failure(pool.on({ cluster: "dead" }).workload.get({ ...web, cluster: "dead" }));
    expect(failed.code).toBe("agent.unavailable");
    expect(failed.message).toContain("lizardcd-agent.*.dead");
    expect((await pool.on(web).workload.get(web)).strategy).toBe("other");
  });

  test("one that never answers is given up at the deadline; a write is then unknown, not failed", async () => {
    const { pool, announce } = await world({ timeoutMs: 200 });
    const slow = await stubAgent("slow", { delayMs: 60_000 });
    await announce("*", "c", slow.address);
    expect((await failure(pool.on(web).workload.get(web))).code).toBe("request.timed_out");
    expect((await failure(pool.on(web).workload.restart(web))).code).toBe("request.outcome_unknown");
    expect(slow.calls).toBe(2);
  });

  test("a write whose agent dies in the middle is unknown and is not repeated", async () => {
    const { pool, announce } = await world();
    const dying = await stubAgent("dying", { delayMs: 60_000 });
    const other = await stubAgent("other");
    await announce("*", "c", dying.address);
    const write = failure(pool.on(web).workload.restart(web));
    while (dying.calls === 0) await Bun.sleep(5);
    await announce("*", "c", other.address);
    dying.stop();
    expect((await write).code).toBe("request.outcome_unknown");
    expect(other.calls).toBe(0);
  });

  test("one that comes back is used again", async () => {
    const { pool, announce } = await world();
    const first = await stubAgent("first");
    await announce("*", "c", first.address);
    await pool.on(web).workload.get(web);
    first.stop();
    expect((await failure(pool.on(web).workload.get(web))).code).toBe("agent.unavailable");
    await stubAgent("again", { port: first.port });
    expect((await pool.on(web).workload.get(web)).strategy).toBe("again");
  });

  test("its own failures cross with code and parameters", async () => {
    const { pool, announce } = await world();
    const agent = await stubAgent("a");
    await announce("*", "c", agent.address);
    const failed = await failure(pool.on(web).workload.list({ ...web }));
    expect(failed.code).toBe("workload.not_found");
    expect(failed.http).toBe(404);
  });
});

describe("a slow instance", () => {
  test("costs a read half of its time: the other instance answers inside the same deadline", async () => {
    const { pool, announce } = await world({ timeoutMs: 1_000 });
    const slow = await stubAgent("slow", { delayMs: 60_000 });
    const fast = await stubAgent("fast");
    await announce("*", "c", slow.address);
    await announce("*", "c", fast.address);
    const names = await Promise.all(
      Array.from({ length: 6 }, async () => (await pool.on(web).workload.get(web)).strategy),
    );
    expect(new Set(names)).toEqual(new Set(["fast"]));
  });

  test("is asked no more for a while after failing again and again, and others are not held up", async () => {
    const { pool, announce } = await world({ timeoutMs: 100 });
    const slow = await stubAgent("slow", { delayMs: 60_000 });
    const other = await stubAgent("other");
    await announce("*", "c", slow.address);
    await announce("*", "d", other.address);
    for (let call = 0; call < 5; call++) await failure(pool.on(web).workload.get(web));
    const calls = slow.calls;
    const failed = await failure(pool.on(web).workload.get(web));
    expect(failed.code).toBe("agent.unavailable");
    expect(failed.message).toContain("5 times in a row");
    expect(slow.calls).toBe(calls);
    const stream = pool.on(web).workload.watch(web)[Symbol.asyncIterator]();
    expect((await failure(stream.next())).message).toContain("5 times in a row");
    expect((await pool.on({ cluster: "d" }).workload.get({ ...web, cluster: "d" })).strategy).toBe("other");
  });
});

test("streams leave the calls of their cluster all their places", async () => {
  const { pool, announce } = await world();
  const agent = await stubAgent("a");
  await announce("*", "c", agent.address);
  // More than a cluster's calls may be under way at once.
  const streams = Array.from({ length: 100 }, () => pool.on(web).workload.watch(web)[Symbol.asyncIterator]());
  for (const stream of streams) expect((await stream.next()).done).toBe(false);
  expect((await pool.on(web).workload.get(web)).strategy).toBe("a");
  for (const stream of streams) await stream.return!();
});

describe("connections", () => {
  test("are made on first use, shared, and closed when idle", async () => {
    const { pool, announce } = await world({ idleMs: 200 });
    const agent = await stubAgent("a");
    await announce("*", "c", agent.address);
    await announce("shop", "c", agent.address);
    expect(pool.connections).toBe(0);
    await Promise.all(Array.from({ length: 50 }, () => pool.on(web).workload.get(web)));
    await pool.on({ cluster: "c", namespace: "pay" }).workload.get({ ...web, namespace: "pay" });
    expect(pool.connections).toBe(1);
    while (pool.connections > 0) await Bun.sleep(20);
    expect((await pool.on(web).workload.get(web)).strategy).toBe("a");
  });

  test("are never more than allowed: calls beyond wait for their turn, and streams leave some to calls", async () => {
    const { pool, announce } = await world({ most: 2 });
    const released = Promise.withResolvers<void>();
    const clusters = ["a", "b", "d", "e", "f"];
    for (const cluster of [...clusters, "g"]) {
      const { address } = await stubAgent(cluster, {
        delayMs: 50,
        until: cluster === "g" ? released.promise : undefined,
      });
      await announce("*", cluster, address);
    }
    const ask = async (cluster: string, call = {}) =>
      (await pool.on({ cluster }).workload.get({ ...web, cluster }, call)).strategy;
    const watch = (cluster: string) =>
      pool
        .on({ cluster })
        .workload.watch({ ...web, cluster })
        [Symbol.asyncIterator]();
    let most = 0;
    const looking = setInterval(() => {
      most = Math.max(most, pool.connections);
    }, 1);
    expect(await Promise.all(clusters.map((cluster) => ask(cluster)))).toEqual(clusters);
    const stream = watch("a");
    await stream.next();
    expect((await failure(watch("b").next())).code).toBe("connections.all_in_use");
    expect(await Promise.all(clusters.map((cluster) => ask(cluster)))).toEqual(clusters);

    const long = ask("g");
    const full = await failure(ask("d", { deadline: Date.now() + 100 }));
    expect([full.code, full.message]).toEqual(["connections.all_in_use", expect.stringContaining("all 2 connections")]);
    const waiting = ask("d");
    released.resolve();
    expect([await long, await waiting]).toEqual(["g", "d"]);
    await stream.return!();
    clearInterval(looking);
    expect(most).toBe(2);
  });

  test("to another instance serve where one to the idle instance cannot be opened", async () => {
    const { pool, announce } = await world({ most: 1 });
    const [a, b] = [await stubAgent("a"), await stubAgent("b")];
    await announce("*", "c", a.address);
    const stream = pool.on(web).workload.watch(web)[Symbol.asyncIterator]();
    await stream.next();
    await announce("*", "c", b.address);
    expect((await pool.on(web).workload.get(web)).strategy).toBe("a");
    await stream.return!();
    // Nothing holds the one place any more: the least busy is asked, whoever that is.
    expect(["a", "b"]).toContain((await pool.on(web).workload.get(web)).strategy);
  });

  test("of an instance that is withdrawn are closed", async () => {
    const { pool, announce, say } = await world();
    const agent = await stubAgent("a");
    await announce("*", "c", agent.address);
    await pool.on(web).workload.get(web);
    await say({ type: "set", entries: [] });
    expect(pool.connections).toBe(0);
  });
});
