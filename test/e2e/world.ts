// A whole product in this process: a real server, real agents over real gRPC, on simulated or real clusters; and the
// CLI as a process of its own.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningAgent, startAgent } from "../../src/agent/server.ts";
import { announceToServer } from "../../src/discovery/server.ts";
import { log } from "../../src/process/log.ts";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../src/sandbox/cluster.ts";
import { eventually, login, onEnd, type TestServer } from "../harness.ts";
import { compiledPrograms } from "../testbed/programs.ts";
import { kubeFromFile } from "./agent.ts";

/** A cluster with its agent, as the server sees it. */
export interface AgentOfCluster {
  readonly agent: RunningAgent;
  /** The agent is gone, as if its machine were; its announcement stays. */
  lose(): Promise<void>;
  /** It is there again, at the same address. */
  back(): Promise<void>;
}

export interface SimulatedCluster extends AgentOfCluster {
  sandbox: Sandbox;
}

/**
 * An agent on this kubeconfig, announced to the server by what starts it and not by itself: so it can be lost.
 * Resolves when the server has heard of its workloads.
 */
export async function startAgentOn(
  server: TestServer,
  cluster: string,
  kubeconfig: string,
  labels: Record<string, string> = {},
): Promise<AgentOfCluster> {
  const start = async (listen: string) =>
    startAgent({
      kube: await kubeFromFile(kubeconfig),
      cluster,
      prefix: "",
      listen,
      labels,
      announcer: { name: "nobody", announce: async () => {} },
      log: log("agent"),
    });
  let agent = await start("127.0.0.1:0");
  const { address } = agent;
  let running = true;
  const one: AgentOfCluster = {
    get agent() {
      return agent;
    },
    async lose() {
      if (running) await agent.stop();
      running = false;
    },
    async back() {
      if (!running) agent = await start(address);
      running = true;
    },
  };
  onEnd(() => one.lose());
  server.announce(cluster, address);
  await known(server, cluster);
  return one;
}

/** The same, but the agent announces itself to the server, as a real one does. */
export async function startAnnouncedAgent(
  server: TestServer,
  cluster: string,
  kubeconfig: string,
): Promise<RunningAgent> {
  const agent = await startAgent({
    kube: await kubeFromFile(kubeconfig),
    cluster,
    prefix: "",
    listen: "127.0.0.1:0",
    labels: {},
    announcer: announceToServer({ server: server.url, joinToken: server.joinToken }),
    log: log("agent"),
  });
  onEnd(() => agent.stop());
  await known(server, cluster);
  return agent;
}

export async function startSimulated(
  server: TestServer,
  name: string,
  options: Omit<SandboxOptions, "name"> & { labels?: Record<string, string> },
): Promise<SimulatedCluster> {
  const { labels, ...rest } = options;
  const sandbox = await startSandbox({ name, ...rest });
  onEnd(() => sandbox.stop());
  const one = await startAgentOn(server, name, await temporaryFile("kubeconfig", sandbox.kubeconfig()), labels);
  return Object.assign(one, { sandbox });
}

async function known(server: TestServer, cluster: string): Promise<void> {
  await eventually(
    () => server.client.get("/fleet"),
    ({ body }) =>
      body.clusters.some((row: { name: string; state: string }) => row.name === cluster && row.state !== "unknown"),
  );
}

/** Takes connections and never says a word: the address of an agent that hangs. */
export async function startSilence(): Promise<string> {
  const server = createServer((socket) => socket.on("error", () => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => {
    server.close();
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-e2e-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function temporaryFile(name: string, text: string): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

export type Cli = (words: string[], input?: string) => Promise<Ran>;

/** The compiled CLI, with a configuration folder of its own. */
export async function newCli(program?: readonly string[]): Promise<Cli> {
  const command = program ?? [(await compiledPrograms()).lizardcd];
  const home = await temporaryFolder();
  return async (words, input) => {
    const child = Bun.spawn([...command, ...words], {
      // Nothing of this process's own environment says where to go or who asks.
      env: { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: join(home, "config"), LANG: "en_US.UTF-8" },
      cwd: home,
      stdin: input === undefined ? "ignore" : new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { code: await child.exited, out, err };
  };
}

/** Somebody who may look and not touch, logged in. */
export async function readonlyUser(server: TestServer, username = "reader") {
  const password = "only looks, never touches";
  await server.store.users.add({
    username,
    password: await Bun.password.hash(password, { algorithm: "argon2id", memoryCost: 1024, timeCost: 2 }),
    role: "readonly",
    firstPassword: false,
  });
  return { username, password, client: await login(server.url, username, password) };
}
