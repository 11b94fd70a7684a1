// One workload: what it is, why it is not well, what it moves to, and what one can do about it.

import { href } from "../contract/operation.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import type { Condition, EventRow, Pod, Workload } from "../gen/lizardcd/v1/workload_pb.ts";
import { say } from "../words/words.ts";
import { page } from "./layout.tsx";
import {
  Age,
  Callout,
  gap,
  Ico,
  Image,
  kindOf,
  Mark,
  type PageContext,
  Panel,
  ReasonSentence,
  Say,
  Since,
  State,
  Stream,
  sentenceOf,
  strategyText,
} from "./parts.tsx";
import { html, partial } from "./render.ts";
import { podWord, Rollout } from "./rollout.tsx";
import { keyOf, readyText } from "./row.tsx";
import { AskDialog, type AskedWrite, ImageDialog, ScaleDialog, type WorkloadWrite } from "./write.tsx";

export { dryRunPage, dryRunToast, imagePage, imagePreview, type WorkloadWrite, writeDone } from "./write.tsx";

export interface WorkloadOptions {
  /** Stale or lost as the server sees its cluster: then nothing is offered and nothing is green. */
  state?: "stale" | "lost";
  /** What the last attempt met, said at the object. */
  failure?: Failure;
  /** The write that brought the browser here: shown once, for browsers without scripts. */
  done?: WorkloadWrite;
}

export function workloadPage(ctx: PageContext, workload: Workload, options: WorkloadOptions = {}): string {
  const row = workload.row!;
  const key = keyOf(row);
  return page(ctx, {
    title: say(ctx.lang, "workload.title", { name: `${row.namespace}/${row.name}`, cluster: row.cluster }),
    nav: "workloads",
    children: (
      <div class="page">
        {options.done && (
          <Callout state="ok">
            {say(ctx.lang, `done.${options.done}`, { name: `${row.namespace}/${row.name}`, cluster: row.cluster })}
          </Callout>
        )}
        <div id="failure" aria-live="assertive">
          {options.failure && (
            <Callout state="failed">
              <ReasonSentence ctx={ctx} reason={options.failure} />
            </Callout>
          )}
        </div>
        <Body ctx={ctx} workload={workload} options={options} />
        <Stream href={`${href("workload.get", key)}/live`} />
        {canScale(workload) && <ScaleDialog ctx={ctx} workload={workload} />}
        <ImageDialog ctx={ctx} workload={workload} />
        {asked(workload).map((verb) => (
          <AskDialog key={verb} ctx={ctx} workload={workload} verb={verb} />
        ))}
      </div>
    ),
  });
}

/** The part that the stream replaces, as a fragment. */
export function workloadBody(ctx: PageContext, workload: Workload, options: WorkloadOptions = {}): string {
  return html(<Body ctx={ctx} workload={workload} options={options} />);
}

/** The same as a stream message: morphed in place, so that focus and open details stay. */
export function workloadLive(ctx: PageContext, workload: Workload, options: WorkloadOptions = {}): string {
  return partial("workload", "outerMorph", workloadBody(ctx, workload, options));
}

function Body({ ctx, workload, options }: { ctx: PageContext; workload: Workload; options: WorkloadOptions }) {
  const { lang } = ctx;
  const state = options.state ?? workload.row!.state;
  const row = { ...workload.row!, state };
  const unsure = options.state !== undefined;
  const ready = unsure
    ? `${readyText(row)} ${say(lang, "podsReady")}`
    : say(lang, "pods.ready", { ready: row.ready, desired: row.desired });
  return (
    <div id="workload" class="grid gap-3.5 grid-cols-[minmax(0,1fr)]" data-c={row.cluster}>
      <div class="grid gap-2">
        <nav class="crumbs" aria-label={say(lang, "crumbs")}>
          <a href={href("fleet.listWorkloads", { cluster: [row.cluster] })}>{row.cluster}</a>
          <span aria-hidden="true">/</span>
          <a href={href("fleet.listWorkloads", { cluster: [row.cluster], namespace: [row.namespace] })}>
            {row.namespace}
          </a>
          <span aria-hidden="true">/</span>
          <span>{kindOf(row.resource)}</span>
        </nav>
        <div class="truth items-center!">
          <div class="flex items-center gap-x-3 gap-y-1 flex-wrap min-w-0">
            <h1 class="mono wrap-anywhere">{row.name}</h1>
            <State
              ctx={ctx}
              state={state}
              word={row.reason?.code === "rollout.deadline" ? say(lang, "rollout.stuck") : undefined}
            />
            <span class="hint">
              {ready} · {say(lang, "seen.verb")} <Age ctx={ctx} ms={workload.ageMs} lost={options.state === "lost"} />
            </span>
          </div>
          {!unsure && <Actions ctx={ctx} workload={workload} />}
        </div>
      </div>
      {unsure && (
        <Callout state={state}>
          <b class="font-semibold">
            {say(lang, options.state === "lost" ? "lost.head" : "stale.head", { cluster: row.cluster })}
          </b>
          {gap(ctx)}
          {say(lang, "stale.rest")}
        </Callout>
      )}
      {row.reason && (
        <Callout state={unsure ? state : row.state === "ok" ? "run" : row.state}>
          <ReasonSentence ctx={ctx} reason={row.reason} />{" "}
          <span class="text-muted">
            {ready}
            {row.reason.sinceMs > 0 && (
              <>
                {say(lang, "comma")}
                {say(lang, "for")} <Since ctx={ctx} ms={row.reason.sinceMs} bare />
              </>
            )}
          </span>
        </Callout>
      )}
      {workload.notes.map((note) => (
        <p class="hint" key={note.code}>
          {sentenceOf(ctx, note)}
        </p>
      ))}
      <div class="split">
        <div class="grid gap-4 grid-cols-[minmax(0,1fr)]">
          <Rollout ctx={ctx} workload={workload} state={state} />
          {(workload.pods.length > 0 || row.desired > 0) && (
            <Pods ctx={ctx} pods={workload.pods} of={row.name} unsure={unsure} />
          )}
          <Conditions ctx={ctx} conditions={workload.conditions} unsure={unsure} />
          {workload.events.length > 0 && <Events ctx={ctx} events={workload.events} />}
        </div>
        <Facts ctx={ctx} workload={workload} />
      </div>
    </div>
  );
}

