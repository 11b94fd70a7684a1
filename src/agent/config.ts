// The agent's configuration: the only file here that reads flags, files and environment.

import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { delimiter, join } from "node:path";
import { formatKey, parseKey } from "../discovery/discovery.ts";
import { givenEnvironment, proxyOf } from "../process/proxy.ts";
import { reasonOf } from "../process/setting-file.ts";
import { hostPort, isLoopback, openIfMeant, programSettings, SettingInvalid } from "../process/settings.ts";
import { build } from "../process/version.ts";
import { certificatesIn, pemOf } from "../trust/pem.ts";
import { type Access, accessFromKubeconfig, accessInCluster } from "./kubeconfig.ts";
import { registryOf } from "./registry.ts";
import { type AgentSettings, agentSettings } from "./settings.ts";

export interface AgentConfig extends AgentSettings {
  access: Access;
  /** The cluster's name. */
  clusterName: string;
  /** PEM of the CA to trust at the server's https address, instead of those of the system. */
  serverCaPem?: string;
  /** Where the agent's certificate comes from. */
  trust: TrustSource;
  /** How the server comes to it: a registry says where it listens, the server is told, or it dials out. */
  via: "registry" | "address" | "tunnel";
  /** "http://proxy:3128", through which the server is reached. */
  proxy?: string;
  /** The key to announce, with its prefix; undefined where keys follow from the scope. */
  key?: string;
  /** Namespaces to serve; undefined for all that may be read. */
  only?: string[];
  metrics: { host: string; port: number };
  /** What to announce, where it is not the address listened on; without a port, the one listened on. */
  advertise?: { host: string; port?: number };
  /** True where others can reach it without encryption, which --insecure alone allows. */
  open: boolean;
}

/** The key's own namespace, else those to serve and those allowed, where both are given those in both. */
function onlyOf(key: { namespace: string } | undefined, values: AgentSettings): string[] | undefined {
  const { namespaces, allowNamespaces } = values;
  const served = key && key.namespace !== "*" ? [key.namespace] : namespaces;
  if (allowNamespaces.length === 0) return served.length > 0 ? served : undefined;
  return served.length > 0 ? served.filter((one) => allowNamespaces.includes(one)) : allowNamespaces;
}

export type TrustSource =
  | { from: "files"; files: { ca: string; certificate: string; key: string } }
  | { from: "server"; server: string; token?: string; file?: string; secret?: string }
  /** Plaintext, said by --insecure. */
  | { from: "nowhere" };

type Env = Record<string, string | undefined>;

/** @throws SettingInvalid, KubeconfigInvalid */
export async function agentConfig(argv?: readonly string[]): Promise<AgentConfig> {
  const summary = "The Lizardcd agent: serves one Kubernetes cluster, and announces itself.";
  const settings = programSettings({ name: "lizardcd-agent", summary, version: build, table: agentSettings, argv });
  const { insecure, httpPlain } = settings.values;
  const next = "give --http.plain if that is meant, or another --metrics-addr";
  openIfMeant("lizardcd-agent", settings, "metricsAddr", {
    flag: "metrics-addr",
    allowed: insecure || httpPlain,
    next,
  });
  return resolveConfig(settings.values, givenEnvironment());
}

/** What follows from the settings. @throws SettingInvalid, KubeconfigInvalid */
export async function resolveConfig(values: AgentSettings, env: Env): Promise<AgentConfig> {
  const registry = registryOf(values) !== undefined;
  if (!values.server && !registry) {
    throw new SettingInvalid(
      "nowhere to announce: give --server URL with its --token, or a registry: --etcd-host, --consul-host or --nacos-host",
    );
  }
  if (values.server && !/^https?:\/\/[^/\s]+\/?$/.test(values.server)) {
    throw new SettingInvalid(
      `--server must be a URL such as http://127.0.0.1:5117, not ${JSON.stringify(values.server)}`,
    );
  }
  const serverCaPem = serverCaOf(values);
  const key = values.serviceKey === undefined ? undefined : keyOf(values.serviceKey, values.servicePrefix);
  const kubeconfig = values.kubeconfig ?? usualKubeconfig(env);
  const access = kubeconfig ? await accessFromKubeconfig(kubeconfig) : await accessInCluster(env);
  const clusterName = clusterNameOf(values.cluster, key?.cluster, access, !kubeconfig);
  const trust = trustOf(values, clusterName, env);
  if (!registry && values.reach === "address" && trust.from === "nowhere" && !values.joinToken) {
    throw new SettingInvalid(
      "--reach address without a certificate needs --join-token-file: the server keeps it in its data folder",
    );
  }
  return {
    ...values,
    kubeconfig,
    access,
    clusterName,
    serverCaPem,
    trust,
    via: registry ? "registry" : values.reach,
    // Nothing else asks for it: what fetch makes of the environment is its own.
    proxy: !registry && values.reach === "tunnel" && values.server ? proxyFor(values.server, env) : undefined,
    key: key && formatKey(values.servicePrefix, key),
    only: onlyOf(key, values),
    metrics: hostPort(values.metricsAddr),
    advertise: advertised(values.grpcAddr, values.announceAddr, env),
    open: !isLoopback(values.grpcAddr),
  };
}

