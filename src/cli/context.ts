// Which server, and with which token: flags, else the environment, else what was kept in a file of mode 0600, of which
// the tool before this one kept another.
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeSecretFile } from "../process/secret-file.ts";
import type { Lang } from "../words/words.ts";
import { CommandFailed, exit } from "./exit.ts";
import type { Env } from "./terminal.ts";
import { tell } from "./words.ts";

/** One server as it is kept, under a name. */
export interface Kept {
  server: string;
  username: string;
  /** Empty after signing out: the server stays known. */
  token: string;
  /** Milliseconds since the epoch; 0 where it is not known. */
  expires: number;
  /** PEM: who signed the server's certificate, where the system does not know. */
  ca?: string;
  /** What commands mean that name none. */
  cluster?: string;
  namespace?: string;
}

export interface Contexts {
  current: string;
  contexts: Record<string, Kept>;
  /** What is wrong with the file, without being a reason to stop: one sentence each. */
  warnings: string[];
}

export interface Context {
  server: string;
  /** Empty where nobody is signed in. */
  token: string;
  ca?: string;
}

/** What the command line says of it. */
export interface Named {
  server?: string;
  token?: string;
  context?: string;
  /** A file. */
  serverCa?: string;
}

export const namedIn = (flags: ReadonlyMap<string, string[]>): Named => ({
  server: flags.get("server")?.at(-1),
  token: flags.get("token")?.at(-1),
  context: flags.get("context")?.at(-1),
  serverCa: flags.get("server-ca")?.at(-1),
});

export function contextPath({ XDG_CONFIG_HOME, HOME, APPDATA, USERPROFILE }: Env): string {
  const folder = XDG_CONFIG_HOME || (!HOME && APPDATA) || join(HOME || USERPROFILE || ".", ".config");
  return join(folder, "lizardcd", "config.yaml");
}

/** Where the tool before this one kept its server and token. */
export function olderPath({ HOME, USERPROFILE }: Env): string {
  return join(HOME || USERPROFILE || ".", ".lizardcd-cli.yaml");
}

/** A token is shown only to the server it was made by. */
export function contextOf(named: Named, env: Env, lang: Lang): Context {
  const { current, contexts } = readContexts(env, lang);
  const address = named.server || (named.context ? undefined : env.LIZARDCD_SERVER);
  if (named.context && !contexts[named.context]) throw noContext(named.context, contexts, lang);
  const own = contexts[named.context ?? current];
  if (!address && !own) throw noServer(contexts, lang);
  const server = address ? serverOf(address, lang) : own!.server;
  const kept = own?.server === server ? own : Object.values(contexts).find((one) => one.server === server);
  const file = named.serverCa || env.LIZARDCD_SERVER_CA;
  return {
    server,
    token: named.token || tokenFor(server, env, lang) || kept?.token || "",
    ca: file ? readCa(file, lang) : kept?.ca,
  };
}

/** The environment's, which is for the environment's server alone where that names one. */
function tokenFor(server: string, { LIZARDCD_SERVER, LIZARDCD_TOKEN }: Env, lang: Lang): string | undefined {
  if (!LIZARDCD_TOKEN || !LIZARDCD_SERVER) return LIZARDCD_TOKEN;
  return serverOf(LIZARDCD_SERVER, lang) === server ? LIZARDCD_TOKEN : undefined;
}

export function noContext(name: string, contexts: Contexts["contexts"], lang: Lang): CommandFailed {
  const names = Object.keys(contexts).join(", ");
  const next = names ? tell(lang, "context.known", { names }) : tell(lang, "server.next");
  return new CommandFailed(exit.usage, tell(lang, "context.none", { name: JSON.stringify(name) }), next);
}

function noServer(contexts: Contexts["contexts"], lang: Lang): CommandFailed {
  const names = Object.keys(contexts).join(", ");
  if (!names) return new CommandFailed(exit.usage, tell(lang, "server.none"), tell(lang, "server.next"));
  return new CommandFailed(exit.usage, tell(lang, "context.noneCurrent", { names }));
}

