// A page of rows: filtered, sorted, counted, and where the next one begins.
import { Failed } from "../contract/errors.ts";
import type { ListWorkloadsRequest } from "../gen/lizardcd/v1/workload_pb.ts";
import type { Row } from "./row.ts";
import { parseSelector } from "./selector.ts";
import { rankOf, severity } from "./state.ts";

export interface Listing {
  rows: Row[];
  /** Empty at the end. */
  next: string;
  /** Over all pages. */
  total: number;
  states: Record<string, number>;
}

type Wanted = Pick<
  ListWorkloadsRequest,
  "namespace" | "resource" | "labelSelector" | "name" | "state" | "sort" | "limit" | "continue"
>;

const standardLimit = 500;

/** @throws Failed "selector.invalid", "continue.invalid" */
export function listing(all: Iterable<Row>, wanted: Wanted): Listing {
  const matches = rowFilter(wanted);
  const placeOf = wanted.sort === "name" ? placeByName : placeByTrouble;
  const after = wanted.continue ? decode(wanted.continue, wanted.sort) : undefined;
  const limit = wanted.limit || standardLimit;

  // Of ten thousand rows one page is wanted: only that is kept in order while all are looked at once.
  const page: { place: Place; row: Row }[] = [];
  const states: Record<string, number> = {};
  let total = 0;
  for (const row of all) {
    if (!matches(row)) continue;
    total++;
    states[row.state] = (states[row.state] ?? 0) + 1;
    const place = placeOf(row);
    if (after && compare(place, after) <= 0) continue;
    if (page.length > limit && compare(place, page[limit]!.place) > 0) continue;
    page.splice(indexOf(page, place), 0, { place, row });
    // One more than the page, to know whether there is another.
    if (page.length > limit + 1) page.pop();
  }
  const rows = page.slice(0, limit).map(({ row }) => row);
  return { rows, next: page.length > limit ? encode(page[limit - 1]!.place, wanted.sort) : "", total, states };
}

/** Which rows a list or a watch is about. @throws Failed "selector.invalid" */
export function rowFilter(wanted: {
  namespace: string;
  resource: string;
  labelSelector: string;
  name?: string;
  state?: readonly string[];
}): (row: Row) => boolean {
  const labels = wanted.labelSelector ? parseSelector(wanted.labelSelector) : undefined;
  const text = wanted.name?.toLowerCase();
  const states = wanted.state?.length ? new Set<string>(wanted.state) : undefined;
  return (row) =>
    (wanted.resource === "workloads" || row.resource === wanted.resource) &&
    (wanted.namespace === "*" || row.namespace === wanted.namespace) &&
    (!states || states.has(row.state)) &&
    (!text || mentions(row, text)) &&
    (!labels || labels(row.labels));
}

function mentions(row: Row, text: string): boolean {
  return (
    row.name.includes(text) ||
    row.namespace.includes(text) ||
    row.containers.some(({ image }) => image.toLowerCase().includes(text))
  );
}

/** Where a row stands: no two stand in one place, and a page can begin after any, also after one that is gone. */
type Place = readonly [level: number, first: string, second: string, resource: string];

function placeByTrouble({ state, why, namespace, name, resource }: Row): Place {
  return [severity[state] * 100 + 99 - rankOf(why), namespace, name, resource];
}

function placeByName({ namespace, name, resource }: Row): Place {
  return [0, name, namespace, resource];
}

function compare(a: Place, b: Place): number {
  if (a[0] !== b[0]) return a[0] - b[0];
  for (const at of [1, 2, 3] as const) if (a[at] !== b[at]) return a[at] < b[at] ? -1 : 1;
  return 0;
}

/** By halves: the first that stands after the place. */
function indexOf(page: readonly { place: Place }[], place: Place): number {
  let [low, high] = [0, page.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(page[middle]!.place, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function encode(place: Place, sort: string): string {
  return Buffer.from(JSON.stringify([1, sort || "worst", ...place])).toString("base64url");
}

function decode(text: string, sort: string): Place {
  const [version, by, level, ...names] = parsed(Buffer.from(text, "base64url").toString("utf8"));
  const known = version === 1 && by === (sort || "worst") && typeof level === "number" && names.length === 3;
  if (!known || names.some((name) => typeof name !== "string")) throw new Failed("continue.invalid", {});
  return [level, ...(names as [string, string, string])];
}

function parsed(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [];
  } catch (cause) {
    throw new Failed("continue.invalid", {}, { cause });
  }
}
