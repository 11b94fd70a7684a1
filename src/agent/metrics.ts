// What Prometheus may ask of an agent, and what a kubelet's probes do.
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { knownHosts } from "../process/known-hosts.ts";
import { notListening, probe } from "../process/listen.ts";
import type { Cluster } from "./cluster.ts";

export interface Metrics {
  registry: Registry;
  /** A finished gRPC call; `code` is a failure's code, or "ok". */
  call(method: string, code: string, ms: number): void;
  /** A finished request to the API server; `status` is HTTP's, or "none". */
  request(verb: string, status: string, ms: number): void;
  /** Figures that are read when asked for. */
  observe(cluster: Cluster): void;
  /** Why the agent is not ready; undefined when it is. */
  unready(): string | undefined;
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const calls = new Counter({
    name: "lizardcd_agent_calls_total",
    help: "gRPC calls by method and outcome",
    labelNames: ["method", "code"],
    registers,
  });
  const latency = new Histogram({
    name: "lizardcd_agent_call_seconds",
    help: "Time to answer a unary gRPC call",
    labelNames: ["method"],
    buckets: seconds,
    registers,
  });
  const requests = new Counter({
    name: "lizardcd_agent_kube_requests_total",
    help: "Requests to the API server by verb and HTTP status",
    labelNames: ["verb", "status"],
    registers,
  });
  const requestLatency = new Histogram({
    name: "lizardcd_agent_kube_request_seconds",
    help: "Time until the API server began to answer",
    labelNames: ["verb"],
    buckets: seconds,
    registers,
  });
  let observed: Cluster | undefined;
  return {
    registry,
    unready() {
      if (!observed) return "starting";
      if (observed.watcher.synced) return undefined;
      return observed.failure()?.message ?? "the first list is under way";
    },
    call(method, code, ms) {
      calls.inc({ method, code });
      // A stream lasts as long as somebody looks.
      if (!method.endsWith("/Watch")) latency.observe({ method }, ms / 1000);
    },
    request(verb, status, ms) {
      requests.inc({ verb, status });
      requestLatency.observe({ verb }, ms / 1000);
    },
    observe(cluster) {
      const { store, watcher } = cluster;
      observed = cluster;
      new Gauge({
        name: "lizardcd_agent_workloads",
        help: "Workloads held by state",
        labelNames: ["state"],
        registers,
        collect() {
          this.reset();
          for (const { state } of store.rows()) this.inc({ state });
        },
      });
      new Gauge({
        name: "lizardcd_agent_watch_age_seconds",
        help: "Time since the API server last confirmed the watch",
        registers,
        collect() {
          this.set(watcher.ageMs() / 1000);
        },
      });
      new Gauge({
        name: "lizardcd_agent_resident_bytes",
        help: "Resident memory",
        registers,
        collect() {
          this.set(process.memoryUsage.rss());
        },
      });
    },
  };
}

/** Serves /metrics, /healthz and /readyz: ready once the first whole list has arrived. */
export function serveMetrics(address: { host: string; port: number }, metrics: Metrics) {
  const { registry } = metrics;
  const hosts = knownHosts({ host: address.host });
  const routes = {
    "/metrics": async (request: Request) => {
      if (!hosts(request.headers.get("host"))) {
        return new Response("on a loopback address the agent answers to that address and localhost\n", { status: 421 });
      }
      return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } });
    },
    "/healthz": () => new Response("ok\n"),
    "/readyz": () => {
      const problem = metrics.unready();
      return new Response(`${problem ?? "ok"}\n`, { status: problem ? 503 : 200 });
    },
  };
  const fetch = () => new Response("there is /metrics, /healthz and /readyz\n", { status: 404 });
  probe("metrics-addr", address.host, address.port);
  try {
    const server = Bun.serve({ hostname: address.host, port: address.port, development: false, routes, fetch });
    return { url: `http://${server.hostname}:${server.port}`, stop: () => server.stop(true) };
  } catch (cause) {
    throw notListening("metrics-addr", address, cause);
  }
}
