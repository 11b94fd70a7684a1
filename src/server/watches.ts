// One agent watch per (agent, namespace, kind) however many browsers look; dropped when nobody does. Each listener has a
// queue of its own that keeps only the last word on each row: a slow browser costs its own rows, and delays nobody.
import { toBinary } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import { type WorkloadRow, WorkloadRowSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import { sleep } from "../process/backoff.ts";
import type { Log } from "../process/log.ts";
import type { Question } from "./across.ts";
import type { Pool } from "./pool.ts";

export interface LiveRow {
  row: WorkloadRow;
  /** How old it was when it came, and when that was (monotonic milliseconds). */
  ageMs: number;
  heardAt: number;
}

export type RowChange =
  | { type: "upsert"; live: LiveRow }
  | { type: "removed"; row: WorkloadRow }
  /** The set is whole, or whole again. */
  | { type: "synced" }
  /** Nothing has changed, and the API server confirmed it so many milliseconds ago. */
  | { type: "beat"; cluster: string; ageMs: number }
  /** The agent does not answer: what was heard is kept, and gets old. */
  | { type: "broken"; cluster: string; failed: Failed };

export interface Subscription {
  /** Resolves with what has changed since the last call, at least one change; with none when the signal aborts. */
  next(signal: AbortSignal): Promise<RowChange[]>;
  /** What is known now, for a page that begins. */
  rows(): LiveRow[];
  /** True once a whole set has been heard. */
  readonly synced: boolean;
  close(): void;
}

/** A question whose rows may be chosen by their labels, which only the agent knows. */
export type Followed = Question & { labelSelector?: string };

export interface Watches {
  subscribe(question: Followed): Subscription;
  /** Agent watches that are open. */
  readonly open: number;
  close(): void;
}

export interface WatchesOptions {
  pool: Pool;
  /** Milliseconds a watch is kept after its last listener has gone: a page that reloads finds it warm. */
  lingerMs: number;
  now: () => number;
  log: Log;
  /** What one agent watch may hold; an agent that sends more is not followed. */
  most?: Most;
}

export interface Most {
  rows: number;
  /** As they came over the wire. */
  bytes: number;
}

interface Watch {
  question: Followed;
  rows: Map<string, LiveRow>;
  /** How large each of the rows is, and all of them. */
  sizes: Map<string, number>;
  bytes: number;
  listeners: Set<Listener>;
  synced: boolean;
  failed?: Failed;
  stop: AbortController;
  linger?: ReturnType<typeof setTimeout>;
}

interface Listener {
  pending: Map<string, RowChange>;
  /** Of what is pending, rows that it has never been told of: when they go again, there is nothing to tell. */
  fresh: Set<string>;
  wake: () => void;
}

const retryMs = [250, 500, 1_000, 2_000, 5_000];
/** Far more than a cluster has, far less than this process can hold. */
const mostHeld: Most = { rows: 100_000, bytes: 64 * 1024 ** 2 };
/** Whoever sent too much is asked again, since a cluster may have shrunk, and seldom, since it may not. */
const afterTooMuchMs = 60_000;

export function createWatches({ pool, lingerMs, now, log, most = mostHeld }: WatchesOptions): Watches {
  const watches = new Map<string, Watch>();

  function subscribe(question: Followed): Subscription {
    const { entry, namespace, resource, labelSelector = "" } = question;
    const id = `${entry.key} ${namespace} ${resource} ${labelSelector}`;
    let watch = watches.get(id);
    if (!watch) {
      watch = {
        question,
        rows: new Map(),
        sizes: new Map(),
        bytes: 0,
        listeners: new Set(),
        synced: false,
        stop: new AbortController(),
      };
      watches.set(id, watch);
      void keep(watch);
    }
    clearTimeout(watch.linger);
    const kept = watch;
    const listener: Listener = { pending: new Map(), fresh: new Set(), wake: () => {} };
    kept.listeners.add(listener);
    if (kept.failed) listener.pending.set("", broken(kept));
    return {
      next: (signal) => nextOf(listener, signal),
      rows: () => [...kept.rows.values()],
      get synced() {
        return kept.synced;
      },
      close() {
        kept.listeners.delete(listener);
        if (kept.listeners.size > 0) return;
        kept.linger = setTimeout(() => {
          watches.delete(id);
          kept.stop.abort();
        }, lingerMs);
        kept.linger.unref();
      },
    };
  }

  async function keep(watch: Watch): Promise<void> {
    let failures = 0;
    while (!watch.stop.signal.aborted) {
      try {
        await follow(watch, () => {
          failures = 0;
        });
      } catch (cause) {
        if (watch.stop.signal.aborted) return;
        const failed =
          cause instanceof Failed ? cause : new Failed("internal.error", { place: "server", requestId: "" });
        if (failed !== cause) log.error("watch broke", { key: watch.question.entry.key, problem: String(cause) });
        watch.failed = failed;
        for (const listener of watch.listeners) tell(listener, "", broken(watch));
        if (failed.code === "watch.too_much") {
          forget(watch);
          await sleep(afterTooMuchMs, watch.stop.signal);
          continue;
        }
      }
      const wait = retryMs[Math.min(failures++, retryMs.length - 1)]! * (0.75 + Math.random() / 2);
      await Bun.sleep(wait);
    }
  }

  async function follow(watch: Watch, heard: () => void): Promise<void> {
    const { cluster } = watch.question.entry;
    const { namespace, resource, labelSelector } = watch.question;
    // Asked of the pool each time: the entry may have been replaced meanwhile.
    const peers = pool.on({ cluster, namespace });
    const seen = new Set<string>();
    let whole = false;
    let ageMs = 0;
    for await (const { event } of peers.workload.watch(
      { cluster, namespace, resource, labelSelector },
      { signal: watch.stop.signal },
    )) {
      heard();
      if (event.case === "upsert") {
        const row = event.value;
        const id = rowKey(row);
        if (!whole) seen.add(id);
        keepRow(watch, id, { row, ageMs, heardAt: now() });
      } else if (event.case === "removed") {
        const gone = watch.rows.get(rowKey(event.value));
        if (gone) remove(watch, gone);
      } else if (event.case === "synced") {
        ageMs = event.value.ageMs;
        if (whole) {
          for (const live of watch.rows.values()) {
            live.ageMs = ageMs;
            live.heardAt = now();
          }
          const { cluster } = watch.question.entry;
          for (const listener of watch.listeners) tell(listener, "beat", { type: "beat", cluster, ageMs });
          continue;
        }
        whole = true;
        for (const [id, live] of watch.rows) if (!seen.has(id)) remove(watch, live);
        seen.clear();
        watch.synced = true;
        watch.failed = undefined;
        for (const listener of watch.listeners) tell(listener, "", { type: "synced" });
      }
    }
  }

  /** @throws Failed "watch.too_much" */
  function keepRow(watch: Watch, id: string, live: LiveRow): void {
    const isNew = !watch.rows.has(id);
    const size = toBinary(WorkloadRowSchema, live.row).byteLength;
    watch.bytes += size - (watch.sizes.get(id) ?? 0);
    watch.sizes.set(id, size);
    watch.rows.set(id, live);
    if (watch.rows.size > most.rows || watch.bytes > most.bytes) {
      const { cluster } = watch.question.entry;
      const limit = `${most.rows.toLocaleString("en")} rows or ${most.bytes / 1024 ** 2} MiB`;
      throw new Failed("watch.too_much", { cluster, limit });
    }
    for (const listener of watch.listeners) {
      if (isNew && !listener.pending.has(id)) listener.fresh.add(id);
      tell(listener, id, { type: "upsert", live });
    }
  }

  function remove(watch: Watch, { row }: LiveRow): void {
    const id = rowKey(row);
    watch.bytes -= watch.sizes.get(id) ?? 0;
    watch.sizes.delete(id);
    watch.rows.delete(id);
    for (const listener of watch.listeners) {
      if (listener.fresh.delete(id)) listener.pending.delete(id);
      else tell(listener, id, { type: "removed", row });
    }
  }

  /** Nothing of it is to be believed, and it takes room. Who was told of a row would not hear of its end otherwise. */
  function forget(watch: Watch): void {
    for (const live of [...watch.rows.values()]) remove(watch, live);
    watch.synced = false;
  }

  return {
    subscribe,
    get open() {
      return watches.size;
    },
    close() {
      for (const watch of watches.values()) {
        clearTimeout(watch.linger);
        watch.stop.abort();
      }
      watches.clear();
    },
  };
}

export function rowKey({ namespace, resource, name }: Pick<WorkloadRow, "namespace" | "resource" | "name">): string {
  return `${namespace}/${resource}/${name}`;
}

function tell(listener: Listener, id: string, change: RowChange): void {
  listener.pending.set(id, change);
  listener.wake();
}

function broken(watch: Watch): RowChange {
  return { type: "broken", cluster: watch.question.entry.cluster, failed: watch.failed! };
}

function nextOf(listener: Listener, signal: AbortSignal): Promise<RowChange[]> {
  return new Promise((resolve) => {
    const give = () => {
      if (listener.pending.size === 0 && !signal.aborted) return;
      signal.removeEventListener("abort", give);
      listener.wake = () => {};
      const changes = [...listener.pending.values()];
      listener.pending.clear();
      listener.fresh.clear();
      resolve(changes);
    };
    signal.addEventListener("abort", give, { once: true });
    listener.wake = give;
    give();
  });
}
