// Clocks that are a day off: certificates hold, ages are the observer's own, nothing is renewed in a hurry.

import { afterEach, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { enrolledIdentity } from "../../src/agent/identity.ts";
import { log } from "../../src/process/log.ts";
import { type Client, client, endAll, eventually, login, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { freePorts, processGroup, signalProcess } from "../testbed/processes.ts";
import { agentFleet } from "./agent-process.ts";
import { figure, shownMs } from "./figure.ts";

afterEach(endAll);

const day = 86_400_000;
const cluster = "eu-1";

const ok = (server: Pick<TestServer, "client">) =>
  eventually(
    () => server.client.get("/fleet"),
    ({ body }) => body.clusters.find(({ name }: { name: string }) => name === cluster)?.state === "ok",
  );

async function agesOf(server: Pick<TestServer, "client">): Promise<Map<string, number>> {
  const { body } = await server.client.get(`/workloads?cluster=${cluster}`);
  return new Map(
    body.items.map(({ row }: { row: { namespace: string; name: string; createdMs: number } }) => [
      `${row.namespace}/${row.name}`,
      row.createdMs,
    ]),
  );
}

for (const [which, off] of [
  ["behind", -day],
  ["ahead", day],
] as const) {
  for (const reach of ["address", "tunnel"] as const) {
    test(`an agent whose clock is a day ${which} serves by ${reach}, and the ages it tells are right`, async () => {
      const server = await startTestServer({ trust: { lifeMs: 30 * day } });
      const fleet = await agentFleet(server, cluster);
      const right = await fleet.start({ reach });
      await ok(server);
      const before = await agesOf(server);
      await right.stop("SIGTERM");
      await eventually(
        () => server.pool.directory.find(cluster),
        (entry) => entry === undefined,
      );
      const wrong = await fleet.start({ reach, preload: "./clock.ts", env: { LIZARDCD_TEST_CLOCK_OFF: String(off) } });
      await ok(server);
      const after = await agesOf(server);
      expect(after.size).toBeGreaterThan(5);
      const differences = [...after].map(([name, age]) => Math.abs(age - before.get(name)!));
      figure(`agent's clock a day ${which}, by ${reach}: ages differ by`, shownMs(Math.max(...differences)), "seconds");
      expect(Math.max(...differences)).toBeLessThan(120_000);
      expect(wrong.log()).toContain("enrolled");
      expect(wrong.log()).not.toContain("certificate renewed");
    });
  }
}

test("every certificate holds since a day ago: a clock that is a day behind finds it valid", async () => {
  const server = await startTestServer({ trust: { lifeMs: day } });
  const fleet = await agentFleet(server, cluster);
  await fleet.start();
  await ok(server);
  for (const file of ["ca.crt", "server.crt"]) {
    const { validFrom } = new X509Certificate(await Bun.file(join(server.data, file)).text());
    expect(Date.parse(validFrom)).toBeLessThanOrEqual(Date.now() - day + 1_000);
  }
  const { body } = await server.client.get("/agents");
  expect(body.items[0].certificateMs).toBeGreaterThan(day / 2);
});

/** A server in a process of its own, whose clock jumps when it is told to. */
async function jumpingServer(jumpMs: number) {
  const group = await processGroup({ name: "clock", grace: 0 });
  onEnd(() => group.stop());
  const data = join(group.folder, "data");
  const [http, metrics] = (await freePorts(2)) as [number, number];
  const flags = { data, "http-addr": `127.0.0.1:${http}`, "metrics-addr": `127.0.0.1:${metrics}` };
  const preload = join(import.meta.dirname, "clock.ts");
  const main = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const server = await group.start({
    name: "server",
    command: [process.execPath, "--preload", preload, join("src", "server", "main.ts"), ...main],
    cwd: join(import.meta.dirname, "../.."),
    env: { ...process.env, LIZARDCD_TEST_CLOCK_JUMP: String(jumpMs) },
  });
  const url = `http://127.0.0.1:${http}`;
  await eventually(
    () =>
      fetch(`${url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      ),
    (ready) => ready,
  );
  const password = (await Bun.file(join(data, "first-password")).text()).trim();
  return {
    url,
    data,
    trust: true,
    password,
    async jump() {
      signalProcess(server.pid, "SIGUSR2");
      await eventually(
        () => server.log(),
        (text) => text.includes("the clock has jumped"),
      );
    },
  };
}

async function enrolledWith(url: string, name: string, token: string): Promise<string> {
  const stop = new AbortController();
  onEnd(() => stop.abort());
  return enrolledIdentity({ server: url, cluster: name, token, log: log("agent"), signal: stop.signal }).then(
    () => "enrolled",
    (cause: Error) => cause.message,
  );
}

const invite = async (who: Client, name: string): Promise<string> =>
  (await who.post("/agents/invitations", { cluster: name })).body.token;

for (const [which, off] of [
  ["back", -day],
  ["ahead", day],
] as const) {
  test(`the server's clock set ${which} by a day: nothing turns stale or lost, and what has a date keeps to it`, async () => {
    const server = await jumpingServer(off);
    const before = await login(server.url, "admin", server.password);
    const fleet = await agentFleet(server, cluster);
    const near = await fleet.start({ reach: "address" });
    const far = await fleet.start({ reach: "tunnel" });
    const answered = async (who: Client, count: number) => {
      const { body } = await who.get("/agents");
      const instances = body.items.flatMap((one: { instances: { answering: boolean }[] }) => one.instances);
      return instances.filter((one: { answering: boolean }) => one.answering).length === count;
    };
    await ok({ client: before });
    await eventually(
      () => answered(before, 2),
      (all) => all,
    );
    const ages = await agesOf({ client: before });
    const certificateMs = (await before.get("/agents")).body.items[0].certificateMs;
    const [old, never] = [await invite(before, "new-1"), await invite(before, "new-2")];
    // Shut out for some seconds, not for a day more.
    for (let time = 0; time < 6; time++) await tryLogin(server.url, "wrong");
    await server.jump();

    // A session of a day has ended a day later, and not a day before.
    const kept = await before.get("/account");
    expect([kept.status, kept.body.code]).toEqual(off > 0 ? [401, "session.expired"] : [200, undefined]);
    const refused = await tryLogin(server.url, server.password);
    expect([undefined, "login.too_many"]).toContain(refused.code);
    expect(Number(refused.params?.seconds ?? 0)).toBeLessThanOrEqual(60);
    await eventually(
      () => tryLogin(server.url, server.password),
      ({ code }) => code === undefined,
    );
    const after = client(server.url, (await tryLogin(server.url, server.password)).accessToken!);

    // Longer than agents are asked twice and leases are renewed.
    const end = performance.now() + 12_000;
    while (performance.now() < end) {
      const { clusters } = (await after.get("/fleet")).body;
      const { items } = (await after.get("/agents")).body;
      expect([clusters[0].state, items[0].state, await answered(after, 2)]).toEqual(["ok", "ok", true]);
      for (const age of [clusters[0].seenMs, items[0].seenMs, items[0].announcedMs]) {
        expect(age).toBeGreaterThanOrEqual(0);
        expect(age).toBeLessThan(60_000);
      }
      await Bun.sleep(200);
    }
    const differences = [...(await agesOf({ client: after }))].map(([name, age]) => Math.abs(age - ages.get(name)!));
    figure(`server's clock set ${which}: ages differ by`, shownMs(Math.max(...differences)), "seconds");
    expect(Math.max(...differences)).toBeLessThan(120_000);
    for (const agent of [near, far]) expect(agent.log()).not.toMatch(/certificate renewed|not announced|not renewed/);

    // Certificates and invitations have dates: those are the server's, and what it makes now holds at once.
    const left = (await after.get("/agents")).body.items[0].certificateMs;
    expect(Math.abs(left - (certificateMs - off))).toBeLessThan(120_000);
    expect(await enrolledWith(server.url, "new-1", old)).toMatch(off > 0 ? /its time is over/ : /^enrolled$/);
    expect(await enrolledWith(server.url, "new-2", off > 0 ? await invite(after, "new-2") : never)).toBe("enrolled");
    const late = await fleet.start({ reach: "address" });
    await eventually(
      () => answered(after, 3),
      (all) => all,
    );
    expect(late.log()).toContain("enrolled");
  });
}

interface Login {
  code?: string;
  params?: Record<string, string>;
  accessToken?: string;
}

async function tryLogin(url: string, password: string): Promise<Login> {
  const answer = await fetch(`${url}/login`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ username: "admin", password }),
  });
  return (await answer.json()) as Login;
}
