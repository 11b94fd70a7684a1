// Two ways to an API server: a kubeconfig's current-context, or the ServiceAccount of the pod we run in.
// Read here and not by the client library, which would cost the agent some 45 MB of memory and lacks tokenFile and
// impersonated groups.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import { isThisMachine, proxyOf } from "../process/proxy.ts";
import {
  type Credentials,
  checked,
  type ExecPlugin,
  execCredentials,
  fixed,
  folderOf,
  RotatingFile,
  reasonOf,
  type Source,
  sourceCredentials,
} from "./credentials.ts";
import {
  type ClusterEntry,
  type ExecEntry,
  FileInvalid,
  type Kubeconfig,
  parseKubeconfig,
  type UserEntry,
} from "./kubeconfig-file.ts";

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

/** The current-context of a kubeconfig, as kubectl understands it. @throws KubeconfigInvalid */
export async function accessFromKubeconfig(path: string, contextName?: string): Promise<Access> {
  const config = await parseFile(path);
  const context = contextName ?? config["current-context"];
  if (!context) {
    const names = (config.contexts ?? []).flatMap(({ name }) => name || []);
    throw new KubeconfigInvalid(
      `kubeconfig ${path} has no current-context: set one of ${names.join(", ") || "its contexts (it has none)"}`,
    );
  }
  const chosen = config.contexts?.find(({ name }) => name === context);
  if (!chosen) {
    throw new KubeconfigInvalid(`kubeconfig ${path}: its current-context ${context} is not among its contexts`);
  }
  const { cluster: clusterName = "", user: userName = "", namespace = "" } = chosen.context ?? {};
  const cluster = config.clusters?.find(({ name }) => name === clusterName);
  if (!clusterName || !cluster) {
    throw new KubeconfigInvalid(
      `kubeconfig ${path}: context ${context} names the cluster ${clusterName || '""'}, which is missing`,
    );
  }
  const user = userName ? config.users?.find(({ name }) => name === userName) : { user: {} };
  if (!user) {
    throw new KubeconfigInvalid(`kubeconfig ${path}: context ${context} names the user ${userName}, which is missing`);
  }
  const file: File = { path, folder: folderOf(path) };
  const facts = clusterFacts(file, clusterName, cluster.cluster ?? {});
  const headers = impersonation(file, userName, user.user ?? {});
  const credentials = await credentialsOf(file, userName, user.user ?? {}, cluster.cluster ?? {}, facts);
  const access = { ...facts, context, clusterName, namespace, headers };
  return { ...access, credentials: mayCarrySecrets(facts.server) ? credentials : sourceCredentials({}) };
}

/**
 * No credentials go over plain HTTP, as with kubectl. This machine itself is the exception: simulated clusters listen
 * there.
 */
function mayCarrySecrets(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === "https:" || isThisMachine(hostname);
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
    proxy: environmentProxy(`https://${host.includes(":") ? `[${host}]` : host}:${port}`),
    headers: [],
    credentials: sourceCredentials({ token }),
  };
}

interface File {
  path: string;
  folder: string;
}

async function parseFile(path: string): Promise<Kubeconfig> {
  let content: Uint8Array;
  try {
    content = await Bun.file(path).bytes();
  } catch (cause) {
    throw new KubeconfigInvalid(`kubeconfig ${path} cannot be read: ${plainCause(cause)}`, { cause });
  }
  try {
    return parseKubeconfig(content);
  } catch (cause) {
    if (!(cause instanceof FileInvalid)) throw cause;
    throw new KubeconfigInvalid(`kubeconfig ${path}${/^:/.test(cause.message) ? "" : " "}${cause.message}`, { cause });
  }
}

type ClusterFacts = Pick<Access, "server" | "ca" | "insecure" | "tlsServerName" | "proxy">;

function clusterFacts(file: File, name: string, cluster: ClusterEntry): ClusterFacts {
  const insecure = cluster["insecure-skip-tls-verify"] === true;
  const ca = pem(file, cluster, "certificate-authority", "cluster", name, holdsCertificate);
  if (ca && insecure) {
    throw new KubeconfigInvalid(
      `kubeconfig ${file.path}: cluster ${name} has a certificate-authority and insecure-skip-tls-verify: keep one of them`,
    );
  }
  const { server: given = "" } = cluster;
  // Without a scheme it is plain HTTP, as for kubectl.
  const whole = given.includes("://") || !given ? given : `http://${given}`;
  const server = whole.replace(/\/+$/, "");
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw new KubeconfigInvalid(`kubeconfig ${file.path}: cluster ${name} has no usable server: ${given || "none"}`);
  }
  const proxy = explicitProxy(file, name, cluster["proxy-url"] ?? "") ?? environmentProxy(server);
  return { server, ca, insecure, tlsServerName: cluster["tls-server-name"] || undefined, proxy };
}

