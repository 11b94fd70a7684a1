// One agent's key as a row of the table. A large fleet has a thousand of them, so they are made as text.
import { href } from "../contract/operation.ts";
import type { AgentRow, InstanceRow } from "../gen/lizardcd/v1/fleet_pb.ts";
import { problemIn } from "../words/problems.ts";
import { whySilent } from "../words/silent.ts";
import { age, duration, say, stopped, wordsFor } from "../words/words.ts";
import { objectId } from "./id.ts";
import { type PageContext, type StateKey, stamp, stateOf } from "./parts.tsx";
import { join, type Markup, markup } from "./render.ts";
import { clusterWord } from "./tile.tsx";

export interface AgentRowOptions {
  /** Offers to revoke the cluster's certificates. */
  revokes: boolean;
  fresh?: boolean;
}

export function agentId({ key }: AgentRow): string {
  return objectId("agent", key);
}

export function agentRow(ctx: PageContext, row: AgentRow, { revokes, fresh }: AgentRowOptions): Markup {
  const { lang } = ctx;
  const words = wordsFor(lang);
  const state = stateOf(row.state);
  const lost = state === "lost" || state === "unknown";
  return join(
    markup`<tr id="${agentId(row)}"`,
    fresh ? markup` class="fresh"` : none,
    markup` data-k="${state}" data-c="agent ${row.key}"><td>`,
    mark(state),
    markup`<span class="word">${clusterWord(ctx, state)}</span></td><th scope="row">`,
    keyMarkup(row),
    row.failure || row.enrolledMs !== undefined ? markup`<p class="hint">${stopped(lang, whyOf(ctx, row))}</p>` : none,
    refused(ctx, row),
    markup`</th><td data-l="${words.instances}">`,
    instances(ctx, row),
    markup`</td><td class="mono" data-l="${words.registries}">${row.sources.join(", ")}</td><td data-l="${words.announced}">`,
    // There is a row for what is announced, for what was, and for what is enrolled and will be.
    row.announcedMs < 0 && row.failure
      ? markup`<span class="dim">${words["announced.gone"]}</span>`
      : aged(ctx, row.announcedMs),
    markup`</td><td data-l="${words.seen}">`,
    aged(ctx, row.seenMs, lost),
    markup`</td><td class="mono" data-l="${words.version}">${row.version}</td><td data-l="${words.certificate}">`,
    certificate(ctx, row),
    markup`</td><td>`,
    revokes ? revoke(ctx, row.cluster) : none,
    markup`</td></tr>`,
  );
}

const none = markup``;

// The key as it stands in the registry; what tells one from another stands out.
function keyMarkup({ key, namespace, cluster }: AgentRow): Markup {
  const tail = `${namespace}.${cluster}`;
  if (!key.endsWith(tail)) return markup`<span class="mono">${key}</span>`;
  const begin = key.slice(0, -tail.length);
  return markup`<a class="mono lk" href="${href("agent.info", { cluster })}"><i>${begin}</i>${namespace}<i>.</i><b>${cluster}</b></a>`;
}

// The key stands above it already.
function whyOf({ lang }: PageContext, row: AgentRow): string {
  const { failure } = row;
  const problem = failure?.params.problem;
  if (problem && failure.code === "agent.unavailable") return say(lang, "agent.silent", { problem });
  if (problem && failure.code === "agent.untrusted") return say(lang, "agent.untrusted", { problem });
  if (problem && failure.code === "agent.answer_refused") return say(lang, "agent.notBelieved", { problem });
  return whySilent(lang, row);
}

function refused({ lang }: PageContext, { refused: n, refusedProblem }: AgentRow): Markup {
  if (n === 0) return none;
  const problem = problemIn(lang, refusedProblem);
  return markup`<p class="hint text-warn">${stopped(lang, say(lang, "agent.refused", { n, problem }))}</p>`;
}

function instances(ctx: PageContext, row: AgentRow): Markup {
  const { lang } = ctx;
  const words = wordsFor(lang);
  const total = row.instances.length;
  if (total === 0) return markup`<span class="dim">${words["instances.none"]}</span>`;
  const n = row.state === "lost" ? 0 : row.instances.filter(({ answering }) => answering).length;
  const some =
    row.state === "unknown" ? say(lang, "instances.unknown", { total }) : say(lang, "instances.some", { n, total });
  return join(
    markup`<details class="inst" id="${agentId(row)}-i"><summary><span class="chev"><svg class="ico s" aria-hidden="true"><use href="#i-chev"/></svg></span>`,
    n < total && row.state === "ok"
      ? markup`<span class="text-warn font-medium">${some}</span>`
      : markup`<span>${some}</span>`,
    markup`</summary><ul>`,
    ...row.instances.map((one) => instance(ctx, one, row.state === "lost")),
    markup`</ul></details>`,
  );
}

function instance(ctx: PageContext, { address, answering, outstanding, seenMs, sources }: InstanceRow, lost: boolean) {
  const { lang } = ctx;
  const words = wordsFor(lang);
  const state = lost || !answering ? "lost" : seenMs < 0 ? "unknown" : "ok";
  const said = { ok: words["instance.ok"], lost: words["instance.out"], unknown: clusterWord(ctx, "unknown") };
  return join(
    markup`<li>`,
    mark(state, said[state]),
    address === "tunnel"
      ? markup`<span>${words["instance.tunnel"]}</span>`
      : markup`<span class="mono" title="${sources.join(", ")}">${address}</span>`,
    aged(ctx, seenMs, state !== "ok"),
    outstanding > 0 ? markup`<span class="dim">${say(lang, "instance.calls", { n: outstanding })}</span>` : none,
    markup`</li>`,
  );
}

/** A certificate that ends sooner is a worry: renewal begins long before. */
const soonMs = 7 * 86_400_000;

function certificate({ lang }: PageContext, { certificateMs, seenMs, instances: { length } }: AgentRow): Markup {
  if (certificateMs > 0) {
    const ends = say(lang, "certificate.ends", { time: duration(lang, certificateMs) });
    if (certificateMs >= soonMs) return markup`${ends}`;
    return join(markup`<span class="tag" data-s="warn">`, mark("degraded"), markup`${ends}</span>`);
  }
  if (seenMs < 0 || length === 0) return none;
  const words = wordsFor(lang);
  return markup`<span class="dim" title="${words["certificate.noneLong"]}">${words["certificate.none"]}</span>`;
}

function revoke({ lang }: PageContext, cluster: string): Markup {
  const words = wordsFor(lang);
  const what = say(lang, "revoke.what", { cluster });
  return markup`<a class="btn btn-xs btn-ghost" href="${href("fleet.listAgents", { cluster })}#cut-off" data-revoke="${cluster}" aria-label="${what}">${words.revoke}</a>`;
}

function mark(state: StateKey, label = ""): Markup {
  const said = label === "" ? markup` aria-hidden="true"` : markup` role="img" aria-label="${label}"`;
  return join(markup`<svg class="mark" data-s="${state}"`, said, markup`><use href="#m-${state}"/></svg>`);
}

function aged(ctx: PageContext, ms: number, lost = false): Markup {
  const how = lost || ms < 0 ? markup` data-a="lost"` : ms > 60_000 ? markup` data-a="old"` : none;
  const at = stamp(ctx, ms);
  return join(
    markup`<time class="age"`,
    how,
    at === undefined ? none : markup` data-t="${at}"`,
    markup`>${age(ctx.lang, ms)}</time>`,
  );
}
