// Workloads of all clusters: filters in the URL, rows that move while one looks.

import { href } from "../contract/operation.ts";
import type {
  ClusterRow,
  FleetWorkload,
  ListFleetWorkloadsRequest,
  ListFleetWorkloadsResponse,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadKey, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { say } from "../words/words.ts";
import { Chips, Count, filtered, type ListProps, listHref, Sorted, States } from "./filter.tsx";
import { page } from "./layout.tsx";
import { Ico, type PageContext, Stream, stamp } from "./parts.tsx";
import { html, inner, join, type Markup, partial, rendered } from "./render.ts";
import { rowId, rowMarkup, UnansweredRow, workloadRow } from "./row.tsx";

export { keyOf, rowId, workloadRow } from "./row.tsx";

export interface WorkloadsOptions {
  /** All clusters, to choose from. */
  clusters: readonly Pick<ClusterRow, "name">[];
}

/** The whole page. */
export function workloadsPage(
  ctx: PageContext,
  response: ListFleetWorkloadsResponse,
  request: ListFleetWorkloadsRequest,
  options: WorkloadsOptions,
): string {
  const props = { ctx, response, request, ...options };
  return page(ctx, {
    title: say(ctx.lang, "nav.workloads"),
    nav: "workloads",
    children: (
      <div class="page">
        <div class="truth">
          <div>
            <h1>{say(ctx.lang, "nav.workloads")}</h1>
            <Count {...props} />
          </div>
          <States {...props} />
        </div>
        <section class="panel" aria-label={say(ctx.lang, "nav.workloads")}>
          <form
            id="filter"
            class="filters px-2 py-2"
            action={href("fleet.listWorkloads")}
            hx-get={href("fleet.listWorkloads")}
            hx-target="#wl"
            hx-trigger="submit, input delay:250ms"
            hx-replace-url="true"
            hx-sync="this:replace"
          >
            <div class="jump m-0! w-[240px]!">
              <Ico name="search" />
              <input
                id="q"
                class="input input-sm"
                type="search"
                name="q"
                value={request.q}
                placeholder={say(ctx.lang, "filter.text")}
                aria-label={say(ctx.lang, "filter.text")}
              />
            </div>
            <Chips {...props} />
            <span class="end filters nar">
              <button type="button" class="chip js" data-copy-link>
                <Ico name="copy" />
                {say(ctx.lang, "copyLink")}
              </button>
            </span>
          </form>
          <div id="wl">
            <List {...props} />
          </div>
        </section>
        <RowActions ctx={ctx} />
      </div>
    ),
  });
}

/** What a changed filter replaces: the list, the counts, the chips. */
export function workloadsFragment(
  ctx: PageContext,
  response: ListFleetWorkloadsResponse,
  request: ListFleetWorkloadsRequest,
  options: WorkloadsOptions,
): string {
  const props = { ctx, response, request, ...options };
  return html(
    <>
      <List {...props} />
      <Count {...props} oob />
      <States {...props} oob />
      <Chips {...props} oob />
    </>,
  );
}

/** The stream's first message, and the one after every gap: the whole set and its counts. */
export function workloadsLiveAll(
  ctx: PageContext,
  response: ListFleetWorkloadsResponse,
  request: ListFleetWorkloadsRequest,
): string {
  const props = { ctx, response, request };
  return partial("rows", "innerMorph", rowsMarkup(props)) + workloadsLiveCounts(ctx, response, request);
}

/**
 * The counts alone, after rows came, went or changed their state.
 * @param shown how many rows the page has now.
 */
export function workloadsLiveCounts(
  ctx: PageContext,
  response: ListFleetWorkloadsResponse,
  request: ListFleetWorkloadsRequest,
  shown = response.items.length,
): string {
  const props = { ctx, response, request };
  return html(
    <>
      <Count {...props} oob />
      <States {...props} oob />
      <ShownOf ctx={ctx} n={shown} total={response.total} oob />
    </>,
  );
}

function ShownOf({ ctx, n, total, oob }: { ctx: PageContext; n: number; total: number; oob?: boolean }) {
  return (
    <span id="wl-shown" class="hint" hx-swap-oob={oob ? "true" : undefined}>
      {say(ctx.lang, "shown", { n, total })}
    </span>
  );
}

/** One row that changed, or a new one, which the browser puts at the end. */
export function workloadsLiveRow(ctx: PageContext, item: FleetWorkload): string {
  return partial(rowId(item.row!), "outerMorph", workloadRow(ctx, item, { fresh: true }));
}

export function workloadsLiveRemoved(_ctx: PageContext, key: WorkloadKey | WorkloadRow): string {
  return partial(rowId(key), "delete", "");
}

/**
 * When the API server of each cluster last confirmed its rows: the body of a stream message named "ages".
 * @param ages milliseconds since, by cluster.
 */
export function agesEvent(ctx: PageContext, ages: Iterable<[cluster: string, ms: number]>): string {
  return JSON.stringify(Object.fromEntries([...ages].map(([cluster, ms]) => [cluster, stamp(ctx, ms)])));
}

function List(props: ListProps) {
  const { ctx, response, request } = props;
  const more = response.continue !== "" || request.continue !== "";
  const { lang } = ctx;
  return (
    <>
      <table class="tbl two">
        <caption class="sr-only">{say(lang, "workloads.caption")}</caption>
        <thead hx-boost:inherited="true" hx-target:inherited="#wl" hx-swap:inherited="innerHTML show:none">
          <tr>
            <Sorted request={request} by="worst" label={say(lang, "health")} />
            <Sorted request={request} by="name" label={say(lang, "name")} />
            <th scope="col" class="nar">
              {say(lang, "kind")}
            </th>
            <Sorted request={request} by="cluster" label={say(lang, "place")} nar />
            <th scope="col">{say(lang, "ready")}</th>
            <th scope="col" class="nar">
              {say(lang, "why")}
            </th>
            <th scope="col" class="nar">
              {say(lang, "image")}
            </th>
            <th scope="col" class="nar">
              {say(lang, "changed")}
            </th>
            <th scope="col" class="nar">
              {say(lang, "seen")}
            </th>
            <th scope="col" class="act nar">
              <span class="sr-only">{say(lang, "actions")}</span>
            </th>
          </tr>
        </thead>
        <tbody id="rows" dangerouslySetInnerHTML={inner(rowsMarkup(props))} />
      </table>
      <div class="foot">
        <ShownOf ctx={ctx} n={response.items.length} total={response.total} />
        {more && (
          <span
            class="filters"
            hx-boost:inherited="true"
            hx-target:inherited="#wl"
            hx-swap:inherited="innerHTML show:top"
          >
            {request.continue !== "" && (
              <a class="btn btn-xs" href={listHref(request)}>
                {say(lang, "first")}
              </a>
            )}
            {response.continue !== "" && (
              <a class="btn btn-xs" rel="next" href={listHref(request, { continue: response.continue })}>
                {say(lang, "next")}
              </a>
            )}
          </span>
        )}
        <KeysLine ctx={ctx} />
      </div>
      <Stream href={listHref(request, { continue: request.continue }).replace("/workloads", "/workloads/live")} />
    </>
  );
}

// Rows come as text; those of clusters that did not answer stand above them, on the first page.
function rowsMarkup({ ctx, response, request }: ListProps): Markup {
  if (response.items.length === 0 && response.unanswered.length === 0)
    return rendered(<NoRows ctx={ctx} response={response} request={request} />);
  const unanswered = request.continue === "" ? response.unanswered : [];
  const more = unanswered.length - mostUnanswered;
  return join(
    ...unanswered.slice(0, mostUnanswered).map((one) => rendered(<UnansweredRow ctx={ctx} unanswered={one} />)),
    ...(more > 0 ? [rendered(<MoreUnanswered ctx={ctx} n={more} />)] : []),
    ...response.items.map((item) => rowMarkup(ctx, item)),
  );
}

/** More than these are a matter for the page of clusters. */
const mostUnanswered = 20;

function MoreUnanswered({ ctx, n }: { ctx: PageContext; n: number }) {
  return (
    <tr class="none">
      <td colSpan={10}>
        <a class="underline hint" href={href("fleet.get", { state: ["lost", "unknown"] })}>
          {say(ctx.lang, "unanswered.more", { n })}
        </a>
      </td>
    </tr>
  );
}

function NoRows({ ctx, response, request }: ListProps) {
  const narrowed = filtered(request);
  return (
    <tr class="none">
      <td colSpan={10}>
        <p class="font-medium">
          {say(
            ctx.lang,
            narrowed ? "workloads.noMatch" : response.clusters === 0 ? "workloads.noCluster" : "workloads.none",
          )}
        </p>
        <a class="underline hint" href={narrowed ? href("fleet.listWorkloads") : href("fleet.get")}>
          {say(ctx.lang, narrowed ? "clearAll" : "toFleet")}
        </a>
      </td>
    </tr>
  );
}

// The browser puts a copy into the row under the pointer or the cursor; without it the row's name leads to the same.
function RowActions({ ctx }: { ctx: PageContext }) {
  return (
    <template id="rowacts">
      <span class="rowacts">
        <a
          class="icobtn s"
          data-do="restart"
          href="#restart"
          title={`${say(ctx.lang, "restart")} (r)`}
          aria-label={say(ctx.lang, "restart")}
        >
          <Ico name="restart" />
        </a>
        <a
          class="icobtn s"
          data-do="scale"
          href="#scale"
          title={`${say(ctx.lang, "scale")} (s)`}
          aria-label={say(ctx.lang, "scale")}
        >
          <Ico name="scale" />
        </a>
        <a
          class="icobtn s"
          data-do="image"
          href="#set-image"
          title={`${say(ctx.lang, "setImage")} (i)`}
          aria-label={say(ctx.lang, "setImage")}
        >
          <Ico name="image" />
        </a>
      </span>
    </template>
  );
}

const line = [
  ["j k", "keys.move"],
  ["↵", "keys.open"],
  ["r", "keys.restart"],
  ["s", "keys.scale"],
  ["i", "keys.image"],
  ["/", "keys.find"],
  ["?", "keys.all"],
] as const;

function KeysLine({ ctx }: { ctx: PageContext }) {
  return (
    <span class="keysline end nar js">
      {line.map(([key, code]) => (
        <span key={key}>
          {key.split(" ").map((one) => (
            <kbd class="kbd">{one}</kbd>
          ))}
          {say(ctx.lang, code)}
        </span>
      ))}
    </span>
  );
}
