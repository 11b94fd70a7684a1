// Why a server cannot be reached, as far as a second look tells: it is away, slow, not trusted, or speaks otherwise.
import { certificateOf, type Shown } from "../process/shown-certificate.ts";
import type { Context } from "./context.ts";
import { CommandFailed, exit } from "./exit.ts";
import type { CallOptions } from "./request.ts";
import { tell } from "./words.ts";

const lookMs = 3_000;

/** @param writes true where a change may have been made. */
export async function unreachable(
  { server }: Pick<Context, "server">,
  writes: boolean,
  cause: unknown,
  { lang, timeoutMs, older }: Pick<CallOptions, "lang" | "timeoutMs" | "older">,
): Promise<CommandFailed> {
  const { name, message, code = "" } = cause as Error & { code?: string };
  const fail = (problem: string, next: string) =>
    new CommandFailed(exit.unreachable, tell(lang, "server.unreachable", { server, problem }), next, { cause });
  if (name === "TimeoutError") {
    return new CommandFailed(
      exit.timedOut,
      tell(lang, "server.timedOut", { server, seconds: timeoutMs / 1000 }),
      tell(lang, writes ? "server.outcomeUnknownNext" : older ? "old.timedOutNext" : "server.timedOutNext"),
      { cause },
    );
  }
  const url = new URL(server);
  if (/CERT|SELF_SIGNED|ISSUER|UNABLE_TO_VERIFY|ALTNAME/.test(code)) {
    const shown = await certificateOf(url);
    const { problem, next } = untrusted(shown);
    return fail(shown ? `${problem}; ${tell(lang, "certificate.shown", shown)}` : problem, next);
  }
  if (url.protocol === "https:" && (await speaksHttp(url))) {
    return fail(tell(lang, "server.isPlain"), tell(lang, "server.isPlainNext", { server: `http://${url.host}` }));
  }
  if (url.protocol === "http:" && code !== "ECONNREFUSED" && (await certificateOf(url))) {
    return fail(tell(lang, "server.isTls"), tell(lang, "server.isPlainNext", { server: `https://${url.host}` }));
  }
  return fail(plainly() ?? reasonOf(code, message), tell(lang, "server.unreachableNext"));

  /** To trust its CA helps where that is what lacks. */
  function untrusted(shown: Shown | undefined): { problem: string; next: string } {
    if (/ALTNAME/.test(code)) {
      const names = shown?.names || "–";
      return { problem: tell(lang, "certificate.other", { names }), next: tell(lang, "certificate.otherNext") };
    }
    if (/EXPIRED/.test(code))
      return { problem: tell(lang, "certificate.over"), next: tell(lang, "certificate.overNext") };
    const problem = tell(lang, "certificate.unknown", { problem: reasonOf(code, message) });
    return { problem, next: tell(lang, older ? "old.certificateNext" : "certificate.next") };
  }

  function plainly(): string | undefined {
    if (code === "ECONNREFUSED") return `${tell(lang, "server.refused")} (${code})`;
    if (code === "ENOTFOUND" || /ENOTFOUND/.test(message)) return tell(lang, "server.noHost", { host: url.hostname });
    return undefined;
  }
}

function reasonOf(code: string, message: string): string {
  const said = message
    .replace(/\.? ?(Is the computer able to access the url\?|For more information.*|Was there a typo.*)$/, "")
    .replace(/ fetching ".*"$/, "");
  return said === code || said === "" ? code : said.replace(`${code}: `, `${code}, `);
}

async function speaksHttp({ host }: URL): Promise<boolean> {
  try {
    await fetch(`http://${host}/healthz`, { redirect: "manual", signal: AbortSignal.timeout(lookMs) });
    return true;
  } catch {
    // Whatever is there, it answers neither way: what the first try said counts.
    return false;
  }
}
