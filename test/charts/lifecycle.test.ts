// Install, upgrade, rollback and uninstall of each chart in each registry mode, by the real helm on a real control plane,
// in a namespace of the restricted profile.
import { beforeAll, expect, test } from "bun:test";
import type { KubeObject, RealCluster } from "../testbed/cluster.ts";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { until } from "../testbed/wait.ts";
import { type Chart, release, restrictedNamespace } from "./helm.ts";

const set = (...values: string[]) => ["--set", values.join(",")];
const ephemeral = "persistence.enabled=false";
const enrolled = set("cluster=eu-1", "server=http://lizardcd:5117", "token=one-time");

/** What is given at first, and the controllers whose pods must then run. */
const modes: Record<Chart, Record<string, { args: string[]; runs: string[] }>> = {
  "lizardcd-server": {
    none: { args: set("persistence.storageClass=-", "tls.selfSigned=true"), runs: ["demo-lizardcd-server"] },
    etcd: { args: set("etcd.addresses={http://etcd:2379}", ephemeral), runs: ["demo-lizardcd-server"] },
    consul: { args: set("consul.addresses={http://consul:8500}", ephemeral), runs: ["demo-lizardcd-server"] },
    nacos: { args: set("nacos.addresses={nacos:8848}", ephemeral), runs: ["demo-lizardcd-server"] },
  },
  "lizardcd-agent": {
    none: { args: enrolled, runs: ["demo-lizardcd-agent"] },
    etcd: { args: [...enrolled, ...set("etcd.hosts={http://etcd:2379}")], runs: ["demo-lizardcd-agent"] },
    consul: { args: [...enrolled, ...set("consul.host=http://consul:8500")], runs: ["demo-lizardcd-agent"] },
    nacos: { args: [...enrolled, ...set("nacos.host=nacos:8848")], runs: ["demo-lizardcd-agent"] },
  },
  lizardcd: {
    ...Object.fromEntries(
      ["none", "etcd", "consul", "nacos"].map((kind) => [
        kind,
        {
          args: set(`global.registry.kind=${kind}`, `lizardcd-server.${ephemeral}`),
          runs: ["demo-agent", ...(kind === "none" ? [] : [`demo-${kind}`]), "demo-server"],
        },
      ]),
    ),
    ...Object.fromEntries(
      Object.entries({ etcd: "http://etcd:2379", consul: "http://consul:8500", nacos: "nacos:8848" }).map(
        ([kind, address]) => [
          `${kind} elsewhere`,
          {
            args: set(
              `global.registry.kind=${kind}`,
              `global.registry.address=${address}`,
              `lizardcd-server.${ephemeral}`,
            ),
            runs: ["demo-agent", "demo-server"],
          },
        ],
      ),
    ),
  },
};

/** What a server with a volume leaves behind. */
const staying = [
  "PersistentVolumeClaim demo-lizardcd-server",
  "Secret demo-lizardcd-server",
  "Secret demo-lizardcd-server-tls",
];

/** An upgrade that changes the settings, and so the pods. */
const changes: Record<Chart, string[]> = {
  "lizardcd-server": set("settings.idle-timeout=10m"),
  // The token is spent by then: it may be left out.
  "lizardcd-agent": set("settings.timeout=30s", "token="),
  lizardcd: set("lizardcd-server.settings.idle-timeout=10m", "lizardcd-agent.settings.timeout=30s"),
};

describePart(["kubernetes", "helm"], "by helm on a real control plane", ({ helm }) => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await sharedCluster();
  });

  for (const [chart, byMode] of Object.entries(modes) as [Chart, (typeof modes)[Chart]][]) {
    for (const [mode, { args, runs }] of Object.entries(byMode)) {
      test.concurrent(
        `${chart} with registry ${mode} is installed, upgraded, rolled back and removed`,
        inTurn(async () => {
          const namespace = await restrictedNamespace(cluster);
          const persistent = args.join().includes("storageClass");
          if (persistent) await volume(cluster, namespace);
          const { install, upgrade, rollback, uninstall, ...released } = release(helm, cluster, chart, namespace);
          const world = worldOf(cluster, namespace);

          expect(await install(...args)).toContain("STATUS: deployed");
          expect(await world.running()).toEqual(runs);
          expect(await world.refused()).toEqual([]);
          await world.agentEnrolls();
          const [first, kept] = [await world.settings(), await world.kept()];
          expect(kept.length).toBeGreaterThan(0);

          // That its Jobs are let in, and end; what they ask is asked where the programs run.
          if (mode === "none") expect(await released.test()).toMatch(/^Phase: +Succeeded$/m);

          await upgrade("--reuse-values", ...changes[chart]);
          expect(await world.running()).toEqual(runs);
          expect(await world.settings()).not.toEqual(first);
          expect(await world.kept()).toEqual(kept);

          await rollback(1);
          expect(await world.running()).toEqual(runs);
          expect(await world.settings()).toEqual(first);
          expect(await world.kept()).toEqual(kept);

          await uninstall();
          if (!persistent) return void expect(await world.left()).toEqual([]);
          expect((await world.left()).sort()).toEqual(staying);
          // The same name again takes up the data, and what the agents of other clusters know the server by.
          expect(kept).toHaveLength(staying.length);
          await install(...args);
          expect(await world.kept()).toEqual(kept);
          await uninstall();
        }),
        patience,
      );
    }
  }
});

