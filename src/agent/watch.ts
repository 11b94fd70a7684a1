// Keeps the store as the API server has it: one list and then one watch per kind and namespace in scope.

import { backoff, sleep } from "../process/backoff.ts";
import type { Log } from "../process/log.ts";
import { pathOf, type Resource } from "./kind.ts";
import { type Kube, StatusFailed } from "./kube.ts";
import type { RawWorkload } from "./object.ts";
import { keyOf } from "./row.ts";
import type { WorkloadStore } from "./store.ts";

/** What is watched: a resource in one namespace, or in all ("*"). */
export interface Target {
  resource: Resource;
  namespace: string;
}

/** How well targets are known. */
export interface Confirmed {
  /** True once every target has been read as a whole; false where there is none. */
  readonly synced: boolean;
  /** The error that keeps a target from being confirmed now, if any does. */
  readonly problem: unknown;
  /** Milliseconds since the API server last confirmed what it confirmed longest ago; 0 where nothing is watched. */
  ageMs(): number;
}

/** Of all targets; `of` is for those of one namespace. */
export interface Watcher extends Confirmed {
  of(namespace: string): Confirmed;
  /** Watches these from now on; rows of what is no longer among them are removed. */
  retarget(targets: readonly Target[]): void;
  /** Resolves when synced, or after so many milliseconds. */
  settled(ms: number, signal?: AbortSignal): Promise<void>;
  stop(): void;
}

export interface WatcherOptions {
  kube: Kube;
  store: WorkloadStore;
  log: Log;
  /** Seconds after which a watch is begun anew; each beginning is the API server's word that nothing was missed. */
  periodSeconds?: number;
}

// A hung API server, or a connection that died without a word, is seen because a watch never lasts longer than this.
// Bookmarks come two seconds before its end.
const standardPeriodSeconds = 8;
// Many namespaces share a bounded number of requests a second.
const requestsPerSecond = 20;
const listTimeoutMs = 60_000;
// Bun has at most 256 requests under way in a process, and a watch is one; what is beyond is listed again and again.
const maxWatches = 180;

export function createWatcher({ kube, store, log, periodSeconds = standardPeriodSeconds }: WatcherOptions): Watcher {
  const streams = new Map<string, Stream>();
  const period = () => Math.max(periodSeconds, Math.ceil(streams.size / requestsPerSecond));
  let told = () => {};
  let change = new Promise<void>((resolve) => {
    told = resolve;
  });
  const onSynced = () => {
    told();
    change = new Promise<void>((resolve) => {
      told = resolve;
    });
  };
  const all = confirmed(() => streams.values());
  const about = (namespace: string) => (stream: Stream) =>
    stream.target.namespace === "*" || stream.target.namespace === namespace;

  return {
    get synced() {
      return all.synced;
    },
    get problem() {
      return all.problem;
    },
    ageMs: all.ageMs,
    of: (namespace) => (namespace === "*" ? all : confirmed(() => streams.values().filter(about(namespace)))),
    retarget(targets) {
      const wanted = new Map(targets.map((target) => [`${target.resource}/${target.namespace}`, target]));
      for (const [id, stream] of streams) {
        if (wanted.has(id)) continue;
        stream.stop();
        streams.delete(id);
      }
      store.removeWhere(
        ({ resource, namespace }) => !wanted.has(`${resource}/${namespace}`) && !wanted.has(`${resource}/*`),
      );
      for (const [id, target] of wanted) {
        if (streams.has(id)) continue;
        const polled = streams.size >= maxWatches;
        streams.set(id, follow(target, { kube, store, log, period, polled, onSynced }));
      }
    },
    async settled(ms, signal) {
      const end = performance.now() + ms;
      while (!all.synced && !signal?.aborted) {
        const left = end - performance.now();
        if (left <= 0) return;
        const timer = new AbortController();
        await Promise.race([change, sleep(left, signal ? AbortSignal.any([signal, timer.signal]) : timer.signal)]);
        timer.abort();
      }
    },
    stop() {
      for (const stream of streams.values()) stream.stop();
    },
  };
}

