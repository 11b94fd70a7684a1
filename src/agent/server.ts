// One running agent: a cluster, its gRPC server and its announcement.
import type { Duplex } from "node:stream";
import { create, type DescService } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Failed } from "../contract/errors.ts";
import { type Handlers, type PeerAuth, type ServeOptions, serve } from "../contract/grpc.ts";
import { agentServices } from "../contract/operation.ts";
import { type Announcer, formatKey } from "../discovery/discovery.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/grpc/health/v1/health_pb.ts";
import { type AgentInfo, AgentInfoSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { sleep } from "../process/backoff.ts";
import { notListening } from "../process/listen.ts";
import type { Log } from "../process/log.ts";
import { version } from "../process/version.ts";
import { isServer } from "../trust/identity.ts";
import { agentHandlers } from "./agent.ts";
import { asCaller } from "./caller.ts";
import { type Cluster, type ClusterOptions, createCluster } from "./cluster.ts";
import type { Identity } from "./identity.ts";
import type { Kube } from "./kube.ts";
import { holdTo, type Limits, noLimits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import { namespaceHandlers } from "./namespace.ts";
import { serveReflection } from "./reflection.ts";
import { workloadHandlers } from "./workload.ts";

export interface AgentOptions
  extends Pick<ClusterOptions, "candidates" | "only" | "scopeEvery" | "watchPeriodSeconds"> {
  kube: Kube;
  /** The cluster's name. */
  cluster: string;
  /** Announced as they are; else one for each namespace that may be read, or one for all ("*"). */
  keys?: readonly string[];
  /** Begins every key that is not given. */
  prefix: string;
  /** "127.0.0.1:0": host and port, 0 for a free one. */
  listen: string;
  /** What to announce, where it is not the address listened on; without a port, the one listened on. */
  advertise?: { host: string; port?: number };
  labels: Record<string, string>;
  /** Or, where the agent dials out, what makes one of the way into its gRPC server. */
  announcer: Announcer | ((inject: (stream: Duplex) => void) => Announcer);
  /** What it refuses whatever the server asks. */
  limits?: Limits;
  /** Mutual TLS: only the server may call. Without it calls are plaintext, and anybody may. */
  identity?: Pick<Identity, "serverCredentials"> & Partial<Pick<Identity, "namespaces">>;
  metrics?: Metrics;
  log: Log;
}

export interface RunningAgent {
  /** As announced: "127.0.0.1:34567". */
  readonly address: string;
  readonly info: AgentInfo;
  readonly cluster: Cluster;
  /** Withdraws, lets calls end for at most 10 s, ends. */
  stop(): Promise<void>;
}

// More at once on one connection end the process: calls are answered within one stack there.
const maxConcurrentStreams = 1000;
const drainMs = 10_000;
const flushMs = 50;
// An API server that is away must not keep an agent from starting.
const scopePatienceMs = 5_000;

/** Resolves when it listens and, unless the API server takes too long, knows its scope. @throws where it cannot listen */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { kube, log, metrics } = options;
  const started = performance.now();
  const instance = crypto.randomUUID();
  const stopping = new AbortController();
  const { signal } = stopping;

  const server = new grpc.Server({
    "grpc.max_concurrent_streams": maxConcurrentStreams,
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": 1024 * 1024,
    // A server that is gone without a word must not keep its streams.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 1,
  });
  const credentials = options.identity?.serverCredentials() ?? grpc.ServerCredentials.createInsecure();
  const port = await bind(server, options.listen, credentials);
  const address = addressOf(options, port);
  const injector = server.createConnectionInjector(credentials);
  const announcer =
    typeof options.announcer === "function"
      ? options.announcer((stream) => injector.injectConnection(stream))
      : options.announcer;
  const announcing = createAnnouncing(announcer, { address }, instance, log);

  /** An agent that can serve nothing says so: it is announced as what it would be, and keeps what it was. */
  function announceAnyway(): void {
    if (announcing.keys().length > 0) return;
    announcing.set(keysOf(options, options.only ?? options.identity?.namespaces ?? ["*"]));
  }

  let answered = () => {};
  const firstAnswer = new Promise<void>((resolve) => {
    answered = resolve;
  });
  const cluster = createCluster({
    ...options,
    deny: options.limits?.denyKinds,
    name: options.cluster,
    signal,
    onScope({ namespaces }) {
      // Namespaces that were asked for stay announced, so that the server is told why they are not served.
      const served = [...new Set([...namespaces, ...(options.only ?? [])])].sort();
      if (served.length > 0) announcing.set(keysOf(options, served));
      else announceAnyway();
      answered();
    },
    onProblem() {
      announceAnyway();
      answered();
    },
  });
  if (options.keys) announcing.set(options.keys);
  metrics?.observe(cluster);

  const info = () =>
    create(AgentInfoSchema, {
      keys: [...announcing.keys()],
      cluster: options.cluster,
      labels: options.labels,
      version,
      kubernetesVersion: cluster.version(),
      scope: cluster.scope()?.namespaces ?? [],
      startedMs: Math.round(performance.now() - started),
      simulated: cluster.version().includes("+sandbox"),
      instance,
    });

  let underWay = 0;
  const serving: ServeOptions = {
    place: "agent",
    onBegin: () => void underWay++,
    allow: options.identity && onlyServer,
    guard: (method, input) => holdTo(options.limits ?? noLimits, options.cluster, method, input),
    within: ({ actor, role, requestId }, run) => asCaller({ actor, role, requestId }, run),
    onCall(method, call, ms, failed) {
      underWay--;
      const code = failed === undefined ? "ok" : failed instanceof Failed ? failed.code : "internal.error";
      metrics?.call(method, code, ms);
      const { requestId, actor, role } = call;
      if (code === "internal.error") log.error("call failed", { method, requestId, actor, role, error: failed });
    },
  };
  const health = healthHandlers(signal);
  serve(server, agentServices.agent, agentHandlers(cluster, info), serving);
  serve(server, agentServices.namespace, namespaceHandlers(cluster), serving);
  serve(server, agentServices.workload, workloadHandlers(cluster, signal), serving);
  serve(server, Health, health, serving);
  serveReflection(server, [...Object.values(agentServices), Health]);

  await Promise.race([firstAnswer, sleep(scopePatienceMs, signal)]);

  return {
    address,
    get info() {
      return info();
    },
    cluster,
    async stop() {
      await announcing.stop();
      stopping.abort(new Failed("request.cancelled", {}));
      await drained(server, () => underWay);
      await announcer.close?.();
      kube.close();
    },
  };
}

function keysOf({ keys, prefix, cluster }: AgentOptions, namespaces: readonly string[]): readonly string[] {
  return keys ?? namespaces.map((namespace) => formatKey(prefix, { namespace, cluster }));
}

function addressOf({ listen, advertise }: AgentOptions, port: number): string {
  if (!advertise) return `${listen.slice(0, listen.lastIndexOf(":"))}:${port}`;
  const host = advertise.host.includes(":") ? `[${advertise.host}]` : advertise.host;
  return `${host}:${advertise.port ?? port}`;
}

/** The CA signs agents too: one of them must not call another. */
function onlyServer({ sslPeerCertificate }: PeerAuth): string | undefined {
  return isServer(sslPeerCertificate?.subjectaltname) ? undefined : "its certificate is not the server's";
}

async function bind(server: grpc.Server, listen: string, credentials: grpc.ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, credentials, (cause, port) => {
      if (!cause) return resolve(port);
      const problem = /errors: \[(.*)\]$/.exec(cause.message)?.[1] ?? cause.message;
      const code = /EADDR[A-Z]+|EACCES/.exec(problem)?.[0];
      reject(notListening("grpc-addr", listen, { code, message: problem }));
    });
  });
}

