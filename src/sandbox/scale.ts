import type { Json, Stored } from "./object.ts";

/** The Scale of a workload. */
export function scaleOf(object: Stored): Json {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: object.spec.replicas },
    status: {
      replicas: object.status?.replicas ?? 0,
      selector: Object.entries(object.spec.selector?.matchLabels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
    },
  };
}
