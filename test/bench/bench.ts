// What every part works with: compiled programs in a folder of their own, started in one process group that ends with
// the benchmark however it ends.
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { buildPrograms } from "../../scripts/build.ts";
import { freePorts, type ProcessGroup, processGroup, type RunningProcess } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";
import type { LoadResult, LoadSpec } from "./load.ts";
import type { StubSpec } from "./stub.ts";

export interface Bench {
  group: ProcessGroup;
  /** Runs a script of this folder; resolves with the last line it prints, read as JSON. */
  script<T>(file: string, argument: object): Promise<T>;
  /** @param options.authorityOf another server whose agents are this one's too: it signs by the same authority. */
  startServer(options?: { flags?: string[]; data?: string; authorityOf?: BenchServer }): Promise<BenchServer>;
  startAgent(options: { cluster: string; sandbox: BenchSandbox; server: BenchServer }): Promise<BenchAgent>;
  startSandbox(seed: string): Promise<BenchSandbox>;
  /** Stub agents whose certificates the server's authority signs; announced they are not. */
  startStub(server: BenchServer, spec?: Partial<Pick<StubSpec, "clusters" | "rows">>): Promise<BenchStub>;
  load(spec: LoadSpec): Promise<LoadResult>;
  stop(): Promise<void>;
}

export interface Started {
  process: RunningProcess;
  /** Milliseconds from the start of the process to its first good answer. */
  readyMs: number;
}

export interface BenchServer extends Started {
  url: string;
  metricsUrl: string;
  data: string;
  joinToken: string;
  /** Of a session of the user admin. */
  token: string;
  /** As admin. @throws Error for anything but 200. */
  get<T>(path: string): Promise<T>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Announces keys under an address in the embedded registry, as an agent does. */
  announce(instance: string, keys: string[], address: string): Promise<void>;
  withdraw(instance: string): Promise<void>;
}

export interface BenchAgent extends Started {
  address: string;
}

export interface BenchSandbox extends Started {
  kubeconfig: string;
}

export interface BenchStub {
  process: RunningProcess;
  addresses: string[];
}

/** Stub agents announce themselves once and do not renew. */
export const forStubs = { flags: ["--lease-time", "1h"] };

const root = join(import.meta.dir, "../..");
const bun = process.execPath;

export async function startBench(): Promise<Bench> {
  const group = await processGroup({ name: "bench", grace: 500 });
  const names = ["lizardcd-server", "lizardcd-agent"] as const;
  const programs = await buildPrograms({ root, out: join(group.folder, "bin"), names });
  let last = 0;
  const unique = (name: string) => `${name}-${++last}`;

  async function script<T>(file: string, argument: object): Promise<T> {
    const name = unique(file.replace(/\.tsx?$/, ""));
    const command = [bun, join(import.meta.dir, file), JSON.stringify(argument)];
    // From the root of the checkout, whose tsconfig.json says how markup is compiled.
    const started = await group.start({ name, command, cwd: root });
    const how = await started.exited;
    const line = started.log().trim().split("\n").at(-1) ?? "";
    if (how !== "0" || !line.startsWith("{")) throw new Error(`${name} ended (${how}): ${started.log().slice(-2_000)}`);
    return JSON.parse(line) as T;
  }

  async function startServer({
    flags = [],
    data,
    authorityOf,
  }: Parameters<Bench["startServer"]>[0] = {}): Promise<BenchServer> {
    const name = unique("server");
    const folder = data ?? join(group.folder, `${name}-data`);
    if (authorityOf) {
      for (const file of ["ca.crt", "ca.key"]) {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await copyFile(join(authorityOf.data, file), join(folder, file));
      }
    }
    const [port, metrics] = await freePorts(2);
    const url = `http://127.0.0.1:${port}`;
    const where = ["--http-addr", `127.0.0.1:${port}`, "--metrics-addr", `127.0.0.1:${metrics}`, "--data", folder];
    const command = [programs["lizardcd-server"]!, ...where, ...flags];
    const { process, readyMs } = await startTimed(name, command, `${url}/readyz`);
    const read = async (file: string) => (await Bun.file(join(folder, file)).text()).trim();
    const joinToken = await read("join-token");
    const login = await fetch(`${url}/login`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ username: "admin", password: await read("first-password") }),
    });
    const { accessToken: token } = (await login.json()) as { accessToken: string };
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(`${url}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });
    const instance = async (method: "PUT" | "DELETE", id: string, body?: object) => {
      const answer = await fetch(`${url}/discovery/instances/${id}`, {
        method,
        headers: { authorization: `Bearer ${joinToken}`, "content-type": "application/json" },
        body: body && JSON.stringify(body),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${id}: ${answer.status} ${text}`);
    };
    return {
      process,
      readyMs,
      url,
      metricsUrl: `http://127.0.0.1:${metrics}`,
      data: folder,
      joinToken,
      token,
      async get<T>(path: string) {
        const answer = await ask(path, { headers: { accept: "application/json" } });
        if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
        return (await answer.json()) as T;
      },
      fetch: ask,
      announce: (id, keys, address) => instance("PUT", id, { keys, address }),
      withdraw: (id) => instance("DELETE", id),
    };
  }

  async function startTimed(name: string, command: string[], url: string): Promise<Started> {
    const began = performance.now();
    const process = await group.start({ name, command });
    const readyMs = await untilAlive(
      process,
      async () => (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok && performance.now() - began,
      { what: `${name} to answer on ${url}`, interval: 3 },
    );
    return { process, readyMs };
  }

  async function startPrinting<T>(name: string, command: string[]): Promise<Started & { said: T }> {
    const began = performance.now();
    const process = await group.start({ name, command, cwd: root });
    const what = `${name} to say that it serves`;
    const line = await untilAlive(process, async () => /^\{.*\}$/m.exec(process.log())?.[0], { what, interval: 5 });
    return { process, readyMs: performance.now() - began, said: JSON.parse(line) as T };
  }

  return {
    group,
    script,
    startServer,
    async startAgent({ cluster, sandbox, server }) {
      const [port, metrics] = await freePorts(2);
      const address = `127.0.0.1:${port}`;
      const command = [programs["lizardcd-agent"]!, "--cluster", cluster, "--kubeconfig", sandbox.kubeconfig];
      command.push("--grpc-addr", address, "--metrics-addr", `127.0.0.1:${metrics}`);
      command.push("--server", server.url, "--join-token", server.joinToken);
      return { ...(await startTimed(unique("agent"), command, `http://127.0.0.1:${metrics}/readyz`)), address };
    },
    async startSandbox(seed) {
      const name = unique("sandbox");
      const kubeconfig = join(group.folder, `${name}.kubeconfig`);
      const flags = ["--seed", seed, "--still", "--kubeconfig-out", kubeconfig];
      return { ...(await startPrinting(name, [bun, join(root, "src/sandbox/main.ts"), ...flags])), kubeconfig };
    },
    async startStub({ data }, { clusters = ["stub"], rows = 10 } = {}) {
      const spec: StubSpec = { clusters, rows, data };
      const command = [bun, join(import.meta.dir, "stub.ts"), JSON.stringify(spec)];
      const { process, said } = await startPrinting<{ addresses: string[] }>(unique("stub"), command);
      return { process, addresses: said.addresses };
    },
    load: (spec) => script<LoadResult>("load.ts", spec),
    stop: () => group.stop(),
  };
}
