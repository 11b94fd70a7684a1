// One command from its words to its exit code.
import type { Message } from "@bufbuild/protobuf";
import { Failed, toFailure } from "../contract/errors.ts";
import { ruleOf } from "../contract/rules.ts";
import { type Lang, sentence, stopped } from "../words/words.ts";
import { type Answer, type CallOptions, call } from "./client.ts";
import { type Asked, ask, type Command, inputFrom, spelled } from "./command.ts";
import { type Context, contextOf, type Env } from "./context.ts";
import { CommandFailed, type Exit, exit, exitOf, Refused } from "./exit.ts";
import { helpText } from "./help.ts";
import { clean, json } from "./output.ts";
import { login, logout } from "./session.ts";
import { done, names, rowsOf, text, unansweredIn, wholeSets } from "./show.ts";
import type { Terminal } from "./terminal.ts";
import { langOf, tell } from "./words.ts";

export interface World {
  env: Env;
  terminal: Terminal;
  version: string;
}

/** @param argv without the program's name. Never rejects for what a person can do wrong. */
export async function run(argv: readonly string[], { env, terminal, version }: World): Promise<Exit> {
  const lang = langOf(env);
  let asked: Asked | undefined;
  try {
    asked = ask(argv, lang);
    const { command, help } = asked;
    if (help || !command) {
      await terminal.out(helpText(command, lang));
      return exit.done;
    }
    if (command.words === "version") {
      await terminal.out(`lizardcd ${version}\n`);
      return exit.done;
    }
    const options: CallOptions = { lang, version, timeoutMs: timeoutOf(asked, lang) };
    if (command.operation?.id === "user.login") await login(asked, env, terminal, options);
    else if (command.operation?.id === "user.logout") await logout(asked, env, terminal, options);
    else return await request({ ...asked, command }, env, terminal, options);
    return exit.done;
  } catch (error) {
    const { message, code } = describe(error, asked, env, lang);
    await terminal.err(`lizardcd: ${message}\n`);
    return code;
  }
}

async function request(
  asked: Asked & { command: Command },
  env: Env,
  terminal: Terminal,
  options: CallOptions,
): Promise<Exit> {
  const { command } = asked;
  const { lang } = options;
  const output = outputOf(asked, lang);
  const input = inputFrom(asked, lang);
  const context = contextOf(
    { server: asked.flags.get("server")?.at(-1), token: asked.flags.get("token")?.at(-1) },
    env,
    lang,
  );
  const { answer, left } = await wholeAnswer(context, asked, input, options);
  const { message } = answer;
  if (output === "json") await terminal.out(json(answer.json));
  else if (output === "name") {
    const lines = names(message);
    if (lines === undefined) {
      throw new CommandFailed(exit.usage, tell(lang, "output.noName", { command: command.words }));
    }
    await terminal.out(lines);
  } else if (command.operation!.audited) await terminal.out(done(message, command.operation!.verb, lang));
  else {
    const headers = asked.flags.get("no-headers")?.at(-1) !== "true";
    await terminal.out(text(message, lang, { columns: terminal.columns, headers }));
    if (rowsOf(message)?.length === 0) await terminal.err(`${tell(lang, "list.none")}\n`);
  }
  if (left) await terminal.err(`${tell(lang, "list.more", { token: left })}\n`);
  const unanswered = unansweredIn(message);
  for (const { cluster, message: problem } of unanswered) {
    await terminal.err(`lizardcd: ${clean(tell(lang, "list.unanswered", { cluster, message: problem }))}\n`);
  }
  return unanswered.length > 0 ? exit.unreachable : exit.done;
}

