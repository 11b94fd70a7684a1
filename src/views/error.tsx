// What went wrong, with which object, and what to do next.

import { type FailureCode, failures, grpcCode } from "../contract/errors.ts";
import { href } from "../contract/operation.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import { say, sentencePieces, stopped, textOf } from "../words/words.ts";
import { page } from "./layout.tsx";
import { Callout, Ico, Mark, type PageContext, ReasonSentence, Said, Toast } from "./parts.tsx";
import { html, partial } from "./render.ts";

interface Kind {
  state: "lost" | "refused" | "failed" | "unknown" | "stale";
  word:
    | "error.unreachable"
    | "error.refused"
    | "error.invalid"
    | "error.notFound"
    | "error.failed"
    | "error.conflict"
    | "error.signedOut"
    | "error.unknown"
    | "error.busy";
  /** True where asking again may help. */
  again: boolean;
}

const grpcOf = ({ code }: Failure) => (code in failures ? failures[code as FailureCode].grpc : grpcCode.unknown);

function kindOf(failure: Failure, status: number): Kind {
  if (failure.code === "request.outcome_unknown" || failure.code === "request.not_seen")
    return { state: "unknown", word: "error.unknown", again: false };
  if (status === 401) return { state: "refused", word: "error.signedOut", again: false };
  if (status === 403) return { state: "refused", word: "error.refused", again: false };
  if (status === 404) return { state: "unknown", word: "error.notFound", again: failure.code === "agent.none" };
  // What the object's own state forbids is no race: asking again meets the same.
  if (grpcOf(failure) === grpcCode.precondition) return { state: "refused", word: "error.refused", again: false };
  if (status === 409) return { state: "stale", word: "error.conflict", again: true };
  if (status === 429) return { state: "stale", word: "error.busy", again: true };
  if (status === 503 || status === 504) return { state: "lost", word: "error.unreachable", again: true };
  if (status < 500) return { state: "refused", word: "error.invalid", again: false };
  return { state: "failed", word: "error.failed", again: true };
}

// What the sentence itself does not say.
const hints: { [code: string]: "hint.agentSilent" | "hint.clusterSilent" } = {
  "agent.unavailable": "hint.agentSilent",
  "cluster.unreachable": "hint.clusterSilent",
};

/** A whole page, in the frame of whoever asked. */
export function errorPage(ctx: PageContext, failure: Failure, status: number): string {
  const { lang } = ctx;
  const { head, rest } = sentencePieces(lang, failure);
  const { state, word, again } = kindOf(failure, status);
  const next = hints[failure.code];
  return page(ctx, {
    title: textOf(head),
    children: (
      <div class="centre">
        <div class="w-full max-w-[640px] grid grid-cols-[minmax(0,1fr)] gap-5">
          <div class="grid gap-2">
            <span class="state flex-wrap">
              <Mark state={state} />
              <span class="word" data-s={state}>
                {say(lang, word)}
              </span>
              <span class="hint">
                {status}
                {failure.requestId && `, ${say(lang, "error.request", { id: failure.requestId })}`}
              </span>
            </span>
            <h1 class="text-2xl! wrap-anywhere">{stopped(lang, textOf(head))}</h1>
            {rest.length > 0 && (
              <p class="text-muted text-base wrap-anywhere">
                <Said parts={[...rest, stopped(lang, textOf(rest)).slice(textOf(rest).length)]} />
              </p>
            )}
            {next && <p class="text-muted text-base">{say(lang, next)}</p>}
            {failure.object && (
              <p class="text-muted">
                {say(lang, "error.object")} <code class="text-base-content">{failure.object}</code>
              </p>
            )}
          </div>
          <div class="flex flex-wrap gap-2">
            {again && (
              <a class="btn btn-sm btn-primary" href={ctx.path}>
                <Ico name="restart" />
                {say(lang, "tryAgain")}
              </a>
            )}
            {status === 401 ? (
              <a class="btn btn-sm btn-primary" href="/login">
                {say(lang, "login")}
              </a>
            ) : (
              <a class={again ? "btn btn-sm" : "btn btn-sm btn-primary"} href={href("fleet.get")}>
                {say(lang, "toFleet")}
              </a>
            )}
            {status === 404 && (
              <a class="btn btn-sm" href={href("fleet.listWorkloads")}>
                {say(lang, "toWorkloads")}
              </a>
            )}
          </div>
        </div>
      </div>
    ),
  });
}

/**
 * The answer to a form that htmx posted: a sentence at the object and a toast that stays.
 * @param target the request's HX-Target: a preview shows the sentence in its own place.
 */
export function errorFragment(ctx: PageContext, failure: Failure, status: number, target = ""): string {
  const { state } = kindOf(failure, status);
  const callout = html(
    <Callout state={state === "stale" || state === "lost" ? state : "failed"}>
      <ReasonSentence ctx={ctx} reason={failure} />
      {failure.requestId && <span class="hint"> {say(ctx.lang, "error.request", { id: failure.requestId })}</span>}
    </Callout>,
  );
  if (/image-preview|invitation/.test(target)) return `<div class="p-4">${callout}</div>`;
  const toast = html(
    <Toast ctx={ctx} state={state}>
      <ReasonSentence ctx={ctx} reason={failure} />
    </Toast>,
  );
  return toast + partial("failure", "innerHTML", callout);
}
