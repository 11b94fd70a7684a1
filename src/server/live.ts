// The streams of the pages that show many clusters: one stream a page, each change sent once it has settled for a moment.
import { create } from "@bufbuild/protobuf";
import {
  type ClusterRow,
  type Fleet,
  FleetWorkloadSchema,
  type GetFleetRequest,
  type ListFleetWorkloadsRequest,
  type ListFleetWorkloadsResponse,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { fleetAges, fleetBoard, fleetLiveAll, fleetParts, fleetTiles } from "../views/fleet.tsx";
import type { PageContext } from "../views/parts.tsx";
import { tileFacts } from "../views/tile.tsx";
import { agesEvent, workloadsLiveAll, workloadsLiveCounts, workloadsLiveRow } from "../views/workloads.tsx";
import { listAcross, type Question, questionsOf } from "./across.ts";
import type { Audit } from "./audit.ts";
import { changes, onlyNew, sameKeys } from "./changes.ts";
import { type FleetDeps, fleetOf } from "./clusters.ts";
import { shownTo } from "./page.ts";
import type { Message } from "./sse.ts";
import { type RowChange, rowKey, type Subscription, type Watches } from "./watches.ts";

export interface LiveDeps extends FleetDeps {
  watches: Watches;
  audit: Audit;
  timeoutMs: number;
}

/** Changes that come together are sent together. */
const gatherMs = 250;
/** Clusters one page watches row by row; the rest of a larger list moves when it is asked for again. */
const mostWatched = 64;

/** The fleet page: all of it first, then what it shows of what has changed; the rest is ages. */
export async function* fleetStream(
  deps: LiveDeps,
  request: GetFleetRequest,
  context: () => PageContext,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const news = changes(deps.summaries, signal);
  const parts = onlyNew();
  let shown: Map<string, string> | undefined;
  try {
    while (!signal.aborted) {
      const began = performance.now();
      const changed = news.take();
      const fleet = fleetOf(deps, shownTo("page", request));
      const recent = (await deps.audit.recent(5)) as never;
      const before: ReadonlyMap<string, string> | undefined = shown;
      shown = new Map(fleet.clusters.map((row) => [tileKey(fleet, row), tileFacts(row)]));
      const said = parts(fleetParts(context(), fleet, request, { recent }));
      if (!before || (before.size === 0) !== (shown.size === 0)) {
        yield fleetLiveAll(context(), fleet, request, { recent });
      } else if (!sameKeys(before, shown)) {
        yield said + fleetBoard(context(), fleet, request);
      } else {
        const rows = fleet.clusters.filter(({ name }) => changed.has(name));
        const moved = rows.filter((row) => before.get(tileKey(fleet, row)) !== tileFacts(row));
        const markup = said + fleetTiles(context(), fleet, moved);
        if (markup) yield markup;
        if (rows.length > 0) yield { event: "ages", data: fleetAges(context(), fleet, rows) };
      }
      await news.next(gatherMs, performance.now() - began);
    }
  } finally {
    news.stop();
  }
}

/** A tile, and the group it stands in. */
function tileKey({ group }: Fleet, { name, labels }: ClusterRow): string {
  return `${name} ${labels[group] ?? ""}`;
}

/** The workloads page: the whole table first and after every gap, then its rows as they move. */
export async function* workloadsStream(
  deps: LiveDeps,
  request: ListFleetWorkloadsRequest,
  context: () => PageContext,
  actor: string,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const list = () => listAcross(deps, request, { signal, deadline: Date.now() + deps.timeoutMs, actor });
  let response = await list();
  const shown = new Map(response.items.map(({ row }) => [`${row!.cluster}/${rowKey(row!)}`, row!]));
  const clusters = new Set(response.items.map(({ row }) => row!.cluster));
  const watched = questionsOf(deps, request)
    .sort((a, b) => Number(clusters.has(b.entry.cluster)) - Number(clusters.has(a.entry.cluster)))
    .slice(0, mostWatched);
  const subscriptions = watched.map((question) => deps.watches.subscribe(question));
  // Watches that begin with this page tell it all its rows once more: what says nothing new is not sent again.
  let beginning = subscriptions.filter(({ synced }) => !synced).length;
  const all = gather(subscriptions, signal);
  try {
    yield workloadsLiveAll(context(), response, request);
    for await (const changes of all) {
      const ages = changes.flatMap((change) =>
        change.type === "beat" ? [[change.cluster, change.ageMs] as [string, number]] : [],
      );
      if (ages.length > 0) yield { event: "ages", data: agesEvent(context(), ages) };
      const whole = changes.filter(({ type }) => type === "synced").length;
      const begun = Math.min(beginning, whole);
      beginning -= begun;
      const missed = begun > 0 && beginning === 0 && isMissing(shown, watched, subscriptions);
      const again = whole > begun || missed || changes.some(({ type }) => type === "broken");
      const moved = changes.filter((change) => isNews(change, shown, request));
      if (again || moved.some(({ type }) => type === "removed") || moved.some((change) => isNew(change, shown))) {
        response = await list();
        shown.clear();
        for (const { row } of response.items) shown.set(`${row!.cluster}/${rowKey(row!)}`, row!);
        yield workloadsLiveAll(context(), response, request);
        continue;
      }
      if (moved.length === 0) continue;
      let markup = "";
      let counts = false;
      for (const change of moved) {
        if (change.type !== "upsert") continue;
        const { row, ageMs, heardAt } = change.live;
        const id = `${row.cluster}/${rowKey(row)}`;
        counts ||= count(response, shown.get(id)?.state, row.state);
        shown.set(id, row);
        const item = create(FleetWorkloadSchema, { row, ageMs: ageMs + (deps.now() - heardAt) });
        markup += workloadsLiveRow(context(), item);
      }
      if (counts) markup += workloadsLiveCounts(context(), response, request);
      if (markup) yield markup;
    }
  } finally {
    for (const subscription of subscriptions) subscription.close();
  }
}

/** Rows on the page that changed, or that are new and match what the page shows. */
function isNews(
  change: RowChange,
  shown: ReadonlyMap<string, WorkloadRow>,
  request: ListFleetWorkloadsRequest,
): boolean {
  if (change.type !== "upsert" && change.type !== "removed") return false;
  const row = change.type === "upsert" ? change.live.row : change.row;
  const before = shown.get(`${row.cluster}/${rowKey(row)}`);
  if (before) return change.type === "removed" || factsOf(row) !== factsOf(before);
  // A new row is shown where the page is not a later one; whether its labels match only the agent can say.
  if (change.type === "removed" || request.continue || request.labelSelector) return false;
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

/** True where a row of the page went before the watches began. */
function isMissing(
  shown: ReadonlyMap<string, WorkloadRow>,
  watched: readonly Question[],
  subscriptions: readonly Subscription[],
): boolean {
  const clusters = new Set(watched.map(({ entry }) => entry.cluster));
  const alive = new Set(subscriptions.flatMap((one) => one.rows().map(({ row }) => `${row.cluster}/${rowKey(row)}`)));
  for (const [id, { cluster }] of shown) if (clusters.has(cluster) && !alive.has(id)) return true;
  return false;
}

function isNew(change: RowChange, shown: ReadonlyMap<string, unknown>): boolean {
  return change.type === "upsert" && !shown.has(`${change.live.row.cluster}/${rowKey(change.live.row)}`);
}

function count(response: ListFleetWorkloadsResponse, before: string | undefined, after: string): boolean {
  if (before === after || before === undefined) return false;
  response.states[before] = Math.max(0, (response.states[before] ?? 1) - 1);
  response.states[after] = (response.states[after] ?? 0) + 1;
  return true;
}

/** Merges subscriptions; waits a moment after the first change so that what comes together goes together. */
async function* gather(subscriptions: Subscription[], signal: AbortSignal): AsyncGenerator<RowChange[]> {
  const waiting = subscriptions.map((subscription) => subscription.next(signal));
  if (waiting.length === 0) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  while (!signal.aborted) {
    await Promise.race(waiting);
    await Bun.sleep(gatherMs);
    const changes: RowChange[] = [];
    for (const [index, one] of waiting.entries()) {
      const ready = await Promise.race([one, undefined]);
      if (!ready) continue;
      changes.push(...ready);
      waiting[index] = subscriptions[index]!.next(signal);
    }
    yield changes;
  }
}
