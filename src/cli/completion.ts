// Completion: each shell's script asks this program what could stand at the cursor, and it asks the server.
import { operation } from "../contract/operation.ts";
import { type Given, inputOf } from "../contract/request.ts";
import { ruleOf } from "../contract/rules.ts";
import type { ListFleetWorkloadsResponse } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { Lang } from "../words/words.ts";
import { type Command, commandOf, commands, everywhere, type Field, resources, shortResource } from "./catalogue.ts";
import { call } from "./client.ts";
import bash from "./completion/lizardcd.bash" with { type: "text" };
import fish from "./completion/lizardcd.fish" with { type: "text" };
import zsh from "./completion/lizardcd.zsh" with { type: "text" };
import { type Context, contextOf, namedIn, readContexts } from "./context.ts";
import { CommandFailed, type Exit, exit } from "./exit.ts";
import { formats } from "./format.ts";
import { clean } from "./output.ts";
import type { OwnCommand, World } from "./run.ts";
import { langOf, tell } from "./words.ts";

const scripts: Record<string, string> = { bash, zsh, fish };

export async function completion({ asked, terminal, options: { lang } }: OwnCommand): Promise<Exit> {
  const [shell = ""] = asked.rest;
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (!script) throw new CommandFailed(exit.usage, tell(lang, "shell.wrong", { value: JSON.stringify(shell) }));
  await terminal.out(script);
  return exit.done;
}

/** Who waits for a tab waits no longer than this. */
const patienceMs = 2_000;

/** @param words all after the program's name; the last one is being written. One candidate a line, never an error. */
export async function complete(words: readonly string[], world: World): Promise<Exit> {
  const lang = langOf(world.env);
  try {
    const found = await candidates(words, world, lang);
    await world.terminal.out(found.map((one) => `${clean(one)}\n`).join(""));
  } catch {
    // A shell has no place for an error while somebody types: nothing is proposed.
  }
  return exit.done;
}

async function candidates(words: readonly string[], world: World, lang: Lang): Promise<string[]> {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { command, rest, flags, open } = readSoFar(before);
  const [, name, value] = /^--([\w-]+)=(.*)$/s.exec(typed) ?? [];
  const source: Source = { world, lang, flags, command };
  if (name !== undefined && value !== undefined) {
    return starting(await values(flagOf(name, command), value, source), value).map((one) => `--${name}=${one}`);
  }
  // Commands may have flags of one name that take other values.
  if (open) return starting(await values(flagOf(open.name, command), typed, source), typed);
  if (typed.startsWith("-")) return starting(flagNames(command), typed);
  if (!command) return starting(nextWords(before.filter((one) => !one.startsWith("-"))), typed);
  return starting(await argumentsOf(command, rest, typed, source), typed);
}

interface Source {
  world: World;
  lang: Lang;
  flags: Map<string, string[]>;
  command?: Command;
}

interface SoFar {
  command?: Command;
  /** Arguments after the command's own words. */
  rest: string[];
  flags: Map<string, string[]>;
  /** The flag whose value comes next. */
  open?: Field;
}

