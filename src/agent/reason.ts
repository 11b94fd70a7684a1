// Why a pod is not well, read from what the kubelet, the scheduler and the controllers write. Pure: reading is elsewhere.
import {
  type ContainerSpec,
  type ContainerState,
  type ContainerStatus,
  type RawEvent,
  type RawNode,
  type RawPod,
  timeOf,
} from "./object.ts";
import { bare, rankOf, refusalOf, type Why, why, worse } from "./state.ts";

/** "gone" is terminating; "over" has ended for good, and another pod takes its place. */
export type PodState = "ok" | "run" | "failed" | "degraded" | "wait" | "gone" | "over";

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
/** A pod that does not end, or is not ready, without another word is noticed after so long. */
const quietMs = 60_000;
/** The kubelet forgets a crash after the container has run for so long. */
const forgottenMs = 600_000;

type WaitingCode = "image.pull" | "image.invalid" | "container.config" | "container.start";

const waitingReasons: Record<string, WaitingCode | undefined> = {
  ContainerCreating: undefined,
  PodInitializing: undefined,
  CrashLoopBackOff: undefined,
  ErrImagePull: "image.pull",
  ImagePullBackOff: "image.pull",
  ErrImageNeverPull: "image.pull",
  RegistryUnavailable: "image.pull",
  ImageInspectError: "image.pull",
  SignatureValidationFailed: "image.pull",
  InvalidImageName: "image.invalid",
  CreateContainerConfigError: "container.config",
  CreateContainerError: "container.config",
  PreCreateHookError: "container.config",
  RunContainerError: "container.start",
  PreStartHookError: "container.start",
  PostStartHookError: "container.start",
};

/** Reasons of a container that was made and could not run: its message says why, its exit code does not. */
const neverRan = new Set(["StartError", "ContainerCannotRun"]);

/**
 * @param events of this pod; those of an earlier pod of its name are left out here
 * @param now by the API server's clock
 * @param node the pod's node, where it is known; null where there is none of its name
 */
export function podVerdict(pod: RawPod, events: readonly RawEvent[], now: number, node?: RawNode | null): PodVerdict {
  const { metadata, status = {}, spec = {} } = pod;
  const own = eventsAbout({ kind: "Pod", ...metadata }, events);
  if (metadata.deletionTimestamp) return terminating(pod, now, node);
  const object = `pods/${metadata.name}`;
  if (status.phase === "Succeeded") return { state: "over" };
  if (status.phase === "Failed") return { state: "over", why: ending(pod) };
  const ready = conditionOf(pod, "Ready");
  if (ready?.status === "True") return { state: "ok" };

  if (!spec.nodeName) return unscheduled(pod, now);
  const lost = nodeTrouble(pod, own, node);
  if (lost) return { state: "failed", why: lost };

  const worst = worstContainer(pod, own, now);
  if (worst) return worst;
  const creating = creationTrouble(pod, own, now) ?? readiness(pod, own, now);
  if (creating) return creating;
  if (ready?.reason === "ReadinessGatesNotReady") {
    const since = timeOf(ready.lastTransitionTime) ?? startOf(pod);
    const found = why("pod.readiness_gate", { problem: ready.message ?? "" }, { object, since });
    const began = timeOf(conditionOf(pod, "ContainersReady")?.lastTransitionTime) ?? startOf(pod) ?? now;
    return { state: "degraded", why: found, early: now - began < quietMs };
  }
  const initial = status.initContainerStatuses?.find((one) => one.state?.running && !isSidecar(specOf(pod, one.name)));
  if (initial) {
    const since = timeOf(initial.state?.running?.startedAt);
    return { state: "run", why: why("container.init_running", { container: initial.name }, { object, since }) };
  }
  return { state: status.phase === "Running" && isOld(pod, now) ? "degraded" : "run" };
}

