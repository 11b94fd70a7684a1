// Waits until a workload is healthy, and shows the way there: a picture in a terminal, a line for each step elsewhere.
import { operation } from "../contract/operation.ts";
import type { Pod, Workload } from "../gen/lizardcd/v1/workload_pb.ts";
import { type Lang, sentence, stopped } from "../words/words.ts";
import { shortResource } from "./catalogue.ts";
import { call } from "./client.ts";
import { inputFrom, timeoutOf } from "./command.ts";
import { contextOf, namedIn } from "./context.ts";
import { CommandFailed, type Exit, exit, Refused } from "./exit.ts";
import { formatOf } from "./format.ts";
import { clean, cut, paint, paragraph } from "./output.ts";
import { podState, reasonOf, state, toneOf } from "./picture.ts";
import { describe, type OwnCommand } from "./run.ts";
import { hideCursor, showCursor, type Terminal } from "./terminal.ts";
import { tellUnknown } from "./unknown-field.ts";
import { tell } from "./words.ts";

const everyMs = 1_000;
/** What fails must fail for so long: a pod that has just been replaced is not looked at any more by then. */
const failingMs = 3_000;
/** An agent or a server that is away for so long is away. */
const silentMs = 30_000;
const standardTimeout = "15m";

export async function rolloutStatus({ asked, env, terminal, options, defaults }: OwnCommand): Promise<Exit> {
  const { lang } = options;
  const format = formatOf(asked.flags.get("output")?.at(-1) ?? "table", lang);
  const timeoutMs = timeoutOf(asked, lang, standardTimeout);
  const get = operation("workload.get");
  await tellUnknown(format, get.method.output, terminal, lang);
  const input = inputFrom(asked, lang, defaults);
  const context = contextOf(namedIn(asked.flags), env, lang);
  const end = performance.now() + timeoutMs;
  const view = format.as === "value" ? silentView : terminal.live ? liveView(terminal, lang) : lineView(terminal, lang);
  let failing: number | undefined;
  let heard = performance.now();
  let last: Workload | undefined;
  try {
    for (;;) {
      const left = Math.round(end - performance.now());
      if (left <= 0) throw timedOut(last, timeoutMs, lang);
      let answer: Awaited<ReturnType<typeof call>> | undefined;
      try {
        answer = await call(context, get, input, { ...options, timeoutMs: Math.min(left, 30_000) });
        heard = performance.now();
      } catch (error) {
        if (!last || !mayPass(error) || performance.now() - heard > silentMs) throw error;
        if (performance.now() < end) await view.lost(describe(error, asked, env, lang).message);
      }
      if (answer) {
        last = answer.message as Workload;
        await view.show(last);
        const verdict = verdictOf(last);
        failing = verdict === "failed" ? (failing ?? performance.now()) : undefined;
        const sure = failing !== undefined && performance.now() - failing >= failingMs;
        if (verdict === "done" || verdict === "stuck" || sure) {
          if (format.as === "value") await terminal.out(format.write(answer.json));
          return await finish(last, verdict === "done");
        }
      }
      await Bun.sleep(Math.min(everyMs, Math.max(0, end - performance.now())));
    }
  } finally {
    await view.end();
  }

  async function finish(workload: Workload, healthy: boolean): Promise<Exit> {
    await view.end();
    const { ready, desired } = workload.row!;
    const what = whatOf(workload);
    if (!healthy) {
      const reason = whyOf(workload, lang);
      const next = tell(lang, "rollout.unhealthyNext", { words: wordsOf(workload) });
      throw new CommandFailed(exit.unhealthy, tell(lang, "rollout.unhealthy", { what, reason }), next);
    }
    const { reason } = workload.row!;
    // Done, and yet there is more to say: a partition keeps some, or no node matches.
    const said = reason
      ? `${what}: ${stopped(lang, sentence(lang, reason))}`
      : desired === 0
        ? tell(lang, "rollout.zero", { what })
        : tell(lang, "rollout.ended", { what, ready, desired });
    if (format.as !== "value") await terminal.out(paragraph(clean(said), terminal.columns));
    return exit.done;
  }
}

type Judged = Pick<Workload, "row" | "pods" | "paused" | "conditions">;
export type Verdict = "done" | "failed" | "stuck" | "moving";

/** "stuck" goes no further by itself: paused, waiting for pods to be deleted by hand, or being deleted itself. */
export function verdictOf({ row, pods, paused, conditions }: Judged): Verdict {
  const { state: code, reason, updated, ready, available, desired, current } = row!;
  if (reason?.code === "deletion.under_way") return "stuck";
  if (code === "ok" || code === "zero") return "done";
  if (code === "paused") {
    const whole = [updated, ready, available, current].every((count) => count === desired);
    return whole ? "done" : "stuck";
  }
  // Whatever else is wrong with it: nothing new comes while it is paused.
  if (paused && updated < desired && reason?.code !== "rollout.not_observed") return "stuck";
  if (code !== "failed" && reason?.code !== "rollout.deadline") return "moving";
  // Whatever reason is told: kubectl ends here, too.
  const given = conditions.some(({ reason, status }) => reason === "ProgressDeadlineExceeded" && status === "False");
  if (reason?.code === "rollout.deadline" || given) return "stuck";
  // New pods that have not failed yet may still mend it.
  return pods.some((pod) => pod.updated && (pod.state === "run" || pod.state === "ok")) ? "moving" : "failed";
}

