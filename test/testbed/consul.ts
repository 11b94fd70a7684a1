/** A real Consul: one server agent that is its own cluster, for registry tests. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { provide } from "./build.ts";
import { createAuthority, createServerCertificate } from "./certificates.ts";
import { freePorts, processGroup, type RunningProcess, signalProcess } from "./processes.ts";
import { untilAlive } from "./wait.ts";

export interface RealConsul {
  /** `http://127.0.0.1:<port>`, https where TLS was asked for; stays the same over a restart. */
  endpoint: string;
  /** The token that may do anything; with `acl` only. */
  token?: string;
  /** The CA that signed its certificate, PEM; with `tls` only. */
  ca?: string;
  /** Its HTTP API as the administrator; JSON where it answers JSON. @throws where it answers with an error */
  request<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  stop(): Promise<void>;
  /** Ends it with SIGKILL; `restart` brings it back, with what it stored if it is durable. */
  kill(): Promise<void>;
  /** Freezes it: its connections stay open and answer nothing. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same ports and folder; ends it first if it runs. */
  restart(): Promise<void>;
}

export interface ConsulOptions {
  /** Nobody may do anything without a token. */
  acl?: boolean;
  /** Its HTTP API speaks TLS only. */
  tls?: boolean;
  /** Keeps services and indexes over a restart, as a production server does; otherwise it comes back empty. */
  durable?: boolean;
}

export async function startConsul({ acl, tls, durable }: ConsulOptions = {}): Promise<RealConsul> {
  const { consul } = await provide("consul");
  const group = await processGroup({ name: "consul", grace: 0 });
  const [http, serf, server] = (await freePorts(3)) as [number, number, number];
  const endpoint = `${tls ? "https" : "http"}://127.0.0.1:${http}`;
  const token = acl ? crypto.randomUUID() : undefined;
  const ca = tls ? writeCertificates(group.folder) : undefined;
  writeFileSync(join(group.folder, "consul.json"), JSON.stringify(settings({ http, serf, server, token, tls })));
  const command = [consul, "agent", "-config-file", join(group.folder, "consul.json")];
  if (durable) mkdirSync(join(group.folder, "stored"));
  command.push(...(durable ? ["-server", "-bootstrap-expect=1", "-data-dir", join(group.folder, "stored")] : ["-dev"]));

  const request: RealConsul["request"] = async (method, path, body) => {
    const answer = await fetch(endpoint + path, {
      method,
      headers: token ? { "x-consul-token": token } : {},
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
      ...(ca ? { tls: { ca } } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text && answer.headers.get("content-type")?.startsWith("application/json") ? JSON.parse(text) : text;
  };

  let running: RunningProcess;
  const start = async () => {
    running = await group.start({ name: "consul", command });
    const registered = async () => (await request<unknown[]>("GET", "/v1/health/state/passing")).length > 0;
    await untilAlive(running, registered, { what: `Consul on ${endpoint} to have itself as a node`, interval: 20 });
  };
  await start().catch(async (cause) => {
    await group.stop();
    throw cause;
  });
  return {
    endpoint,
    token,
    ca,
    request,
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

function settings(chosen: { http: number; serf: number; server: number; token?: string; tls?: boolean }): object {
  const { http, serf, server, token, tls } = chosen;
  return {
    bind_addr: "127.0.0.1",
    client_addr: "127.0.0.1",
    log_level: "warn",
    disable_update_check: true,
    ports: {
      http: tls ? -1 : http,
      https: tls ? http : -1,
      serf_lan: serf,
      serf_wan: -1,
      server,
      dns: -1,
      grpc: -1,
      grpc_tls: -1,
    },
    // All agents of a test come from one address.
    limits: { http_max_conns_per_client: 0 },
    performance: { raft_multiplier: 1 },
    ...(token && {
      acl: { enabled: true, default_policy: "deny", tokens: { initial_management: token, agent: token } },
    }),
    ...(tls && { tls: { https: { cert_file: "server.crt", key_file: "server.key", verify_incoming: false } } }),
  };
}

/** @returns the CA, PEM */
function writeCertificates(folder: string): string {
  const authority = createAuthority("consul CA");
  const { cert, key } = createServerCertificate(authority, ["127.0.0.1", "localhost"]);
  writeFileSync(join(folder, "server.crt"), cert);
  writeFileSync(join(folder, "server.key"), key);
  return authority.cert;
}
