// The running server: store, pool, summaries, pages and metrics, put together and taken apart.
import { readFileSync } from "node:fs";
import type { Source } from "../discovery/discovery.ts";
import { embeddedRegistry } from "../discovery/server.ts";
import { type KnownHosts, knownHosts } from "../process/known-hosts.ts";
import { notListening, probe } from "../process/listen.ts";
import type { Log } from "../process/log.ts";
import { isLoopback } from "../process/settings.ts";
import { admission } from "./admission.ts";
import { createApp, unknownHost } from "./app.ts";
import { createAudit } from "./audit.ts";
import { keepAuditFor } from "./audit-retention.ts";
import { createAuth } from "./auth.ts";
import { type TrustedProxies, trustedProxies } from "./caller-address.ts";
import { connections } from "./connection.ts";
import type { DataFolder } from "./data.ts";
import { createDirectory } from "./directory.ts";
import { listen } from "./http.ts";
import { createHttpCa } from "./http-ca.ts";
import { createMetrics } from "./metrics.ts";
import { hashPassword } from "./passwords.ts";
import { createPool, cutProblem, type Pool } from "./pool.ts";
import { registriesOutside } from "./registered.ts";
import { enrollsOf } from "./registered-live.ts";
import { openRemembered } from "./remembered.ts";
import { sessionCookie } from "./session-cookie.ts";
import { openStore, type Store } from "./store/store.ts";
import { createSummaries, type Summaries } from "./summaries.ts";
import { createTrust, type Trust, type TrustOptions } from "./trust.ts";
import { createTunnels } from "./tunnel.ts";
import { createWatches } from "./watches.ts";

export interface ServerOptions {
  http: {
    host: string;
    port: number;
    tls?: { cert: string; key: string };
    /** File with the CA of that certificate, or of the proxy's before it. */
    ca?: string;
    /** Further names it answers to. */
    hosts?: readonly string[];
    /** Whose word on a caller's address is believed. */
    trustedProxies?: TrustedProxies;
  };
  metrics?: { host: string; port: number };
  data: DataFolder;
  /** SQLite file, or ":memory:". */
  store: string;
  prefix: string;
  /** Registries beside the embedded one. */
  sources: Source[];
  /** Agents may announce themselves here; milliseconds an announcement holds. */
  embedded?: { leaseMs: number };
  /** Mutual TLS with agents; without it calls to them are plaintext. */
  trust?: Pick<TrustOptions, "lifeMs" | "given">;
  /** Instead of the ones that the data folder keeps. */
  secret?: string;
  joinToken?: string;
  /** Seconds a session lives. */
  expire: number;
  /** Milliseconds an entry of the audit is kept; undefined for ever. */
  auditKeepMs?: number;
  timeoutMs: number;
  maxConnections: number;
  idleMs: number;
  /** Told of each connection to an agent that is closed. */
  onConnectionClosed?: () => void;
  /** Milliseconds between two questions to one agent, at the shortest. */
  summaryMs?: number;
  /** Monotonic milliseconds, for the limit on guesses of passwords. */
  now?: () => number;
  /** Seconds after which a stream's reader who takes nothing is cut off. */
  stalledSeconds?: number;
  version: string;
  /** Agents that do not speak TLS are called without it, and every page says so. */
  insecure: boolean;
  publicUrl?: string;
  /** What was known of simulated clusters before this start is forgotten. */
  forgetSimulated?: boolean;
  log: (part: string) => Log;
}

export interface RunningServer {
  /** "http://127.0.0.1:5117". */
  url: string;
  metricsUrl?: string;
  pool: Pool;
  summaries: Summaries;
  store: Store;
  trust?: Trust;
  joinToken: string;
  /** The password made at the first start, while it holds. */
  firstPassword?: string;
  /** Live streams that are open. */
  streams(): number;
  /** Looks at once whether the listening certificate has changed. */
  lookAgain(): void;
  /** Lets requests under way finish, then closes everything. */
  stop(): Promise<void>;
}

const forgetMs = 60 * 60_000;

