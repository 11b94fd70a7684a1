// One cluster: its agent, its namespaces, its counts. What each page shows was answered just now.
import { href } from "../contract/operation.ts";
import type { AgentInfo, SummaryResponse } from "../gen/lizardcd/v1/agent_pb.ts";
import type { ListNamespacesResponse } from "../gen/lizardcd/v1/namespace_pb.ts";
import { grouped, say, sentence } from "../words/words.ts";
import { page } from "./layout.tsx";
import {
  Age,
  Callout,
  Empty,
  Mark,
  type PageContext,
  Pods,
  ReasonSentence,
  Since,
  stateOf,
  stateWord,
} from "./parts.tsx";

const sections = ["agent", "namespaces", "summary"] as const;
type Section = (typeof sections)[number];

const paths = { agent: "agent.info", namespaces: "namespace.list", summary: "agent.summary" } as const;

interface FrameOptions {
  cluster: string;
  section: Section;
  title: string;
  lead?: preact.ComponentChildren;
  children: preact.ComponentChildren;
}

function frame(ctx: PageContext, { cluster, section, title, lead, children }: FrameOptions): string {
  const { lang } = ctx;
  return page(ctx, {
    title,
    nav: "fleet",
    children: (
      <div class="page">
        <nav class="crumbs" aria-label={say(lang, "crumbs")}>
          <a href={href("fleet.get")}>{say(lang, "nav.fleet")}</a> / <span class="mono">{cluster}</span>
        </nav>
        <div class="truth">
          <div class="min-w-0">
            <h1 class="wrap-anywhere">{title}</h1>
            {lead && <p class="hint mt-0.5">{lead}</p>}
          </div>
          <nav class="filters end" aria-label={say(lang, "cluster.sections", { cluster })}>
            {sections.map((one) => (
              <a
                key={one}
                class="chip"
                href={href(paths[one], { cluster })}
                aria-current={one === section ? "page" : undefined}
              >
                {say(lang, `cluster.${one}`)}
              </a>
            ))}
            <a class="chip" href={href("fleet.listWorkloads", { cluster })}>
              {say(lang, "nav.workloads")}
            </a>
          </nav>
        </div>
        {children}
      </div>
    ),
  });
}

export function agentPage(ctx: PageContext, info: AgentInfo, { cluster }: { cluster: string }): string {
  const { lang } = ctx;
  const labels = Object.entries(info.labels);
  return frame(ctx, {
    cluster,
    section: "agent",
    title: say(lang, "cluster.agentOf", { cluster }),
    lead: say(lang, "cluster.answered"),
    children: (
      <section class="panel" aria-label={say(lang, "facts")}>
        <dl class="kv panel-b">
          <dt>{say(lang, "cluster.keys")}</dt>
          <dd>
            <a class="lk" href={href("fleet.listAgents", { cluster })}>
              {info.keys.map((key) => (
                <span class="mono block" key={key}>
                  {key}
                </span>
              ))}
            </a>
          </dd>
          <dt>{say(lang, "version")}</dt>
          <dd class="mono">{info.version}</dd>
          <dt>Kubernetes</dt>
          <dd>
            <span class="mono">{info.kubernetesVersion}</span>
            {info.simulated && <span class="hint block">{say(lang, "cluster.simulated")}</span>}
          </dd>
          <dt>{say(lang, "scope")}</dt>
          <dd>
            {info.scope.includes("*") ? say(lang, "scope.cluster") : <span class="mono">{info.scope.join(", ")}</span>}
          </dd>
          {labels.length > 0 && (
            <>
              <dt>{say(lang, "labels")}</dt>
              <dd class="keys">
                {labels.map(([name, value]) => (
                  <span class="tag mono" key={name}>
                    {name}={value}
                  </span>
                ))}
              </dd>
            </>
          )}
          <dt>{say(lang, "started")}</dt>
          <dd>
            <Since ctx={ctx} ms={info.startedMs} />
          </dd>
          <dt>{say(lang, "instance")}</dt>
          <dd class="mono">{info.instance}</dd>
        </dl>
      </section>
    ),
  });
}

