// The agent's composition root.

import { readFileSync } from "node:fs";
import type { Announcer } from "../discovery/discovery.ts";
import { etcdAnnouncer } from "../discovery/etcd.ts";
import { announceToServer } from "../discovery/server.ts";
import { fatal, lifetime, stopped } from "../process/lifetime.ts";
import { log, startLog } from "../process/log.ts";
import { version } from "../process/version.ts";
import { type AgentConfig, agentConfig } from "./config.ts";
import { createKube } from "./kube.ts";
import { createMetrics, serveMetrics } from "./metrics.ts";
import { startAgent } from "./server.ts";

try {
  await main();
  process.exit(0);
} catch (error) {
  fatal("lizardcd-agent", error);
}

async function main(): Promise<void> {
  const config = await agentConfig();
  const signal = lifetime({ endWithStdin: config.endWithStdin });
  await startLog({ level: config.logLevel, encoding: config.logEncoding });
  const metrics = createMetrics();
  const scrape = serveMetrics(config.metrics, metrics);
  const kube = createKube(config.access, { onRequest: metrics.request, timeoutMs: Math.min(config.timeout, 10_000) });
  const agent = await startAgent({
    kube,
    cluster: config.clusterName,
    keys: config.key ? [config.key] : undefined,
    only: config.only,
    prefix: config.servicePrefix,
    listen: config.grpcAddr,
    advertise: config.advertise,
    labels: config.labels,
    announcer: all(announcersOf(config)),
    metrics,
    log: log("agent"),
  });
  log("agent").info("agent started", { version, apiServer: kube.server, metrics: scrape.url });
  await stopped(signal);
  log("agent").info("agent stops", { reason: String(signal.reason?.message ?? signal.reason) });
  await agent.stop();
  await scrape.stop();
}

function announcersOf(config: AgentConfig): Announcer[] {
  const announcers: Announcer[] = [];
  if (config.server) announcers.push(announceToServer({ server: config.server, joinToken: config.joinToken ?? "" }));
  if (config.etcdHost.length > 0) {
    const file = (path: string | undefined) => (path ? readFileSync(path) : undefined);
    announcers.push(
      etcdAnnouncer({
        hosts: config.etcdHost,
        username: config.etcdUsername,
        password: config.etcdPassword,
        tls: { ca: file(config.etcdCa), cert: file(config.etcdCert), key: file(config.etcdKey) },
      }),
    );
  }
  return announcers;
}

/** Several registries as one. */
function all(announcers: readonly Announcer[]): Announcer {
  if (announcers.length === 1) return announcers[0]!;
  return {
    name: announcers.map(({ name }) => name).join(" and "),
    async announce(registration, signal, onState) {
      await Promise.all(announcers.map((announcer) => announcer.announce(registration, signal, onState)));
    },
  };
}
