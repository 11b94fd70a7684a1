// What was written, as a command with its flags and as its operation's input.
import type { Operation } from "../contract/operation.ts";
import { type Given, inputOf } from "../contract/request.ts";
import { ruleOf } from "../contract/rules.ts";
import { type FlagShape, type Parsed, parseFlags, UsageInvalid } from "../process/flags.ts";
import type { Lang } from "../words/words.ts";
import { allShapes, type Command, commandOf, commands, everywhere, type Field, resourceNamed } from "./catalogue.ts";
import { CommandFailed, exit } from "./exit.ts";
import { lengthOfTime } from "./length-of-time.ts";
import { flagMeant, noCommand } from "./meant.ts";
import { tell } from "./words.ts";

export { type Command, commands, everywhere, type Field } from "./catalogue.ts";

export interface Asked {
  /** Undefined for help about all commands. */
  command?: Command;
  flags: Map<string, string[]>;
  rest: string[];
  help: boolean;
  /** One object as a row of its list: `get deploy web`. */
  asRow?: boolean;
}

/** What a context says where a command names none. */
export interface Defaults {
  cluster?: string;
  namespace?: string;
}

/** @throws CommandFailed (usage) */
export function ask(argv: readonly string[], lang: Lang): Asked {
  const parsed = parse(argv.map(ofKubectl), allShapes(), lang);
  const flags = new Map<string, string[]>();
  for (const { name, value } of parsed.flags) flags.set(name, [...(flags.get(name) ?? []), value]);
  const help = flags.get("help")?.at(-1) === "true" || parsed.rest[0] === "help";
  const words = parsed.rest[0] === "help" ? parsed.rest.slice(1) : parsed.rest;
  if (flags.has("version")) return { command: commandOf("version"), flags, rest: [], help: false };
  if (words.length === 0) return { flags, rest: [], help: true };
  const { command, given, asRow, ...resolved } = resolve(words, lang, help);
  for (const [name, value] of Object.entries(given)) if (!flags.has(name)) flags.set(name, [value]);
  const own = new Set([...(command?.flags ?? []), ...everywhere].map(({ name }) => name));
  for (const { name, written } of parsed.flags) {
    if (command && !own.has(name))
      throw usage(command, tell(lang, "command.foreign", { command: command.words, flag: written }), lang);
  }
  const rest = command?.words === "set image" ? withoutPair(resolved.rest, flags) : resolved.rest;
  return { command, flags, rest, help, asRow };
}

/** kubectl's word for a flag that has another one here. */
function ofKubectl(word: string): string {
  return word.replace(/^--selector(?==|$)/, "--label-selector");
}

/** kubectl's "app=IMAGE", or "*=IMAGE" for the only container, becomes the flags for it; a second one stays an argument too many. */
function withoutPair(rest: readonly string[], flags: Map<string, string[]>): string[] {
  const at = rest.findIndex((word, index) => index > 0 && /^[^=/]+=./.test(word));
  if (at < 0 || flags.has("image") || flags.has("container")) return [...rest];
  const [, container, image] = /^([^=]+)=(.+)$/.exec(rest[at]!)!;
  flags.set("image", [image!]);
  if (container !== "*") flags.set("container", [container!]);
  return rest.filter((_, index) => index !== at);
}