/** Only those of this very object: names come again, and other kinds have the same. */
export function eventsAbout(
  { kind, name, uid, namespace }: { kind: string; name: string; uid?: string; namespace?: string },
  events: readonly RawEvent[],
): RawEvent[] {
  return events.filter(({ involvedObject: about }) => {
    if (!about) return true;
    return (
      (about.kind ?? kind) === kind &&
      (about.name ?? name) === name &&
      (!uid || !about.uid || about.uid === uid) &&
      (!namespace || !about.namespace || about.namespace === namespace)
    );
  });
}

function terminating(pod: RawPod, now: number, node: RawNode | null | undefined): PodVerdict {
  const { name, deletionTimestamp, deletionGracePeriodSeconds: grace = 30, finalizers = [] } = pod.metadata;
  // The API server's time of deletion lies at the end of the grace.
  const due = timeOf(deletionTimestamp) ?? now;
  if (now - due < quietMs) return { state: "gone" };
  const lost = nodeTrouble(pod, [], node);
  if (lost) return { state: "gone", why: lost };
  const holds = finalizers.length > 0 ? finalizers.join(", ") : `nodes/${pod.spec?.nodeName ?? "?"}`;
  const since = due - grace * 1000;
  return { state: "gone", why: why("pod.terminating", { grace, holds }, { object: `pods/${name}`, since }) };
}

/** Why a pod that is in phase Failed has come to that. */
function ending({ metadata, status = {} }: RawPod): Why {
  const object = `pods/${metadata.name}`;
  const ended = status.containerStatuses?.map(({ state }) => state?.terminated).find((one) => one?.exitCode);
  const since = timeOf(conditionOf({ metadata, status }, "Ready")?.lastTransitionTime) ?? timeOf(ended?.finishedAt);
  if (status.reason === "Evicted") {
    return why("pod.evicted", { problem: status.message ?? "" }, { object, since });
  }
  const reason = status.reason ?? ended?.reason ?? "Failed";
  const problem = status.message ?? (ended ? `exit code ${ended.exitCode}` : "");
  return why("pod.ended", { reason, problem }, { object, since });
}

function unscheduled(pod: RawPod, now: number): PodVerdict {
  const { metadata, spec = {}, status = {} } = pod;
  const object = `pods/${metadata.name}`;
  const scheduled = conditionOf(pod, "PodScheduled");
  const created = timeOf(metadata.creationTimestamp) ?? now;
  if (scheduled?.status === "False") {
    const since = timeOf(scheduled.lastTransitionTime);
    const gates = spec.schedulingGates?.map(({ name }) => name).join(", ");
    if (scheduled.reason === "SchedulingGated" || gates) {
      return { state: "wait", why: why("pod.gated", { gates: gates || "?" }, { object, since }) };
    }
    const problem = scheduled.message || scheduled.reason || "";
    const found = why("pod.unschedulable", { pods: 1, problem }, { object, since });
    // A node is being cleared for it: pods of less weight are on their way out.
    return { state: "wait", why: found, early: Boolean(status.nominatedNodeName) };
  }
  if (now - created < quietMs) return { state: "wait" };
  const scheduler = spec.schedulerName ?? "default-scheduler";
  return { state: "wait", why: why("pod.no_scheduler", { scheduler }, { object, since: created }) };
}

/** One reason for all pods of a node: what is said is of the node alone. */
function nodeTrouble(pod: RawPod, events: readonly RawEvent[], node: RawNode | null | undefined): Why | undefined {
  const name = pod.spec?.nodeName;
  if (!name) return undefined;
  const object = `nodes/${name}`;
  if (node === null) return why("node.gone", { node: name }, { object });
  const ready = node?.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready) {
    if (ready.status === "True") return undefined;
    const problem = ready.message || ready.reason || ready.status;
    return why("node.not_ready", { node: name, problem }, { object, since: timeOf(ready.lastTransitionTime) });
  }
  // Where nodes may not be read, their controller's word on the pod has to do.
  const event = newest(events.filter(({ reason }) => reason === "NodeNotReady"));
  if (!event && pod.status?.reason !== "NodeLost") return undefined;
  const problem = bare(event?.message ?? pod.status?.message ?? "");
  return why("node.not_ready", { node: name, problem }, { object, since: event && lastSeen(event) });
}

