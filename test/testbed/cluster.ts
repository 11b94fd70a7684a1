/** A running control plane, as tests see it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Certificate, createClientCertificate } from "./certificates.ts";
import { type KubeconfigOptions, kubeconfigText } from "./kubeconfig.ts";
import type { ProcessGroup } from "./processes.ts";
import { until } from "./wait.ts";

/** Any Kubernetes object; `metadata.name` is required by what is done with it. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; [key: string]: unknown };
  [key: string]: unknown;
}

export interface PolicyRule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

/** What a pod finds in `/var/run/secrets/kubernetes.io/serviceaccount`, and its environment. */
export interface ServiceAccount {
  token: string;
  ca: string;
  namespace: string;
  name: string;
  /** Folder with the files `token`, `ca.crt` and `namespace`. */
  folder: string;
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
  env: { KUBERNETES_SERVICE_HOST: string; KUBERNETES_SERVICE_PORT: string };
}

/** The API server answered with an error; `status` is its HTTP status. */
export class ApiError extends Error {
  override name = "ApiError";
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export class RealCluster {
  readonly name: string;
  /** `https://127.0.0.1:<port>` */
  readonly url: string;
  /** The server's CA, PEM. */
  readonly ca: string;
  readonly caFile: string;
  /** Token of the administrator `admin` in `system:masters`. */
  readonly token: string;
  /** Temporary folder with the processes' logs; removed with the cluster. */
  readonly folder: string;
  readonly #group: ProcessGroup;
  readonly #clientAuthority: Certificate;
  readonly #kubectlPath: string;
  readonly #port: number;

  constructor(parts: {
    name: string;
    group: ProcessGroup;
    port: number;
    serverAuthority: Certificate;
    clientAuthority: Certificate;
    token: string;
    kubectlPath: string;
  }) {
    this.name = parts.name;
    this.url = `https://127.0.0.1:${parts.port}`;
    this.ca = parts.serverAuthority.cert;
    this.token = parts.token;
    this.folder = parts.group.folder;
    this.caFile = join(this.folder, "server-ca.crt");
    this.#group = parts.group;
    this.#clientAuthority = parts.clientAuthority;
    this.#kubectlPath = parts.kubectlPath;
    this.#port = parts.port;
  }

  /** GET as the administrator; JSON when the server says so, else text. @throws ApiError */
  get<T = KubeObject>(path: string): Promise<T> {
    return this.request<T>("GET", path);
  }

  /** @param type content type of `body`, default JSON. @throws ApiError */
  async request<T = KubeObject>(
    method: string,
    path: string,
    body?: unknown,
    type = "application/json",
    token = this.token,
  ): Promise<T> {
    const answer = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, accept: "application/json", "content-type": type },
      body: body === undefined ? undefined : JSON.stringify(body),
      tls: { ca: this.ca },
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    const content = isJson ? JSON.parse(text) : text;
    if (!answer.ok) throw new ApiError(answer.status, `${method} ${path}: ${isJson ? content.message : text}`);
    return content as T;
  }

  /** Runs the real kubectl as the administrator. @returns its standard output @throws with its standard error */
  kubectl(...args: string[]): Promise<string> {
    return this.#kubectl(args);
  }

  /** Applies YAML text or objects by `kubectl apply`. */
  async apply(objects: string | object | object[]): Promise<void> {
    const list = Array.isArray(objects) ? { apiVersion: "v1", kind: "List", items: objects } : objects;
    await this.#kubectl(["apply", "-f", "-"], typeof list === "string" ? list : JSON.stringify(list));
  }

  async #kubectl(args: string[], input?: string): Promise<string> {
    const child = Bun.spawn([this.#kubectlPath, `--kubeconfig=${join(this.folder, "admin.kubeconfig")}`, ...args], {
      stdin: input === undefined ? "ignore" : new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, KUBECACHEDIR: join(this.folder, "kubectl-cache") },
    });
    const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`kubectl ${args.join(" ")}: ${errors.trim()}`);
    return out;
  }

  /** Creates a namespace and waits until pods can be created in it. @returns its name */
  async namespace(name = `test-${crypto.randomUUID().slice(0, 8)}`): Promise<string> {
    await this.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    await until(() => this.get(`/api/v1/namespaces/${name}/serviceaccounts/default`), {
      what: `namespace ${name} to have its default service account`,
    });
    return name;
  }

  /** Writes a kubeconfig file for these credentials. @returns its path */
  kubeconfig(options: KubeconfigOptions | KubeconfigOptions["kind"]): string {
    const wanted = typeof options === "string" ? { kind: options } : options;
    const path = join(this.folder, `${wanted.kind}-${crypto.randomUUID()}.kubeconfig`);
    writeFileSync(path, kubeconfigText(this, wanted), { mode: 0o600 });
    return path;
  }

  /** A certificate by which the API server knows the client; default the administrator. */
  clientCertificate(name = "admin", groups = ["system:masters"]): Certificate {
    return createClientCertificate(this.#clientAuthority, name, groups);
  }

  /**
   * Creates a service account with these rights, and a token of it as a pod would get it.
   * @param rights.in "cluster" binds the rules cluster-wide, names bind them in these namespaces (created if missing)
   */
  async serviceAccount(
    namespace: string,
    name: string,
    rights: { in: "cluster" | string[]; rules: PolicyRule[] },
  ): Promise<ServiceAccount> {
    const wide = rights.in === "cluster";
    const where = rights.in === "cluster" ? [undefined] : rights.in;
    const group = "rbac.authorization.k8s.io";
    const prefix = wide ? "Cluster" : "";
    const objects: object[] = [namespace, ...where]
      .filter((each) => each !== undefined)
      .map((each) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name: each } }));
    objects.push({ apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name } });
    const roleName = wide ? `${namespace}-${name}` : name;
    for (const each of where) {
      const metadata = { name: roleName, namespace: each };
      objects.push(
        { apiVersion: `${group}/v1`, kind: `${prefix}Role`, metadata, rules: rights.rules },
        {
          apiVersion: `${group}/v1`,
          kind: `${prefix}RoleBinding`,
          metadata,
          roleRef: { apiGroup: group, kind: `${prefix}Role`, name: roleName },
          subjects: [{ kind: "ServiceAccount", namespace, name }],
        },
      );
    }
    await this.apply(objects);
    return this.mountServiceAccount(namespace, name);
  }

  /** A token of an existing service account (one that a chart created), as a pod would get it. */
  async mountServiceAccount(namespace: string, name: string): Promise<ServiceAccount> {
    const token = await this.mintToken(namespace, name);
    const folder = join(this.folder, "mounted", namespace, name);
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of Object.entries({ token, "ca.crt": this.ca, namespace }))
      writeFileSync(join(folder, file), text);
    const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(this.#port) };
    return { token, ca: this.ca, namespace, name, folder, env };
  }

  /** @param seconds lifetime, at least 600 */
  async mintToken(namespace: string, name: string, seconds = 3600): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const request = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { expirationSeconds: seconds },
    };
    return (await this.request<{ status: { token: string } }>("POST", path, request)).status.token;
  }

  /** Ends every process of the cluster and removes its folder. */
  stop(): Promise<void> {
    return this.#group.stop();
  }
}
