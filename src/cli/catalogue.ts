// Every command: those of the contract, built from its operations, and those that only the command line has.
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { type Operation, operation, operations } from "../contract/operation.ts";
import { ruleOf } from "../contract/rules.ts";
import type { FlagShape } from "../process/flags.ts";
import type { Lang } from "../words/words.ts";
import { type CliCode, tell } from "./words.ts";

export interface Command {
  /** "set image". */
  words: string;
  /** The contract's, in English. */
  summary: string;
  /** The command line's own, in the reader's language. */
  says?: CliCode;
  /** Missing on what needs no operation of the server. */
  operation?: Operation;
  positional: readonly Field[];
  flags: readonly Field[];
  /** Other words for the same. */
  aliases?: readonly string[];
  /** True where the command does more than call its operation and print the answer. */
  own?: boolean;
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
  { name: "context", help: asText("flag.context") },
  { name: "server-ca", help: asText("flag.serverCa") },
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

const aliases: Record<string, readonly string[]> = {
  "get clusters": ["clusters"],
  "agents list": ["get agents"],
  registries: ["get registries"],
  restart: ["rollout restart"],
  pause: ["rollout pause"],
  resume: ["rollout resume"],
};

const sortBy: Field = { name: "sort-by", help: asText("flag.sortBy") };
const watch: Field = { name: "watch", short: "w", boolean: true, help: asText("flag.watch") };
const allNamespaces: Field = { name: "all-namespaces", short: "A", boolean: true, help: asText("flag.all") };
const named = { name: "name", help: () => "" } satisfies Field;

const workload = ofOperation(operation("workload.get"));

export const commands: readonly Command[] = [
  ...operations.filter(({ command, http }) => command !== "" && http).map(ofOperation),
  { ...workload, words: "describe", summary: "", says: "command.describe" },
  { ...workload, words: "rollout status", summary: "", says: "command.rolloutStatus", own: true },
  {
    ...workload,
    words: "open",
    summary: "",
    says: "command.open",
    own: true,
    flags: [
      ...workload.flags.map((flag) => ({ ...flag, required: false })),
      { name: "no-browser", boolean: true, help: asText("flag.noBrowser") },
    ],
  },
  { words: "context list", summary: "", says: "command.contextList", own: true, positional: [], flags: [] },
  { words: "context use", summary: "", says: "command.contextUse", own: true, positional: [named], flags: [] },
  {
    words: "context set",
    summary: "",
    says: "command.contextSet",
    own: true,
    positional: [named],
    flags: [
      { name: "ca", help: asText("flag.ca") },
      { name: "cluster", short: "c", help: asText("flag.setCluster") },
      { name: "namespace", short: "n", help: asText("flag.setNamespace") },
    ],
  },
  {
    words: "version",
    summary: "",
    says: "command.version",
    own: true,
    positional: [],
    flags: [{ name: "client", boolean: true, help: asText("flag.client") }],
  },
  {
    words: "completion",
    summary: "",
    says: "command.completion",
    own: true,
    positional: [{ name: "shell", help: asText("flag.shell") }],
    flags: [],
  },
];

/** Resources as a person may write them. */
export const resources: Record<string, string> = {
  deployment: "deployments",
  deploy: "deployments",
  deployments: "deployments",
  statefulset: "statefulsets",
  sts: "statefulsets",
  statefulsets: "statefulsets",
  daemonset: "daemonsets",
  ds: "daemonsets",
  daemonsets: "daemonsets",
};

/** The short word for a resource, as in "deploy/web". */
export const shortResource: Record<string, string> = { deployments: "deploy", statefulsets: "sts", daemonsets: "ds" };

export function commandOf(words: string): Command | undefined {
  return commands.find((command) => command.words === words || command.aliases?.includes(words));
}

export function summaryOf({ summary, says }: Command, lang: Lang): string {
  return says ? tell(lang, says as "required") : summary;
}

/** The answer's list, if it is one: "items" or "clusters". */
export function listOf({ method }: Operation): string | undefined {
  return method.output.fields.find(
    ({ name, fieldKind }) => ["items", "clusters"].includes(name) && fieldKind === "list",
  )?.localName;
}

function ofOperation(operation: Operation): Command {
  const { command: words, summary } = operation;
  const fields = operation.method.input.fields.filter((field) => !ruleOf(field)?.secret).map(flagOf);
  if (operation.id === "user.login") return login(operation, fields);
  const hasNamespaces = operation.method.input.fields.some(
    ({ name, fieldKind }) => name === "namespace" && fieldKind === "list",
  );
  return {
    words,
    summary,
    operation,
    positional: operation.arguments.map((name) => fields.find(({ field }) => field!.name === name)!),
    flags: [...fields, ...(listOf(operation) ? [sortBy, watch] : []), ...(hasNamespaces ? [allNamespaces] : [])],
    aliases: aliases[words],
    own: operation.id === "user.logout",
  };
}

function login(operation: Operation, fields: Field[]): Command {
  const username = fields.find(({ name }) => name === "username")!;
  return {
    words: operation.command,
    summary: operation.summary,
    operation,
    own: true,
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