function worstContainer(pod: RawPod, events: readonly RawEvent[], now: number): PodVerdict | undefined {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  let worst: PodVerdict | undefined;
  const look = (container: ContainerStatus, init: boolean) => {
    const found = containerVerdict(container, init, pod, events, now);
    if (found?.why && worse(worst?.why, found.why) === found.why) worst = found;
  };
  for (const container of initContainerStatuses) look(container, true);
  for (const container of containerStatuses) look(container, false);
  return worst;
}

function containerVerdict(
  container: ContainerStatus,
  init: boolean,
  pod: RawPod,
  events: readonly RawEvent[],
  now: number,
): PodVerdict | undefined {
  const object = `pods/${pod.metadata.name}`;
  const { name, state = {}, lastState = {}, restartCount: restarts = 0 } = container;
  const spec = specOf(pod, name);
  const once = init && !isSidecar(spec);
  const waits = waitingCode(state.waiting?.reason);
  const unready = timeOf(conditionOf(pod, "Ready")?.lastTransitionTime);
  if (waits) {
    const since = unready ?? startOf(pod);
    const problem = pullProblem(bare(state.waiting?.message || state.waiting?.reason || ""), events);
    return {
      state: "failed",
      why: waitingWhy(waits, name, spec?.image ?? container.image ?? "", problem, object, since),
    };
  }

  const ended = state.terminated ?? lastState.terminated;
  if (!ended || container.ready) return undefined;
  // An init container that has done its work, and one whose failure its next start has mended.
  if (once && (ended.exitCode === 0 || (state.terminated && state.terminated.exitCode === 0))) return undefined;
  if (state.running && isHistory(state.running, ended, now)) return undefined;
  const failed = (found: Why, crashed?: string): PodVerdict => ({ state: "failed", why: found, crashed });
  const since = troubledSince(container, ended, events, unready);
  if (ended.reason === "OOMKilled") {
    const limit = spec?.resources?.limits?.memory ?? pod.spec?.resources?.limits?.memory;
    const at = { object, since };
    return failed(
      limit
        ? why("container.out_of_memory", { container: name, limit, restarts }, at)
        : why("container.out_of_memory_node", { container: name, restarts }, at),
    );
  }
  if (neverRan.has(ended.reason ?? "")) {
    return failed(why("container.start", { container: name, problem: bare(ended.message ?? "") }, { object, since }));
  }
  if (ended.reason === "ContainerStatusUnknown") {
    return state.running ? undefined : failed(why("container.lost", { container: name }, { object, since }));
  }
  if (restarts === 0 && state.waiting?.reason !== "CrashLoopBackOff") {
    if (!state.terminated) return undefined;
    return failed(why("container.exited", { container: name, exitCode: ended.exitCode }, { object, since }));
  }
  const probe = killedByProbe(name, ended.exitCode, events);
  if (probe) {
    const problem = probe.problem;
    return failed(why(probe.code, { container: name, problem }, { object, since }));
  }
  const line = lastLine(ended.message ?? "");
  return failed(
    why("container.crash_loop", { container: name, exitCode: ended.exitCode, restarts, line }, { object, since }),
    name,
  );
}

/** Waiting reasons of other runtimes and later kubelets are known by their form. */
function waitingCode(reason = ""): WaitingCode | undefined {
  if (reason in waitingReasons) return waitingReasons[reason];
  return /Err|Fail|BackOff|Invalid|Never/.test(reason) ? "container.config" : undefined;
}

