// How an answer is written: `-o table`, wide, json, yaml, name or jsonpath=…
import { type Lang, problemIn } from "../words/words.ts";
import { CommandFailed, exit } from "./exit.ts";
import { type JsonPath, JsonPathInvalid, parseJsonPath } from "./jsonpath.ts";
import { clean, json, quoted } from "./output.ts";
import { tell } from "./words.ts";

export type Format =
  | { as: "table" | "wide" | "name" }
  /** Writes the server's own JSON, whole. */
  | {
      as: "value";
      write: (value: unknown) => string;
      /** One of many values that follow one another, where that is written otherwise. */
      line?: (value: unknown) => string;
      /** Where a template looks. */
      paths?: JsonPath["paths"];
    };

export const formats = ["table", "wide", "json", "yaml", "name", "jsonpath="] as const;

/** @throws CommandFailed (usage) */
export function formatOf(text: string, lang: Lang): Format {
  if (text === "table" || text === "wide" || text === "name") return { as: text };
  if (text === "json") return { as: "value", write: (value) => json(value), line: (value) => json(value, 0) };
  if (text === "yaml") return { as: "value", write: yaml, line: (value) => `---\n${yaml(value)}` };
  const [, expression] = /^jsonpath=(.*)$/s.exec(text) ?? [];
  if (!expression) throw new CommandFailed(exit.usage, tell(lang, "output.wrong", { value: quoted(text) }));
  const path = parsed(expression, lang);
  return { as: "value", write: (value) => ended(path.write(value, clean)), paths: path.paths };
}

export function parsed(expression: string, lang: Lang): JsonPath {
  try {
    return parseJsonPath(expression);
  } catch (cause) {
    if (!(cause instanceof JsonPathInvalid)) throw cause;
    const params = { expression: quoted(expression), problem: problemIn(lang, cause.message) };
    throw new CommandFailed(exit.usage, tell(lang, "jsonpath.wrong", params), "", { cause });
  }
}

/** Block style; what could be read as anything but this text is quoted. */
export function yaml(value: unknown): string {
  return `${block(value, "").replace(/^\n/, "")}\n`;
}

function block(value: unknown, indent: string): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return " []";
    return value.map((one) => `\n${indent}-${inline(block(one, `${indent}  `), indent)}`).join("");
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, one]) => one !== undefined);
    if (entries.length === 0) return " {}";
    return entries.map(([name, one]) => `\n${indent}${scalar(name)}:${block(one, `${indent}  `)}`).join("");
  }
  return ` ${typeof value === "string" ? scalar(value) : JSON.stringify(value ?? null)}`;
}

/** The first line of an item stands beside its dash. */
function inline(text: string, indent: string): string {
  return text.startsWith(`\n${indent}  `) ? ` ${text.slice(indent.length + 3)}` : text;
}

function scalar(text: string): string {
  const plain = /^[A-Za-z_/][\w./@+:-]*(?<!:)( [\w./@+-]+)*$/.test(text);
  return plain && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text) ? text : quoted(text);
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
