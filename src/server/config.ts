// The server's configuration: the only file here that reads flags, files and environment.
import { join } from "node:path";
import { checkHostName } from "../process/known-hosts.ts";
import { hostPort, isLoopback, openIfMeant, programSettings, SettingInvalid } from "../process/settings.ts";
import { build } from "../process/version.ts";
import { type TrustedProxies, trustedProxies } from "./caller-address.ts";
import { type ServerSettings, serverSettings } from "./settings.ts";

export interface ServerConfig extends ServerSettings {
  http: {
    host: string;
    port: number;
    tls?: { cert: string; key: string };
    ca?: string;
    hosts: string[];
    trustedProxies: TrustedProxies;
  };
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
  if (values.publicUrl !== undefined && !/^https?:$/.test(URL.parse(values.publicUrl)?.protocol ?? "")) {
    const wrong = JSON.stringify(values.publicUrl);
    throw new SettingInvalid(`--public-url must be an address such as https://lizardcd.example.com, not ${wrong}`);
  }
  const trusted = named("http.trusted-proxies", () => trustedProxies(values.httpTrustedProxies));
  for (const name of values.httpHosts) named("http.hosts", () => checkHostName(name));
  const allowed = values.insecure || values.httpPlain;
  if (!cert) {
    const next = "give --http.tls.cert and --http.tls.key, or --http.plain behind a proxy";
    openIfMeant("lizardcd-server", settings, "httpAddr", { flag: "http-addr", allowed, next });
  }
  const next = "give --http.plain if that is meant, or another --metrics-addr";
  openIfMeant("lizardcd-server", settings, "metricsAddr", { flag: "metrics-addr", allowed, next });
  return {
    ...values,
    http: {
      ...hostPort(values.httpAddr),
      tls: cert && key ? { cert, key } : undefined,
      ca,
      hosts: values.httpHosts,
      trustedProxies: trusted,
    },
    metrics: hostPort(values.metricsAddr),
    store: values.db || join(values.data, "lizardcd.db"),
    open: !isLoopback(values.httpAddr),
  };
}

function named<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new SettingInvalid(`--${flag}: ${(cause as Error).message}`, { cause });
  }
}