function waitingWhy(
  code: WaitingCode,
  container: string,
  image: string,
  problem: string,
  object: string,
  since: number | undefined,
): Why {
  if (code === "image.pull") return why(code, { image, problem }, { object, since });
  if (code === "image.invalid") return why(code, { image }, { object, since });
  return why(code, { container, problem }, { object, since });
}

type Terminated = NonNullable<ContainerState["terminated"]>;

/** What runs for longer than the run before it, or than the kubelet remembers, has left its crash behind. */
function isHistory(running: NonNullable<ContainerState["running"]>, ended: Terminated, now: number): boolean {
  const runs = now - (timeOf(running.startedAt) ?? now);
  const [began, end] = [timeOf(ended.startedAt), timeOf(ended.finishedAt)];
  const before = began === undefined || end === undefined ? forgottenMs : end - began;
  return runs > Math.min(forgottenMs, Math.max(quietMs, 2 * before));
}

/** Since the first of its crashes, as far as anything still tells of them: not since the last. */
function troubledSince(
  { name }: ContainerStatus,
  ended: Terminated,
  events: readonly RawEvent[],
  unready: number | undefined,
): number | undefined {
  const times = [timeOf(ended.finishedAt), unready];
  for (const event of events) {
    if (event.reason === "BackOff" && concerns(event, name)) times.push(firstSeen(event));
  }
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

function killedByProbe(container: string, exitCode: number, events: readonly RawEvent[]) {
  if (exitCode !== 137 && exitCode !== 143) return undefined;
  const failed = (probe: string) =>
    newest(
      events.filter(
        (event) => concerns(event, container) && bare(event.message ?? "").startsWith(`${probe} probe failed`),
      ),
    );
  const [startup, liveness] = [failed("Startup"), failed("Liveness")];
  const event = liveness ?? startup;
  if (!event) return undefined;
  const code: "probe.liveness" | "probe.startup" = liveness ? "probe.liveness" : "probe.startup";
  return { code, problem: bare(event.message ?? "") };
}

/** What keeps the containers from being made, by the newest event that is not past: volumes and the sandbox. */
function creationTrouble(pod: RawPod, events: readonly RawEvent[], now: number): PodVerdict | undefined {
  if (!waitsForCreation(pod)) return undefined;
  const event = newest(events.filter(({ reason = "" }) => troubles.test(reason) || progress.has(reason)));
  if (!event || !troubles.test(event.reason ?? "")) return undefined;
  const at = { object: `pods/${pod.metadata.name}`, since: firstSeen(event) };
  const problem = bare(event.message ?? "");
  const volume = /volumes?(?:=\[| ")([^\]"]+)/.exec(problem)?.[1];
  const found = /Mount|Attach|MapVolume/.test(event.reason ?? "")
    ? why("volume.mount", { volume: volume ?? "?", problem }, at)
    : why("pod.sandbox", { problem }, at);
  return { state: "failed", why: found, early: now - (startOf(pod) ?? now) < probeGraceMs };
}

const troubles = /^(FailedMount|FailedAttachVolume|FailedMapVolume|FailedCreatePodSandBox|NetworkNotReady)$/;
const progress = new Set(["Pulling", "Pulled", "Created", "Started"]);

/** None of its containers has been made yet. */
export function waitsForCreation({ status = {} }: RawPod): boolean {
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  return all.every(({ state }) => !state?.running && !state?.terminated);
}

/** Containers that serve: those of the pod, and sidecars. */
export function unreadyContainer(pod: RawPod): ContainerStatus | undefined {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const sidecars = initContainerStatuses.filter(({ name }) => isSidecar(specOf(pod, name)));
  return [...sidecars, ...containerStatuses].find(({ ready, state }) => !ready && state?.running);
}

function readiness(pod: RawPod, events: readonly RawEvent[], now: number): PodVerdict | undefined {
  const unready = unreadyContainer(pod);
  if (!unready) return undefined;
  const began = timeOf(unready.state?.running?.startedAt);
  const started = began ?? now;
  const event = newest(
    events.filter(
      (one) =>
        /^(Readiness|Startup) probe (failed|errored)/.test(bare(one.message ?? "")) &&
        concerns(one, unready.name) &&
        // What an earlier run of the container failed is past. Times of events have no fractions.
        (began === undefined || lastSeen(one) >= began - 1_000),
    ),
  );
  const object = `pods/${pod.metadata.name}`;
  const turned = timeOf(conditionOf(pod, "Ready")?.lastTransitionTime);
  if (!event) {
    const probe = specOf(pod, unready.name)?.readinessProbe;
    if (!probe || now - started < quietMs + (probe.initialDelaySeconds ?? 0) * 1000) return undefined;
    const since = turned ?? started;
    return { state: "degraded", why: why("container.not_ready", { container: unready.name }, { object, since }) };
  }
  const problem = bare(event.message ?? "");
  const since = turned ?? firstSeen(event) ?? started;
  const params = { container: unready.name, problem };
  const code = problem.startsWith("Startup") ? ("probe.startup" as const) : ("probe.readiness" as const);
  return {
    state: "degraded",
    why: why(code, params, { object, since }),
    early: now - started < probeGraceMs,
  };
}

/** Whether an event is of this container, or does not say of which. */
function concerns({ involvedObject }: RawEvent, container: string): boolean {
  const named = /\{(.+)\}$/.exec(involvedObject?.fieldPath ?? "")?.[1];
  return named === undefined || named === container;
}

function specOf({ spec }: RawPod, wanted: string): ContainerSpec | undefined {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].find(({ name }) => name === wanted);
}

