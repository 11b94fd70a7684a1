// The forms that change a workload, what a dry run shows, and what is said when it is done. Every form posts without
// scripts too; the server then answers with a whole page.

import { create } from "@bufbuild/protobuf";
import { href } from "../contract/operation.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import { FleetWorkloadSchema } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { Autoscaler, SetImageRequest, Workload, WorkloadService } from "../gen/lizardcd/v1/workload_pb.ts";
import { say } from "../words/words.ts";
import { Diff, plain } from "./diff.tsx";
import { CloseDialog, page } from "./layout.tsx";
import { Callout, gap, Ico, imageParts, type PageContext, ReasonSentence, Say, sentenceOf, Toast } from "./parts.tsx";
import { html, partial } from "./render.ts";
import { keyOf, rowId, workloadRow } from "./workloads.tsx";

/** The verbs that change a workload, as the contract has them: `done.<verb>` says each when it is done. */
export type WorkloadWrite = Exclude<keyof typeof WorkloadService.method, "list" | "get" | "watch">;

export interface WriteDone {
  operation: `workload.${WorkloadWrite}`;
  /** The answer to the write. */
  workload: Workload;
}

/** What is said after a write: a toast with a way back, and the row where the page shows one. */
export function writeDone(ctx: PageContext, { operation, workload }: WriteDone): string {
  const row = workload.row!;
  const said = { name: `${row.namespace}/${row.name}`, cluster: row.cluster };
  const verb = operation.slice("workload.".length) as WorkloadWrite;
  const toast = html(
    <Toast ctx={ctx} state="run" action={<Undo ctx={ctx} operation={operation} workload={workload} />}>
      {verb === "scale" ? (
        <Say ctx={ctx} code="done.scaleTo" params={{ ...said, to: row.desired }} />
      ) : (
        <Say ctx={ctx} code={`done.${verb}`} params={said} />
      )}
      {workload.notes.map((note) => `${gap(ctx)}${sentenceOf(ctx, note)}`)}
    </Toast>,
  );
  const item = create(FleetWorkloadSchema, { row, ageMs: workload.ageMs });
  return (
    toast +
    partial(rowId(row), "outerMorph", workloadRow(ctx, item, { fresh: true })) +
    partial("failure", "innerHTML", "")
  );
}

function Undo({ ctx, operation, workload }: WriteDone & { ctx: PageContext }) {
  const fields = undoFields(operation, workload);
  if (!fields) return null;
  const path = href(opposites[operation] ?? operation, keyOf(workload.row!));
  return (
    <form method="post" action={path} hx-post={path} hx-target="closest .toast-note" hx-swap="outerHTML">
      {Object.entries(fields).map(([name, value]) => (
        <input key={name} type="hidden" name={name} value={value} />
      ))}
      <button class="btn btn-xs">
        <Ico name="undo" />
        {say(ctx.lang, "undo")}
      </button>
    </form>
  );
}

/** Where the way back is another operation. */
const opposites: Partial<Record<WriteDone["operation"], WriteDone["operation"]>> = {
  "workload.pause": "workload.resume",
  "workload.resume": "workload.pause",
};

/** What the way back is given: the value from before; nothing where there is none or nothing changed. */
export function undoFields(
  operation: WriteDone["operation"],
  { changes }: Workload,
): { [name: string]: string } | undefined {
  if (operation === "workload.scale") {
    const change = changes.find(({ path }) => path === "spec.replicas");
    return change && change.before !== "" ? { replicas: plain(change.before) } : undefined;
  }
  if (operation === "workload.setImage") {
    const change = changes.find(({ path }) => imagePath.test(path));
    const container = change && imagePath.exec(change.path)?.[1];
    return change && container && change.before !== ""
      ? { container, image: plain(change.before), expect: plain(change.after) }
      : undefined;
  }
  if (opposites[operation]) return changes.length > 0 ? {} : undefined;
  return undefined;
}

/** What a dry run would change, said where none of our forms asked for it. */
export function dryRunToast(ctx: PageContext, workload: Workload): string {
  const changes = workload.changes.map(({ path, before, after }) => `${path}: ${plain(before)} → ${plain(after)}`);
  return html(
    <Toast ctx={ctx} state="run">
      {[dryRunText(ctx, workload), ...workload.notes.map((note) => sentenceOf(ctx, note)), ...changes].join(" ")}
    </Toast>,
  );
}

