// Gives memory back that the collector does not see. A closed TLS connection is a few objects to it and tens of kilobytes
// to the process: a server that opens and closes many would hold hundreds of megabytes that nobody uses.
import { fullGC } from "bun:jsc";

export interface MemoryOptions {
  /** Bytes the process holds. */
  resident?: () => number;
  /** Collects beside the work, as far as that goes. */
  collectBeside?: () => void;
  /** Collects all there is, at once: 20 to 100 ms in which nothing else happens. */
  collectAll?: () => void;
  /** Milliseconds between two looks. */
  everyMs?: number;
}

/** Growth that calls for a collection: an eighth, and at least so many bytes. */
const leastGrowth = 12 * 1024 * 1024;
/** Memory that grows less than this between two looks is at rest, bytes. */
const rest = 2 * 1024 * 1024;

/** Looks at the process's memory until it ends. @returns how to stop looking. */
export function keepMemorySmall({
  resident = () => process.memoryUsage.rss(),
  collectBeside = () => Bun.gc(false),
  // Not Bun.gc(true): that throws compiled code away too.
  collectAll = () => void fullGC(),
  everyMs = 1_000,
}: MemoryOptions = {}): () => void {
  let before = resident();
  let settled = before;
  /** Collected at the last look: what is held now is where growth begins. */
  let collected = false;
  /** What is collected beside the work is not all of it: the rest follows when memory rests, as it does after the start. */
  let unfinished = true;
  const look = () => {
    const held = resident();
    const resting = held - before < rest;
    before = held;
    settled = collected ? held : Math.min(settled, held);
    const grown = held - settled >= Math.max(leastGrowth, settled / 8);
    collected = grown || (unfinished && resting);
    if (!collected) return;
    unfinished = grown;
    if (grown) collectBeside();
    else collectAll();
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
