// The compiled programs, away from where they were built, with every registry at once.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Sandbox, startSandbox } from "../../src/sandbox/cluster.ts";
import { type RealConsul, startConsul } from "../testbed/consul.ts";
import { type RealEtcd, startEtcd } from "../testbed/etcd.ts";
import { type RealNacos, startNacos } from "../testbed/nacos.ts";
import { describePart } from "../testbed/part.ts";
import { freePorts, type ProcessGroup, processGroup, type RunningProcess } from "../testbed/processes.ts";
import { compiledPrograms, type Programs } from "../testbed/programs.ts";
import { until } from "../testbed/wait.ts";

const root = join(import.meta.dir, "../..");

for (const version of ["nacos2", "nacos3"] as const) {
  describePart(["etcd", "consul", version], `compiled programs and real registries, ${version} among them`, () =>
    compiledWith(version),
  );
}

function compiledWith(version: "nacos2" | "nacos3"): void {
  let group: ProcessGroup;
  let etcd: RealEtcd;
  let consul: RealConsul;
  let nacos: RealNacos;
  let sandbox: Sandbox;
  let server: RunningProcess;
  let url: string;
  let bin: string;
  const agents: Record<string, RunningProcess> = {};
  const file = (name: string) => join(group.folder, name);

  beforeAll(async () => {
    group = await processGroup({ name: "registries" });
    let programs: Pick<Programs, "lizardcd-server">;
    [etcd, consul, nacos, sandbox, programs] = await Promise.all([
      startEtcd(),
      startConsul({ acl: true, tls: true }),
      startNacos(version, { auth: true }),
      startSandbox({ name: "simulated", seed: { namespaces: [] } }),
      version === "nacos2" ? compiledElsewhere() : compiledPrograms(),
    ]);
    bin = dirname(programs["lizardcd-server"]);
    mkdirSync(file("empty"));
    const secrets = { kubeconfig: sandbox.kubeconfig(), token: consul.token, ca: consul.ca, password: nacos.password };
    for (const [name, text] of Object.entries(secrets)) writeFileSync(file(name), text!, { mode: 0o600 });
    const registries = {
      etcd: [["--etcd-host", etcd.endpoint], ["--etcd-addr", etcd.endpoint], []],
      consul: [
        ["--consul-host", consul.endpoint],
        ["--consul-addr", consul.endpoint],
        ["--consul-token-file", file("token"), "--consul-ca", file("ca")],
      ],
      nacos: [
        ["--nacos-host", nacos.endpoint],
        ["--nacos-addr", nacos.endpoint],
        ["--nacos-username", nacos.username!, "--nacos-password-file", file("password")],
      ],
    } satisfies Record<string, [string[], string[], string[]]>;
    const watched = Object.values(registries).flatMap(([, address, credentials]) => [...address!, ...credentials!]);
    server = await run(
      "lizardcd-server",
      "server",
      ["--http-addr", "--metrics-addr"],
      [...["--data", file("data"), "--service-prefix", "team."], ...watched],
    );
    for (const [name, [host, , credentials]] of Object.entries(registries)) {
      agents[name] = await run(
        "lizardcd-agent",
        name,
        ["--grpc-addr", "--metrics-addr"],
        [
          ...["--kubeconfig", file("kubeconfig"), "--cluster", `by-${name}`, "--service-prefix", "team."],
          ...[...host!, ...credentials!],
        ],
      );
    }
    await until(() => server.log().includes("server serves"), { what: "the server to serve" });
    url = /url=(\S+)/.exec(server.log())![1]!;
  });
  afterAll(async () => {
    await Promise.all([group, etcd, consul, nacos, sandbox].map((one) => one?.stop()));
  });

  /** From a copy that is gone when they run: what a program still looks for there is missed. */
  async function compiledElsewhere(): Promise<Pick<Programs, "lizardcd-server">> {
    const copy = file("copy");
    for (const name of ["package.json", "tsconfig.json", "src", "scripts"]) {
      cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    // Half a gigabyte: hard links where the file system has them.
    const modules = [join(root, "node_modules"), join(copy, "node_modules")];
    const linked = Bun.spawnSync(["cp", "-al", ...modules]).exitCode === 0;
    if (!linked) cpSync(modules[0]!, modules[1]!, { recursive: true, verbatimSymlinks: true, force: true });
    const script = `
      const { buildPrograms } = await import(${JSON.stringify(join(copy, "scripts/build.ts"))});
      await buildPrograms({ out: ${JSON.stringify(file("bin"))}, names: ["lizardcd-server", "lizardcd-agent"] });`;
    const build = await group.start({ name: "build", command: [process.execPath, "-e", script], cwd: copy });
    if ((await build.exited) !== "0") throw new Error(build.log());
    rmSync(copy, { recursive: true });
    return { "lizardcd-server": file("bin/lizardcd-server") };
  }

  async function run(program: string, name: string, addresses: string[], flags: string[]): Promise<RunningProcess> {
    const ports = await freePorts(addresses.length);
    const listen = addresses.flatMap((flag, index) => [flag, `127.0.0.1:${ports[index]}`]);
    return group.start({
      name,
      command: [join(bin, program), "--insecure", ...listen, ...flags],
      cwd: file("empty"),
      env: { HOME: file("empty"), PATH: "/usr/bin:/bin" },
    });
  }

  async function ask<T>(path: string, body?: object): Promise<T> {
    const answer = await fetch(url + path, {
      method: body ? "POST" : "GET",
      headers: { accept: "application/json", "content-type": "application/json", ...(await authorization(path)) },
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  let token: string | undefined;
  async function authorization(path: string): Promise<Record<string, string>> {
    if (path === "/login") return {};
    const password = readFileSync(file("data/first-password"), "utf8").trim();
    token ??= (await ask<{ accessToken: string }>("/login", { username: "admin", password })).accessToken;
    return { authorization: `Bearer ${token}` };
  }

  type Fleet = { clusters: { name: string; state: string }[] };
  type Registries = { items: { name: string; problem: string }[] };

  test("a cluster is found through each of them, and its agent answers", async () => {
    const found = async () => {
      const { clusters } = await ask<Fleet>("/fleet");
      return clusters.filter(({ state }) => state !== "unknown" && state !== "lost").map(({ name }) => name);
    };
    await until(async () => (await found()).length === 3, { what: `three clusters; ${server.log()}` });
    expect((await found()).sort()).toEqual(["by-consul", "by-etcd", "by-nacos"]);
  });

  test("while a registry is away, calls to the agents it named go on, and the others are not touched", async () => {
    await Promise.all([consul.kill(), nacos.kill(), etcd.kill()]);
    const silent = async () => {
      const { items } = await ask<Registries>("/registries");
      return items.filter(({ problem }) => problem).map(({ name }) => name);
    };
    await until(async () => (await silent()).length === 3, { what: "three silent registries" });
    for (const name of ["by-consul", "by-etcd", "by-nacos"]) await ask(`/clusters/${name}/namespaces`);
    await Promise.all([consul.restart(), nacos.restart(), etcd.restart()]);
    await until(async () => (await silent()).length === 0, { what: "three registries that answer" });
    for (const name of ["by-consul", "by-etcd", "by-nacos"]) await ask(`/clusters/${name}/namespaces`);
  });

  test("agents that stop withdraw themselves", async () => {
    await Promise.all(Object.values(agents).map((agent) => agent.stop()));
    type Agents = { items: { instances: object[] }[] };
    const left = async () => (await ask<Agents>("/agents")).items.flatMap(({ instances }) => instances).length;
    await until(async () => (await left()) === 0, { what: "no agents" });
  });

  test("no secret is logged, and two registries for one agent are refused in a sentence", async () => {
    const logs = [server, ...Object.values(agents)].map((one) => one.log()).join("\n");
    for (const secret of [nacos.password!, consul.token!]) expect(logs).not.toContain(secret);
    const both = await run("lizardcd-agent", "both", [], ["--etcd-host", "a:1", "--consul-host", "b:1"]);
    expect(await both.exited).not.toBe("0");
    expect(both.log()).toContain("--etcd-host and --consul-host are 2 registries");
  });
}
