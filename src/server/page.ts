// A long list page by page. What all fits is in its own order. Of what does not, people see those that need somebody
// first; a client reads by name, so that what changes its state between two pages is not passed over.
import { Failed } from "../contract/errors.ts";

export interface PageAsked {
  /** 0 for all. */
  limit: number;
  /** From the page before; empty for the first. */
  continue: string;
  /** Those that need somebody first. */
  needFirst?: boolean;
}

/** How many a page for people shows where nothing else is asked for. */
const mostShown = 200;

/** Clients are given all unless they ask for less; people are given what one can look at. */
export function shownTo<A extends PageAsked>(door: string, asked: A): A {
  return door === "json" ? asked : { ...asked, limit: asked.limit || mostShown, needFirst: true };
}

/**
 * @param rows in their own order.
 * @param nameOf what tells one row from every other.
 * @throws Failed "continue.invalid"
 */
export function pageOf<R extends { state: string }>(
  rows: readonly R[],
  asked: PageAsked,
  nameOf: (row: R) => string,
): { rows: readonly R[]; continue: string } {
  const after = asked.continue === "" ? undefined : read(asked.continue);
  const most = asked.limit || Number.POSITIVE_INFINITY;
  if (!after && rows.length <= most) return { rows, continue: "" };
  const order = (a: Place, b: Place) => a.need - b.need || compare(a.name, b.name);
  const placed = rows
    .map((row) => ({ row, need: asked.needFirst ? needOf(row.state) : 0, name: nameOf(row) }))
    .filter((one) => !after || order(one, after) > 0)
    .sort(order);
  const shown = placed.slice(0, most);
  return { rows: shown.map(({ row }) => row), continue: shown.length < placed.length ? write(shown.at(-1)!) : "" };
}

/** How many are in each state. */
export function countStates(rows: Iterable<{ state: string }>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of rows) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** Where a row stands among all: the next page begins after it, whatever has come or gone meanwhile. */
interface Place {
  need: number;
  name: string;
}

const needs = ["lost", "degraded", "stale", "unknown", "reading", "ok"];

function needOf(state: string): number {
  const at = needs.indexOf(state);
  return at < 0 ? needs.length : at;
}

function write({ need, name }: Place): string {
  return Buffer.from(JSON.stringify([need, name])).toString("base64url");
}

function read(text: string): Place {
  try {
    const [need, name] = JSON.parse(Buffer.from(text, "base64url").toString()) as [unknown, unknown];
    if (typeof need === "number" && typeof name === "string") return { need, name };
  } catch (cause) {
    throw new Failed("continue.invalid", {}, { cause });
  }
  throw new Failed("continue.invalid", {});
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
