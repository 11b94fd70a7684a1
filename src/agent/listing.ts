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
  const sort = orders[wanted.sort === "name" ? "name" : "worst"];
  const after = wanted.continue ? decode(wanted.continue, wanted.sort) : undefined;

  const found: { order: string; row: Row }[] = [];
  const states: Record<string, number> = {};
  for (const row of all) {
    if (!matches(row)) continue;
    states[row.state] = (states[row.state] ?? 0) + 1;
    found.push({ order: sort(row), row });
  }
  const total = found.length;
  const left = after === undefined ? found : found.filter(({ order }) => order > after);
  left.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));
  const page = left.slice(0, wanted.limit || standardLimit);
  const next = page.length < left.length ? encode(page.at(-1)!.order, wanted.sort) : "";
  return { rows: page.map(({ row }) => row), next, total, states };
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

// Each is unique and compares as plain text, so that a page can begin after any of them, also one that is gone.
const orders = {
  worst: (row: Row) => `${severity[row.state]}${99 - rankOf(row.why)}/${row.namespace}/${row.name}/${row.resource}`,
  name: (row: Row) => `${row.name}/${row.namespace}/${row.resource}`,
};

function encode(order: string, sort: string): string {
  return Buffer.from(`1 ${sort || "worst"} ${order}`).toString("base64url");
}

function decode(text: string, sort: string): string {
  const [version, by, order] = Buffer.from(text, "base64url").toString("utf8").split(" ");
  if (version !== "1" || by !== (sort || "worst") || !order?.includes("/")) throw new Failed("continue.invalid", {});
  return order;
}
