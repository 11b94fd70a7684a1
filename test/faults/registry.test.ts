// What a registry may do to a server: be down, die, hang, go dark, contradict another one. Calls to agents that answer go on.
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { Etcd3 } from "etcd3";
import { consulAnnouncer, consulSource } from "../../src/discovery/consul.ts";
import type { Announcer, Source } from "../../src/discovery/discovery.ts";
import { etcdAnnouncer, etcdSource } from "../../src/discovery/etcd.ts";
import { nacosAnnouncer, nacosSource } from "../../src/discovery/nacos.ts";
import { endAll, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { type StubAgent, startStubAgent } from "../stub-agent.ts";
import { watched } from "../suites/discovery.ts";
import { type RealConsul, startConsul } from "../testbed/consul.ts";
import { type RealEtcd, startEtcd } from "../testbed/etcd.ts";
import { type RealNacos, startNacos } from "../testbed/nacos.ts";
import { describePart } from "../testbed/part.ts";
import { freePorts } from "../testbed/processes.ts";
import { expectWithin, figure, lateness, msUntil } from "./figure.ts";
import { startWire } from "./wire.ts";

afterEach(endAll);

async function stub(cluster: string): Promise<StubAgent> {
  const agent = await startStubAgent({ cluster });
  onEnd(() => agent.stop());
  return agent;
}

/** Until the test ends, or it is withdrawn. */
function announce(announcer: Announcer, cluster: string, address: string): () => Promise<void> {
  const stop = new AbortController();
  const keys = [`lizardcd-agent.*.${cluster}`];
  const done = announcer.announce({ keys, via: { address }, instance: crypto.randomUUID() }, stop.signal);
  const withdraw = async () => {
    stop.abort();
    await done;
  };
  onEnd(withdraw);
  return withdraw;
}

/** A server that has just started, and its first page: milliseconds from its start. */
async function firstPage(...sources: Source[]) {
  const began = performance.now();
  const server = await startTestServer({ sources });
  expect((await server.client.page("/fleet")).status).toBe(200);
  return { server, pageMs: performance.now() - began };
}

const knows = (server: TestServer, cluster: string) => server.pool.directory.find(cluster) !== undefined;

/** Asks the agent of the cluster over and over while something goes on; returns how many calls were made, and failed. */
async function callsDuring(server: TestServer, cluster: string, during: () => Promise<unknown>) {
  const calls = { made: 0, failed: 0 };
  let over = false;
  const calling = (async () => {
    while (!over) {
      calls.made++;
      const { status } = await server.client.get(`/clusters/${cluster}/agent`);
      if (status !== 200) calls.failed++;
      await Bun.sleep(5);
    }
  })();
  await during().finally(() => {
    over = true;
  });
  await calling;
  return calls;
}

/** "http://127.0.0.1:2379", or of a port so many further. */
function httpOf(address: string, further = 0): string {
  const [host, port] = address.split(":");
  return `http://${host}:${Number(port) + further}`;
}

interface Bed {
  /** Where it listens: "127.0.0.1:2379". */
  address: string;
  /** Of what is reached at these addresses: itself, a wire before it, or nothing. */
  source(...addresses: string[]): Source;
  announcer(...addresses: string[]): Announcer;
  kill(): Promise<void>;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
}

const ways = ["is stopped and continued", "goes dark without a word and comes back"] as const;

function registryFaults(name: string, bed: () => Bed, silences: readonly (typeof ways)[number][] = ways): void {
  const here = () => bed().source(bed().address);
  const announcer = () => bed().announcer(bed().address);
  // Beside what every server has in itself.
  const state = ({ pool }: TestServer) => pool.directory.sources().find(({ kind }) => kind === here().kind)!;
  const silent = (server: TestServer) => msUntil("its silence told", () => state(server)?.problem !== undefined);

  test("that is killed costs the calls to living agents nothing, and who starts meanwhile neither waits nor misses its agents", async () => {
    const [agent, newcomer] = await Promise.all([stub("eu-1"), stub("eu-2")]);
    // What a start costs by itself, hashing a password among it, is no registry's doing.
    const { pageMs: aloneMs } = await firstPage();
    const server = await startTestServer({ sources: [here()] });
    announce(announcer(), "eu-1", agent.address);
    await msUntil("the agent known", () => knows(server, "eu-1"));
    const calls = await callsDuring(server, "eu-1", async () => {
      await bed().kill();
      await silent(server);
      const late = lateness();
      const { server: second, pageMs } = await firstPage(here());
      const laterMs = Math.max(0, pageMs - aloneMs);
      expectWithin(`${name} down at start: first page, later than without any`, laterMs, 2_000, late());
      await silent(second);
      announce(announcer(), "eu-2", newcomer.address);
      // Long enough for the waits between its tries to have grown.
      await Bun.sleep(2_500);
      await bed().restart();
      const lateThen = lateness();
      const foundMs = await msUntil("all known", () => knows(second, "eu-1") && knows(second, "eu-2"));
      expectWithin(`${name} down at start: agents found after it came`, foundMs, 5_000, lateThen());
      expect((await second.client.get("/clusters/eu-2/agent")).status).toBe(200);
      await msUntil("its answer told", () => state(server).problem === undefined && knows(server, "eu-2"));
    });
    figure(`${name} killed mid-run`, `${calls.failed} of ${calls.made} calls failed`, "0");
    expect(calls.made).toBeGreaterThan(20);
    expect(calls.failed).toBe(0);
  });

  test("that has several addresses is found at the one that answers", async () => {
    const agent = await stub("eu-3");
    const [nobody] = (await freePorts(1)) as [number];
    const addresses = [`127.0.0.1:${nobody}`, bed().address];
    const server = await startTestServer({ sources: [bed().source(...addresses)] });
    const withdraw = announce(bed().announcer(...addresses), "eu-3", agent.address);
    await msUntil("the agent known", () => knows(server, "eu-3"));
    expect((await server.client.get("/clusters/eu-3/agent")).status).toBe(200);
    await withdraw();
    await msUntil("the agent gone", () => !knows(server, "eu-3"));
  });

  for (const how of silences) {
    test(`that ${how} costs no call, and what changed meanwhile is known soon after`, async () => {
      const [stays, leaves, comes] = await Promise.all([stub("stays"), stub("leaves"), stub("comes")]);
      const wire = await startWire(bed().address);
      const server = await startTestServer({ sources: [bed().source(wire.address)] });
      announce(announcer(), "stays", stays.address);
      const withdraw = announce(announcer(), "leaves", leaves.address);
      await msUntil("both known", () => knows(server, "stays") && knows(server, "leaves"));
      let convergedMs = 0;
      let lateMs = 0;
      const calls = await callsDuring(server, "stays", async () => {
        if (how.startsWith("is stopped")) bed().pause();
        else wire.goDark();
        await silent(server);
        // Of a stopped registry they cannot get an answer before it goes on.
        const withdrawn = withdraw();
        announce(announcer(), "comes", comes.address);
        // Its tries have become rare by then.
        await Bun.sleep(2_000);
        if (how.startsWith("is stopped")) bed().resume();
        wire.heal();
        const late = lateness();
        convergedMs = await msUntil("the truth", () => knows(server, "comes") && !knows(server, "leaves"));
        lateMs = late();
        await withdrawn;
      });
      expectWithin(`${name} ${how}: converged`, convergedMs, 10_000, lateMs);
      figure(`${name} ${how}`, `${calls.failed} of ${calls.made} calls failed`, "0");
      expect(calls.failed).toBe(0);
      expect((await server.client.get("/clusters/comes/agent")).status).toBe(200);
    });
  }
}

describePart("consul", "a Consul", () => {
  let consul: RealConsul;
  beforeAll(async () => {
    consul = await startConsul({ durable: true });
  });
  afterAll(() => consul?.stop());

  registryFaults("Consul", () => ({
    ...consul,
    address: new URL(consul.endpoint).host,
    source: (...addresses) => consulSource({ hosts: addresses.map((address) => httpOf(address)), prefix: "" }),
    // An agent has the one Consul that runs beside it.
    announcer: (...addresses) => consulAnnouncer({ host: httpOf(addresses.at(-1)!), prefix: "" }),
  }));
});

// Their starts are slow: between them they do everything once.
for (const [part, silences] of [
  ["nacos2", ["is stopped and continued"]],
  ["nacos3", ["goes dark without a word and comes back"]],
] as const) {
  describePart(part, `a ${part}`, () => {
    let nacos: RealNacos;
    beforeAll(async () => {
      nacos = await startNacos(part);
    });
    afterAll(() => nacos?.stop());

    // Its gRPC port alone is spoken to, and found by its HTTP port.
    const hostsOf = (addresses: string[]) => addresses.map((address) => httpOf(address, -1_000));
    registryFaults(
      part,
      () => ({
        ...nacos,
        address: `127.0.0.1:${Number(new URL(nacos.endpoint).port) + 1_000}`,
        source: (...addresses) => nacosSource({ hosts: hostsOf(addresses), prefix: "" }),
        announcer: (...addresses) => nacosAnnouncer({ hosts: hostsOf(addresses), prefix: "" }),
      }),
      silences,
    );
  });
}

describePart("etcd", "an etcd", () => {
  let etcd: RealEtcd;
  let writer: Etcd3;
  beforeAll(async () => {
    etcd = await startEtcd();
    writer = new Etcd3({ hosts: etcd.endpoint });
  });
  afterAll(async () => {
    writer?.close();
    await etcd?.stop();
  });

  registryFaults("etcd", () => ({
    ...etcd,
    address: new URL(etcd.endpoint).host,
    source: (...addresses) => etcdSource({ hosts: addresses.map((address) => httpOf(address)), prefix: "" }),
    announcer: (...addresses) => etcdAnnouncer({ hosts: addresses.map((address) => httpOf(address)) }),
  }));

  test("that forgets what changed between the whole and the watch after it is read as a whole anew", async () => {
    const key = (name: string) => `compact.lizardcd-agent.*.${name}`;
    await writer.put(`${key("old")}/1`).value("127.0.0.1:1");
    const wire = await startWire(new URL(etcd.endpoint).host);
    const watcher = watched({ source: () => etcdSource({ hosts: [`http://${wire.address}`], prefix: "compact." }) });
    await watcher.until("the whole", (keys) => keys.has(key("old")));
    // The watch is asked for by now, but not on its way.
    wire.goDark();
    await writer.delete().key(`${key("old")}/1`);
    await writer.put(`${key("new")}/2`).value("127.0.0.1:2");
    const { header } = await writer.put(`${key("last")}/3`).value("127.0.0.1:3");
    await writer.kv.compact({ revision: header.revision, physical: true });
    wire.heal();
    await watcher.until("what came", (keys) => keys.has(key("new")) && keys.has(key("last")) && !keys.has(key("old")));
    // Nothing was silent: it was etcd's word that these changes are not kept which led to it.
    expect(watcher.changes.map(({ type }) => type).filter((type) => type !== "alive")).toEqual(["set", "set"]);
    await watcher.stop();
  });

  test("of which a thousand changes were made and compacted while it was out of reach is known as it is, none is missed", async () => {
    const pathOf = (number: number) => `thousand.lizardcd-agent.n${number}.eu-1/1`;
    const put = (number: number, port: number) => writer.put(pathOf(number)).value(`127.0.0.1:${port}`);
    const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
    await Promise.all(numbers(0, 500).map((number) => put(number, 1)));
    const wire = await startWire(new URL(etcd.endpoint).host);
    const watcher = watched({ source: () => etcdSource({ hosts: [httpOf(wire.address)], prefix: "thousand." }) });
    await watcher.until("the first 500", (keys) => keys.size === 500);
    const before = watcher.changes.length;
    const later = () => watcher.changes.slice(before).map(({ type }) => type);
    wire.goDark();
    const { header: first } = await put(0, 2);
    await Promise.all([
      ...numbers(1, 200).map((number) => put(number, 2)),
      ...numbers(200, 500).map((number) => writer.delete().key(pathOf(number)).exec()),
      ...numbers(500, 1_000).map((number) => put(number, 3)),
    ]);
    const { header: last } = await writer.kv.range({ key: Buffer.from(pathOf(0)) });
    expect(Number(last.revision) - Number(first.revision)).toBe(999);
    await writer.kv.compact({ revision: last.revision, physical: true });
    // Nobody can be told of them one by one any more.
    const past = writer.kv.range({ key: Buffer.from(pathOf(0)), revision: first.revision });
    expect((await past.catch((cause: Error) => cause)) as unknown).toMatchObject({
      message: expect.stringContaining("compacted"),
    });
    await watcher.until("its silence", () => later().includes("silent"));
    wire.heal();
    const late = lateness();
    const began = performance.now();
    await watcher.until("a set", () => later().includes("set"));
    await watcher.until("those that are gone", (keys) => keys.size === 700);
    expectWithin("etcd compacted while it was out of reach: converged", performance.now() - began, 10_000, late());
    const truth = [
      ...numbers(0, 200).map((number) => [number, 2]),
      ...numbers(500, 1_000).map((number) => [number, 3]),
    ];
    const expected = truth.map(([number, port]) => [pathOf(number!).slice(0, -2), [`127.0.0.1:${port}`]] as const);
    const missed = expected.filter(([key, addresses]) => !Bun.deepEquals(watcher.addresses().get(key), addresses));
    figure("etcd compacted while it was out of reach", `${missed.length} of 1,000 changes missed`, "0");
    expect(missed).toEqual([]);
    await watcher.stop();
  });
});

describePart(["etcd", "consul"], "an etcd and a Consul", () => {
  let etcd: RealEtcd;
  let consul: RealConsul;
  beforeAll(async () => {
    [etcd, consul] = await Promise.all([startEtcd(), startConsul()]);
  });
  afterAll(async () => {
    await Promise.all([etcd?.stop(), consul?.stop()]);
  });

  test("that say something else of one key: both are believed, nothing flaps, and one's loss removes nothing", async () => {
    const [one, two] = await Promise.all([stub("eu-1"), stub("eu-1")]);
    const key = "lizardcd-agent.*.eu-1";
    const writer = new Etcd3({ hosts: etcd.endpoint });
    onEnd(() => writer.close());
    const inEtcd = () => writer.put(`${key}/1`).value(one.address);
    const inConsul = (address: string) => {
      const ID = `${key}-${address.replace(":", "-")}`;
      const Check = { CheckID: ID, TTL: "600s", Status: "passing" };
      return consul.request("PUT", "/v1/agent/service/register", { Name: key, ID, Check });
    };
    const outOfConsul = (address: string) =>
      consul.request(
        "PUT",
        `/v1/agent/service/deregister/${encodeURIComponent(`${key}-${address.replace(":", "-")}`)}`,
      );
    const sources = [
      etcdSource({ hosts: [etcd.endpoint], prefix: "", timeoutMs: 900 }),
      consulSource({ hosts: [consul.endpoint], prefix: "", timeoutMs: 900 }),
    ];
    const server = await startTestServer({ sources });
    const { directory } = server.pool;
    const stateOf = (kind: string) => directory.sources().find((source) => source.kind === kind)!;
    const addresses = () => [...(directory.find("eu-1")?.endpoints.keys() ?? [])].sort();
    await Promise.all([inEtcd(), inConsul(two.address)]);
    await msUntil("both known", () => addresses().length === 2);
    let flaps = 0;
    onEnd(
      directory.onChange(() => {
        flaps++;
      }),
    );
    const calls = await callsDuring(server, "eu-1", async () => {
      for (const [kind, lost] of [
        ["etcd", etcd],
        ["consul", consul],
        ["etcd", etcd],
        ["consul", consul],
      ] as const) {
        for (let round = 0; round < 10; round++) {
          await Promise.all([inEtcd(), inConsul(two.address)]);
          await Bun.sleep(10);
        }
        lost.pause();
        await msUntil("its silence told", () => stateOf(kind).problem !== undefined);
        expect(addresses()).toEqual([one.address, two.address].sort());
        lost.resume();
        await msUntil("its answer told", () => stateOf(kind).problem === undefined);
      }
    });
    figure("two registries at odds", `${flaps} flaps, ${calls.failed} of ${calls.made} calls failed`, "0 flaps");
    expect(flaps).toBe(0);
    expect(calls.failed).toBe(0);
    // Both name the same instance: what one takes back, the other still says.
    await inConsul(one.address);
    await msUntil("Consul's word for both", () => stateOf("consul").entries === 2);
    await outOfConsul(one.address);
    await outOfConsul(two.address);
    await msUntil("Consul's word for none", () => stateOf("consul").entries === 0);
    expect(addresses()).toEqual([one.address]);
    expect((await server.client.get("/clusters/eu-1/agent")).status).toBe(200);
  });
});