/** The same as a page of its own, for browsers without scripts. */
export function dryRunPage(ctx: PageContext, verb: WorkloadWrite, workload: Workload): string {
  const row = workload.row!;
  const title = `${say(ctx.lang, verb)}: ${row.namespace}/${row.name}`;
  return page(ctx, {
    title,
    nav: "workloads",
    children: (
      <div class="page">
        <nav class="crumbs" aria-label={say(ctx.lang, "crumbs")}>
          <a href={href("workload.get", keyOf(row))}>
            {row.namespace}/{row.name}
          </a>
        </nav>
        <h1>{title}</h1>
        <section class="panel p-4 grid gap-3">
          <p>{dryRunText(ctx, workload)}</p>
          {workload.notes.map((note) => (
            <p key={note.code}>{sentenceOf(ctx, note)}</p>
          ))}
          {workload.changes.length > 0 && <Diff ctx={ctx} changes={workload.changes} />}
        </section>
      </div>
    ),
  });
}

function dryRunText({ lang }: PageContext, { changes, row }: Workload): string {
  return say(lang, changes.length > 0 ? "dryRun.changes" : "dryRun.same", { cluster: row!.cluster });
}

const imagePath = /^spec\.template\.spec\.(?:initContainers|containers)\[([^\]]+)\]\.image$/;

export function ScaleDialog({ ctx, workload }: { ctx: PageContext; workload: Workload }) {
  const row = workload.row!;
  const path = href("workload.scale", keyOf(row));
  return (
    <dialog id="scale" class="modal" aria-labelledby="scale-t">
      <form
        class="modal-box w-[420px] max-w-[calc(100vw-24px)]"
        method="post"
        action={path}
        hx-post={path}
        hx-target="#toasts"
        hx-swap="beforeend"
        hx-disable="find .btn-primary"
        data-closes="scale"
      >
        <DialogHead ctx={ctx} id="scale" title={say(ctx.lang, "scale")} workload={workload} />
        <div class="px-5 py-4 grid gap-2">
          <label class="grid gap-1">
            <span class="font-medium">{say(ctx.lang, "replicas")}</span>
            <input
              class="input w-full"
              type="number"
              name="replicas"
              inputMode="numeric"
              min="0"
              max="10000"
              required
              autoFocus
              value={row.desired}
            />
          </label>
          <p class="hint">{say(ctx.lang, "scale.now", { n: row.desired })}</p>
          {workload.autoscaler && (
            <p class="hint">
              <Say ctx={ctx} code="autoscaler.owns" params={boundsOf(workload.autoscaler)} />{" "}
              {say(ctx.lang, "autoscaler.zero")}
            </p>
          )}
          {workload.notes.map((note) => (
            <p class="hint" key={note.code}>
              {sentenceOf(ctx, note)}
            </p>
          ))}
        </div>
        <div class="dlg-f">
          <span class="end flex gap-2">
            <button type="button" class="btn btn-sm" command="close" commandfor="scale">
              {say(ctx.lang, "cancel")}
            </button>
            <button class="btn btn-sm btn-primary">{say(ctx.lang, "scale")}</button>
          </span>
        </div>
      </form>
    </dialog>
  );
}

function boundsOf({ name, min, max }: Autoscaler) {
  return { name, min, max };
}

