/** A real etcd, for registry tests: one member, or several that are one store. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { provide } from "./build.ts";
import { createAuthority, createClientCertificate, createServerCertificate } from "./certificates.ts";
import { freePorts, type ProcessGroup, processGroup, type RunningProcess, signalProcess } from "./processes.ts";
import { untilAlive } from "./wait.ts";

export interface EtcdMember {
  /** Client URL, `http://127.0.0.1:<port>`, https where TLS was asked for; stays the same over a restart. */
  endpoint: string;
  /** Ends it with SIGKILL; `restart` brings it back with what it stored. */
  kill(): Promise<void>;
  /** Freezes it: its connections stay open and answer nothing. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port and folder; ends it first if it runs. `empty`: what it stored is lost. */
  restart(options?: { empty?: boolean }): Promise<void>;
}

export interface RealEtcd extends EtcdMember {
  /** PEM: the CA that signed its certificate, and a client's certificate that it accepts; with `tls` only. */
  tls?: { ca: string; cert: string; key: string };
  /** Ends it and removes what it stored. */
  stop(): Promise<void>;
}

export interface EtcdCluster {
  members: EtcdMember[];
  /** The member that leads, asked of one that runs. */
  leader(ask?: EtcdMember): Promise<EtcdMember>;
  /** The leader hands over to a member of one's choice. */
  moveLeader(to: EtcdMember): Promise<void>;
  stop(): Promise<void>;
}

export interface EtcdOptions {
  /** Writes through to the disk, as in production. */
  fsync?: boolean;
  /** Speaks TLS only, under these names, and only with who shows a certificate of its CA. */
  tls?: { names: string[] };
}

export async function startEtcd({ fsync, tls }: EtcdOptions = {}): Promise<RealEtcd> {
  const { etcd } = await provide("etcd");
  const group = await processGroup({ name: "etcd", grace: 0 });
  const [client, peer] = (await freePorts(2)) as [number, number];
  const command = etcdCommand(etcd, join(group.folder, "member"), client, peer, tls ? "https" : "http");
  if (!fsync) command.push("--unsafe-no-fsync");
  const certificates = tls && writeCertificates(group.folder, tls.names);
  if (certificates) command.push("--client-cert-auth", "--trusted-ca-file=ca.crt");
  if (certificates) command.push("--cert-file=server.crt", "--key-file=server.key");
  const { start, ...member } = memberOf(group, "member", command, client, certificates);
  await startOr(group, start);
  return { ...member, tls: certificates, stop: () => group.stop() };
}

export async function startEtcdCluster(size = 3): Promise<EtcdCluster> {
  const { etcd } = await provide("etcd");
  const group = await processGroup({ name: "etcd", grace: 0 });
  const ports = await freePorts(size * 2);
  const names = Array.from({ length: size }, (_, index) => `m${index}`);
  const all = names.map((name, index) => `${name}=http://127.0.0.1:${ports[size + index]}`).join(",");
  const members = names.map((name, index) => {
    const command = etcdCommand(etcd, join(group.folder, name), ports[index]!, ports[size + index]!);
    const joined = command.filter((flag) => !flag.startsWith("--initial-cluster="));
    // Elections as fast as one machine allows.
    joined.push(`--name=${name}`, `--initial-cluster=${all}`, "--heartbeat-interval=50", "--election-timeout=500");
    return memberOf(group, name, [...joined, "--unsafe-no-fsync"], ports[index]!);
  });
  await startOr(group, () => Promise.all(members.map(({ start }) => start())));
  const status = async ({ endpoint }: EtcdMember) => {
    const answer = await fetch(`${endpoint}/v3/maintenance/status`, {
      method: "POST",
      body: "{}",
      signal: AbortSignal.timeout(2_000),
    });
    return (await answer.json()) as { header: { member_id: string }; leader: string };
  };
  const leader: EtcdCluster["leader"] = async (ask = members[0]!) => {
    const { leader } = await status(ask);
    for (const member of members) {
      const found = await status(member).catch(() => undefined);
      if (found?.header.member_id === leader) return member;
    }
    throw new Error("no member that runs leads");
  };
  return {
    members,
    leader,
    async moveLeader(to) {
      const { header } = await status(to);
      const answer = await fetch(`${(await leader(to)).endpoint}/v3/maintenance/transfer-leadership`, {
        method: "POST",
        body: JSON.stringify({ targetID: header.member_id }),
      });
      if (!answer.ok) throw new Error(`transfer-leadership: ${answer.status} ${await answer.text()}`);
    },
    stop: () => group.stop(),
  };
}

export function etcdCommand(
  program: string,
  folder: string,
  client: number,
  peer: number,
  scheme: "http" | "https" = "http",
): string[] {
  const [clientUrl, peerUrl] = [`${scheme}://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
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

function memberOf(
  group: ProcessGroup,
  name: string,
  command: string[],
  port: number,
  tls?: RealEtcd["tls"],
): EtcdMember & { start(): Promise<void> } {
  const endpoint = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
  let running: RunningProcess;
  const healthy = async () => {
    // Its certificate may be for another name than this.
    const secure = tls && { tls: { ...tls, checkServerIdentity: () => undefined } };
    return (await fetch(`${endpoint}/health`, { signal: AbortSignal.timeout(2_000), ...secure })).ok;
  };
  const start = async () => {
    running = await group.start({ name, command });
    await untilAlive(running, healthy, { what: `etcd on ${endpoint} to be healthy`, interval: 20 });
  };
  return {
    endpoint,
    start,
    kill: () => running.stop("SIGKILL"),
    pause: () => signalProcess(running.pid, "SIGSTOP"),
    resume: () => signalProcess(running.pid, "SIGCONT"),
    async restart({ empty } = {}) {
      await running.stop("SIGKILL");
      if (empty) rmSync(join(group.folder, name), { recursive: true });
      await start();
    },
  };
}

async function startOr(group: ProcessGroup, start: () => Promise<unknown>): Promise<void> {
  try {
    await start();
  } catch (cause) {
    await group.stop();
    throw cause;
  }
}

/** The server's into its folder; @returns a client's */
function writeCertificates(folder: string, names: string[]): NonNullable<RealEtcd["tls"]> {
  const authority = createAuthority("etcd CA");
  const server = createServerCertificate(authority, names);
  const { cert, key } = createClientCertificate(authority, "lizardcd");
  writeFileSync(join(folder, "ca.crt"), authority.cert);
  writeFileSync(join(folder, "server.crt"), server.cert);
  writeFileSync(join(folder, "server.key"), server.key);
  return { ca: authority.cert, cert, key };
}
