import { Failure } from "../failure.ts";
import type { Json, Stored } from "../object.ts";
import { isActive, isAvailable, isReady, podFrom, withoutZeros } from "../pod.ts";
import { resources } from "../resource.ts";
import { nodeMatches } from "../scheduler.ts";
import { controllerManager, controllerStatus, type Deps, type Sync } from "./loop.ts";
import { cleanRevisions, revisionLabel, syncRevision } from "./revisions.ts";
import { resolve } from "./rollout.ts";

const component = "daemonset-controller";

/** One pod on every node the template fits. */
export const syncDaemonSet: Sync = (set, deps) => {
  if (set.metadata.deletionTimestamp) return;
  const { api, store } = deps;
  const hash = syncRevision(api, resources.daemonsets, set).metadata.labels![revisionLabel]!;
  const nodes = store.list(resources.nodes).filter((node) => nodeMatches(set.spec.template, node));
  const names = new Set(nodes.map((node) => node.metadata.name));
  for (const pod of podsOf(set, deps)) if (!names.has(placeOf(pod)) && isActive(pod)) remove(set, pod, deps);
  for (const node of nodes) {
    // The next pod comes when the one before it is gone.
    if (podsOf(set, deps).some((pod) => placeOf(pod) === node.metadata.name)) continue;
    if (!create(set, node, hash, deps)) break;
  }
  if (set.spec.updateStrategy.type === "RollingUpdate") replaceOld(set, nodes.length, hash, deps);
  const status = statusOf(set, names, hash, deps);
  const next = api.update(resources.daemonsets, set, { ...set, status }, controllerStatus);
  cleanRevisions(api, next, new Set([hash, ...podsOf(next, deps).map(hashOf)]));
};

function replaceOld(set: Stored, wanted: number, hash: string, deps: Deps): void {
  const pods = podsOf(set, deps).filter(isActive);
  const serves = (pod: Stored) => isAvailable(pod, set.spec.minReadySeconds ?? 0, deps.clock);
  const old = pods.filter((pod) => hashOf(pod) !== hash);
  const broken = old.filter((pod) => !serves(pod));
  // A pod that serves nobody may go at once; the others as many at a time as may be missing.
  const gap = Math.max(1, resolve(set.spec.updateStrategy.rollingUpdate?.maxUnavailable ?? 1, wanted, true));
  const missing = wanted - pods.filter(serves).length;
  const served = old.filter(serves).slice(0, Math.max(0, gap - missing));
  for (const pod of [...broken, ...served]) remove(set, pod, deps);
}

function create(set: Stored, node: Stored, hash: string, { api, events, again }: Deps): boolean {
  const { name, namespace } = set.metadata;
  const body = podFrom(resources.daemonsets, set, set.spec.template, {
    generateName: `${name}-`,
    labels: { [revisionLabel]: hash, "pod-template-generation": String(set.metadata.generation) },
  });
  const matchFields = [{ key: "metadata.name", operator: "In", values: [node.metadata.name] }];
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } };
  body.spec = { ...body.spec, affinity: { ...body.spec.affinity, nodeAffinity } };
  try {
    const pod = api.create(resources.pods, namespace, body, controllerManager);
    events.record(
      resources.daemonsets,
      set,
      "Normal",
      "SuccessfulCreate",
      `Created pod: ${pod.metadata.name}`,
      component,
    );
    return true;
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    events.record(resources.daemonsets, set, "Warning", "FailedCreate", `Error creating: ${cause.message}`, component);
    again(resources.daemonsets, set, 2000);
    return false;
  }
}

function remove(set: Stored, pod: Stored, { api, events }: Deps): void {
  api.delete(resources.pods, pod);
  events.record(
    resources.daemonsets,
    set,
    "Normal",
    "SuccessfulDelete",
    `Deleted pod: ${pod.metadata.name}`,
    component,
  );
}

function statusOf(set: Stored, names: Set<string>, hash: string, deps: Deps): Json {
  const pods = podsOf(set, deps).filter(isActive);
  const placed = pods.filter((pod) => names.has(placeOf(pod)));
  const ready = placed.filter(isReady);
  const available = ready.filter((pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, deps.clock)).length;
  if (available < ready.length) deps.again(resources.daemonsets, set, 500);
  return withoutZeros(
    {
      currentNumberScheduled: placed.length,
      numberMisscheduled: pods.length - placed.length,
      desiredNumberScheduled: names.size,
      numberReady: ready.length,
      observedGeneration: set.metadata.generation,
      updatedNumberScheduled: placed.filter((pod) => hashOf(pod) === hash).length,
      numberAvailable: available,
      numberUnavailable: names.size - available,
    },
    ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"],
  );
}

const podsOf = (set: Stored, { store }: Deps): Stored[] => store.dependentsOf(set.metadata.uid, resources.pods);

const hashOf = (pod: Stored): string | undefined => pod.metadata.labels?.[revisionLabel];

/** The node a pod is meant for, scheduled there or not yet. */
const placeOf = (pod: Stored): string =>
  pod.spec.nodeName ??
  pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms?.[0]
    ?.matchFields?.[0]?.values?.[0] ??
  "";
