import type { Api } from "./api.ts";
import { replicaSetFor } from "./controllers/deployment.ts";
import { calculateStatus, condition, withCondition } from "./controllers/deployment-status.ts";
import { revisionFor, revisionLabel } from "./controllers/revisions.ts";
import { revisionAnnotation } from "./controllers/rollout.ts";
import { readyStatus } from "./kubelet.ts";
import { type Json, type Stored, timestamp } from "./object.ts";
import { podFrom, withoutZeros } from "./pod.ts";
import { quotaStatus } from "./quota.ts";
import { findKind, type Resource, resources } from "./resource.ts";
import { nodeMatches } from "./scheduler.ts";

const controller = { manager: "kube-controller-manager" };

/** How long a settled object has been there, in milliseconds, unless its annotation says otherwise. */
const age = 12 * 24 * 3600_000;

/** Creates an object as it is when its controllers have long done their work. */
export function settle(api: Api, object: Json, withoutPods: boolean): void {
  const resource = findKind(object.kind, object.apiVersion);
  if (!resource)
    throw new Error(`the sandbox has no kind ${object.kind} in ${object.apiVersion}: remove it from the seed`);
  const created = api.create(resource, object.metadata.namespace, object, { manager: "kubectl" });
  const since = timestamp(Date.now() - age + spread(created.metadata.name));
  const finish = finishers.get(resource);
  if (finish) finish({ api, since, withoutPods }, created);
  else put(api, resource, created, since, object.status ?? created.status);
}

interface Context {
  api: Api;
  since: string;
  withoutPods: boolean;
}

const finishers = new Map<Resource, (context: Context, created: Stored) => void>([
  [resources.deployments, settleDeployment],
  [resources.statefulsets, settleStatefulSet],
  [resources.daemonsets, settleDaemonSet],
  [
    resources.resourcequotas,
    ({ api, since }, quota) => put(api, resources.resourcequotas, quota, since, quotaStatus(api.store, quota)),
  ],
]);

function settleDeployment(context: Context, created: Stored): void {
  const { api, since, withoutPods } = context;
  const { replicas, paused } = created.spec;
  const counts = {
    replicas,
    fullyLabeledReplicas: replicas,
    readyReplicas: replicas,
    availableReplicas: replicas,
    observedGeneration: 1,
  };
  const body = replicaSetFor(created, 1);
  const set: Stored = withoutPods
    ? body
    : api.create(resources.replicasets, created.metadata.namespace, body, controller);
  const status = withoutZeros(counts, ["replicas"]);
  if (!withoutPods) {
    put(api, resources.replicasets, set, since, status);
    const { template } = set.spec;
    const identity = { generateName: `${set.metadata.name}-` };
    for (let i = 0; i < replicas; i++) pod(context, podFrom(resources.replicasets, set, template, identity), i);
  }
  const sets = [{ ...set, status }];
  const message = `ReplicaSet "${set.metadata.name}" has successfully progressed.`;
  const progress = paused
    ? condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    : condition("Progressing", "True", "NewReplicaSetAvailable", message);
  const done = withCondition(calculateStatus(created, sets, sets[0]), progress);
  const conditions = done.conditions.map((one: Json) => ({ ...one, lastUpdateTime: since, lastTransitionTime: since }));
  const annotations = { ...created.metadata.annotations, [revisionAnnotation]: "1" };
  const annotated = { ...created, metadata: { ...created.metadata, annotations } };
  put(api, resources.deployments, annotated, since, { ...done, conditions });
}

function settleStatefulSet(context: Context, created: Stored): void {
  const { api, since, withoutPods } = context;
  const { replicas } = created.spec;
  const { name, namespace } = created.metadata;
  const revision = revisionFor(resources.statefulsets, created, 1);
  if (!withoutPods)
    put(
      api,
      resources.controllerrevisions,
      api.create(resources.controllerrevisions, namespace, revision, controller),
      since,
    );
  for (let i = 0; i < replicas && !withoutPods; i++) {
    const labels = {
      "statefulset.kubernetes.io/pod-name": `${name}-${i}`,
      "apps.kubernetes.io/pod-index": String(i),
      [revisionLabel]: revision.metadata.name,
    };
    const body = podFrom(resources.statefulsets, created, created.spec.template, { name: `${name}-${i}`, labels });
    pod(context, { ...body, spec: { ...body.spec, hostname: `${name}-${i}` } }, i);
  }
  const all = { replicas, readyReplicas: replicas, currentReplicas: replicas, updatedReplicas: replicas };
  const revisions = { currentRevision: revision.metadata.name, updateRevision: revision.metadata.name };
  const status = { observedGeneration: 1, ...all, availableReplicas: replicas, ...revisions, collisionCount: 0 };
  put(
    api,
    resources.statefulsets,
    created,
    since,
    withoutZeros(status, ["replicas", "availableReplicas", "collisionCount"]),
  );
}

function settleDaemonSet(context: Context, created: Stored): void {
  const { api, since, withoutPods } = context;
  const revision = revisionFor(resources.daemonsets, created, 1);
  const nodes = api.store.list(resources.nodes).filter((node) => nodeMatches(created.spec.template, node));
  if (!withoutPods) {
    put(
      api,
      resources.controllerrevisions,
      api.create(resources.controllerrevisions, created.metadata.namespace, revision, controller),
      since,
    );
    const labels = { [revisionLabel]: revision.metadata.labels[revisionLabel], "pod-template-generation": "1" };
    for (const node of nodes) {
      const body = podFrom(resources.daemonsets, created, created.spec.template, {
        generateName: `${created.metadata.name}-`,
        labels,
      });
      pod(context, { ...body, spec: { ...body.spec, nodeName: node.metadata.name } }, 0);
    }
  }
  const count = nodes.length;
  const numbers = {
    currentNumberScheduled: count,
    numberMisscheduled: 0,
    desiredNumberScheduled: count,
    numberReady: count,
  };
  put(api, resources.daemonsets, created, since, {
    ...numbers,
    ...withoutZeros({ observedGeneration: 1, updatedNumberScheduled: count, numberAvailable: count }),
  });
}

let addresses = 0;

function pod({ api, since }: Context, body: Json, index: number): void {
  const nodes = api.store.list(resources.nodes);
  const nodeName = body.spec.nodeName ?? nodes[(index + addresses) % Math.max(nodes.length, 1)]?.metadata.name;
  const created = api.create(
    resources.pods,
    body.metadata.namespace,
    { ...body, spec: { ...body.spec, nodeName } },
    controller,
  );
  const n = ++addresses;
  put(api, resources.pods, created, since, readyStatus(created, `10.200.${(n >> 8) & 255}.${n & 255}`, since));
}

/** Stores the object as if it had been written, status and all, at `since`. */
function put(api: Api, resource: Resource, object: Stored, since: string, status?: Json): void {
  const managedFields = object.metadata.managedFields?.map((entry) => ({ ...entry, time: since }));
  const metadata = { ...object.metadata, creationTimestamp: since, managedFields };
  api.store.put(resource, { ...object, metadata, ...(status && { status }) });
}

/** Not everything is of the same minute. */
const spread = (name: string): number =>
  [...name].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1e7, 7) * 100;
