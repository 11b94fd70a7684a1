// Commands, built from the contract: an operation's words, its fields as flags, and what was written as its input.
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { type Operation, operations } from "../contract/operation.ts";
import { type Given, inputOf } from "../contract/request.ts";
import { ruleOf } from "../contract/rules.ts";
import { type FlagShape, nearest, type Parsed, parseFlags, UsageInvalid } from "../process/flags.ts";
import type { Lang } from "../words/words.ts";
import { CommandFailed, exit } from "./exit.ts";
import { type CliCode, tell } from "./words.ts";

export interface Command {
  /** "set image". */
  words: string;
  summary: string;
  /** Missing on what needs no server. */
  operation?: Operation;
  positional: readonly Field[];
  flags: readonly Field[];
}

export interface Field extends FlagShape {
  /** The input's field; undefined for flags that only the command line has. */
  field?: DescField;
  required?: boolean;
  help: (lang: Lang) => string;
}

const asText = (code: CliCode) => (lang: Lang) => tell(lang, code as "required");

/** Flags of every command. */
export const everywhere: readonly Field[] = [
  { name: "server", short: "s", help: asText("flag.server") },
  { name: "token", help: asText("flag.token") },
  { name: "output", short: "o", help: asText("flag.output") },
  { name: "no-headers", boolean: true, help: asText("flag.noHeaders") },
  { name: "timeout", help: asText("flag.timeout") },
  { name: "help", short: "h", boolean: true, help: asText("flag.help") },
];

/** Names and letters of flags, where the field's own name is not what one would type. */
const spelling: Record<string, { name?: string; short?: string }> = {
  cluster: { short: "c" },
  namespace: { short: "n" },
  label_selector: { short: "l" },
  username: { short: "u" },
  q: { name: "find", short: "q" },
};

export const commands: readonly Command[] = [
  ...operations.filter(({ command, http }) => command !== "" && http).map(ofOperation),
  { words: "version", summary: "", positional: [], flags: [] },
];

function ofOperation(operation: Operation): Command {
  const fields = operation.method.input.fields.filter((field) => !ruleOf(field)?.secret).map(flagOf);
  if (operation.id === "user.login") return login(operation, fields);
  return {
    words: operation.command,
    summary: operation.summary,
    operation,
    positional: operation.arguments.map((name) => fields.find(({ field }) => field!.name === name)!),
    flags: fields,
  };
}

function login(operation: Operation, fields: Field[]): Command {
  const username = fields.find(({ name }) => name === "username")!;
  return {
    words: operation.command,
    summary: operation.summary,
    operation,
    positional: [{ name: "url", help: asText("flag.server") }],
    flags: [
      { ...username, required: false, help: asText("flag.username") },
      { name: "password-stdin", boolean: true, help: asText("flag.passwordStdin") },
    ],
  };
}

function flagOf(field: DescField): Field {
  const rule = ruleOf(field);
  const { name, short } = spelling[field.name] ?? {};
  return {
    name: name ?? field.name.replaceAll("_", "-"),
    short,
    boolean: field.fieldKind === "scalar" && field.scalar === ScalarType.BOOL,
    field,
    required: rule?.required && field.name !== "resource",
    help: (lang) =>
      [rule?.means, rule?.in.length ? tell(lang, "oneOf", { values: rule.in.join(", ") }) : ""]
        .filter(Boolean)
        .join("; "),
  };
}

export interface Asked {
  /** Undefined for help about all commands. */
  command?: Command;
  flags: Map<string, string[]>;
  rest: string[];
  help: boolean;
}

/** @throws CommandFailed (usage) */
export function ask(argv: readonly string[], lang: Lang): Asked {
  const shapes = new Map<string, Field>();
  for (const flag of [...commands.flatMap(({ flags }) => flags), ...everywhere]) shapes.set(flag.name, flag);
  const parsed = parse(argv, [...shapes.values(), { name: "version", boolean: true }], lang);
  const flags = new Map<string, string[]>();
  for (const { name, value } of parsed.flags) flags.set(name, [...(flags.get(name) ?? []), value]);
  const help = flags.get("help")?.at(-1) === "true" || parsed.rest[0] === "help";
  const words = parsed.rest[0] === "help" ? parsed.rest.slice(1) : parsed.rest;
  if (flags.has("version")) return { command: find("version"), flags, rest: [], help: false };
  if (words.length === 0) return { flags, rest: [], help: true };
  const { command, rest, given } = resolve(words, lang, help);
  for (const [name, value] of Object.entries(given)) if (!flags.has(name)) flags.set(name, [value]);
  const own = new Set([...(command?.flags ?? []), ...everywhere].map(({ name }) => name));
  for (const { name, written } of parsed.flags) {
    if (command && !own.has(name))
      throw usage(command, tell(lang, "command.foreign", { command: command.words, flag: written }), lang);
  }
  return { command, flags, rest, help };
}