/** What changes a running workload by itself: a question first, whose answer has the focus. */
export function AskDialog({ ctx, workload, verb }: { ctx: PageContext; workload: Workload; verb: AskedWrite }) {
  const { lang } = ctx;
  const path = href(`workload.${verb}`, keyOf(workload.row!));
  return (
    <dialog id={verb} class="modal" aria-labelledby={`${verb}-t`} aria-describedby={`${verb}-d`}>
      <form
        class="modal-box w-[420px] max-w-[calc(100vw-24px)]"
        method="post"
        action={path}
        hx-post={path}
        hx-target="#toasts"
        hx-swap="beforeend"
        hx-disable="find .btn-primary"
        data-closes={verb}
      >
        <DialogHead ctx={ctx} id={verb} title={say(lang, verb)} workload={workload} />
        <div class="px-5 py-4 grid gap-2">
          <p id={`${verb}-d`}>{say(lang, `${verb}.ask`)}</p>
          {workload.notes.map((note) => (
            <p class="hint" key={note.code}>
              {sentenceOf(ctx, note)}
            </p>
          ))}
        </div>
        <div class="dlg-f">
          <span class="end flex gap-2">
            <button type="button" class="btn btn-sm" command="close" commandfor={verb}>
              {say(lang, "cancel")}
            </button>
            <button class="btn btn-sm btn-primary" autoFocus>
              {say(lang, verb)}
            </button>
          </span>
        </div>
      </form>
    </dialog>
  );
}

/** The writes that take no value. */
export type AskedWrite = "restart" | "pause" | "resume";

export function ImageDialog({ ctx, workload }: { ctx: PageContext; workload: Workload }) {
  return (
    <dialog id="set-image" class="modal" aria-labelledby="set-image-t">
      <div class="modal-box w-[880px] max-w-[calc(100vw-24px)]">
        <DialogHead ctx={ctx} id="set-image" title={say(ctx.lang, "setImage")} workload={workload} />
        <ImageForm ctx={ctx} workload={workload} live>
          <p class="hint p-4">{say(ctx.lang, "image.ask")}</p>
        </ImageForm>
      </div>
    </dialog>
  );
}

function DialogHead({ ctx, id, title, workload }: { ctx: PageContext; id: string; title: string; workload: Workload }) {
  const { namespace, name, cluster } = workload.row!;
  return (
    <div class="dlg-h">
      <div>
        <h2 id={`${id}-t`} class="text-lg!">
          {title}
        </h2>
        <p class="hint">
          <Say ctx={ctx} code="object.in" params={{ name: `${namespace}/${name}`, cluster }} />
        </p>
      </div>
      <CloseDialog ctx={ctx} id={id} />
    </div>
  );
}

interface ImageFormProps {
  ctx: PageContext;
  workload: Workload;
  chosen?: { container: string; image: string };
  /** In a dialog: the dry run follows the typing. */
  live?: boolean;
  children: preact.ComponentChildren;
}

function ImageForm({ ctx, workload, chosen, live, children }: ImageFormProps) {
  const row = workload.row!;
  const path = href("workload.setImage", keyOf(row));
  const containers = [...row.containers].sort((a, b) => Number(a.init) - Number(b.init));
  const first = containers.find(({ name }) => name === chosen?.container) ?? containers[0];
  return (
    <div class="grid md:grid-cols-[340px_minmax(0,1fr)]">
      <form
        class="p-4 grid gap-3 content-start md:border-r border-line min-w-0"
        method="post"
        action={path}
        hx-post={live ? path : undefined}
        hx-target={live ? "#image-preview" : undefined}
        hx-trigger={live ? "submit, input delay:500ms" : undefined}
        hx-sync={live ? "this:replace" : undefined}
      >
        <input type="hidden" name="dryRun" value="true" />
        {containers.length > 1 ? (
          <fieldset class="pick">
            <legend class="font-medium mb-1">{say(ctx.lang, "container")}</legend>
            {containers.map(({ name, image }) => (
              <label key={name}>
                <input
                  type="radio"
                  class="radio radio-sm"
                  name="container"
                  value={name}
                  checked={name === first?.name}
                  data-image={image}
                />
                <span class="min-w-0">
                  <span class="mono font-medium">{name}</span>
                  <span class="block text-2xs text-faint mono cut">{image}</span>
                </span>
              </label>
            ))}
          </fieldset>
        ) : (
          <input type="hidden" name="container" value={first?.name} />
        )}
        <label class="grid gap-1">
          <span class="font-medium">{say(ctx.lang, "image")}</span>
          <input
            class="input w-full mono"
            name="image"
            required
            autoFocus
            maxLength={512}
            autoComplete="off"
            autoCapitalize="off"
            spellcheck={false}
            value={chosen?.image ?? first?.image}
          />
        </label>
        <button class="btn btn-sm justify-self-start">{say(ctx.lang, "image.show")}</button>
      </form>
      <section
        id="image-preview"
        class="min-w-0 grid content-between"
        aria-live="polite"
        aria-label={say(ctx.lang, "image.changes")}
      >
        {children}
      </section>
    </div>
  );
}

