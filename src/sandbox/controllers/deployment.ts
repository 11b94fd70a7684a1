import { type Json, type Stored, shortHash } from "../object.ts";
import { isActive, isOwnedBy, ownerReference } from "../pod.ts";
import { resources } from "../resource.ts";
import { calculateStatus, condition, isComplete, rolloutStatus, withCondition } from "./deployment-status.ts";
import { controllerManager, controllerStatus, type Deps, type Sync } from "./loop.ts";
import {
  annotations,
  bySize,
  createdFirst,
  desiredAnnotation,
  maxAnnotation,
  maxSurgeOf,
  maxUnavailableOf,
  proportional,
  revisionAnnotation,
  revisionOf,
  sameTemplate,
} from "./rollout.ts";

const component = "deployment-controller";

/** As kube-controller-manager does it: ReplicaSets for the templates, scaled step by step, conditions told. */
export const syncDeployment: Sync = (deployment, deps) => {
  if (deployment.metadata.deletionTimestamp) return;
  const sets = setsOf(deployment, deps);
  const observed = pausedCondition(deployment, deps);
  if (observed.spec.paused) {
    const newSet = findNew(observed, sets);
    scaleAll(observed, newSet, sets, deps);
    const status = calculateStatus(observed, setsOf(observed, deps), findNew(observed, setsOf(observed, deps)));
    deps.api.update(resources.deployments, observed, { ...observed, status }, controllerStatus);
    return;
  }
  if (isScaling(observed, sets)) {
    scaleAll(observed, findNew(observed, sets), sets, deps);
    const now = setsOf(observed, deps);
    const status = calculateStatus(observed, now, findNew(observed, now));
    deps.api.update(resources.deployments, observed, { ...observed, status }, controllerStatus);
    return;
  }
  if (observed.spec.strategy.type === "Recreate") recreate(observed, deps);
  else roll(observed, deps);
};

function roll(deployment: Stored, deps: Deps): void {
  const { current, newSet } = ensureNew(deployment, deps);
  const sets = setsOf(current, deps);
  if (growNew(current, newSet, sets, deps) || shrinkOld(current, newSet, sets, deps)) {
    tell(current, deps);
    return;
  }
  if (isComplete(current, current.status ?? {})) cleanUp(current, newSet, sets, deps);
  tell(current, deps);
}

function recreate(deployment: Stored, deps: Deps): void {
  const sets = setsOf(deployment, deps);
  const existing = findNew(deployment, sets);
  const old = sets.filter((set) => set !== existing);
  for (const set of old) scale(deployment, set, 0, deps);
  const running = old.some((set) => deps.store.dependentsOf(set.metadata.uid, resources.pods).length > 0);
  if (running) {
    // Their end changes pods of other sets, which does not wake this one.
    deps.again(resources.deployments, deployment, 50);
    tell(deployment, deps);
    return;
  }
  const { current, newSet } = ensureNew(deployment, deps);
  growNew(current, newSet, setsOf(current, deps), deps);
  if (isComplete(current, current.status ?? {})) cleanUp(current, newSet, setsOf(current, deps), deps);
  tell(current, deps);
}

function tell(deployment: Stored, deps: Deps): void {
  const sets = setsOf(deployment, deps);
  const status = rolloutStatus(deployment, sets, findNew(deployment, sets), deps);
  deps.api.update(resources.deployments, deployment, { ...deployment, status }, controllerStatus);
}

/** The set of the current template, made or brought up to the newest revision, and the deployment that knows of it. */
function ensureNew(deployment: Stored, deps: Deps): { current: Stored; newSet: Stored } {
  const sets = setsOf(deployment, deps);
  const existing = findNew(deployment, sets);
  const revision = Math.max(0, ...sets.filter((set) => set !== existing).map(revisionOf)) + 1;
  const newSet = existing ? renew(deployment, existing, revision, deps) : make(deployment, sets, revision, deps);
  const kept = deployment.metadata.annotations ?? {};
  const annotated = { ...kept, [revisionAnnotation]: newSet.metadata.annotations![revisionAnnotation]! };
  let status = deployment.status ?? {};
  if (!existing && deployment.spec.progressDeadlineSeconds) {
    const message = `Created new replica set "${newSet.metadata.name}"`;
    status = withCondition(status, condition("Progressing", "True", "NewReplicaSetCreated", message));
  } else if (
    !status.conditions?.some((known: Json) => known.type === "Progressing") &&
    deployment.spec.progressDeadlineSeconds
  ) {
    const message = `Found new replica set "${newSet.metadata.name}"`;
    status = withCondition(status, condition("Progressing", "True", "FoundNewReplicaSet", message));
  }
  const next = { ...deployment, metadata: { ...deployment.metadata, annotations: annotated }, status };
  return { current: deps.api.update(resources.deployments, deployment, next, controllerStatus), newSet };
}

