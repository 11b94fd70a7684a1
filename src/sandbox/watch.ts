import { tooOld } from "./api.ts";
import { encode } from "./encoding.ts";
import { badRequest, type Failure } from "./failure.ts";
import type { Stored } from "./object.ts";
import { apiVersion, type Resource } from "./resource.ts";
import { fieldMatcher, labelMatcher } from "./selector.ts";
import type { Change, Store } from "./store.ts";

/** Where a watch writes its lines. */
export interface Sink {
  write(line: string): void;
  end(): void;
}

export interface Watch {
  stop(): void;
}

/** The open watches of a cluster. */
export class Watches {
  #open = new Set<{ expire(): void; stop(): void }>();

  constructor(
    readonly store: Store,
    /** Milliseconds between bookmarks. */
    readonly bookmarkEvery = 60_000,
  ) {}

  get count(): number {
    return this.#open.size;
  }

  /** The failure a watch from this resourceVersion would begin with, if its history is gone. */
  expiry(query: URLSearchParams): Failure | undefined {
    const from = Number(query.get("resourceVersion") || 0);
    return from > 0 && from < this.store.oldest ? tooOld(from, this.store.oldest) : undefined;
  }

  /** Sends what there is, or what changed since the query's resourceVersion, and every change after it. */
  open(resource: Resource, namespace: string | undefined, query: URLSearchParams, sink: Sink): Watch {
    const asked = query.get("resourceVersion") || "0";
    if (!/^\d+$/.test(asked))
      throw badRequest(
        `invalid resource version: resourceVersion: Invalid value: "${asked}": strconv.ParseUint: parsing "${asked}": invalid syntax`,
      );
    const from = Number(asked);
    const bookmarks = isTrue(query.get("allowWatchBookmarks"));
    const labels = labelMatcher(query.get("labelSelector"));
    const fields = fieldMatcher(resource, query.get("fieldSelector"));
    const matches = (object: Stored | undefined) =>
      object !== undefined &&
      (namespace === undefined || object.metadata.namespace === namespace) &&
      (!labels || labels(object)) &&
      (!fields || fields(object));

    const send = (type: string, object: Stored) =>
      sink.write(`{"type":"${type}","object":${encode(resource, object)}}\n`);
    const bookmark = (annotations?: Record<string, string>) => {
      const metadata = {
        resourceVersion: String(this.store.revision),
        ...(annotations && { annotations }),
      };
      const object = { kind: resource.kind, apiVersion: apiVersion(resource), metadata };
      sink.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
    };
    const forward = ({ type, object, previous, resource: changed }: Change) => {
      if (changed !== resource) return;
      // To a watch with a selector an object is added when it begins to match, deleted when it ends to.
      const was = type !== "ADDED" && matches(previous);
      const is = type !== "DELETED" && matches(object);
      if (is) send(was ? "MODIFIED" : "ADDED", object);
      else if (was)
        send(
          "DELETED",
          type === "DELETED"
            ? object
            : { ...previous!, metadata: { ...previous!.metadata, resourceVersion: object.metadata.resourceVersion } },
        );
    };

    const initial = query.has("sendInitialEvents") ? isTrue(query.get("sendInitialEvents")) : from === 0;
    if (initial) {
      for (const object of this.store.list(resource, namespace)) if (matches(object)) send("ADDED", object);
      if (query.has("sendInitialEvents") && bookmarks) bookmark({ "k8s.io/initial-events-end": "true" });
    } else if (from > 0) {
      const missed = this.store.since(resource, from);
      if (!missed) {
        sink.write(errorLine(tooOld(from, this.store.oldest)));
        sink.end();
        return { stop() {} };
      }
      for (const change of missed) forward(change);
    }

    const seconds = Number(query.get("timeoutSeconds")) || 1800 + Math.floor(Math.random() * 1800);
    const unsubscribe = this.store.subscribe(forward);
    const ticking = bookmarks ? setInterval(bookmark, this.bookmarkEvery) : undefined;
    const timeout = setTimeout(() => {
      if (bookmarks) bookmark();
      close();
    }, seconds * 1000);
    const stop = () => {
      unsubscribe();
      clearInterval(ticking);
      clearTimeout(timeout);
      this.#open.delete(entry);
    };
    const close = () => {
      stop();
      sink.end();
    };
    const expire = () => {
      sink.write(errorLine(tooOld(from, this.store.oldest)));
      close();
    };
    const entry = { expire, stop: close };
    this.#open.add(entry);
    return { stop };
  }

  /** Ends every open watch with an ERROR event, as after a compaction of etcd. */
  expire(): void {
    for (const watch of [...this.#open]) watch.expire();
  }

  stop(): void {
    for (const watch of [...this.#open]) watch.stop();
  }
}

const errorLine = (failure: Failure) => `${JSON.stringify({ type: "ERROR", object: failure.status() })}\n`;

export const isTrue = (value: string | null): boolean => value === "true" || value === "1";
