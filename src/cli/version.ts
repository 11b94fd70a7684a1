// What this program is, and what the server is: told apart before they misunderstand each other.
import { request } from "./client.ts";
import { contextOf, namedIn } from "./context.ts";
import { CommandFailed, type Exit, exit } from "./exit.ts";
import { formatOf } from "./format.ts";
import { clean } from "./output.ts";
import type { OwnCommand } from "./run.ts";
import { unreachable } from "./unreachable.ts";
import { tell } from "./words.ts";

const patienceMs = 5_000;

export async function showVersion({ asked, env, terminal, version, options }: OwnCommand): Promise<Exit> {
  const { lang } = options;
  const format = formatOf(asked.flags.get("output")?.at(-1) ?? "table", lang);
  if (asked.flags.has("version")) {
    await terminal.out(`lizardcd ${version}\n`);
    return exit.done;
  }
  const clientAlone = asked.flags.get("client")?.at(-1) === "true";
  // Said before the server is asked: it may be slow.
  if (format.as !== "value") await terminal.out(`${tell(lang, "version.client", { version })}\n`);
  const { server, problem } = clientAlone ? {} : await ask();
  if (format.as === "value") {
    await terminal.out(format.write({ client: version, ...(server ? { server: server.version } : {}) }));
  } else if (server) {
    await terminal.out(`${clean(tell(lang, "version.server", { version: server.version, server: server.url }))}\n`);
  }
  if (problem) await terminal.err(`${clean(tell(lang, "version.noServer", { problem }))}\n`);
  if (server && areFar(version, server.version)) {
    await terminal.err(`${tell(lang, "version.far", { client: version, server: clean(server.version) })}\n`);
  }
  return exit.done;

  async function ask(): Promise<{ server?: { url: string; version: string }; problem?: string }> {
    let context: ReturnType<typeof contextOf>;
    try {
      context = contextOf(namedIn(asked.flags), env, lang);
    } catch (error) {
      // A program that knows no server yet is what it is.
      if (error instanceof CommandFailed && error.exit === exit.usage) return {};
      throw error;
    }
    const patient = { ...options, timeoutMs: Math.min(options.timeoutMs, patienceMs) };
    try {
      const response = await request(context, "/openapi.json", patient);
      const { info } = (await response.json()) as { info?: { version?: string } };
      if (info?.version) return { server: { url: context.server, version: info.version } };
      return { problem: tell(lang, "server.foreign", { server: context.server, status: response.status }) };
    } catch (cause) {
      if (cause instanceof SyntaxError) {
        return { problem: tell(lang, "server.foreign", { server: context.server, status: 200 }) };
      }
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