/** @throws Error when the store cannot be opened or an address cannot be listened on; nothing is left open then. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { data, log, prefix } = options;
  const now = () => performance.now();
  const clock = () => Date.now();
  const stopping = new AbortController();
  const store = await openStore(options.store);
  try {
    const firstPassword = await firstUser(store, data);
    const joinToken = options.joinToken ?? (await data.joinToken());
    const cookie = sessionCookie(options.http.tls !== undefined || (options.publicUrl?.startsWith("https:") ?? false));
    const auth = await createAuth({
      store,
      cookie,
      secret: options.secret ?? (await data.sessionSecret()),
      expire: options.expire,
      clock,
      now: options.now ?? now,
      onPasswordChanged: () => data.forgetFirstPassword(),
    });
    const trust =
      options.trust && (await createTrust({ data, store, joinToken, ...options.trust, clock, log: log("trust") }));
    const open = connections({
      trust,
      most: options.maxConnections,
      idleMs: options.idleMs,
      onClosed: options.onConnectionClosed,
      now,
    });
    const directory = createDirectory({ prefix, forgetMs, onDropped: open.drop, now, log: log("registries") });
    trust?.onRevoked((cluster) => {
      for (const entry of directory.entries()) {
        if (entry.cluster === cluster) for (const address of entry.endpoints.keys()) open.cut(address, cutProblem);
      }
      summaries.refresh(cluster);
      summaries.revoked(cluster).catch((cause) => {
        log("fleet").error("a revoked cluster is still remembered", { cluster, problem: String(cause) });
      });
    });
    trust?.onIssued((identity) => summaries.enrolled(identity));
    const pool = createPool({
      prefix,
      directory,
      connections: open,
      allowPlain: options.insecure,
      timeoutMs: options.timeoutMs,
      now,
      log: log("agents"),
    });
    const remembered = await openRemembered({
      store: store.fleet,
      prefix,
      forgetSimulated: options.forgetSimulated,
      now,
      clock,
      log: log("fleet"),
    });
    const summaries = createSummaries({
      pool,
      remembered,
      prefix,
      everyMs: options.summaryMs ?? 5_000,
      perSecond: 50,
      concurrency: 32,
      timeoutMs: Math.min(options.timeoutMs, 5_000),
      now,
      log: log("fleet"),
    });
    const watches = createWatches({ pool, lingerMs: 5_000, now, log: log("watches") });
    const metrics = createMetrics({ pool, summaries, watches });
    const embedded = options.embedded && embeddedRegistry({ leaseMs: options.embedded.leaseMs, now });
    const admit = admission(trust, joinToken);
    const tunnels = options.embedded && (await createTunnels({ prefix, admit, data: data.path, log: log("tunnel") }));
    const httpCa = createHttpCa({ cert: options.http.tls?.cert, ca: options.http.ca }, log("http"));
    trust?.onRevoked((_, serials) => tunnels?.revoked(serials));
    const { http, metrics: metricsAt } = options;
    const audit = createAudit(store, clock, log("audit"));
    keepAuditFor(options.auditKeepMs, { store, clock, log: log("audit"), signal: stopping.signal });
    const app = () =>
      createApp({
        pool,
        summaries,
        watches,
        store,
        auth,
        audit,
        embedded,
        admit,
        trust,
        httpCa,
        tunnels,
        log: log("http"),
        pages: {
          version: options.version,
          insecure: isOpenPlain(options),
          simulated: () => summaries.simulated(),
          plaintext: options.insecure,
          registries: () => registriesOutside({ pool, now }),
          enrolls: enrollsOf(trust),
          publicUrl: options.publicUrl,
          clock,
        },
        prefix,
        timeoutMs: options.timeoutMs,
        publicUrl: options.publicUrl,
        now,
        stopping: stopping.signal,
        stalledSeconds: options.stalledSeconds,
        cookie,
        hosts: knownHosts({
          host: http.host,
          publicUrl: options.publicUrl,
          names: http.hosts,
          // Read anew with each app, as a renewed certificate has one.
          certificate: http.tls && readFileSync(http.tls.cert, "utf8"),
        }),
        proxies: http.trustedProxies ?? trustedProxies([]),
        onAnswer: metrics.onAnswer,
      });
    const doors = listen(app, { ...http, log: log("http") });
    const metricsServer =
      metricsAt &&
      serveMetrics(
        metricsAt,
        metrics,
        knownHosts({ host: metricsAt.host, publicUrl: options.publicUrl, names: http.hosts }),
      );

    const sources = [...(embedded ? [embedded] : []), ...(tunnels ? [tunnels.source] : []), ...options.sources];
    const followed = sources.map((source) => directory.follow(source, stopping.signal));
    const asked = summaries.run(stopping.signal);
    const background = Promise.all([...followed, asked]).catch((cause) => {
      log("server").error("a background part ended", { problem: cause instanceof Error ? cause.stack : cause });
    });

    return {
      url: `${http.tls ? "https" : "http"}://${shown(http.host)}:${doors.port}`,
      metricsUrl: metricsServer && `http://${shown(metricsAt!.host)}:${metricsServer.port}`,
      pool,
      summaries,
      store,
      trust,
      joinToken,
      firstPassword,
      streams: () => auth.streams,
      lookAgain: doors.look,
      async stop() {
        stopping.abort();
        watches.close();
        // Tunnels hang up first: what is open would be waited for.
        await tunnels?.close();
        await doors.stop(5_000);
        await metricsServer?.stop(true);
        embedded?.close();
        trust?.close();
        await background;
        pool.close();
        await remembered.close();
        await store.close();
      },
    };
  } catch (cause) {
    stopping.abort();
    await store.close();
    throw cause;
  }
}

/** The first start makes the user admin and a password that lies in the data folder until it is changed. */
async function firstUser(store: Store, data: DataFolder): Promise<string | undefined> {
  const admin = await store.users.byName("admin");
  if (admin) return admin.firstPassword ? data.firstPassword() : undefined;
  if ((await store.users.count()) > 0) return undefined;
  const password = await data.makeFirstPassword();
  await store.users.add({
    username: "admin",
    password: await hashPassword(password),
    role: "admin",
    firstPassword: true,
  });
  return password;
}

/** Where a proxy has TLS, the address that people use says so. */
function isOpenPlain({ http, publicUrl }: ServerOptions): boolean {
  if (http.tls || publicUrl?.startsWith("https:")) return false;
  return !isLoopback(`${bracketed(http.host)}:${http.port}`);
}

function serveMetrics(
  { host, port }: { host: string; port: number },
  metrics: ReturnType<typeof createMetrics>,
  hosts: KnownHosts,
) {
  const fetch = async (request: Request) => {
    if (!URL.canParse(request.url)) return new Response("the Host header is no host\n", { status: 400 });
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return new Response("ok\n");
    const host = request.headers.get("host");
    if (!hosts(host)) {
      const { message, http: status } = unknownHost(host);
      return new Response(`${message}\n`, { status });
    }
    if (pathname !== "/metrics") return new Response("see /metrics\n", { status: 404 });
    return new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } });
  };
  probe("metrics-addr", host, port);
  try {
    return Bun.serve({ hostname: host, port, development: false, fetch });
  } catch (cause) {
    throw notListening("metrics-addr", { host, port }, cause);
  }
}

function shown(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return bracketed(host);
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
