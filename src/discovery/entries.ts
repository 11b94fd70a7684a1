// The current set of entries, and those who watch it: what the registries that live in this process share.
import type { Change, Entry } from "./discovery.ts";
import { createFew, type Few } from "./few.ts";

export interface Entries {
  put(entry: Entry): void;
  remove(key: string, instance: string): void;
  /** Tells all watchers something that changes no entry. */
  tell(change: Change): void;
  all(): Entry[];
  /** The whole set first, then changes, until the signal aborts. */
  watch(signal: AbortSignal): AsyncIterable<Change>;
}

export function createEntries(): Entries {
  const byKey = new Map<string, Few<Entry>>();
  const watchers = new Set<(change: Change) => void>();
  const tell = (change: Change) => {
    for (const watcher of watchers) watcher(change);
  };
  const all = () => [...byKey.values()].flatMap((instances) => [...instances.values()]);
  return {
    put(entry) {
      const instances = byKey.get(entry.key) ?? createFew<Entry>();
      byKey.set(entry.key, instances);
      instances.set(entry.instance, entry);
      // Told again when nothing changed, too: it confirms this one entry.
      tell({ type: "put", entry });
    },
    remove(key, instance) {
      const instances = byKey.get(key);
      if (!instances?.delete(instance)) return;
      if (instances.size === 0) byKey.delete(key);
      tell({ type: "removed", key, instance });
    },
    tell,
    all,
    async *watch(signal) {
      const changes = createChanges(signal);
      changes.push({ type: "set", entries: all() });
      watchers.add(changes.push);
      try {
        yield* changes;
      } finally {
        watchers.delete(changes.push);
      }
    },
  };
}

export interface Changes extends AsyncIterable<Change> {
  push(change: Change): void;
}

/** A queue of changes, read by one reader; ends when the signal aborts. */
export function createChanges(signal: AbortSignal): Changes {
  let waiting: Change[] = [];
  let wake = () => {};
  signal.addEventListener("abort", () => wake(), { once: true });
  return {
    push(change) {
      // Confirmations that nobody has read yet are one.
      if (change.type === "alive" && waiting.at(-1)?.type === "alive") return;
      waiting.push(change);
      wake();
    },
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        const read = waiting;
        waiting = [];
        for (const change of read) {
          if (signal.aborted) return;
          yield change;
        }
        if (waiting.length > 0 || signal.aborted) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