/** All pages of a set, unless a limit was named. */
async function wholeAnswer(
  context: Context,
  { command, flags }: Asked & { command: Command },
  input: Message,
  options: CallOptions,
): Promise<{ answer: Answer; left: string }> {
  const operation = command.operation!;
  const whole = wholeSets.has(operation.method.output.typeName) && !flags.has("limit") && !flags.has("continue");
  const limit = operation.method.input.fields.find(({ name }) => name === "limit");
  const first = { ...input, ...(whole && limit ? { limit: Number(ruleOf(limit)?.max ?? 0) } : {}) };
  const answer = await call(context, operation, first as Message, options);
  let token = nextOf(answer);
  while (whole && token) {
    const page = await call(context, operation, { ...first, continue: token } as unknown as Message, options);
    (answer.json.items as unknown[]).push(...(page.json.items as unknown[]));
    (answer.message as unknown as { items: unknown[] }).items.push(...((rowsHolder(page) ?? []) as unknown[]));
    token = nextOf(page);
  }
  if (whole) answer.json.continue = "";
  return { answer, left: token };
}

function nextOf({ message }: Answer): string {
  return (message as { continue?: string }).continue ?? "";
}

function rowsHolder({ message }: Answer): readonly unknown[] | undefined {
  return (message as { items?: readonly unknown[] }).items;
}

function outputOf({ flags }: Asked, lang: Lang): "json" | "table" | "name" {
  const value = flags.get("output")?.at(-1) ?? "table";
  if (value === "json" || value === "table" || value === "name") return value;
  throw new CommandFailed(exit.usage, tell(lang, "output.wrong", { value: JSON.stringify(value) }));
}

function timeoutOf({ flags }: Asked, lang: Lang): number {
  const value = flags.get("timeout")?.at(-1) ?? "30";
  const seconds = Number(/^(\d+(?:\.\d+)?)s?$/.exec(value)?.[1] ?? Number.NaN);
  if (seconds > 0 && seconds <= 86_400) return seconds * 1000;
  throw new CommandFailed(exit.usage, tell(lang, "timeout.wrong", { value: JSON.stringify(value) }));
}

/** What happened, which object, and what to do next; on one line. */
function describe(error: unknown, asked: Asked | undefined, env: Env, lang: Lang): { message: string; code: Exit } {
  if (error instanceof CommandFailed) return { message: joined(lang, error.message, error.next), code: error.exit };
  if (error instanceof Refused) {
    const { failure, status } = error;
    const code = exitOf(error);
    const said = sentence(lang, withFlag(failure, asked));
    const object = namesAll(said, failure.object) ? "" : failure.object;
    const next = nextStep(failure.code, asked, env, lang);
    const id = status >= 500 && failure.requestId ? tell(lang, "request.id", { id: failure.requestId }) : "";
    return { message: joined(lang, said, object && tell(lang, "concerns", { object }), next, id), code };
  }
  if (error instanceof Failed) {
    const said = sentence(lang, withFlag(toFailure(error), asked));
    const see = asked?.command ? tell(lang, "command.see", { command: asked.command.words }) : "";
    return { message: joined(lang, said, see), code: exit.usage };
  }
  throw error;
}

/** Whether the sentence says already which object it is. */
function namesAll(said: string, object: string): boolean {
  return object
    .split(/[\s/]+/)
    .filter((part) => part !== "in")
    .every((part) => said.toLowerCase().includes(part.toLowerCase()));
}

/** A field is named as the person wrote it. */
function withFlag<F extends { code: string; params: Record<string, string>; message: string }>(
  failure: F,
  asked: Asked | undefined,
): F {
  const { field } = failure.params;
  if (failure.code !== "request.invalid" || field === undefined) return failure;
  return { ...failure, params: { ...failure.params, field: spelled(asked?.command, field) } };
}

function nextStep(code: string, asked: Asked | undefined, env: Env, lang: Lang): string {
  if (code.startsWith("session.")) {
    const server = contextOf({ server: asked?.flags.get("server")?.at(-1) }, env, lang).server;
    return tell(lang, "session.next", { server });
  }
  return code.startsWith("agent.") ? tell(lang, "agent.next") : "";
}

function joined(lang: Lang, ...sentences: string[]): string {
  return sentences
    .filter(Boolean)
    .map((one) => stopped(lang, clean(one)))
    .join(lang === "en" ? " " : "");
}
