// What the benchmark prints: figures with how they came about, beside their goals.

export interface Figure {
  what: string;
  /** The number that the goal is about. */
  value: number;
  unit: string;
  /** The rest of what was measured: "min 61.2, max 64.0", "p99 3.1". */
  spread?: string;
  /** How often: "5 starts", "4 rounds of 600 calls each way". */
  runs: string;
  goal?: { atMost: number } | { atLeast: number };
}

/** One part of the benchmark, selectable by name. */
export interface Part<Needs> {
  name: string;
  title: string;
  /** What the reader must know of the way it was measured. */
  conditions: string;
  run(needs: Needs): Promise<Figure[]>;
}

/** @param fraction 0.5 for the median, 0.99 for p99. NaN for no values. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of several measurements, with the smallest and the largest. */
export function repeated(
  what: string,
  values: readonly number[],
  unit: string,
  each: string,
  goal?: Figure["goal"],
): Figure {
  const spread = values.length > 1 ? `min ${shown(Math.min(...values))}, max ${shown(Math.max(...values))}` : undefined;
  return { what, value: median(values), unit, spread, runs: `${values.length} × ${each}`, goal };
}

export function isMet({ value, goal }: Figure): boolean | undefined {
  if (!goal) return undefined;
  return "atMost" in goal ? value <= goal.atMost : value >= goal.atLeast;
}

/** A Markdown table, which reads well on a terminal too. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.what,
    `${shown(figure.value)} ${figure.unit}`.trim(),
    figure.spread ?? "",
    figure.runs,
    figure.goal ? `${"atMost" in figure.goal ? "≤" : "≥"} ${goalOf(figure)}` : "",
    { true: "met", false: "missed", undefined: "" }[String(isMet(figure))]!,
  ]);
  const all = [["what", "figure", "spread", "run", "goal", ""], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(3, ...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(all[0]!), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Three significant digits, whole numbers from 100 on. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return "none";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(Math.abs(value) < 0.01 ? 1 : 3)));
}

function goalOf({ goal, unit }: Figure): string {
  const number = "atMost" in goal! ? goal.atMost : goal!.atLeast;
  return `${number.toLocaleString("en-US")} ${unit}`.trim();
}
