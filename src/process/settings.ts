// Configuration: one table of keys per program, from which flags, environment, file, defaults and help all follow.
import { type FlagShape, parseFlags, UsageInvalid } from "./flags.ts";
import { type Env, type Given, type Key, SettingInvalid, type Settings, type Table } from "./setting.ts";
import { type Found, fileOf, reasonOf, type SettingFile } from "./setting-file.ts";
import { isLoopback, refuseOpen, settingValue } from "./setting-value.ts";

export { helpText, type Program, printConfig, programSettings, versionText } from "./program.ts";
export { type Env, type Key, SettingInvalid, type Settings, type Table, type Values } from "./setting.ts";
export { hostPort, isLoopback } from "./setting-value.ts";

/**
 * A file of the existing system listens as it always did, and its program says what that means; all else has to say that
 * an address which others can reach without encryption is meant.
 * @param next what there is to do about it
 * @throws SettingInvalid as `refuseOpen`
 */
export function openIfMeant<N extends string>(
  program: string,
  { values, sources, apart }: { values: Record<N, string>; sources: Record<N, string>; apart: ReadonlySet<string> },
  name: N,
  { flag, allowed, next }: { flag: string; allowed: boolean; next: string },
): void {
  const address = values[name];
  if (allowed || isLoopback(address)) return;
  if (!apart.has(name)) refuseOpen(flag, address, allowed, "--http.plain");
  const what = `${address} can be reached from other machines and is not encrypted, as the ${sources[name]} says`;
  process.stderr.write(`${program}: ${what}: ${next}\n`);
}

/** Keys that every program has. */
export const common = {
  config: { flag: "config", short: "f", type: "text", help: "read settings from this YAML file" },
  logLevel: {
    flag: "log.level",
    type: "choice",
    choices: ["debug", "info", "warn", "error"],
    aliases: { warning: "warn", severe: "error" },
    default: "info",
    help: "what is logged",
  },
  logEncoding: {
    flag: "log.encoding",
    type: "choice",
    choices: ["plain", "json"],
    default: "plain",
    help: "how it is logged, to standard error: for people or for collectors",
  },
  check: {
    flag: "check",
    type: "boolean",
    help: "look whether all that is needed is there and answers, say what is wrong, and end",
  },
  endWithStdin: {
    flag: "end-with-stdin",
    type: "boolean",
    help: "stop when standard input closes, as it does when the program that started this one ends",
  },
} as const satisfies Table;

const questions = [
  { name: "help", short: "h", boolean: true },
  { name: "version", boolean: true },
  { name: "print-config", boolean: true },
] as const satisfies readonly FlagShape[];

/**
 * Flag before environment before file before default.
 * @throws SettingInvalid for the first setting that is unknown or wrong.
 */
export function readSettings<const T extends Table>(table: T, { argv, env, readFile }: Given): Settings<T> {
  const flags = flagsOf(table, argv);
  const asked = questions.find(({ name }) => flags.given.get(name)?.value === "true")?.name;
  const path = flags.given.get("config")?.value ?? (env.LIZARDCD_CONFIG || undefined);
  const file =
    path === undefined || asked === "help" || asked === "version" ? undefined : fileOf(path, table, readFile);
  const settings = { values: {}, sources: {}, apart: new Set(), warnings: [], rest: flags.rest } as {
    values: Record<string, unknown>;
    sources: Record<string, string>;
    apart: Set<string>;
    warnings: string[];
    rest: string[];
  };
  for (const [name, key] of Object.entries(table)) {
    const found = given(key, flags.given, env, file, readFile);
    if (key.old) {
      if (found) settings.warnings.push(`${found.where} means nothing to this version and is ignored`);
      continue;
    }
    if (key.later) {
      if (found && !isEmpty(found.value)) throw new SettingInvalid(`${found.where} cannot be used: ${key.later}`);
      continue;
    }
    const { value, source, where } = found ?? { value: initial(key, env), source: "default", where: "the default" };
    settings.values[name] = value === undefined ? undefined : settingValue(key, value, where);
    settings.sources[name] = source;
    if (found?.apart) settings.apart.add(name);
  }
  return { ...(settings as unknown as Settings<T>), asked };
}

type FlagValues = Map<string, { value: string; written: string }>;

function flagsOf(table: Table, argv: readonly string[]): { given: FlagValues; rest: string[] } {
  const keys = Object.values(table);
  const shapes: FlagShape[] = [
    ...keys.map(({ flag, short, type }) => ({ name: flag, short, boolean: type === "boolean" })),
    ...keys.filter(({ type }) => type === "secret").map(({ flag }) => ({ name: `${flag}-file` })),
    ...questions,
  ];
  try {
    const { flags, rest } = parseFlags(argv, shapes);
    const given: FlagValues = new Map();
    const repeatable = new Set(keys.filter(({ type }) => type === "list" || type === "labels").map(({ flag }) => flag));
    for (const { name, value, written } of flags) {
      const before = repeatable.has(name) ? given.get(name) : undefined;
      given.set(name, { value: before ? `${before.value},${value}` : value, written });
    }
    return { given, rest };
  } catch (cause) {
    if (cause instanceof UsageInvalid) {
      const next = cause.message.endsWith("?") ? " See --help" : ": see --help";
      throw new SettingInvalid(cause.message + next, { cause });
    }
    throw cause;
  }
}

function given(
  key: Key,
  flags: FlagValues,
  env: Env,
  file: SettingFile | undefined,
  readFile: Given["readFile"],
): Found | undefined {
  const flag = flags.get(key.flag);
  if (flag) return { value: flag.value, source: `flag ${flag.written}`, where: flag.written };
  const fromFile = (path: string, where: string, source: string): Found => {
    try {
      return { value: readFile(path).trim(), source, where };
    } catch (cause) {
      throw new SettingInvalid(`${where}: ${path} cannot be read: ${reasonOf(cause)}`, { cause });
    }
  };
  const secret = key.type === "secret";
  const flagFile = secret ? flags.get(`${key.flag}-file`) : undefined;
  if (flagFile) return fromFile(flagFile.value, flagFile.written, `flag ${flagFile.written}`);
  const variable = variableOf(key);
  const told = env[variable];
  if (told) return { value: told, source: `environment ${variable}`, where: `the environment variable ${variable}` };
  const toldFile = secret ? env[`${variable}_FILE`] : undefined;
  if (toldFile) {
    return fromFile(toldFile, `the environment variable ${variable}_FILE`, `environment ${variable}_FILE`);
  }
  return file?.find(key, fromFile);
}

function initial(key: Key, env: Env): unknown {
  if (typeof key.default === "function") return key.default(env);
  if (key.default !== undefined) return key.default;
  return { boolean: false, list: [], labels: {} }[key.type as string];
}

/** The environment variable of a setting: LIZARDCD_LOG_LEVEL. */
export function variableOf({ env, flag }: Key): string {
  return env ?? `LIZARDCD_${flag.replace(/[.-]/g, "_").toUpperCase()}`;
}

/** Also an object of the old files whose values are all empty. */
function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).every(isEmpty);
  return value === "" || value === null || value === undefined;
}
