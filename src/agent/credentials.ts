// Who the agent is to the API server: a fixed token or certificate, files that rotate, or an exec plugin.
import { stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { givenEnvironment } from "../process/proxy.ts";

/** What one request carries. */
export interface Credential {
  /** The value of the Authorization header. */
  authorization?: string;
  /** PEM. */
  cert?: string;
  key?: string;
}

export interface Credentials {
  /** @throws CredentialsFailed where there is none to be had now. */
  current(signal?: AbortSignal): Promise<Credential>;
  /** The API server answered 401: what was kept is read anew next time. */
  refused(): void;
}

/** The sentence never holds a token. */
export class CredentialsFailed extends Error {
  override readonly name = "CredentialsFailed";
}

/** A text that may change while we run. */
export interface Source {
  text(): Promise<string>;
  /** What was kept is read anew next time. */
  forget(): void;
}

export function fixed(text: string): Source {
  return { text: async () => text, forget: () => {} };
}

/** Refuses a text that cannot be used, by name, whenever the text is read. @param wrong answers what is wrong with it */
export function checked(source: Source, wrong: (text: string) => string | undefined): Source {
  let good: string | undefined;
  return {
    async text() {
      const text = await source.text();
      const problem = text === good ? undefined : wrong(text);
      if (problem) throw new CredentialsFailed(problem);
      good = text;
      return text;
    },
    forget: () => source.forget(),
  };
}

/** @param basic the whole header's value, used where there is no token. */
export function sourceCredentials(sources: {
  token?: Source;
  basic?: string;
  cert?: Source;
  key?: Source;
}): Credentials {
  const { token, basic, cert, key } = sources;
  return {
    async current() {
      const [bearer, certText, keyText] = await Promise.all([token?.text(), cert?.text(), key?.text()]);
      return { authorization: bearer ? `Bearer ${bearer.trim()}` : basic, cert: certText, key: keyText };
    },
    refused() {
      for (const source of [token, cert, key]) source?.forget();
    },
  };
}

/** A file that is replaced from time to time: looked at again at least each minute. */
export class RotatingFile implements Source {
  #text: string | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #changed = 0;

  constructor(
    readonly path: string,
    private readonly maxAgeMs = 30_000,
  ) {}

  async text(): Promise<string> {
    if (this.#text !== undefined && performance.now() - this.#readAt < this.maxAgeMs) return this.#text;
    try {
      const changed = (await stat(this.path)).mtimeMs;
      if (this.#text === undefined || changed !== this.#changed) this.#text = await Bun.file(this.path).text();
      this.#changed = changed;
      this.#readAt = performance.now();
      return this.#text;
    } catch (cause) {
      // A rotation replaces the file in two steps; what was read before is good for a while.
      if (this.#text !== undefined) return this.#text;
      throw new CredentialsFailed(`${this.path} cannot be read: ${reasonOf(cause)}`, { cause });
    }
  }

  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
    this.#changed = 0;
  }
}

/** The exec section of a kubeconfig's user. */
export interface ExecPlugin {
  apiVersion: string;
  command: string;
  args?: string[];
  env?: { name: string; value?: string }[];
  installHint?: string;
  provideClusterInfo?: boolean;
}

interface ExecCredential {
  apiVersion?: string;
  kind?: string;
  status?: {
    token?: string;
    clientCertificateData?: string;
    clientKeyData?: string;
    expirationTimestamp?: string;
  };
}

const pluginTimeoutMs = 30_000;
// A credential that ends while the request is under way would be refused.
const expiryMarginMs = 10_000;

/**
 * @param cluster what the plugin is told of the cluster, where it asks for that.
 * @param folder of the kubeconfig.
 */
export function execCredentials(plugin: ExecPlugin, cluster: () => Promise<object>, folder: string): Credentials {
  let kept: { credential: Credential; until: number } | undefined;
  let running: Promise<Credential> | undefined;

  async function ask(): Promise<Credential> {
    const { status } = await runPlugin(plugin, cluster, folder);
    const credential: Credential = {
      ...(status?.token ? { authorization: `Bearer ${status.token}` } : {}),
      cert: status?.clientCertificateData,
      key: status?.clientKeyData,
    };
    const until = status?.expirationTimestamp ? Date.parse(status.expirationTimestamp) - expiryMarginMs : Infinity;
    kept = { credential, until };
    return credential;
  }

  return {
    async current() {
      if (kept && Date.now() < kept.until) return kept.credential;
      running ??= ask().finally(() => {
        running = undefined;
      });
      return running;
    },
    refused() {
      kept = undefined;
    },
  };
}

async function runPlugin(plugin: ExecPlugin, cluster: () => Promise<object>, folder: string): Promise<ExecCredential> {
  const { apiVersion } = plugin;
  // As kubectl does: a command with a slash is relative to the kubeconfig, one without is looked up in PATH.
  const command =
    plugin.command.includes("/") && !isAbsolute(plugin.command) ? resolve(folder, plugin.command) : plugin.command;
  const request = {
    apiVersion,
    kind: "ExecCredential",
    spec: { interactive: false, ...(plugin.provideClusterInfo ? { cluster: await cluster() } : {}) },
  };
  const env: Record<string, string | undefined> = {
    ...givenEnvironment(),
    KUBERNETES_EXEC_INFO: JSON.stringify(request),
  };
  for (const { name, value } of plugin.env ?? []) env[name] = value ?? "";

  let child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn([command, ...(plugin.args ?? [])], {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: pluginTimeoutMs,
      killSignal: "SIGKILL",
    });
  } catch (cause) {
    const hint = plugin.installHint ? ` (${plugin.installHint.trim()})` : "";
    throw new CredentialsFailed(`the exec plugin ${plugin.command} cannot be started: ${reasonOf(cause)}${hint}`, {
      cause,
    });
  }
  const [out, said, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) {
    const line = said.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
    const ended = child.signalCode ? `was ended by ${child.signalCode}` : `exited with ${code}`;
    throw new CredentialsFailed(`the exec plugin ${plugin.command} ${ended}${line ? `: ${line}` : ""}`);
  }
  return parsed(out, plugin.command, apiVersion);
}

function parsed(out: string, command: string, apiVersion: string): ExecCredential {
  let credential: ExecCredential;
  try {
    credential = JSON.parse(out) as ExecCredential;
  } catch {
    // The parser's message would quote what the plugin printed, which may be a token.
    throw new CredentialsFailed(`the exec plugin ${command} did not print JSON: expected an ExecCredential`);
  }
  if (credential.kind !== "ExecCredential" || credential.apiVersion !== apiVersion) {
    throw new CredentialsFailed(`the exec plugin ${command} did not print an ExecCredential of ${apiVersion}`);
  }
  const { token, clientCertificateData: cert, clientKeyData: key } = credential.status ?? {};
  if (!token && !(cert && key)) {
    throw new CredentialsFailed(`the exec plugin ${command} printed neither a token nor a certificate with its key`);
  }
  return credential;
}

export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The folder that relative paths of a kubeconfig start from. */
export function folderOf(path: string): string {
  return dirname(resolve(path));
}