/** What the dry run says, with the form that does it: the inside of #image-preview. */
export function imagePreview(ctx: PageContext, workload: Workload, request: SetImageRequest): string {
  return html(<Preview ctx={ctx} workload={workload} request={request} />);
}

function Preview({ ctx, workload, request }: { ctx: PageContext; workload: Workload; request: SetImageRequest }) {
  const { lang } = ctx;
  const row = workload.row!;
  const path = href("workload.setImage", keyOf(row));
  const change = workload.changes.find(({ path }) => imagePath.test(path));
  if (!change) return <p class="hint p-4">{say(lang, "image.same", { image: request.image })}</p>;
  const before = plain(change.before);
  const { tag, name } = imageParts(request.image);
  return (
    <>
      <div class="p-4 grid gap-3 min-w-0">
        <div class="flex flex-wrap items-center gap-2">
          <h2>{say(lang, "image.changes")}</h2>
          <span class="tag" data-s="run">
            {say(lang, "image.lines", { n: workload.changes.length })}
          </span>
          <span class="hint end">{say(lang, "image.dryRun", { cluster: row.cluster })}</span>
        </div>
        <Diff ctx={ctx} changes={workload.changes} />
        <ul class="grid gap-1.5">
          <li class="state whitespace-normal!">
            <svg class="mark" data-s="ok" aria-hidden="true">
              <use href="#m-ok" />
            </svg>
            <span>{say(lang, "image.accepted", { cluster: row.cluster })}</span>
          </li>
          {(row.state === "failed" || row.state === "run") && (
            <li class="state whitespace-normal!">
              <svg class="mark" data-s="degraded" aria-hidden="true">
                <use href="#m-degraded" />
              </svg>
              <span>{say(lang, "image.replaces")}</span>
            </li>
          )}
        </ul>
      </div>
      <form
        class="dlg-f"
        method="post"
        action={path}
        hx-post={path}
        hx-target="#toasts"
        hx-swap="beforeend"
        hx-disable="find .btn-primary"
        data-closes="set-image"
      >
        <input type="hidden" name="container" value={request.container} />
        <input type="hidden" name="image" value={request.image} />
        <input type="hidden" name="dryRun" value="false" />
        <input type="hidden" name="expect" value={before} />
        <span class="end flex gap-2">
          <a class="btn btn-sm" href={href("workload.get", keyOf(row))} data-cancel>
            {say(lang, "cancel")}
          </a>
          <button class="btn btn-sm btn-primary">{say(lang, "image.do", { tag: tag || name })}</button>
        </span>
      </form>
    </>
  );
}

export interface ImagePageOptions {
  workload: Workload;
  request: SetImageRequest;
  /** What the dry run met, if it failed. */
  failure?: Failure;
}

/** The same as a page of its own, for browsers without scripts. */
export function imagePage(ctx: PageContext, { workload, request, failure }: ImagePageOptions): string {
  const row = workload.row!;
  const said = { name: `${row.namespace}/${row.name}`, cluster: row.cluster };
  return page(ctx, {
    title: `${say(ctx.lang, "setImage")}: ${row.namespace}/${row.name}`,
    nav: "workloads",
    children: (
      <div class="page">
        <nav class="crumbs" aria-label={say(ctx.lang, "crumbs")}>
          <a href={href("workload.get", keyOf(row))}>
            {row.namespace}/{row.name}
          </a>
        </nav>
        <h1>{say(ctx.lang, "setImage")}</h1>
        <section class="panel" aria-label={say(ctx.lang, "object.in", said)}>
          <ImageForm ctx={ctx} workload={workload} chosen={request}>
            {failure ? (
              <div class="p-4">
                <Callout state="failed">
                  <ReasonSentence ctx={ctx} reason={failure} />
                </Callout>
              </div>
            ) : (
              <Preview ctx={ctx} workload={workload} request={request} />
            )}
          </ImageForm>
        </section>
      </div>
    ),
  });
}
