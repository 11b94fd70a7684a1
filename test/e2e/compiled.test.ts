// The programs as they are shipped: built from a copy of the tree that is gone when they start, so that nothing they need
// can still lie where they were built.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdir, readdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { definitionOf, stub } from "../../src/contract/grpc.ts";
import { overGrpc } from "../../src/contract/grpc-channel.ts";
import { agentServices } from "../../src/contract/operation.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { startSandbox } from "../../src/sandbox/cluster.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { client, endAll, eventually, login, onEnd } from "../harness.ts";
import { startEtcd } from "../testbed/etcd.ts";
import { describePart } from "../testbed/part.ts";
import { freePorts, type ProcessGroup, processGroup, type RunningProcess } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";
import { newCli, temporaryFolder } from "./world.ts";

const root = join(import.meta.dirname, "../..");
const cluster = "far-1";

describePart("etcd", "the compiled programs, away from where they were built", () => {
  let programs: string;
  let group: ProcessGroup;
  let kubeconfig: string;

  beforeAll(async () => {
    programs = await builtElsewhere();
    group = await processGroup({ name: "compiled" });
    onEnd(() => group.stop());
    const sandbox = await startSandbox({ name: cluster, seed: calm });
    onEnd(() => sandbox.stop());
    kubeconfig = join(group.folder, "kubeconfig");
    await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  }, 300_000);
  afterAll(endAll);

  /** In a folder of its own, which is empty, with nothing of this environment. */
  async function start(name: string, program: string, flags: string[]): Promise<RunningProcess> {
    const cwd = join(group.folder, name);
    await mkdir(cwd);
    const env = { PATH: "/usr/bin:/bin", HOME: cwd };
    return group.start({ name, command: [join(programs, program), ...flags], cwd, env });
  }

  async function startServer(name: string, flags: string[]) {
    const [http, metrics] = (await freePorts(2)) as [number, number];
    const data = join(group.folder, `${name}-data`);
    const running = await start(name, "lizardcd-server", [
      ...["--data", data, "--http-addr", `127.0.0.1:${http}`, "--metrics-addr", `127.0.0.1:${metrics}`],
      ...flags,
    ]);
    const url = `http://127.0.0.1:${http}`;
    await untilAlive(running, async () => (await fetch(`${url}/readyz`)).ok, { what: `${name} to be ready` });
    const password = (await readFile(join(data, "first-password"), "utf8")).trim();
    return { url, data, password, running, metrics: `http://127.0.0.1:${metrics}` };
  }

  async function startAgent(name: string, flags: string[]) {
    const [port] = (await freePorts(1)) as [number];
    const running = await start(name, "lizardcd-agent", [
      ...["--kubeconfig", kubeconfig, "--grpc-addr", `127.0.0.1:${port}`, "--metrics-addr", "127.0.0.1:0"],
      ...flags,
    ]);
    return { running, address: `127.0.0.1:${port}` };
  }

  async function managed(server: { url: string; password: string; running: RunningProcess }, agent: RunningProcess) {
    const admin = await login(server.url, "admin", server.password);
    const answer = await eventually(
      () => admin.get("/fleet"),
      ({ body }) => body.clusters[0]?.state === "ok",
    ).catch((cause) => {
      throw new Error(`${cause.message}\nserver: ${server.running.log()}\nagent: ${agent.log()}`);
    });
    expect(answer.body.clusters[0]).toMatchObject({ name: cluster, simulated: true, workloads: 24 });
    return admin;
  }

  test("nothing of the copy is left", async () => {
    expect((await readdir(programs)).sort()).toEqual(["lizardcd", "lizardcd-agent", "lizardcd-server"]);
  });

  test("the server's own registry: enrolled, dialled out, trusted; pages, JSON and CLI answer", async () => {
    const server = await startServer("own-server", []);
    const token = ["--join-token-file", join(server.data, "join-token")];
    const agent = await startAgent("own-agent", ["--server", server.url, ...token]);
    const admin = await managed(server, agent.running);

    const cart = `/clusters/${cluster}/namespaces/shop/deployments/cart`;
    for (const path of ["/fleet", "/workloads", cart, "/audit", "/account", "/operations"]) {
      const page = await admin.page(path);
      expect([path, page.status]).toEqual([path, 200]);
      expect(page.body).toStartWith("<!doctype html>");
    }
    const { body } = await client(server.url, "").page("/login");
    const assets = [...new Set([...body.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path))];
    expect(assets.length).toBeGreaterThanOrEqual(4);
    for (const path of assets) {
      const asset = await fetch(server.url + path);
      expect([path, asset.status, (await asset.text()).length > 100]).toEqual([path, 200, true]);
    }
    expect((await client(server.url, "").get("/openapi.json")).body.openapi).toBe("3.1.0");
    expect(await (await fetch(`${server.metrics}/metrics`)).text()).toContain("lizardcd_");

    const cli = await newCli([join(programs, "lizardcd")]);
    expect((await cli(["login", server.url, "--password-stdin"], server.password)).code).toBe(0);
    const listed = await cli(["get", "workloads", "-c", cluster]);
    expect([listed.code, listed.err]).toEqual([0, ""]);
    expect(listed.out).toContain("deployments/cart");
    expect((await cli(["scale", "cart", "--replicas", "4", "-c", cluster, "-n", "shop"])).code).toBe(0);
    expect((await admin.get(cart)).body.row.desired).toBe(4);
    await agent.running.stop();
    await server.running.stop();
    for (const { log } of [server.running, agent.running]) expect(log()).not.toMatch(/ENOENT|Cannot find|error:/);
  }, 120_000);

  test("from nothing to a restarted Deployment in the three commands of docs/install.md", async () => {
    const home = join(group.folder, "three-home");
    await mkdir(join(home, ".kube"), { recursive: true });
    await cp(kubeconfig, join(home, ".kube/config"));
    const [http, metrics] = (await freePorts(2)) as [number, number];
    const url = `http://127.0.0.1:${http}`;
    const place = { CLUSTER: cluster, NAMESPACE: "shop", "deploy/web": "deploy/cart", "http://127.0.0.1:5117": url };
    const [serve, serveCluster, restart, ...more] = (await commandsOf("docs/install.md", "From nothing to")).map(
      (line) => Object.entries(place).reduce((text, [from, to]) => text.replaceAll(from, to), line),
    );
    expect([serve, serveCluster, restart].every(Boolean) && more.length === 0).toBe(true);

    const run = (name: string, line: string) => {
      const env = { PATH: "/usr/bin:/bin", HOME: home };
      return group.start({ name, command: ["bash", "-c", line], cwd: programs, env });
    };
    const ports = `--http-addr 127.0.0.1:${http} --metrics-addr 127.0.0.1:${metrics}`;
    const running = await run("three-server", `exec ${serve} ${ports}`);
    await untilAlive(running, async () => (await fetch(`${url}/readyz`)).ok, { what: "the server to be ready" });
    const agent = await run("three-agent", `exec ${serveCluster} --grpc-addr 127.0.0.1:0 --metrics-addr 127.0.0.1:0`);
    const password = (await readFile(join(home, ".local/share/lizardcd/first-password"), "utf8")).trim();
    const admin = await managed({ url, password, running }, agent);

    const current = async () => {
      const { body } = await admin.get(`/clusters/${cluster}/namespaces/shop/deployments/cart`);
      return body.revisions.find((one: { current: boolean }) => one.current).revision;
    };
    const before = await current();
    const env = { PATH: "/usr/bin:/bin", HOME: home };
    const child = Bun.spawn(["bash", "-c", restart!], { cwd: programs, env, stdout: "pipe", stderr: "pipe" });
    const said = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect([await child.exited, said[0]]).toEqual([0, expect.stringContaining(`Restarting shop/cart in ${cluster}.`)]);
    await eventually(current, (revision) => revision !== before);
    await agent.stop();
    await running.stop();
  }, 120_000);

  test("etcd: announced there, found there; health and reflection answer", async () => {
    const etcd = await startEtcd();
    onEnd(() => etcd.stop());
    const host = etcd.endpoint.replace("http://", "");
    const server = await startServer("etcd-server", ["--etcd-addr", host, "--embedded=false", "--insecure"]);
    const agent = await startAgent("etcd-agent", ["--etcd-host", host, "--insecure"]);
    await managed(server, agent.running);

    const channel = new grpc.Client(agent.address, grpc.credentials.createInsecure());
    onEnd(() => channel.close());
    const deadline = Date.now() + 20_000;
    expect((await stub(overGrpc(channel), Health).check({}, { deadline })).status).toBe(Status.SERVING);
    const names = await namesByReflection(channel, deadline);
    for (const { typeName } of [Health, ...Object.values(agentServices)]) expect(names).toContain(typeName);
    const info = await stub(overGrpc(channel), agentServices.agent).info({ cluster }, { deadline });
    expect(info.keys).toEqual([`lizardcd-agent.*.${cluster}`]);
    await agent.running.stop();
    await server.running.stop();
    for (const { log } of [server.running, agent.running]) expect(log()).not.toMatch(/ENOENT|Cannot find|error:/);
  }, 120_000);

  test("a registry of every other kind is loaded, also when nobody is there", async () => {
    for (const [kind, flags] of [
      ["consul", ["--consul-addr", "127.0.0.1:1"]],
      ["nacos", ["--nacos-addr", "127.0.0.1:1"]],
    ] as const) {
      const server = await startServer(`${kind}-server`, [...flags]);
      const admin = await login(server.url, "admin", server.password);
      const { body } = await eventually(
        () => admin.get("/registries"),
        (answer) =>
          answer.body.items.some((one: { kind: string; problem: string }) => one.kind === kind && one.problem),
      );
      const { problem } = body.items.find((one: { kind: string }) => one.kind === kind);
      expect([kind, problem]).toEqual([kind, expect.not.stringMatching(/Cannot find|ENOENT|not a function/)]);
      await server.running.stop();
    }
  }, 120_000);
});

