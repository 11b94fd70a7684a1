// The fleet: what answers, what needs somebody, and a tile for each cluster.

import { labelOf } from "../contract/labels.ts";
import { href } from "../contract/operation.ts";
import type { AuditEntry } from "../gen/lizardcd/v1/audit_pb.ts";
import type { Attention, ClusterRow, Fleet, GetFleetRequest } from "../gen/lizardcd/v1/fleet_pb.ts";
import { whyOfCluster } from "../words/silent.ts";
import { grouped, say, sentence } from "../words/words.ts";
import { actorOf, Deed, Outcome } from "./audit.tsx";
import { AgentCommands, NoClusters } from "./empty.tsx";
import { objectId } from "./id.ts";
import { page } from "./layout.tsx";
import { boosted, Chosen, Find, type ListPlace, NoMatch, Rest, StateChips, worthFinding } from "./list.tsx";
import {
  Age,
  gap,
  Ico,
  Mark,
  type PageContext,
  Pods,
  ReasonSentence,
  Since,
  Stream,
  stamp,
  stateWord,
} from "./parts.tsx";
import { html, partial } from "./render.ts";
import { clusterWord, known, Tile, tileId } from "./tile.tsx";

export { clusterTile } from "./tile.tsx";

export interface FleetOptions {
  /** The latest writes, newest first. */
  recent?: readonly AuditEntry[];
}

/** With more clusters than this, groups that are well fold. */
const mostOpen = 80;

export function fleetPage(ctx: PageContext, fleet: Fleet, asked: GetFleetRequest, options: FleetOptions = {}): string {
  return page(ctx, {
    title: say(ctx.lang, "nav.fleet"),
    nav: "fleet",
    children: (
      <>
        <Body ctx={ctx} fleet={fleet} asked={asked} {...options} />
        <Stream href={liveHref(asked)} />
      </>
    ),
  });
}

/** What a changed filter replaces: all but the frame; the stream then follows what is shown now. */
export function fleetFragment(
  ctx: PageContext,
  fleet: Fleet,
  asked: GetFleetRequest,
  options: FleetOptions = {},
): string {
  return html(
    <>
      <Body ctx={ctx} fleet={fleet} asked={asked} {...options} />
      <Stream href={liveHref(asked)} oob />
    </>,
  );
}

/** The stream's first message, and when the first cluster has come or the last one has gone: all, morphed in place. */
export function fleetLiveAll(
  ctx: PageContext,
  fleet: Fleet,
  asked: GetFleetRequest,
  options: FleetOptions = {},
): string {
  return partial("fleet", "outerMorph", html(<Body ctx={ctx} fleet={fleet} asked={asked} {...options} />));
}

/** The parts of the page whose place is always there, each by its id. */
export function fleetParts(
  ctx: PageContext,
  fleet: Fleet,
  asked: GetFleetRequest,
  { recent }: FleetOptions = {},
): Map<string, string> {
  const props = { ctx, fleet, asked };
  return new Map([
    ["fleet-head", html(<Head {...props} />)],
    ["fleet-states", html(<States {...props} />)],
    ["fleet-rest", html(<FleetRest {...props} />)],
    ["attention", html(<NeedsAttention {...props} />)],
    ...(recent ? [["recent", html(<Recent ctx={ctx} recent={recent} />)] as const] : []),
  ]);
}

/** All tiles, for a stream whose page shows other ones now. */
export function fleetBoard(ctx: PageContext, fleet: Fleet, asked: GetFleetRequest): string {
  return partial("board", "outerMorph", html(<Board ctx={ctx} fleet={fleet} asked={asked} />));
}

/** The tiles that changed. */
export function fleetTiles(ctx: PageContext, { group }: Fleet, changed: readonly ClusterRow[]): string {
  const tile = (row: ClusterRow) =>
    partial(tileId(row), "outerMorph", html(<Tile ctx={ctx} row={row} group={group} />));
  return changed.map(tile).join("");
}

/** How old what is shown is: the body of a stream message named "ages". */
export function fleetAges(ctx: PageContext, fleet: Fleet, rows: readonly ClusterRow[]): string {
  const ages = rows.map(({ name, seenMs }) => [name, stamp(ctx, seenMs) ?? null]);
  return JSON.stringify(Object.fromEntries([...ages, [whole, stamp(ctx, fleet.seenMs) ?? null]]));
}

/** No cluster is called so. */
const whole = "the fleet";

interface Props {
  ctx: PageContext;
  fleet: Fleet;
  asked: GetFleetRequest;
}

function placeOf({ ctx, asked }: Pick<Props, "ctx" | "asked">): ListPlace<GetFleetRequest> {
  return { ctx, asked, target: "#fleet", to: (change) => fleetHref(asked, change) };
}

/** The fleet with something changed. Begins at the first page unless told otherwise. */
function fleetHref({ group, q, state, label, limit }: GetFleetRequest, change: Partial<GetFleetRequest> = {}): string {
  return href("fleet.get", { group, q, state, label, limit: limit || undefined, ...change });
}