/** Where replicas are a number that a person may set: beside an autoscaler 0 switches it off, and more on again. */
function canScale({ row }: Workload): boolean {
  return row!.resource !== "daemonsets";
}

/** Which of the two the buttons offer changes while one looks: the page has both. */
function asked({ row }: Workload): AskedWrite[] {
  return row!.resource === "deployments" ? ["restart", "pause", "resume"] : ["restart"];
}

function Actions({ ctx, workload }: { ctx: PageContext; workload: Workload }) {
  return (
    <div class="filters end">
      {canScale(workload) && (
        <button type="button" class="btn btn-sm" command="show-modal" commandfor="scale" data-key="s">
          <Ico name="scale" />
          {say(ctx.lang, "scale")}
        </button>
      )}
      <button type="button" class="btn btn-sm" command="show-modal" commandfor="restart" data-key="r">
        <Ico name="restart" />
        {say(ctx.lang, "restart")}
      </button>
      {workload.row!.resource === "deployments" && <PauseButton ctx={ctx} workload={workload} />}
      <button type="button" class="btn btn-sm btn-primary" command="show-modal" commandfor="set-image" data-key="i">
        <Ico name="image" />
        {say(ctx.lang, "setImage")}
      </button>
    </div>
  );
}

function PauseButton({ ctx, workload }: { ctx: PageContext; workload: Workload }) {
  const verb = workload.paused ? "resume" : "pause";
  return (
    <button type="button" class="btn btn-sm" command="show-modal" commandfor={verb}>
      <Ico name={workload.paused ? "play" : "pause"} />
      {say(ctx.lang, verb)}
    </button>
  );
}