/** Each has a namespace of its own, and helm mostly waits: a few at once are faster, all at once starve each other. */
const atOnce = 3;
/** Also for those whose turn comes last, on a busy machine. */
const patience = 600_000;
const waiting: (() => void)[] = [];
let running = 0;

function inTurn(run: () => Promise<void>): () => Promise<void> {
  return async () => {
    if (running >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    try {
      await run();
    } finally {
      running--;
      waiting.shift()?.();
    }
  };
}

interface Stored extends KubeObject {
  metadata: KubeObject["metadata"] & { uid: string; deletionTimestamp?: string };
  data?: Record<string, string>;
}

function worldOf(cluster: RealCluster, namespace: string) {
  const within = (group: string, resource: string) => `${group}/namespaces/${namespace}/${resource}`;
  const list = async <T = Stored>(path: string) =>
    (await cluster.get<{ items: T[] }>(`${path}?labelSelector=app.kubernetes.io/instance=demo`)).items;

  return {
    /** The controllers all of whose pods are ready, once none is of an older revision. */
    running: () =>
      until(
        async () => {
          const controllers = [
            ...(await list<Controller>(within("/apis/apps/v1", "deployments"))),
            ...(await list<Controller>(within("/apis/apps/v1", "statefulsets"))),
          ];
          return controllers.every(isSettled) && controllers.map(({ metadata }) => metadata.name).sort();
        },
        { what: `the pods in ${namespace} to be ready`, timeout: 60_000 },
      ),

    /** What controllers were not allowed to create. */
    async refused() {
      type Event = { reason: string; message: string };
      const { items } = await cluster.get<{ items: Event[] }>(within("/api/v1", "events"));
      return items.filter(({ reason }) => reason === "FailedCreate").map(({ message }) => message);
    },

    /** What an enrolled agent writes into the Secret that the chart made for it. */
    async agentEnrolls() {
      for (const { metadata } of await list(within("/api/v1", "secrets"))) {
        if (!metadata.name.endsWith("-identity")) continue;
        const data = { "tls.key": btoa("key"), "tls.crt": btoa("certificate"), "ca.crt": btoa("ca") };
        const path = `${within("/api/v1", "secrets")}/${metadata.name}`;
        await cluster.request("PATCH", path, { data }, "application/strategic-merge-patch+json");
      }
    },

    /** Settings as the programs read them. */
    async settings() {
      return (await list(within("/api/v1", "configmaps"))).map(({ data }) => data);
    },

    /** What no upgrade may change: the Secrets that were made here or filled later, and the volume. */
    async kept() {
      const secrets = await list(within("/api/v1", "secrets"));
      const claims = await list(within("/api/v1", "persistentvolumeclaims"));
      return [
        ...secrets
          .filter(({ data }) => !data?.token)
          .map(({ metadata, data }) => `secret ${metadata.name} ${JSON.stringify(data)}`),
        ...claims.map(({ metadata }) => `claim ${metadata.name} ${metadata.uid}`),
      ].sort();
    },

    /** Every object of the release that is still there, cluster-wide ones too. */
    async left() {
      const kinds = [
        ...["configmaps", "secrets", "services", "serviceaccounts", "persistentvolumeclaims", "pods"].map((resource) =>
          within("/api/v1", resource),
        ),
        ...["deployments", "statefulsets", "replicasets"].map((resource) => within("/apis/apps/v1", resource)),
        ...["roles", "rolebindings"].map((resource) => within("/apis/rbac.authorization.k8s.io/v1", resource)),
        within("/apis/policy/v1", "poddisruptionbudgets"),
        within("/apis/networking.k8s.io/v1", "networkpolicies"),
        ...["clusterroles", "clusterrolebindings"].map((resource) => `/apis/rbac.authorization.k8s.io/v1/${resource}`),
      ];
      const look = async () => {
        const names: string[] = [];
        for (const path of kinds) {
          const { kind, items } = await cluster.get<{ kind: string; items: Stored[] }>(
            `${path}?labelSelector=app.kubernetes.io/instance=demo`,
          );
          const own = items.filter(({ metadata }) => metadata.namespace || metadata.name.startsWith(namespace));
          names.push(...own.map(({ metadata }) => `${kind.replace(/List$/, "")} ${metadata.name}`));
        }
        return names;
      };
      // Pods and replica sets follow their owners a moment later.
      const gone = (names: string[]) => names.every((name) => !/^(Pod|ReplicaSet) /.test(name));
      return until(async () => [await look()].find(gone), { what: `the pods in ${namespace} to go` });
    },
  };
}

interface Controller extends Stored {
  spec: { replicas: number };
  status: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    currentRevision?: string;
    updateRevision?: string;
  };
}

function isSettled({ metadata, spec, status }: Controller): boolean {
  const counts = [status.replicas, status.readyReplicas, status.updatedReplicas];
  // A StatefulSet stops counting updated pods as such once all of them are.
  const same = status.updateRevision !== undefined && status.updateRevision === status.currentRevision;
  return (
    status.observedGeneration === metadata.generation &&
    counts.every((count, index) => (count ?? 0) === spec.replicas || (index === 2 && same))
  );
}

/** A volume for the claim: nobody makes one here. */
async function volume(cluster: RealCluster, namespace: string): Promise<void> {
  await cluster.apply({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: namespace },
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      storageClassName: "",
      hostPath: { path: "/nowhere" },
      claimRef: { namespace, name: "demo-lizardcd-server" },
    },
  });
}