export function namespacesPage(
  ctx: PageContext,
  response: ListNamespacesResponse,
  { cluster }: { cluster: string },
): string {
  const { lang } = ctx;
  return frame(ctx, {
    cluster,
    section: "namespaces",
    title: say(lang, "namespaces.of", { cluster }),
    lead: (
      <>
        {say(lang, "namespaces.count", { n: response.items.length })} · {say(lang, "seen.verb")}{" "}
        <Age ctx={ctx} ms={response.ageMs} />
      </>
    ),
    children: (
      <section class="panel" aria-label={say(lang, "cluster.namespaces")}>
        {response.items.length === 0 ? (
          <Empty title={say(lang, "namespaces.none")} />
        ) : (
          <table class="tbl">
            <caption class="sr-only">{say(lang, "cluster.namespaces")}</caption>
            <thead>
              <tr>
                <th scope="col">{say(lang, "name")}</th>
                <th scope="col">{say(lang, "nav.workloads")}</th>
                <th scope="col">{say(lang, "phase")}</th>
              </tr>
            </thead>
            <tbody>
              {response.items.map(({ name, workloads, phase }) => (
                <tr key={name}>
                  <th scope="row">
                    <a class="mono lk" href={href("fleet.listWorkloads", { cluster, namespace: name })}>
                      {name}
                    </a>
                  </th>
                  <td>{grouped(workloads)}</td>
                  <td class="text-muted">{phase}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
    ),
  });
}

const order = ["failed", "degraded", "run", "paused", "zero", "ok"] as const;

export function summaryPage(ctx: PageContext, summary: SummaryResponse, { cluster }: { cluster: string }): string {
  const { lang } = ctx;
  const { workloads, namespaces, podsReady: ready, podsDesired: desired } = summary;
  return frame(ctx, {
    cluster,
    section: "summary",
    title: say(lang, "summary.of", { cluster }),
    lead: (
      <>
        {say(lang, "summary.sums", { workloads, namespaces, ready, desired })} · {say(lang, "seen.verb")}{" "}
        <Age ctx={ctx} ms={summary.watchAgeMs} />
      </>
    ),
    children: (
      <>
        {summary.failure && (
          <Callout state="stale">
            <ReasonSentence ctx={ctx} reason={summary.failure} />
          </Callout>
        )}
        {!summary.synced && <Callout state="unknown">{say(lang, "summary.notSynced")}</Callout>}
        <div class="filters">
          {order.map((state) => {
            const count = summary.states[state] ?? 0;
            return (
              count > 0 && (
                <a class="chip" key={state} href={href("fleet.listWorkloads", { cluster, state })}>
                  <Mark state={state} />
                  {stateWord(lang, state)} <b>{grouped(count)}</b>
                </a>
              )
            );
          })}
        </div>
        <Worst ctx={ctx} summary={summary} cluster={cluster} />
      </>
    ),
  });
}

function Worst({ ctx, summary, cluster }: { ctx: PageContext; summary: SummaryResponse; cluster: string }) {
  const { lang } = ctx;
  return (
    <section class="panel" aria-labelledby="h-worst">
      <header class="panel-h">
        <h2 id="h-worst">{say(lang, "summary.worst")}</h2>
        {summary.worst.length > 0 && <span class="hint end pr-2">{say(lang, "worstFirst")}</span>}
      </header>
      {summary.worst.length === 0 ? (
        <p class="panel-b state text-muted">
          <Mark state={summary.synced ? "ok" : "unknown"} />
          {say(lang, summary.synced ? "summary.calm" : "summary.notSynced")}
        </p>
      ) : (
        <ol class="att">
          {summary.worst.map(({ namespace, resource, name, state, desired, ready, reason }) => {
            const there = href("workload.get", { cluster, namespace, resource, name });
            return (
              <li key={there}>
                <Mark state={state} label={stateWord(lang, stateOf(state))} />
                <span class="who cut">
                  <a class="mono lk font-medium" href={there}>
                    {namespace}/{name}
                  </a>
                </span>
                <p class="why" title={reason ? sentence(lang, reason) : undefined}>
                  {reason ? <ReasonSentence ctx={ctx} reason={reason} /> : stateWord(lang, state)}
                </p>
                <Pods ctx={ctx} ready={ready} desired={desired} />
                <span class="since hint text-right">
                  {reason && reason.sinceMs > 0 && <Since ctx={ctx} ms={reason.sinceMs} bare />}
                </span>
                <a
                  class="do btn btn-xs"
                  href={there}
                  aria-label={say(lang, "open.what", { what: `${namespace}/${name}` })}
                >
                  {say(lang, "open")}
                </a>
              </li>
            );
          })}
        </ol>
      )}
    </section>
  );
}