function Pods({ ctx, pods, of, unsure }: { ctx: PageContext; pods: readonly Pod[]; of: string; unsure: boolean }) {
  const { lang } = ctx;
  return (
    <Panel
      id="h-pods"
      title={say(lang, "pods")}
      hint={pods.length > 0 ? say(lang, "pods.order", { n: pods.length }) : say(lang, "pods.none")}
    >
      {pods.length > 0 && (
        <table class="tbl still">
          <thead>
            <tr>
              <th scope="col">{say(lang, "state")}</th>
              <th scope="col">{say(lang, "pod")}</th>
              <th scope="col" class="nar">
                {say(lang, "revision")}
              </th>
              <th scope="col" class="nar">
                {say(lang, "restarts")}
              </th>
              <th scope="col" class="nar">
                {say(lang, "ageOf")}
              </th>
              <th scope="col" class="nar">
                {say(lang, "node")}
              </th>
            </tr>
          </thead>
          <tbody>
            {pods.map((pod) => (
              <tr key={pod.name}>
                <td class="pod-state">
                  <State
                    ctx={ctx}
                    state={unsure ? "stale" : pod.state === "gone" || pod.state === "over" ? "wait" : pod.state}
                    word={podWord(ctx, pod)}
                  />
                </td>
                <th scope="row" class="mono" title={pod.name}>
                  <PodName name={pod.name} of={of} />
                </th>
                <td class="nar">{pod.revision && <span class="tag mono">{pod.revision}</span>}</td>
                <td class="nar text-muted">{pod.restarts}</td>
                <td class="nar text-muted">
                  <Since ctx={ctx} ms={pod.createdMs} bare />
                </td>
                <td class="nar mono text-muted">{pod.node || "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

// On a phone the part that all pods share is cut, the part that tells them apart is not.
function PodName({ name, of }: { name: string; of: string }) {
  const cut = name.startsWith(`${of}-`) ? name.lastIndexOf("-") + 1 : 0;
  return (
    <>
      <span class="nar">{name.slice(0, cut)}</span>
      {name.slice(cut)}
    </>
  );
}

const badWhenTrue = new Set(["ReplicaFailure", "Stalled"]);

function Conditions({
  ctx,
  conditions,
  unsure,
}: {
  ctx: PageContext;
  conditions: readonly Condition[];
  unsure: boolean;
}) {
  if (conditions.length === 0) return null;
  return (
    <Panel id="h-cond" title={say(ctx.lang, "conditions")}>
      {conditions.map(({ type, status, reason, message, sinceMs }) => {
        const good = status === "Unknown" ? undefined : (status === "True") !== badWhenTrue.has(type);
        return (
          <div class="cond" key={type}>
            <Mark state={unsure ? "stale" : good === undefined ? "unknown" : good ? "ok" : "failed"} label={status} />
            <b class="font-medium">{type}</b>
            <span class="msg text-muted">{message || reason}</span>
            <span class="hint">{sinceMs >= 0 && <Since ctx={ctx} ms={sinceMs} bare />}</span>
          </div>
        );
      })}
    </Panel>
  );
}

function Events({ ctx, events }: { ctx: PageContext; events: readonly EventRow[] }) {
  return (
    <Panel id="h-ev" title={say(ctx.lang, "events")} hint={say(ctx.lang, "events.order")}>
      {events.map(({ type, reason, message, object, count, lastMs }) => (
        <div class="cond" key={`${reason} ${object} ${message}`}>
          <Mark state={type === "Warning" ? "degraded" : "zero"} label={type} />
          <b class="font-medium">
            {reason}
            {count > 1 && <span class="tally ml-1">{`×${count}`}</span>}
          </b>
          <span class="msg text-muted wrap-anywhere">
            {message} <span class="dim mono">{object}</span>
          </span>
          <span class="hint">
            <Since ctx={ctx} ms={lastMs} bare />
          </span>
        </div>
      ))}
    </Panel>
  );
}

function Facts({ ctx, workload }: { ctx: PageContext; workload: Workload }) {
  const { lang } = ctx;
  const row = workload.row!;
  const labels = Object.entries(workload.labels);
  const { autoscaler } = workload;
  return (
    <aside class="grid gap-4 grid-cols-[minmax(0,1fr)]" aria-label={say(lang, "facts")}>
      <Panel id="h-c" title={say(lang, "containers")}>
        <div class="panel-b grid gap-3">
          {row.containers.map(({ name, image, init }) => (
            <div class="container-fact" key={name}>
              <div class="flex items-center gap-2">
                <b class="mono font-medium">{name}</b>
                {init && <span class="tag">init</span>}
                <button
                  type="button"
                  class="icobtn s end js"
                  data-copy={image}
                  aria-label={say(lang, "copyImage", { name })}
                >
                  <Ico name="copy" />
                </button>
              </div>
              <p>
                <Image image={image} full />
              </p>
            </div>
          ))}
        </div>
      </Panel>
      {autoscaler && (
        <Panel id="h-hpa" title={say(lang, "autoscaler")}>
          <p class="panel-b">
            <Say
              ctx={ctx}
              code="autoscaler.owns"
              params={{ name: autoscaler.name, min: autoscaler.min, max: autoscaler.max }}
            />{" "}
            <span class={autoscaler.reason ? undefined : "text-muted"}>
              {autoscaler.reason
                ? sentenceOf(ctx, autoscaler.reason)
                : say(lang, "autoscaler.wants", { n: autoscaler.desired })}
            </span>
          </p>
        </Panel>
      )}
      {row.resource === "daemonsets" && (
        <Panel id="h-ds" title={say(lang, "replicas")}>
          <p class="panel-b">{say(lang, "daemonset.replicas")}</p>
        </Panel>
      )}
      <Panel id="h-facts" title={say(lang, "facts")}>
        <dl class="kv panel-b">
          <dt>{say(lang, "strategy")}</dt>
          <dd>{workload.strategy ? strategyText(lang, workload.strategy) : "–"}</dd>
          <dt>{say(lang, "changed")}</dt>
          <dd>
            <Since ctx={ctx} ms={row.changedMs} />
            {workload.changedBy && <> · {workload.changedBy}</>}
          </dd>
          <dt>{say(lang, "created")}</dt>
          <dd>
            <Since ctx={ctx} ms={row.createdMs} />
          </dd>
          <dt>{say(lang, "generation")}</dt>
          <dd>
            {workload.generation}
            {workload.observedGeneration !== workload.generation && (
              <span class="text-run"> · {say(lang, "observed", { n: workload.observedGeneration })}</span>
            )}
          </dd>
        </dl>
      </Panel>
      {labels.length > 0 && (
        <Panel id="h-l" title={say(lang, "labels")}>
          <div class="panel-b flex flex-wrap gap-1.5">
            {labels.map(([name, value]) => (
              <span class="tag mono wrap-anywhere" key={name}>{`${name}=${value}`}</span>
            ))}
          </div>
        </Panel>
      )}
    </aside>
  );
}
