import { equal, type Json, type Stored, timestamp } from "../object.ts";
import { withoutZeros } from "../pod.ts";
import { resources } from "../resource.ts";
import type { Deps } from "./loop.ts";
import { maxUnavailableOf } from "./rollout.ts";

type State = "True" | "False" | "Unknown";

export const condition = (type: string, status: State, reason: string, message: string): Json => ({
  type,
  status,
  lastUpdateTime: timestamp(),
  lastTransitionTime: timestamp(),
  reason,
  message,
});

/** Sets a condition; one with the same status and reason stays as it is. */
export function withCondition(status: Json, next: Json): Json {
  const conditions: Json[] = status.conditions ?? [];
  const known = conditions.find(({ type }) => type === next.type);
  if (known?.status === next.status && known.reason === next.reason) return status;
  const lastTransitionTime = known?.status === next.status ? known.lastTransitionTime : next.lastTransitionTime;
  return {
    ...status,
    conditions: [...conditions.filter(({ type }) => type !== next.type), { ...next, lastTransitionTime }],
  };
}

export function calculateStatus(deployment: Stored, sets: Stored[], newSet: Stored | undefined): Json {
  const total = (field: string) => sets.reduce((sum, set) => sum + (set.status?.[field] ?? 0), 0);
  const available = total("availableReplicas");
  const counts = withoutZeros(
    {
      observedGeneration: deployment.metadata.generation,
      replicas: total("replicas"),
      updatedReplicas: newSet?.status?.replicas ?? 0,
      readyReplicas: total("readyReplicas"),
      availableReplicas: available,
      terminatingReplicas: total("terminatingReplicas"),
      unavailableReplicas: Math.max(0, sets.reduce((sum, set) => sum + set.spec.replicas, 0) - available),
    },
    ["terminatingReplicas"],
  );
  const status = { ...counts, ...(deployment.status?.conditions && { conditions: deployment.status.conditions }) };
  const enough = available >= deployment.spec.replicas - maxUnavailableOf(deployment);
  return withCondition(
    status,
    enough
      ? condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
      : condition("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
  );
}

/** The counts with the conditions of a rollout: is it moving, done, stuck, unable to create pods? */
export function rolloutStatus(deployment: Stored, sets: Stored[], newSet: Stored | undefined, deps: Deps): Json {
  let status = calculateStatus(deployment, sets, newSet);
  const deadline = deployment.spec.progressDeadlineSeconds;
  const current = conditionOf(deployment.status, "Progressing");
  const done = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === "NewReplicaSetAvailable";
  const named = newSet ? `ReplicaSet "${newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  if (deadline && !done) {
    if (isComplete(deployment, status)) {
      status = withCondition(
        status,
        condition("Progressing", "True", "NewReplicaSetAvailable", `${named} has successfully progressed.`),
      );
    } else if (isProgressing(deployment, status)) {
      const next = condition("Progressing", "True", "ReplicaSetUpdated", `${named} is progressing.`);
      if (current?.status === "True") next.lastTransitionTime = current.lastTransitionTime;
      status = withCondition(withoutCondition(status, "Progressing"), next);
    } else if (isTimedOut(deployment, current, deps)) {
      status = withCondition(
        status,
        condition("Progressing", "False", "ProgressDeadlineExceeded", `${named} has timed out progressing.`),
      );
    }
  }
  const failure = [newSet, ...sets].map((set) => conditionOf(set?.status, "ReplicaFailure")).find(Boolean);
  status = failure
    ? withCondition(status, condition("ReplicaFailure", failure.status, failure.reason, failure.message))
    : withoutCondition(status, "ReplicaFailure");
  const waiting = conditionOf(status, "Progressing");
  if (
    deadline &&
    equal(status, deployment.status) &&
    waiting?.status === "True" &&
    waiting.reason !== "NewReplicaSetAvailable"
  ) {
    deps.again(
      resources.deployments,
      deployment,
      Math.max(deadline * 1000 - deps.clock.since(waiting.lastUpdateTime, deployment.metadata.uid), 0) + 1000,
    );
  }
  return status;
}

export function isComplete(deployment: Stored, status: Json): boolean {
  const { replicas } = deployment.spec;
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= deployment.metadata.generation!
  );
}

function isProgressing(deployment: Stored, status: Json): boolean {
  const old = deployment.status ?? {};
  const count = (of: Json, field: string) => of[field] ?? 0;
  const oldReplicas = (of: Json) => count(of, "replicas") - count(of, "updatedReplicas");
  return (
    count(status, "updatedReplicas") > count(old, "updatedReplicas") ||
    oldReplicas(status) < oldReplicas(old) ||
    count(status, "readyReplicas") > count(old, "readyReplicas") ||
    count(status, "availableReplicas") > count(old, "availableReplicas")
  );
}

function isTimedOut({ metadata, spec }: Stored, current: Json, { clock }: Deps): boolean {
  if (!current || current.reason === "NewReplicaSetAvailable") return false;
  if (current.reason === "ProgressDeadlineExceeded") return true;
  return clock.since(current.lastUpdateTime, metadata.uid) > spec.progressDeadlineSeconds * 1000;
}

const conditionOf = (status: Json, type: string): Json =>
  status?.conditions?.find((known: Json) => known.type === type);

const withoutCondition = (status: Json, type: string): Json =>
  conditionOf(status, type)
    ? { ...status, conditions: status.conditions.filter((known: Json) => known.type !== type) }
    : status;
