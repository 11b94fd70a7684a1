// The one table that says how a workload is. Read from top to bottom, the first line that fits counts:
//
//   its controller has not seen the last change              run       rollout.not_observed
//   none wanted, none there                                  zero
//   none wanted, some still there                            run       rollout.old_pods
//   updated = ready = available = wanted, none else there    ok        (paused, if it is held back from the next change)
//   a pod or its making fails (or the deadline has passed):
//     the deadline has passed, or nothing is available       failed    the failure
//     otherwise something still serves                       degraded  the failure
//   a probe fails, but the container has just begun          run       the failure
//   held (paused, partition, OnDelete), all the rest serves  paused    rollout.paused, rollout.on_delete
//   fewer updated than wanted                                run       rollout.moving
//   older ones left                                          run       rollout.old_pods
//   all ready, not yet for as long as minReadySeconds asks   run       rollout.moving
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
}

export interface Verdict {
  state: State;
  why?: Why;
}

const failingRank = reasons["rollout.deadline"].rank;

export function stateOf(progress: Progress, diagnosis?: Diagnosis): Verdict {
  const { desired, updated, ready, available, current, held } = progress;
  if (!progress.observed) return { state: "run", why: why("rollout.not_observed", {}) };
  if (desired === 0) {
    return current === 0 ? { state: "zero" } : { state: "run", why: why("rollout.old_pods", { old: current }) };
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

  if (held && updated >= Math.min(held.upTo, desired) && ready >= desired && available >= desired) {
    return { state: "paused", why: heldBecause(progress) };
  }
  const moving = why("rollout.moving", { updated, desired, ready });
  if (updated < desired && !held) return { state: "run", why: moving };
  if (current > updated && !held) return { state: "run", why: why("rollout.old_pods", { old: current - updated }) };
  if (ready >= desired) return { state: "run", why: moving };
  if ((progress.rolling && !held) || (diagnosis?.starting ?? true)) return { state: "run", why: moving };
  return { state: "degraded", why: why("pod.not_ready", { pods: desired - ready, desired }) };
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
  const problem = message.replace(/^(Error creating: )?(pods "[^"]*" is forbidden: )?/, "");
  return /exceeded quota/i.test(message)
    ? why("pod.quota", { problem }, { object, since })
    : why("pod.refused", { problem }, { object, since });
}

function heldBecause({ held, current, updated }: Progress): Why {
  if (held?.by === "onDelete") return why("rollout.on_delete", { old: Math.max(0, current - updated) });
  return why("rollout.paused", {});
}
