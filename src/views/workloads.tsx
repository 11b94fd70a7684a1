// Workloads of all clusters: filters in the URL, rows that move while one looks.

import { href } from "../contract/operation.ts";
import type {
  ClusterRow,
  FleetWorkload,
  ListFleetWorkloadsRequest,
  ListFleetWorkloadsResponse,
  Unanswered,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadKey, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { age, grouped, say, sentence, wordsFor } from "../words/words.ts";
import { page } from "./layout.tsx";
import {
  Age,
  Bar,
  Ico,
  imageParts,
  kindOf,
  Mark,
  objectId,
  type PageContext,
  Stream,
  stamp,
  stateOf,
  stateWord,
} from "./parts.tsx";
import { html, partial } from "./render.ts";

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
  return partial("rows", "innerMorph", html(<Rows {...props} />)) + workloadsLiveCounts(ctx, response, request);
}

/** The counts alone, after rows changed their state. */
export function workloadsLiveCounts(
  ctx: PageContext,
  response: ListFleetWorkloadsResponse,
  request: ListFleetWorkloadsRequest,
): string {
  const props = { ctx, response, request };
  return html(
    <>
      <Count {...props} oob />
      <States {...props} oob />
    </>,
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

export function workloadRow(ctx: PageContext, item: FleetWorkload, { fresh }: { fresh?: boolean } = {}): string {
  return html(<Row ctx={ctx} item={item} fresh={fresh} />);
}

/** The same id for the same workload, on every page: "workload-<hash>". */
export function rowId({
  cluster,
  namespace,
  resource,
  name,
}: Pick<WorkloadKey, "cluster" | "namespace" | "resource" | "name">): string {
  return objectId("workload", cluster, namespace, resource, name);
}

interface Props {
  ctx: PageContext;
  response: ListFleetWorkloadsResponse;
  request: ListFleetWorkloadsRequest;
}

function List(props: Props) {
  const { ctx, response, request } = props;
  const more = response.continue !== "" || request.continue !== "";
  const { lang } = ctx;
  return (
    <>
      <table class="tbl two">
        <caption class="sr-only">{say(lang, "workloads.caption")}</caption>
        <thead hx-boost:inherited="true" hx-target:inherited="#wl" hx-swap:inherited="innerHTML show:none">
          <tr>
            <Sorted {...props} by="worst" label={say(lang, "health")} />
            <Sorted {...props} by="name" label={say(lang, "name")} />
            <th scope="col" class="nar">
              {say(lang, "kind")}
            </th>
            <Sorted {...props} by="cluster" label={say(lang, "place")} nar />
            <th scope="col">{say(lang, "ready")}</th>
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
        <tbody id="rows">
          <Rows {...props} />
        </tbody>
      </table>
      <div class="foot">
        <span class="hint">{say(lang, "shown", { n: response.items.length, total: response.total })}</span>
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

function Rows({ ctx, response, request }: Props) {
  if (response.items.length === 0 && response.unanswered.length === 0) {
    return (
      <tr class="none">
        <td colSpan={9}>
          <p class="font-medium">
            {say(
              ctx.lang,
              filtered(request)
                ? "workloads.noMatch"
                : response.clusters === 0
                  ? "workloads.noCluster"
                  : "workloads.none",
            )}
          </p>
          <a class="underline hint" href={filtered(request) ? href("fleet.listWorkloads") : href("fleet.get")}>
            {say(ctx.lang, filtered(request) ? "clearAll" : "toFleet")}
          </a>
        </td>
      </tr>
    );
  }
  return (
    <>
      {request.continue === "" &&
        response.unanswered.map((one) => <UnansweredRow key={one.cluster} ctx={ctx} unanswered={one} />)}
      {response.items.map((item) => (
        <Row ctx={ctx} item={item} />
      ))}
    </>
  );
}

// A thousand of these are one page: few elements, no repeated attributes, no spoken copy of what is written anyway.
function Row({ ctx, item, fresh }: { ctx: PageContext; item: FleetWorkload; fresh?: boolean }) {
  const row = item.row!;
  const state = stateOf(row.state);
  const known = state !== "stale" && state !== "lost" && state !== "unknown";
  const image = imageParts((row.containers.find(({ init }) => !init) ?? row.containers[0])?.image ?? "");
  return (
    <tr id={rowId(row)} class={fresh ? "fresh" : undefined} data-k={state}>
      <td>
        <span class="state">
          <svg class="mark" aria-hidden="true">
            <use href={`#m-${state}`} />
          </svg>
          <span class="word">{wordsFor(ctx.lang)[`state.${state}`]}</span>
        </span>
      </td>
      <th scope="row">
        <a class="mono lk" href={href("workload.get", keyOf(row))}>
          {row.name}
        </a>
      </th>
      <td class="nar dim">{kindOf(row.resource)}</td>
      <td class="mono place">
        <a href={`?cluster=${encodeURIComponent(row.cluster)}`}>{row.cluster}</a>/
        <a href={`?namespace=${encodeURIComponent(row.namespace)}`}>{row.namespace}</a>
      </td>
      <td>
        <span class="ready">
          <Bar {...barOf(row)} hollow={!known} />
          <span>{readyText(row)}</span>
        </span>
      </td>
      <td
        class="nar mono cut img"
        title={image.registry === "" ? undefined : `${image.registry}${image.name}${image.tag}`}
      >
        {image.name}
        <b>{image.tag}</b>
        {row.containers.length > 1 && <span class="dim"> +{row.containers.length - 1}</span>}
      </td>
      <td class="nar dim">
        <time data-t={stamp(ctx, row.changedMs)}>{age(ctx.lang, row.changedMs)}</time>
      </td>
      <td class="nar">
        <time
          class="age"
          data-a={state === "lost" ? "lost" : item.ageMs > 60_000 ? "old" : undefined}
          data-t={stamp(ctx, item.ageMs)}
        >
          {age(ctx.lang, item.ageMs)}
        </time>
      </td>
      <td class="act nar" />
    </tr>
  );
}

function UnansweredRow({ ctx, unanswered }: { ctx: PageContext; unanswered: Unanswered }) {
  const { cluster, code, message, ageMs } = unanswered;
  return (
    <tr id={objectId("unanswered", cluster)} data-k="lost">
      <td>
        <span class="state">
          <Mark state="lost" />
          <span class="word">{stateWord(ctx.lang, "lost")}</span>
        </span>
      </td>
      <th scope="row" colSpan={6} class="whitespace-normal!">
        <a class="mono lk" href={`?cluster=${encodeURIComponent(cluster)}`}>
          {cluster}
        </a>{" "}
        <span class="font-normal">{sentence(ctx.lang, { code, params: { cluster }, message })}</span>
      </th>
      <td>
        <Age ctx={ctx} ms={ageMs} lost />
      </td>
      <td class="act nar" />
    </tr>
  );
}

/** Which part of the pods serves, moves and fails. */
export function barOf(row: WorkloadRow): { ok: number; run: number; bad: number; of: number } {
  const ok = Math.min(row.ready, row.desired);
  const left = row.desired - ok;
  return {
    ok,
    run: row.state === "run" ? left : 0,
    bad: row.state === "failed" || row.state === "degraded" ? left : 0,
    of: row.desired,
  };
}

/** "2/5"; "~2/5" is last known, "?/5" is not known. */
export function readyText({ state, ready, desired }: Pick<WorkloadRow, "state" | "ready" | "desired">): string {
  if (state === "lost" || state === "unknown") return `?/${desired}`;
  return `${state === "stale" ? "~" : ""}${ready}/${desired}`;
}

export function keyOf({ cluster, namespace, resource, name }: WorkloadKey | WorkloadRow) {
  return { cluster, namespace, resource, name };
}

function Count({ ctx, response, oob }: Props & { oob?: boolean }) {
  const asked = response.clusters;
  const silent = response.unanswered.length;
  return (
    <p id="wl-count" class="hint" hx-swap-oob={oob ? "true" : undefined}>
      {silent === 0
        ? say(ctx.lang, "workloads.count", { n: response.total, clusters: asked })
        : say(ctx.lang, "workloads.countSilent", { n: response.total, answering: asked - silent, clusters: asked })}
    </p>
  );
}

const chipStates = ["failed", "degraded", "run", "paused", "zero", "ok"] as const;

function States({ ctx, response, request, oob }: Props & { oob?: boolean }) {
  return (
    <div
      id="wl-states"
      class="filters end"
      hx-swap-oob={oob ? "true" : undefined}
      hx-boost:inherited="true"
      hx-target:inherited="#wl"
      hx-swap:inherited="innerHTML show:none"
    >
      {chipStates.map((state) => {
        const chosen = request.state.includes(state);
        const count = response.states[state] ?? 0;
        if (count === 0 && !chosen) return null;
        const next = chosen ? request.state.filter((one) => one !== state) : [...request.state, state];
        return (
          <a class="chip" href={listHref(request, { state: next })} aria-current={chosen ? "true" : undefined}>
            <Mark state={state} />
            {stateWord(ctx.lang, state)} <b>{grouped(count)}</b>
          </a>
        );
      })}
    </div>
  );
}

const lists = [
  ["cluster", "cluster"],
  ["namespace", "namespace"],
  ["resource", "kind"],
  ["state", "health"],
] as const;

function Chips({ ctx, response, request, clusters, oob }: Props & WorkloadsOptions & { oob?: boolean }) {
  const namespaces = [...new Set(response.items.map(({ row }) => row!.namespace))]
    .filter((one) => !request.namespace.includes(one))
    .sort();
  return (
    <div
      id="wl-chips"
      class="filters"
      hx-swap-oob={oob ? "true" : undefined}
      hx-boost:inherited="true"
      hx-target:inherited="#wl"
      hx-swap:inherited="innerHTML show:none"
    >
      {lists.flatMap(([field, label]) =>
        request[field].map((value) => (
          <span class="chip" key={`${field} ${value}`}>
            <input type="hidden" name={field} value={value} />
            {say(ctx.lang, label)}{" "}
            <b>{field === "state" ? stateWord(ctx.lang, value) : field === "resource" ? kindOf(value) : value}</b>
            <a
              class="x"
              href={listHref(request, { [field]: request[field].filter((one) => one !== value) })}
              aria-label={say(ctx.lang, "filter.remove", { what: value })}
            >
              <Ico name="x" />
            </a>
          </span>
        )),
      )}
      {request.labelSelector !== "" && (
        <span class="chip">
          <input type="hidden" name="labelSelector" value={request.labelSelector} />
          {say(ctx.lang, "labels")} <b>{request.labelSelector}</b>
          <a
            class="x"
            href={listHref(request, { labelSelector: "" })}
            aria-label={say(ctx.lang, "filter.remove", { what: request.labelSelector })}
          >
            <Ico name="x" />
          </a>
        </span>
      )}
      {request.sort !== "" && <input type="hidden" name="sort" value={request.sort} />}
      {request.limit > 0 && <input type="hidden" name="limit" value={request.limit} />}
      <details class="menu left">
        <summary class="chip add">
          <Ico name="plus" />
          {say(ctx.lang, "filter")}
        </summary>
        <div class="choices">
          <Choices
            ctx={ctx}
            request={request}
            field="resource"
            label={say(ctx.lang, "kind")}
            values={["deployments", "statefulsets", "daemonsets"]}
          />
          <Choices
            ctx={ctx}
            request={request}
            field="cluster"
            label={say(ctx.lang, "cluster")}
            values={clusters.map(({ name }) => name)}
          />
          <Choices
            ctx={ctx}
            request={request}
            field="namespace"
            label={say(ctx.lang, "namespace")}
            values={namespaces}
          />
        </div>
      </details>
      {filtered(request) && (
        <a
          class="lk hint"
          href={listHref(request, { cluster: [], namespace: [], resource: [], state: [], q: "", labelSelector: "" })}
        >
          {say(ctx.lang, "clearAll")}
        </a>
      )}
    </div>
  );
}

function Choices({
  ctx,
  request,
  field,
  label,
  values,
}: {
  ctx: PageContext;
  request: ListFleetWorkloadsRequest;
  field: "resource" | "cluster" | "namespace";
  label: string;
  values: readonly string[];
}) {
  const left = values.filter((value) => !request[field].includes(value));
  if (left.length === 0) return null;
  return (
    <div>
      <p class="lab px-2">{label}</p>
      <ul>
        {left.map((value) => (
          <li key={value}>
            <a
              class={field === "resource" ? undefined : "mono"}
              href={listHref(request, { [field]: [...request[field], value] })}
            >
              {field === "resource" ? kindOf(value) : value}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Sorted({
  ctx,
  request,
  by,
  label,
  nar,
}: Props & { by: "worst" | "name" | "cluster"; label: string; nar?: boolean }) {
  const chosen = (request.sort || "worst") === by;
  return (
    <th
      scope="col"
      class={nar ? "nar" : undefined}
      aria-sort={chosen ? (by === "worst" ? "descending" : "ascending") : undefined}
    >
      <a class="lk" href={listHref(request, { sort: by === "worst" ? "" : by })}>
        {label}
        {chosen && <Ico name="sort" />}
      </a>
    </th>
  );
}

// The browser puts a copy into the row under the pointer or the cursor; without it the row's name leads to the same.
function RowActions({ ctx }: { ctx: PageContext }) {
  return (
    <template id="rowacts">
      <span class="rowacts">
        <form method="post" data-do="restart" hx-target="#toasts" hx-swap="beforeend">
          <button class="icobtn s" title={`${say(ctx.lang, "restart")} (r)`} aria-label={say(ctx.lang, "restart")}>
            <Ico name="restart" />
          </button>
        </form>
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

function filtered(request: ListFleetWorkloadsRequest): boolean {
  return lists.some(([field]) => request[field].length > 0) || request.q !== "" || request.labelSelector !== "";
}

/** This list with something changed. Begins at the first page unless told otherwise. */
export function listHref(request: ListFleetWorkloadsRequest, change: { [field: string]: unknown } = {}): string {
  const { cluster, namespace, resource, state, q, labelSelector, sort } = request;
  return href("fleet.listWorkloads", {
    cluster,
    namespace,
    resource,
    state,
    q,
    labelSelector,
    sort: sort === "worst" ? "" : sort,
    limit: request.limit || undefined,
    ...change,
  });
}