/**
 * Lets calls end. grpc-js takes a connection that its client has begun to close for closed already: what is under way on
 * it would be cut, so calls are counted here.
 */
async function drained(server: grpc.Server, underWay: () => number): Promise<void> {
  const limit = performance.now() + drainMs;
  const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  while (underWay() > 0 && performance.now() < limit) await sleep(10);
  // The last answer has been handed over, and is on its way out.
  await sleep(flushMs);
  const enough = new AbortController();
  await Promise.race([ended, sleep(limit - performance.now(), enough.signal)]);
  enough.abort();
  server.forceShutdown();
}

/** One announcement at a time: whoever withdraws late must not take the keys of who came after. */
function createAnnouncing(announcer: Announcer, via: { address: string }, instance: string, log: Log) {
  let keys: readonly string[] = [];
  let end = new AbortController();
  let ended: Promise<void> = Promise.resolve();

  const withdraw = async () => {
    end.abort();
    await ended;
  };
  let turn: Promise<void> = Promise.resolve();

  async function announce(wanted: readonly string[]) {
    await withdraw();
    if (wanted.length === 0) {
      log.warn("nothing to announce: the agent may not read any namespace", { address: via.address });
      return;
    }
    end = new AbortController();
    ended = announcer.announce({ keys: [...wanted], via, instance }, end.signal, (state) => {
      if (state.announced) log.info("announced", { registry: announcer.name, keys: wanted.join(",") });
      else log.warn("not announced", { registry: announcer.name, problem: state.problem });
    });
    log.info("agent serves", { address: via.address, keys: wanted.join(",") });
  }

  return {
    keys: () => keys,
    set(wanted: readonly string[]) {
      if (wanted.length > 0 && wanted.join() === keys.join()) return;
      keys = wanted;
      turn = turn.then(() => announce(wanted));
    },
    async stop() {
      await turn;
      await withdraw();
    },
  };
}

function healthHandlers(stopping: AbortSignal): Handlers<typeof Health> {
  const known = new Set(["", Health.typeName, ...Object.values(agentServices).map((one: DescService) => one.typeName)]);
  const status = () => (stopping.aborted ? Status.NOT_SERVING : Status.SERVING);
  return {
    async check({ service }) {
      if (!known.has(service)) throw new Failed("request.no_such_path", { path: service });
      return { status: status() };
    },
    async *watch({ service }, { signal }) {
      yield { status: known.has(service) ? status() : Status.SERVICE_UNKNOWN };
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        stopping.addEventListener("abort", () => resolve(), { once: true });
      });
      yield { status: Status.NOT_SERVING };
    },
  };
}