async function credentialsOf(
  file: File,
  name: string,
  user: UserEntry,
  cluster: ClusterEntry,
  facts: ClusterFacts,
): Promise<Credentials> {
  const problem = (what: string) => new KubeconfigInvalid(`kubeconfig ${file.path}: user ${name || '""'} ${what}`);
  const { token, tokenFile, username, password, exec } = user;
  const provider = user["auth-provider"];
  if (provider) {
    throw problem(`uses the auth-provider ${provider.name}, which Kubernetes removed in 1.26: use its exec plugin`);
  }
  if (token && (username || password)) throw problem("has a token and a username or password: keep one of them");
  const cert = pem(file, user, "client-certificate", "user", name, holdsCertificate);
  const key = pem(file, user, "client-key", "user", name, holdsKey);
  if (cert && !key) throw problem("has a client certificate without its key");
  const plugin = exec && pluginOf(exec, problem);
  // A key without a certificate proves nothing; kubectl passes over it too.
  if (cert && key) await belongTogether(cert, key, problem);
  const own: Parameters<typeof sourceCredentials>[0] = {
    token: tokenFile
      ? new RotatingFile(absolute(file, tokenFile))
      : token
        ? fixed(headerValue(token, problem))
        : undefined,
    basic:
      username || password
        ? `Basic ${Buffer.from(`${username ?? ""}:${password ?? ""}`).toString("base64")}`
        : undefined,
    ...(cert && key ? { cert, key } : {}),
  };
  // What the file itself says counts before what a plugin would: the plugin is not even run.
  if (plugin && !own.token && !own.basic && !own.cert) {
    return execCredentials(plugin, clusterInfo(cluster, facts), file.folder);
  }
  if (!own.token && !own.basic && !own.cert && facts.server.startsWith("https:")) {
    throw problem("has no credentials: a token, a tokenFile, a client certificate with its key or an exec plugin");
  }
  return sourceCredentials(own);
}

const pluginVersions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const interactiveModes = ["Never", "IfAvailable", "Always"];

function pluginOf(exec: ExecEntry, problem: (what: string) => KubeconfigInvalid): ExecPlugin {
  const { apiVersion = "", command, args, env, installHint, provideClusterInfo } = exec;
  const [current, beta] = pluginVersions;
  const mode = exec.interactiveMode || (apiVersion === beta ? "IfAvailable" : "");
  if (!command) throw problem("has an exec plugin without a command");
  if (!pluginVersions.includes(apiVersion)) {
    throw problem(`has an exec plugin with the apiVersion ${apiVersion || '""'}: expected ${current} or ${beta}`);
  }
  if (!interactiveModes.includes(mode)) {
    throw problem(
      `has an exec plugin with the interactiveMode ${mode || '""'}: expected ${interactiveModes.join(", ")}`,
    );
  }
  if (mode === "Always") {
    throw problem("has an exec plugin that asks a person (interactiveMode: Always): an agent runs without one");
  }
  if (env?.some(({ name }) => !name)) throw problem("has an exec plugin with an environment variable without a name");
  return { apiVersion, command, args, env: env as ExecPlugin["env"], installHint, provideClusterInfo };
}

/** A header that ends in a line break would end the request's headers. */
function headerValue(token: string, problem: (what: string) => KubeconfigInvalid): string {
  if (/^[\t\x20-\x7e\x80-\uffff]*$/.test(token)) return token;
  throw problem("has a token with a line break or another control character in it");
}

function impersonation({ path }: File, name: string, user: UserEntry): [string, string][] {
  const { as: who = "", "as-uid": uid = "", "as-groups": groups = [], "as-user-extra": extra = {} } = user;
  if (!who && (uid || groups.length > 0 || Object.keys(extra).length > 0)) {
    throw new KubeconfigInvalid(
      `kubeconfig ${path}: user ${name} has as-uid, as-groups or as-user-extra without as: name the user to impersonate`,
    );
  }
  const headers: [string, string][] = [];
  if (who) headers.push(["Impersonate-User", who]);
  if (uid) headers.push(["Impersonate-Uid", uid]);
  for (const group of groups) headers.push(["Impersonate-Group", group]);
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values ?? []) headers.push([`Impersonate-Extra-${headerName(key)}`, value]);
  }
  return headers;
}