/** @throws CommandFailed (usage) for arguments that lack or are too many, or values that the contract does not take. */
export function inputFrom({ command, flags, rest }: Asked & { command: Command }, lang: Lang, defaults: Defaults = {}) {
  const { operation, positional } = command;
  if (!operation) throw new Error(`${command.words} has no operation`);
  const given: Given = {};
  for (const flag of command.flags) {
    const { name, field } = flag;
    const values = flags.get(name);
    if (!values || !field) continue;
    if (name === "dry-run") given[field.name] = dryRunOf(values.at(-1)!, lang);
    else if (flag.seconds) given[field.name] = secondsOf(values.at(-1)!, flag, command, lang);
    else given[field.name] = field.fieldKind === "list" ? values.flatMap((value) => value.split(",")) : values.at(-1);
  }
  const words = argumentsOf({ command, rest }, lang);
  for (const [index, { field }] of positional.entries())
    if (words[index] !== undefined && field) given[field.name] = words[index];
  fromContext(given, operation, defaults, flags.get("all-namespaces")?.at(-1) === "true");
  shortForms(given, operation);
  for (const { name, field, required } of [...positional, ...command.flags]) {
    if (!required || given[field!.name] !== undefined) continue;
    const argument = positional.some((one) => one.name === name) ? name.toUpperCase() : `--${name}`;
    const problem = tell(lang, "command.needs", { command: command.words, argument });
    if (name !== "cluster" && name !== "namespace") throw usage(command, problem, lang);
    throw new CommandFailed(exit.usage, problem, tell(lang, "command.place", { argument: `--${name}` }));
  }
  return inputOf(operation, given);
}

/** The plain arguments, in order. @throws CommandFailed (usage) for one that the command does not take. */
export function argumentsOf({ command, rest }: { command: Command; rest: readonly string[] }, lang: Lang) {
  const { operation, positional } = command;
  const words = operation && takesResource(operation) ? joined(rest) : rest;
  const extra = words[positional.length];
  if (extra === undefined) return words;
  throw usage(command, tell(lang, "command.extra", { word: JSON.stringify(extra) }), lang);
}

/** The flag or argument that a field of the input is given by. */
export function spelled(command: Command | undefined, jsonName: string): string {
  const flag = command?.flags.find(({ field }) => field?.jsonName === jsonName);
  if (!flag) return jsonName;
  return command!.positional.some(({ name }) => name === flag.name) ? flag.name.toUpperCase() : `--${flag.name}`;
}

/** A length of time in milliseconds. @throws CommandFailed (usage) */
export function timeoutOf({ flags }: Pick<Asked, "flags">, lang: Lang, standard = "30s"): number {
  const value = flags.get("timeout")?.at(-1) ?? standard;
  return lengthOfTime(value, { flag: "--timeout", some: true, mostMs: 86_400_000 }, lang);
}

/** Begun seconds count. @throws CommandFailed (usage) */
function secondsOf(value: string, { name, field }: Field, command: Command, lang: Lang): number {
  const mostMs = Number(ruleOf(field!)?.max ?? 2 ** 31 - 1) * 1000;
  const next = tell(lang, "command.see", { command: command.words });
  return Math.ceil(lengthOfTime(value, { flag: `--${name}`, some: true, mostMs, next }, lang) / 1000);
}

/** Also as kubectl has it: "--dry-run=server", "--dry-run=none". */
function dryRunOf(value: string, lang: Lang): string {
  if (value === "client") {
    throw new CommandFailed(exit.usage, tell(lang, "dryRun.client"), tell(lang, "dryRun.clientNext"));
  }
  return { server: "true", none: "false" }[value] ?? value;
}

const resourceOf = (word: string) => resourceNamed(word) ?? word;

function takesResource({ method }: Operation): boolean {
  return method.input.fields.some(({ name, fieldKind }) => name === "resource" && fieldKind === "scalar");
}

/** "deploy web" is "deploy/web". */
function joined(words: readonly string[]): readonly string[] {
  const [first = "", second, ...others] = words;
  if (second === undefined || !resourceNamed(first)) return words;
  return [`${first}/${second}`, ...others];
}

/** "deploy/web" is a resource and a name; without one it is a Deployment. */
function shortForms(given: Given, { method }: Operation): void {
  const resource = method.input.fields.find(({ name }) => name === "resource");
  if (!resource) return;
  if (Array.isArray(given.resource)) given.resource = given.resource.map(resourceOf);
  if (typeof given.resource === "string") given.resource = resourceOf(given.resource);
  if (resource.fieldKind === "list") return;
  const [, before, after] = /^([^/]+)\/(.+)$/.exec(String(given.name ?? "")) ?? [];
  if (before !== undefined) {
    given.resource = resourceOf(before);
    given.name = after;
  }
  given.resource ??= "deployments";
}

