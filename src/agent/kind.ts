// The three kinds of workloads, as a table: what is the same for all of them is written once, elsewhere.
import { controllerOf, type KubeObject, type RawWorkload } from "./object.ts";

export type Resource = "deployments" | "statefulsets" | "daemonsets";

/** The counts of one workload and how far its controller is, in words that fit all kinds. */
export interface Progress {
  desired: number;
  /** Pods of the wanted revision. */
  updated: number;
  ready: number;
  available: number;
  /** All its pods, older revisions included. */
  current: number;
  /** False until the controller has seen the last change of the spec. */
  observed: boolean;
  /** Set where the rollout goes no further by itself, after `upTo` pods were updated. */
  held?: { by: "pause" | "partition" | "onDelete"; upTo: number };
  /** Set where it is being deleted: since when, and the finalizers that hold it. */
  deleting?: { since: string; finalizers: string };
  /** Seconds for which a pod must be ready to count as available; 0 where readiness is enough. */
  minReadySeconds?: number;
  /** Pods are made one after the other, each when the one before is ready. */
  inOrder?: boolean;
  /** The number of pods follows the nodes. */
  perNode?: boolean;
  /** Seconds without progress after which the controller gave up; undefined while it has not. */
  deadlineExceeded?: number;
  /** The controller says that a rollout is under way. */
  rolling: boolean;
  /** Why the controller cannot create pods, in the API server's words. */
  refused?: { message: string; since?: string };
}

export interface Kind {
  kind: "Deployment" | "StatefulSet" | "DaemonSet";
  /** False where the number of pods follows the nodes. */
  replicas: boolean;
  /** Where its revisions are kept. */
  revisions: "replicasets" | "controllerrevisions";
  progress(workload: RawWorkload): Progress;
  /**
   * Whether a workload's pod was made by it: names of other workloads may begin alike, selectors may overlap, and an
   * earlier workload may have had the same name.
   * @param revisions its ReplicaSets, where they could be read; without them a Deployment's pods are known by name
   */
  owns(workload: Owner, pod: KubeObject, revisions?: readonly KubeObject[]): boolean;
  /** What the revision of a workload's pod, or a revision's own object, is called: a hash. */
  revisionOf(name: string, pod: KubeObject): string;
  strategy(workload: RawWorkload): string;
}

/** What says whose a pod is; without a uid the name has to do. */
export interface Owner {
  name: string;
  uid?: string;
}

const defaultDeadlineSeconds = 600;

