// Workloads as controllers leave them, with what `kubectl rollout status --watch=false` says of each and what we say.
import type { Resource } from "../../../src/agent/kind.ts";
import type { RawCondition, RawEvent, RawWorkload } from "../../../src/agent/object.ts";
import type { Verdict } from "../../../src/cli/rollout.ts";
import { ago, ended, event, hour, isReady, minute, node, type PodCase, running, unready, waiting } from "./case.ts";

export interface WorkloadCase {
  name: string;
  resource: Resource;
  /** The last line of `kubectl rollout status`, with NAME for the workload's own; what it ends with by 1 begins with "error: ". */
  kubectl: string;
  says: string;
  params?: Record<string, string | number>;
  /** How `lizardcd rollout status` goes on. */
  rollout: Verdict;
  spec?: RawWorkload["spec"];
  status?: RawWorkload["status"] & { numberMisscheduled?: number; numberUnavailable?: number };
  /** Being deleted, with this finalizer. */
  deleting?: string;
  /** Its pods; without them they have not been read. */
  pods?: PodCase[];
  events?: RawEvent[];
}

export const workloadUid = "33333333-3333-3333-3333-333333333333";

type Counts = [desired: number, updated: number, ready: number, available: number, current: number];

const deployed = (counts: Counts, spec: RawWorkload["spec"] = {}, conditions?: RawCondition[]) => {
  const [replicas, updatedReplicas, readyReplicas, availableReplicas, current] = counts;
  return {
    resource: "deployments" as const,
    spec: { replicas, ...spec },
    status: { observedGeneration: 1, replicas: current, updatedReplicas, readyReplicas, availableReplicas, conditions },
  };
};

const stateful = (counts: Counts, spec: RawWorkload["spec"] = {}, same = false) => {
  const [replicas, updatedReplicas, readyReplicas, availableReplicas, current] = counts;
  const revisions = { currentRevision: "NAME-1", updateRevision: same ? "NAME-1" : "NAME-2" };
  const currentReplicas = same ? current : current - updatedReplicas;
  return {
    resource: "statefulsets" as const,
    spec: { replicas, ...spec },
    status: {
      ...{
        observedGeneration: 1,
        replicas: current,
        updatedReplicas,
        readyReplicas,
        availableReplicas,
        currentReplicas,
      },
      ...revisions,
    },
  };
};

const daemon = (counts: Counts, spec: RawWorkload["spec"] = {}, numberMisscheduled = 0) => {
  const [desiredNumberScheduled, updatedNumberScheduled, numberReady, numberAvailable, currentNumberScheduled] = counts;
  return {
    resource: "daemonsets" as const,
    spec,
    status: {
      ...{ observedGeneration: 1, desiredNumberScheduled, updatedNumberScheduled, numberReady, numberAvailable },
      ...{ currentNumberScheduled, numberMisscheduled },
    },
  };
};

const since = ago(10 * minute);
const progressing = (reason: string, status = "True"): RawCondition[] => [
  { type: "Progressing", status, reason, lastTransitionTime: since },
];
const refused = (message: string): RawCondition[] => [
  { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message, lastTransitionTime: since },
  ...progressing("ReplicaSetUpdated"),
];
const partition = (from: number) => ({ updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: from } } });
const onDelete = { updateStrategy: { type: "OnDelete" } };

const pod = (name: string, more: Partial<PodCase>): PodCase => ({ name, kubectl: "0/1 -", says: "", ...more });
const well = pod("well", {
  status: { phase: "Running", conditions: isReady, containerStatuses: [running("app", hour, { ready: true })] },
});
const crashing = pod("crashing", {
  status: {
    phase: "Running",
    conditions: unready(300),
    containerStatuses: [
      waiting("app", "CrashLoopBackOff", "back-off", { restarts: 5, last: { exitCode: 1, ago: 20 } }),
    ],
  },
});
const creating = (age: number) =>
  pod("creating", {
    age,
    status: { phase: "Pending", conditions: unready(age), containerStatuses: [waiting("app", "ContainerCreating")] },
  });
