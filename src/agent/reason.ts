// Why a pod is not well, read from what the kubelet, the scheduler and the controllers write. Pure: reading is elsewhere.
import { type ContainerSpec, type ContainerStatus, type RawEvent, type RawPod, timeOf } from "./object.ts";
import { rankOf, refusalOf, type Why, why, worse } from "./state.ts";

export type PodState = "ok" | "run" | "failed" | "degraded" | "wait" | "gone";

export interface PodVerdict {
  state: PodState;
  why?: Why;
  /** The container whose last log line would say more. */
  crashed?: string;
  /** `why` may pass by itself. */
  early?: boolean;
}

/** A probe may fail for so long before it counts: containers take their time to listen. */
const probeGraceMs = 20_000;

const waitingReasons: Record<string, "image.pull" | "image.invalid" | "container.config"> = {
  ErrImagePull: "image.pull",
  ImagePullBackOff: "image.pull",
  ErrImageNeverPull: "image.pull",
  RegistryUnavailable: "image.pull",
  ImageInspectError: "image.pull",
  SignatureValidationFailed: "image.pull",
  InvalidImageName: "image.invalid",
  CreateContainerConfigError: "container.config",
  CreateContainerError: "container.config",
  RunContainerError: "container.config",
  PreCreateHookError: "container.config",
  PostStartHookError: "container.config",
};

/** @param events of this pod. @param now by the API server's clock. */
export function podVerdict(pod: RawPod, events: readonly RawEvent[], now: number): PodVerdict {
  const { metadata, status = {}, spec = {} } = pod;
  if (metadata.deletionTimestamp) return { state: "gone" };
  const object = `pods/${metadata.name}`;
  if (status.phase === "Succeeded") return { state: "ok" };
  if (status.reason === "Evicted") {
    return { state: "failed", why: why("pod.evicted", { problem: status.message ?? "" }, { object }) };
  }
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status === "True") return { state: "ok" };

  const scheduled = status.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False" && !spec.nodeName) {
    const since = timeOf(scheduled.lastTransitionTime);
    const problem = scheduled.message ?? scheduled.reason ?? "";
    return { state: "wait", why: why("pod.unschedulable", { pods: 1, problem }, { object, since }) };
  }
  if (!spec.nodeName) return { state: "wait" };

  let worst: PodVerdict | undefined;
  const look = (statuses: ContainerStatus[] | undefined, specs: ContainerSpec[] | undefined, init: boolean) => {
    for (const container of statuses ?? []) {
      const found = containerVerdict(
        container,
        specs?.find(({ name }) => name === container.name),
        pod,
        events,
        init,
      );
      if (found?.why && worse(worst?.why, found.why) === found.why) worst = found;
    }
  };
  look(status.initContainerStatuses, spec.initContainers, true);
  look(status.containerStatuses, spec.containers, false);
  if (worst) return worst;

  const probe = readiness(pod, events, now);
  if (probe) return probe;
  return { state: status.phase === "Running" && isOld(pod, now) ? "degraded" : "run" };
}

function containerVerdict(
  container: ContainerStatus,
  spec: ContainerSpec | undefined,
  pod: RawPod,
  events: readonly RawEvent[],
  init: boolean,
): PodVerdict | undefined {
  const object = `pods/${pod.metadata.name}`;
  const { name, state = {}, lastState = {}, restartCount: restarts = 0 } = container;
  const waiting = waitingReasons[state.waiting?.reason ?? ""];
  if (waiting) {
    const image = spec?.image ?? container.image ?? "";
    const problem = pullProblem(state.waiting?.message ?? state.waiting?.reason ?? "", events);
    const since = timeOf(pod.status?.startTime) ?? timeOf(pod.metadata.creationTimestamp);
    const found =
      waiting === "image.pull"
        ? why("image.pull", { image, problem }, { object, since })
        : waiting === "image.invalid"
          ? why("image.invalid", { image }, { object, since })
          : why("container.config", { container: name, problem }, { object, since });
    return { state: "failed", why: found };
  }

  const ended = state.terminated ?? lastState.terminated;
  if (!ended || container.ready) return undefined;
  const since = timeOf(ended.finishedAt);
  if (ended.reason === "OOMKilled") {
    const limit = spec?.resources?.limits?.memory ?? "none";
    return {
      state: "failed",
      why: why("container.out_of_memory", { container: name, limit, restarts }, { object, since }),
    };
  }
  // An init container that has done its work.
  if (init && ended.exitCode === 0) return undefined;
  if (restarts === 0 && state.waiting?.reason !== "CrashLoopBackOff") {
    if (!state.terminated) return undefined;
    return {
      state: "failed",
      why: why("container.exited", { container: name, exitCode: ended.exitCode }, { object, since }),
    };
  }
  const liveness = newest(events.filter(({ message }) => message?.startsWith("Liveness probe failed")));
  if (liveness && (ended.exitCode === 137 || ended.exitCode === 143)) {
    const problem = liveness.message ?? "";
    return { state: "failed", why: why("probe.liveness", { container: name, problem }, { object, since }) };
  }
  const line = lastLine(ended.message ?? "");
  return {
    state: "failed",
    why: why("container.crash_loop", { container: name, exitCode: ended.exitCode, restarts, line }, { object, since }),
    crashed: name,
  };
}

