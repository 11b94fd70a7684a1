// What a source has told so far: turns the whole views that a registry answers with into the least there is to tell.
import type { Change, Entry } from "./discovery.ts";
import { createFew, type Few } from "./few.ts";

export interface Told {
  /**
   * Everything there is. Told as a set at first and after each silence, else as what differs.
   * @param doubted not among them, though the registry still knows them
   */
  all(entries: readonly Entry[], doubted?: readonly Entry[]): void;
  /** As `all`, from a registry that is known to have forgotten nothing in the silence: what is missing is gone at once. */
  allCertainly(entries: readonly Entry[]): void;
  /** Everything there is under one key. Before the first set and in a silence it tells nothing. */
  of(key: string, entries: readonly Entry[]): void;
  /** One entry that has come, or is another now. */
  put(entry: Entry): void;
  /** One entry that is no more; in the grace after a silence it may be there again soon, and is kept. */
  removed(key: string, instance: string): void;
  /** What was told may be wrong since: the next view is told as a set, though nobody was silent. */
  missed(): void;
  silent(problem: string): void;
  alive(): void;
  /** Ends what it still waits for. */
  close(): void;
}

/** An agent that could not announce itself waits so long at most before it tries again. */
export const longestWaitMs = 4_000;
/** A try that fails may take so long: a registry that has just started accepts connections before it answers. */
const longestTryMs = 3_000;

export interface ToldOptions {
  push(change: Change): void;
  /**
   * Milliseconds after a silence in which what is missing or doubted is kept: a registry that has restarted may have
   * forgotten everything, and its agents need a moment to announce themselves again. What it has named since and then
   * names no more is gone at once.
   */
  graceMs?: number;
}

/** No agent needs longer to be announced again than its longest wait, a try that fails, and one that does not. */
const standardGraceMs = longestWaitMs + longestTryMs + 1_000;

export function createTold({ push, graceMs = standardGraceMs }: ToldOptions): Told {
  /** By key, then by instance. */
  const known = new Map<string, Few<Entry>>();
  const missing = new Map<Entry, ReturnType<typeof setTimeout>>();
  let gap = true;
  /** When the grace after the last silence ends, on the monotonic clock, and what was named in it. */
  let graceEnd = 0;
  const named = new Set<string>();

  function put(entry: Entry): void {
    const instances = known.get(entry.key) ?? createFew<Entry>();
    const before = instances.get(entry.instance);
    known.set(entry.key, instances);
    instances.set(entry.instance, entry);
    if (before) found(before);
    if (performance.now() < graceEnd) named.add(idOf(entry));
    if (!gap && !(before && isSame(before, entry))) push({ type: "put", entry });
  }

  function remove(entry: Entry): void {
    const instances = known.get(entry.key);
    if (instances?.get(entry.instance) !== entry) return;
    found(entry);
    instances.delete(entry.instance);
    if (instances.size === 0) known.delete(entry.key);
    if (!gap) push({ type: "removed", key: entry.key, instance: entry.instance });
  }

  /** It is there again, or gone for good: nothing to wait for. */
  function found(entry: Entry): void {
    clearTimeout(missing.get(entry));
    missing.delete(entry);
  }

  function miss(entry: Entry, doubted: boolean): void {
    if (missing.has(entry)) return;
    const left = named.has(idOf(entry)) && !doubted ? 0 : graceEnd - performance.now();
    if (left <= 0) {
      remove(entry);
      return;
    }
    const late = () => {
      missing.delete(entry);
      // In another silence nobody could announce anything: the grace after it begins anew.
      if (!gap) miss(entry, doubted);
    };
    missing.set(entry, setTimeout(late, left));
  }

  /** @param before what was known of the same part */
  function replace(before: readonly Entry[], entries: readonly Entry[], doubted: readonly Entry[] = []): void {
    const [now, doubts] = [new Set(entries.map(idOf)), new Set(doubted.map(idOf))];
    for (const entry of entries) put(entry);
    for (const entry of before) if (!now.has(idOf(entry))) miss(entry, doubts.has(idOf(entry)));
  }

  const everything = () => [...known.values()].flatMap((instances) => [...instances.values()]);

  function all(entries: readonly Entry[], doubted?: readonly Entry[]): void {
    replace(everything(), entries, doubted);
    if (gap) push({ type: "set", entries: everything() });
    else push({ type: "alive" });
    gap = false;
  }

  return {
    all(entries, doubted) {
      if (gap && known.size > 0) graceEnd = performance.now() + graceMs;
      all(entries, doubted);
    },
    allCertainly: (entries) => all(entries),
    of(key, entries) {
      if (!gap) replace([...(known.get(key)?.values() ?? [])], entries);
    },
    put,
    removed(key, instance) {
      const entry = known.get(key)?.get(instance);
      if (entry) miss(entry, true);
    },
    missed() {
      gap = true;
    },
    silent(problem) {
      gap = true;
      named.clear();
      push({ type: "silent", problem });
    },
    alive() {
      if (!gap) push({ type: "alive" });
    },
    close() {
      for (const timer of missing.values()) clearTimeout(timer);
      missing.clear();
    },
  };
}

function idOf({ key, instance }: Entry): string {
  return `${key}\0${instance}`;
}

function isSame(a: Entry, b: Entry): boolean {
  if (a.problem !== b.problem) return false;
  return "address" in a.via && "address" in b.via && a.via.address === b.via.address;
}
