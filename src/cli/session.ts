// Signing in and out: the only commands that keep something.
import { operation } from "../contract/operation.ts";
import { inputOf } from "../contract/request.ts";
import type { Session as Answered } from "../gen/lizardcd/v1/user_pb.ts";
import type { Lang } from "../words/words.ts";
import { type CallOptions, call } from "./client.ts";
import type { Asked } from "./command.ts";
import { contextOf, type Env, readSession, serverOf, writeSession } from "./context.ts";
import { CommandFailed, exit, Refused } from "./exit.ts";
import type { Terminal } from "./terminal.ts";
import { tell } from "./words.ts";

export async function login({ flags, rest }: Asked, env: Env, terminal: Terminal, options: CallOptions): Promise<void> {
  const { lang } = options;
  const kept = readSession(env, lang);
  const named = rest[0] ?? flags.get("server")?.at(-1) ?? env.LIZARDCD_SERVER;
  const { server } = named ? { server: serverOf(named, lang) } : contextOf({}, env, lang);
  const username =
    flags.get("username")?.at(-1) ?? (kept?.server === server && kept.username ? kept.username : "admin");
  if (isPlain(server)) await terminal.err(`${tell(lang, "server.plain", { server })}\n`);
  const password = await passwordFor({ username, server }, flags.has("password-stdin"), terminal, lang);
  const sign = operation("user.login");
  const { message } = await call({ server, token: "" }, sign, inputOf(sign, { username, password }), options);
  const { accessToken, expiresIn, user } = message as Answered;
  const expires = Date.now() + expiresIn * 1000;
  writeSession({ server, username: user?.username ?? username, token: accessToken, expires }, env, lang);
  await terminal.out(`${tell(lang, "login.done", { server, username: user?.username ?? username })}\n`);
  if (user?.firstPassword) await terminal.err(`${tell(lang, "login.first", { server })}\n`);
}

export async function logout({ flags }: Asked, env: Env, terminal: Terminal, options: CallOptions): Promise<void> {
  const { lang } = options;
  const context = contextOf({ server: flags.get("server")?.at(-1), token: flags.get("token")?.at(-1) }, env, lang);
  const kept = readSession(env, lang);
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
  if (kept?.server === context.server) writeSession({ ...kept, token: "", expires: 0 }, env, lang);
  await terminal.out(`${tell(lang, "logout.done", { server: context.server })}\n`);
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
  if (password === undefined) throw new CommandFailed(exit.failed, tell(lang, "login.cancelled"));
  if (password === "") throw new CommandFailed(exit.usage, tell(lang, "login.empty"));
  return password;
}

function isPlain(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === "http:" && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}
