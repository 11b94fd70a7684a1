// What a case of the tables is made of. Times are told as seconds before `now`, so that a case reads as a story.
import type { ContainerStatus, RawCondition, RawEvent, RawNode, RawPod } from "../../../src/agent/object.ts";

export const now = Date.parse("2026-11-22T12:00:00Z");
/** As API servers write it: without fractions. */
export const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString().replace(".000Z", "Z");

export const minute = 60;
export const hour = 3600;
export const day = 86_400;

type Spec = NonNullable<RawPod["spec"]> & { readinessGates?: { conditionType: string }[] };
type Status = NonNullable<RawPod["status"]>;

export interface PodCase {
  name: string;
  /** READY and STATUS of `kubectl get pods`. */
  kubectl: `${number}/${number} ${string}`;
  /** Our state and the reason's code: "failed image.pull", "ok". */
  says: string;
  params?: Record<string, string | number>;
  early?: boolean;
  /** Seconds since it began to be so. */
  since?: number;
  spec?: Spec;
  status?: Status;
  events?: RawEvent[];
  node?: RawNode | null;
  /** Seconds since it was made. */
  age?: number;
  /** Seconds since the end of its grace; negative while it lasts. */
  deleted?: { since: number; grace?: number; finalizers?: string[] };
}

export const uid = "11111111-1111-1111-1111-111111111111";

/** The pod of a case as an API server would give it. */
export function podOf({ name, spec = {}, status = {}, age = 10 * minute, deleted }: PodCase): RawPod {
  const statuses = status.containerStatuses ?? [];
  const names = statuses.length > 0 ? statuses.map((one) => one.name) : ["app"];
  const containers = spec.containers ?? names.map((one) => ({ name: one, image: `registry.test/${one}:1` }));
  const initNames = status.initContainerStatuses ?? [];
  const initContainers =
    spec.initContainers ??
    (initNames.length > 0
      ? initNames.map((one) => ({ name: one.name, image: `registry.test/${one.name}:1` }))
      : undefined);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ name, namespace: "default", uid, creationTimestamp: ago(age) },
      ...(deleted && {
        deletionTimestamp: ago(deleted.since),
        deletionGracePeriodSeconds: deleted.grace ?? 30,
        finalizers: deleted.finalizers,
      }),
    },
    spec: { ...("nodeName" in spec ? {} : { nodeName: "n1" }), ...spec, containers, initContainers },
    status: { startTime: "nodeName" in spec ? undefined : ago(age), ...status },
  };
}

type Last = { exitCode: number; reason?: string; ago: number; ran?: number; message?: string };

const terminated = ({ exitCode, reason = exitCode === 0 ? "Completed" : "Error", ago: at, ran, message }: Last) => ({
  terminated: {
    ...{ exitCode, reason, message, finishedAt: ago(at) },
    startedAt: ran === undefined ? undefined : ago(at + ran),
  },
});

interface More {
  restarts?: number;
  last?: Last;
  ready?: boolean;
  started?: boolean;
}

function container(
  name: string,
  state: ContainerStatus["state"],
  { restarts = 0, last, ready = false, started }: More,
) {
  const image = `registry.test/${name}:1`;
  return {
    name,
    image,
    imageID: "",
    ready,
    started,
    restartCount: restarts,
    state,
    lastState: last && terminated(last),
  };
}

export const waiting = (name: string, reason: string, message?: string, more: More = {}): ContainerStatus =>
  container(name, { waiting: { reason, message } }, more);

/** @param since seconds */
export const running = (name: string, since: number, more: More = {}): ContainerStatus =>
  container(name, { running: { startedAt: ago(since) } }, { started: true, ...more });

export const ended = (name: string, last: Last, more: More = {}): ContainerStatus =>
  container(name, terminated(last), more);

/** A pod whose Ready condition has been False for so many seconds. */
export function unready(since: number, reason = "ContainersNotReady", message?: string): RawCondition[] {
  return [
    { type: "PodScheduled", status: "True", lastTransitionTime: ago(since) },
    { type: "Ready", status: "False", reason, message, lastTransitionTime: ago(since) },
  ];
}

export const isReady: RawCondition[] = [{ type: "Ready", status: "True", lastTransitionTime: ago(hour) }];

interface EventMore {
  first?: number;
  last?: number;
  uid?: string;
  container?: string;
  about?: RawEvent["involvedObject"];
  series?: boolean;
}

export function event(reason: string, message: string, more: EventMore = {}): RawEvent {
  const { first = 30, last = 5, series } = more;
  const fieldPath = more.container && `spec.containers{${more.container}}`;
  const times = series
    ? { eventTime: ago(first), series: { count: 5, lastObservedTime: ago(last) } }
    : { firstTimestamp: ago(first), lastTimestamp: ago(last) };
  return {
    metadata: { name: `${reason}.${last}` },
    ...{ type: "Warning", reason, message, ...times },
    involvedObject: more.about ?? { kind: "Pod", uid: more.uid ?? uid, fieldPath },
  };
}

export function node(status: "True" | "False" | "Unknown", message: string, since = 8 * minute): RawNode {
  return {
    metadata: { name: "n1" },
    status: { conditions: [{ type: "Ready", status, message, lastTransitionTime: ago(since) }] },
  };
}
