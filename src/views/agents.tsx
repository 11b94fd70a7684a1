// The agents: what registries say of each key beside what it last answered, and how one is enrolled or cut off.
import { href } from "../contract/operation.ts";
import type { AgentRow, ListAgentsRequest, ListAgentsResponse } from "../gen/lizardcd/v1/fleet_pb.ts";
import { say } from "../words/words.ts";
import { agentId, agentRow } from "./agent-row.ts";
import { Enroll, type EnrollOptions } from "./enroll.tsx";
import { page } from "./layout.tsx";
import { Callout, Empty, type PageContext, Stream, stamp } from "./parts.tsx";
import { html, inner, join, type Markup, partial, rendered } from "./render.ts";
import { RevokeDialog, RevokeForm } from "./revoke.tsx";

export interface AgentsOptions extends EnrollOptions {
  /** The cluster whose certificates have just been revoked, for browsers without scripts. */
  revoked?: string;
}

export function agentsPage(
  ctx: PageContext,
  response: ListAgentsResponse,
  { cluster }: Pick<ListAgentsRequest, "cluster">,
  options: AgentsOptions,
): string {
  const { lang } = ctx;
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
        <Enroll ctx={ctx} options={options} cluster={cluster} open={response.items.length === 0} />
        <section class="panel" aria-label={say(lang, "nav.agents")}>
          <p class="hint panel-b">{say(lang, "agents.lead")}</p>
          <Table ctx={ctx} response={response} cluster={cluster} revokes={revokes} />
        </section>
        {revokes && cluster !== "" && response.items.length > 0 && (
          <section class="panel" id="cut-off" aria-labelledby="cut-off-h">
            <header class="panel-h">
              <h2 id="cut-off-h">{say(lang, "revoke.what", { cluster })}</h2>
            </header>
            <RevokeForm ctx={ctx} cluster={cluster} />
          </section>
        )}
        {revokes && <RevokeDialog ctx={ctx} />}
        <Stream href={href("fleet.listAgents", { cluster }).replace("/agents", "/agents/live")} />
      </div>
    ),
  });
}

/** The stream's first message, and whenever keys came or went: all rows, morphed in place. */
export function agentsLiveAll(
  ctx: PageContext,
  response: ListAgentsResponse,
  { cluster }: Pick<ListAgentsRequest, "cluster">,
  options: EnrollOptions,
): string {
  const props = { ctx, response, cluster, revokes: mayRevoke(ctx, options) };
  return (
    partial("agents", "innerMorph", rowsMarkup(props)) +
    partial("agents-count", "outerMorph", html(<Count ctx={ctx} response={response} />))
  );
}

/** The rows that changed, and the count. */
export function agentsUpdate(
  ctx: PageContext,
  response: ListAgentsResponse,
  changed: readonly AgentRow[],
  options: EnrollOptions,
): string {
  const heads = firstOfClusters(response);
  const revokes = mayRevoke(ctx, options);
  return (
    partial("agents-count", "outerMorph", html(<Count ctx={ctx} response={response} />)) +
    changed
      .map((row) => {
        const shown = agentRow(ctx, row, { revokes: revokes && heads.has(row), fresh: true });
        return partial(agentId(row), "outerMorph", shown);
      })
      .join("")
  );
}

/** What a row says apart from its ages: while it is the same, the stream sends ages alone. */
export function agentFacts(row: AgentRow): string {
  const instances = row.instances.map(({ seenMs, outstanding: _, ...rest }) => ({ ...rest, seen: seenMs >= 0 }));
  const { announcedMs, seenMs, certificateMs, ...rest } = row;
  const days = Math.ceil(certificateMs / day);
  return JSON.stringify({ ...rest, instances, announced: announcedMs >= 0, seen: seenMs >= 0, days });
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

function mayRevoke({ user }: PageContext, { enrolls }: EnrollOptions): boolean {
  return enrolls === "yes" && user?.role !== "readonly";
}

function Count({ ctx, response: { items } }: { ctx: PageContext; response: ListAgentsResponse }) {
  const n = items.filter(({ state }) => state === "ok").length;
  return (
    <p id="agents-count" class="hint mt-0.5">
      {items.length > 0 && say(ctx.lang, "agents.count", { n, total: items.length })}
    </p>
  );
}

interface TableProps {
  ctx: PageContext;
  response: ListAgentsResponse;
  cluster: string;
  revokes: boolean;
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

function rowsMarkup({ ctx, response, cluster, revokes }: TableProps): Markup {
  const { items } = response;
  if (items.length === 0) {
    const none = cluster === "" ? say(ctx.lang, "agents.none") : say(ctx.lang, "agents.noneOf", { cluster });
    return rendered(
      <tr class="none">
        <td colSpan={9}>
          <Empty title={none} />
        </td>
      </tr>,
    );
  }
  const heads = firstOfClusters(response);
  return join(...items.map((row) => agentRow(ctx, row, { revokes: revokes && heads.has(row) })));
}

/** Certificates are revoked by cluster: the first of its rows offers it. */
function firstOfClusters({ items }: ListAgentsResponse): Set<AgentRow> {
  return new Set(items.filter(({ cluster }, index) => cluster !== items[index - 1]?.cluster));
}
