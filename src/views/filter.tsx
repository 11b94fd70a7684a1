// What narrows the list of workloads: chips, counts of states, sorting. Every choice is a link; the URL holds them all.
import { href } from "../contract/operation.ts";
import type { ClusterRow, ListFleetWorkloadsRequest, ListFleetWorkloadsResponse } from "../gen/lizardcd/v1/fleet_pb.ts";
import { grouped, say } from "../words/words.ts";
import { Ico, kindOf, Mark, type PageContext, stateWord } from "./parts.tsx";

export interface ListProps {
  ctx: PageContext;
  response: ListFleetWorkloadsResponse;
  request: ListFleetWorkloadsRequest;
}

export function Count({ ctx, response, oob }: ListProps & { oob?: boolean }) {
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

export function States({ ctx, response, request, oob }: ListProps & { oob?: boolean }) {
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

export function Chips({
  ctx,
  response,
  request,
  clusters,
  oob,
}: ListProps & { clusters: readonly Pick<ClusterRow, "name">[]; oob?: boolean }) {
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
            values={[
              ...new Set([...response.items.map(({ row }) => row!.cluster), ...clusters.map(({ name }) => name)]),
            ]}
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

/** More than one reads through: the rest is found by its name. */
const mostChoices = 60;

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
        {left.slice(0, mostChoices).map((value) => (
          <li key={value}>
            <a
              class={field === "resource" ? undefined : "mono"}
              href={listHref(request, { [field]: [...request[field], value] })}
            >
              {field === "resource" ? kindOf(value) : value}
            </a>
          </li>
        ))}
        {left.length > mostChoices && (
          <li class="hint">
            <a href={field === "cluster" ? href("fleet.get") : undefined}>
              {say(ctx.lang, "choices.more", { n: left.length - mostChoices })}
            </a>
          </li>
        )}
      </ul>
    </div>
  );
}

export function Sorted({
  request,
  by,
  label,
  nar,
}: {
  request: ListFleetWorkloadsRequest;
  by: "worst" | "name" | "cluster";
  label: string;
  nar?: boolean;
}) {
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

export function filtered(request: ListFleetWorkloadsRequest): boolean {
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
