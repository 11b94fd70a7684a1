// What a page of workloads shows, and what of a change is to be sent to it: its rows, those that come in, and counts.
import type { ListFleetWorkloadsRequest, ListFleetWorkloadsResponse } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { orderOf } from "./across.ts";
import { rowKey } from "./watches.ts";

export interface Shown {
  /** True where the row is to be sent: it is on the page and says something new, or it comes onto the page. */
  put(row: WorkloadRow, heard: Heard): boolean;
  /** True where the row was on the page. */
  remove(row: WorkloadRow): boolean;
  /** True once after total or states of the response have changed. */
  recounted(): boolean;
  has(row: WorkloadRow): boolean;
  rows(): Iterable<WorkloadRow>;
  readonly size: number;
}

/** "first": the watch has just begun, and tells what there is. "later": it has told all there was. */
type Heard = "first" | "later";

export function rowId(row: WorkloadRow): string {
  return `${row.cluster}/${rowKey(row)}`;
}

/**
 * @param response what the page was made of; its total and states are kept right as rows come, move and go.
 * @param heard rows that are known of watches which had begun before.
 */
export function createShown(
  request: ListFleetWorkloadsRequest,
  response: ListFleetWorkloadsResponse,
  heard: Iterable<WorkloadRow>,
): Shown {
  const shown = new Map(response.items.map(({ row }) => [rowId(row!), row!]));
  const whole = response.continue === "" && request.continue === "";
  const last = response.items.at(-1)?.row;
  const order = orderOf(request);
  /** Of all rows that match, shown or not, the state in which they are counted. */
  const counted = new Map([...shown].map(([id, { state }]) => [id, state]));
  for (const row of heard) if (matches(request, row)) counted.set(rowId(row), row.state);
  let news = false;

  function count(id: string, after: string | undefined): void {
    const before = counted.get(id);
    if (after === undefined) counted.delete(id);
    else counted.set(id, after);
    if (before === after) return;
    if (before !== undefined) add(before, -1);
    if (after !== undefined) add(after, 1);
    news = true;
  }

  function add(state: string, n: 1 | -1): void {
    response.states[state] = Math.max(0, (response.states[state] ?? 0) + n);
    response.total = Math.max(0, response.total + n);
  }

  /** On a page that is a part, what stands before its last row. Twice a page's rows are enough. */
  function belongs(row: WorkloadRow): boolean {
    if (whole) return true;
    if (request.continue !== "" || !last || shown.size >= 2 * response.items.length) return false;
    return order(row, last) < 0;
  }

  return {
    put(row, when) {
      const id = rowId(row);
      const before = shown.get(id);
      // Whether labels match only the agent can say: of those that it did not list, none is taken for one that does.
      const fits = matches(request, row) && (request.labelSelector === "" || counted.has(id));
      // Of a part's list, what begins to be watched was counted already.
      if (when === "first" && !whole && !counted.has(id)) {
        if (fits) counted.set(id, row.state);
        return false;
      }
      count(id, fits ? row.state : undefined);
      if (before ? factsOf(row) === factsOf(before) : !fits || !belongs(row)) return false;
      shown.set(id, row);
      return true;
    },
    remove(row) {
      const id = rowId(row);
      count(id, undefined);
      return shown.delete(id);
    },
    recounted() {
      const was = news;
      news = false;
      return was;
    },
    has: (row) => shown.has(rowId(row)),
    rows: () => shown.values(),
    get size() {
      return shown.size;
    },
  };
}

function matches(request: ListFleetWorkloadsRequest, row: WorkloadRow): boolean {
  const text = `${row.namespace} ${row.name} ${row.containers.map(({ image }) => image).join(" ")}`;
  return (
    (request.state.length === 0 || request.state.includes(row.state)) &&
    (request.resource.length === 0 || request.resource.includes(row.resource)) &&
    (request.q === "" || text.includes(request.q))
  );
}

/** All that a row says but its ages, which grow by themselves. */
function factsOf(row: WorkloadRow): string {
  return JSON.stringify({ ...row, changedMs: 0, createdMs: 0, reason: row.reason && { ...row.reason, sinceMs: 0 } });
}