/** The commands of the shell block after these words; what goes on in the next line is one. */
async function commandsOf(page: string, words: string): Promise<string[]> {
  const text = await readFile(join(root, page), "utf8");
  const [, block] = /```sh\n(.*?)```/s.exec(text.slice(text.indexOf(words))) ?? [];
  return block!
    .replaceAll(/\\\n\s*|(?<=&&)\n\s*/g, " ")
    .trim()
    .split("\n");
}

/** Builds in a copy with its own node_modules and takes the copy away. @returns the folder of the binaries */
async function builtElsewhere(): Promise<string> {
  const folder = await temporaryFolder();
  const copy = join(folder, "copy");
  await mkdir(copy);
  for (const name of ["src", "proto", "scripts", "package.json", "tsconfig.json", "bunfig.toml"]) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  // Links to the same files: a copy in no time, whose paths are the copy's. A symbolic link would lead back here.
  const [from, to] = [await realpath(join(root, "node_modules")), join(copy, "node_modules")];
  const linked = Bun.spawnSync(["cp", "-al", from, to], { stderr: "ignore" });
  // Another file system takes no links.
  if (!linked.success) await cp(from, to, { recursive: true, force: true });
  const script = 'import { buildPrograms } from "./scripts/build.ts"; await buildPrograms();';
  const build = Bun.spawn([process.execPath, "-e", script], { cwd: copy, stdout: "pipe", stderr: "pipe" });
  const said = await Promise.all([new Response(build.stdout).text(), new Response(build.stderr).text()]);
  if ((await build.exited) !== 0) throw new Error(`the programs cannot be built:\n${said.join("\n")}`);
  const programs = join(folder, "programs");
  await rename(join(copy, "dist"), programs);
  await rm(copy, { recursive: true, force: true });
  return programs;
}

/** The services that a gRPC server says it has. */
function namesByReflection(channel: grpc.Client, deadline: number): Promise<string[]> {
  const { path, requestSerialize, responseDeserialize } = definitionOf(ServerReflection).serverReflectionInfo!;
  const wire = channel.makeBidiStreamRequest<ServerReflectionRequest, ServerReflectionResponse>(
    path,
    requestSerialize,
    responseDeserialize,
    new grpc.Metadata(),
    { deadline },
  );
  return new Promise((resolve, reject) => {
    wire.on("error", reject);
    wire.on("data", ({ messageResponse: said }: ServerReflectionResponse) => {
      if (said.case !== "listServicesResponse") return reject(new Error(`reflection answers ${said.case}`));
      resolve(said.value.service.map(({ name }) => name));
      wire.end();
    });
    wire.write({
      $typeName: "grpc.reflection.v1.ServerReflectionRequest",
      host: "",
      messageRequest: { case: "listServices", value: "" },
    });
  });
}