function liveHref(asked: GetFleetRequest): string {
  return fleetHref(asked, { continue: asked.continue }).replace("/fleet", "/fleet/live");
}

function Body({ ctx, fleet, asked, recent }: Props & FleetOptions) {
  if (fleet.total === 0) return <NoClusters ctx={ctx} />;
  const props = { ctx, fleet, asked };
  const place = placeOf(props);
  return (
    <div id="fleet" class="page">
      <Head {...props} />
      <div class={recent ? "fleet-top" : "grid"}>
        <NeedsAttention {...props} />
        {recent && <Recent ctx={ctx} recent={recent} />}
      </div>
      <section aria-labelledby="h-board" class="grid gap-2 grid-cols-[minmax(0,1fr)]">
        <div class="filters gap-x-3!">
          <h2 id="h-board">{say(ctx.lang, "clusters")}</h2>
          {(worthFinding(asked, fleet.total) || asked.label.length > 0) && (
            <Find
              place={place}
              fields={[["group", asked.group], ...asked.label.map((label) => ["label", label] as const)]}
              label={say(ctx.lang, "fleet.find")}
            />
          )}
          <States {...props} />
          {asked.label.length > 0 && (
            <span class="filters" {...boosted(place.target)}>
              {asked.label.map((label) => (
                <Chosen
                  key={label}
                  ctx={ctx}
                  href={place.to({ label: asked.label.filter((one) => one !== label) })}
                  what={label}
                >
                  <b>{label}</b>
                </Chosen>
              ))}
            </span>
          )}
          <Grouping {...props} />
        </div>
        <Board {...props} />
        <FleetRest {...props} />
      </section>
      <details id="add-cluster" class="fold panel">
        <summary>
          <span class="chev">
            <Ico name="chev" />
          </span>
          {say(ctx.lang, "addCluster")}
        </summary>
        {/* A browser opens what is folded around the place that a link leads to; without scripts too. */}
        <div id="add-cluster-how">
          <AgentCommands ctx={ctx} />
        </div>
      </details>
    </div>
  );
}

function FleetRest(props: Props) {
  const { clusters, matching, continue: next } = props.fleet;
  return <Rest id="fleet-rest" place={placeOf(props)} shown={clusters.length} total={matching} next={next} />;
}

function Head({ ctx, fleet }: Pick<Props, "ctx" | "fleet">) {
  const { lang } = ctx;
  const { total, needs } = fleet;
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
          {needs > 0
            ? say(lang, "fleet.need", { n: needs })
            : say(lang, fleet.answering === total ? "fleet.calm" : "fleet.calmWhere")}
        </h1>
        <p class="hint mt-0.5" data-c={whole}>
          {say(lang, "fleet.sums", { workloads: fleet.workloads, pods: fleet.pods })} · {say(lang, "fleet.knowledge")}{" "}
          <Age ctx={ctx} ms={fleet.seenMs} bare />
        </p>
      </div>
      <a class="btn btn-sm end" href="#add-cluster-how">
        <Ico name="plus" />
        {say(lang, "cluster.add")}
      </a>
    </div>
  );
}

function NeedsAttention({ ctx, fleet }: Pick<Props, "ctx" | "fleet">) {
  const { lang } = ctx;
  const more = fleet.attention.slice(mostUrgent);
  // What the summaries name no more of is in the list alone.
  const rest = fleet.needs - fleet.attention.length;
  return (
    <section id="attention" class="panel" aria-labelledby="h-att">
      <header class="panel-h">
        <h2 id="h-att">{say(lang, "attention")}</h2>
        {fleet.attention.length > 0 && (
          <>
            <span class="tally" data-s="bad">
              {grouped(fleet.needs)}
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
        <>
          <AttentionList ctx={ctx} some={fleet.attention.slice(0, mostUrgent)} />
          {more.length > 0 && (
            <details id="attention-more" class="fold">
              <summary>
                <span class="chev">
                  <Ico name="chev" />
                </span>
                <span class="text-muted">{say(lang, "attention.more", { n: more.length })}</span>
              </summary>
              <AttentionList ctx={ctx} some={more} />
            </details>
          )}
          {rest > 0 && (
            <p class="panel-b hint">
              <a class="underline" href={href("fleet.listWorkloads", { state: ["failed", "degraded"] })}>
                {say(lang, "attention.all", { n: rest })}
              </a>
            </p>
          )}
        </>
      )}
    </section>
  );
}

/** So many stand above the clusters without pushing them off the screen. */
const mostUrgent = 6;

function AttentionList({ ctx, some }: { ctx: PageContext; some: readonly Attention[] }) {
  return (
    <ol class="att">
      {some.map((one) => (
        <AttentionRow
          key={`${one.cluster}/${one.trouble?.namespace}/${one.trouble?.resource}/${one.trouble?.name}`}
          ctx={ctx}
          attention={one}
        />
      ))}
    </ol>
  );
}

