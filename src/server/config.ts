// The server's configuration: the only file here that reads flags, files and environment.
import { join } from "node:path";
import { hostPort, isLoopback, programSettings, refuseOpen, SettingInvalid } from "../process/settings.ts";
import { build } from "../process/version.ts";
import { type ServerSettings, serverSettings } from "./settings.ts";

export interface ServerConfig extends ServerSettings {
  http: { host: string; port: number; tls?: { cert: string; key: string }; ca?: string };
  metrics: { host: string; port: number };
  /** The SQLite file. */
  store: string;
  /** True where others can reach it without encryption, which --http.plain or --insecure allow. */
  open: boolean;
}

/** @throws SettingInvalid */
export function serverConfig(): ServerConfig {
  const summary = "The Lizardcd server: pages, JSON and the way to every agent.";
  const { values } = programSettings({ name: "lizardcd-server", summary, version: build, table: serverSettings });
  const { httpTlsCert: cert, httpTlsKey: key, httpTlsCa: ca } = values;
  if (Boolean(cert) !== Boolean(key)) throw new SettingInvalid("--http.tls.cert and --http.tls.key go together");
  if (ca && !cert && !values.publicUrl?.startsWith("https:")) {
    throw new SettingInvalid(
      "--http.tls.ca is the CA of --http.tls.cert, or of the proxy at --public-url https://…: give one of them too",
    );
  }
  const plain = values.insecure || values.httpPlain;
  if (!cert) refuseOpen("http-addr", values.httpAddr, plain, "--http.plain");
  refuseOpen("metrics-addr", values.metricsAddr, plain, "--http.plain");
  return {
    ...values,
    http: { ...hostPort(values.httpAddr), tls: cert && key ? { cert, key } : undefined, ca },
    metrics: hostPort(values.metricsAddr),
    store: values.db || join(values.data, "lizardcd.db"),
    open: !isLoopback(values.httpAddr),
  };
}
