// Command lines, read the same way by every program: `--name value`, `--name=value`, `-n value`, and Go's `-name`.

import { nearest } from "./nearest.ts";

export interface FlagShape {
  /** Without dashes. */
  name: string;
  /** One letter. */
  short?: string;
  /** A boolean takes its value only after "=", and knows `--no-<name>`. */
  boolean?: boolean;
}

export interface Parsed {
  /** In the order given; a boolean's value is "true" or "false" unless one was written. */
  flags: { name: string; value: string; written: string }[];
  /** What is not a flag, and all that follows "--". */
  rest: string[];
}

/** The command line cannot be read: one sentence, to be followed by how to ask for help. */
export class UsageInvalid extends Error {
  override readonly name: string = "UsageInvalid";
  constructor(
    message: string,
    /** The flag as written, and the nearest that is known, without dashes. */
    readonly wrong: { flag: string; is: "unknown" | "without value"; near?: string },
  ) {
    super(message);
  }
}

/** @throws UsageInvalid for an unknown flag, naming the nearest, or one without its value. */
export function parseFlags(argv: readonly string[], shapes: readonly FlagShape[]): Parsed {
  const long = new Map(shapes.map((shape) => [shape.name, shape]));
  const short = new Map(shapes.flatMap((shape) => (shape.short ? [[shape.short, shape] as const] : [])));
  const parsed: Parsed = { flags: [], rest: [] };
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    if (word === "--") {
      parsed.rest.push(...argv.slice(index + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      parsed.rest.push(word);
      continue;
    }
    const { shape, value, written } = resolve(word, long, short);
    if (value !== undefined) {
      parsed.flags.push({ name: shape.name, value, written });
      continue;
    }
    const next = argv[index + 1];
    if (next === undefined || isKnown(next, long)) {
      throw new UsageInvalid(`${written} needs a value`, { flag: written, is: "without value" });
    }
    parsed.flags.push({ name: shape.name, value: next, written });
    index++;
  }
  return parsed;
}

interface Resolved {
  shape: FlagShape;
  /** Missing where the next word is the value. */
  value?: string;
  written: string;
}

function resolve(word: string, long: Map<string, FlagShape>, short: Map<string, FlagShape>): Resolved {
  const [, dashes, name = "", given] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  const written = `${dashes}${name}`;
  const shape = long.get(name) ?? (dashes === "-" && name.length === 1 ? short.get(name) : undefined);
  if (shape) return { shape, value: given ?? (shape.boolean ? "true" : undefined), written };
  const negated = name.startsWith("no-") ? long.get(name.slice(3)) : undefined;
  if (negated?.boolean && given === undefined) return { shape: negated, value: "false", written };
  // "-nshop": a short name with its value.
  const first = dashes === "-" ? short.get(name.charAt(0)) : undefined;
  if (first && !first.boolean && name.length > 1) {
    return { shape: first, value: word.slice(2), written: word.slice(0, 2) };
  }
  const near = nearest(name, [...long.keys()]);
  const message = `unknown flag ${written}${near ? `, did you mean --${near}?` : ""}`;
  throw new UsageInvalid(message, { flag: written, is: "unknown", near });
}

function isKnown(word: string, long: Map<string, FlagShape>): boolean {
  const name = /^--([^=]+)/.exec(word)?.[1];
  return name !== undefined && long.has(name);
}
