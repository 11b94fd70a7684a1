// The agents: what registries say of each key beside what it last answered, and how one is enrolled or cut off.
import { href } from "../contract/operation.ts";
import type { AgentRow, ListAgentsRequest, ListAgentsResponse } from "../gen/lizardcd/v1/fleet_pb.ts";
import { say } from "../words/words.ts";
import { agentId, agentRow } from "./agent-row.ts";
import { Enroll, type EnrollOptions } from "./enroll.tsx";
import { page } from "./layout.tsx";
import { Find, type ListPlace, NoMatch, Rest, StateChips, worthFinding } from "./list.tsx";
import { Callout, Empty, type PageContext, Stream, stamp } from "./parts.tsx";
import { RemoveCluster } from "./remove.tsx";
import { html, inner, join, type Markup, partial, rendered } from "./render.ts";
import { RevokeDialog, RevokeForm } from "./revoke.tsx";
import { clusterWord } from "./tile.tsx";

export interface AgentsOptions extends EnrollOptions {
  /** The cluster whose certificates have just been revoked, for browsers without scripts. */
  revoked?: string;
}

export function agentsPage(
  ctx: PageContext,
  response: ListAgentsResponse,
  asked: ListAgentsRequest,
  options: AgentsOptions,
): string {
  const { lang } = ctx;
  const { cluster } = asked;
  const title = cluster === "" ? say(lang, "nav.agents") : say(lang, "agents.of.cluster", { cluster });
  const revokes = mayRevoke(ctx, options);
  return page(ctx, {
    title,
    nav: "agents",
    children: (
      <div class="page">
        {options.revoked && <Callout state="ok">{say(lang, "revoke.done", { cluster: options.revoked })}</Callout>}
        <div id="failure" aria-live="assertive" />
        <div class="truth">
          <div class="min-w-0">
            <h1>{title}</h1>
            <Count ctx={ctx} response={response} />
          </div>
          <span class="end filters">
            {cluster !== "" && (
              <a class="btn btn-sm" href={href("fleet.listAgents")}>
                {say(lang, "agents.all")}
              </a>
            )}
            <a class="btn btn-sm" href={href("fleet.listRegistries")}>
              {say(lang, "registries")}
            </a>
          </span>
        </div>
        <Enroll ctx={ctx} options={options} cluster={cluster} open={allOf(response) === 0} />
        <section class="panel" aria-label={say(lang, "nav.agents")}>
          <p class="hint panel-b">{say(lang, "agents.lead")}</p>
          <List ctx={ctx} response={response} asked={asked} revokes={revokes} />
        </section>
        {revokes && cluster !== "" && response.items.length > 0 && (
          <section class="panel" id="cut-off" aria-labelledby="cut-off-h">
            <header class="panel-h">
              <h2 id="cut-off-h">{say(lang, "revoke.what", { cluster })}</h2>
            </header>
            <RevokeForm ctx={ctx} cluster={cluster} />
          </section>
        )}
        {cluster !== "" && mayChange(ctx) && isGone(response) && <RemoveCluster ctx={ctx} cluster={cluster} />}
        {revokes && <RevokeDialog ctx={ctx} />}
        <Stream href={liveHref(asked)} />
      </div>
    ),
  });
}

/** What a changed filter replaces: the list; the stream then follows what is shown now. */
export function agentsFragment(
  ctx: PageContext,
  response: ListAgentsResponse,
  asked: ListAgentsRequest,
  options: EnrollOptions,
): string {
  return html(
    <>
      <List ctx={ctx} response={response} asked={asked} revokes={mayRevoke(ctx, options)} />
      <Stream href={liveHref(asked)} oob />
    </>,
  );
}

/** For the stream: all rows, where other ones are shown now. */
export function agentsRows(
  ctx: PageContext,
  response: ListAgentsResponse,
  asked: ListAgentsRequest,
  options: EnrollOptions,
): string {
  const rows = rowsMarkup({ ctx, response, asked, revokes: mayRevoke(ctx, options) });
  return partial("agents", "innerMorph", rows);
}

/** For the stream: what stands around the rows, each part by its id. */
export function agentsParts(
  ctx: PageContext,
  response: ListAgentsResponse,
  asked: ListAgentsRequest,
): Map<string, string> {
  const props = { ctx, response, asked };
  return new Map([
    ["agents-count", html(<Count ctx={ctx} response={response} />)],
    ["agents-states", html(<States {...props} />)],
    ["agents-rest", html(<AgentsRest {...props} />)],
  ]);
}

/** For the stream: the rows that changed. */
export function agentsChanged(
  ctx: PageContext,
  response: ListAgentsResponse,
  changed: readonly AgentRow[],
  options: EnrollOptions,
): string {
  const heads = firstOfClusters(response);
  const revokes = mayRevoke(ctx, options);
  return changed
    .map((row) => {
      const shown = agentRow(ctx, row, { revokes: revokes && heads.has(row), fresh: true });
      return partial(agentId(row), "outerMorph", shown);
    })
    .join("");
}

/** What a row says apart from its ages: while it is the same, the stream sends ages alone. */
export function agentFacts(row: AgentRow): string {
  const instances = row.instances.map(({ seenMs, outstanding: _, ...rest }) => ({ ...rest, seen: seenMs >= 0 }));
  const { announcedMs, seenMs, certificateMs, enrolledMs, ...rest } = row;
  const days = Math.ceil(certificateMs / day);
  return JSON.stringify({
    ...rest,
    instances,
    unread: enrolledMs !== undefined,
    announced: announcedMs >= 0,
    seen: seenMs >= 0,
    days,
  });
}

