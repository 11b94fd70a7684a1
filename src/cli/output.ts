// Text for a terminal or a pipe: tables by display width, and nothing in them that a terminal would obey.

export interface Column<Row> {
  head: string;
  value: (row: Row) => string;
  right?: boolean;
  /** Gives way first where a line is wider than the terminal. */
  flexible?: boolean;
}

export interface TableOptions {
  /** Of the terminal; undefined where the output is not one: nothing is cut. */
  columns?: number;
  headers?: boolean;
}

const gap = 2;
const narrowest = 8;

/** Lines with their line breaks; columns that are empty in every row are left out. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], options: TableOptions = {}): string {
  const { headers = true, columns: width } = options;
  const cells = rows.map((row) => columns.map((column) => clean(column.value(row))));
  const used = columns.map((_, index) => cells.some((line) => line[index] !== ""));
  const shown = columns.map((column, index) => ({ ...column, index })).filter(({ index }) => used[index]);
  const lines = [...(headers ? [columns.map(({ head }) => head.toUpperCase())] : []), ...cells];
  const widths = shown.map(({ index }) => Math.max(0, ...lines.map((line) => Bun.stringWidth(line[index]!))));
  if (width !== undefined) fit(shown, widths, width);
  return lines
    .map((line) =>
      shown
        .map(({ index, right }, place) => {
          const text = cut(line[index]!, widths[place]!);
          const space = " ".repeat(Math.max(0, widths[place]! - Bun.stringWidth(text)));
          if (right) return space + text;
          return place === shown.length - 1 ? text : text + space;
        })
        .join(" ".repeat(gap))
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

/** "name   value" lines; what is empty is left out. */
export function pairs(all: readonly (readonly [name: string, value: string])[]): string {
  const shown = all.filter(([, value]) => value !== "");
  const width = Math.max(0, ...shown.map(([name]) => Bun.stringWidth(name)));
  return shown
    .map(([name, value]) => `${name}${" ".repeat(width - Bun.stringWidth(name) + gap)}${clean(value)}\n`)
    .join("");
}

/** JSON without anything that a terminal would obey: what JSON itself leaves unescaped is escaped too. */
export function json(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  const escaped = text.replace(unprintable, (character) =>
    character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${escaped}\n`;
}

// Control characters, and those that turn the direction of text or hide in it.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line, each character of it visible. */
export function clean(text: string): string {
  return text.replace(unprintable, (character) => (/\s/.test(character) ? " " : ""));
}

/** At most so wide, its end replaced by an ellipsis. */
export function cut(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const wide = Bun.stringWidth(segment);
    if (used + wide > width - 1) break;
    kept += segment;
    used += wide;
  }
  return `${kept}…`;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function fit(columns: readonly { flexible?: boolean }[], widths: number[], width: number): void {
  const over = () => widths.reduce((sum, one) => sum + one, gap * (widths.length - 1)) - width;
  const flexible = widths.map((_, index) => index).filter((index) => columns[index]!.flexible);
  while (over() > 0) {
    const widest = flexible.filter((index) => widths[index]! > narrowest).sort((a, b) => widths[b]! - widths[a]!)[0];
    if (widest === undefined) return;
    const others = flexible.filter((index) => index !== widest).map((index) => widths[index]!);
    const least = Math.max(narrowest, ...others.filter((one) => one < widths[widest]!));
    widths[widest] = Math.max(least, widths[widest]! - over(), narrowest);
    if (widths[widest] === least && over() > 0 && least > narrowest) widths[widest]!--;
  }
}
