// What one setting is, and what a table of them yields.

export type Env = Record<string, string | undefined>;

export interface Key {
  /** Without dashes: "log.level". Also the key's own path in the file, where dots nest. */
  readonly flag: string;
  readonly short?: string;
  /** LIZARDCD_LOG_LEVEL unless said otherwise. */
  readonly env?: string;
  /** Further paths in the file, such as the old ones: "Prometheus.Port"; a pair is a host and a port. */
  readonly file?: readonly (string | { readonly host: string; readonly port: string })[];
  readonly type: "text" | "integer" | "boolean" | "duration" | "list" | "labels" | "secret" | "choice" | "address";
  /** Text is read as if it were given. Without one, lists and labels are empty, booleans false, the rest undefined. */
  readonly default?: string | number | boolean | ((env: Env) => string);
  /** Of a choice. */
  readonly choices?: readonly string[];
  /** Other spellings of a choice. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** What a bare number of a duration means; "s" unless said otherwise. */
  readonly unit?: "ms" | "s";
  /** Bounds of an integer, or of a duration in milliseconds. */
  readonly min?: number;
  readonly max?: number;
  readonly help: string;
  /** Known from old files and command lines, but without meaning here: a warning. Covers what is nested below it. */
  readonly old?: true;
  /** Why it cannot be given in this version: an error, unless it is empty. */
  readonly later?: string;
}

export type Table = Readonly<Record<string, Key>>;

type Always = { default: unknown } | { type: "boolean" | "list" | "labels" };
type Raw<K extends Key> = K["type"] extends "integer" | "duration"
  ? number
  : K["type"] extends "boolean"
    ? boolean
    : K["type"] extends "list"
      ? string[]
      : K["type"] extends "labels"
        ? Record<string, string>
        : K extends { type: "choice"; choices: readonly (infer Choice)[] }
          ? Choice
          : string;
type Meaningless = { old: true } | { later: string };

/** What a table yields: durations in milliseconds, addresses as "host:port". */
export type Values<T extends Table> = {
  [N in keyof T as T[N] extends Meaningless ? never : N]: T[N] extends Always ? Raw<T[N]> : Raw<T[N]> | undefined;
};

export interface Settings<T extends Table> {
  values: Values<T>;
  /** "flag --http-addr", "environment LIZARDCD_DATA", "file lizardcd.yaml", "default". */
  sources: { [N in keyof Values<T>]: string };
  /** Addresses that the file names by host and port apart, as the old files do. */
  apart: ReadonlySet<keyof Values<T>>;
  /** One sentence each. */
  warnings: string[];
  /** Arguments that are not flags. */
  rest: string[];
  /** Asked for instead of running. */
  asked?: "help" | "version" | "print-config";
}

export interface Given {
  /** Without the program's own name. */
  argv: readonly string[];
  env: Env;
  /** @throws where there is no such file. */
  readFile: (path: string) => string;
}

/** A setting is wrong: one sentence that names it, where it was given and what it must be. */
export class SettingInvalid extends Error {
  override readonly name = "SettingInvalid";
}
