// The one table that says how a workload is. Read from top to bottom, the first line that fits counts:
//
//   it is being deleted                                      run       deletion.under_way
//   its controller has not seen the last change              run       rollout.not_observed
//   none wanted, none there                                  zero      (daemonset.no_nodes)
//   none wanted, some still there                            run       rollout.surplus
//   updated = ready = available = wanted, none else there    ok        (paused, if it is held back from the next change)
//   a pod or its making fails (or the deadline has passed):
//     the deadline has passed, or nothing is available       failed    the failure
//     otherwise something still serves                       degraded  the failure
//   a probe fails, but the container has just begun          run       the failure
//   as many are new as its partition lets be, all serve      ok        rollout.partition
//   held (paused, OnDelete), all the rest serves             paused    rollout.paused, rollout.on_delete
//   paused before any pod was made                           paused    rollout.paused
//   pods have been starting for longer than the deadline
//     (10 min where none is set)                             degraded  what they wait for, pod.not_ready
//   fewer updated than wanted                                run       rollout.moving
//   more than wanted                                         run       rollout.surplus
//   older ones left                                          run       rollout.old_pods
//   all ready, not yet for as long as minReadySeconds asks   run       rollout.min_ready
//   a rollout is under way, pods are just starting, or
//     have not been read yet                                 run       rollout.moving
//   otherwise                                                degraded  pod.not_ready
import { type ReasonCode, type ReasonParams, reasons } from "../contract/reasons.ts";
import type { Progress } from "./kind.ts";
import { timeOf } from "./object.ts";

export type State = "ok" | "run" | "degraded" | "failed" | "paused" | "zero";

/** The worst first: the order of lists. */
export const severity: Record<State, number> = { failed: 0, degraded: 1, run: 2, paused: 3, zero: 4, ok: 5 };

/** A reason before it crosses a wire: when it began, not how long ago. */
export interface Why {
  code: ReasonCode;
  params: Record<string, string | number>;
  object: string;
  /** Milliseconds since the epoch by the API server's clock. */
  since?: number;
}

/** What the pods of an unhealthy workload say. */
export interface Diagnosis {
  /** The worst of what its pods and events say. */
  why?: Why;
  /** `why` may pass by itself: the container has just begun. */
  early?: boolean;
  /** Some pods are on their way, for no longer than a start may take. */
  starting: boolean;
  /** Some pods have been on their way for longer. */
  late?: boolean;
}

export interface Verdict {
  state: State;
  why?: Why;
}

const failingRank = reasons["rollout.deadline"].rank;
/** What is no failure and yet says more than how many are new. */
const tellingRank = reasons["pod.gated"].rank;

export function stateOf(progress: Progress, diagnosis?: Diagnosis): Verdict {
  const { desired, updated, ready, available, current, held, deleting, minReadySeconds = 0 } = progress;
  if (deleting) {
    const finalizers = deleting.finalizers || "its pods";
    return { state: "run", why: why("deletion.under_way", { finalizers }, { since: timeOf(deleting.since) }) };
  }
  if (!progress.observed) return { state: "run", why: why("rollout.not_observed", {}) };
  if (desired === 0) {
    if (current > 0) return { state: "run", why: why("rollout.surplus", { surplus: current }) };
    return { state: "zero", why: progress.perNode ? why("daemonset.no_nodes", {}) : undefined };
  }
  if (updated === desired && ready === desired && available === desired && current === desired) {
    return held?.by === "pause" ? { state: "paused", why: heldBecause(progress) } : { state: "ok" };
  }

  const failing = failingOf(progress, diagnosis);
  if (failing && diagnosis?.early && failing === diagnosis.why) return { state: "run", why: failing };
  if (failing) {
    const failed = progress.deadlineExceeded !== undefined || available === 0;
    return { state: failed ? "failed" : "degraded", why: failing };
  }

  const serves = ready >= desired && available >= desired;
  if (held && serves && updated >= Math.min(held.upTo, desired)) {
    return { state: held.by === "partition" ? "ok" : "paused", why: heldBecause(progress) };
  }
  if (held?.by === "pause" && current === 0) return { state: "paused", why: heldBecause(progress) };
  return underWay(progress, minReadySeconds, diagnosis);
}

/** Neither whole nor failing: it moves, or it should and does not. */
function underWay(progress: Progress, minReadySeconds: number, diagnosis?: Diagnosis): Verdict {
  const { desired, updated, ready, available, current, held } = progress;
  const soft = diagnosis?.why;
  const unready = why("pod.not_ready", { pods: Math.max(1, desired - ready), desired });
  if (diagnosis?.late) return { state: "degraded", why: soft ?? unready };
  const moving = rankOf(soft) >= tellingRank ? soft : why("rollout.moving", { updated, desired, ready });
  if (updated < desired && !held) return { state: "run", why: moving };
  if (updated > desired)
    return { state: "run", why: why("rollout.surplus", { surplus: Math.max(current, updated) - desired }) };
  if (current > updated && !held) return { state: "run", why: why("rollout.old_pods", { old: current - updated }) };
  if (ready >= desired) {
    const waits = minReadySeconds > 0 && available < desired;
    const seconds = minReadySeconds;
    return { state: "run", why: waits ? why("rollout.min_ready", { available, desired, seconds }) : moving };
  }
  if ((progress.rolling && !held) || (diagnosis?.starting ?? true)) return { state: "run", why: moving };
  return { state: "degraded", why: soft ?? unready };
}

/** A reason with its parameters checked against the contract. */
export function why<C extends ReasonCode>(
  code: C,
  params: ReasonParams<C>,
  { object = "", since }: { object?: string; since?: number } = {},
): Why {
  return { code, params: params as Record<string, string | number>, object, since };
}

/** 0 to 99, the worst has the most. */
export function rankOf(why: Why | undefined): number {
  return why ? reasons[why.code].rank : 0;
}

export function worse(a: Why | undefined, b: Why | undefined): Why | undefined {
  if (!a || !b) return a ?? b;
  return rankOf(b) > rankOf(a) ? b : a;
}

function failingOf({ refused, deadlineExceeded }: Progress, diagnosis?: Diagnosis): Why | undefined {
  const refusal = refused && refusalOf(refused.message, "", timeOf(refused.since));
  const deadline = deadlineExceeded === undefined ? undefined : why("rollout.deadline", { seconds: deadlineExceeded });
  const worst = worse(worse(diagnosis?.why, refusal), deadline);
  return rankOf(worst) >= failingRank ? worst : undefined;
}

/** Why the API server would not create a pod. */
export function refusalOf(message: string, object: string, since: number | undefined): Why {
  if (/because it is being terminated/.test(message)) return why("namespace.terminating", {}, { object, since });
  const problem = bare(message).replace(/^(Error creating: )?(pods "[^"]*" is forbidden: )?/, "");
  return /exceeded quota/i.test(message)
    ? why("pod.quota", { problem }, { object, since })
    : why("pod.refused", { problem }, { object, since });
}

/** Kubernetes folds events that differ little into one, and says so in front of the newest. */
export function bare(message: string): string {
  return message.replace(/^\(combined from similar events\):\s*/, "");
}

function heldBecause({ held, current, updated, desired }: Progress): Why {
  if (held?.by === "partition") return why("rollout.partition", { updated, desired });
  if (held?.by === "onDelete") return why("rollout.on_delete", { old: Math.max(0, current - updated) });
  return why("rollout.paused", {});
}
