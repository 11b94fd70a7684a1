import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Access } from "./access.ts";
import { Api } from "./api.ts";
import { Clock } from "./clock.ts";
import { syncDaemonSet } from "./controllers/daemonset.ts";
import { syncDeployment } from "./controllers/deployment.ts";
import { Loop, type Sync, syncNamespace, syncQuota } from "./controllers/loop.ts";
import { syncReplicaSet } from "./controllers/replicaset.ts";
import { syncStatefulSet } from "./controllers/statefulset.ts";
import { Recorder } from "./events.ts";
import { type Fault, Faults } from "./faults.ts";
import { Kubelet } from "./kubelet.ts";
import { Lists } from "./list.ts";
import type { Json, Stored } from "./object.ts";
import { findKind, type Resource, resources } from "./resource.ts";
import { Scheduler } from "./scheduler.ts";
import { type Seed, sow } from "./seed.ts";
import { createApiServer } from "./server.ts";
import { Store } from "./store.ts";
import { startTraffic } from "./traffic.ts";
import { Watches } from "./watch.ts";

export interface SandboxOptions {
  /** The cluster's name: context, cluster and user in the kubeconfig. */
  name: string;
  seed: Seed;
  /** 0, the default, takes a free one. */
  port?: number;
  token?: string;
  /** The token may do everything in these namespaces and nothing elsewhere. */
  namespaces?: string[];
  /** How many nodes, if the seed does not say. */
  nodes?: number;
  /** How much faster than real the pods, deadlines and back-offs are. */
  speed?: number;
  /** How many changes a watch may be behind before its resourceVersion is expired. */
  history?: number;
  /** Milliseconds between the bookmarks of a watch. */
  bookmarkEvery?: number;
  /** Let the seed's own life go on: restarts, absences. */
  traffic?: boolean;
}

export interface Sandbox {
  readonly url: string;
  /** The token of the kubeconfig: restricted when `namespaces` is given. */
  readonly token: string;
  /** May do everything, always. */
  readonly adminToken: string;
  /** YAML with a current-context named after the cluster. */
  kubeconfig(): string;
  /** Creates an object, or replaces the one of its kind and name, as an administrator would. */
  apply(object: Json): Stored;
  get(kind: string, namespace: string | undefined, name: string): Stored | undefined;
  /** Replaces the fault in force; `{}` clears it. */
  fault(fault: Fault): void;
  /** Refuse connections, and cut those that are open, until up(). */
  down(): void;
  up(): Promise<void>;
  /** Ends all watches and forgets the history, so that older versions are answered by 410. */
  expireWatches(as?: "event" | "http"): void;
  /** Forgets the history; open watches go on. */
  compact(): void;
  /** How many watches are open. */
  watches(): number;
  stop(): Promise<void>;
}

const syncs = new Map<Resource, Sync>([
  [resources.deployments, syncDeployment],
  [resources.replicasets, syncReplicaSet],
  [resources.statefulsets, syncStatefulSet],
  [resources.daemonsets, syncDaemonSet],
  [resources.resourcequotas, syncQuota],
  [resources.namespaces, syncNamespace],
]);

/** A simulated cluster on 127.0.0.1, ready when the promise resolves. Rejects when the port is taken. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { name, seed, port = 0, token = crypto.randomUUID(), namespaces, speed = 1 } = options;
  const store = new Store(options.history);
  const api = new Api(store);
  const clock = new Clock(speed);
  const events = new Recorder(store);
  const kubelet = new Kubelet(api, events, clock);
  const scheduler = new Scheduler(api, events);
  const loop = new Loop(syncs, { api, store, clock, events });
  const lists = new Lists(store);
  const watches = new Watches(store, options.bookmarkEvery);
  const faults = new Faults();
  const access = new Access();
  const adminToken = namespaces ? crypto.randomUUID() : token;
  access.allow(adminToken, { name: "sandbox-admin" });
  if (namespaces) access.allow(token, { name: "sandbox-user", namespaces });

  const live = sow(api, seed, { name, nodes: options.nodes });
  store.subscribe((change) => scheduler.onChange(change));
  store.subscribe((change) => kubelet.onChange(change));
  loop.start();
  live();

  let expireAs: "event" | "http" = "event";
  const server = createApiServer({
    ...{ api, lists, watches, access, faults },
    expiry: () => expireAs,
    order({ downMs, expireWatches }) {
      if (expireWatches) sandbox.expireWatches(expireWatches === "http" ? "http" : "event");
      if (downMs === undefined) return;
      // The answer to the order itself goes out first.
      setTimeout(() => sandbox.down(), 20).unref();
      setTimeout(() => {
        sandbox.up().catch((cause) => console.error(`sandbox ${name}: cannot listen again`, cause));
      }, 20 + downMs).unref();
    },
  });
  const bound = await listen(server, port);
  const url = `http://127.0.0.1:${bound}`;
  let stopped = false;

  const sandbox: Sandbox = {
    ...{ url, token, adminToken },
    kubeconfig: () => kubeconfig(name, url, token),
    apply: (object) => applyObject(api, object),
    get(kind, namespace, objectName) {
      const resource = Object.values(resources).find((candidate) => candidate.kind === kind);
      return resource && store.get(resource, namespace, objectName);
    },
    fault: (fault) => faults.set(fault),
    down() {
      server.close();
      server.closeAllConnections();
    },
    async up() {
      if (!stopped && !server.listening) await listen(server, bound);
    },
    expireWatches(as = "event") {
      expireAs = as;
      sandbox.compact();
      watches.expire();
    },
    compact() {
      // One revision further, so that what was read last is older than the history too.
      store.revision++;
      store.compact();
      lists.compact();
    },
    watches: () => watches.count,
    async stop() {
      stopped = true;
      endTraffic();
      loop.stop();
      clock.stop();
      watches.stop();
      sandbox.down();
    },
  };
  const endTraffic = options.traffic ? startTraffic(seed, { store, kubelet, sandbox }) : () => {};
  return sandbox;
}

function applyObject(api: Api, object: Json): Stored {
  const resource = findKind(object.kind, object.apiVersion);
  if (!resource) throw new Error(`the sandbox has no kind ${object.kind} in ${object.apiVersion}`);
  const namespace = resource.namespaced ? (object.metadata?.namespace ?? "default") : undefined;
  const existing = api.store.get(resource, namespace, object.metadata?.name);
  const writer = { manager: "sandbox" };
  if (!existing) return api.create(resource, namespace, object, writer);
  const { resourceVersion: _, ...metadata } = object.metadata;
  return api.update(resource, existing, { ...object, metadata }, writer);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const kubeconfig = (name: string, url: string, token: string): string => `apiVersion: v1
kind: Config
current-context: ${JSON.stringify(name)}
clusters:
  - name: ${JSON.stringify(name)}
    cluster:
      server: ${JSON.stringify(url)}
contexts:
  - name: ${JSON.stringify(name)}
    context:
      cluster: ${JSON.stringify(name)}
      user: ${JSON.stringify(name)}
users:
  - name: ${JSON.stringify(name)}
    user:
      token: ${JSON.stringify(token)}
`;