function mayPass(error: unknown): boolean {
  if (error instanceof CommandFailed) return error.exit === exit.unreachable || error.exit === exit.timedOut;
  return error instanceof Refused && error.status >= 500;
}

function timedOut(last: Workload | undefined, timeoutMs: number, lang: Lang): CommandFailed {
  const params = { what: last ? whatOf(last) : "", seconds: timeoutMs / 1000, reason: last ? whyOf(last, lang) : "" };
  const next = last ? tell(lang, "rollout.goesOn", { words: wordsOf(last) }) : "";
  return new CommandFailed(exit.timedOut, tell(lang, "rollout.timedOut", params), next);
}

function whatOf({ row }: Workload): string {
  return `${row!.namespace}/${row!.name} (${row!.cluster})`;
}

function wordsOf({ row }: Workload): string {
  const { cluster, namespace, resource, name } = row!;
  return `${shortResource[resource] ?? resource}/${name} -c ${cluster} -n ${namespace}`;
}

function whyOf({ row }: Workload, lang: Lang): string {
  return reasonOf(lang, row!.reason) || state(lang, row!.state);
}

interface View {
  show(workload: Workload): Promise<void>;
  lost(problem: string): Promise<void>;
  end(): Promise<void>;
}

const silentView: View = { show: async () => {}, lost: async () => {}, end: async () => {} };

function lineView(terminal: Terminal, lang: Lang): View {
  let before = "";
  const line = async (text: string, write: Terminal["out"]) => {
    if (text === before) return;
    before = text;
    await write(paragraph(clean(text), terminal.columns));
  };
  return {
    show: (workload) => line(lineOf(workload, lang), terminal.out),
    lost: (problem) => line(tell(lang, "watch.lost", { problem }), terminal.err),
    end: async () => {},
  };
}

function lineOf(workload: Workload, lang: Lang): string {
  const { updated, desired, ready, current, state: code, reason } = workload.row!;
  const old = Math.max(0, current - updated);
  const params = { what: whatOf(workload), state: state(lang, code), updated, desired, ready, old };
  const why = reason && !reason.code.startsWith("rollout.") ? reasonOf(lang, reason) : "";
  return [tell(lang, "rollout.line", params), why].filter(Boolean).join(": ");
}

/** Drawn over itself; what is left at the end is the last picture. */
function liveView(terminal: Terminal, lang: Lang): View {
  let drawn = 0;
  let hidden = false;
  let problem = "";
  let last: Workload | undefined;
  const draw = async () => {
    const lines = last ? pictureOf(last, terminal, lang) : [];
    if (problem) lines.push(cut(clean(tell(lang, "watch.lost", { problem })), terminal.columns ?? 80));
    const up = drawn > 0 ? `\u001b[${drawn}A\u001b[0J` : "";
    await terminal.out(`${hidden ? "" : hideCursor}${up}${lines.map((line) => `${line}\n`).join("")}`);
    hidden = true;
    drawn = lines.length;
  };
  return {
    async show(workload) {
      last = workload;
      problem = "";
      await draw();
    },
    async lost(what) {
      problem = what;
      await draw();
    },
    async end() {
      if (hidden) await terminal.out(showCursor);
      hidden = false;
      drawn = 0;
    },
  };
}

/** A bar, what is new and what is old, and the pods that are not ready; never higher than the terminal. */
function pictureOf(workload: Workload, terminal: Terminal, lang: Lang): string[] {
  const { row, revisions, pods } = workload;
  const width = terminal.columns ?? 80;
  const height = terminal.rows ?? 24;
  const { desired, updated, current, state: code, reason } = row!;
  const ready = revisions.find((one) => one.current)?.ready ?? Math.min(row!.ready, updated);
  const tone = (text: string, of: string) => (terminal.color ? paint(text, toneOf(of)) : text);
  const room = Math.max(4, Math.min(40, width - 24));
  const share = (count: number) => Math.round((room * Math.min(count, desired)) / Math.max(1, desired));
  const [full, some] = [share(ready), share(updated)];
  const bar = `${"█".repeat(full)}${"▒".repeat(Math.max(0, some - full))}${"░".repeat(room - Math.max(full, some))}`;
  const lines = [
    cut(clean(`${whatOf(workload)}  ${state(lang, code)}`), width),
    tone(cut(`${bar} ${ready}/${desired}`, width), code),
  ];
  for (const { revision, current: wanted, ready: up, desired: of, pods: all, containers } of revisions) {
    if (!wanted && all === 0) continue;
    const images = containers.map(({ image }) => image).join(",");
    const counts = wanted ? `${up}/${of}` : String(all);
    lines.push(cut(clean(` ${tell(lang, wanted ? "now" : "before")}  ${revision}  ${counts}  ${images}`), width));
  }
  if (reason && code !== "ok") lines.push(cut(clean(` ${reasonOf(lang, reason)}`), width));
  const waiting = pods.filter((pod) => pod.state !== "ok" || (current > updated && !pod.updated));
  const most = Math.max(0, height - lines.length - 2);
  for (const pod of waiting.slice(0, most)) lines.push(podLine(pod, width, lang, tone));
  if (waiting.length > most) lines.push(cut(` … ${waiting.length - most}`, width));
  return lines;
}

function podLine(pod: Pod, width: number, lang: Lang, tone: (text: string, of: string) => string): string {
  const text = `   ${pod.name}  ${podState(lang, pod)}  ${reasonOf(lang, pod.reason)}`.trimEnd();
  return tone(cut(clean(text), width), pod.state);
}