const evicted = pod("evicted", {
  age: 9 * hour,
  status: { phase: "Failed", reason: "Evicted", message: "low on memory" },
});
const stuck = pod("stuck", {
  deleted: { since: 600 },
  status: { phase: "Running", conditions: unready(600), containerStatuses: [ended("app", { exitCode: 0, ago: 600 })] },
});
const onLostNode = pod("lost", {
  node: node("Unknown", "Kubelet stopped posting node status."),
  status: { phase: "Running", conditions: unready(400), containerStatuses: [running("app", hour, { ready: true })] },
});
const gated = (age: number) =>
  pod("gated", {
    age,
    spec: { nodeName: undefined, schedulingGates: [{ name: "kueue" }] },
    status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] },
  });
const migrating = (age: number) =>
  pod("migrating", {
    age,
    status: {
      ...{ phase: "Pending", conditions: unready(age), initContainerStatuses: [running("migrate", age - 1)] },
      containerStatuses: [waiting("app", "PodInitializing")],
    },
  });
const probing = (age: number) =>
  pod("probing", {
    age,
    status: { phase: "Running", conditions: unready(age), containerStatuses: [running("app", age - 1)] },
    events: [event("Unhealthy", "Readiness probe failed: 503", { first: 3, last: 1 })],
  });
const failedCreate = (message: string, kind: string, uid = workloadUid) =>
  event("FailedCreate", message, { about: { kind, uid, namespace: "default" } });
const quota = 'create Pod NAME-0 in StatefulSet NAME failed error: pods "NAME-0" is forbidden: exceeded quota: few';

const deploymentDone = 'deployment "NAME" successfully rolled out';
const daemonDone = 'daemon set "NAME" successfully rolled out';
const onlyRolling = "error: rollout status is only available for RollingUpdate strategy type";

