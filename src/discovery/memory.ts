// A registry inside one process, for tests: it can fall silent and be given anything.
import type { Announcer, Entry, Source } from "./discovery.ts";
import { createEntries } from "./entries.ts";

export interface MemoryRegistry {
  announcer(): Announcer;
  source(): Source;
  /** What somebody else might have written there. */
  put(key: string, instance: string, address: string): void;
  remove(key: string, instance: string): void;
  /** Does not answer from here on, whatever is announced meanwhile. */
  silence(problem: string): void;
  /** Answers again, with the whole set. */
  restore(): void;
}

export function memoryRegistry({ name = "memory" } = {}): MemoryRegistry {
  const entries = createEntries();
  const held = new Map<string, Entry>();
  let silent: string | undefined;
  const idOf = (key: string, instance: string) => `${key}\n${instance}`;
  const registry: MemoryRegistry = {
    announcer: () => ({
      name,
      async announce({ keys, via, instance }, signal, onState) {
        for (const key of keys) put({ key, instance, via });
        onState?.({ announced: true });
        await aborted(signal);
        for (const key of keys) registry.remove(key, instance);
      },
    }),
    source: () => ({ name, kind: "memory", watch: entries.watch }),
    put: (key, instance, address) => put({ key, instance, via: { address } }),
    remove(key, instance) {
      held.delete(idOf(key, instance));
      if (silent === undefined) entries.remove(key, instance);
    },
    silence(problem) {
      silent = problem;
      entries.tell({ type: "silent", problem });
    },
    restore() {
      silent = undefined;
      for (const { key, instance } of entries.all()) {
        if (!held.has(idOf(key, instance))) entries.remove(key, instance);
      }
      for (const entry of held.values()) entries.put(entry);
      entries.tell({ type: "set", entries: entries.all() });
    },
  };

  function put(entry: Entry): void {
    held.set(idOf(entry.key, entry.instance), entry);
    if (silent === undefined) entries.put(entry);
  }

  return registry;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
