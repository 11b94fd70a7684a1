import { Failure } from "../failure.ts";
import { type Json, type Stored, timestamp } from "../object.ts";
import { isActive, isAvailable, isReady, podFrom, withoutZeros } from "../pod.ts";
import { resources } from "../resource.ts";
import { controllerManager, controllerStatus, type Deps, type Sync } from "./loop.ts";

const component = "replicaset-controller";

export const syncReplicaSet: Sync = (set, deps) => {
  if (set.metadata.deletionTimestamp) return;
  const { store, clock, again } = deps;
  const pods = store.dependentsOf(set.metadata.uid, resources.pods).filter(isActive);
  const missing = set.spec.replicas - pods.length;
  const failure = missing > 0 ? createPods(set, missing, deps) : undefined;
  if (missing < 0) deletePods(set, pods, -missing, deps);
  const current = store.dependentsOf(set.metadata.uid, resources.pods).filter(isActive);
  const wait = set.spec.minReadySeconds ?? 0;
  const ready = current.filter(isReady);
  const available = ready.filter((pod) => isAvailable(pod, wait, clock));
  if (available.length < ready.length) again(resources.replicasets, set, 500);
  const others = (set.status?.conditions ?? []).filter((condition: Json) => condition.type !== "ReplicaFailure");
  const known = set.status?.conditions?.find((condition: Json) => condition.type === "ReplicaFailure");
  const conditions = failure ? [...others, known ?? replicaFailure(failure)] : others;
  const status = withoutZeros(
    {
      replicas: current.length,
      fullyLabeledReplicas: current.length,
      readyReplicas: ready.length,
      availableReplicas: available.length,
      terminatingReplicas: store
        .dependentsOf(set.metadata.uid, resources.pods)
        .filter((pod) => pod.metadata.deletionTimestamp).length,
      observedGeneration: set.metadata.generation,
      conditions: conditions.length > 0 ? conditions : undefined,
    },
    ["replicas", "terminatingReplicas"],
  );
  deps.api.update(resources.replicasets, set, { ...set, status }, controllerStatus);
};

// How often a set has failed to create pods in a row: its next try is the later.
const failures = new WeakMap<object, Map<string, number>>();

function createPods(set: Stored, count: number, { api, store, events, again }: Deps): Failure | undefined {
  const failed = failures.get(store) ?? new Map<string, number>();
  failures.set(store, failed);
  const { name, namespace, uid } = set.metadata;
  for (let i = 0; i < count; i++) {
    const body = podFrom(resources.replicasets, set, set.spec.template, { generateName: `${name}-` });
    try {
      const pod = api.create(resources.pods, namespace, body, controllerManager);
      events.record(
        resources.replicasets,
        set,
        "Normal",
        "SuccessfulCreate",
        `Created pod: ${pod.metadata.name}`,
        component,
      );
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      events.record(
        resources.replicasets,
        set,
        "Warning",
        "FailedCreate",
        `Error creating: ${cause.message}`,
        component,
      );
      const times = failed.get(uid) ?? 0;
      failed.set(uid, times + 1);
      again(resources.replicasets, set, Math.min(500 * 2 ** times, 30_000));
      return cause;
    }
  }
  failed.delete(uid);
  return undefined;
}

function deletePods(set: Stored, pods: Stored[], count: number, { api, events }: Deps): void {
  for (const pod of [...pods].sort(byWorth).slice(0, count)) {
    api.delete(resources.pods, pod);
    events.record(
      resources.replicasets,
      set,
      "Normal",
      "SuccessfulDelete",
      `Deleted pod: ${pod.metadata.name}`,
      component,
    );
  }
}

/** Least worth first: unscheduled, then pending, then not ready, then the youngest. */
function byWorth(a: Stored, b: Stored): number {
  const worth = (pod: Stored) =>
    (pod.spec.nodeName ? 4 : 0) + (pod.status?.phase === "Running" ? 2 : 0) + (isReady(pod) ? 1 : 0);
  return worth(a) - worth(b) || b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp);
}

const replicaFailure = ({ message }: Failure): Json => ({
  type: "ReplicaFailure",
  status: "True",
  lastTransitionTime: timestamp(),
  reason: "FailedCreate",
  message,
});