/** @throws CommandFailed (usage) for arguments that lack or are too many, or values that the contract does not take. */
export function inputFrom({ command, flags, rest }: Asked & { command: Command }, lang: Lang) {
  const { operation, positional } = command;
  if (!operation) throw new Error(`${command.words} has no operation`);
  const given: Given = {};
  for (const { name, field } of command.flags) {
    const values = flags.get(name);
    if (!values || !field) continue;
    given[field.name] = field.fieldKind === "list" ? values.flatMap((value) => value.split(",")) : values.at(-1);
  }
  if (rest.length > positional.length) {
    throw usage(command, tell(lang, "command.extra", { word: JSON.stringify(rest[positional.length]) }), lang);
  }
  for (const [index, { field }] of positional.entries())
    if (rest[index] !== undefined) given[field!.name] = rest[index];
  shortForms(given, operation);
  for (const { name, field, required } of command.flags) {
    if (!required || given[field!.name] !== undefined) continue;
    const argument = positional.some((one) => one.name === name) ? name.toUpperCase() : `--${name}`;
    throw usage(command, tell(lang, "command.needs", { command: command.words, argument }), lang);
  }
  return inputOf(operation, given);
}

/** The flag or argument that a field of the input is given by. */
export function spelled(command: Command | undefined, jsonName: string): string {
  const flag = command?.flags.find(({ field }) => field?.jsonName === jsonName);
  if (!flag) return jsonName;
  return command!.positional.some(({ name }) => name === flag.name) ? flag.name.toUpperCase() : `--${flag.name}`;
}

const resources: Record<string, string> = {
  deployment: "deployments",
  deploy: "deployments",
  statefulset: "statefulsets",
  sts: "statefulsets",
  daemonset: "daemonsets",
  ds: "daemonsets",
};

const resourceOf = (word: string) => resources[word.toLowerCase()] ?? word;

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

function find(words: string): Command | undefined {
  return commands.find((command) => command.words === words);
}

function resolve(
  words: readonly string[],
  lang: Lang,
  help: boolean,
): { command?: Command; rest: string[]; given: Record<string, string> } {
  for (let length = Math.min(2, words.length); length > 0; length--) {
    const command = find(words.slice(0, length).join(" "));
    if (command) return { command, rest: words.slice(length), given: {} };
  }
  // "get deploy" lists the workloads of that kind.
  const resource = words[0] === "get" && words[1] ? resourceOf(words[1]) : undefined;
  if (resource && Object.values(resources).includes(resource)) {
    return { command: find("get workloads"), rest: words.slice(2), given: { resource } };
  }
  if (help) return { rest: [], given: {} };
  const written = words.slice(0, 2).join(" ");
  const near =
    nearest(
      written,
      commands.map((command) => command.words),
    ) ??
    nearest(
      words[0]!,
      commands.map((command) => command.words),
    );
  throw new CommandFailed(
    exit.usage,
    tell(lang, "command.none", { words: JSON.stringify(written) }),
    near ? tell(lang, "command.near", { near }) : tell(lang, "command.help"),
  );
}

function parse(argv: readonly string[], shapes: readonly FlagShape[], lang: Lang): Parsed {
  try {
    return parseFlags(argv, shapes);
  } catch (cause) {
    if (cause instanceof UsageInvalid) {
      throw new CommandFailed(exit.usage, cause.message, tell(lang, "command.help"), { cause });
    }
    throw cause;
  }
}

function usage(command: Command, message: string, lang: Lang): CommandFailed {
  return new CommandFailed(exit.usage, message, tell(lang, "command.see", { command: command.words }));
}
