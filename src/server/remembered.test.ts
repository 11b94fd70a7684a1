// What a server still knows after a restart: every cluster that it knew, until it is removed or revoked.
import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type Client, endAll, eventually, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, startStubAgent } from "../../test/stub-agent.ts";
import { SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { log } from "../process/log.ts";
import { newRequest } from "../trust/request.ts";
import { openDataFolder } from "./data.ts";
import { openRemembered } from "./remembered.ts";
import type { ServerOptions } from "./server.ts";
import type { FleetStore, StoredAgent } from "./store/fleet.ts";
import type { Known } from "./summaries.ts";

afterEach(endAll);

interface Cluster {
  name: string;
  state: string;
  workloads: number;
  seenMs: number;
  announcedMs: number;
  enrolledMs: number;
}

const fleetOf = async (client: Client) => (await client.get("/fleet")).body;
const named = (clusters: Cluster[], name: string) => clusters.find((one) => one.name === name);

/** Starts a server on the same store and data folder each time, when the one before has stopped. */
async function restarting(trust?: { lifeMs: number }) {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-remembered-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const options = { data: await openDataFolder(folder), store: join(folder, "test.db"), trust };
  let server: TestServer | undefined;
  return async (more: Partial<ServerOptions> = {}) => {
    await server?.stop();
    server = await startTestServer({ ...options, ...more });
    return server;
  };
}

async function stub(cluster: string, version?: string) {
  const agent = await startStubAgent({ cluster, version, rows: [row(cluster, "web"), row(cluster, "cart")] });
  onEnd(() => agent.stop());
  return agent;
}

test("a cluster that was lost before a restart is in the list after it, with what was known last", async () => {
  const start = await restarting();
  let server = await start();
  const [stays, goes] = [await stub("stays"), await stub("goes")];
  const announce = () => server.announce("stays", stays.address);
  announce();
  const withdraw = server.announce("goes", goes.address);
  const known = (fleet: { answering: number }) => fleet.answering === 2;
  await eventually(() => fleetOf(server.client), known);
  await withdraw();
  goes.stop();
  await eventually(
    () => fleetOf(server.client),
    ({ clusters }) => named(clusters, "goes")?.state === "lost",
  );
  server = await start();
  const at = Date.now();
  announce();
  const fleet = await eventually(
    () => fleetOf(server.client),
    ({ answering }) => answering > 0,
  );
  expect([fleet.total, fleet.answering]).toEqual([2, 1]);
  const lost = named(fleet.clusters, "goes")!;
  expect([lost.workloads, lost.announcedMs]).toEqual([2, -1]);
  expect(lost.seenMs).toBeGreaterThanOrEqual(0);
  expect(["stale", "lost"]).toContain(lost.state);
  expect(lost.seenMs).toBeLessThan(Date.now() - at + 60_000);
  const absent = await server.client.get("/workloads?cluster=goes");
  expect(absent.body.unanswered.map((one: { cluster: string }) => one.cluster)).toEqual(["goes"]);
  const { body } = await server.client.get("/agents?cluster=goes");
  expect(body.items.map((one: { key: string }) => one.key)).toEqual(["lizardcd-agent.*.goes"]);

  const refused = await server.client.post("/clusters/stays/remove", {});
  expect([refused.status, refused.body.code]).toEqual([409, "cluster.announced"]);
  const none = await server.client.post("/clusters/nobody/remove", {});
  expect([none.status, none.body.code]).toEqual([404, "cluster.unknown"]);
  expect((await server.client.post("/clusters/goes/remove", {})).body).toEqual({ removed: 1 });
  expect((await fleetOf(server.client)).total).toBe(1);
  server = await start();
  expect((await fleetOf(server.client)).clusters.map((one: Cluster) => one.name)).toEqual(["stays"]);
});

test("a cluster is in the list from its enrolment on, over a restart, until it is revoked or removed", async () => {
  const start = await restarting({ lifeMs: 86_400_000 });
  let server = await start();
  const enroll = async (cluster: string) => {
    const { request } = await newRequest();
    const body = { token: server.joinToken, cluster, request };
    expect((await server.client.post("/agents/certificates", body)).status).toBe(200);
  };
  for (const cluster of ["a", "b", "c"]) await enroll(cluster);
  const names = async () => (await fleetOf(server.client)).clusters.map((one: Cluster) => `${one.name} ${one.state}`);
  expect(await names()).toEqual(["a unknown", "b unknown", "c unknown"]);
  server = await start();
  const { clusters } = await fleetOf(server.client);
  expect(clusters.map((one: Cluster) => one.name)).toEqual(["a", "b", "c"]);
  for (const { enrolledMs } of clusters) expect(enrolledMs).toBeGreaterThanOrEqual(0);
  expect((await server.client.post("/agents/revocations", { cluster: "a" })).status).toBe(200);
  expect((await server.client.post("/clusters/b/remove", {})).status).toBe(200);
  await eventually(names, (all) => all.length === 1);
  server = await start();
  expect(await names()).toEqual(["c unknown"]);
  await enroll("b");
  expect(await names()).toEqual(["b unknown", "c unknown"]);
});

test("a server that is started without the demo forgets the demo's clusters, and no others", async () => {
  const start = await restarting();
  let server = await start();
  const [demo, real] = [await stub("demo", "v1.36.3+sandbox"), await stub("real")];
  server.announce("demo", demo.address);
  server.announce("real", real.address);
  await eventually(
    () => fleetOf(server.client),
    ({ answering }) => answering === 2,
  );
  const names = async () => (await fleetOf(server.client)).clusters.map((one: Cluster) => one.name);
  server = await start();
  expect(await names()).toEqual(["demo", "real"]);
  server = await start({ forgetSimulated: true });
  expect(await names()).toEqual(["real"]);
  server = await start();
  expect(await names()).toEqual(["real"]);
});

test("what changes all the time is written so many at a time, and each no more than once a minute", async () => {
  const { store, writes } = fakeStore();
  let time = 0;
  const remembered = await openRemembered({
    store,
    prefix: "",
    now: () => time,
    clock: () => 1_000_000 + time,
    everyMs: 5,
    log: log("test"),
  });
  const fleet = Array.from({ length: 600 }, (_, n) => known(`c-${n}`));
  const noteAll = () => {
    for (const one of fleet) remembered.note(one);
  };
  noteAll();
  await eventually(
    () => writes.flat().length,
    (n) => n === 600,
  );
  expect(writes.map((one) => one.length)).toEqual([100, 100, 100, 100, 100, 100]);
  expect(writes[0]![0]!.seenAt).toBe(1_000_000);
  noteAll();
  await Bun.sleep(50);
  expect(writes).toHaveLength(6);
  // That one does not answer is written at once.
  remembered.note(fleet[7]!, true);
  await eventually(
    () => writes.length,
    (n) => n === 7,
  );
  expect(writes[6]!.map(({ cluster }) => cluster)).toEqual(["c-7"]);
  time = 60_000;
  await eventually(
    () => writes.flat().length,
    (n) => n === 1_200,
  );
  await remembered.close();
});

test("at the end all is written that was not, and what cannot be written is tried again", async () => {
  const { store, writes, fail } = fakeStore();
  const options = { prefix: "", now: () => 0, clock: () => 0, everyMs: 5, log: log("test") };
  const remembered = await openRemembered({ store, ...options });
  fail(true);
  remembered.note(known("a"));
  remembered.forget(known("b"));
  await Bun.sleep(30);
  expect(writes).toEqual([]);
  fail(false);
  await remembered.close();
  expect(writes.flat().map(({ cluster }) => cluster)).toEqual(["a"]);
});

function known(cluster: string): Known {
  const summary = create(SummaryResponseSchema, { workloads: 3, synced: true });
  return { key: `lizardcd-agent.*.${cluster}`, cluster, namespace: "*", summary, seenAt: 0, readAt: 0 };
}

function fakeStore() {
  const writes: StoredAgent[][] = [];
  let failing = false;
  const may = () => {
    if (failing) throw new Error("the disk is full");
  };
  const store: FleetStore = {
    agents: async () => [],
    enrolled: async () => [],
    async keep(agents) {
      may();
      writes.push([...agents]);
    },
    forget: async () => may(),
    remove: async () => may(),
  };
  return {
    store,
    writes,
    fail: (yes: boolean) => {
      failing = yes;
    },
  };
}