export const kinds: Record<Resource, Kind> = {
  deployments: {
    kind: "Deployment",
    replicas: true,
    revisions: "replicasets",
    progress({ metadata, spec = {}, status = {} }) {
      const progressing = status.conditions?.find(({ type }) => type === "Progressing");
      const failure = status.conditions?.find(({ type, status }) => type === "ReplicaFailure" && status === "True");
      const exceeded = progressing?.status === "False" && progressing.reason === "ProgressDeadlineExceeded";
      return {
        desired: spec.replicas ?? 1,
        updated: status.updatedReplicas ?? 0,
        ready: status.readyReplicas ?? 0,
        available: status.availableReplicas ?? 0,
        current: status.replicas ?? 0,
        observed: (status.observedGeneration ?? 0) >= (metadata.generation ?? 0),
        held: spec.paused ? { by: "pause", upTo: status.updatedReplicas ?? 0 } : undefined,
        deadlineExceeded: exceeded ? (spec.progressDeadlineSeconds ?? defaultDeadlineSeconds) : undefined,
        rolling: progressing?.status === "True" && progressing.reason !== "NewReplicaSetAvailable",
        refused: failure && { message: failure.message ?? "", since: failure.lastTransitionTime },
        deleting: deletingOf(metadata),
        minReadySeconds: spec.minReadySeconds,
      };
    },
    owns({ name, uid }, { metadata }, revisions) {
      if (revisions) {
        const owner = controllerOf(metadata);
        return revisions.some(
          (one) => one.metadata.uid === owner?.uid && madeBy(one.metadata, "Deployment", { name, uid }),
        );
      }
      const hash = metadata.labels?.["pod-template-hash"];
      return madeBy(metadata, "ReplicaSet", { name: `${name}-${hash}` });
    },
    revisionOf: (_name, { metadata }) => metadata.labels?.["pod-template-hash"] ?? "",
    strategy({ spec }) {
      const { type = "RollingUpdate", rollingUpdate } = spec?.strategy ?? {};
      if (type !== "RollingUpdate") return type;
      return rolling(rollingUpdate?.maxUnavailable, rollingUpdate?.maxSurge);
    },
  },
  statefulsets: {
    kind: "StatefulSet",
    replicas: true,
    revisions: "controllerrevisions",
    progress({ metadata, spec = {}, status = {} }) {
      const desired = spec.replicas ?? 1;
      const { currentRevision, updateRevision } = status;
      const same = currentRevision === updateRevision;
      const partition = spec.updateStrategy?.rollingUpdate?.partition ?? 0;
      const onDelete = spec.updateStrategy?.type === "OnDelete";
      // API servers before 1.7 counted no updated ones; with one revision alone there are no others.
      const updated = status.updatedReplicas ?? (same ? (status.currentReplicas ?? 0) : 0);
      return {
        desired,
        updated,
        ready: status.readyReplicas ?? 0,
        available: status.availableReplicas ?? status.readyReplicas ?? 0,
        current: status.replicas ?? 0,
        observed: (status.observedGeneration ?? 0) >= (metadata.generation ?? 0),
        held: same
          ? undefined
          : onDelete
            ? { by: "onDelete", upTo: updated }
            : partition > 0
              ? { by: "partition", upTo: Math.max(0, desired - partition) }
              : undefined,
        rolling: !same,
        deleting: deletingOf(metadata),
        minReadySeconds: spec.minReadySeconds,
        inOrder: spec.podManagementPolicy !== "Parallel",
      };
    },
    owns: (owner, { metadata }) => madeBy(metadata, "StatefulSet", owner),
    revisionOf: controllerRevision,
    strategy({ spec }) {
      const { type = "RollingUpdate", rollingUpdate } = spec?.updateStrategy ?? {};
      if (type !== "RollingUpdate") return type;
      const partition = rollingUpdate?.partition ?? 0;
      return `${rolling(rollingUpdate?.maxUnavailable ?? 1, undefined)}${partition ? `, from pod ${partition} up` : ""}`;
    },
  },
  daemonsets: {
    kind: "DaemonSet",
    replicas: false,
    revisions: "controllerrevisions",
    progress({ metadata, spec, status = {} }) {
      const desired = status.desiredNumberScheduled ?? 0;
      const updated = status.updatedNumberScheduled ?? 0;
      const onDelete = spec?.updateStrategy?.type === "OnDelete" && updated < desired;
      return {
        desired,
        updated,
        ready: status.numberReady ?? 0,
        available: status.numberAvailable ?? 0,
        current: status.currentNumberScheduled ?? 0,
        observed: (status.observedGeneration ?? 0) >= (metadata.generation ?? 0),
        held: onDelete ? { by: "onDelete", upTo: updated } : undefined,
        rolling: updated < desired,
        deleting: deletingOf(metadata),
        minReadySeconds: spec?.minReadySeconds,
        perNode: true,
      };
    },
    owns: (owner, { metadata }) => madeBy(metadata, "DaemonSet", owner),
    revisionOf: controllerRevision,
    strategy({ spec }) {
      const { type = "RollingUpdate", rollingUpdate } = spec?.updateStrategy ?? {};
      if (type !== "RollingUpdate") return type;
      return rolling(rollingUpdate?.maxUnavailable ?? 1, rollingUpdate?.maxSurge);
    },
  },
};

export const resources = Object.keys(kinds) as Resource[];

/** `/apis/apps/v1/namespaces/shop/deployments/web`; "*" is every namespace. */
export function pathOf(resource: string, namespace: string, name?: string): string {
  const within = namespace === "*" ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `/apis/apps/v1${within}/${resource}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

// A StatefulSet labels its pods with the revision's whole name, a DaemonSet with the hash alone.
function controllerRevision(name: string, { metadata }: KubeObject): string {
  const hash = metadata.labels?.["controller-revision-hash"] ?? "";
  return hash.startsWith(`${name}-`) ? hash.slice(name.length + 1) : hash;
}

function madeBy(metadata: KubeObject["metadata"], kind: string, { name, uid }: Owner): boolean {
  const owner = controllerOf(metadata);
  return owner?.kind === kind && owner.name === name && (!uid || owner.uid === uid);
}

function deletingOf({ deletionTimestamp, finalizers = [] }: KubeObject["metadata"]): Progress["deleting"] {
  return deletionTimestamp ? { since: deletionTimestamp, finalizers: finalizers.join(", ") } : undefined;
}

function rolling(maxUnavailable: number | string | undefined, maxSurge: number | string | undefined): string {
  const parts = ["RollingUpdate"];
  if (maxUnavailable !== undefined) parts.push(`at most ${maxUnavailable} unavailable`);
  if (maxSurge !== undefined && maxSurge !== 0) parts.push(`${maxSurge} surge`);
  return parts.join(", ");
}
