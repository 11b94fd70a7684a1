import { equal, type Json, type Stored } from "./object.ts";
import { type Resource, resources } from "./resource.ts";

/** What the API server fills in when a field is left out. */
export function withDefaults(resource: Resource, object: Stored): Stored {
  const fill = defaults[resource.kind];
  return fill ? fill(object) : object;
}

const template = (value: Json): Json => ({
  ...value,
  metadata: value?.metadata ?? {},
  spec: podSpec(value?.spec ?? {}),
});

const defaults: Record<string, (object: Stored) => Stored> = {
  [resources.deployments.kind]: (object) => {
    const { spec = {} } = object;
    const rolling = (spec.strategy?.type ?? "RollingUpdate") === "RollingUpdate";
    return {
      ...object,
      spec: {
        ...spec,
        replicas: spec.replicas ?? 1,
        progressDeadlineSeconds: spec.progressDeadlineSeconds ?? 600,
        revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
        strategy: rolling
          ? {
              type: "RollingUpdate",
              rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%", ...spec.strategy?.rollingUpdate },
            }
          : spec.strategy,
        template: template(spec.template),
      },
    };
  },
  [resources.replicasets.kind]: (object) => ({
    ...object,
    spec: { ...object.spec, replicas: object.spec?.replicas ?? 1, template: template(object.spec?.template) },
  }),
  [resources.statefulsets.kind]: (object) => {
    const { spec = {} } = object;
    const rolling = (spec.updateStrategy?.type ?? "RollingUpdate") === "RollingUpdate";
    return {
      ...object,
      spec: {
        ...spec,
        replicas: spec.replicas ?? 1,
        podManagementPolicy: spec.podManagementPolicy ?? "OrderedReady",
        revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
        persistentVolumeClaimRetentionPolicy: {
          whenDeleted: "Retain",
          whenScaled: "Retain",
          ...spec.persistentVolumeClaimRetentionPolicy,
        },
        updateStrategy: rolling
          ? { type: "RollingUpdate", rollingUpdate: { partition: 0, ...spec.updateStrategy?.rollingUpdate } }
          : spec.updateStrategy,
        template: template(spec.template),
      },
    };
  },
  [resources.daemonsets.kind]: (object) => {
    const { spec = {} } = object;
    const rolling = (spec.updateStrategy?.type ?? "RollingUpdate") === "RollingUpdate";
    return {
      ...object,
      spec: {
        ...spec,
        revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
        updateStrategy: rolling
          ? {
              type: "RollingUpdate",
              rollingUpdate: { maxSurge: 0, maxUnavailable: 1, ...spec.updateStrategy?.rollingUpdate },
            }
          : spec.updateStrategy,
        template: template(spec.template),
      },
    };
  },
  [resources.pods.kind]: (object) => ({
    ...object,
    spec: {
      preemptionPolicy: "PreemptLowerPriority",
      priority: 0,
      enableServiceLinks: true,
      ...podSpec(object.spec ?? {}),
    },
    status: object.status?.phase ? object.status : { phase: "Pending", qosClass: qosClass(object.spec) },
  }),
  [resources.namespaces.kind]: (object) => ({
    ...object,
    metadata: {
      ...object.metadata,
      labels: { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name },
    },
    spec: { finalizers: ["kubernetes"], ...object.spec },
    status: object.status?.phase ? object.status : { phase: "Active" },
  }),
  [resources.secrets.kind]: ({ stringData, ...object }) => ({
    ...object,
    ...(stringData && { data: { ...object.data, ...encoded(stringData) } }),
    type: object.type ?? "Opaque",
  }),
  [resources.horizontalpodautoscalers.kind]: (object) => ({
    ...object,
    spec: { minReplicas: 1, metrics: [cpuMetric], ...object.spec },
  }),
};

function qosClass(spec: Json): string {
  const all: Json[] = (spec?.containers ?? []).map(({ resources: given }: Json) => given ?? {});
  if (all.every(({ requests, limits }) => !requests && !limits)) return "BestEffort";
  const fixed = all.every(({ requests, limits }) => limits?.cpu && limits.memory && equal(requests ?? limits, limits));
  return fixed ? "Guaranteed" : "Burstable";
}

const cpuMetric = {
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } },
};

/** The status of an object nobody has looked at yet: what Go does not leave out. */
export function emptyStatus(resource: Resource): Json {
  return statuses[resource.kind] ?? {};
}

const statuses: Record<string, Json> = {
  [resources.statefulsets.kind]: { replicas: 0, availableReplicas: 0 },
  [resources.replicasets.kind]: { replicas: 0 },
  [resources.daemonsets.kind]: {
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    desiredNumberScheduled: 0,
    numberReady: 0,
  },
  [resources.horizontalpodautoscalers.kind]: { desiredReplicas: 0, currentMetrics: null },
  [resources.services.kind]: { loadBalancer: {} },
};

function podSpec(spec: Json): Json {
  return {
    ...spec,
    ...(Array.isArray(spec.containers) && { containers: spec.containers.map(container) }),
    ...(Array.isArray(spec.initContainers) && { initContainers: spec.initContainers.map(container) }),
    restartPolicy: spec.restartPolicy ?? "Always",
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
    dnsPolicy: spec.dnsPolicy ?? "ClusterFirst",
    securityContext: spec.securityContext ?? {},
    schedulerName: spec.schedulerName ?? "default-scheduler",
  };
}

function container(value: Json): Json {
  const { image = "" } = value;
  const latest = image.endsWith(":latest") || !/[:@][^/]*$/.test(image);
  return {
    ...value,
    ...(Array.isArray(value.ports) && {
      ports: value.ports.map((port: Json) => ({ ...port, protocol: port.protocol ?? "TCP" })),
    }),
    ...probes(value),
    resources: value.resources ?? {},
    terminationMessagePath: value.terminationMessagePath ?? "/dev/termination-log",
    terminationMessagePolicy: value.terminationMessagePolicy ?? "File",
    imagePullPolicy: value.imagePullPolicy ?? (latest ? "Always" : "IfNotPresent"),
  };
}

function probes(value: Json): Json {
  const filled: Json = {};
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    if (value[name]) {
      filled[name] = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3, ...value[name] };
      if (filled[name].httpGet) filled[name].httpGet = { path: "/", scheme: "HTTP", ...filled[name].httpGet };
    }
  }
  return filled;
}

const encoded = (values: Record<string, string>) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
