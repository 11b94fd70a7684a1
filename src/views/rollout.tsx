// The picture of a rollout: the revision that leaves, what moves, the revision that arrives.
import type { Pod, Revision, Workload } from "../gen/lizardcd/v1/workload_pb.ts";
import { say, sentencePieces, textOf } from "../words/words.ts";
import { Ico, Image, Mark, type PageContext, Panel, Since, strategyText } from "./parts.tsx";

/** More pods than this are counted, not drawn. */
const mostSlots = 40;

/** @param state the workload's state as it may be believed: stale and lost draw nothing green. */
export function Rollout({ ctx, workload, state }: { ctx: PageContext; workload: Workload; state: string }) {
  const row = workload.row!;
  const current = workload.revisions.find((revision) => revision.current);
  const leaving = workload.revisions.filter((revision) => !revision.current && revision.pods > 0);
  const unsure = state === "stale" || state === "lost";
  const arriving = { pods: workload.pods.filter(({ updated }) => updated), revision: current };
  const started = (
    <>
      {say(ctx.lang, "changed.verb")} <Since ctx={ctx} ms={row.changedMs} />
      {workload.changedBy && ` · ${workload.changedBy}`}
    </>
  );
  return (
    <Panel
      id="h-roll"
      title={say(ctx.lang, leaving.length > 0 ? "rollout" : "runs")}
      hint={<span class="nar">{strategyText(ctx.lang, workload.strategy)}</span>}
      end={started}
    >
      {row.desired === 0 && workload.pods.length === 0 ? (
        <p class="panel-b hint">{say(ctx.lang, "zero.hint")}</p>
      ) : leaving.length === 0 ? (
        <Lane ctx={ctx} {...arriving} desired={row.desired} side="steady" unsure={unsure} images={row.containers} />
      ) : (
        <div class="roll">
          <div class="grid content-start">
            {leaving.map((revision) => (
              <Lane
                ctx={ctx}
                key={revision.revision}
                revision={revision}
                pods={workload.pods.filter((pod) => pod.revision === revision.revision && !pod.updated)}
                desired={leaving.length === 1 ? row.desired : revision.pods}
                side="leaving"
                unsure={unsure}
                images={revision.containers}
              />
            ))}
          </div>
          <Flow ctx={ctx} state={state} moved={Math.min(row.updated, row.desired)} of={row.desired} />
          <Lane
            ctx={ctx}
            {...arriving}
            desired={row.desired}
            side="arriving"
            unsure={unsure}
            images={current?.containers ?? row.containers}
          />
        </div>
      )}
    </Panel>
  );
}

/** The rest stands among the facts. */
const mostImages = 4;

interface LaneProps {
  ctx: PageContext;
  revision?: Revision;
  pods: readonly Pod[];
  desired: number;
  side: "leaving" | "arriving" | "steady";
  unsure: boolean;
  images: Revision["containers"];
}

