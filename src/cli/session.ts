// Signing in and out.
import { operation } from "../contract/operation.ts";
import { inputOf } from "../contract/request.ts";
import type { Session as Answered, User } from "../gen/lizardcd/v1/user_pb.ts";
import type { Lang } from "../words/words.ts";
import { type CallOptions, call } from "./client.ts";
import type { Asked } from "./command.ts";
import {
  type Contexts,
  contextOf,
  type Kept,
  namedIn,
  readCa,
  readContexts,
  serverOf,
  writeContexts,
} from "./context.ts";
import { CommandFailed, exit, Refused } from "./exit.ts";
import { clean } from "./output.ts";
import type { Env, Terminal } from "./terminal.ts";
import { tell } from "./words.ts";

export async function login({ flags, rest }: Asked, env: Env, terminal: Terminal, options: CallOptions): Promise<void> {
  const { lang } = options;
  const all = readContexts(env, lang);
  const named = namedIn(flags);
  const own = all.contexts[named.context ?? all.current];
  // Whoever names a context means its server; the environment is for a new one.
  const meant = named.context ? own?.server : undefined;
  const address = rest[0] ?? named.server ?? meant ?? env.LIZARDCD_SERVER ?? own?.server;
  if (!address) throw new CommandFailed(exit.usage, tell(lang, "server.none"), tell(lang, "server.next"));
  const server = serverOf(address, lang);
  const name = named.context ?? nameFor(server, all);
  const before = all.contexts[name]?.server === server ? all.contexts[name] : undefined;
  const file = named.serverCa ?? env.LIZARDCD_SERVER_CA;
  const ca = file ? readCa(file, lang) : before?.ca;
  if (isPlain(server)) await terminal.err(`${tell(lang, "server.plain", { server })}\n`);
  const signed = named.token
    ? await byToken(named.token)
    : await byPassword(flags.get("username")?.at(-1) || before?.username || "admin");
  const { token, expires, user } = signed;
  const kept: Kept = { ...before, server, username: user.username, token, expires, ...(ca ? { ca } : {}) };
  writeContexts({ current: name, contexts: { ...all.contexts, [name]: kept } }, env, lang);
  await terminal.out(`${tell(lang, "login.done", { server, username: clean(user.username) })}\n`);
  if (user.firstPassword) await terminal.err(`${tell(lang, "login.first", { server })}\n`);

  async function byToken(token: string) {
    const account = operation("user.account");
    const { message } = await call({ server, token, ca }, account, inputOf(account, {}), options);
    return { token, expires: 0, user: message as User };
  }

  async function byPassword(username: string) {
    const password = await passwordFor({ username, server }, flags.has("password-stdin"), terminal, lang);
    const sign = operation("user.login");
    const { message } = await call({ server, token: "", ca }, sign, inputOf(sign, { username, password }), options);
    const { accessToken, expiresIn, user } = message as Answered;
    return {
      token: accessToken,
      expires: Date.now() + expiresIn * 1000,
      user: { username: user?.username ?? username, firstPassword: user?.firstPassword ?? false },
    };
  }
}

export async function logout({ flags }: Asked, env: Env, terminal: Terminal, options: CallOptions): Promise<void> {
  const { lang } = options;
  const context = contextOf(namedIn(flags), env, lang);
  if (!context.token) {
    await terminal.out(`${tell(lang, "logout.none")}\n`);
    return;
  }
  const end = operation("user.logout");
  try {
    await call(context, end, inputOf(end, {}), options);
  } catch (cause) {
    // A session that has ended already is what was wanted.
    if (!(cause instanceof Refused) || cause.status !== 401) throw cause;
  }
  const { current, contexts } = readContexts(env, lang);
  const left = Object.entries(contexts).map(([name, kept]) => [
    name,
    kept.server === context.server && kept.token === context.token ? { ...kept, token: "", expires: 0 } : kept,
  ]);
  if (left.length > 0) writeContexts({ current, contexts: Object.fromEntries(left) }, env, lang);
  await terminal.out(`${tell(lang, "logout.done", { server: context.server })}\n`);
}

/** The name it has already, else its host. */
function nameFor(server: string, { contexts, current }: Contexts): string {
  if (contexts[current]?.server === server) return current;
  const known = Object.entries(contexts).find(([, kept]) => kept.server === server);
  return known?.[0] ?? new URL(server).host;
}

async function passwordFor(
  who: { username: string; server: string },
  fromInput: boolean,
  terminal: Terminal,
  lang: Lang,
): Promise<string> {
  if (!fromInput && !terminal.askSecret) {
    throw new CommandFailed(exit.usage, tell(lang, "login.noTerminal"), tell(lang, "login.noTerminalNext"));
  }
  const password = fromInput
    ? (await terminal.readInput()).replace(/\r?\n$/, "")
    : await terminal.askSecret!(tell(lang, "login.password", who));
  if (password === undefined) throw new CommandFailed(exit.interrupted, tell(lang, "login.cancelled"));
  if (password === "") throw new CommandFailed(exit.usage, tell(lang, "login.empty"));
  return password;
}

export function isPlain(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === "http:" && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}