export function isSidecar(spec: ContainerSpec | undefined): boolean {
  return spec?.restartPolicy === "Always";
}

function conditionOf({ status }: RawPod, wanted: string) {
  return status?.conditions?.find(({ type }) => type === wanted);
}

function startOf({ status, metadata }: RawPod): number | undefined {
  return timeOf(status?.startTime) ?? timeOf(metadata.creationTimestamp);
}

/** The kubelet's back-off hides what went wrong; what follows it, or an event of the same pod, may still say it. */
function pullProblem(message: string, events: readonly RawEvent[]): string {
  const backOff = /^Back-off pulling image (?:"[^"]*"|\S+?)(?:: (.*))?$/s.exec(message);
  if (!backOff) return message;
  if (backOff[1]) return backOff[1].replace(/^ErrImagePull: /, "");
  const failed = events.filter(
    ({ reason, message }) => reason === "Failed" && /^Failed to pull image/.test(bare(message ?? "")),
  );
  const event = newest(failed);
  return event ? bare(event.message ?? "") : message;
}

/** The worst of several pods; for those that wait for a node, how many do. */
export function worstOf(verdicts: readonly PodVerdict[]): PodVerdict | undefined {
  let worst: PodVerdict | undefined;
  for (const verdict of verdicts) {
    if (!verdict.why || verdict.state === "over" || verdict.state === "gone") continue;
    const beats = !worst?.why || rankOf(verdict.why) > rankOf(worst.why);
    if (beats || (worst?.early && !verdict.early && worse(worst.why, verdict.why) === worst.why)) worst = verdict;
  }
  if (worst?.why?.code !== "pod.unschedulable") return worst;
  const pods = verdicts.filter(({ why }) => why?.code === "pod.unschedulable").length;
  return { ...worst, why: { ...worst.why, params: { ...worst.why.params, pods } } };
}

/** What a controller says when it cannot create pods, by its newest event: what has succeeded since is past. */
export function creationFailure(events: readonly RawEvent[]): Why | undefined {
  const event = newest(events.filter(({ reason }) => reason === "FailedCreate" || reason === "SuccessfulCreate"));
  if (event?.reason !== "FailedCreate") return undefined;
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
  return now - (timeOf(pod.status?.startTime) ?? now) > quietMs;
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
