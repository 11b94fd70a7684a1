import type { Stored } from "./object.ts";
import { allResources, type Resource } from "./resource.ts";

export interface Change {
  revision: number;
  resource: Resource;
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: Stored;
  previous?: Stored;
}

export type Listener = (change: Change) => void;

/**
 * The objects of one cluster, in memory, with one revision counter for all kinds and a bounded history for watches.
 * Objects are immutable: whoever holds one holds a snapshot.
 */
export class Store {
  revision = 1000;
  /** Changes after this revision are still in the history. */
  oldest = 1000;
  #objects = new Map<Resource, Map<string, Map<string, Stored>>>(allResources.map((r) => [r, new Map()]));
  #owned = new Map<string, Map<string, { resource: Resource; object: Stored }>>();
  #history: Change[] = [];
  #listeners = new Set<Listener>();
  #untold: Change[] = [];

  constructor(readonly historySize = 20_000) {}

  get(resource: Resource, namespace: string | undefined, name: string): Stored | undefined {
    return this.#objects
      .get(resource)!
      .get(namespace ?? "")
      ?.get(name);
  }

  /** All objects of a kind, or those of one namespace, in the order of their keys. */
  list(resource: Resource, namespace?: string): Stored[] {
    const spaces = this.#objects.get(resource)!;
    const keys =
      namespace === undefined ? [...spaces.keys()].sort((a, b) => (`${a}/` < `${b}/` ? -1 : 1)) : [namespace];
    return keys.flatMap((key) =>
      [...(spaces.get(key)?.values() ?? [])].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    );
  }

  count(resource: Resource): number {
    let count = 0;
    for (const space of this.#objects.get(resource)!.values()) count += space.size;
    return count;
  }

  /** What names `uid` as an owner. */
  dependents(uid: string): { resource: Resource; object: Stored }[] {
    return [...(this.#owned.get(uid)?.values() ?? [])];
  }

  dependentsOf(uid: string, resource: Resource): Stored[] {
    return this.dependents(uid)
      .filter((dependent) => dependent.resource === resource)
      .map((dependent) => dependent.object);
  }

  /** Writes the object under the next revision and tells the listeners. */
  put(resource: Resource, object: Stored): Stored {
    const revision = ++this.revision;
    const { namespace = "", name } = object.metadata;
    const spaces = this.#objects.get(resource)!;
    const space = spaces.get(namespace) ?? new Map<string, Stored>();
    spaces.set(namespace, space);
    const previous = space.get(name);
    const next = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    space.set(name, next);
    if (previous) this.#disown(previous);
    this.#own(resource, next);
    this.#tell({ revision, resource, type: previous ? "MODIFIED" : "ADDED", object: next, previous });
    return next;
  }

  remove(resource: Resource, object: Stored): Stored {
    const { namespace = "", name } = object.metadata;
    const previous = this.#objects.get(resource)!.get(namespace)?.get(name);
    if (!previous) return object;
    this.#objects.get(resource)!.get(namespace)!.delete(name);
    this.#disown(previous);
    const revision = ++this.revision;
    const last = { ...previous, metadata: { ...previous.metadata, resourceVersion: String(revision) } };
    this.#tell({ revision, resource, type: "DELETED", object: last, previous });
    return last;
  }

  /** Changes of a kind after `revision`, or undefined when they are no longer all known. */
  since(resource: Resource, revision: number): Change[] | undefined {
    if (revision < this.oldest) return undefined;
    return this.#history.filter((change) => change.revision > revision && change.resource === resource);
  }

  /** Forgets the history: every older resourceVersion is expired from now on. */
  compact(): void {
    this.#history = [];
    this.oldest = this.revision;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: Change): void {
    this.#history.push(change);
    // Cut in halves, so that keeping the bound costs nothing per change.
    if (this.#history.length > this.historySize * 2) {
      this.#history = this.#history.slice(-this.historySize);
      this.oldest = this.#history[0]!.revision - 1;
    }
    this.#untold.push(change);
    if (this.#untold.length > 1) return;
    // A listener may write: everybody still hears of the changes in their order.
    for (let next = this.#untold[0]; next; this.#untold.shift(), next = this.#untold[0]) {
      for (const listener of [...this.#listeners]) listener(next);
    }
  }

  #own(resource: Resource, object: Stored): void {
    for (const { uid } of object.metadata.ownerReferences ?? []) {
      const owned = this.#owned.get(uid) ?? new Map();
      owned.set(object.metadata.uid, { resource, object });
      this.#owned.set(uid, owned);
    }
  }

  #disown(object: Stored): void {
    for (const { uid } of object.metadata.ownerReferences ?? []) {
      const owned = this.#owned.get(uid);
      owned?.delete(object.metadata.uid);
      if (owned?.size === 0) this.#owned.delete(uid);
    }
  }
}
