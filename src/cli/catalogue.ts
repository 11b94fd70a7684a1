// Every command: those of the contract, built from its operations, and those that only the command line has.
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { type Operation, operation, operations } from "../contract/operation.ts";
import { ruleOf } from "../contract/rules.ts";
import type { FlagShape } from "../process/flags.ts";
import type { Lang } from "../words/words.ts";
import { inWords } from "./field-words.ts";
import { asText, everywhere, type Field, versionFlags } from "./flags.ts";
import { type CliCode, tell } from "./words.ts";

export { everywhere, type Field } from "./flags.ts";

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

/** Names, letters and units of flags, where the field's own are not what one would type. */
const spelling: Record<string, { name?: string; short?: string; seconds?: boolean }> = {
  cluster: { short: "c" },
  namespace: { short: "n" },
  label_selector: { short: "l" },
  username: { short: "u" },
  q: { name: "find", short: "q" },
  lifetime: { seconds: true },
};

const aliases: Record<string, readonly string[]> = {
  "get clusters": ["get cluster", "clusters"],
  "get namespaces": ["get namespace", "get ns"],
  "agents list": ["get agents"],
  registries: ["get registries"],
  restart: ["rollout restart"],
  pause: ["rollout pause"],
  resume: ["rollout resume"],
};

const sortBy: Field = { name: "sort-by", help: asText("flag.sortBy") };
const watch: Field = { name: "watch", short: "w", boolean: true, help: asText("flag.watch") };
const allNamespaces: Field = { name: "all-namespaces", short: "A", boolean: true, help: asText("flag.all") };
const named: Field = { name: "name", required: true, help: asText("flag.contextName") };

/** As the list of clusters takes it: as a text to find. */
const oneCluster: Field = {
  name: "cluster",
  field: operation("fleet.get").method.input.fields.find(({ name }) => name === "q"),
  help: asText("flag.oneCluster"),
};

const noBrowser: Field = { name: "no-browser", boolean: true, help: asText("flag.noBrowser") };

const called = operations.filter(({ command, http }) => command !== "" && http);

const all: readonly Command[] = [
  ...called.map(ofOperation),
  likeGet({ words: "describe", says: "command.describe" }),
  {
    words: "describe cluster",
    summary: "",
    says: "command.describeCluster",
    operation: operation("fleet.get"),
    own: true,
    positional: [oneCluster],
    flags: [],
    aliases: ["describe clusters"],
  },
  likeGet({ words: "rollout status", says: "command.rolloutStatus", own: true }),
  likeGet({
    words: "open",
    says: "command.open",
    own: true,
    flags: (all) => [...all.map((flag) => ({ ...flag, required: false })), noBrowser],
  }),
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
  { words: "context delete", summary: "", says: "command.contextDelete", own: true, positional: [named], flags: [] },
  {
    words: "version",
    summary: "",
    says: "command.version",
    own: true,
    positional: [],
    flags: versionFlags,
  },
  {
    words: "completion",
    summary: "",
    says: "command.completion",
    own: true,
    positional: [{ name: "shell", required: true, help: asText("flag.shell") }],
    flags: [],
  },
];

/** By what people do: first words, or whole ones before them; what is not named stands where "…" does. */
const order = [
  "login",
  "logout",
  "whoami",
  "get clusters",
  "get workloads",
  "get workload",
  "get",
  "describe",
  "restart",
  "scale",
  "set",
  "rollout",
  "pause",
  "resume",
  "…",
  "open",
  "agents",
  "registries",
  "get audit",
  "context",
  "completion",
  "version",
];

export const commands: readonly Command[] = [...all].sort((a, b) => placeOf(a) - placeOf(b));

function placeOf({ words }: Command): number {
  const places = [words, words.split(" ")[0]!, "…"].map((one) => order.indexOf(one));
  return places.find((place) => place >= 0)!;
}

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

/** The resource of a word, with kubectl's group or without: "deploy", "deployment.apps", "deployments.v1.apps". */
export function resourceNamed(word: string): string | undefined {
  const plain = word.toLowerCase().replace(/\.(v1\.)?apps$/, "");
  return Object.hasOwn(resources, plain) ? resources[plain] : undefined;
}

/** The short word for a resource, as in "deploy/web". */
export const shortResource: Record<string, string> = { deployments: "deploy", statefulsets: "sts", daemonsets: "ds" };

