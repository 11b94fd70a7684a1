/** A real etcd, for registry tests. */
import { join } from "node:path";
import { provide } from "./build.ts";
import { freePorts, processGroup, type RunningProcess, signalProcess } from "./processes.ts";
import { untilAlive } from "./wait.ts";

export interface RealEtcd {
  /** Client URL, `http://127.0.0.1:<port>`; stays the same over a restart. */
  endpoint: string;
  /** Ends it and removes what it stored. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL; `restart` brings it back with what it stored. */
  kill(): Promise<void>;
  /** Freezes it: its connections stay open and answer nothing. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port and folder; ends it first if it runs. */
  restart(): Promise<void>;
}

/** @param options.fsync true writes through to the disk, as in production; default false */
export async function startEtcd(options: { fsync?: boolean } = {}): Promise<RealEtcd> {
  const { etcd } = await provide("etcd");
  const group = await processGroup({ name: "etcd", grace: 0 });
  const [client, peer] = (await freePorts(2)) as [number, number];
  const endpoint = `http://127.0.0.1:${client}`;
  const command = etcdCommand(etcd, join(group.folder, "member"), client, peer);
  if (!options.fsync) command.push("--unsafe-no-fsync");
  let running: RunningProcess;
  const start = async () => {
    running = await group.start({ name: "etcd", command });
    await ready(running, endpoint);
  };
  await start().catch(async (cause) => {
    await group.stop();
    throw cause;
  });
  return {
    endpoint,
    stop: () => group.stop(),
    kill: () => running.stop("SIGKILL"),
    pause: () => signalProcess(running.pid, "SIGSTOP"),
    resume: () => signalProcess(running.pid, "SIGCONT"),
    async restart() {
      await running.stop("SIGKILL");
      await start();
    },
  };
}

export function etcdCommand(program: string, folder: string, client: number, peer: number): string[] {
  const [clientUrl, peerUrl] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
  return [
    program,
    `--data-dir=${folder}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    "--log-level=warn",
  ];
}

async function ready(running: RunningProcess, endpoint: string) {
  await untilAlive(running, async () => (await fetch(`${endpoint}/health`, { signal: AbortSignal.timeout(2000) })).ok, {
    what: `etcd on ${endpoint} to be healthy`,
    interval: 20,
  });
}