/** "127.0.0.1:5117" and "http://127.0.0.1:5117/" are one server. */
export function serverOf(text: string, lang: Lang): string {
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `http://${text}`);
  if (!url?.hostname || url.username || url.search || url.hash) {
    const server = JSON.stringify(text);
    throw new CommandFailed(exit.usage, tell(lang, "server.invalid", { server }), tell(lang, "server.invalidNext"));
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** PEM. @throws CommandFailed (usage) */
export function readCa(file: string, lang: Lang): string {
  const wrong = (problem: string, cause?: unknown) =>
    new CommandFailed(exit.usage, tell(lang, "ca.wrong", { file, problem }), tell(lang, "ca.next"), { cause });
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw wrong((cause as Error).message, cause);
  }
  if (!/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.test(text)) throw wrong(tell(lang, "ca.noPem"));
  return text;
}

export function readContexts(env: Env, lang: Lang): Contexts {
  const path = contextPath(env);
  const text = read(path, lang);
  if (text === undefined) return readOlder(env, lang);
  const root = parse(text, path, lang) as { current?: string; contexts?: Record<string, Partial<Kept>> };
  const contexts = Object.entries(root.contexts ?? {}).map(([name, kept]) => [
    name,
    {
      ...kept,
      server: kept.server ?? "",
      username: kept.username ?? "",
      token: kept.token ?? "",
      expires: kept.expires ?? 0,
    },
  ]);
  return { current: root.current ?? "", contexts: byName(Object.fromEntries(contexts)), warnings: guard(path, lang) };
}

/** Without what every object has: "constructor" is a name like any other. */
function byName(contexts: Record<string, Kept>): Contexts["contexts"] {
  return Object.assign(Object.create(null), contexts);
}

/** Written whole or not at all. */
export function writeContexts({ current, contexts }: Pick<Contexts, "current" | "contexts">, env: Env, lang: Lang) {
  writePrivate(contextPath(env), { current, contexts }, lang);
}

export function writePrivate(path: string, content: object, lang: Lang): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeSecretFile(path, `${Bun.YAML.stringify(content, null, 2)}\n`);
  } catch (cause) {
    throw failed("context.unwritable", path, cause, lang);
  }
}

interface Older {
  lizardcd?: { server?: { url?: string }; auth?: { access_token?: string; username?: string } };
}

/** The file of the tool before this one, as a context. */
export function readOlder(env: Env, lang: Lang, path = olderPath(env)): Contexts {
  const text = read(path, lang);
  const none: Contexts = { current: "", contexts: byName({}), warnings: [] };
  if (text === undefined) return none;
  const { server, auth } = (parse(text, path, lang) as Older).lizardcd ?? {};
  if (!server?.url) return none;
  const kept = { server: serverOf(server.url, lang), username: auth?.username ?? "", token: auth?.access_token ?? "" };
  return { current: "lzcli", contexts: byName({ lzcli: { ...kept, expires: 0 } }), warnings: guard(path, lang) };
}

function read(path: string, lang: Lang): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw failed("context.unreadable", path, cause, lang);
  }
}

function parse(text: string, path: string, lang: Lang): object {
  try {
    const root: unknown = Bun.YAML.parse(text) ?? {};
    if (typeof root !== "object" || Array.isArray(root)) throw new Error(tell(lang, "context.noKeys"));
    return root as object;
  } catch (cause) {
    throw failed("context.unreadable", path, cause, lang);
  }
}

/**
 * As ssh does with its files: what somebody else owns or may write is not used, what others may read is told.
 * @throws CommandFailed
 */
function guard(path: string, lang: Lang): string[] {
  const me = process.getuid?.();
  // Windows has no owner and mode in this sense.
  if (me === undefined) return [];
  const { uid, mode } = statSync(path);
  const next = tell(lang, "context.ownNext", { path });
  if (uid !== me && uid !== 0) throw new CommandFailed(exit.failed, tell(lang, "context.notOwn", { path, uid }), next);
  if (mode & 0o022) throw new CommandFailed(exit.failed, tell(lang, "context.writable", { path }), next);
  return mode & 0o044 ? [`${tell(lang, "context.readable", { path })} ${next}`] : [];
}

function failed(code: "context.unreadable" | "context.unwritable", path: string, cause: unknown, lang: Lang) {
  const problem = (cause as Error).message;
  return new CommandFailed(exit.failed, tell(lang, code, { path, problem }), tell(lang, "context.next"), { cause });
}
