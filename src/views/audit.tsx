// Who did what, where, and how it ended.

import { href, type OperationId } from "../contract/operation.ts";
import type { AuditEntry, ListAuditRequest, ListAuditResponse } from "../gen/lizardcd/v1/audit_pb.ts";
import { type Code, duration, say, wordsFor } from "../words/words.ts";
import { Diff } from "./diff.tsx";
import { page } from "./layout.tsx";
import { gap, Ico, kindOf, type PageContext, ReasonSentence, Since, State } from "./parts.tsx";

export interface AuditOptions {
  /** Ids of the entries that are open. */
  open?: readonly string[];
}

const outcomes = { done: "ok", refused: "refused", failed: "failed", unknown: "unknown" } as const;

export function auditPage(
  ctx: PageContext,
  response: ListAuditResponse,
  request: ListAuditRequest,
  { open = [] }: AuditOptions = {},
): string {
  const { lang } = ctx;
  return page(ctx, {
    title: say(lang, "nav.audit"),
    nav: "audit",
    children: (
      <div class="page">
        <div class="truth">
          <div>
            <h1>{say(lang, "nav.audit")}</h1>
            <p class="hint">{say(lang, "audit.lead")}</p>
          </div>
        </div>
        <section class="panel" aria-label={say(lang, "audit.entries")}>
          <Filters ctx={ctx} request={request} />
          {response.items.length === 0 ? (
            <p class="panel-b hint">{say(lang, filtered(request) ? "audit.noMatch" : "audit.none")}</p>
          ) : (
            <ul class="alist">
              {response.items.map((entry) => (
                <Entry key={entry.id} ctx={ctx} entry={entry} open={open.includes(entry.id)} />
              ))}
            </ul>
          )}
          <div class="foot">
            <span class="hint">{say(lang, "audit.shown", { n: response.items.length })}</span>
            <span class="end filters">
              {request.continue !== "" && (
                <a class="btn btn-xs" href={listHref(request)}>
                  {say(lang, "newest")}
                </a>
              )}
              {response.continue !== "" && (
                <a class="btn btn-xs" rel="next" href={listHref(request, { continue: response.continue })}>
                  {say(lang, "older")}
                </a>
              )}
            </span>
          </div>
        </section>
      </div>
    ),
  });
}

const fields = ["actor", "operation", "cluster", "outcome"] as const;

function Filters({ ctx, request }: { ctx: PageContext; request: ListAuditRequest }) {
  const { lang } = ctx;
  const text = say(lang, "audit.find");
  return (
    <form class="filters px-2 py-2" action={href("audit.list")}>
      <div class="jump m-0! w-[240px]!">
        <Ico name="search" />
        <input
          id="q"
          class="input input-sm"
          type="search"
          name="q"
          value={request.q}
          placeholder={text}
          aria-label={text}
        />
      </div>
      {fields.map((field) =>
        request[field] !== "" ? (
          <span class="chip" key={field}>
            <input type="hidden" name={field} value={request[field]} />
            {say(lang, `audit.${field}`)}{" "}
            <b>{field === "outcome" ? outcomeWord(ctx, request.outcome) : request[field]}</b>
            <a
              class="x"
              href={listHref(request, { [field]: "" })}
              aria-label={say(lang, "filter.remove", { what: request[field] })}
            >
              <Ico name="x" />
            </a>
          </span>
        ) : null,
      )}
      {request.outcome === "" && (
        <details class="menu left">
          <summary class="chip">
            {say(lang, "audit.outcome")} <b>{say(lang, "any")}</b>
            <Ico name="down" />
          </summary>
          <ul>
            {Object.keys(outcomes).map((outcome) => (
              <li key={outcome}>
                <a href={listHref(request, { outcome })}>
                  <State
                    ctx={ctx}
                    state={outcomes[outcome as keyof typeof outcomes]}
                    word={outcomeWord(ctx, outcome)}
                  />
                </a>
              </li>
            ))}
          </ul>
        </details>
      )}
      {filtered(request) && (
        <a class="lk hint" href={href("audit.list")}>
          {say(lang, "clearAll")}
        </a>
      )}
    </form>
  );
}

