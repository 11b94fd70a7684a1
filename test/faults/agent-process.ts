// Real agents as processes of their own, on simulated clusters: what can be killed, stopped and cut off.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Sandbox, startSandbox } from "../../src/sandbox/cluster.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { onEnd, type TestServer } from "../harness.ts";
import { freePorts, type ProcessGroup, processGroup, type RunningProcess } from "../testbed/processes.ts";
import { compiledPrograms } from "../testbed/programs.ts";

const source = join(import.meta.dirname, "../../src/agent/main.ts");

export interface AgentProcess extends RunningProcess {
  /** Where its gRPC server listens. */
  address: string;
}

export interface Fleet {
  sandbox: Sandbox;
  /** Starts one; it announces its address to the server, or what `announceAt` says instead. */
  start(options?: AgentProcessOptions): Promise<AgentProcess>;
}

export interface AgentProcessOptions {
  announceAt?: (address: string) => Promise<string>;
  reach?: "address" | "tunnel";
  /** Enrolls with it instead of the join token, which it is not given then. */
  token?: string;
  /** Runs before the program: "./clock.ts". */
  preload?: string;
  env?: Record<string, string>;
}

/** A server, in this process or another. */
export type Place = Pick<TestServer, "url" | "data"> & { trust?: unknown };

/** Agents of one simulated cluster, under one key each, mutual TLS where the server has it. */
export async function agentFleet(server: Place, cluster: string): Promise<Fleet> {
  const sandbox = await startSandbox({ name: cluster, seed: calm });
  onEnd(() => sandbox.stop());
  const group: ProcessGroup = await processGroup({ name: "agents", grace: 0 });
  onEnd(() => group.stop());
  const kubeconfig = join(group.folder, "kubeconfig");
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  let count = 0;
  return {
    sandbox,
    async start({ announceAt, reach = "address", token, preload, env = {} } = {}) {
      const [port] = await freePorts(1);
      const address = `127.0.0.1:${port}`;
      const flags = {
        kubeconfig,
        cluster,
        server: server.url,
        reach,
        ...(token
          ? { token, identity: join(group.folder, `identity-${count}.pem`) }
          : { "join-token-file": join(server.data, "join-token") }),
        "grpc-addr": address,
        "announce-addr": announceAt ? await announceAt(address) : address,
        "metrics-addr": "127.0.0.1:0",
      };
      const started = await group.start({
        name: `agent-${++count}`,
        command: [
          // What is loaded before it can be loaded into the source alone.
          ...(preload
            ? [process.execPath, "--preload", join(import.meta.dirname, preload), source]
            : [(await compiledPrograms())["lizardcd-agent"]]),
          ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
          ...(server.trust ? [] : ["--insecure"]),
        ],
        env: { ...process.env, ...env },
      });
      return { ...started, address };
    },
  };
}
