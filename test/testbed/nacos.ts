/** A real Nacos, 2.5 or 3.1: one standalone server, for registry tests. */
import { randomBytes } from "node:crypto";
import { provide } from "./build.ts";
import { freePorts, processGroup, type RunningProcess, signalProcess } from "./processes.ts";
import { until, untilAlive } from "./wait.ts";

export type NacosPart = "nacos2" | "nacos3";

export interface RealNacos {
  part: NacosPart;
  /** `http://127.0.0.1:<port>`; its gRPC port is 1000 higher. Stays the same over a restart. */
  endpoint: string;
  /** The administrator; with `auth` only. */
  username?: string;
  password?: string;
  /** Its HTTP API as the administrator, parameters in the query. @throws where it answers with an error */
  request<T = unknown>(method: string, path: string, query?: Record<string, string>): Promise<T>;
  stop(): Promise<void>;
  /** Ends it with SIGKILL; ephemeral instances are forgotten, `restart` brings the rest back. */
  kill(): Promise<void>;
  /** Freezes it: its connections stay open and answer nothing. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same ports and folder; ends it first if it runs. */
  restart(): Promise<void>;
}

const shared = new Map<NacosPart, Promise<RealNacos>>();

/** One server of each version for all test files of this process; it ends with the process. */
export function sharedNacos(part: NacosPart): Promise<RealNacos> {
  const running = shared.get(part) ?? startNacos(part);
  shared.set(part, running);
  return running;
}

export interface NacosOptions {
  /** Nobody may do anything without user and password. */
  auth?: boolean;
  /** How long a login lasts; 18,000 unless said otherwise. */
  tokenSeconds?: number;
}

export async function startNacos(part: NacosPart, options: NacosOptions = {}): Promise<RealNacos> {
  const { java, jar } = await provide(part);
  const group = await processGroup({ name: part, grace: 0 });
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const command = [java, ...machineOptions(group.folder), ...serverOptions(part, port, options), "-jar", jar];
  const credentials = options.auth ? { username: "nacos", password: `pass-${crypto.randomUUID()}` } : undefined;

  const request: RealNacos["request"] = async (method, path, query = {}) => {
    const token = credentials && (await login(endpoint, credentials));
    const answer = await fetch(`${endpoint}${path}?${new URLSearchParams(query)}`, {
      method,
      headers: token ? { accessToken: token } : {},
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text && answer.headers.get("content-type")?.startsWith("application/json") ? JSON.parse(text) : text;
  };

  let running: RunningProcess;
  const start = async () => {
    running = await group.start({ name: part, command });
    const ready = async () => (await fetch(`${endpoint}/nacos/v1/ns/operator/metrics`)).ok;
    await untilAlive(running, ready, { what: `${part} on ${endpoint} to be ready`, timeout: 90_000, interval: 100 });
  };
  try {
    await start();
    if (credentials) await createAdministrator(part, endpoint, credentials);
  } catch (cause) {
    await group.stop();
    throw cause;
  }
  return {
    part,
    endpoint,
    ...credentials,
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

/** The server also takes the ports 1000 below, 1000 above and 1001 above. */
async function freePort(): Promise<number> {
  for (;;) {
    const [port] = (await freePorts(1)) as [number];
    if (port > 19_000 && port < 30_900) return port;
  }
}

function machineOptions(home: string): string[] {
  return [
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    `-Duser.home=${home}`,
    `-Djava.io.tmpdir=${home}`,
    `-Dnacos.home=${home}`,
    `-Dnacos.logs.path=${home}/logs`,
  ];
}

function serverOptions(part: NacosPart, port: number, { auth, tokenSeconds = 18_000 }: NacosOptions): string[] {
  const options = [
    "-Dnacos.standalone=true",
    "-Dnacos.functionMode=naming",
    "-Dnacos.inetutils.ip-address=127.0.0.1",
    // HTTP's; gRPC's cannot be bound to one address.
    "-Dserver.address=127.0.0.1",
    // Its database may take longer to open on a busy machine than the 3 s it is given.
    "-Ddb.pool.config.connectionTimeout=60000",
    `-D${part === "nacos2" ? "server.port" : "nacos.server.main.port"}=${port}`,
  ];
  if (!auth) return options;
  return [
    ...options,
    "-Dnacos.core.auth.enabled=true",
    "-Dnacos.core.auth.server.identity.key=testbed",
    `-Dnacos.core.auth.server.identity.value=${crypto.randomUUID()}`,
    `-Dnacos.core.auth.plugin.nacos.token.expire.seconds=${tokenSeconds}`,
    `-Dnacos.core.auth.plugin.nacos.token.secret.key=${randomBytes(48).toString("base64")}`,
    ...(part === "nacos3" ? ["-Dnacos.core.auth.admin.enabled=true"] : []),
  ];
}

interface Credentials {
  username: string;
  password: string;
}

async function createAdministrator(part: NacosPart, endpoint: string, credentials: Credentials): Promise<void> {
  const path = part === "nacos2" ? "/nacos/v1/auth/users/admin" : "/nacos/v3/auth/user/admin";
  const body = new URLSearchParams({ password: credentials.password });
  const answer = await fetch(endpoint + path, { method: "POST", body });
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
  // Users are read again every 15 s.
  await until(() => login(endpoint, credentials), { what: `${part} to know its administrator`, interval: 500 });
}

async function login(endpoint: string, { username, password }: Credentials): Promise<string> {
  const body = new URLSearchParams({ username, password });
  const answer = await fetch(`${endpoint}/nacos/v1/auth/login`, { method: "POST", body });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`login: ${answer.status} ${text}`);
  return (JSON.parse(text) as { accessToken: string }).accessToken;
}