function Entry({ ctx, entry, open }: { ctx: PageContext; entry: AuditEntry; open: boolean }) {
  const { lang } = ctx;
  const changes = changesOf(entry);
  const state = outcomes[entry.outcome as keyof typeof outcomes] ?? "unknown";
  const there = placeOf(entry);
  return (
    <li id={`entry-${entry.id}`}>
      <details class="arow" open={open}>
        <summary>
          <span class="chev">
            <Ico name="chev" />
          </span>
          <span class="hint when">
            <Since ctx={ctx} ms={entry.agoMs} />
          </span>
          <span class="who">
            <span class="tally nar" aria-hidden="true">
              {entry.actor.slice(0, 2).toUpperCase() || "–"}
            </span>
            <b class="font-medium cut">{actorOf(ctx, entry)}</b>
          </span>
          <span class="what cut">
            <Deed ctx={ctx} entry={entry} />
          </span>
          <span class="res">
            <Outcome ctx={ctx} entry={entry} />
          </span>
        </summary>
        <div class="detail">
          <div class="grid gap-2 min-w-0 content-start grid-cols-[minmax(0,1fr)]">
            {entry.failure && (
              <p class="state whitespace-normal!">
                <svg class="mark" data-s={state} aria-hidden="true">
                  <use href={`#m-${state}`} />
                </svg>
                <span>
                  <ReasonSentence ctx={ctx} reason={entry.failure} />
                </span>
              </p>
            )}
            {changes.length > 0 && (
              <>
                <h2>{say(lang, "audit.changes")}</h2>
                <Diff ctx={ctx} changes={changes} />
              </>
            )}
            {entry.request && (
              <>
                <h2>{say(lang, "audit.request")}</h2>
                {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard */}
                <pre class="diff" tabIndex={0} role="group" aria-label={say(lang, "audit.request")}>
                  <code>{entry.request}</code>
                </pre>
              </>
            )}
            {entry.cut && <p class="hint">{say(lang, "audit.cut")}</p>}
            {there && (
              <div>
                <a class="btn btn-sm" href={there}>
                  {say(lang, "open.what", { what: `${entry.namespace}/${entry.name}` })}
                </a>
              </div>
            )}
          </div>
          <dl class="kv content-start text-xs">
            <dt>{say(lang, "audit.operation")}</dt>
            <dd>
              <a class="mono lk" href={listHref({ operation: entry.operation })}>
                {entry.operation}
              </a>
            </dd>
            <dt>{say(lang, "audit.actor")}</dt>
            <dd>
              <a class="lk" href={listHref({ actor: entry.actor })}>
                {entry.actor}
              </a>
            </dd>
            {entry.cluster && (
              <>
                <dt>{say(lang, "cluster")}</dt>
                <dd>
                  <a class="mono lk" href={listHref({ cluster: entry.cluster })}>
                    {entry.cluster}
                  </a>
                </dd>
              </>
            )}
            {entry.address && (
              <>
                <dt>{say(lang, "audit.address")}</dt>
                <dd class="mono">{entry.address}</dd>
              </>
            )}
            {entry.count > 1 && (
              <>
                <dt>{say(lang, "audit.count")}</dt>
                <dd>{say(lang, "audit.times", { count: entry.count })}</dd>
              </>
            )}
            <dt>{say(lang, "audit.door")}</dt>
            <dd>{entry.door}</dd>
            <dt>{say(lang, "audit.took")}</dt>
            <dd>{entry.tookMs < 1000 ? `${Math.round(entry.tookMs)} ms` : duration(lang, entry.tookMs)}</dd>
            <dt>{say(lang, "audit.requestId")}</dt>
            <dd class="mono">{entry.requestId}</dd>
          </dl>
        </div>
      </details>
    </li>
  );
}

const byAgents: ReadonlySet<string> = new Set<OperationId>(["trust.enroll", "trust.renew"]);

/** Agents have no account: they come with a token or a certificate. */
export function actorOf({ lang }: PageContext, { actor, operation }: AuditEntry): string {
  return actor || say(lang, byAgents.has(operation) ? "agent.some" : "nobody");
}

/** "restarted shop/web in eu-1", without its actor. */
export function Deed({ ctx, entry }: { ctx: PageContext; entry: AuditEntry }) {
  const code = deedOf(entry);
  const said = code && say(ctx.lang, code);
  const object = entry.namespace ? `${entry.namespace}/${entry.name}` : entry.name;
  return (
    <>
      {said ?? <span class="mono">{entry.operation}</span>}
      {object && (
        <>
          {said?.endsWith("：") ? "" : " "}
          <span class="mono" title={entry.resource ? kindOf(entry.resource) : undefined}>
            {object}
          </span>
        </>
      )}
      {entry.cluster && `${gap(ctx)}${say(ctx.lang, "in.cluster", { cluster: entry.cluster })}`}
    </>
  );
}

/** How it ended. */
export function Outcome({ ctx, entry: { outcome, count } }: { ctx: PageContext; entry: AuditEntry }) {
  const state = outcomes[outcome as keyof typeof outcomes] ?? "unknown";
  const word = outcomeWord(ctx, outcome);
  return <State ctx={ctx} state={state} word={count > 1 ? `${word} × ${count}` : word} />;
}

type DeedCode = Extract<Code, `deed.${string}` | `tried.${string}`>;

/**
 * "workload.restart" is said by "deed.restart", by "tried.restart" where it was not done or nobody knows. An operation
 * without a word stands as it is.
 */
function deedOf({ operation, outcome }: AuditEntry): DeedCode | undefined {
  const code = `${outcome === "done" ? "deed" : "tried"}.${operation.slice(operation.indexOf(".") + 1)}`;
  return Object.hasOwn(wordsFor("en"), code) ? (code as DeedCode) : undefined;
}

function outcomeWord(ctx: PageContext, outcome: string): string {
  const known = outcome in outcomes ? (outcome as keyof typeof outcomes) : "unknown";
  return say(ctx.lang, `outcome.${known}`);
}

// What was written into the log by another version is shown as far as it can be read.
function changesOf({ changes }: AuditEntry): { path: string; before: string; after: string }[] {
  if (changes === "") return [];
  try {
    const list: unknown = JSON.parse(changes);
    if (!Array.isArray(list)) return [];
    return list.map(({ path = "", before = "", after = "" }) => ({
      path: String(path),
      before: String(before),
      after: String(after),
    }));
  } catch {
    return [{ path: changes, before: "", after: "" }];
  }
}

function placeOf({ cluster, namespace, resource, name, operation }: AuditEntry): string | undefined {
  if (!operation.startsWith("workload.") || !cluster || !namespace || !resource || !name) return undefined;
  return href("workload.get", { cluster, namespace, resource, name });
}

function filtered(request: ListAuditRequest): boolean {
  return fields.some((field) => request[field] !== "") || request.q !== "";
}

function listHref(request: Partial<ListAuditRequest>, change: { [field: string]: unknown } = {}): string {
  const { actor, operation, cluster, outcome, q, limit } = request;
  return href("audit.list", { actor, operation, cluster, outcome, q, limit: limit || undefined, ...change });
}
