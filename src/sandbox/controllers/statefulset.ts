import { Failure } from "../failure.ts";
import type { Json, Stored } from "../object.ts";
import { isAvailable, isReady, podFrom, withoutZeros } from "../pod.ts";
import { resources } from "../resource.ts";
import { controllerManager, controllerStatus, type Deps, type Sync } from "./loop.ts";
import { cleanRevisions, revisionLabel, syncRevision } from "./revisions.ts";

const component = "statefulset-controller";

/** One pod after the other: the next is touched only when those before it are running and ready. */
export const syncStatefulSet: Sync = (set, deps) => {
  if (set.metadata.deletionTimestamp) return;
  const { api, store } = deps;
  const update = syncRevision(api, resources.statefulsets, set).metadata.name;
  const revisions = store
    .dependentsOf(set.metadata.uid, resources.controllerrevisions)
    .map(({ metadata }) => metadata.name);
  const known = set.status?.currentRevision;
  const current = known && revisions.includes(known) ? known : update;
  manage(set, current, update, deps);
  const status = statusOf(set, current, update, deps);
  const next = api.update(resources.statefulsets, set, { ...set, status }, controllerStatus);
  cleanRevisions(api, next, new Set([status.currentRevision, update, ...podsOf(next, deps).map(revisionOf)]));
};

function manage(set: Stored, current: string, update: string, deps: Deps): void {
  const wait = set.spec.minReadySeconds ?? 0;
  const ordered = set.spec.podManagementPolicy !== "Parallel";
  const start = set.spec.ordinals?.start ?? 0;
  const pods = new Map(podsOf(set, deps).map((pod) => [ordinalOf(pod), pod]));
  const settled = (pod: Stored | undefined) =>
    pod !== undefined && !pod.metadata.deletionTimestamp && isAvailable(pod, wait, deps.clock);

  for (let i = start; i < start + set.spec.replicas; i++) {
    const pod = pods.get(i);
    if (!pod && !create(set, i, i - start < partitionOf(set) ? current : update, deps)) return;
    if (ordered && !settled(pod)) {
      if (pod && isReady(pod)) deps.again(resources.statefulsets, set, 500);
      return;
    }
  }
  const surplus = [...pods.keys()].filter((i) => i < start || i >= start + set.spec.replicas).sort((a, b) => b - a);
  for (const i of surplus) {
    if (!pods.get(i)!.metadata.deletionTimestamp) remove(set, pods.get(i)!, deps);
    if (ordered) return;
  }
  if (set.spec.updateStrategy.type === "OnDelete") return;
  for (let i = start + set.spec.replicas - 1; i >= start + partitionOf(set); i--) {
    const pod = pods.get(i);
    if (!pod) return;
    const old = revisionOf(pod) !== update && !pod.metadata.deletionTimestamp;
    if (old) remove(set, pod, deps);
    if (old || !settled(pod)) return;
  }
}

function remove(set: Stored, pod: Stored, { api, events }: Deps): void {
  api.delete(resources.pods, pod);
  const message = `Delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} successful`;
  events.record(resources.statefulsets, set, "Normal", "SuccessfulDelete", message, component);
}

function create(set: Stored, ordinal: number, revision: string, deps: Deps): boolean {
  const { api, store, events, again } = deps;
  const { name, namespace } = set.metadata;
  const template =
    store.get(resources.controllerrevisions, namespace, revision)?.data.spec.template ?? set.spec.template;
  const { $patch: _, ...bare } = template;
  const podName = `${name}-${ordinal}`;
  const labels = {
    "statefulset.kubernetes.io/pod-name": podName,
    "apps.kubernetes.io/pod-index": String(ordinal),
    [revisionLabel]: revision,
  };
  const body = podFrom(resources.statefulsets, set, bare, { name: podName, labels });
  body.spec = { ...body.spec, hostname: podName, ...(set.spec.serviceName && { subdomain: set.spec.serviceName }) };
  try {
    api.create(resources.pods, namespace, body, controllerManager);
    events.record(
      resources.statefulsets,
      set,
      "Normal",
      "SuccessfulCreate",
      `Create Pod ${podName} in StatefulSet ${name} successful`,
      component,
    );
    return true;
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    const message = `create Pod ${podName} in StatefulSet ${name} failed error: ${cause.message}`;
    events.record(resources.statefulsets, set, "Warning", "FailedCreate", message, component);
    again(resources.statefulsets, set, 2000);
    return false;
  }
}

function statusOf(set: Stored, current: string, update: string, deps: Deps): Json {
  const pods = podsOf(set, deps);
  const alive = pods.filter((pod) => !pod.metadata.deletionTimestamp);
  const ready = pods.filter((pod) => pod.status?.phase === "Running" && isReady(pod));
  const updated = alive.filter((pod) => revisionOf(pod) === update).length;
  const done = updated === pods.length && ready.length === pods.length && pods.length === set.spec.replicas;
  const currentRevision = done && set.spec.updateStrategy.type === "RollingUpdate" ? update : current;
  return withoutZeros(
    {
      observedGeneration: set.metadata.generation,
      replicas: pods.length,
      readyReplicas: ready.length,
      currentReplicas: alive.filter((pod) => revisionOf(pod) === currentRevision).length,
      updatedReplicas: updated,
      availableReplicas: ready.filter((pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, deps.clock)).length,
      currentRevision,
      updateRevision: update,
      collisionCount: 0,
    },
    ["replicas", "availableReplicas", "collisionCount"],
  );
}

const podsOf = (set: Stored, { store }: Deps): Stored[] => store.dependentsOf(set.metadata.uid, resources.pods);

const ordinalOf = (pod: Stored): number => Number(pod.metadata.name.slice(pod.metadata.name.lastIndexOf("-") + 1));

const revisionOf = (pod: Stored): string | undefined => pod.metadata.labels?.[revisionLabel];

const partitionOf = (set: Stored): number => set.spec.updateStrategy.rollingUpdate?.partition ?? 0;
