// The object of a case of workloads, as an API server would give it.
import type { RawWorkload } from "../../../src/agent/object.ts";
import { ago, hour } from "./case.ts";
import { type WorkloadCase, workloadUid } from "./workloads.ts";

const kindOf = { deployments: "Deployment", statefulsets: "StatefulSet", daemonsets: "DaemonSet" };

export function workloadOf({ name, resource, spec = {}, status = {}, deleting }: WorkloadCase): RawWorkload {
  const labels = { app: name };
  // A deletion is a change that the controller observes, too.
  const generation = deleting ? 2 : 1;
  const strategy = spec.strategy?.type === "Recreate" || resource !== "statefulsets" ? {} : { serviceName: name };
  const named = (revision: string | undefined) => revision?.replace("NAME", name);
  return {
    apiVersion: "apps/v1",
    kind: kindOf[resource],
    metadata: {
      ...{ name, namespace: "default", uid: workloadUid, generation, creationTimestamp: ago(hour) },
      ...(deleting && { deletionTimestamp: ago(60), finalizers: [deleting] }),
    },
    spec: {
      ...{ selector: { matchLabels: labels }, ...strategy, ...spec },
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "registry.test/app:1" }] } },
    },
    status: {
      ...status,
      observedGeneration: status.observedGeneration && generation,
      ...(status.updateRevision && {
        currentRevision: named(status.currentRevision),
        updateRevision: named(status.updateRevision),
      }),
    },
  };
}
