// Text for a terminal or a pipe: tables by display width, and nothing in them that a terminal would obey.

export type Tone = "good" | "busy" | "bad" | "quiet";

export interface Column<Row> {
  head: string;
  value: (row: Row) => string;
  right?: boolean;
  /** Gives way first where a line is wider than the terminal. */
  flexible?: boolean;
  /** Shown by `-o wide` alone. */
  wide?: boolean;
  /** How it is coloured, where colours are shown. */
  tone?: (row: Row) => Tone | undefined;
}

export interface TableOptions {
  /** Of the terminal; undefined where the output is not one: nothing is cut. */
  columns?: number;
  headers?: boolean;
  /** With the columns that are left out otherwise; nothing is cut. */
  wide?: boolean;
  color?: boolean;
  /** Widths so far, of a table that goes on: its columns stay where they are, also those that are empty. */
  layout?: number[];
}

const gap = 2;
const narrowest = 8;
const colors: Record<Tone, string> = { good: "32", busy: "33", bad: "31", quiet: "2" };

/** Lines with their line breaks; columns that are empty in every row are left out. */
export function table<Row>(rows: readonly Row[], all: readonly Column<Row>[], options: TableOptions = {}): string {
  const { headers = true, wide = false, color, layout } = options;
  const width = wide ? undefined : options.columns;
  const columns = all.filter((column) => wide || !column.wide);
  const cells = rows.map((row) => columns.map((column) => clean(column.value(row))));
  const used = columns.map((_, index) => layout !== undefined || cells.some((line) => line[index] !== ""));
  const shown = columns.map((column, index) => ({ ...column, index })).filter(({ index }) => used[index]);
  const heads = columns.map(({ head }) => head.toUpperCase());
  const lines = [...(headers ? [heads] : []), ...cells];
  const widths = shown.map(({ index }) =>
    Math.max(layout?.[index] ?? 0, ...lines.map((line) => Bun.stringWidth(line[index]!))),
  );
  if (layout) for (const [place, { index }] of shown.entries()) layout[index] = widths[place]!;
  if (width !== undefined && !fit(shown, widths, width)) {
    const named = cells.map((line) => shown.map(({ index }) => [headers ? heads[index]! : "", line[index]!] as const));
    return named.map((one) => pairs(one, width)).join("\n");
  }
  return lines
    .map((line, at) => {
      const row = rows[headers ? at - 1 : at];
      return shown
        .map(({ index, right, tone }, place) => {
          const text = cut(line[index]!, widths[place]!);
          const space = " ".repeat(Math.max(0, widths[place]! - Bun.stringWidth(text)));
          const painted = color && row !== undefined ? paint(text, tone?.(row)) : text;
          if (right) return space + painted;
          return place === shown.length - 1 ? painted : painted + space;
        })
        .join(" ".repeat(gap))
        .trimEnd();
    })
    .map((line) => `${line}\n`)
    .join("");
}

export function paint(text: string, tone: Tone | undefined): string {
  return tone && text !== "" ? `\u001b[${colors[tone]}m${text}\u001b[0m` : text;
}

/** "name   value" lines; what is empty is left out, and what is longer than the width goes on below. */
export function pairs(all: readonly (readonly [name: string, value: string])[], width?: number): string {
  const shown = all.filter(([, value]) => value !== "");
  const longest = Math.max(0, ...shown.map(([name]) => Bun.stringWidth(name)));
  const own = longest === 0 ? 0 : longest + gap;
  // Where the names leave no room, each value begins below its name.
  const below = width !== undefined && own > 0 && width - own < 2 * narrowest;
  const indent = below ? 1 : own;
  return shown
    .map(([name, value]) => {
      const text = clean(value);
      if (width === undefined) return `${name}${" ".repeat(own - Bun.stringWidth(name))}${text}\n`;
      const parts = wrap(text, Math.max(1, width - indent));
      const rest = parts.map((part) => `${" ".repeat(indent)}${part}`);
      if (below) return [...wrap(name, width), ...rest].map((line) => `${line}\n`).join("");
      const first = `${name}${" ".repeat(own - Bun.stringWidth(name))}${parts[0]}`;
      return [first, ...rest.slice(1)].map((line) => `${line}\n`).join("");
    })
    .join("");
}