export function commandOf(words: string): Command | undefined {
  return commands.find((command) => command.words === words || command.aliases?.includes(words));
}

export function summaryOf({ summary, says }: Command, lang: Lang): string {
  return says ? tell(lang, says as "required") : inWords(lang, summary);
}

/** The answer's list, if it is one: "items" or "clusters". */
export function listOf({ method }: Operation): string | undefined {
  return method.output.fields.find(
    ({ name, fieldKind }) => ["items", "clusters"].includes(name) && fieldKind === "list",
  )?.localName;
}

type Like = Pick<Command, "words" | "says" | "own"> & { flags?: (all: readonly Field[]) => readonly Field[] };

/** A command that names a workload as `get workload` does. */
function likeGet({ flags = (all) => all, ...own }: Like): Command {
  const get = ofOperation(operation("workload.get"));
  return {
    ...own,
    summary: "",
    operation: get.operation,
    get positional() {
      return get.positional.map((one) => this.flags.find(({ name }) => name === one.name) ?? one);
    },
    get flags() {
      return flags(get.flags.filter(({ name }) => name !== watch.name));
    },
  };
}

/** Its flags are made when somebody looks at them: what the contract demands of each field takes long to read. */
function ofOperation(operation: Operation): Command {
  const { command: words, summary } = operation;
  if (operation.id === "user.login") return login(operation);
  let flags: readonly Field[] | undefined;
  const of = () => {
    flags ??= flagsOf(operation);
    return flags;
  };
  return {
    words,
    summary,
    operation,
    get positional() {
      if (operation.id === "fleet.get") return [oneCluster];
      return operation.arguments.map((name) => of().find(({ field }) => field?.name === name)!);
    },
    get flags() {
      return of();
    },
    aliases: aliases[words],
    own: operation.id === "user.logout",
  };
}

function flagsOf(operation: Operation): readonly Field[] {
  const { fields } = operation.method.input;
  const hasNamespaces = fields.some(({ name, fieldKind }) => name === "namespace" && fieldKind === "list");
  return [
    ...fields.filter((field) => !ruleOf(field)?.secret).map(flagOf),
    ...(listOf(operation) ? [sortBy] : []),
    ...(listOf(operation) || operation.id === "workload.get" ? [watch] : []),
    ...(hasNamespaces ? [allNamespaces] : []),
  ];
}

function login(operation: Operation): Command {
  const username = operation.method.input.fields.find(({ name }) => name === "username")!;
  return {
    words: operation.command,
    summary: operation.summary,
    operation,
    own: true,
    positional: [{ name: "url", help: asText("flag.server") }],
    flags: [
      { name: "username", short: "u", field: username, help: asText("flag.username") },
      { name: "password-stdin", boolean: true, help: asText("flag.passwordStdin") },
    ],
  };
}

function flagOf(field: DescField): Field {
  const { name, short, boolean } = shapeOf(field);
  const seconds = spelling[field.name]?.seconds;
  const rule = ruleOf(field);
  return {
    name,
    short,
    boolean,
    field,
    required: rule?.required && field.name !== "resource",
    seconds,
    help: (lang) =>
      [
        inWords(lang, rule?.help ?? ""),
        rule?.in.length ? tell(lang, "oneOf", { values: rule.in.join(", ") }) : "",
        seconds ? tell(lang, "flag.seconds") : "",
      ]
        .filter(Boolean)
        .join(lang === "en" ? "; " : "；"),
  };
}

function shapeOf(field: DescField): FlagShape {
  const { name, short } = spelling[field.name] ?? {};
  return {
    name: name ?? field.name.replaceAll("_", "-"),
    short,
    boolean: field.fieldKind === "scalar" && field.scalar === ScalarType.BOOL,
  };
}

/** How the flags of all commands are written, each once; what the contract demands of them is not looked at. */
export function allShapes(): FlagShape[] {
  const fields = called.flatMap(({ method }) => method.input.fields.map(shapeOf));
  const own = commands.filter(({ operation }) => !operation || operation.id === "user.login");
  const more = [...own.flatMap(({ flags }) => flags), sortBy, watch, allNamespaces, noBrowser, ...everywhere];
  const shapes = new Map([...fields, ...more].map((shape) => [shape.name, shape]));
  return [...shapes.values(), { name: "version", boolean: true }];
}