function AttentionRow({ ctx, attention }: { ctx: PageContext; attention: Attention }) {
  const { lang } = ctx;
  const { cluster, trouble, state, failure, seenMs } = attention;
  const board = href("fleet.listWorkloads", { cluster: [cluster] });
  if (!trouble) {
    // Why it does not answer stands at its agents.
    const agents = href("fleet.listAgents", { cluster });
    return (
      <li>
        <Mark state={state} label={stateWord(lang, state)} />
        <span class="who cut" title={cluster}>
          <a class="mono lk font-medium" href={agents}>
            {cluster}
          </a>
        </span>
        <p class="why" title={failure ? sentence(lang, failure) : undefined}>
          <b>{say(lang, heads[state as keyof typeof heads] ?? heads.lost)}</b>
          {gap(ctx)}
          {whyOf(ctx, attention)}
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
      <span class="who cut" title={`${namespace}/${name} · ${cluster}`}>
        <a class="mono lk font-medium" href={there}>
          {namespace}/{name}
        </a>{" "}
        <a class="lk text-muted" href={board}>
          {cluster}
        </a>
      </span>
      <p class="why" title={reason ? sentence(lang, reason) : undefined}>
        {reason ? <ReasonSentence ctx={ctx} reason={reason} /> : stateWord(lang, trouble.state)}
        {trouble.others > 0 && (
          <span class="text-muted">
            {gap(ctx)}
            {say(lang, "attention.others", { n: trouble.others })}
          </span>
        )}
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

const heads = {
  lost: "attention.lostHead",
  stale: "attention.staleHead",
  unknown: "attention.unreadHead",
  degraded: "attention.partHead",
} as const;

/** Why a whole cluster needs somebody. */
function whyOf({ lang }: PageContext, attention: Attention): string {
  const { state, seenMs, workloads: n } = attention;
  if (state === "stale") return say(lang, "attention.stale");
  if (state === "lost") return seenMs < 0 ? say(lang, "attention.never") : say(lang, "attention.lost", { n });
  return whyOfCluster(lang, attention);
}

function Recent({ ctx, recent }: { ctx: PageContext; recent: readonly AuditEntry[] }) {
  return (
    <section id="recent" class="panel" aria-labelledby="h-act">
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
                <b>{actorOf(ctx, entry)}</b> <Deed ctx={ctx} entry={entry} />
              </p>
              <span class="hint text-right">
                {entry.outcome !== "done" && <Outcome ctx={ctx} entry={entry} />}{" "}
                <Since ctx={ctx} ms={entry.agoMs} bare />
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

const clusterStates = ["lost", "degraded", "stale", "unknown", "reading", "ok"] as const;

function States(props: Props) {
  const { ctx, fleet } = props;
  return (
    <StateChips
      id="fleet-states"
      place={placeOf(props)}
      order={clusterStates}
      counts={fleet.states}
      word={(state) => clusterWord(ctx, state)}
    />
  );
}

function Grouping(props: Props) {
  const { ctx, fleet } = props;
  if (fleet.groups.length === 0) return null;
  const { to, target } = placeOf(props);
  return (
    <span class="end filters nar" {...boosted(target)}>
      <span class="hint">{say(ctx.lang, "groupBy")}</span>
      {["", ...fleet.groups].map((group) => (
        <a class="chip" key={group} href={to({ group })} aria-current={fleet.group === group ? "true" : undefined}>
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

function Board(props: Props) {
  const { ctx, fleet, asked } = props;
  const place = placeOf(props);
  if (fleet.matching === 0) {
    return (
      <div id="board" class="board panel">
        <NoMatch place={place} all={href("fleet.get", { group: asked.group })} />
      </div>
    );
  }
  // Where a page is a part only, nobody has to open what it shows.
  const part = fleet.clusters.length < fleet.matching;
  const fold = !part && fleet.clusters.length > mostOpen && asked.state.length === 0;
  const groups = Map.groupBy(fleet.clusters, ({ labels, state }) => {
    if (fleet.group !== "") return labelOf(labels, fleet.group);
    return fold && state === "ok" ? say(ctx.lang, "reachable") : "";
  });
  return (
    <div id="board" class="board">
      {[...groups].map(([label, rows]) => {
        const tiles = (
          <ul class="tiles" key={label}>
            {rows.map((row) => (
              <Tile key={row.name} ctx={ctx} row={row} group={fleet.group} />
            ))}
          </ul>
        );
        if (fleet.group === "" && !fold) return tiles;
        const counts = fleet.grouped.find(({ value }) => fleet.group !== "" && value === label);
        const total = counts?.clusters ?? rows.length;
        const answering = counts?.answering ?? rows.filter(known).length;
        const name = label || say(ctx.lang, fleet.group === "" ? "clusters" : "groupBy.other");
        const said = say(ctx.lang, "group.answer", { n: answering, total });
        if (fold && rows.every(({ state }) => state === "ok")) {
          return (
            <details class="grp-fold panel" key={label} id={objectId("group", label)}>
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
              {rows.length < total && (
                <p class="hint" {...boosted(place.target, "show:top")}>
                  <a class="underline" href={place.to({ label: [...asked.label, `${fleet.group}=${label}`] })}>
                    {say(ctx.lang, "group.all", { n: total })}
                  </a>
                </p>
              )}
            </div>
            {tiles}
          </div>
        );
      })}
    </div>
  );
}