/** A text with its line breaks; without a width in one line. */
export function paragraph(text: string, width?: number): string {
  const lines = width === undefined ? [text] : wrap(text, width);
  return lines.map((line) => `${line}\n`).join("");
}

/** Lines of at most this width, broken between words or Chinese characters where there are some; at least one line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const { gap, atom } of atoms(text)) {
    const longer = line === "" ? atom : `${line}${gap}${atom}`;
    if (Bun.stringWidth(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== "") lines.push(line);
    line = "";
    for (const { segment } of graphemes(atom)) {
      if (line !== "" && Bun.stringWidth(line + segment) > width) {
        lines.push(line);
        line = "";
      }
      line += segment;
    }
  }
  return [...lines, line];
}

/** What is not broken: a word, a Chinese character, each with the marks that may not stand alone. */
function* atoms(text: string): Generator<{ gap: string; atom: string }> {
  for (const word of text.split(" ")) {
    const [first = "", ...others] = word.match(unbroken)?.filter(Boolean) ?? [];
    yield { gap: " ", atom: first };
    for (const atom of others) yield { gap: "", atom };
  }
}

const unbroken = /[（《“「]*(?:\p{sc=Han}|[^\p{sc=Han}（《“「、，。；：？！）》”」]+)?[、，。；：？！）》”」]*/gu;

/** JSON without anything that a terminal would obey: what JSON itself leaves unescaped is escaped too. */
export function json(value: unknown, indent = 2): string {
  return `${escapeAll(JSON.stringify(value, null, indent), "\n")}\n`;
}

/** The same as a JSON string, which is a YAML string too. */
export function quoted(text: string): string {
  return escapeAll(JSON.stringify(text), "");
}

function escapeAll(text: string, except: string): string {
  return text.replace(unprintable, (character) =>
    character === except ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

// Control characters, and those that turn the direction of text or hide in it.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line, each character of it visible. */
export function clean(text: string): string {
  return text.replace(unprintable, (character) => (/\s/.test(character) ? " " : ""));
}

// Our own colours, and moves of a picture that is drawn over itself.
const ownSequence = /\u001b\[(?:0|2|3[123])m|\u001b\[\?25[lh]|\u001b\[\d+A\u001b\[0J/;
const ownOrUnprintable = new RegExp(`${ownSequence.source}|${unprintable.source}`, "g");

/**
 * The last door before the terminal: lines and tabs stay, and our own sequences where the terminal is drawn on.
 * What was forgotten to be cleaned does not reach a terminal as anything that it obeys.
 */
export function printable(text: string, drawn: boolean): string {
  return text.replace(drawn ? ownOrUnprintable : unprintable, (found) =>
    found.length > 1 || found === "\n" || found === "\t" ? found : "",
  );
}

/** At most so wide, its end replaced by an ellipsis. */
export function cut(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes(text)) {
    const wide = Bun.stringWidth(segment);
    if (used + wide > width - 1) break;
    kept += segment;
    used += wide;
  }
  return `${kept}…`;
}

let segmenter: Intl.Segmenter | undefined;

/** What people see as characters. Made when something must be cut: it takes a millisecond. */
function graphemes(text: string): Iterable<{ segment: string }> {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return segmenter.segment(text);
}

/** Makes the flexible columns narrower; false where that is not enough. */
function fit(columns: readonly { flexible?: boolean }[], widths: number[], width: number): boolean {
  const over = () => widths.reduce((sum, one) => sum + one, gap * (widths.length - 1)) - width;
  const flexible = widths.map((_, index) => index).filter((index) => columns[index]!.flexible);
  while (over() > 0) {
    const widest = flexible.filter((index) => widths[index]! > narrowest).sort((a, b) => widths[b]! - widths[a]!)[0];
    if (widest === undefined) return false;
    const others = flexible.filter((index) => index !== widest).map((index) => widths[index]!);
    const least = Math.max(narrowest, ...others.filter((one) => one < widths[widest]!));
    widths[widest] = Math.max(least, widths[widest]! - over(), narrowest);
    if (widths[widest] === least && over() > 0 && least > narrowest) widths[widest]!--;
  }
  return true;
}
