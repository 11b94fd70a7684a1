// The rows of all workloads in scope, and who wants to hear of their changes.
import type { Resource } from "./kind.ts";
import type { RawWorkload } from "./object.ts";
import { differs, judged, keyOf, type Row, rowOf, Texts } from "./row.ts";
import type { Diagnosis } from "./state.ts";

/** `row` is undefined for one that is gone. Must not throw. */
export type Listener = (key: string, row: Row | undefined, before: Row | undefined) => void;

export class WorkloadStore {
  readonly #rows = new Map<string, Row>();
  readonly #listeners = new Set<Listener>();
  readonly #texts = new Texts();

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  rows(): IterableIterator<Row> {
    return this.#rows.values();
  }

  entries(): IterableIterator<[string, Row]> {
    return this.#rows.entries();
  }

  /** @returns what ends it */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @returns its key */
  put(resource: Resource, workload: RawWorkload): string {
    const key = keyOf({ resource, namespace: workload.metadata.namespace ?? "", name: workload.metadata.name });
    const before = this.#rows.get(key);
    // What its pods said last holds until they are asked again, so that a state does not flicker.
    const kept = before?.uid === workload.metadata.uid ? before?.unwell?.diagnosis : undefined;
    this.#set(key, rowOf(resource, workload, this.#texts, kept), before);
    return key;
  }

  /** What the pods of a workload say; ignored for one that is gone or well by now. */
  diagnose(key: string, diagnosis: Diagnosis): void {
    const before = this.#rows.get(key);
    if (before?.unwell) this.#set(key, judged(before, diagnosis), before);
  }

  remove(key: string): void {
    const before = this.#rows.get(key);
    if (!before) return;
    this.#rows.delete(key);
    this.#tell(key, undefined, before);
  }

  /** After a whole list: what is of this resource and namespace ("*" for all) and was not in it is gone. */
  keepOnly(resource: Resource, namespace: string, keys: ReadonlySet<string>): void {
    for (const [key, row] of this.#rows) {
      if (row.resource !== resource || (namespace !== "*" && row.namespace !== namespace)) continue;
      if (!keys.has(key)) this.remove(key);
    }
    this.#texts.trim(this.#rows.size);
  }

  removeWhere(gone: (row: Row) => boolean): void {
    for (const [key, row] of this.#rows) if (gone(row)) this.remove(key);
  }

  #set(key: string, row: Row, before: Row | undefined): void {
    this.#rows.set(key, row);
    if (!before || differs(before, row)) this.#tell(key, row, before);
  }

  #tell(key: string, row: Row | undefined, before: Row | undefined): void {
    for (const listener of this.#listeners) listener(key, row, before);
  }
}
