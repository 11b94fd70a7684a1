import type { Api } from "./api.ts";
import type { Json } from "./object.ts";
import { findKind, resources } from "./resource.ts";
import { settle } from "./settled.ts";

/** What a cluster holds when it starts. */
export interface Seed {
  nodes?: { count: number; cpu: string; memory: string; pods?: string; labels?: Record<string, string> };
  namespaces: string[];
  /** Objects that have been there for a while; workloads among them have all their pods ready. */
  settled?: Json[];
  /** Settled workloads get no ReplicaSets and pods: quick to load by the thousand. */
  withoutPods?: boolean;
  /** Objects created at the start: controllers bring them up before one's eyes, or fail to. */
  live?: Json[];
  /** Images set at the start on the first container of settled workloads. */
  images?: { kind: string; namespace: string; name: string; image: string }[];
  traffic?: Traffic;
}

/** What happens by itself while nobody does anything. Milliseconds. */
export interface Traffic {
  restarts?: { every: number; of: { namespace: string; app: string }[] };
  away?: { every: number; for: number };
}

const writer = { manager: "kubectl" };

/** Puts the seed into the store; the returned function starts what is live, once controllers listen. */
export function sow(api: Api, seed: Seed, options: { name: string; nodes?: number }): () => void {
  const { cpu = "64", memory = "256Gi", pods = "2000", labels } = seed.nodes ?? {};
  const count = options.nodes ?? seed.nodes?.count ?? 3;
  for (let i = 1; i <= count; i++)
    api.create(resources.nodes, undefined, node(`${options.name}-node-${i}`, { cpu, memory, pods }, labels), writer);
  for (const name of ["default", "kube-node-lease", "kube-public", "kube-system", ...seed.namespaces]) {
    if (!api.store.get(resources.namespaces, undefined, name)) {
      api.create(resources.namespaces, undefined, { metadata: { name } }, writer);
    }
  }
  for (const object of seed.settled ?? []) settle(api, object, seed.withoutPods === true);
  api.store.compact();
  return () => {
    for (const object of seed.live ?? []) {
      api.create(kindOf(object), object.metadata.namespace, object, writer);
    }
    for (const { kind, namespace, name, image } of seed.images ?? []) {
      const resource = kindOf({ kind, apiVersion: "apps/v1" });
      const workload = structuredClone(api.get(resource, namespace, name));
      workload.spec.template.spec.containers[0].image = image;
      api.update(resource, api.get(resource, namespace, name), workload, writer);
    }
  };
}

function kindOf({ kind, apiVersion }: Json) {
  const resource = findKind(kind, apiVersion);
  if (!resource) throw new Error(`the sandbox has no kind ${kind} in ${apiVersion}: remove it from the seed`);
  return resource;
}

function node(name: string, allocatable: Json, labels: Record<string, string> = {}): Json {
  const now = new Date().toISOString();
  const condition = (type: string, status: string, reason: string, message: string) => ({
    ...{ type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: now },
  });
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", ...labels } },
    spec: {},
    status: {
      capacity: allocatable,
      allocatable,
      addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
      conditions: [condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")],
      nodeInfo: { architecture: "amd64", operatingSystem: "linux", kubeletVersion: "v1.36.3+sandbox" },
    },
  };
}
