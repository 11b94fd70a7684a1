// The agents: what registries say of each key beside what it last answered, and how one is enrolled or cut off.
import { href } from "../contract/operation.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import type { AgentRow, InstanceRow, ListAgentsRequest, ListAgentsResponse } from "../gen/lizardcd/v1/fleet_pb.ts";
import { duration, say, sentence, stopped } from "../words/words.ts";
import { Enroll, type EnrollOptions } from "./enroll.tsx";
import { objectId } from "./id.ts";
import { page } from "./layout.tsx";
import { Age, Callout, Empty, Ico, Mark, type PageContext, Stream, stamp, stateOf } from "./parts.tsx";
import { html, partial } from "./render.ts";
import { RevokeDialog, RevokeForm } from "./revoke.tsx";
import { clusterWord } from "./tile.tsx";

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
    partial("agents", "innerMorph", html(<Rows {...props} />)) +
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
        const first = revokes && heads.has(row);
        return partial(rowId(row), "outerMorph", html(<Row ctx={ctx} row={row} revokes={first} fresh />));
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
/** A certificate that ends sooner is a worry: renewal begins long before. */
const soonMs = 7 * day;

function rowId({ key }: AgentRow): string {
  return objectId("agent", key);
}

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
      <tbody id="agents">
        <Rows {...props} />
      </tbody>
    </table>
  );
}

function Rows({ ctx, response, cluster, revokes }: TableProps) {
  const heads = firstOfClusters(response);
  if (response.items.length === 0) {
    const none = cluster === "" ? say(ctx.lang, "agents.none") : say(ctx.lang, "agents.noneOf", { cluster });
    return (
      <tr class="none">
        <td colSpan={9}>
          <Empty title={none} />
        </td>
      </tr>
    );
  }
  return (
    <>
      {response.items.map((row) => (
        <Row key={row.key} ctx={ctx} row={row} revokes={revokes && heads.has(row)} />
      ))}
    </>
  );
}

/** Certificates are revoked by cluster: the first of its rows offers it. */
function firstOfClusters({ items }: ListAgentsResponse): Set<AgentRow> {
  return new Set(items.filter(({ cluster }, index) => cluster !== items[index - 1]?.cluster));
}

function Row({ ctx, row, revokes, fresh }: { ctx: PageContext; row: AgentRow; revokes: boolean; fresh?: boolean }) {
  const { lang } = ctx;
  const state = stateOf(row.state);
  const lost = state === "lost" || state === "unknown";
  return (
    <tr id={rowId(row)} class={fresh ? "fresh" : undefined} data-k={state} data-c={`agent ${row.key}`}>
      <td>
        <Mark state={state} />
        <span class="word">{clusterWord(ctx, state)}</span>
      </td>
      <th scope="row">
        <Key row={row} />
        {row.failure && <p class="hint">{stopped(lang, whyOf(ctx, row.failure))}</p>}
      </th>
      <td data-l={say(lang, "instances")}>
        <Instances ctx={ctx} row={row} />
      </td>
      <td class="mono" data-l={say(lang, "registries")}>
        {row.sources.join(", ")}
      </td>
      <td data-l={say(lang, "announced")}>
        <Age ctx={ctx} ms={row.announcedMs} />
      </td>
      <td data-l={say(lang, "seen")}>
        <Age ctx={ctx} ms={row.seenMs} lost={lost} />
      </td>
      <td class="mono" data-l={say(lang, "version")}>
        {row.version}
      </td>
      <td data-l={say(lang, "certificate")}>
        <Certificate ctx={ctx} row={row} />
      </td>
      <td>
        {revokes && (
          <a
            class="btn btn-xs btn-ghost"
            href={`${href("fleet.listAgents", { cluster: row.cluster })}#cut-off`}
            data-revoke={row.cluster}
            aria-label={say(lang, "revoke.what", { cluster: row.cluster })}
          >
            {say(lang, "revoke")}
          </a>
        )}
      </td>
    </tr>
  );
}

// The key stands above it already.
function whyOf({ lang }: PageContext, failure: Failure): string {
  const { problem } = failure.params;
  if (problem && failure.code === "agent.unavailable") return say(lang, "agent.silent", { problem });
  if (problem && failure.code === "agent.untrusted") return say(lang, "agent.untrusted", { problem });
  return sentence(lang, failure);
}

// The key as it stands in the registry; what tells one from another stands out.
function Key({ row: { key, namespace, cluster } }: { row: AgentRow }) {
  const tail = `${namespace}.${cluster}`;
  if (!key.endsWith(tail)) return <span class="mono">{key}</span>;
  return (
    <a class="mono lk" href={href("agent.info", { cluster })} title={key}>
      <i>{key.slice(0, -tail.length)}</i>
      {namespace}
      <i>.</i>
      <b>{cluster}</b>
    </a>
  );
}

function Instances({ ctx, row }: { ctx: PageContext; row: AgentRow }) {
  const { lang } = ctx;
  const total = row.instances.length;
  if (total === 0) return <span class="dim">{say(lang, "instances.none")}</span>;
  const n = row.state === "lost" ? 0 : row.instances.filter(({ answering }) => answering).length;
  return (
    <details class="inst" id={`${rowId(row)}-i`}>
      <summary>
        <span class="chev">
          <Ico name="chev" />
        </span>
        <span class={n < total && row.state === "ok" ? "text-warn font-medium" : undefined}>
          {row.state === "unknown"
            ? say(lang, "instances.unknown", { total })
            : say(lang, "instances.some", { n, total })}
        </span>
      </summary>
      <ul>
        {row.instances.map((instance) => (
          <Instance key={instance.address} ctx={ctx} instance={instance} lost={row.state === "lost"} />
        ))}
      </ul>
    </details>
  );
}

function Instance({ ctx, instance, lost }: { ctx: PageContext; instance: InstanceRow; lost: boolean }) {
  const { lang } = ctx;
  const { address, answering, outstanding, seenMs, sources } = instance;
  const state = lost || !answering ? "lost" : seenMs < 0 ? "unknown" : "ok";
  const word = state === "ok" ? say(lang, "instance.ok") : say(lang, "instance.out");
  return (
    <li>
      <Mark state={state} label={state === "unknown" ? clusterWord(ctx, state) : word} />
      <span class={address === "tunnel" ? undefined : "mono"} title={sources.join(", ")}>
        {address === "tunnel" ? say(lang, "instance.tunnel") : address}
      </span>
      <Age ctx={ctx} ms={seenMs} lost={state !== "ok"} />
      {outstanding > 0 && <span class="dim">{say(lang, "instance.calls", { n: outstanding })}</span>}
    </li>
  );
}

function Certificate({ ctx, row: { certificateMs, seenMs } }: { ctx: PageContext; row: AgentRow }) {
  const { lang } = ctx;
  if (certificateMs > 0) {
    const time = duration(lang, certificateMs);
    const soon = certificateMs < soonMs;
    return (
      <span class={soon ? "tag" : undefined} data-s={soon ? "warn" : undefined}>
        {soon && <Mark state="degraded" />}
        {say(lang, "certificate.ends", { time })}
      </span>
    );
  }
  if (seenMs < 0) return null;
  return (
    <span class="dim" title={say(lang, "certificate.noneLong")}>
      {say(lang, "certificate.none")}
    </span>
  );
}