function renew(deployment: Stored, set: Stored, revision: number, { api }: Deps): Stored {
  const next = {
    ...set,
    metadata: { ...set.metadata, annotations: annotations(deployment, set, Math.max(revision, revisionOf(set))) },
    spec: { ...set.spec, ...(deployment.spec.minReadySeconds && { minReadySeconds: deployment.spec.minReadySeconds }) },
  };
  return api.update(resources.replicasets, set, next, controllerManager);
}

function make(deployment: Stored, sets: Stored[], revision: number, { api, events }: Deps): Stored {
  const body = replicaSetFor(deployment, revision);
  body.spec.replicas = newReplicas(deployment, body.spec.replicas, sets, 0);
  const set = api.create(resources.replicasets, deployment.metadata.namespace, body, controllerManager);
  if (set.spec.replicas > 0) {
    const message = `Scaled up replica set ${set.metadata.name} from 0 to ${set.spec.replicas}`;
    events.record(resources.deployments, deployment, "Normal", "ScalingReplicaSet", message, component);
  }
  return set;
}

/** The ReplicaSet of a deployment's template, at full size. */
export function replicaSetFor(deployment: Stored, revision: number): Json {
  const { template, selector, replicas, minReadySeconds } = deployment.spec;
  const hash = shortHash(template);
  const labels = { ...template.metadata?.labels, "pod-template-hash": hash };
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: annotations(deployment, undefined, revision),
      ownerReferences: [ownerReference(resources.deployments, deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds && { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, "pod-template-hash": hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

function growNew(deployment: Stored, newSet: Stored, sets: Stored[], deps: Deps): boolean {
  const { replicas } = deployment.spec;
  if (newSet.spec.replicas === replicas) return false;
  if (newSet.spec.replicas > replicas) return scale(deployment, newSet, replicas, deps);
  return scale(deployment, newSet, newReplicas(deployment, replicas, sets, newSet.spec.replicas), deps);
}

/** How many replicas the new set may have now, with maxSurge above what is wanted. */
function newReplicas(deployment: Stored, wanted: number, sets: Stored[], has: number): number {
  if (deployment.spec.strategy.type === "Recreate") return wanted;
  const total = sum(sets, (set) => set.spec.replicas);
  const room = wanted + maxSurgeOf(deployment) - total;
  return room <= 0 ? has : has + Math.min(room, wanted - has);
}

function shrinkOld(deployment: Stored, newSet: Stored, sets: Stored[], deps: Deps): boolean {
  const old = sets
    .filter((set) => set.metadata.uid !== newSet.metadata.uid && set.spec.replicas > 0)
    .sort(createdFirst);
  if (old.length === 0) return false;
  const least = deployment.spec.replicas - maxUnavailableOf(deployment);
  const newUnavailable = newSet.spec.replicas - available(newSet);
  let room = sum(sets, (set) => set.spec.replicas) - least - newUnavailable;
  if (room <= 0) return false;
  let scaled = false;
  const left = new Map(old.map((set) => [set, set.spec.replicas as number]));
  // Broken replicas of old sets go first: they serve nobody.
  for (const set of old) {
    const broken = Math.min(room, set.spec.replicas - available(set));
    if (broken <= 0) continue;
    left.set(set, set.spec.replicas - broken);
    room -= broken;
  }
  let spare = sum(sets, available) - least;
  for (const set of old) {
    const count = Math.min(left.get(set)!, Math.max(spare, 0));
    left.set(set, left.get(set)! - count);
    spare -= count;
  }
  for (const set of old) scaled = scale(deployment, set, left.get(set)!, deps) || scaled;
  return scaled;
}

/** After a change of spec.replicas, in the middle of a rollout too: every active set gets its share. */
function scaleAll(deployment: Stored, newSet: Stored | undefined, sets: Stored[], deps: Deps): void {
  resize(deployment, newSet, sets, deps);
  // Whatever kept its size notes the new total, else the change of size would be seen for ever.
  for (const set of setsOf(deployment, deps))
    if (set.spec.replicas > 0) scale(deployment, set, set.spec.replicas, deps);
}

function resize(deployment: Stored, newSet: Stored | undefined, sets: Stored[], deps: Deps): void {
  const { replicas } = deployment.spec;
  const active = sets.filter((set) => set.spec.replicas > 0);
  const only =
    active.length === 1 ? active[0] : active.length === 0 ? (newSet ?? [...sets].sort(createdFirst).at(-1)) : undefined;
  if (only) {
    scale(deployment, only, replicas, deps);
    return;
  }
  const saturated = newSet && newSet.spec.replicas === replicas && available(newSet) === replicas;
  if (saturated) {
    for (const set of active) if (set !== newSet) scale(deployment, set, 0, deps);
    return;
  }
  if (deployment.spec.strategy.type !== "RollingUpdate") return;
  const allowed = replicas > 0 ? replicas + maxSurgeOf(deployment) : 0;
  for (const [set, size] of proportional(deployment, active.sort(bySize), allowed)) scale(deployment, set, size, deps);
}

/** Sets the size and the notes on it; true when the size changed. */
function scale(deployment: Stored, given: Stored, replicas: number, { api, store, events }: Deps): boolean {
  const set = store.get(resources.replicasets, given.metadata.namespace, given.metadata.name);
  if (!set) return false;
  const notes = {
    ...set.metadata.annotations,
    [desiredAnnotation]: String(deployment.spec.replicas),
    [maxAnnotation]: String(deployment.spec.replicas + maxSurgeOf(deployment)),
  };
  const next = { ...set, metadata: { ...set.metadata, annotations: notes }, spec: { ...set.spec, replicas } };
  api.update(resources.replicasets, set, next, controllerManager);
  if (set.spec.replicas === replicas) return false;
  const way = replicas > set.spec.replicas ? "up" : "down";
  const message = `Scaled ${way} replica set ${set.metadata.name} from ${set.spec.replicas} to ${replicas}`;
  events.record(resources.deployments, deployment, "Normal", "ScalingReplicaSet", message, component);
  return true;
}

function isScaling(deployment: Stored, sets: Stored[]): boolean {
  return sets.some((set) => {
    const desired = set.metadata.annotations?.[desiredAnnotation];
    return set.spec.replicas > 0 && desired !== undefined && Number(desired) !== deployment.spec.replicas;
  });
}

function cleanUp(deployment: Stored, newSet: Stored, sets: Stored[], { api, store }: Deps): void {
  const old = sets
    .filter((set) => set.metadata.uid !== newSet.metadata.uid)
    .filter(
      (set) =>
        set.spec.replicas === 0 &&
        !set.status?.replicas &&
        set.metadata.generation! <= (set.status?.observedGeneration ?? 0),
    )
    .sort((a, b) => revisionOf(a) - revisionOf(b));
  for (const set of old.slice(0, Math.max(0, old.length - deployment.spec.revisionHistoryLimit))) {
    if (!store.dependentsOf(set.metadata.uid, resources.pods).some(isActive)) api.delete(resources.replicasets, set);
  }
}

function pausedCondition(deployment: Stored, { api }: Deps): Stored {
  if (!deployment.spec.progressDeadlineSeconds) return deployment;
  const known = deployment.status?.conditions?.find((c: Json) => c.type === "Progressing");
  if (known?.reason === "ProgressDeadlineExceeded") return deployment;
  const noted = known?.reason === "DeploymentPaused";
  let told: Json;
  if (deployment.spec.paused && !noted)
    told = condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
  else if (!deployment.spec.paused && noted)
    told = condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
  else return deployment;
  const next = { ...deployment, status: withCondition(deployment.status ?? {}, told) };
  return api.update(resources.deployments, deployment, next, controllerStatus);
}

const setsOf = (deployment: Stored, { store }: Deps): Stored[] =>
  store.dependentsOf(deployment.metadata.uid, resources.replicasets).filter((set) => isOwnedBy(set, deployment));

const findNew = (deployment: Stored, sets: Stored[]): Stored | undefined =>
  [...sets].sort(createdFirst).find((set) => sameTemplate(deployment.spec.template, set.spec.template));

const available = (set: Stored): number => set.status?.availableReplicas ?? 0;

const sum = (sets: Stored[], value: (set: Stored) => number): number =>
  sets.reduce((total, set) => total + value(set), 0);