function Lane({ ctx, revision, pods: all, desired, side, unsure, images }: LaneProps) {
  const { lang } = ctx;
  // Others stand in their place by now: they are told of, not drawn.
  const pods = all.filter(({ state }) => state !== "over");
  const over = all.length - pods.length;
  const ready = pods.filter(({ state }) => state === "ok").length;
  const failed = pods.filter(({ state }) => state === "failed").length;
  const left = Math.max(0, desired - pods.length);
  const own = images.filter(({ init }) => !init);
  const shown = pods.slice(0, mostSlots);
  const blanks = Math.min(left, mostSlots - shown.length);
  return (
    <div class="lane">
      <div class="flex items-start gap-3">
        <div class="min-w-0">
          <p class="lab">
            {revision?.revision ? say(lang, "revision.n", { n: revision.revision }) : say(lang, "revision")}
            {side !== "steady" && say(lang, "comma") + say(lang, side)}
          </p>
          {own.slice(0, mostImages).map((one) => (
            <p class="wrap-anywhere" key={one.name}>
              <Image image={one.image} />
              {own.length > mostImages && one === own[mostImages - 1] && ` +${own.length - mostImages}`}
            </p>
          ))}
        </div>
        {revision && revision.createdMs > 0 && (
          <p class="hint end text-right">
            <Since ctx={ctx} ms={revision.createdMs} />
          </p>
        )}
      </div>
      <div class="slots">
        {shown.map((pod) => (
          <Slot key={pod.name} state={unsure ? "stale" : pod.state} label={`${pod.name}: ${podWord(ctx, pod)}`} />
        ))}
        {Array.from({ length: blanks }, (_, index) => (
          <Slot
            key={index}
            state={side === "leaving" ? "gone" : "todo"}
            label={say(lang, side === "leaving" ? "slot.replaced" : "slot.todo")}
          />
        ))}
        {pods.length > mostSlots && <span class="hint self-center">+{pods.length - mostSlots}</span>}
      </div>
      <p class="hint">
        {side === "leaving" ? (
          <>
            {say(lang, "lane.serving", { n: ready })}
            {left > 0 && say(lang, "comma") + say(lang, "lane.replaced", { n: left })}
          </>
        ) : (
          <>
            {say(lang, "lane.ready", { n: ready })}
            {failed > 0 && (
              <>
                {say(lang, "comma")}
                <b class={unsure ? "font-medium" : "font-medium text-bad"}>{say(lang, "lane.failed", { n: failed })}</b>
              </>
            )}
            {left > 0 && say(lang, "comma") + say(lang, "lane.todo", { n: left })}
          </>
        )}
        {over > 0 && say(lang, "comma") + say(lang, "lane.over", { n: over })}
      </p>
    </div>
  );
}

function Slot({ state, label }: { state: string; label: string }) {
  const mark = {
    run: "run",
    failed: "failed",
    degraded: "degraded",
    ok: "ok",
    stale: "stale",
    wait: "wait",
    todo: "wait",
  }[state];
  return (
    <span class="slot" data-s={state} role="img" aria-label={label} title={label}>
      {mark ? <Mark state={mark} /> : <Ico name="x" />}
    </span>
  );
}

function Flow({ ctx, state, moved, of }: { ctx: PageContext; state: string; moved: number; of: number }) {
  const stopped = state === "failed" || state === "degraded";
  const unsure = state === "stale" || state === "lost";
  const word = unsure ? "flow.unknown" : stopped ? "flow.stopped" : state === "paused" ? "flow.paused" : "flow.moving";
  const ink = stopped ? "s-bad" : unsure || state === "paused" ? "s-line2" : "s-run";
  return (
    <div class="flow">
      <svg width="56" height="20" viewBox="0 0 56 20" aria-hidden="true">
        <path d={stopped ? "M2 10h14" : "M2 10h26"} class={ink} stroke-width="2" stroke-linecap="round" />
        {stopped && <path d="M20 5v10M25 5v10" class={ink} stroke-width="2.5" stroke-linecap="round" />}
        <path
          d="M30 10h22m-6-6 6 6-6 6"
          class={stopped ? "s-line2" : ink}
          stroke-width="2"
          stroke-linecap="round"
          stroke-linejoin="round"
          fill="none"
        />
      </svg>
      <b class={stopped ? "font-medium text-bad" : unsure ? "font-medium text-lost" : "font-medium text-run"}>
        {say(ctx.lang, word)}
      </b>
      <span class="hint">{say(ctx.lang, "flow.moved", { n: unsure ? "?" : moved, of })}</span>
    </div>
  );
}

const podWords = {
  ok: "pod.ok",
  run: "pod.run",
  failed: "pod.failed",
  degraded: "pod.degraded",
  wait: "pod.wait",
  gone: "pod.gone",
  over: "pod.over",
} as const;

/** What a pod is doing, in a word or in its reason's first half. */
export function podWord(ctx: PageContext, { state, reason }: Pick<Pod, "state" | "reason">): string {
  if (reason) return textOf(sentencePieces(ctx.lang, reason).head);
  return say(ctx.lang, podWords[state as keyof typeof podWords] ?? "state.unknown");
}
