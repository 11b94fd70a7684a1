// The fleet: what answers, what needs somebody, and a tile for each cluster.

import { href } from "../contract/operation.ts";
import type { AuditEntry } from "../gen/lizardcd/v1/audit_pb.ts";
import type { Attention, ClusterRow, Fleet } from "../gen/lizardcd/v1/fleet_pb.ts";
import { grouped, say, sentence } from "../words/words.ts";
import { Deed } from "./audit.tsx";
import { AgentCommands, NoClusters } from "./empty.tsx";
import { page } from "./layout.tsx";
import { gap, Ico, Mark, type PageContext, Pods, ReasonSentence, Since, Stream, stateWord } from "./parts.tsx";
import { html, partial } from "./render.ts";
import { clusterWord, known, Tile, tileId } from "./tile.tsx";

export { clusterTile } from "./tile.tsx";

export interface FleetOptions {
  /** The latest writes, newest first. */
  recent?: readonly AuditEntry[];
}

/** With more clusters than this, groups that are well fold. */
const mostOpen = 80;

export function fleetPage(ctx: PageContext, fleet: Fleet, options: FleetOptions = {}): string {
  return page(ctx, {
    title: say(ctx.lang, "nav.fleet"),
    nav: "fleet",
    children: (
      <>
        <Body ctx={ctx} fleet={fleet} {...options} />
        <Stream href={href("fleet.get", { group: fleet.group }).replace("/fleet", "/fleet/live")} />
      </>
    ),
  });
}

/** Everything but the frame, as a fragment. */
export function fleetBody(ctx: PageContext, fleet: Fleet, options: FleetOptions = {}): string {
  return html(<Body ctx={ctx} fleet={fleet} {...options} />);
}

/** The stream's first message, and whenever clusters came or went: the whole board, morphed in place. */
export function fleetLiveAll(ctx: PageContext, fleet: Fleet, options: FleetOptions = {}): string {
  return partial("fleet", "outerMorph", fleetBody(ctx, fleet, options));
}

/**
 * A stream message: headline, counts, attention and the tiles that changed.
 * @param changed the clusters whose tile is sent; all of them where left out.
 */
export function fleetUpdate(ctx: PageContext, fleet: Fleet, changed: readonly ClusterRow[] = fleet.clusters): string {
  return (
    partial("fleet-head", "outerMorph", html(<Head ctx={ctx} fleet={fleet} />)) +
    partial("fleet-states", "outerMorph", html(<States ctx={ctx} fleet={fleet} />)) +
    partial("attention", "outerMorph", html(<NeedsAttention ctx={ctx} fleet={fleet} />)) +
    changed
      .map((row) => partial(tileId(row), "outerMorph", html(<Tile ctx={ctx} row={row} group={fleet.group} />)))
      .join("")
  );
}

function Body({ ctx, fleet, recent }: { ctx: PageContext; fleet: Fleet } & FleetOptions) {
  if (fleet.clusters.length === 0) return <NoClusters ctx={ctx} />;
  return (
    <div id="fleet" class="page">
      <Head ctx={ctx} fleet={fleet} />
      <div class={recent ? "fleet-top" : "grid"}>
        <NeedsAttention ctx={ctx} fleet={fleet} />
        {recent && <Recent ctx={ctx} recent={recent} />}
      </div>
      <section aria-labelledby="h-board" class="grid gap-2 grid-cols-[minmax(0,1fr)]">
        <div class="filters gap-x-4!">
          <h2 id="h-board">{say(ctx.lang, "clusters")}</h2>
          <States ctx={ctx} fleet={fleet} />
          <Grouping ctx={ctx} fleet={fleet} />
        </div>
        <Board ctx={ctx} fleet={fleet} />
      </section>
      <details class="fold panel">
        <summary>
          <span class="chev">
            <Ico name="chev" />
          </span>
          {say(ctx.lang, "addCluster")}
        </summary>
        <AgentCommands ctx={ctx} />
      </details>
    </div>
  );
}