function readSoFar(words: readonly string[]): SoFar {
  const flags = new Map<string, string[]>();
  const plain: string[] = [];
  let open: Field | undefined;
  for (const word of words) {
    if (open) {
      flags.set(open.name, [...(flags.get(open.name) ?? []), word]);
      open = undefined;
      continue;
    }
    const [, name, value] = /^--?([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = name === undefined ? undefined : flagOf(name);
    if (!flag) plain.push(word);
    else if (value !== undefined) flags.set(flag.name, [...(flags.get(flag.name) ?? []), value]);
    else if (!flag.boolean) open = flag;
  }
  const found = commandAt(plain);
  return { ...found, flags, open };
}

function commandAt(plain: readonly string[]): { command?: Command; rest: string[] } {
  const [first, second = "", ...rest] = plain;
  if (first === "get" && Object.hasOwn(resources, second)) {
    return { command: commandOf("get workload"), rest: [second, ...rest] };
  }
  for (let length = Math.min(2, plain.length); length > 0; length--) {
    const command = commandOf(plain.slice(0, length).join(" "));
    if (command) return { command, rest: plain.slice(length) };
  }
  return { rest: [...plain] };
}

function flagOf(name: string, command?: Command): Field | undefined {
  const all = command ? [...command.flags, ...everywhere] : [...commands.flatMap(({ flags }) => flags), ...everywhere];
  return all.find((flag) => flag.name === name || flag.short === name);
}

function flagNames(command: Command | undefined): string[] {
  const positional = new Set(command?.positional.map(({ name }) => name));
  const own = command?.flags.filter(({ name }) => !positional.has(name)) ?? [];
  return [...own, ...everywhere].map(({ name }) => `--${name}`);
}

/** "get" is followed by what can be got, also by kind. */
function nextWords(before: readonly string[]): string[] {
  const all = commands.flatMap(({ words, aliases }) => [words, ...(aliases ?? [])]).map((words) => words.split(" "));
  const next = all
    .filter((words) => before.every((word, index) => words[index] === word))
    .map((words) => words[before.length]);
  const kinds = before.length === 1 && before[0] === "get" ? Object.values(shortResource) : [];
  return [...next.filter((word) => word !== undefined), ...kinds];
}

async function argumentsOf(
  command: Command,
  rest: readonly string[],
  typed: string,
  source: Source,
): Promise<string[]> {
  const kind = rest[0] && Object.hasOwn(resources, rest[0]) ? resources[rest[0]] : undefined;
  if (kind && rest.length === 1) return names(source, typed, kind);
  const next = command.positional[rest.length];
  if (command.words.startsWith("context ")) return next ? contexts(source) : [];
  if (command.words === "completion") return next ? Object.keys(scripts) : [];
  if (!next) return [];
  if (command.flags.some(({ name }) => name === "resource") && next.name === "name") return objects(source, typed);
  return values(next, typed, source);
}

async function values(flag: Field | undefined, typed: string, source: Source): Promise<string[]> {
  if (!flag) return [];
  if (flag.name === "output") return [...formats];
  if (flag.name === "context") return contexts(source);
  if (flag.name === "cluster") return listed(typed, await clusters(source));
  if (flag.name === "namespace") return listed(typed, await namespaces(source));
  return listed(typed, flag.field ? [...(ruleOf(flag.field)?.in ?? [])] : []);
}

function contexts({ world: { env }, lang }: Source): string[] {
  return Object.keys(readContexts(env, lang).contexts);
}

async function clusters(source: Source): Promise<string[]> {
  const { clusters } = (await ask(source, "fleet.get", {})) as unknown as { clusters: { name: string }[] };
  return clusters.map(({ name }) => name);
}

async function namespaces(source: Source): Promise<string[]> {
  const [cluster] = where(source, "cluster");
  if (cluster) {
    const { items } = (await ask(source, "namespace.list", { cluster })) as unknown as { items: { name: string }[] };
    return items.map(({ name }) => name);
  }
  return [...new Set((await rows(source, {})).map(({ namespace }) => namespace))];
}

/** "deploy/web", "sts/db"; a bare name is a Deployment's. */
async function objects(source: Source, typed: string): Promise<string[]> {
  const [kind = "", name] = typed.split("/");
  if (name !== undefined) return (await names(source, name, resources[kind])).map((one) => `${kind}/${one}`);
  const kinds = Object.values(shortResource);
  if (!kinds.some((one) => one.startsWith(typed))) return names(source, typed, "deployments");
  return (await rows(source, {})).map((row) => `${shortResource[row.resource]}/${row.name}`);
}

async function names(source: Source, typed: string, resource: string | undefined): Promise<string[]> {
  if (!resource) return [];
  return (await rows(source, { resource, q: typed })).map(({ name }) => name);
}

async function rows(source: Source, more: Given) {
  const given = { cluster: where(source, "cluster"), namespace: where(source, "namespace"), limit: 500, ...more };
  const { items } = (await ask(source, "fleet.listWorkloads", given)) as unknown as ListFleetWorkloadsResponse;
  return items.map(({ row }) => row!);
}

/** What stands on the line, else what the context says. */
function where({ flags, world: { env }, lang }: Source, name: "cluster" | "namespace"): string[] {
  const given = flags.get(name);
  if (given) return given.flatMap((value) => value.split(","));
  const { current, contexts } = readContexts(env, lang);
  const kept = contexts[namedIn(flags).context ?? current]?.[name];
  return kept ? [kept] : [];
}

async function ask(
  { world, lang, flags }: Source,
  id: "fleet.get" | "namespace.list" | "fleet.listWorkloads",
  given: Given,
) {
  const context: Context = contextOf(namedIn(flags), world.env, lang);
  const op = operation(id);
  const options = { lang, version: world.version, timeoutMs: patienceMs };
  return (await call(context, op, inputOf(op, given), options)).message;
}

/** In a list with commas the last one is being written. */
function listed(typed: string, all: readonly string[]): string[] {
  const comma = typed.lastIndexOf(",");
  const head = typed.slice(0, comma + 1);
  return all.map((one) => head + one);
}

function starting(all: readonly string[], typed: string): string[] {
  return [...new Set(all)].filter((one) => one.startsWith(typed)).sort();
}
