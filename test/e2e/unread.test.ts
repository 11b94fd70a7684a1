// An agent that has read nothing, or nothing yet: how its cluster is shown then, and what `--check` says before.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { enrolledIdentity } from "../../src/agent/identity.ts";
import type { Kube } from "../../src/agent/kube.ts";
import { startAgent } from "../../src/agent/server.ts";
import { announceToServer } from "../../src/discovery/server.ts";
import { log } from "../../src/process/log.ts";
import { startSandbox } from "../../src/sandbox/cluster.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import type { RealCluster } from "../testbed/cluster.ts";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { kubeFromFile } from "./agent.ts";
import { type Cli, newCli, temporaryFolder } from "./world.ts";

const root = join(import.meta.dir, "../..");
let server: TestServer;
let cli: Cli;

beforeAll(async () => {
  server = await startTestServer({ trust: { lifeMs: 86_400_000 } });
  cli = await newCli([process.execPath, join(root, "src/cli/main.ts")]);
  await cli(["login", server.url, "--username", "admin", "--password-stdin"], server.password);
});
afterAll(endAll);

const rowOf = async (cluster: string) =>
  (await server.client.get(`/fleet?q=${cluster}`)).body.clusters.find(({ name }: { name: string }) => name === cluster);

/** Enrolled, and announced by itself, as a real one is. */
async function enrolledAgent(cluster: string, kube: Kube, more: { only?: string[]; scopeEvery?: number } = {}) {
  const end = new AbortController();
  onEnd(() => end.abort());
  const identity = await enrolledIdentity({
    server: server.url,
    cluster,
    token: server.joinToken,
    log: log("trust"),
    signal: end.signal,
  });
  const agent = await startAgent({
    kube,
    cluster,
    prefix: "",
    listen: "127.0.0.1:0",
    labels: {},
    identity,
    announcer: announceToServer({ server: server.url, prove: identity.proof }),
    log: log("agent"),
    ...more,
  });
  onEnd(() => agent.stop());
  return agent;
}

describe("the first seconds of an agent", () => {
  test("are called reading, not stale, and count nothing until all is read; later what was known stays", async () => {
    const sandbox = await startSandbox({ name: "young", seed: calm });
    onEnd(() => sandbox.stop());
    const file = join(await temporaryFolder(), "kubeconfig");
    writeFileSync(file, sandbox.kubeconfig(), { mode: 0o600 });
    const states = new Set<string>();
    const watching = new AbortController();
    const watched = (async () => {
      while (!watching.signal.aborted) {
        const row = await rowOf("young");
        if (row) states.add(row.state === "ok" ? `ok ${row.workloads}` : row.state);
        await Bun.sleep(5);
      }
    })();
    const first = await held(file);
    const agent = await enrolledAgent("young", first.kube);
    const row = await eventually(
      () => rowOf("young"),
      (one) => one?.state === "reading",
    );
    expect([row.workloads, row.failure]).toEqual([0, undefined]);
    const page = (await server.client.page("/fleet")).body as string;
    const tile = /<li id="[^"]*" data-c="young">.*?<\/li>/s.exec(page)![0].replace(/<[^>]+>/g, " ");
    expect(tile).toMatch(/ \? .* Reading /s);
    expect((await server.client.get("/fleet?state=reading")).body.matching).toBe(1);
    expect((await server.client.get("/agents?cluster=young")).body.items[0].state).toBe("reading");
    first.release();
    const whole = await eventually(
      () => rowOf("young"),
      (one) => one?.state === "ok",
    );
    expect(whole.workloads).toBeGreaterThan(3);
    watching.abort();
    await watched;
    // "unknown" is before it was asked.
    expect([...states].toSorted()).toEqual(
      [`ok ${whole.workloads}`, "reading", "unknown"].filter((one) => states.has(one)),
    );

    await agent.stop();
    const again = await held(file);
    await enrolledAgent("young", again.kube);
    const reading = await eventually(
      () => rowOf("young"),
      (one) => one?.state === "reading",
    );
    expect([reading.workloads, reading.podsReady]).toEqual([whole.workloads, whole.podsReady]);
    again.release();
    await eventually(
      () => rowOf("young"),
      (one) => one?.state === "ok",
    );
  }, 60_000);

  /** Its lists wait until they are released. */
  async function held(kubeconfig: string): Promise<{ kube: Kube; release: () => void }> {
    const kube = await kubeFromFile(kubeconfig);
    const { promise, resolve } = Promise.withResolvers<void>();
    const pages: Kube["pages"] = async function* (...asked: Parameters<Kube["pages"]>) {
      await promise;
      yield* kube.pages(...asked);
    } as never;
    const waiting: Kube = Object.create(kube, { pages: { value: pages } });
    return { kube: waiting, release: resolve };
  }
});