/** The ages of rows, in the order in which each shows them: the body of a stream message named "ages". */
export function agentAges(ctx: PageContext, rows: readonly AgentRow[]): string {
  const stamps = rows.map(({ key, instances, announcedMs, seenMs }) => [
    `agent ${key}`,
    [...instances.map((instance) => instance.seenMs), announcedMs, seenMs].map((ms) => stamp(ctx, ms) ?? null),
  ]);
  return JSON.stringify(Object.fromEntries(stamps));
}

const day = 86_400_000;

function mayChange({ user }: PageContext): boolean {
  return user?.role !== "readonly";
}

function mayRevoke(ctx: PageContext, { enrolls }: EnrollOptions): boolean {
  return enrolls === "yes" && mayChange(ctx);
}

/** True where nobody announces any of what is known of the cluster. */
function isGone({ items }: ListAgentsResponse): boolean {
  return items.length > 0 && items.every(({ announcedMs }) => announcedMs < 0);
}

function Count({ ctx, response }: { ctx: PageContext; response: ListAgentsResponse }) {
  const total = allOf(response);
  return (
    <p id="agents-count" class="hint mt-0.5">
      {total > 0 && say(ctx.lang, "agents.count", { n: response.states.ok ?? 0, total })}
    </p>
  );
}

/** Whatever their state. */
function allOf({ states }: ListAgentsResponse): number {
  return Object.values(states).reduce((sum, count) => sum + count, 0);
}

interface Props {
  ctx: PageContext;
  response: ListAgentsResponse;
  asked: ListAgentsRequest;
}
interface TableProps extends Props {
  revokes: boolean;
}

function placeOf({ ctx, asked }: Pick<Props, "ctx" | "asked">): ListPlace<ListAgentsRequest> {
  return { ctx, asked, target: "#agents-list", to: (change) => listHref(asked, change) };
}

/** This list with something changed. Begins at the first page unless told otherwise. */
function listHref({ cluster, q, state, limit }: ListAgentsRequest, change: Partial<ListAgentsRequest> = {}): string {
  return href("fleet.listAgents", { cluster, q, state, limit: limit || undefined, ...change });
}

function liveHref(asked: ListAgentsRequest): string {
  return listHref(asked, { continue: asked.continue }).replace("/agents", "/agents/live");
}

function List(props: TableProps) {
  const { ctx, response, asked } = props;
  const place = placeOf(props);
  return (
    <div id="agents-list">
      {worthFinding(asked, allOf(response)) && (
        <div class="filters px-3.5 pb-2">
          <Find place={place} fields={[["cluster", asked.cluster]]} label={say(ctx.lang, "agents.find")} />
          <States {...props} />
        </div>
      )}
      <Table {...props} />
      <AgentsRest {...props} />
    </div>
  );
}

const agentStates = ["lost", "degraded", "stale", "unknown", "reading", "ok"] as const;

function States(props: Props) {
  const word = (state: string) => clusterWord(props.ctx, state);
  return (
    <StateChips
      id="agents-states"
      place={placeOf(props)}
      order={agentStates}
      counts={props.response.states}
      word={word}
    />
  );
}

function AgentsRest(props: Props) {
  const { items, total, continue: next } = props.response;
  return <Rest id="agents-rest" place={placeOf(props)} shown={items.length} total={total} next={next} />;
}

function Table(props: TableProps) {
  const { lang } = props.ctx;
  return (
    <table class="tbl ag">
      <caption class="sr-only">{say(lang, "nav.agents")}</caption>
      <thead>
        <tr>
          <th scope="col">{say(lang, "state")}</th>
          <th scope="col">{say(lang, "key")}</th>
          <th scope="col">{say(lang, "instances")}</th>
          <th scope="col">{say(lang, "registries")}</th>
          <th scope="col">{say(lang, "announced")}</th>
          <th scope="col">{say(lang, "seen")}</th>
          <th scope="col">{say(lang, "version")}</th>
          <th scope="col">{say(lang, "certificate")}</th>
          <th scope="col">
            <span class="sr-only">{say(lang, "actions")}</span>
          </th>
        </tr>
      </thead>
      <tbody id="agents" dangerouslySetInnerHTML={inner(rowsMarkup(props))} />
    </table>
  );
}

function rowsMarkup({ ctx, response, asked, revokes }: TableProps): Markup {
  const { items } = response;
  if (items.length === 0) {
    const { cluster } = asked;
    const none = cluster === "" ? say(ctx.lang, "agents.none") : say(ctx.lang, "agents.noneOf", { cluster });
    const place = placeOf({ ctx, asked });
    return rendered(
      <tr class="none">
        <td colSpan={9}>
          {asked.q !== "" || asked.state.length > 0 ? (
            <NoMatch place={place} all={href("fleet.listAgents", { cluster })} />
          ) : (
            <Empty title={none}>
              {cluster === "" && (
                <a class="underline" href={`${href("fleet.get")}#add-cluster`}>
                  {say(ctx.lang, "addCluster")}
                </a>
              )}
            </Empty>
          )}
        </td>
      </tr>,
    );
  }
  const heads = firstOfClusters(response);
  return join(...items.map((row) => agentRow(ctx, row, { revokes: revokes && heads.has(row) })));
}

/** Certificates are revoked by cluster: the first of its rows offers it. */
function firstOfClusters({ items }: ListAgentsResponse): Set<AgentRow> {
  const heads = new Map<string, AgentRow>();
  for (const row of items) if (!heads.has(row.cluster)) heads.set(row.cluster, row);
  return new Set(heads.values());
}
