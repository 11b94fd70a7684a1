/** One kind the sandbox serves. */
export interface Resource {
  group: string;
  version: string;
  plural: string;
  kind: string;
  shortNames: string[];
  namespaced: boolean;
  /** Status is written through `/status` alone. */
  status: boolean;
  /** metadata.generation counts the changes of spec. */
  generation: boolean;
  scale: boolean;
}

const resource = (group: string, version: string, plural: string, kind: string, rest: Partial<Resource>): Resource => ({
  group,
  version,
  plural,
  kind,
  shortNames: [],
  namespaced: true,
  status: true,
  generation: false,
  scale: false,
  ...rest,
});

const cluster = { namespaced: false };
const plain = { status: false };
const workload = { generation: true, scale: true };

export const resources = {
  namespaces: resource("", "v1", "namespaces", "Namespace", { ...cluster, shortNames: ["ns"] }),
  nodes: resource("", "v1", "nodes", "Node", { ...cluster, shortNames: ["no"] }),
  pods: resource("", "v1", "pods", "Pod", { shortNames: ["po"], generation: true }),
  events: resource("", "v1", "events", "Event", { ...plain, shortNames: ["ev"] }),
  configmaps: resource("", "v1", "configmaps", "ConfigMap", { ...plain, shortNames: ["cm"] }),
  secrets: resource("", "v1", "secrets", "Secret", plain),
  services: resource("", "v1", "services", "Service", { shortNames: ["svc"] }),
  serviceaccounts: resource("", "v1", "serviceaccounts", "ServiceAccount", { ...plain, shortNames: ["sa"] }),
  resourcequotas: resource("", "v1", "resourcequotas", "ResourceQuota", { shortNames: ["quota"] }),
  deployments: resource("apps", "v1", "deployments", "Deployment", { ...workload, shortNames: ["deploy"] }),
  replicasets: resource("apps", "v1", "replicasets", "ReplicaSet", { ...workload, shortNames: ["rs"] }),
  statefulsets: resource("apps", "v1", "statefulsets", "StatefulSet", { ...workload, shortNames: ["sts"] }),
  daemonsets: resource("apps", "v1", "daemonsets", "DaemonSet", { generation: true, shortNames: ["ds"] }),
  controllerrevisions: resource("apps", "v1", "controllerrevisions", "ControllerRevision", plain),
  horizontalpodautoscalers: resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", {
    shortNames: ["hpa"],
  }),
} satisfies Record<string, Resource>;

export const allResources: Resource[] = Object.values(resources);

export const apiVersion = ({ group, version }: Resource): string => (group ? `${group}/${version}` : version);

/** The name error messages use: `deployments.apps`, `pods`. */
export const qualified = ({ group, plural }: Resource): string => (group ? `${plural}.${group}` : plural);

export const qualifiedKind = ({ group, kind }: Resource): string => (group ? `${kind}.${group}` : kind);

export const findResource = (group: string, version: string, plural: string): Resource | undefined =>
  allResources.find((r) => r.group === group && r.version === version && r.plural === plural);

export const findKind = (kind: string, version: string): Resource | undefined =>
  allResources.find((r) => r.kind === kind && apiVersion(r) === version);
