// The servers that are kept by name: listed, chosen, set and forgotten.
import { duration, type Lang } from "../words/words.ts";
import type { CallOptions } from "./client.ts";
import type { Asked } from "./command.ts";
import { type Contexts, type Kept, noContext, readCa, readContexts, serverOf, writeContexts } from "./context.ts";
import { CommandFailed, exit } from "./exit.ts";
import { formatOf } from "./format.ts";
import { type Column, clean, table } from "./output.ts";
import type { Env, Terminal } from "./terminal.ts";
import { tell } from "./words.ts";

/** `context list`, `context use`, `context set`, `context delete`. */
export async function context(
  { command, flags, rest }: Asked,
  env: Env,
  terminal: Terminal,
  { lang }: CallOptions,
): Promise<void> {
  const { words } = command!;
  const all = readContexts(env, lang);
  const [name] = rest;
  const wrong = (message: string) =>
    new CommandFailed(exit.usage, message, tell(lang, "command.see", { command: words }));
  if (words === "context list") {
    await terminal.out(listed(all, { flags, terminal, lang }));
    if (Object.keys(all.contexts).length === 0) await terminal.err(`${tell(lang, "server.next")}\n`);
    return;
  }
  if (!name) throw wrong(tell(lang, "command.needs", { command: words, argument: "NAME" }));
  if (words === "context set") {
    await terminal.out(`${set(name, all, flags, env, lang)}\n`);
    return;
  }
  if (!Object.hasOwn(all.contexts, name)) throw noContext(name, all.contexts, lang);
  const { server } = all.contexts[name]!;
  if (words === "context use") {
    writeContexts({ ...all, current: name }, env, lang);
    await terminal.out(`${tell(lang, "context.used", { name, server })}\n`);
    return;
  }
  const { [name]: _, ...contexts } = all.contexts;
  const current = all.current === name ? "" : all.current;
  writeContexts({ current, contexts }, env, lang);
  await terminal.out(`${tell(lang, "context.deleted", { name, server })}\n`);
  const names = Object.keys(contexts).join(", ");
  if (current === "" && names) await terminal.err(`${tell(lang, "context.noneCurrent", { names })}\n`);
}

/** Answers what was done. */
function set(name: string, all: Contexts, flags: Asked["flags"], env: Env, lang: Lang): string {
  const said = (flag: string) => flags.get(flag)?.at(-1);
  const before = all.contexts[name];
  const address = said("server");
  if (!before && !address) throw new CommandFailed(exit.usage, tell(lang, "context.needsServer", { name }));
  const server = address ? serverOf(address, lang) : before!.server;
  const ca = said("ca") ?? said("server-ca");
  const kept: Kept = {
    // A token is for the server that made it.
    ...(before?.server === server ? before : sessionAt(server, all)),
    server,
    ...(ca === undefined ? {} : { ca: ca && readCa(ca, lang) }),
    ...Object.fromEntries(["cluster", "namespace"].flatMap((one) => (flags.has(one) ? [[one, said(one)]] : []))),
  };
  const twin = before ? undefined : twinOf(kept, all);
  if (!twin) {
    writeContexts({ current: all.current || name, contexts: { ...all.contexts, [name]: kept } }, env, lang);
    return tell(lang, "context.set", { name, server });
  }
  const renamed = Object.entries(all.contexts).map(([own, one]) => (own === twin ? [name, kept] : [own, one]));
  const current = all.current === twin || !all.current ? name : all.current;
  writeContexts({ current, contexts: Object.fromEntries(renamed) }, env, lang);
  return tell(lang, "context.renamed", { name, server, before: twin });
}

/** Who is signed in to a server is so under every name. */
function sessionAt(server: string, all: Contexts): Pick<Kept, "username" | "token" | "expires" | "ca"> {
  const known = sameServer(server, all)[0]?.[1];
  if (!known) return { username: "", token: "", expires: 0 };
  const { username, token, expires, ca } = known;
  return { username, token, expires, ...(ca ? { ca } : {}) };
}

/** The one that a new name would say nothing else of: it has a new name then, and is not kept twice. */
function twinOf(kept: Kept, all: Contexts): string | undefined {
  const same = (a = "", b = "") => a === b;
  return sameServer(kept.server, all).find(
    ([, { cluster, namespace, token }]) =>
      same(cluster, kept.cluster) && same(namespace, kept.namespace) && token === kept.token,
  )?.[0];
}

/** The current one first. */
function sameServer(server: string, { current, contexts }: Contexts): [string, Kept][] {
  const known = Object.entries(contexts).filter(([, kept]) => kept.server === server);
  return known.sort(([a], [b]) => Number(b === current) - Number(a === current));
}

/** Without the tokens, however it is written. */
function listed(all: Contexts, { flags, terminal, lang }: Pick<Asked, "flags"> & { terminal: Terminal; lang: Lang }) {
  const format = formatOf(flags.get("output")?.at(-1) ?? "table", lang);
  const rows = Object.entries(all.contexts);
  if (format.as === "name") return rows.map(([name]) => `${clean(name)}\n`).join("");
  if (format.as === "value") {
    const contexts = rows.map(([name, { token, ca, ...kept }]) => ({ name, ...kept, signedIn: token !== "" }));
    return format.write({ current: all.current, contexts });
  }
  // Headings of nothing are nothing.
  if (rows.length === 0) return "";
  const headers = flags.get("no-headers")?.at(-1) !== "true";
  return table(rows, columns(all, lang), { headers, columns: terminal.columns, wide: format.as === "wide" });
}

function columns({ current }: Contexts, lang: Lang): Column<[string, Kept]>[] {
  return [
    { head: tell(lang, "context.current"), value: ([name]) => (name === current ? "*" : "") },
    { head: tell(lang, "context.name"), value: ([name]) => name, flexible: true },
    { head: tell(lang, "context.server"), value: ([, { server }]) => server, flexible: true },
    { head: tell(lang, "context.user"), value: ([, { username, token }]) => (token ? username : "") },
    {
      head: tell(lang, "context.ends"),
      value: ([, { token, expires }]) => {
        if (!token || !expires) return "";
        const left = expires - Date.now();
        return left > 0 ? duration(lang, left) : tell(lang, "context.ended");
      },
      right: true,
    },
    { head: tell(lang, "context.cluster"), value: ([, { cluster }]) => cluster ?? "" },
    { head: tell(lang, "context.namespace"), value: ([, { namespace }]) => namespace ?? "" },
  ];
}
