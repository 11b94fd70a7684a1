// What Prometheus is told of the server.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Pool } from "./pool.ts";
import type { Summaries } from "./summaries.ts";
import type { Watches } from "./watches.ts";

export interface Metrics {
  onAnswer(operation: string, door: string, status: number, ms: number): void;
  text(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(parts: { pool: Pool; summaries: Summaries; watches: Watches }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Counter({
    name: "lizardcd_http_requests_total",
    help: "Requests answered, by operation, door and HTTP status.",
    labelNames: ["operation", "door", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "lizardcd_http_request_seconds",
    help: "How long answers took, in seconds.",
    labelNames: ["operation"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge(
    "lizardcd_agent_keys",
    "Keys under which agents are announced.",
    () => [...parts.pool.directory.entries()].length,
  );
  gauge("lizardcd_agent_connections", "Open connections to agents.", () => parts.pool.connections);
  gauge("lizardcd_agent_keys_lost", "Keys whose last question failed.", () => {
    let lost = 0;
    for (const known of parts.summaries.clusters().values()) for (const one of known) if (one.failure) lost++;
    return lost;
  });
  new Counter({
    name: "lizardcd_agent_answers_refused_total",
    help: "Things in agents' answers that were not believed.",
    registers,
    collect() {
      this.reset();
      this.inc(parts.pool.answers.refused);
    },
  });
  gauge("lizardcd_watches", "Agent watches open for browsers and clients.", () => parts.watches.open);
  new Gauge({
    name: "lizardcd_registry_up",
    help: "1 while the registry answers.",
    labelNames: ["registry"],
    registers,
    collect() {
      for (const { name, heardAt, problem } of parts.pool.directory.sources()) {
        this.set({ registry: name }, heardAt !== undefined && problem === undefined ? 1 : 0);
      }
    },
  });
  return {
    onAnswer(operation, door, status, ms) {
      requests.inc({ operation, door, status });
      seconds.observe({ operation }, ms / 1000);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
