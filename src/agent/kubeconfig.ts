// Two ways to an API server: a kubeconfig's current-context, or the ServiceAccount of the pod we run in.
// Read here and not by the client library, which would cost the agent some 45 MB of memory and lacks tokenFile and
// impersonated groups.
import { isAbsolute, resolve } from "node:path";
import {
  type Credentials,
  type ExecPlugin,
  execCredentials,
  fixed,
  folderOf,
  RotatingFile,
  reasonOf,
  type Source,
  sourceCredentials,
} from "./credentials.ts";

/** All that is needed to talk to one API server. */
export interface Access {
  /** "https://10.0.0.1:6443", without a slash at its end. */
  server: string;
  /** The kubeconfig's names; "in-cluster" for both where there is none. */
  context: string;
  clusterName: string;
  /** The namespace the context names, or the ServiceAccount's own; empty where neither says one. */
  namespace: string;
  /** PEM. */
  ca?: Source;
  insecure: boolean;
  tlsServerName?: string;
  proxy?: string;
  /** Impersonation. */
  headers: [string, string][];
  credentials: Credentials;
}

/** Names the file and what to do; meant for whoever started the agent. */
export class KubeconfigInvalid extends Error {
  override readonly name = "KubeconfigInvalid";
}

const accountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

type Entry = Record<string, unknown>;

/** The current-context of a kubeconfig. @throws KubeconfigInvalid */
export async function accessFromKubeconfig(path: string, contextName?: string): Promise<Access> {
  const config = await parseFile(path);
  const context = contextName ?? text(config["current-context"]);
  if (!context) {
    const names = namesOf(config.contexts);
    throw new KubeconfigInvalid(
      `kubeconfig ${path} has no current-context: set one of ${names.join(", ") || "its contexts (it has none)"}`,
    );
  }
  const chosen = entry(config.contexts, context, "context");
  if (!chosen) {
    throw new KubeconfigInvalid(`kubeconfig ${path}: its current-context ${context} is not among its contexts`);
  }
  const clusterName = text(chosen.cluster);
  const cluster = entry(config.clusters, clusterName, "cluster");
  if (!cluster) {
    throw new KubeconfigInvalid(
      `kubeconfig ${path}: context ${context} names the cluster ${clusterName || '""'}, which is missing`,
    );
  }
  const userName = text(chosen.user);
  const user = userName ? entry(config.users, userName, "user") : {};
  if (!user) {
    throw new KubeconfigInvalid(`kubeconfig ${path}: context ${context} names the user ${userName}, which is missing`);
  }
  const server = text(cluster.server).replace(/\/+$/, "");
  if (!URL.canParse(server) || !/^https?:/.test(server)) {
    throw new KubeconfigInvalid(`kubeconfig ${path}: cluster ${clusterName} has no usable server: ${server || "none"}`);
  }
  const file: File = { path, folder: folderOf(path) };
  const headers = impersonation(user);
  const proxy = proxyOf(file, clusterName, text(cluster["proxy-url"]));
  if (proxy && new Set(headers.map(([name]) => name)).size < headers.length) {
    throw new KubeconfigInvalid(
      `kubeconfig ${path}: user ${userName} impersonates several groups, which is not possible through the proxy-url of cluster ${clusterName}`,
    );
  }
  return {
    server,
    context,
    clusterName,
    namespace: text(chosen.namespace),
    ca: pem(file, cluster, "certificate-authority"),
    insecure: cluster["insecure-skip-tls-verify"] === true,
    tlsServerName: text(cluster["tls-server-name"]) || undefined,
    proxy,
    headers,
    credentials: credentialsOf(file, userName, user, cluster),
  };
}

/** @param env KUBERNETES_SERVICE_HOST and _PORT as the kubelet sets them. @throws KubeconfigInvalid */
export async function accessInCluster(
  env: Record<string, string | undefined>,
  folder = env.LIZARDCD_SERVICEACCOUNT_DIR ?? accountFolder,
): Promise<Access> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port) {
    throw new KubeconfigInvalid(
      "not in a cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set), and no kubeconfig in ~/.kube/config: give a file with --kubeconfig",
    );
  }
  const token = new RotatingFile(`${folder}/token`);
  try {
    await token.text();
  } catch (cause) {
    throw new KubeconfigInvalid(`the pod has no ServiceAccount token: ${reasonOf(cause)}`, { cause });
  }
  const ca = new RotatingFile(`${folder}/ca.crt`);
  const namespace = Bun.file(`${folder}/namespace`);
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    context: "in-cluster",
    clusterName: "in-cluster",
    namespace: (await namespace.exists()) ? (await namespace.text()).trim() : "",
    ca,
    insecure: false,
    headers: [],
    credentials: sourceCredentials({ token }),
  };
}

interface File {
  path: string;
  folder: string;
}