function confirmed(streams: () => Iterable<Stream>): Confirmed {
  return {
    get synced() {
      let any = false;
      for (const stream of streams()) {
        if (!stream.synced) return false;
        any = true;
      }
      return any;
    },
    get problem() {
      for (const stream of streams()) if (stream.problem !== undefined) return stream.problem;
      return undefined;
    },
    ageMs() {
      let oldest = Number.POSITIVE_INFINITY;
      for (const stream of streams()) oldest = Math.min(oldest, stream.confirmedAt);
      return oldest === Number.POSITIVE_INFINITY ? 0 : Math.round(performance.now() - oldest);
    },
  };
}

interface Stream {
  target: Target;
  synced: boolean;
  /** By the monotonic clock. */
  confirmedAt: number;
  problem: unknown;
  stop(): void;
}

interface Follow {
  kube: Kube;
  store: WorkloadStore;
  log: Log;
  period: () => number;
  /** Lists from time to time instead of watching. */
  polled: boolean;
  onSynced: () => void;
}

function follow(target: Target, { kube, store, log, period, polled, onSynced }: Follow): Stream {
  const stopping = new AbortController();
  const { signal } = stopping;
  const path = pathOf(target.resource, target.namespace);
  const waits = backoff({ first: 500, most: 15_000 });
  const stream: Stream = {
    target,
    synced: false,
    confirmedAt: performance.now(),
    problem: undefined,
    stop: () => stopping.abort(new Error("the watch was stopped")),
  };
  const confirm = () => {
    stream.confirmedAt = performance.now();
    stream.problem = undefined;
    waits.reset();
  };

  async function list(): Promise<string> {
    const keys = new Set<string>();
    const asked = performance.now();
    let resourceVersion = "";
    for await (const page of kube.pages<RawWorkload>(path, {}, { signal, timeoutMs: listTimeoutMs })) {
      for (const workload of page.items) keys.add(store.put(target.resource, workload));
      resourceVersion = page.metadata.resourceVersion ?? "";
    }
    store.keepOnly(target.resource, target.namespace, keys);
    confirm();
    // A paged list is as old as its first page.
    stream.confirmedAt = asked;
    if (!stream.synced) {
      stream.synced = true;
      onSynced();
    }
    return resourceVersion;
  }

  async function watch(from: string, remember: (resourceVersion: string) => void): Promise<void> {
    for await (const event of kube.watch<RawWorkload>(
      path,
      {},
      { resourceVersion: from, timeoutSeconds: period(), signal },
    )) {
      confirm();
      if (event.type === "OPENED") continue;
      if (event.type === "DELETED") store.remove(keyOf({ ...target, ...named(event.object) }));
      else if (event.type !== "BOOKMARK") store.put(target.resource, event.object);
      remember(event.object.metadata.resourceVersion ?? from);
    }
  }

  async function run(): Promise<void> {
    let version = "";
    while (!signal.aborted) {
      try {
        if (!version) version = await list();
        if (polled) {
          version = "";
          await sleep(period() * 1_000, signal);
          continue;
        }
        const began = performance.now();
        await watch(version, (next) => {
          version = next;
        });
        // Whatever stands between may end each watch at once.
        if (performance.now() - began < 500) await sleep(waits.next(), signal);
      } catch (cause) {
        if (signal.aborted) return;
        if (cause instanceof StatusFailed && cause.status === 410) {
          // The past that we were at is forgotten there: read all anew.
          version = "";
        } else {
          if (stream.problem === undefined) log.warn("watch interrupted", { ...target, error: cause });
          stream.problem = cause;
        }
        await sleep(waits.next(), signal);
      }
    }
  }

  void run();
  return stream;
}

function named({ metadata }: RawWorkload): { namespace: string; name: string } {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}
