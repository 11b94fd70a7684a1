// One workload as a row of the table, and what a row's numbers say.
import { href } from "../contract/operation.ts";
import type { FleetWorkload, Unanswered } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { WorkloadKey, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { age, sentence, wordsFor } from "../words/words.ts";
import { objectId } from "./id.ts";
import { Age, Bar, imageParts, kindOf, Mark, type PageContext, stamp, stateOf, stateWord } from "./parts.tsx";
import { html } from "./render.ts";

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

// A thousand of these are one page: few elements, no repeated attributes, no spoken copy of what is written anyway.
export function Row({ ctx, item, fresh }: { ctx: PageContext; item: FleetWorkload; fresh?: boolean }) {
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

export function UnansweredRow({ ctx, unanswered }: { ctx: PageContext; unanswered: Unanswered }) {
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
