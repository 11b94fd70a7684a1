// Which server, and with which token: flags, else the environment, else what login kept in a file of mode 0600.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Lang } from "../words/words.ts";
import { CommandFailed, exit } from "./exit.ts";
import { tell } from "./words.ts";

export type Env = Record<string, string | undefined>;

/** What login keeps. */
export interface Session {
  server: string;
  username: string;
  /** Empty after signing out: the server stays known. */
  token: string;
  /** Milliseconds since the epoch. */
  expires: number;
}

export interface Context {
  server: string;
  /** Empty where nobody is signed in. */
  token: string;
}

export function contextPath({ XDG_CONFIG_HOME, HOME }: Env): string {
  return join(XDG_CONFIG_HOME || join(HOME || ".", ".config"), "lizardcd", "config.yaml");
}

/** A token is shown only to the server it was made by. */
export function contextOf(flags: { server?: string; token?: string }, env: Env, lang: Lang): Context {
  const kept = readSession(env, lang);
  const named = flags.server || env.LIZARDCD_SERVER;
  if (!named && !kept) throw new CommandFailed(exit.usage, tell(lang, "server.none"), tell(lang, "server.next"));
  const server = named ? serverOf(named, lang) : kept!.server;
  return { server, token: flags.token || env.LIZARDCD_TOKEN || (kept?.server === server ? kept.token : "") };
}

/** "127.0.0.1:5117" and "http://127.0.0.1:5117/" are one server. */
export function serverOf(text: string, lang: Lang): string {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`);
  if (!url?.hostname || url.username || url.search || url.hash) {
    const server = JSON.stringify(text);
    throw new CommandFailed(exit.usage, tell(lang, "server.invalid", { server }), tell(lang, "server.invalidNext"));
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

export function readSession(env: Env, lang: Lang): Session | undefined {
  const path = contextPath(env);
  try {
    const { server, username, token, expires } = (Bun.YAML.parse(readFileSync(path, "utf8")) ?? {}) as Partial<Session>;
    if (!server) return undefined;
    return { server, token: token ?? "", username: username ?? "", expires: expires ?? 0 };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw failed("context.unreadable", path, cause, lang);
  }
}

export function writeSession(session: Session, env: Env, lang: Lang): void {
  const path = contextPath(env);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fresh = `${path}.${process.pid}`;
    writeFileSync(fresh, `${Bun.YAML.stringify(session, null, 2)}\n`, { mode: 0o600 });
    chmodSync(fresh, 0o600);
    renameSync(fresh, path);
  } catch (cause) {
    throw failed("context.unwritable", path, cause, lang);
  }
}

function failed(code: "context.unreadable" | "context.unwritable", path: string, cause: unknown, lang: Lang) {
  const problem = (cause as Error).message;
  return new CommandFailed(exit.failed, tell(lang, code, { path, problem }), tell(lang, "context.next"), { cause });
}