describePart("kubernetes", "an agent that can serve nothing", () => {
  let real: RealCluster;
  let home: string;
  let powerless: string;
  let rightless: string;
  let away: string;
  beforeAll(async () => {
    real = await sharedCluster();
    home = await real.namespace();
    const account = await real.serviceAccount(home, "powerless", { in: [home], rules: [] });
    const nobody = await real.serviceAccount(home, "nobody", { in: [home], rules: [] });
    rightless = real.kubeconfig({ kind: "token", token: nobody.token, namespace: home });
    powerless = real.kubeconfig({ kind: "token", token: account.token, namespace: home });
    away = real.kubeconfig({ kind: "token", server: "https://127.0.0.1:1" });
  });

  const shows = async (cluster: string, code: string, words: RegExp) => {
    const row = await eventually(
      () => rowOf(cluster),
      (one) => one?.failure?.code === code,
    );
    expect([row.state, row.workloads]).toEqual(["unknown", 0]);
    expect(row.failure.message).toMatch(words);
    expect(row.enrolledMs).toBeGreaterThanOrEqual(0);
    const { body: fleet } = await server.client.get("/fleet");
    expect(fleet.answering).toBeLessThan(fleet.total);
    const page = ((await server.client.page("/fleet")).body as string).replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
    expect(page).toMatch(new RegExp(`${cluster} Nothing is known of it\\. Enrolled [^;]* ago; `));
    for (const words of [
      ["get", "clusters"],
      ["agents", "list", "--cluster", cluster],
      ["describe", "cluster", cluster],
    ]) {
      const { out } = await cli([...words, "-o", "wide"]);
      expect([words, out.replace(/\s+/g, " ")]).toEqual([words, expect.stringContaining("Enrolled ")]);
    }
    const agents = (await server.client.get(`/agents?cluster=${cluster}`)).body.items;
    expect(agents.map((one: { state: string; failure: { code: string } }) => [one.state, one.failure.code])).toEqual([
      ["degraded", code],
    ]);
  };

  test("since its account has no rights is shown with that, and is there when it is given some", async () => {
    await enrolledAgent("powerless", await kubeFromFile(powerless), { scopeEvery: 200 });
    await shows("powerless", "cluster.refused", new RegExp(`may not list and watch workloads .* nor in ${home}`));
    await real.serviceAccount(home, "powerless", {
      in: [home],
      rules: [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["list", "watch"] }],
    });
    const row = await eventually(
      () => rowOf("powerless"),
      (one) => one?.state === "ok",
    );
    expect([row.scope, row.failure]).toEqual([[home], undefined]);
  }, 60_000);

  test("since its kubeconfig names a wrong address is shown with that", async () => {
    await enrolledAgent("away", await kubeFromFile(away));
    await shows("away", "cluster.unreachable", /127\.0\.0\.1:1/);
  }, 60_000);

  test("in a namespace that is not there says so, beside the ones that are", async () => {
    const kube = await kubeFromFile(real.kubeconfig("token"));
    await enrolledAgent("half", kube, { only: [home, "no-such-place"] });
    const row = await eventually(
      () => rowOf("half"),
      (one) => one?.state === "degraded" && one.failure !== undefined,
    );
    expect(row.failure.message).toBe("namespace no-such-place not found in half");
    const namespaces = ["no-such-place", home];
    expect(row.keys).toEqual(namespaces.map((namespace) => `lizardcd-agent.${namespace}.half`));
    const page = ((await server.client.page("/fleet")).body as string).replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
    expect(page).toContain("half A part of it is missing. Namespace no-such-place not found in half");
  }, 60_000);

  test("hides nothing of what another agent of its cluster serves", async () => {
    await real.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "beside", namespace: home },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: "beside" } },
        template: {
          metadata: { labels: { app: "beside" } },
          spec: { containers: [{ name: "app", image: "registry.test/web:1" }] },
        },
      },
    });
    await enrolledAgent("beside", await kubeFromFile(real.kubeconfig("token")), { only: [home] });
    await enrolledAgent("beside", await kubeFromFile(rightless));
    const row = await eventually(
      () => rowOf("beside"),
      (one) => one?.failure !== undefined && one.workloads === 1,
    );
    expect([row.state, row.scope, row.agents]).toEqual(["degraded", [home], 2]);
    const { body } = await server.client.get("/workloads?cluster=beside");
    expect([body.total, body.unanswered]).toEqual([1, []]);
    expect((await server.client.get("/clusters/beside/summary")).body.workloads).toBe(1);
  }, 60_000);

  const check = async (kubeconfig: string, ...flags: string[]) => {
    const given = ["--check", "--kubeconfig", kubeconfig, "--cluster", "checked", "--insecure", "--server", server.url];
    const ports = ["--grpc-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--join-token", server.joinToken];
    const child = Bun.spawn([process.execPath, join(root, "src/agent/main.ts"), ...given, ...ports, ...flags], {
      stdout: "pipe",
      stderr: "pipe",
      env: { PATH: process.env.PATH, HOME: await temporaryFolder() },
    });
    const out = await new Response(child.stdout).text();
    return { code: await child.exited, line: /^.* {2}what may be read.*$/m.exec(out)?.[0] ?? out };
  };

  test("is found out by --check", async () => {
    const admin = real.kubeconfig("token");
    expect(await check(admin)).toEqual({ code: 0, line: "ok      what may be read: the whole cluster" });
    expect(await check(admin, "--namespaces", home)).toEqual({
      code: 0,
      line: `ok      what may be read: namespaces ${home}`,
    });
    const nowhere = await check(admin, "--namespaces", `${home},no-such-place`);
    expect(nowhere.code).not.toBe(0);
    expect(nowhere.line).toContain("failed  what may be read: namespace no-such-place not found in checked");
    for (const flags of [[], ["--namespaces", home]]) {
      const { code, line } = await check(rightless, ...flags);
      expect(code).not.toBe(0);
      expect(line).toMatch(
        /^failed {2}what may be read: .* its account may not list and watch workloads .*--namespaces$/,
      );
    }
    const { code, line } = await check(away);
    expect(code).not.toBe(0);
    expect(line).toContain("failed  what may be read: ");
    expect(readFileSync(away, "utf8")).toContain("127.0.0.1:1");
  }, 60_000);
});