async function parseFile(path: string): Promise<Entry> {
  let content: string;
  try {
    content = await Bun.file(path).text();
  } catch (cause) {
    throw new KubeconfigInvalid(`kubeconfig ${path} cannot be read: ${plainCause(cause)}`, { cause });
  }
  let config: unknown;
  try {
    config = Bun.YAML.parse(content);
  } catch (cause) {
    throw new KubeconfigInvalid(`kubeconfig ${path} is not valid YAML: ${reasonOf(cause)}`, { cause });
  }
  if (!config || typeof config !== "object" || Array.isArray(config)) {
    throw new KubeconfigInvalid(`kubeconfig ${path} is not a kubeconfig: it is empty or holds no fields`);
  }
  return config as Entry;
}

function credentialsOf(file: File, name: string, user: Entry, cluster: Entry): Credentials {
  if (user.exec) {
    const plugin = user.exec as ExecPlugin;
    if (!text(plugin.command))
      throw new KubeconfigInvalid(`kubeconfig ${file.path}: user ${name} has an exec plugin without a command`);
    return execCredentials(plugin, clusterInfo(cluster), file.folder);
  }
  if (user["auth-provider"]) {
    const plugin = text((user["auth-provider"] as Entry).name);
    throw new KubeconfigInvalid(
      `kubeconfig ${file.path}: user ${name} uses the auth-provider ${plugin}, which Kubernetes removed in 1.26: use its exec plugin`,
    );
  }
  const cert = pem(file, user, "client-certificate");
  const key = pem(file, user, "client-key");
  if (Boolean(cert) !== Boolean(key)) {
    throw new KubeconfigInvalid(
      `kubeconfig ${file.path}: user ${name} has a ${cert ? "client certificate without its key" : "client key without its certificate"}`,
    );
  }
  // As kubectl does: the file wins over the token beside it.
  const path = text(user.tokenFile);
  const token = path ? new RotatingFile(absolute(file, path)) : user.token ? fixed(text(user.token)) : undefined;
  return sourceCredentials({ token, basic: basic(user), cert, key });
}

function basic(user: Entry): string | undefined {
  if (!text(user.username)) return undefined;
  return `Basic ${Buffer.from(`${text(user.username)}:${text(user.password)}`).toString("base64")}`;
}

function impersonation(user: Entry): [string, string][] {
  const headers: [string, string][] = [];
  if (text(user.as)) headers.push(["Impersonate-User", text(user.as)]);
  if (text(user["as-uid"])) headers.push(["Impersonate-Uid", text(user["as-uid"])]);
  for (const group of (user["as-groups"] as unknown[] | undefined) ?? [])
    headers.push(["Impersonate-Group", text(group)]);
  for (const [name, values] of Object.entries((user["as-user-extra"] as Record<string, unknown[]> | undefined) ?? {})) {
    for (const value of values) headers.push([`Impersonate-Extra-${encodeURIComponent(name)}`, text(value)]);
  }
  return headers;
}

function clusterInfo(cluster: Entry): object {
  return {
    server: text(cluster.server),
    "tls-server-name": cluster["tls-server-name"],
    "insecure-skip-tls-verify": cluster["insecure-skip-tls-verify"],
    "certificate-authority-data": cluster["certificate-authority-data"],
    "proxy-url": cluster["proxy-url"],
  };
}

function proxyOf(file: File, cluster: string, url: string): string | undefined {
  if (!url) return undefined;
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new KubeconfigInvalid(
    `kubeconfig ${file.path}: cluster ${cluster} has the proxy-url ${url.replace(/\/\/.*@/, "//…@")}: only http and https proxies are understood`,
  );
}

/** `<name>-data` holds PEM in base64 and wins, `<name>` is a path. */
function pem(file: File, entry: Entry, name: string): Source | undefined {
  const inline = text(entry[`${name}-data`]);
  if (inline) return fixed(Buffer.from(inline, "base64").toString("utf8"));
  const path = text(entry[name]);
  return path ? new RotatingFile(absolute(file, path)) : undefined;
}

function absolute({ folder }: File, path: string): string {
  return isAbsolute(path) ? path : resolve(folder, path);
}

function entry(list: unknown, name: string, field: string): Entry | undefined {
  const found = Array.isArray(list) ? list.find((one: Entry | null) => one && text(one.name) === name) : undefined;
  return found ? ((found[field] as Entry | null | undefined) ?? {}) : undefined;
}

function namesOf(list: unknown): string[] {
  return Array.isArray(list) ? list.map((one: Entry) => text(one?.name)).filter(Boolean) : [];
}

function text(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}

function plainCause(cause: unknown): string {
  const code = (cause as { code?: string })?.code;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "permission denied";
  if (code === "EISDIR") return "it is a folder";
  return reasonOf(cause);
}
