// Structured logs: one sentence and constant field names, to standard error. LogTape does the work; this names ours.
import { configure, getJsonLinesFormatter, getLogger, type LogLevel, type LogRecord } from "@logtape/logtape";

export type Fields = Record<string, unknown>;

/** `log.info("workload restarted", { cluster, namespace, name, actor })`. */
export interface Log {
  debug(sentence: string, fields?: Fields): void;
  info(sentence: string, fields?: Fields): void;
  warn(sentence: string, fields?: Fields): void;
  error(sentence: string, fields?: Fields): void;
}

export interface LogOptions {
  level: "debug" | "info" | "warn" | "error";
  /** "plain" for people, "json" for collectors: one object a line, fields beside the sentence. */
  encoding: "plain" | "json";
  /** Takes one line with its line break. */
  write?: (line: string) => void;
}

const levels = { debug: "debug", info: "info", warn: "warning", error: "error" } as const satisfies Record<
  string,
  LogLevel
>;

/** Sets where logs of this process go; may be called again (a level read anew). */
export async function startLog({ level, encoding, write = toStderr }: LogOptions): Promise<void> {
  const json = getJsonLinesFormatter({ properties: "flatten" });
  const format = encoding === "json" ? json : plain;
  await configure({
    reset: true,
    sinks: { lines: (record) => write(format(record)) },
    loggers: [
      { category: ["lizardcd"], sinks: ["lines"], lowestLevel: levels[level] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
}

/** A logger of one part: "agent", "pool". Silent until `startLog`. */
export function log(part: string): Log {
  const logger = getLogger(["lizardcd", part]);
  const at = (name: "debug" | "info" | "warn" | "error") => (sentence: string, fields?: Fields) =>
    logger[name](escapeTemplate(sentence), fields ?? {});
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

// LogTape reads {places} in sentences; ours have none of their own, but error texts may.
function escapeTemplate(sentence: string): string {
  return sentence.replaceAll("{", "{{").replaceAll("}", "}}");
}

function plain(record: LogRecord): string {
  const fields = Object.entries(record.properties)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${shown(value)}`)
    .join("");
  const level = (record.level === "warning" ? "warn" : record.level).padEnd(5);
  const time = new Date(record.timestamp).toISOString();
  return `${time} ${level} ${record.category.at(-1)}: ${oneLine(record.message.join(""))}${fields}\n`;
}

function shown(value: unknown): string {
  const text =
    value instanceof Error ? value.message : typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return /^[\w.:/@*+-]+$/.test(text) ? text : JSON.stringify(text);
}

// A cluster's own text must not begin a line of its own or move a terminal's cursor.
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}

function toStderr(line: string): void {
  process.stderr.write(line);
}
