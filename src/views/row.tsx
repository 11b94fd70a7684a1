// One workload as a row of the table, and what a row's numbers say.
import { href } from "../contract/operation.ts";
import type { FleetWorkload, Unanswered } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadKey, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { age, say, sentence, stopped, wordsFor } from "../words/words.ts";
import { objectId } from "./id.ts";
import { Age, gap, imageParts, kindOf, Mark, type PageContext, stamp, stateOf, stateWord } from "./parts.tsx";
import { join, type Markup, markup, sent } from "./render.ts";

export function workloadRow(ctx: PageContext, item: FleetWorkload, { fresh }: { fresh?: boolean } = {}): string {
  return sent(rowMarkup(ctx, item, fresh));
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

// A thousand of these are one page. So: few elements, no closing tags that HTML does without, no attribute that a
// selector can do without, nothing said twice. A cell's meaning is its place: app.css counts them.
export function rowMarkup(ctx: PageContext, item: FleetWorkload, fresh = false): Markup {
  const row = item.row!;
  const state = stateOf(row.state);
  const { registry, name, tag } = imageParts(
    (row.containers.find(({ init }) => !init) ?? row.containers[0])?.image ?? "",
  );
  const more = row.containers.length - 1;
  return join(
    markup`<tr id="${rowId(row)}" data-k="${state}"`,
    fresh ? isFresh : none,
    markup`><td><svg class="mark" aria-hidden="true"><use href="#m-${state}"/></svg><span class="word">${wordsFor(ctx.lang)[`state.${state}`]}</span>`,
    markup`<th scope="row"><a href="${placeHref(row)}${encodeURIComponent(row.name)}">${row.name}</a>`,
    markup`<td>${kindOf(row.resource)}<td><a href="?cluster=${encodeURIComponent(row.cluster)}">${row.cluster}</a>/<a href="?namespace=${encodeURIComponent(row.namespace)}">${row.namespace}</a>`,
    markup`<td>`,
    barMarkup(row, state),
    markup`${readyText(row)}<td><i>${registry}</i>${name}<b>${tag}</b>`,
    more > 0 ? markup` +${more}` : none,
    markup`<td>`,
    changedMarkup(ctx, row.changedMs),
    markup`<td><time class="age"`,
    agedMarkup(state, item.ageMs),
    markup` data-t="${stamp(ctx, item.ageMs) ?? ""}">${age(ctx.lang, item.ageMs)}</time><td>`,
  );
}

const none = markup``;
const isFresh = markup` class="fresh"`;
const old = markup` data-a="old"`;
const lost = markup` data-a="lost"`;
const hollow = markup`<svg class="bar hollow" aria-hidden="true"></svg>`;
const full = markup`<svg class="bar" aria-hidden="true"><rect class="f-ok" width="100%"/></svg>`;

function agedMarkup(state: string, ms: number): Markup {
  if (state === "lost") return lost;
  return ms > 60_000 ? old : none;
}

// What is days old does not tick.
function changedMarkup(ctx: PageContext, ms: number): Markup {
  const text = age(ctx.lang, ms);
  return ms > 172_800_000 ? markup`${text}` : markup`<time data-t="${stamp(ctx, ms) ?? ""}">${text}</time>`;
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

const places = new Map<string, string>();

// Many rows share all of their path but the name; the contract's template is read once for them.
function placeHref({ cluster, namespace, resource }: WorkloadRow): string {
  const key = `${cluster}/${namespace}/${resource}`;
  let place = places.get(key);
  if (place === undefined) {
    if (places.size > 10_000) places.clear();
    place = href("workload.get", { cluster, namespace, resource, name: "-" }).slice(0, -1);
    places.set(key, place);
  }
  return place;
}

export function UnansweredRow({ ctx, unanswered }: { ctx: PageContext; unanswered: Unanswered }) {
  const { cluster, code, message, ageMs } = unanswered;
  return (
    <tr id={objectId("unanswered", cluster)} class="gone" data-k="lost">
      <td>
        <Mark state="lost" />
        <span class="word">{stateWord(ctx.lang, "lost")}</span>
      </td>
      <th scope="row" colSpan={6}>
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
