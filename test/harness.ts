// A real server in this process, on free ports, with its store in memory and a data folder of its own.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryRegistry } from "../src/discovery/memory.ts";
import { log } from "../src/process/log.ts";
import { openDataFolder } from "../src/server/data.ts";
import { type RunningServer, type ServerOptions, startServer } from "../src/server/server.ts";

export interface TestServer extends RunningServer {
  registry: ReturnType<typeof memoryRegistry>;
  password: string;
  /** A JSON client that is logged in as admin. */
  client: Client;
  /** Announces an address under the key of a cluster. */
  announce(cluster: string, address: string, namespace?: string): () => Promise<void>;
  data: string;
}

export interface Answered {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  body: any;
}

export interface Client {
  token: string;
  get(path: string, headers?: Record<string, string>): Promise<Answered>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answered>;
  /** A page as a browser asks for it, without following where it points. */
  page(
    path: string,
    options?: { method?: string; form?: Record<string, string>; headers?: Record<string, string> },
  ): Promise<Answered>;
}

const ends: (() => Promise<unknown> | unknown)[] = [];

/** Ends what the test began, last first; call it from afterEach or afterAll. */
export async function endAll(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

export function onEnd(end: () => Promise<unknown> | unknown): void {
  ends.push(end);
}

/** @param tls whom to trust where the server speaks TLS. */
export async function startTestServer(
  options: Partial<ServerOptions> = {},
  tls: { ca?: string } = {},
): Promise<TestServer> {
  const data = await mkdtemp(join(tmpdir(), "lizardcd-test-"));
  onEnd(() => rm(data, { recursive: true, force: true }));
  const registry = memoryRegistry();
  const server = await startServer({
    http: { host: "127.0.0.1", port: 0 },
    data: await openDataFolder(data),
    store: ":memory:",
    prefix: "",
    sources: [registry.source()],
    embedded: { leaseMs: 10_000 },
    expire: 86_400,
    timeoutMs: 5_000,
    maxConnections: 500,
    idleMs: 60_000,
    summaryMs: 200,
    version: "0.0.0-test",
    insecure: false,
    log,
    ...options,
  });
  onEnd(() => server.stop());
  const password = server.firstPassword!;
  return {
    ...server,
    registry,
    password,
    data,
    client: await login(server.url, "admin", password, tls),
    announce(cluster, address, namespace = "*") {
      const stop = new AbortController();
      const key = `lizardcd-agent.${namespace}.${cluster}`;
      const done = registry
        .announcer()
        .announce({ keys: [key], via: { address }, instance: crypto.randomUUID() }, stop.signal);
      const withdraw = async () => {
        stop.abort();
        await done;
      };
      onEnd(withdraw);
      return withdraw;
    },
  };
}

export async function login(
  url: string,
  username: string,
  password: string,
  tls: { ca?: string } = {},
): Promise<Client> {
  const answer = await fetch(`${url}/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password }),
    tls,
  } as RequestInit);
  const { accessToken } = (await answer.json()) as { accessToken: string };
  return client(url, accessToken, tls);
}

export function client(url: string, token: string, tls: { ca?: string } = {}): Client {
  const ask = (path: string, init: RequestInit) => answered(path, { ...init, tls } as RequestInit);
  const bearer: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  return {
    token,
    get: (path, headers) => ask(`${url}${path}`, { headers: { ...bearer, accept: "application/json", ...headers } }),
    post: (path, body, headers) =>
      ask(`${url}${path}`, {
        method: "POST",
        headers: { ...bearer, accept: "application/json", "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    page: (path, { method = "GET", form, headers } = {}) =>
      ask(`${url}${path}`, {
        method: form ? "POST" : method,
        headers: {
          // Under either name: a server that people reach over TLS takes the second alone.
          ...(token ? { cookie: `lizardcd_session=${token}; __Host-lizardcd_session=${token}` } : {}),
          accept: "text/html,application/xhtml+xml",
          "sec-fetch-site": "same-origin",
          ...headers,
        },
        body: form && new URLSearchParams(form),
        redirect: "manual",
      }),
  };
}

async function answered(url: string, init: RequestInit): Promise<Answered> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  const json = answer.headers.get("content-type")?.startsWith("application/json");
  return { status: answer.status, headers: answer.headers, body: json ? JSON.parse(text) : text };
}

/** Asks again until the answer is right; fails with the last one after a generous while. */
export async function eventually<T>(ask: () => Promise<T> | T, right: (value: T) => boolean, ms = 20_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await ask();
    if (right(value)) return value;
    if (Date.now() > end) throw new Error(`not so within ${ms} ms; at last: ${JSON.stringify(value)?.slice(0, 2_000)}`);
    await Bun.sleep(25);
  }
}
