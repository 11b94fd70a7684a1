// Tables with borders, as scripts of the tool before this one cut them apart.
import { clean } from "./output.ts";

export function bordered(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads.map((head) => head.toUpperCase()), ...rows.map((row) => row.map(clean))];
  const widths = heads.map((_, index) => Math.max(...lines.map((line) => Bun.stringWidth(line[index]!))));
  const border = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+\n`;
  const [head, ...body] = lines.map(
    (line) => `|${line.map((cell, at) => ` ${cell}${" ".repeat(widths[at]! - Bun.stringWidth(cell))} `).join("|")}|\n`,
  );
  return `${border}${head}${border}${body.join("")}${body.length > 0 ? border : ""}`;
}
