// One command from its words to its exit code.
import { Failed, toFailure } from "../contract/errors.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import { type Lang, sentence, stopped } from "../words/words.ts";
import type { CallOptions } from "./client.ts";
import { clusterNamed, mustBeThere } from "./cluster.ts";
import { type Asked, argumentsOf, ask, type Command, type Defaults, inputFrom, spelled, timeoutOf } from "./command.ts";
import { contextOf, namedIn, readContexts } from "./context.ts";
import { CommandFailed, type Exit, exit, exitOf, Refused } from "./exit.ts";
import { formatOf } from "./format.ts";
import { helpText } from "./help.ts";
import { printed, type Wanted, wholeAnswer } from "./list.ts";
import { clean } from "./output.ts";
import type { Env, Terminal } from "./terminal.ts";
import { langOf, tell } from "./words.ts";

export interface World {
  env: Env;
  terminal: Terminal;
  version: string;
}

/** What a command of our own is given. */
export interface OwnCommand extends World {
  asked: Asked & { command: Command };
  options: CallOptions;
  defaults: Defaults;
}

type Run = (own: OwnCommand) => Promise<Exit | undefined>;

/** Commands that do more than one request; each is loaded when it is asked for. */
const own: Record<string, () => Promise<Run>> = {
  login: async () => {
    const { login } = await import("./session.ts");
    return ({ asked, env, terminal, options }) => login(asked, env, terminal, options).then(() => undefined);
  },
  logout: async () => {
    const { logout } = await import("./session.ts");
    return ({ asked, env, terminal, options }) => logout(asked, env, terminal, options).then(() => undefined);
  },
  context: async () => {
    const { context } = await import("./contexts.ts");
    return ({ asked, env, terminal, options }) => context(asked, env, terminal, options).then(() => undefined);
  },
  describe: async () => (await import("./cluster.ts")).describeCluster,
  rollout: async () => (await import("./rollout.ts")).rolloutStatus,
  open: async () => (await import("./open.ts")).open,
  version: async () => (await import("./version.ts")).showVersion,
  completion: async () => (await import("./completion.ts")).completion,
};

/** @param argv without the program's name. Never rejects for what a person can do wrong. */
export async function run(argv: readonly string[], world: World): Promise<Exit> {
  const { env, terminal, version } = world;
  const lang = langOf(env);
  if (argv[0] === "__complete") return (await import("./completion.ts")).complete(argv.slice(1), world);
  let asked: Asked | undefined;
  try {
    asked = ask(argv, lang);
    const { command, help } = asked;
    if (help || !command) {
      await terminal.out(helpText(command, lang, terminal.columns, asked.rest.join(" ")));
      return exit.done;
    }
    const options: CallOptions = { lang, version, timeoutMs: timeoutOf(asked, lang), terminal };
    const found = command.own ? own[command.words.split(" ")[0]!] : undefined;
    if (found) {
      argumentsOf({ ...asked, command }, lang);
      const defaults =
        command.operation && !command.words.startsWith("log") ? await defaultsOf(asked, world, lang) : {};
      return (await (await found())({ ...world, asked: { ...asked, command }, options, defaults })) ?? exit.done;
    }
    return await request({ ...asked, command }, world, options);
  } catch (error) {
    const { message, code } = describe(error, asked, env, lang);
    await terminal.err(`lizardcd: ${message}\n`);
    return code;
  }
}

/** The kept file's warnings are told here, once a command. */
async function defaultsOf({ flags }: Asked, { env, terminal }: World, lang: Lang): Promise<Defaults> {
  const { current, contexts, warnings } = readContexts(env, lang);
  for (const warning of warnings) await terminal.err(`${warning}\n`);
  const { cluster, namespace } = contexts[namedIn(flags).context ?? current] ?? {};
  return { cluster: cluster || undefined, namespace: namespace || undefined };
}

async function request(asked: Asked & { command: Command }, world: World, options: CallOptions): Promise<Exit> {
  const { env } = world;
  const { lang } = options;
  const only = clusterNamed(asked, lang);
  const flag = (name: string) => asked.flags.get(name)?.at(-1);
  const wanted: Wanted = {
    operation: asked.command.operation!,
    words: asked.command.words,
    format: formatOf(flag("output") ?? "table", lang),
    headers: flag("no-headers") !== "true",
    sortBy: flag("sort-by"),
    limited: asked.flags.has("limit") || asked.flags.has("continue"),
    asRow: asked.asRow,
    only,
  };
  const input = inputFrom(asked, lang, await defaultsOf(asked, world, lang));
  const context = contextOf(namedIn(asked.flags), env, lang);
  if (flag("watch") === "true") {
    return (await import("./watch.ts")).watched(context, input, wanted, world, options);
  }
  const answer = await wholeAnswer(context, input, wanted, options);
  if (only !== undefined) await mustBeThere(answer.message, only, context, options);
  return printed(answer, wanted, world, lang);
}

/** What happened, which object, and what to do next; on one line. */
export function describe(
  error: unknown,
  asked: Pick<Asked, "command" | "flags"> | undefined,
  env: Env,
  lang: Lang,
): { message: string; code: Exit } {
  if (error instanceof CommandFailed) return { message: inOneLine(lang, error.message, error.next), code: error.exit };
  if (error instanceof Refused) {
    const { failure, status } = error;
    const code = exitOf(error);
    const said = sentence(lang, withFlag(failure, asked));
    const object = namesAll(said, failure.object) ? "" : failure.object;
    const next = nextStep(failure, asked, env, lang);
    const id = status >= 500 && failure.requestId ? tell(lang, "request.id", { id: failure.requestId }) : "";
    return { message: inOneLine(lang, said, object && tell(lang, "concerns", { object }), next, id), code };
  }
  if (error instanceof Failed) {
    const said = sentence(lang, withFlag(toFailure(error), asked));
    const see = asked?.command ? tell(lang, "command.see", { command: asked.command.words }) : "";
    return { message: inOneLine(lang, said, see), code: exit.usage };
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
  asked: Pick<Asked, "command"> | undefined,
): F {
  const { field } = failure.params;
  if (failure.code !== "request.invalid" || field === undefined) return failure;
  return { ...failure, params: { ...failure.params, field: spelled(asked?.command, field) } };
}

function nextStep(failure: Failure, asked: Pick<Asked, "flags"> | undefined, env: Env, lang: Lang): string {
  const { code } = failure;
  if (code.startsWith("session.")) {
    const server = contextOf(namedIn(asked?.flags ?? new Map()), env, lang).server;
    return tell(lang, "session.next", { server });
  }
  if (code === "request.no_such_path" || code === "request.wrong_method") return tell(lang, "server.other");
  // What this program sends is in its own contract.
  if (code === "request.invalid" && failure.params.problem?.startsWith("is not known"))
    return tell(lang, "server.other");
  // Of those that answer: which others do is no help.
  if (code === "agent.refuses" || code.startsWith("agent.answer_")) return "";
  return code.startsWith("agent.") ? tell(lang, "agent.next") : "";
}

function inOneLine(lang: Lang, ...sentences: string[]): string {
  return sentences
    .filter(Boolean)
    .map((one) => stopped(lang, clean(one)))
    .join(lang === "en" ? " " : "");
}
