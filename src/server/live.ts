// The streams of the pages that show many clusters: one stream a page, each change sent once it has settled for a moment.
import { create } from "@bufbuild/protobuf";
import type { CallOptions } from "../contract/grpc.ts";
import { labelOf } from "../contract/labels.ts";
import {
  type ClusterRow,
  type Fleet,
  type FleetWorkload,
  FleetWorkloadSchema,
  type GetFleetRequest,
  type ListFleetWorkloadsRequest,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { fleetAges, fleetBoard, fleetLiveAll, fleetParts, fleetTiles } from "../views/fleet.tsx";
import type { PageContext } from "../views/parts.tsx";
import { tileFacts } from "../views/tile.tsx";
import {
  agesEvent,
  workloadsLiveAll,
  workloadsLiveCounts,
  workloadsLiveRemoved,
  workloadsLiveRow,
} from "../views/workloads.tsx";
import { listAcross, type Question, questionsOf } from "./across.ts";
import type { Audit } from "./audit.ts";
import { changes, onlyNew, sameKeys } from "./changes.ts";
import { type FleetDeps, fleetOf } from "./clusters.ts";
import { shownTo } from "./page.ts";
import { createShown, rowId, type Shown } from "./shown.ts";
import type { Message } from "./sse.ts";
import type { LiveRow, RowChange, Subscription, Watches } from "./watches.ts";

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
      const now = new Map(fleet.clusters.map((row) => [tileKey(fleet, row), tileFacts(row)]));
      shown = now;
      const said = parts(fleetParts(context(), fleet, request, { recent }));
      if (!before || (before.size === 0) !== (now.size === 0)) {
        yield fleetLiveAll(context(), fleet, request, { recent });
      } else if (!sameKeys(before, now)) {
        yield said + fleetBoard(context(), fleet, request);
      } else {
        const rows = fleet.clusters.filter(({ name }) => changed.has(name));
        // An answer grows stale without any change.
        const moved = fleet.clusters.filter((row) => before.get(tileKey(fleet, row)) !== now.get(tileKey(fleet, row)));
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
  return `${name} ${labelOf(labels, group)}`;
}

/** The workloads page: the whole table first and after every gap, then what moves of the rows it shows. */
export async function* workloadsStream(
  deps: LiveDeps,
  request: ListFleetWorkloadsRequest,
  context: () => PageContext,
  call: CallOptions,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const list = () => listAcross(deps, request, { ...call, signal, deadline: Date.now() + deps.timeoutMs });
  let response = await list();
  const clusters = new Set(response.items.map(({ row }) => row!.cluster));
  const watched = questionsOf(deps, request)
    .sort((a, b) => Number(clusters.has(b.entry.cluster)) - Number(clusters.has(a.entry.cluster)))
    .slice(0, mostWatched);
  const subscriptions = watched.map((question) => deps.watches.subscribe(question));
  const known = () => subscriptions.flatMap((one) => one.rows().map(({ row }) => row));
  let shown = createShown(request, response, known());
  // Watches that begin with this page tell it all their rows once more: what says nothing new is not sent again.
  const begun = new Set(subscriptions.filter(({ synced }) => synced));
  const broken = new Set<Subscription>();
  try {
    yield workloadsLiveAll(context(), response, request);
    for await (const heard of gather(subscriptions, signal)) {
      const changes = heard.flatMap(([, some]) => some);
      const ages = agesOf(changes, shown);
      if (ages.size > 0) yield { event: "ages", data: agesEvent(context(), ages) };
      const beginning = begun.size < subscriptions.length;
      let again = false;
      let markup = "";
      for (const [subscription, some] of heard) {
        const when = begun.has(subscription) ? "later" : "first";
        for (const change of some) {
          if (change.type === "synced") {
            again ||= begun.has(subscription) || broken.has(subscription);
            begun.add(subscription);
            broken.delete(subscription);
          } else if (change.type === "broken") {
            // Once: it is tried again and again.
            again ||= !broken.has(subscription);
            broken.add(subscription);
          } else if (change.type === "removed" && shown.remove(change.row)) {
            markup += workloadsLiveRemoved(context(), change.row);
          } else if (change.type === "upsert" && shown.put(change.live.row, when)) {
            markup += workloadsLiveRow(context(), itemOf(change.live, deps.now()));
          }
        }
      }
      if (beginning && begun.size === subscriptions.length) again ||= isMissing(shown, watched, known());
      if (again || (shown.size === 0 && markup !== "")) {
        response = await list();
        shown = createShown(request, response, known());
        yield workloadsLiveAll(context(), response, request);
        continue;
      }
      if (shown.recounted()) markup += workloadsLiveCounts(context(), response, request, shown.size);
      if (markup) yield markup;
    }
  } finally {
    for (const subscription of subscriptions) subscription.close();
  }
}

function itemOf({ row, ageMs, heardAt }: LiveRow, time: number): FleetWorkload {
  return create(FleetWorkloadSchema, { row, ageMs: ageMs + (time - heardAt) });
}

/** When the clusters whose rows are shown were last confirmed. */
function agesOf(changes: readonly RowChange[], shown: Shown): Map<string, number> {
  const beats = changes.filter((change) => change.type === "beat");
  if (beats.length === 0) return new Map();
  const clusters = new Set([...shown.rows()].map(({ cluster }) => cluster));
  return new Map(beats.filter(({ cluster }) => clusters.has(cluster)).map(({ cluster, ageMs }) => [cluster, ageMs]));
}

/** True where a row of the page went before the watches began. */
function isMissing(shown: Shown, watched: readonly Question[], known: readonly WorkloadRow[]): boolean {
  const clusters = new Set(watched.map(({ entry }) => entry.cluster));
  const alive = new Set(known.map(rowId));
  for (const row of shown.rows()) if (clusters.has(row.cluster) && !alive.has(rowId(row))) return true;
  return false;
}

/** Merges subscriptions; waits a moment after the first change so that what comes together goes together. */
async function* gather(
  subscriptions: Subscription[],
  signal: AbortSignal,
): AsyncGenerator<[Subscription, RowChange[]][]> {
  const waiting = subscriptions.map((subscription) => subscription.next(signal));
  if (waiting.length === 0) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  while (!signal.aborted) {
    await Promise.race(waiting);
    await Bun.sleep(gatherMs);
    const heard: [Subscription, RowChange[]][] = [];
    for (const [index, one] of waiting.entries()) {
      const ready = await Promise.race([one, undefined]);
      if (!ready) continue;
      const subscription = subscriptions[index]!;
      heard.push([subscription, ready]);
      waiting[index] = subscription.next(signal);
    }
    yield heard;
  }
}
