// What this program is, and what the server is: told apart before they misunderstand each other. It starts without the
// contract, which takes longer to load than to ask.
import { parseFlags, UsageInvalid } from "../process/flags.ts";
import { contextOf, namedIn } from "./context.ts";
import { CommandFailed, type Exit, exit } from "./exit.ts";
import { everywhere, versionFlags } from "./flags.ts";
import { formatOf } from "./format.ts";
import { clean, paragraph } from "./output.ts";
import { type CallOptions, request, textOf } from "./request.ts";
import type { World } from "./run.ts";
import { langOf, tell } from "./words.ts";

const patienceMs = 5_000;

/** Where nothing but the version is asked for; undefined where more must be looked at, or something is wrong. */
export async function versionAlone(argv: readonly string[], world: World): Promise<Exit | undefined> {
  if (argv[0] === "--version" && argv.length === 1) {
    await world.terminal.out(`lizardcd ${world.version}\n`);
    return exit.done;
  }
  if (argv[0] !== "version") return undefined;
  const flags = new Map<string, string[]>();
  try {
    const parsed = parseFlags(argv.slice(1), [...everywhere, ...versionFlags]);
    if (parsed.rest.length > 0) return undefined;
    for (const { name, value } of parsed.flags) flags.set(name, [...(flags.get(name) ?? []), value]);
    if (flags.has("help") || flags.has("timeout")) return undefined;
    return await showVersion({
      ...world,
      asked: { flags },
      options: { lang: langOf(world.env), version: world.version, timeoutMs: patienceMs },
    });
  } catch (cause) {
    // What is wrong is told where everything that is wrong is told.
    if (cause instanceof UsageInvalid || cause instanceof CommandFailed) return undefined;
    throw cause;
  }
}

export interface VersionAsked extends World {
  asked: { flags: Map<string, string[]> };
  options: CallOptions;
}

export async function showVersion({ asked, env, terminal, version, options }: VersionAsked): Promise<Exit> {
  const { lang } = options;
  const format = formatOf(asked.flags.get("output")?.at(-1) ?? "table", lang);
  if (asked.flags.has("version")) {
    await terminal.out(`lizardcd ${version}\n`);
    return exit.done;
  }
  const clientAlone = asked.flags.get("client")?.at(-1) === "true";
  const context = clientAlone ? undefined : known();
  // Said before the server is asked: it may be slow.
  if (format.as !== "value") await say(tell(lang, "version.client", { version }));
  const { server, problem } = context ? await ask(context) : {};
  if (format.as === "value") {
    await terminal.out(format.write({ client: version, ...(server ? { server } : {}) }));
  } else if (server) {
    const params = { version: server, server: context!.server };
    await say(tell(lang, "version.server", params));
  }
  if (problem) await terminal.err(`${clean(tell(lang, "version.noServer", { problem }))}\n`);
  if (server && areFar(version, server)) {
    await terminal.err(`${tell(lang, "version.far", { client: version, server: clean(server) })}\n`);
  }
  return exit.done;

  function say(text: string): Promise<void> {
    return terminal.out(paragraph(clean(text), terminal.columns));
  }

  /** Undefined where no server is known: the program is what it is without one. */
  function known() {
    try {
      return contextOf(namedIn(asked.flags), env, lang);
    } catch (error) {
      const { server, context } = namedIn(asked.flags);
      if (error instanceof CommandFailed && error.exit === exit.usage && !server && !context) return undefined;
      throw error;
    }
  }

  async function ask(context: ReturnType<typeof contextOf>): Promise<{ server?: string; problem?: string }> {
    const patient = { ...options, timeoutMs: Math.min(options.timeoutMs, patienceMs) };
    const foreign = (status: number) => tell(lang, "server.foreign", { server: context.server, status });
    const headers: Record<string, string> = context.token ? { authorization: `Bearer ${context.token}` } : {};
    try {
      const response = await request(context, "/version", patient, { headers });
      const { version, commit } = JSON.parse(await textOf(response)) as { version?: string; commit?: string };
      if (response.ok && version) return { server: commit ? `${version} (${commit})` : version };
      // A server of before that path.
      const document = await request(context, "/openapi.json", patient);
      const { info } = JSON.parse(await textOf(document)) as { info?: { version?: string } };
      return info?.version ? { server: info.version } : { problem: foreign(document.status) };
    } catch (cause) {
      if (cause instanceof SyntaxError) return { problem: foreign(200) };
      const { unreachable } = await import("./unreachable.ts");
      return { problem: (await unreachable(context, false, cause, patient)).message };
    }
  }
}

/** Another major version, or more than one minor version between them; before 1.0, another minor version. */
export function areFar(a: string, b: string): boolean {
  const [x, y] = [a, b].map((one) => (/^v?(\d+)\.(\d+)/.exec(one) ?? []).slice(1).map(Number));
  if (!x || !y || x.length < 2 || y.length < 2) return false;
  if (x[0] !== y[0]) return true;
  return Math.abs(x[1]! - y[1]!) > (x[0] === 0 ? 0 : 1);
}
