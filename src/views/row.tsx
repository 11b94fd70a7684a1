// One workload as a row of the table, and what a row's numbers say.
import { href } from "../contract/operation.ts";
import type { FleetWorkload, Unanswered } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadKey, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { age, say, sentence, stopped, wordsFor } from "../words/words.ts";
import { objectId } from "./id.ts";
import {
  Age,
  gap,
  imageParts,
  kindOf,
  Mark,
  type PageContext,
  type StateKey,
  stamp,
  stateOf,
  stateWord,
} from "./parts.tsx";
import { join, type Markup, markup } from "./render.ts";

export function workloadRow(ctx: PageContext, item: FleetWorkload, { fresh }: { fresh?: boolean } = {}): string {
  return rowMarkup(ctx, item, fresh);
}

/** The same id for the same workload, on every page: "workload-eu-1_shop_deployments_web". */
export function rowId({
  cluster,
  namespace,
  resource,
  name,
}: Pick<WorkloadKey, "cluster" | "namespace" | "resource" | "name">): string {
  return objectId("workload", cluster, namespace, resource, name);
}

// A thousand of these are one page. So: few elements, no closing tags that HTML does without, no attribute that a
// selector can do without, nothing said twice, and what many rows share is made once. A cell's meaning is its place:
// app.css counts them.
export function rowMarkup(ctx: PageContext, item: FleetWorkload, fresh = false): Markup {
  const row = item.row!;
  const state = stateOf(row.state);
  const place = placeOf(row);
  const more = row.containers.length - 1;
  return join(
    markup`<tr id="${rowId(row)}"`,
    fresh ? isFresh : none,
    shared("state", `${ctx.lang} ${state}`, () => stateMarkup(ctx, state)),
    place.head,
    markup`${encodeURIComponent(row.name)}">${row.name}</a>`,
    place.cells,
    barMarkup(row, state),
    markup`${readyText(row)}`,
    whyMarkup(ctx, row, state),
    shared("image", (row.containers.find(isMain) ?? row.containers[0])?.image ?? "", imageMarkup),
    more > 0 ? markup` +${more}` : none,
    changedMarkup(ctx, row.changedMs),
    shared("seen", `${ctx.lang} ${ctx.now} ${state} ${item.ageMs}`, () => seenMarkup(ctx, state, item.ageMs)),
  );
}

const none = markup``;
const isFresh = markup` class="fresh"`;
const hollow = markup`<svg class="bar hollow" aria-hidden="true"></svg>`;
const full = markup`<svg class="bar" aria-hidden="true"><rect class="f-ok" width="100%"/></svg>`;

const isMain = ({ init }: { init: boolean }) => !init;

function stateMarkup(ctx: PageContext, state: StateKey): Markup {
  const word = wordsFor(ctx.lang)[`state.${state}`];
  return markup` data-k="${state}"><td><svg class="mark" aria-hidden="true"><use href="#m-${state}"/></svg><span class="word">${word}</span>`;
}

// Why is said where somebody should know; what a silent cluster said last is no reason now.
function whyMarkup({ lang }: PageContext, { reason }: WorkloadRow, state: StateKey): Markup {
  return reason && !silent.has(state) ? markup`<td>${sentence(lang, reason)}` : noReason;
}

const silent: ReadonlySet<string> = new Set<StateKey>(["stale", "lost", "unknown"]);
const noReason = markup`<td>`;

function imageMarkup(image: string): Markup {
  const { registry, name, tag } = imageParts(image);
  return markup`<td><i>${registry}</i>${name}<b>${tag}</b>`;
}

// What is days old does not tick.
function changedMarkup(ctx: PageContext, ms: number): Markup {
  const text = age(ctx.lang, ms);
  return ms > 172_800_000 ? markup`<td>${text}` : markup`<td><time data-t="${stamp(ctx, ms) ?? ""}">${text}</time>`;
}

function seenMarkup(ctx: PageContext, state: string, ms: number): Markup {
  const aged = state === "lost" ? markup` data-a="lost"` : ms > 60_000 ? markup` data-a="old"` : none;
  return join(
    markup`<td><time class="age"`,
    aged,
    markup` data-t="${stamp(ctx, ms) ?? ""}">${age(ctx.lang, ms)}</time><td>`,
  );
}

function barMarkup(row: WorkloadRow, state: string): Markup {
  if (state === "stale" || state === "lost" || state === "unknown") return hollow;
  const { ok, run, bad, of } = barOf(row);
  if (ok === of && of > 0) return full;
  const share = (n: number) => `${of > 0 ? Math.round((1000 * n) / of) / 10 : 0}%`;
  return join(
    markup`<svg class="bar" aria-hidden="true"><rect class="f-ok" width="${share(ok)}"/>`,
    run > 0 ? markup`<rect class="f-run" x="${share(ok)}" width="${share(run)}"/>` : none,
    bad > 0 ? markup`<rect class="f-bad" x="${share(ok)}" width="${share(bad)}"/>` : none,
    markup`</svg>`,
  );
}

interface Place {
  /** The name's cell as far as the name in its link. */
  head: Markup;
  /** The cells between name and bar. */
  cells: Markup;
}

const places = new Map<string, Place>();
const most = 10_000;

// Many rows share all of their path but the name; the contract's template is read once for them.
function placeOf({ cluster, namespace, resource }: WorkloadRow): Place {
  const key = `${cluster}/${namespace}/${resource}`;
  let place = places.get(key);
  if (place === undefined) {
    if (places.size > most) places.clear();
    const path = href("workload.get", { cluster, namespace, resource, name: "-" }).slice(0, -1);
    const [inCluster, inNamespace] = [encodeURIComponent(cluster), encodeURIComponent(namespace)];
    place = {
      head: markup`<th scope="row"><a href="${path}`,
      cells: markup`<td>${kindOf(resource)}<td><a href="?cluster=${inCluster}">${cluster}</a>/<a href="?namespace=${inNamespace}">${namespace}</a><td>`,
    };
    places.set(key, place);
  }
  return place;
}

const sharing = { state: new Map<string, Markup>(), image: new Map<string, Markup>(), seen: new Map<string, Markup>() };

function shared(part: keyof typeof sharing, key: string, make: (key: string) => Markup): Markup {
  const known = sharing[part];
  let made = known.get(key);
  if (made === undefined) {
    if (known.size > most) known.clear();
    made = make(key);
    known.set(key, made);
  }
  return made;
}

export function UnansweredRow({ ctx, unanswered }: { ctx: PageContext; unanswered: Unanswered }) {
  const { cluster, code, message, ageMs } = unanswered;
  return (
    <tr id={objectId("unanswered", cluster)} class="gone" data-k="lost">
      <td>
        <Mark state="lost" />
        <span class="word">{stateWord(ctx.lang, "lost")}</span>
      </td>
      <th scope="row" colSpan={7}>
        <a href={`?cluster=${encodeURIComponent(cluster)}`}>{cluster}</a>{" "}
        <span class="font-normal">
          {say(ctx.lang, "unanswered")}
          {gap(ctx)}
          <span class="text-faint">
            {stopped(ctx.lang, sentence(ctx.lang, { code, params: { cluster }, message }))}
          </span>
        </span>
      </th>
      <td>
        <Age ctx={ctx} ms={ageMs} lost />
      </td>
      <td />
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