function Head({ ctx, fleet }: { ctx: PageContext; fleet: Fleet }) {
  const { lang } = ctx;
  const total = fleet.clusters.length;
  const bad = fleet.clusters
    .filter(known)
    .reduce((sum, { states }) => sum + (states.failed ?? 0) + (states.degraded ?? 0), 0);
  const oldest = Math.max(0, ...fleet.clusters.filter(known).map(({ seenMs }) => seenMs));
  const answer =
    fleet.answering === total
      ? say(lang, "fleet.all", { total })
      : say(lang, "fleet.some", { n: fleet.answering, total });
  return (
    <div id="fleet-head" class="truth">
      <div class="min-w-0">
        <h1>
          {answer}
          {gap(ctx)}
          {bad > 0
            ? say(lang, "fleet.need", { n: bad })
            : say(lang, fleet.answering === total ? "fleet.calm" : "fleet.calmWhere")}
        </h1>
        <p class="hint mt-0.5">
          {say(lang, "fleet.sums", { workloads: fleet.workloads, pods: fleet.pods })} · {say(lang, "fleet.knowledge")}{" "}
          <Since ctx={ctx} ms={oldest} bare />
        </p>
      </div>
    </div>
  );
}

function NeedsAttention({ ctx, fleet }: { ctx: PageContext; fleet: Fleet }) {
  const { lang } = ctx;
  return (
    <section id="attention" class="panel" aria-labelledby="h-att">
      <header class="panel-h">
        <h2 id="h-att">{say(lang, "attention")}</h2>
        {fleet.attention.length > 0 && (
          <>
            <span class="tally" data-s="bad">
              {fleet.attention.length}
            </span>
            <span class="hint end pr-2">{say(lang, "worstFirst")}</span>
          </>
        )}
      </header>
      {fleet.attention.length === 0 ? (
        <p class="panel-b state text-muted">
          <Mark state="ok" />
          {say(lang, "attention.none")}
        </p>
      ) : (
        <ol class="att">
          {fleet.attention.map((one) => (
            <AttentionRow
              key={`${one.cluster}/${one.trouble?.namespace}/${one.trouble?.resource}/${one.trouble?.name}`}
              ctx={ctx}
              attention={one}
              fleet={fleet}
            />
          ))}
        </ol>
      )}
    </section>
  );
}

function AttentionRow({ ctx, attention, fleet }: { ctx: PageContext; attention: Attention; fleet: Fleet }) {
  const { lang } = ctx;
  const { cluster, trouble, state, failure, seenMs } = attention;
  const board = href("fleet.listWorkloads", { cluster: [cluster] });
  if (!trouble) {
    const count = fleet.clusters.find(({ name }) => name === cluster)?.workloads ?? 0;
    const why =
      state === "lost" || state === "unknown"
        ? say(lang, "attention.lost", { n: count })
        : say(lang, "attention.stale");
    // Why it does not answer stands at its agents.
    const agents = href("fleet.listAgents", { cluster });
    return (
      <li>
        <Mark state={state} label={stateWord(lang, state)} />
        <span class="who cut">
          <a class="mono lk font-medium" href={agents}>
            {cluster}
          </a>
        </span>
        <p class="why" title={failure ? sentence(lang, failure) : undefined}>
          <b>{say(lang, state === "stale" ? "attention.staleHead" : "attention.lostHead")}</b>
          {gap(ctx)}
          {why}
        </p>
        <span class="pods" />
        <span class="since hint text-right">
          {seenMs < 0 ? say(lang, "never") : <Since ctx={ctx} ms={seenMs} bare />}
        </span>
        <a class="do btn btn-xs" href={agents} aria-label={say(lang, "open.what", { what: cluster })}>
          {say(lang, "open")}
        </a>
      </li>
    );
  }
  const { namespace, resource, name, reason, desired, ready } = trouble;
  const there = href("workload.get", { cluster, namespace, resource, name });
  return (
    <li>
      <Mark state={trouble.state} label={stateWord(lang, trouble.state)} />
      <span class="who cut">
        <a class="mono lk font-medium" href={there}>
          {namespace}/{name}
        </a>{" "}
        <a class="lk text-muted" href={board}>
          {cluster}
        </a>
      </span>
      <p class="why" title={reason ? sentence(lang, reason) : undefined}>
        {reason ? <ReasonSentence ctx={ctx} reason={reason} /> : stateWord(lang, trouble.state)}
      </p>
      <Pods ctx={ctx} ready={ready} desired={desired} />
      <span class="since hint text-right">
        {reason && reason.sinceMs > 0 && <Since ctx={ctx} ms={reason.sinceMs} bare />}
      </span>
      <a class="do btn btn-xs" href={there} aria-label={say(lang, "open.what", { what: `${namespace}/${name}` })}>
        {say(lang, "open")}
      </a>
    </li>
  );
}

