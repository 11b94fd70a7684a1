import type { Clock } from "./clock.ts";
import { controllerOf, type Json, type OwnerReference, type Stored } from "./object.ts";
import { apiVersion, type Resource } from "./resource.ts";

/** The body of a pod made from a template, owned by `owner`. */
export function podFrom(resource: Resource, owner: Stored, template: Json, identity: Json): Json {
  return {
    metadata: {
      ...identity,
      namespace: owner.metadata.namespace,
      labels: { ...template.metadata?.labels, ...identity.labels },
      ...(template.metadata?.annotations && { annotations: template.metadata.annotations }),
      ownerReferences: [ownerReference(resource, owner)],
    },
    spec: template.spec,
  };
}

export const ownerReference = (resource: Resource, owner: Stored): OwnerReference => ({
  apiVersion: apiVersion(resource),
  kind: resource.kind,
  name: owner.metadata.name,
  uid: owner.metadata.uid,
  controller: true,
  blockOwnerDeletion: true,
});

export const isActive = (pod: Stored): boolean =>
  !pod.metadata.deletionTimestamp && pod.status?.phase !== "Failed" && pod.status?.phase !== "Succeeded";

export const isReady = (pod: Stored): boolean => readyCondition(pod)?.status === "True";

/** Ready for at least minReadySeconds. */
export const isAvailable = (pod: Stored, minReadySeconds: number, clock: Clock): boolean =>
  isReady(pod) &&
  (!minReadySeconds || clock.since(readyCondition(pod).lastTransitionTime, pod.metadata.uid) >= minReadySeconds * 1000);

export const readyCondition = (pod: Stored): Json =>
  pod.status?.conditions?.find((condition: Json) => condition.type === "Ready");

export const isOwnedBy = (object: Stored, owner: Stored): boolean => controllerOf(object)?.uid === owner.metadata.uid;

/** Without the fields Go leaves out when they are zero. */
export const withoutZeros = (status: Json, always: string[] = []): Json =>
  Object.fromEntries(
    Object.entries(status).filter(([key, value]) => always.includes(key) || (value !== 0 && value !== undefined)),
  );