/** Only where workloads are looked at or changed: nobody's certificate is revoked because a context names a cluster. */
function fromContext(given: Given, { noun, id }: Operation, defaults: Defaults, everywhere: boolean): void {
  if (noun !== "workload" && noun !== "namespace" && id !== "fleet.listWorkloads") return;
  // As with kubectl, also beside a --namespace.
  if (everywhere) given.namespace = undefined;
  else if (noun !== "namespace" && given.namespace === undefined) given.namespace = defaults.namespace;
  given.cluster ??= defaults.cluster;
  // "-c '*'" is every cluster, whatever the context says.
  if (Array.isArray(given.cluster) && given.cluster.includes("*")) given.cluster = undefined;
}

interface Resolved {
  command?: Command;
  rest: string[];
  given: Record<string, string>;
  asRow?: boolean;
}

function resolve(words: readonly string[], lang: Lang, help: boolean): Resolved {
  const ofKind = kindOf(words);
  if (ofKind) return ofKind;
  for (let length = Math.min(2, words.length); length > 0; length--) {
    const command = commandOf(words.slice(0, length).join(" "));
    if (command) return { command, rest: words.slice(length), given: {} };
  }
  const begun = commands.some((command) => command.words.startsWith(`${words.join(" ")} `));
  if (help && begun) return { rest: [...words], given: {} };
  throw noCommand(words, lang);
}

/** "get deploy" lists the workloads of that kind, "get deploy web" and "get deploy/web" show one as a row of that list. */
function kindOf([first, second = "", ...rest]: readonly string[]): Resolved | undefined {
  if (first === "describe" && second === "workloads") return { command: commandOf("describe"), rest, given: {} };
  if (first !== "get") return undefined;
  const [kind = "", name] = second.split("/");
  const all = kind.split(",").map(resourceNamed);
  if (all.includes(undefined)) return undefined;
  const resource = all.join(",");
  if (name === undefined && rest.length === 0) {
    return { command: commandOf("get workloads"), rest: [], given: { resource } };
  }
  const one = name === undefined ? rest : [name, ...rest];
  return { command: commandOf("get workload"), rest: [...one], given: { resource }, asRow: true };
}

function parse(argv: readonly string[], shapes: readonly FlagShape[], lang: Lang): Parsed {
  try {
    return parseFlags(argv, shapes);
  } catch (cause) {
    if (!(cause instanceof UsageInvalid)) throw cause;
    const { flag, is, near: ofAny } = cause.wrong;
    const command = commandIn(argv, flag, shapes, lang);
    const near = command && is === "unknown" ? flagMeant(flag.replace(/^-+/, ""), command) : ofAny;
    const see = command ? tell(lang, "command.see", { command: command.words }) : tell(lang, "command.help");
    throw flagFailed(cause, lang, near ? tell(lang, "flag.near", { near: `--${near}` }) : see);
  }
}

/** What is wrong with a flag, in the reader's language. */
export function flagFailed(cause: UsageInvalid, lang: Lang, next: string): CommandFailed {
  const { flag, is } = cause.wrong;
  const said = tell(lang, is === "unknown" ? "flag.unknown" : "flag.noValue", { flag });
  return new CommandFailed(exit.usage, said, next, { cause });
}

/**
 * The command of a line before a flag that cannot be read; undefined where it names none.
 * @throws CommandFailed (usage) where there is no such command: that says more than the flag does.
 */
function commandIn(argv: readonly string[], flag: string, shapes: readonly FlagShape[], lang: Lang) {
  const at = argv.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  // What follows it may be its value.
  const words = wordsIn(argv.slice(0, at), shapes);
  return words.length > 0 && words[0] !== "help" ? resolve(words, lang, false).command : undefined;
}

function wordsIn(argv: readonly string[], shapes: readonly FlagShape[]): readonly string[] {
  try {
    return parseFlags(argv, shapes).rest;
  } catch (cause) {
    if (cause instanceof UsageInvalid) return [];
    throw cause;
  }
}

function usage(command: Command, message: string, lang: Lang): CommandFailed {
  return new CommandFailed(exit.usage, message, tell(lang, "command.see", { command: command.words }));
}
