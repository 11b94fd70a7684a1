// The server's composition root.
import { join } from "node:path";
import { checkAll } from "../process/check.ts";
import { hold } from "../process/hold.ts";
import { fatal, lifetime, onHangup, stopped } from "../process/lifetime.ts";
import { log, startLog } from "../process/log.ts";
import { keepMemorySmall } from "../process/memory.ts";
import { pemFiles, readPem } from "../process/pem-files.ts";
import { SettingInvalid } from "../process/settings.ts";
import { version } from "../process/version.ts";
import { serverChecks } from "./check.ts";
import { type ServerConfig, serverConfig } from "./config.ts";
import { holder, openDataFolder } from "./data.ts";
import { type RunningServer, startServer } from "./server.ts";
import { sourcesOf } from "./sources.ts";

try {
  await main();
  process.exit(0);
} catch (error) {
  fatal("lizardcd-server", error);
}

async function main(): Promise<void> {
  const config = serverConfig();
  if (config.check) return checkAll(serverChecks(config));
  // Secrets and the store are for their owner alone.
  process.umask(0o077);
  const signal = lifetime({ endWithStdin: config.endWithStdin });
  const files = pemFiles();
  let server: RunningServer | undefined;
  // Before anything waits: SIGHUP ends whoever does not listen to it.
  onHangup(log("server"), [
    async () => {
      const { logLevel, logEncoding } = serverConfig();
      await startLog({ level: logLevel, encoding: logEncoding });
    },
    files.lookAgain,
    () => server?.lookAgain(),
    () => server?.trust?.lookAgain(),
  ]);
  await startLog({ level: config.logLevel, encoding: config.logEncoding });
  const data = await openDataFolder(config.data, log("data").warn);
  const held = await hold(data.path, holder);
  const memory = keepMemorySmall();
  server = await startServer({
    http: config.http,
    metrics: config.metrics,
    data,
    store: config.store,
    prefix: config.servicePrefix,
    sources: sourcesOf(config, files),
    embedded: config.embedded ? { leaseMs: config.leaseTime } : undefined,
    secret: config.accessSecret,
    joinToken: config.joinToken,
    expire: Math.round(config.accessExpire / 1000),
    auditKeepMs: config.auditKeep,
    timeoutMs: config.rpcTimeout,
    maxConnections: config.maxConnections,
    idleMs: config.idleTimeout,
    onConnectionClosed: memory.closed,
    version,
    insecure: config.insecure,
    forgetSimulated: config.forgetSimulated,
    trust: { lifeMs: config.certificateLife, given: givenCertificates(config) },
    publicUrl: config.publicUrl,
    log,
  });
  log("server").info("server serves", { url: server.url, metrics: server.metricsUrl, version });
  if (server.firstPassword) {
    log("server").info("the first password of admin still holds", { file: join(data.path, "first-password") });
  }
  await stopped(signal);
  log("server").info("server stops", { reason: String(signal.reason?.message ?? signal.reason) });
  await server.stop();
  held.release();
}

function givenCertificates({ tlsCa, tlsCert, tlsKey }: ServerConfig) {
  if (!tlsCa && !tlsCert && !tlsKey) return undefined;
  if (!tlsCa || !tlsCert || !tlsKey)
    throw new SettingInvalid("--tls.ca, --tls.cert and --tls.key go together: give all three");
  return () => {
    const { ca, cert, key } = readPem({ ca: tlsCa, cert: tlsCert, key: tlsKey });
    return { ca: String(ca), certificate: String(cert), key: String(key) };
  };
}
