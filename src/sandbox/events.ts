import { type Stored, timestamp } from "./object.ts";
import { apiVersion, type Resource, resources } from "./resource.ts";
import type { Store } from "./store.ts";

/** Writes Events; a repeated one is counted up, as the correlator of client-go does. */
export class Recorder {
  #known = new Map<string, string>();

  constructor(
    readonly store: Store,
    readonly keep = 2000,
  ) {}

  record(resource: Resource, object: Stored, type: "Normal" | "Warning", reason: string, message: string, by: string) {
    const { name, namespace = "default", uid, resourceVersion } = object.metadata;
    const key = JSON.stringify([uid, reason, message]);
    const known = this.store.get(resources.events, namespace, this.#known.get(key) ?? "");
    const lastTimestamp = timestamp();
    if (known) {
      this.store.put(resources.events, { ...known, count: known.count + 1, lastTimestamp });
      return;
    }
    const event: Stored = {
      metadata: {
        name: `${name}.${Bun.randomUUIDv7().replaceAll("-", "").slice(0, 16)}`,
        namespace,
        uid: crypto.randomUUID(),
        resourceVersion: "",
        creationTimestamp: lastTimestamp,
      },
      involvedObject: {
        kind: resource.kind,
        namespace: object.metadata.namespace,
        name,
        uid,
        apiVersion: apiVersion(resource),
        resourceVersion,
      },
      reason,
      message,
      source: { component: by },
      firstTimestamp: lastTimestamp,
      lastTimestamp,
      count: 1,
      type,
      eventTime: null,
      reportingComponent: by,
      reportingInstance: "",
    };
    this.#known.set(key, event.metadata.name);
    this.store.put(resources.events, event);
    if (this.#known.size > this.keep) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const [key, name] = this.#known.entries().next().value!;
    this.#known.delete(key);
    for (const event of this.store.list(resources.events)) {
      if (event.metadata.name === name) this.store.remove(resources.events, event);
    }
  }
}
