// The server's configuration: the only file here that reads flags, files and environment.
import { join } from "node:path";
import {
  hostPort,
  isLoopback,
  programSettings,
  refuseOpen,
  SettingInvalid,
  type Settings,
} from "../process/settings.ts";
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
export function serverConfig(argv?: readonly string[]): ServerConfig {
  const summary = "The Lizardcd server: pages, JSON and the way to every agent.";
  const settings = programSettings({ name: "lizardcd-server", summary, version: build, table: serverSettings, argv });
  const { values } = settings;
  const { httpTlsCert: cert, httpTlsKey: key, httpTlsCa: ca } = values;
  if (Boolean(cert) !== Boolean(key)) throw new SettingInvalid("--http.tls.cert and --http.tls.key go together");
  if (ca && !cert && !values.publicUrl?.startsWith("https:")) {
    throw new SettingInvalid(
      "--http.tls.ca is the CA of --http.tls.cert, or of the proxy at --public-url https://…: give one of them too",
    );
  }
  if (!cert)
    openIfMeant(settings, "httpAddr", "give --http.tls.cert and --http.tls.key, or --http.plain behind a proxy");
  openIfMeant(settings, "metricsAddr", "give --http.plain if that is meant, or another --metrics-addr");
  return {
    ...values,
    http: { ...hostPort(values.httpAddr), tls: cert && key ? { cert, key } : undefined, ca },
    metrics: hostPort(values.metricsAddr),
    store: values.db || join(values.data, "lizardcd.db"),
    open: !isLoopback(values.httpAddr),
  };
}

/** A file of an earlier version listens as it always did, and is told what that means; all else has to say that it is meant. */
function openIfMeant(
  { values, sources, apart }: Settings<typeof serverSettings>,
  name: "httpAddr" | "metricsAddr",
  next: string,
): void {
  const plain = values.insecure || values.httpPlain;
  if (plain || isLoopback(values[name])) return;
  if (!apart.has(name)) refuseOpen(serverSettings[name].flag, values[name], plain, "--http.plain");
  const what = `${values[name]} can be reached from other machines and is not encrypted, as the ${sources[name]} says`;
  process.stderr.write(`lizardcd-server: ${what}: ${next}\n`);
}