/** What no header's name may hold, and the per cent sign itself, is written as %XX of its bytes. */
function headerName(key: string): string {
  const written = [...Buffer.from(key)].map((byte) => {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9!#$&'*+.^_`|~-]/.test(character)) return character;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return written.join("");
}

/** What kubectl tells a plugin that asks for it: the cluster whole, its CA from the file where it stands in one. */
function clusterInfo(cluster: ClusterEntry, { ca }: ClusterFacts): () => Promise<object> {
  const config = cluster.extensions?.find(({ name }) => name === "client.authentication.k8s.io/exec")?.extension;
  return async () => {
    const pem = await ca?.text();
    return {
      server: cluster.server,
      ...(cluster["tls-server-name"] ? { "tls-server-name": cluster["tls-server-name"] } : {}),
      ...(cluster["insecure-skip-tls-verify"] ? { "insecure-skip-tls-verify": true } : {}),
      ...(pem ? { "certificate-authority-data": Buffer.from(pem).toString("base64") } : {}),
      ...(cluster["proxy-url"] ? { "proxy-url": cluster["proxy-url"] } : {}),
      ...(cluster["disable-compression"] ? { "disable-compression": true } : {}),
      ...(config === undefined ? {} : { config }),
    };
  };
}

function explicitProxy(file: File, cluster: string, url: string): string | undefined {
  if (!url) return undefined;
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new KubeconfigInvalid(
    `kubeconfig ${file.path}: cluster ${cluster} has the proxy-url ${url.replace(/\/\/.*@/, "//…@")}: only http and https proxies are understood`,
  );
}

function environmentProxy(server: string): string | undefined {
  const proxy = proxyOf(server);
  if (proxy === undefined || (/^https?:\/\//.test(proxy) && URL.canParse(proxy))) return proxy;
  throw new KubeconfigInvalid(
    `the environment names ${proxy.replace(/\/\/.*@/, "//…@")} as the proxy to ${server}: only http and https proxies are understood`,
  );
}

type PemName = "certificate-authority" | "client-certificate" | "client-key";

/** `<name>-data` holds PEM in base64, `<name>` is a path; kubectl refuses both beside one another. */
function pem(
  file: File,
  entry: ClusterEntry & UserEntry,
  name: PemName,
  kind: string,
  owner: string,
  wrong: (text: string) => string | undefined,
): Source | undefined {
  const data = entry[`${name}-data`];
  const path = entry[name];
  if (data?.length && path) {
    throw new KubeconfigInvalid(
      `kubeconfig ${file.path}: ${kind} ${owner} has ${name} and ${name}-data: keep one of them`,
    );
  }
  if (data?.length) {
    const text = data.toString("utf8");
    const problem = wrong(text);
    if (problem) throw new KubeconfigInvalid(`kubeconfig ${file.path}: ${kind} ${owner}: ${name}-data ${problem}`);
    return fixed(text);
  }
  if (!path) return undefined;
  const where = absolute(file, path);
  return checked(new RotatingFile(where), (text) => {
    const problem = wrong(text);
    return problem && `${where}, the ${name} of ${kind} ${owner}, ${problem}`;
  });
}

function holdsCertificate(text: string): string | undefined {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.some(isCertificate) ? undefined : "holds no certificate in PEM";
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block) !== undefined;
  } catch {
    return false;
  }
}

function holdsKey(text: string): string | undefined {
  try {
    createPrivateKey(text);
    return undefined;
  } catch {
    // The cause would quote nothing useful, and the text is a secret.
    return "holds no private key in PEM";
  }
}

/** Where both can be read now; files may also come later. */
async function belongTogether(cert: Source, key: Source, problem: (what: string) => KubeconfigInvalid): Promise<void> {
  const [certText, keyText] = await Promise.all([cert.text(), key.text()]).catch((cause: unknown) => {
    throw problem(`cannot be used: ${reasonOf(cause)}`);
  });
  if (new X509Certificate(certText).checkPrivateKey(createPrivateKey(keyText))) return;
  throw problem("has a client certificate and a client key that do not belong together");
}

function absolute({ folder }: File, path: string): string {
  return isAbsolute(path) ? path : resolve(folder, path);
}

function plainCause(cause: unknown): string {
  const code = (cause as { code?: string })?.code;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "permission denied";
  if (code === "EISDIR") return "it is a folder";
  return reasonOf(cause);
}
