import { expect, test } from "bun:test";
import type { Progress } from "./kind.ts";
import { type Diagnosis, stateOf, why } from "./state.ts";

const whole: Progress = { desired: 3, updated: 3, ready: 3, available: 3, current: 3, observed: true, rolling: false };
const crash = why("container.crash_loop", { container: "app", exitCode: 1, restarts: 2, line: "x" });
const failing: Diagnosis = { why: crash, starting: false };
const quiet: Diagnosis = { starting: false };
const starting: Diagnosis = { starting: true };
const pause = { by: "pause", upTo: 3 } as const;

// Each line is one of the table in state.ts.
test.each<[string, Partial<Progress>, Diagnosis | undefined, string, string | undefined]>([
  ["all is there", {}, undefined, "ok", undefined],
  ["the change was not seen yet", { observed: false }, undefined, "run", "rollout.not_observed"],
  [
    "none wanted, none there",
    { desired: 0, updated: 0, ready: 0, available: 0, current: 0 },
    undefined,
    "zero",
    undefined,
  ],
  [
    "none wanted, one left",
    { desired: 0, updated: 0, ready: 0, available: 0, current: 1 },
    undefined,
    "run",
    "rollout.surplus",
  ],
  ["paused, all there", { held: pause }, undefined, "paused", "rollout.paused"],
  ["paused, yet one is lost", { held: pause, ready: 2, available: 2 }, quiet, "degraded", "pod.not_ready"],
  ["paused half way", { held: { by: "pause", upTo: 1 }, updated: 1, current: 3 }, quiet, "paused", "rollout.paused"],
  ["nothing serves, pods crash", { ready: 0, available: 0 }, failing, "failed", "container.crash_loop"],
  ["one serves, others crash", { ready: 1, available: 1 }, failing, "degraded", "container.crash_loop"],
  ["all serve, the new one crashes", { updated: 1, current: 4 }, failing, "degraded", "container.crash_loop"],
  [
    "the deadline passed, all serve",
    { updated: 1, current: 4, deadlineExceeded: 600 },
    quiet,
    "failed",
    "rollout.deadline",
  ],
  [
    "the deadline passed, a pod says why",
    { updated: 1, current: 4, deadlineExceeded: 600 },
    failing,
    "failed",
    "container.crash_loop",
  ],
  ["a probe fails at first", { ready: 0, available: 0 }, { ...failing, early: true }, "run", "container.crash_loop"],
  [
    "pods may not be made: quota",
    { ready: 1, available: 1, current: 1, updated: 1, refused: { message: "exceeded quota: few" } },
    quiet,
    "degraded",
    "pod.quota",
  ],
  [
    "pods may not be made: policy",
    { ready: 0, available: 0, current: 0, updated: 0, refused: { message: "violates PodSecurity" } },
    quiet,
    "failed",
    "pod.refused",
  ],
  ["rolling: some are new", { updated: 1, current: 4, rolling: true }, quiet, "run", "rollout.moving"],
  ["rolling: old ones are left", { current: 4, rolling: true }, quiet, "run", "rollout.old_pods"],
  ["all ready, not for long enough yet", { available: 2 }, quiet, "run", "rollout.moving"],
  ["one lost, its pod not read yet", { ready: 2, available: 2 }, undefined, "run", "rollout.moving"],
  ["one lost, another starts", { ready: 2, available: 2 }, starting, "run", "rollout.moving"],
  ["one lost, nothing says why", { ready: 2, available: 2 }, quiet, "degraded", "pod.not_ready"],
  [
    "on delete, old ones serve",
    { updated: 1, held: { by: "onDelete", upTo: 1 } },
    quiet,
    "paused",
    "rollout.on_delete",
  ],
  [
    "a partition holds the rest back",
    { updated: 1, held: { by: "partition", upTo: 1 } },
    quiet,
    "ok",
    "rollout.partition",
  ],
  [
    "a partition, not there yet",
    { updated: 0, ready: 2, available: 2, rolling: true, held: { by: "partition", upTo: 1 } },
    starting,
    "run",
    "rollout.moving",
  ],
])("%s", (_, progress, diagnosis, state, code) => {
  const verdict = stateOf({ ...whole, ...progress }, diagnosis);
  expect({ state: verdict.state, code: verdict.why?.code }).toEqual({
    state: state as typeof verdict.state,
    code: code as never,
  });
});

test("what is not whole is never ok", () => {
  for (const field of ["updated", "ready", "available", "current"] as const) {
    for (const diagnosis of [undefined, quiet, starting, failing]) {
      expect(stateOf({ ...whole, [field]: 2 }, diagnosis).state).not.toBe("ok");
    }
  }
  expect(stateOf({ ...whole, current: 4 }, quiet).state).not.toBe("ok");
});
