import type { Api } from "../api.ts";
import type { Clock } from "../clock.ts";
import type { Recorder } from "../events.ts";
import { Failure } from "../failure.ts";
import { controllerOf, type Stored } from "../object.ts";
import { quotaStatus } from "../quota.ts";
import { allResources, findKind, type Resource, resources } from "../resource.ts";
import type { Change, Store } from "../store.ts";

export interface Deps {
  api: Api;
  store: Store;
  clock: Clock;
  events: Recorder;
  /** Sync this object again in so many simulated milliseconds. */
  again(resource: Resource, object: Stored, ms: number): void;
}

export type Sync = (object: Stored, deps: Deps) => void;

/** Calls the controller of an object whenever it, or something it controls, has changed. */
export class Loop {
  #queue = new Map<string, { resource: Resource; namespace?: string; name: string }>();
  #draining: Timer | undefined;
  #unsubscribe = () => {};
  readonly deps: Deps;

  constructor(
    readonly syncs: Map<Resource, Sync>,
    deps: Omit<Deps, "again">,
  ) {
    this.deps = {
      ...deps,
      again: (resource, object, ms) => void deps.clock.after(ms, () => this.enqueue(resource, object)),
    };
  }

  start(): void {
    this.#unsubscribe = this.deps.store.subscribe((change) => this.#onChange(change));
  }

  stop(): void {
    this.#unsubscribe();
    clearTimeout(this.#draining);
    this.#queue.clear();
  }

  enqueue(resource: Resource, { metadata: { namespace, name } }: Pick<Stored, "metadata">): void {
    if (!this.syncs.has(resource)) return;
    this.#queue.set(`${resource.plural}/${namespace ?? ""}/${name}`, { resource, namespace, name });
    if (this.#draining) return;
    this.#draining = setTimeout(() => this.#drain(), 1);
    this.#draining.unref();
  }

  #onChange({ type, resource, object, previous }: Change): void {
    if (type !== "DELETED") this.enqueue(resource, object);
    else {
      this.deps.clock.forget(object.metadata.uid);
      this.#collect(object);
    }
    const owner = controllerOf(object);
    const kind = owner && findKind(owner.kind, owner.apiVersion);
    if (kind) this.enqueue(kind, { metadata: { ...object.metadata, name: owner.name } });
    if (resource === resources.resourcequotas && previous?.spec !== object.spec) {
      for (const set of this.deps.store.list(resources.replicasets, object.metadata.namespace)) {
        this.enqueue(resources.replicasets, set);
      }
    }
    if (resource === resources.pods && type !== "MODIFIED") {
      for (const quota of this.deps.store.list(resources.resourcequotas, object.metadata.namespace)) {
        this.enqueue(resources.resourcequotas, quota);
      }
    }
    if (resource === resources.nodes && (type !== "MODIFIED" || previous?.spec !== object.spec)) {
      for (const daemonSet of this.deps.store.list(resources.daemonsets)) this.enqueue(resources.daemonsets, daemonSet);
    }
  }

  /** The garbage collector: what a deleted object owned goes too. */
  #collect(owner: Stored): void {
    const owned = this.deps.store.dependents(owner.metadata.uid);
    if (owned.length === 0) return;
    this.deps.clock.after(0, () => {
      for (const { resource, object } of owned) {
        const current = this.deps.store.get(resource, object.metadata.namespace, object.metadata.name);
        if (current?.metadata.uid === object.metadata.uid) this.deps.api.delete(resource, current);
      }
    });
  }

  #sync(resource: Resource, object: Stored): void {
    try {
      this.syncs.get(resource)!(object, this.deps);
    } catch (cause) {
      // Refused, as in a namespace that is going away: a controller tries again later.
      if (!(cause instanceof Failure)) throw cause;
      this.deps.again(resource, object, 1000);
    }
  }

  #drain(): void {
    const until = performance.now() + 20;
    this.#draining = undefined;
    for (const [key, { resource, namespace, name }] of this.#queue) {
      this.#queue.delete(key);
      const object = this.deps.store.get(resource, namespace, name);
      if (object) this.#sync(resource, object);
      // Requests are answered between two rounds.
      if (performance.now() > until) break;
    }
    if (this.#queue.size > 0 && !this.#draining) {
      this.#draining = setTimeout(() => this.#drain(), 1);
      this.#draining.unref();
    }
  }
}

export const controllerManager = { manager: "kube-controller-manager" };
export const controllerStatus = { manager: "kube-controller-manager", subresource: "status" };

/** Everything in a namespace that is being deleted, then the namespace itself. */
export const syncNamespace: Sync = (namespace, { api, store, again }) => {
  if (!namespace.metadata.deletionTimestamp) return;
  const kinds = allResources.filter((resource) => resource.namespaced);
  const left = kinds.flatMap((resource) =>
    store.list(resource, namespace.metadata.name).map((object) => ({ resource, object })),
  );
  for (const { resource, object } of left) if (!object.metadata.deletionTimestamp) api.delete(resource, object);
  if (left.every(({ resource }) => resource !== resources.pods)) store.remove(resources.namespaces, namespace);
  else again(resources.namespaces, namespace, 100);
};

export const syncQuota: Sync = (quota, { api, store }) => {
  api.update(resources.resourcequotas, quota, { ...quota, status: quotaStatus(store, quota) }, controllerStatus);
};