export const workloadCases: WorkloadCase[] = [
  // Deployments.
  {
    name: "d-whole",
    ...deployed([3, 3, 3, 3, 3], {}, progressing("NewReplicaSetAvailable")),
    kubectl: deploymentDone,
    says: "ok",
    rollout: "done",
  },
  {
    name: "d-not-observed",
    ...deployed([3, 3, 3, 3, 3]),
    status: { observedGeneration: 0, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 },
    kubectl: "Waiting for deployment spec update to be observed...",
    says: "run rollout.not_observed",
    rollout: "moving",
  },
  {
    name: "d-new",
    ...deployed([3, 0, 0, 0, 0]),
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 out of 3 new replicas have been updated...',
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "d-moving",
    ...deployed([3, 1, 3, 3, 4], {}, progressing("ReplicaSetUpdated")),
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 out of 3 new replicas have been updated...',
    says: "run rollout.moving",
    params: { updated: 1, desired: 3, ready: 3 },
    rollout: "moving",
  },
  {
    name: "d-old-left",
    ...deployed([3, 3, 4, 4, 4]),
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 old replicas are pending termination...',
    says: "run rollout.old_pods",
    params: { old: 1 },
    rollout: "moving",
  },
  {
    name: "d-not-available",
    ...deployed([3, 3, 1, 1, 3]),
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 of 3 updated replicas are available...',
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "d-min-ready",
    ...deployed([3, 3, 3, 1, 3], { minReadySeconds: 60 }),
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 of 3 updated replicas are available...',
    says: "run rollout.min_ready",
    params: { available: 1, desired: 3, seconds: 60 },
    rollout: "moving",
  },
  { name: "d-zero", ...deployed([0, 0, 0, 0, 0]), kubectl: deploymentDone, says: "zero", rollout: "done" },
  {
    name: "d-to-zero",
    ...deployed([0, 2, 2, 2, 2]),
    kubectl: deploymentDone,
    says: "run rollout.surplus",
    params: { surplus: 2 },
    rollout: "moving",
  },
  {
    name: "d-scaling-down",
    ...deployed([2, 5, 5, 5, 5]),
    kubectl: deploymentDone,
    says: "run rollout.surplus",
    params: { surplus: 3 },
    rollout: "moving",
  },
  {
    name: "d-paused",
    ...deployed([3, 3, 3, 3, 3], { paused: true }, progressing("DeploymentPaused", "Unknown")),
    kubectl: deploymentDone,
    says: "paused rollout.paused",
    rollout: "done",
  },
  {
    name: "d-paused-half-way",
    ...deployed([3, 1, 3, 3, 3], { paused: true }),
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 out of 3 new replicas have been updated...',
    says: "paused rollout.paused",
    rollout: "stuck",
  },
  {
    name: "d-created-paused",
    ...deployed([2, 0, 0, 0, 0], { paused: true }, progressing("DeploymentPaused", "Unknown")),
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 out of 2 new replicas have been updated...',
    says: "paused rollout.paused",
    rollout: "stuck",
  },
  {
    name: "d-paused-crashing",
    ...deployed([2, 2, 1, 1, 2], { paused: true }),
    pods: [well, crashing],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 of 2 updated replicas are available...',
    says: "degraded container.crash_loop",
    rollout: "moving",
  },
  {
    name: "d-deadline",
    ...deployed([3, 1, 3, 3, 4], {}, progressing("ProgressDeadlineExceeded", "False")),
    pods: [well, well, well],
    kubectl: 'error: deployment "NAME" exceeded its progress deadline',
    says: "failed rollout.deadline",
    params: { seconds: 600 },
    rollout: "stuck",
  },
  {
    name: "d-deadline-crashing",
    ...deployed([3, 1, 3, 3, 4], {}, progressing("ProgressDeadlineExceeded", "False")),
    pods: [well, well, well, crashing],
    kubectl: 'error: deployment "NAME" exceeded its progress deadline',
    says: "failed container.crash_loop",
    rollout: "stuck",
  },
  {
    name: "d-crashing",
    ...deployed([2, 2, 0, 0, 2]),
    pods: [crashing, crashing],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 2 updated replicas are available...',
    says: "failed container.crash_loop",
    rollout: "failed",
  },
  {
    name: "d-some-crash",
    ...deployed([2, 2, 1, 1, 2]),
    pods: [well, crashing],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 of 2 updated replicas are available...',
    says: "degraded container.crash_loop",
    rollout: "moving",
  },
  {
    name: "d-quota",
    ...deployed([3, 1, 1, 1, 1], {}, refused('pods "NAME-x" is forbidden: exceeded quota: few, requested: pods=1')),
    pods: [well],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 out of 3 new replicas have been updated...',
    says: "degraded pod.quota",
    params: { problem: "exceeded quota: few, requested: pods=1" },
    rollout: "moving",
  },
  {
    name: "d-refused",
    ...deployed([3, 0, 0, 0, 0], {}, refused('pods "NAME-x" is forbidden: violates PodSecurity "restricted:latest"')),
    pods: [],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 out of 3 new replicas have been updated...',
    says: "failed pod.refused",
    rollout: "failed",
  },
  {
    name: "d-webhook",
    ...deployed([3, 0, 0, 0, 0], {}, refused('admission webhook "policy.example.com" denied the request')),
    pods: [],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 out of 3 new replicas have been updated...',
    says: "failed pod.refused",
    params: { problem: 'admission webhook "policy.example.com" denied the request' },
    rollout: "failed",
  },
  {
    name: "d-namespace-goes",
    ...deployed(
      [3, 0, 0, 0, 0],
      {},
      refused(
        'pods "NAME-x" is forbidden: unable to create new content in namespace default because it is being terminated',
      ),
    ),
    pods: [],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 out of 3 new replicas have been updated...',
    says: "failed namespace.terminating",
    rollout: "failed",
  },
  {
    name: "d-evicted-replaced",
    ...deployed([2, 1, 2, 2, 3]),
    pods: [well, well, creating(5), evicted],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 out of 2 new replicas have been updated...',
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "d-old-pods-do-not-end",
    ...deployed([2, 1, 2, 2, 3]),
    pods: [well, well, creating(5), stuck],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 out of 2 new replicas have been updated...',
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "d-recreate-waits-for-the-old",
    ...deployed([1, 0, 0, 0, 0], { strategy: { type: "Recreate" } }),
    pods: [stuck],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 out of 1 new replicas have been updated...',
    says: "failed pod.terminating",
    rollout: "failed",
  },
  {
    name: "d-node-lost",
    ...deployed([2, 2, 1, 1, 2]),
    pods: [well, onLostNode],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 1 of 2 updated replicas are available...',
    says: "degraded node.not_ready",
    params: { node: "n1" },
    rollout: "moving",
  },
  {
    name: "d-gated",
    ...deployed([1, 1, 0, 0, 1]),
    pods: [gated(30)],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "run pod.gated",
    rollout: "moving",
  },
  {
    name: "d-gated-for-an-hour",
    ...deployed([1, 1, 0, 0, 1]),
    pods: [gated(hour)],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "degraded pod.gated",
    rollout: "moving",
  },
  {
    name: "d-migrating",
    ...deployed([1, 1, 0, 0, 1]),
    pods: [migrating(60)],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "d-migrating-for-an-hour",
    ...deployed([1, 1, 0, 0, 1]),
    pods: [migrating(hour)],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "degraded container.init_running",
    rollout: "moving",
  },
  {
    name: "d-creating-for-an-hour",
    ...deployed([1, 1, 0, 0, 1]),
    pods: [creating(hour)],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "degraded pod.not_ready",
    params: { pods: 1, desired: 1 },
    rollout: "moving",
  },
  {
    name: "d-probe-at-first",
    ...deployed([1, 1, 0, 0, 1]),
    pods: [probing(10)],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "run probe.readiness",
    rollout: "moving",
  },
  {
    name: "d-probe",
    ...deployed([1, 1, 0, 0, 1]),
    pods: [probing(90)],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "failed probe.readiness",
    rollout: "failed",
  },
  {
    name: "d-being-deleted",
    ...deployed([1, 1, 1, 1, 1]),
    deleting: "example.com/hold",
    kubectl: deploymentDone,
    says: "run deletion.under_way",
    params: { finalizers: "example.com/hold" },
    rollout: "stuck",
  },
  {
    name: "d-being-deleted-crashing",
    ...deployed([1, 1, 0, 0, 1]),
    deleting: "foregroundDeletion",
    pods: [crashing],
    kubectl: 'Waiting for deployment "NAME" rollout to finish: 0 of 1 updated replicas are available...',
    says: "run deletion.under_way",
    rollout: "stuck",
  },
  // StatefulSets.
  {
    name: "s-whole",
    ...stateful([3, 3, 3, 3, 3], {}, true),
    kubectl: "partitioned roll out complete: 3 new pods have been updated...",
    says: "ok",
    rollout: "done",
  },
  {
    name: "s-not-observed",
    ...stateful([3, 3, 3, 3, 3], {}, true),
    status: { observedGeneration: 0, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 },
    kubectl: "Waiting for statefulset spec update to be observed...",
    says: "run rollout.not_observed",
    rollout: "moving",
  },
  {
    name: "s-without-updated",
    ...stateful([1, 1, 1, 1, 1], {}, true),
    status: {
      observedGeneration: 1,
      replicas: 1,
      readyReplicas: 1,
      currentReplicas: 1,
      currentRevision: "b-1",
      updateRevision: "b-1",
    },
    kubectl: "Waiting for partitioned roll out to finish: 0 out of 1 new pods have been updated...",
    says: "ok",
    rollout: "done",
  },
  {
    name: "s-moving",
    ...stateful([3, 1, 3, 3, 3]),
    kubectl: "Waiting for partitioned roll out to finish: 1 out of 3 new pods have been updated...",
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "s-starting",
    ...stateful([3, 1, 0, 0, 1], {}, true),
    pods: [creating(5)],
    kubectl: "Waiting for 3 pods to be ready...",
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "s-creating-for-an-hour",
    ...stateful([2, 1, 1, 1, 2]),
    pods: [well, creating(hour)],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "degraded pod.not_ready",
    rollout: "moving",
  },
  {
    name: "s-partition-done",
    ...stateful([3, 1, 3, 3, 3], partition(2)),
    kubectl: "partitioned roll out complete: 1 new pods have been updated...",
    says: "ok rollout.partition",
    params: { updated: 1, desired: 3 },
    rollout: "done",
  },
  {
    name: "s-partition-all",
    ...stateful([3, 0, 3, 3, 3], partition(3)),
    kubectl: "partitioned roll out complete: 0 new pods have been updated...",
    says: "ok rollout.partition",
    rollout: "done",
  },
  {
    name: "s-partition-moving",
    ...stateful([3, 0, 3, 3, 3], partition(1)),
    pods: [well, well, well],
    kubectl: "Waiting for partitioned roll out to finish: 0 out of 2 new pods have been updated...",
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "s-partition-crashing",
    ...stateful([3, 1, 2, 2, 3], partition(2)),
    pods: [well, well, crashing],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "degraded container.crash_loop",
    rollout: "moving",
  },
  {
    name: "s-on-delete",
    ...stateful([3, 1, 3, 3, 3], onDelete),
    kubectl: onlyRolling,
    says: "paused rollout.on_delete",
    params: { old: 2 },
    rollout: "stuck",
  },
  {
    name: "s-on-delete-done",
    ...stateful([3, 3, 3, 3, 3], onDelete),
    kubectl: onlyRolling,
    says: "ok",
    rollout: "done",
  },
  {
    name: "s-min-ready",
    ...stateful([2, 2, 2, 1, 2], { minReadySeconds: 30 }, true),
    kubectl: "partitioned roll out complete: 2 new pods have been updated...",
    says: "run rollout.min_ready",
    params: { seconds: 30 },
    rollout: "moving",
  },
  {
    name: "s-zero",
    ...stateful([0, 0, 0, 0, 0], {}, true),
    kubectl: "partitioned roll out complete: 0 new pods have been updated...",
    says: "zero",
    rollout: "done",
  },
  {
    name: "s-quota",
    ...stateful([2, 1, 1, 1, 1], {}, true),
    pods: [well],
    events: [failedCreate(quota, "StatefulSet")],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "degraded pod.quota",
    rollout: "moving",
  },
  {
    name: "s-quota-of-a-job-of-its-name",
    ...stateful([2, 1, 1, 1, 1], {}, true),
    pods: [well],
    events: [failedCreate(quota, "Job", "44444444-4444-4444-4444-444444444444")],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "s-quota-of-an-earlier-one",
    ...stateful([2, 1, 1, 1, 1], {}, true),
    pods: [well],
    events: [failedCreate(quota, "StatefulSet", "44444444-4444-4444-4444-444444444444")],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "s-quota-mended",
    ...stateful([2, 1, 1, 1, 1], {}, true),
    pods: [well],
    events: [
      failedCreate(quota, "StatefulSet"),
      event("SuccessfulCreate", "create Pod", { last: 1, about: { kind: "StatefulSet", uid: workloadUid } }),
    ],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "s-terminating",
    ...stateful([2, 1, 1, 1, 1]),
    pods: [well, stuck],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "degraded pod.terminating",
    params: { grace: 30 },
    rollout: "moving",
  },
  {
    name: "s-node-lost",
    ...stateful([2, 2, 1, 1, 2], {}, true),
    pods: [well, onLostNode],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "degraded node.not_ready",
    rollout: "moving",
  },
  {
    name: "s-blocked-by-an-old-pod",
    ...stateful([2, 0, 1, 1, 2]),
    pods: [well, crashing],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "degraded rollout.blocked",
    params: { pod: "crashing" },
    rollout: "moving",
  },
  {
    name: "s-parallel-is-not-blocked",
    ...stateful([2, 0, 1, 1, 2], { podManagementPolicy: "Parallel" }),
    pods: [well, crashing],
    kubectl: "Waiting for 1 pods to be ready...",
    says: "degraded container.crash_loop",
    rollout: "moving",
  },
  {
    name: "s-being-deleted",
    ...stateful([1, 1, 1, 1, 1], {}, true),
    deleting: "example.com/hold",
    kubectl: "partitioned roll out complete: 1 new pods have been updated...",
    says: "run deletion.under_way",
    rollout: "stuck",
  },
  {
    name: "s-scaling-down",
    ...stateful([1, 3, 3, 3, 3], {}, true),
    kubectl: "partitioned roll out complete: 3 new pods have been updated...",
    says: "run rollout.surplus",
    params: { surplus: 2 },
    rollout: "moving",
  },
  // DaemonSets.
  { name: "a-whole", ...daemon([3, 3, 3, 3, 3]), kubectl: daemonDone, says: "ok", rollout: "done" },
  {
    name: "a-not-observed",
    ...daemon([3, 3, 3, 3, 3]),
    status: {
      observedGeneration: 0,
      desiredNumberScheduled: 3,
      currentNumberScheduled: 3,
      numberReady: 3,
      numberMisscheduled: 0,
    },
    kubectl: "Waiting for daemon set spec update to be observed...",
    says: "run rollout.not_observed",
    rollout: "moving",
  },
  {
    name: "a-moving",
    ...daemon([3, 1, 2, 2, 3]),
    kubectl: 'Waiting for daemon set "NAME" rollout to finish: 1 out of 3 new pods have been updated...',
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "a-not-available",
    ...daemon([3, 3, 2, 2, 3]),
    kubectl: 'Waiting for daemon set "NAME" rollout to finish: 2 of 3 updated pods are available...',
    says: "run rollout.moving",
    rollout: "moving",
  },
  {
    name: "a-min-ready",
    ...daemon([3, 3, 3, 2, 3], { minReadySeconds: 20 }),
    kubectl: 'Waiting for daemon set "NAME" rollout to finish: 2 of 3 updated pods are available...',
    says: "run rollout.min_ready",
    rollout: "moving",
  },
  {
    name: "a-no-node",
    ...daemon([0, 0, 0, 0, 0]),
    kubectl: daemonDone,
    says: "zero daemonset.no_nodes",
    rollout: "done",
  },
  { name: "a-misscheduled", ...daemon([3, 3, 3, 3, 3], {}, 1), kubectl: daemonDone, says: "ok", rollout: "done" },
  {
    name: "a-on-delete",
    ...daemon([3, 1, 3, 3, 3], onDelete),
    kubectl: onlyRolling,
    says: "paused rollout.on_delete",
    params: { old: 2 },
    rollout: "stuck",
  },
  { name: "a-on-delete-done", ...daemon([3, 3, 3, 3, 3], onDelete), kubectl: onlyRolling, says: "ok", rollout: "done" },
  {
    name: "a-crashing",
    ...daemon([2, 2, 1, 1, 2]),
    pods: [well, crashing],
    kubectl: 'Waiting for daemon set "NAME" rollout to finish: 1 of 2 updated pods are available...',
    says: "degraded container.crash_loop",
    rollout: "moving",
  },
  {
    name: "a-node-lost",
    ...daemon([2, 2, 1, 1, 2]),
    pods: [well, onLostNode],
    kubectl: 'Waiting for daemon set "NAME" rollout to finish: 1 of 2 updated pods are available...',
    says: "degraded node.not_ready",
    rollout: "moving",
  },
  {
    name: "a-terminating",
    ...daemon([2, 1, 1, 1, 1]),
    pods: [well, stuck],
    kubectl: 'Waiting for daemon set "NAME" rollout to finish: 1 out of 2 new pods have been updated...',
    says: "degraded pod.terminating",
    rollout: "moving",
  },
  {
    name: "a-refused-by-its-node",
    ...daemon([2, 2, 1, 1, 2]),
    pods: [
      well,
      pod("out", {
        age: 4,
        status: { phase: "Failed", reason: "OutOfcpu", message: "Node didn't have enough resource: cpu" },
      }),
    ],
    kubectl: 'Waiting for daemon set "NAME" rollout to finish: 1 of 2 updated pods are available...',
    says: "degraded pod.ended",
    params: { reason: "OutOfcpu" },
    rollout: "moving",
  },
  {
    name: "a-being-deleted",
    ...daemon([1, 1, 1, 1, 1]),
    deleting: "example.com/hold",
    kubectl: daemonDone,
    says: "run deletion.under_way",
    rollout: "stuck",
  },
];
