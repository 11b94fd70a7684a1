// The agent's composition root.

import { readFileSync } from "node:fs";
import { announceToServer } from "../discovery/server.ts";
import { checkAll } from "../process/check.ts";
import { fatal, lifetime, onHangup, stopped } from "../process/lifetime.ts";
import { log, startLog } from "../process/log.ts";
import { keepMemorySmall } from "../process/memory.ts";
import { type PemFiles, pemFiles } from "../process/pem-files.ts";
import { takeProxies } from "../process/proxy.ts";
import { version } from "../process/version.ts";
import { agentChecks } from "./check.ts";
import { type AgentConfig, agentConfig } from "./config.ts";
import { enrolledIdentity, fileIdentity, type Identity } from "./identity.ts";
import { secretStore } from "./identity-secret.ts";
import { createKube, type Kube } from "./kube.ts";
import { createMetrics, serveMetrics } from "./metrics.ts";
import { registryAnnouncer } from "./registry.ts";
import { onlyCertified } from "./scope.ts";
import { type AgentOptions, startAgent } from "./server.ts";
import { tunnelAnnouncer } from "./tunnel.ts";

takeProxies();
try {
  await main();
  process.exit(0);
} catch (error) {
  fatal("lizardcd-agent", error);
}

async function main(): Promise<void> {
  let config = await agentConfig();
  if (config.check) return checkAll(agentChecks(config, createKube(config.access)));
  const signal = lifetime({ endWithStdin: config.endWithStdin });
  const files = pemFiles();
  let identity: Identity | undefined;
  // Before anything waits: SIGHUP ends whoever does not listen to it.
  onHangup(log("agent"), [
    async () => {
      const { logLevel, logEncoding, serverCaPem } = await agentConfig();
      await startLog({ level: logLevel, encoding: logEncoding });
      config = { ...config, serverCaPem };
    },
    files.lookAgain,
    () => identity?.lookAgain?.(),
  ]);
  const serverCa = () => config.serverCaPem;
  await startLog({ level: config.logLevel, encoding: config.logEncoding });
  const metrics = createMetrics();
  const scrape = serveMetrics(config.metrics, metrics);
  const kube = createKube(config.access, {
    onRequest: metrics.request,
    timeoutMs: Math.min(config.timeout, 10_000),
    impersonate: config.impersonate,
  });
  identity = await identityOf(config, serverCa, kube, signal);
  const agent = await startAgent({
    kube,
    cluster: config.clusterName,
    keys: config.key ? [config.key] : undefined,
    only: config.key ? config.only : onlyCertified(config.only, identity?.namespaces ?? [], config.clusterName),
    limits: config,
    prefix: config.servicePrefix,
    listen: config.grpcAddr,
    advertise: config.advertise,
    labels: config.labels,
    announcer: announcerOf(config, serverCa, files, identity),
    identity,
    metrics,
    log: log("agent"),
  });
  keepMemorySmall();
  const { kubeconfig, access } = config;
  const served = kubeconfig ? { kubeconfig, context: access.context } : {};
  log("agent").info("agent started", { version, apiServer: kube.server, ...served, metrics: scrape.url });
  await stopped(signal);
  log("agent").info("agent stops", { reason: String(signal.reason?.message ?? signal.reason) });
  await agent.stop();
  await scrape.stop();
  identity?.stop();
}

async function identityOf(
  { trust, clusterName }: AgentConfig,
  serverCa: () => string | undefined,
  kube: Kube,
  signal: AbortSignal,
): Promise<Identity | undefined> {
  if (trust.from === "nowhere") return undefined;
  if (trust.from === "files")
    return fileIdentity(trust.files, (file) => readFileSync(file, "utf8"), undefined, log("trust"));
  const store = trust.secret ? secretStore(kube, trust.secret, log("trust")) : undefined;
  return enrolledIdentity({
    ...trust,
    store,
    serverCa,
    cluster: clusterName,
    log: log("trust"),
    signal,
  });
}

function announcerOf(
  config: AgentConfig,
  serverCa: () => string | undefined,
  files: PemFiles,
  identity: Identity | undefined,
): AgentOptions["announcer"] {
  const { via, server = "", joinToken = "", proxy } = config;
  if (via === "registry") return registryAnnouncer(config, files);
  if (via === "address") return announceToServer({ server, serverCa, prove: identity?.proof, joinToken });
  const prove = async (challenge: string) => (identity ? identity.proof(challenge) : { token: joinToken });
  return (inject) => tunnelAnnouncer({ server, serverCa, proxy, prove, inject });
}