function readiness(pod: RawPod, events: readonly RawEvent[], now: number): PodVerdict | undefined {
  const unready = pod.status?.containerStatuses?.find(({ ready, state }) => !ready && state?.running);
  const event = newest(
    events.filter(({ message }) => /^(Readiness|Startup) probe (failed|errored)/.test(message ?? "")),
  );
  if (!unready || !event) return undefined;
  const since = timeOf(event.firstTimestamp ?? event.eventTime) ?? timeOf(unready.state?.running?.startedAt);
  const found = why(
    "probe.readiness",
    { container: unready.name, problem: event.message ?? "" },
    { object: `pods/${pod.metadata.name}`, since },
  );
  const started = timeOf(unready.state?.running?.startedAt) ?? now;
  return { state: "degraded", why: found, early: now - started < probeGraceMs };
}

/** The kubelet's back-off hides what went wrong; what follows it, or an event of the same pod, may still say it. */
function pullProblem(message: string, events: readonly RawEvent[]): string {
  const backOff = /^Back-off pulling image (?:"[^"]*"|\S+?)(?:: (.*))?$/s.exec(message);
  if (!backOff) return message;
  if (backOff[1]) return backOff[1].replace(/^ErrImagePull: /, "");
  const failed = events.filter(
    ({ reason, message }) => reason === "Failed" && /^Failed to pull image/.test(message ?? ""),
  );
  return newest(failed)?.message ?? message;
}

/** The worst of several pods; for those that wait for a node, how many do. */
export function worstOf(verdicts: readonly PodVerdict[]): PodVerdict | undefined {
  let worst: PodVerdict | undefined;
  for (const verdict of verdicts) {
    if (!verdict.why) continue;
    const beats = !worst?.why || rankOf(verdict.why) > rankOf(worst.why);
    if (beats || (worst?.early && !verdict.early && worse(worst.why, verdict.why) === worst.why)) worst = verdict;
  }
  if (worst?.why?.code !== "pod.unschedulable") return worst;
  const pods = verdicts.filter(({ why }) => why?.code === "pod.unschedulable").length;
  return { ...worst, why: { ...worst.why, params: { ...worst.why.params, pods } } };
}

/** What a controller says when it cannot create pods, by its newest event. */
export function creationFailure(events: readonly RawEvent[]): Why | undefined {
  const event = newest(events.filter(({ reason }) => reason === "FailedCreate"));
  if (!event) return undefined;
  const { kind = "", name = "" } = event.involvedObject ?? {};
  return refusalOf(event.message ?? "", `${kind}/${name}`, firstSeen(event));
}

/** Milliseconds since the epoch, as events of both generations say it. */
export function lastSeen(event: RawEvent): number {
  return (
    timeOf(event.series?.lastObservedTime) ??
    timeOf(event.lastTimestamp) ??
    timeOf(event.eventTime) ??
    timeOf(event.metadata.creationTimestamp) ??
    0
  );
}

function firstSeen(event: RawEvent): number | undefined {
  return timeOf(event.firstTimestamp) ?? timeOf(event.eventTime) ?? timeOf(event.metadata.creationTimestamp);
}

function newest(events: readonly RawEvent[]): RawEvent | undefined {
  let found: RawEvent | undefined;
  for (const event of events) if (!found || lastSeen(event) > lastSeen(found)) found = event;
  return found;
}

function isOld(pod: RawPod, now: number): boolean {
  return now - (timeOf(pod.status?.startTime) ?? now) > 60_000;
}

/** One line, short, without what moves a terminal's cursor. */
export function lastLine(text: string): string {
  const line = text.trimEnd().split("\n").at(-1) ?? "";
  const clean = line
    .replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "")
    .replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, " ")
    .trim();
  return clean.length > 300 ? `${clean.slice(0, 299)}…` : clean;
}