function Recent({ ctx, recent }: { ctx: PageContext; recent: readonly AuditEntry[] }) {
  return (
    <section class="panel" aria-labelledby="h-act">
      <header class="panel-h">
        <h2 id="h-act">{say(ctx.lang, "recent")}</h2>
        <a class="lk hint end pr-2" href={href("audit.list")}>
          {say(ctx.lang, "recent.all")}
        </a>
      </header>
      {recent.length === 0 ? (
        <p class="panel-b hint">{say(ctx.lang, "recent.none")}</p>
      ) : (
        <ol class="acts">
          {recent.slice(0, 5).map((entry) => (
            <li key={entry.id}>
              <p>
                <b>{entry.actor}</b> <Deed ctx={ctx} entry={entry} />
              </p>
              <span class="hint text-right">
                <Since ctx={ctx} ms={entry.agoMs} bare />
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

const clusterStates = ["ok", "degraded", "stale", "lost", "unknown"] as const;

function States({ ctx, fleet }: { ctx: PageContext; fleet: Fleet }) {
  return (
    <span id="fleet-states" class="filters gap-x-3!">
      {clusterStates.map((state) => {
        const count = fleet.clusters.filter((row) => row.state === state).length;
        return (
          count > 0 && (
            <span class="state text-muted" key={state}>
              <Mark state={state} />
              {clusterWord(ctx, state)} <b class="font-medium text-base-content">{grouped(count)}</b>
            </span>
          )
        );
      })}
    </span>
  );
}

function Grouping({ ctx, fleet }: { ctx: PageContext; fleet: Fleet }) {
  if (fleet.groups.length === 0) return null;
  return (
    <span class="end filters nar">
      <span class="hint">{say(ctx.lang, "groupBy")}</span>
      {["", ...fleet.groups].map((group) => (
        <a
          class="chip"
          key={group}
          href={href("fleet.get", { group })}
          aria-current={fleet.group === group ? "true" : undefined}
        >
          {group === "" ? say(ctx.lang, "groupBy.none") : labelWord(ctx, group)}
        </a>
      ))}
    </span>
  );
}

function labelWord(ctx: PageContext, label: string): string {
  if (label === "region") return say(ctx.lang, "label.region");
  return label === "env" ? say(ctx.lang, "label.env") : label;
}

function Board({ ctx, fleet }: { ctx: PageContext; fleet: Fleet }) {
  const fold = fleet.clusters.length > mostOpen;
  const groups = Map.groupBy(fleet.clusters, ({ labels, state }) => {
    if (fleet.group !== "") return labels[fleet.group] ?? "";
    return fold && state === "ok" ? say(ctx.lang, "reachable") : "";
  });
  return (
    <div class="board">
      {[...groups].map(([label, rows]) => {
        const well = rows.every(({ state }) => state === "ok");
        const tiles = (
          <ul class="tiles">
            {rows.map((row) => (
              <Tile key={row.name} ctx={ctx} row={row} group={fleet.group} />
            ))}
          </ul>
        );
        if (fleet.group === "" && !fold) return tiles;
        const answering = rows.filter(known).length;
        const name = label || say(ctx.lang, fleet.group === "" ? "clusters" : "groupBy.other");
        const said = say(ctx.lang, "group.answer", { n: answering, total: rows.length });
        if (fold && well) {
          return (
            <details class="grp-fold panel" key={label}>
              <summary>
                <span class="chev">
                  <Ico name="chev" />
                </span>
                <Mark state="ok" />
                <h3>{name}</h3>
                <span class="hint">{said}</span>
              </summary>
              {tiles}
            </details>
          );
        }
        return (
          <div class="grp" key={label}>
            <div class="gh">
              <h3 class="wrap-anywhere">{name}</h3>
              <p class="hint">{said}</p>
            </div>
            {tiles}
          </div>
        );
      })}
    </div>
  );
}
