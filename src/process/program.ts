// A program's way to its settings, and its answers to --help, --version and --print-config.
import { readFileSync } from "node:fs";
import { type Key, SettingInvalid, type Settings, type Table } from "./setting.ts";
import { durationText } from "./setting-value.ts";
import { readSettings } from "./settings.ts";

export interface Program<T extends Table> {
  /** "lizardcd-server". */
  name: string;
  /** One line for the help text. */
  summary: string;
  version: string;
  table: T;
  /** The process's own unless given. */
  argv?: readonly string[];
}

/**
 * For a program's main: reads the process's own command line and environment. Answers --help, --version and
 * --print-config on standard output and ends; warnings go to standard error.
 * @throws SettingInvalid
 */
export function programSettings<const T extends Table>(program: Program<T>): Settings<T> {
  const settings = readSettings(program.table, {
    argv: program.argv ?? process.argv.slice(2),
    env: process.env,
    readFile: (path) => readFileSync(path, "utf8"),
  });
  const warn = () => {
    for (const warning of settings.warnings) process.stderr.write(`${program.name}: ${warning}\n`);
  };
  if (settings.asked) {
    // Part of what became of an old file.
    if (settings.asked === "print-config") warn();
    const answers = { help: helpText, version: versionText, "print-config": printConfig };
    process.stdout.write(answers[settings.asked](program, settings));
    process.exit(0);
  }
  if (settings.rest.length > 0) {
    throw new SettingInvalid(`${JSON.stringify(settings.rest[0])} is not a flag: see ${program.name} --help`);
  }
  warn();
  return settings;
}

export function versionText({ name, version }: Pick<Program<Table>, "name" | "version">): string {
  return `${name} ${version}\n`;
}

export function helpText({ name, summary, table }: Pick<Program<Table>, "name" | "summary" | "table">): string {
  const lines = Object.values(table)
    .filter((key) => !key.old && !key.later)
    .map((key) => {
      const left = `  ${key.short ? `-${key.short}, ` : "    "}--${key.flag}${key.type === "boolean" ? "" : ` ${placeOf(key)}`}`;
      const standard = typeof key.default === "function" ? undefined : key.default;
      const notes = [
        ...(key.choices ? [key.choices.join(" or ")] : []),
        ...(standard === undefined || standard === "" ? [] : [`default ${standard}`]),
        ...(key.type === "secret" ? [`also --${key.flag}-file FILE`] : []),
      ];
      return { left, right: `${key.help}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}` };
    });
  lines.push(
    { left: "  -h, --help", right: "show this" },
    { left: "      --version", right: "show the version" },
    { left: "      --print-config", right: "show every setting and where it comes from, and end" },
  );
  const width = Math.max(...lines.map(({ left }) => left.length)) + 2;
  return `${summary}

Usage: ${name} [flags]

${lines.map(({ left, right }) => `${left.padEnd(width)}${right}`).join("\n")}

Every flag has an environment variable, --log.level LIZARDCD_LOG_LEVEL, and a key in the file, "log: { level: info }".
A flag wins over the environment, the environment over the file. Durations: 500ms, 10s, 5m, 24h.
`;
}

/** YAML that could be given back as a file, each line with its source; secrets are masked, passwords in URLs too. */
export function printConfig<T extends Table>(
  { table }: Pick<Program<T>, "table">,
  { values, sources }: Settings<T>,
): string {
  return Object.entries(table)
    .filter(([name]) => name in values)
    .map(([name, key]) => {
      const value = (values as Record<string, unknown>)[name];
      const source = (sources as Record<string, string>)[name];
      if (value === undefined) return `# ${key.flag}:  # not set\n`;
      return `${key.flag}: ${shownValue(key, value)}  # ${source}\n`;
    })
    .join("");
}

function shownValue({ type }: Key, value: unknown): string {
  if (type === "secret") return '"***"';
  return type === "duration" ? durationText(value as number) : JSON.stringify(value, withoutPassword);
}

/** "http://ada:***@etcd:2379"; the scheme may be left out where a host is meant. */
function withoutPassword(_: string, value: unknown): unknown {
  return typeof value === "string"
    ? value.replace(/^((?:[a-z][a-z0-9+.-]*:\/\/)?[^/\s:@]*):[^/\s]*@/i, "$1:***@")
    : value;
}

function placeOf({ type }: Key): string {
  const places = { integer: "N", duration: "TIME", list: "A,B", labels: "K=V,…", address: "HOST:PORT" };
  return places[type as keyof typeof places] ?? "TEXT";
}