/** @throws SettingInvalid where it is said twice, or is no certificate. */
function serverCaOf({ serverCa: file, serverCaData: data }: AgentSettings): string | undefined {
  if (file && data) {
    throw new SettingInvalid("--server-ca and --server-ca-data both say which CA to trust: give one of them");
  }
  if (!file && !data) return undefined;
  try {
    return pemOf(certificatesIn(file ? readFileSync(file, "utf8") : Buffer.from(data!, "base64").toString()));
  } catch (cause) {
    const [named, wanted] = file
      ? [`--server-ca ${file}`, "a file with the CA in PEM"]
      : ["--server-ca-data", "base64 of the CA's PEM, as `lizardcd agents enroll` prints it"];
    throw new SettingInvalid(`${named} cannot be used: ${reasonOf(cause)}: give ${wanted}`, { cause });
  }
}

/** kubectl's, where the agent runs outside of a cluster. @throws SettingInvalid where those are several */
function usualKubeconfig({ KUBERNETES_SERVICE_HOST, KUBECONFIG, HOME }: Env): string | undefined {
  if (KUBERNETES_SERVICE_HOST) return undefined;
  const files = (KUBECONFIG ?? "").split(delimiter).filter((file) => file !== "");
  if (files.length > 1) throw new SettingInvalid("KUBECONFIG names several files: give one of them with --kubeconfig");
  if (files[0]) return files[0];
  const own = HOME ? join(HOME, ".kube", "config") : undefined;
  return own && existsSync(own) ? own : undefined;
}

/** @throws SettingInvalid where nothing says how the server would trust this agent. */
function trustOf(values: AgentSettings, cluster: string, env: Env): TrustSource {
  const { tlsCa, tlsCert, tlsKey, server, token, joinToken, identity, identitySecret } = values;
  if (tlsCa || tlsCert || tlsKey) {
    if (tlsCa && tlsCert && tlsKey) return { from: "files", files: { ca: tlsCa, certificate: tlsCert, key: tlsKey } };
    throw new SettingInvalid("--tls.ca, --tls.cert and --tls.key go together: give all three");
  }
  // Said in so many words; a token beside it says otherwise.
  if (values.insecure && !token && !identity && !identitySecret) return { from: "nowhere" };
  if (!server) {
    throw new SettingInvalid(
      "the agent has no certificate: enroll with --server URL and --token, give --tls.ca, --tls.cert and --tls.key, " +
        "or, for an insecure server alone, --insecure",
    );
  }
  if (identitySecret) {
    if (identity) throw new SettingInvalid("--identity and --identity-secret are two places: give one of them");
    return { from: "server", server, token: token ?? joinToken, secret: identitySecret };
  }
  const folder = `${env.XDG_DATA_HOME || `${env.HOME || "."}/.local/share`}/lizardcd`;
  const kept = identity ?? (token || !joinToken ? `${folder}/agent-${cluster}.pem` : undefined);
  return { from: "server", server, token: token ?? joinToken, file: kept };
}

/**
 * The environment's proxy to the server; ALL_PROXY counts too where nothing else does.
 * @throws SettingInvalid where it is no proxy that is understood
 */
export function proxyFor(url: string, env: Env): string | undefined {
  const all = env.all_proxy || env.ALL_PROXY;
  const proxy = proxyOf(url, env) ?? (all ? proxyOf(url, { ...env, HTTPS_PROXY: all, HTTP_PROXY: all }) : undefined);
  if (!proxy || (URL.canParse(proxy) && /^https?:$/.test(new URL(proxy).protocol))) return proxy;
  const shown = proxy.replace(/[^/]*@/, "…@");
  throw new SettingInvalid(
    `the environment names ${shown} as the proxy to the server: give http://host:port, or the server's host in NO_PROXY`,
  );
}

/** The prefix may be part of the key or not: the old files have it both ways. */
function keyOf(text: string, prefix: string): { namespace: string; cluster: string } {
  const parsed = parseKey(prefix, text.startsWith(prefix) ? text : prefix + text);
  if (!("problem" in parsed)) return parsed;
  throw new SettingInvalid(`--service-key ${text}: ${parsed.problem}: expected lizardcd-agent.<namespace>.<cluster>`);
}

const clusterPattern = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;

/** Given, else the key's last part, else the kubeconfig's own name for it. @throws SettingInvalid */
export function clusterNameOf(
  given: string | undefined,
  keyed: string | undefined,
  { clusterName }: Pick<Access, "clusterName">,
  inCluster: boolean,
): string {
  if (given && keyed && given !== keyed) {
    throw new SettingInvalid(`--cluster ${given} and the key's cluster ${keyed} are two: give one of them`);
  }
  const name = given ?? keyed;
  if (name) {
    if (clusterPattern.test(name)) return name;
    throw new SettingInvalid(
      `--cluster ${name} is not a cluster name: lower case letters, digits, dots and dashes${proposal(name)}`,
    );
  }
  if (inCluster)
    throw new SettingInvalid("in a cluster the agent cannot know the cluster's name: give one with --cluster");
  if (clusterPattern.test(clusterName)) return clusterName;
  throw new SettingInvalid(
    `the kubeconfig calls the cluster ${JSON.stringify(clusterName)}, which is no cluster name: give one with --cluster${proposal(clusterName)}`,
  );
}

function proposal(name: string): string {
  const proposed = name
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .slice(0, 63)
    .replace(/^[.-]+|[.-]+$/g, "");
  return proposed ? `, for example ${proposed}` : "";
}

/** Where it listens on every address, none of them says where to reach it. */
function advertised(listen: string, announce: string | undefined, env: Env): AgentConfig["advertise"] {
  if (announce) return hostPort(announce);
  const { host } = hostPort(listen);
  if (host !== "0.0.0.0" && host !== "::") return undefined;
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // Link-local addresses of IPv6 mean nothing on another machine.
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"));
  const first = others.find(({ family }) => family === "IPv4") ?? others[0];
  return { host: env.POD_IP || first?.address || "127.0.0.1" };
}
