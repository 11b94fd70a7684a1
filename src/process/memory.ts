// Gives memory back that the collector does not see. A closed TLS connection is a few objects to it and tens of kilobytes
// to the process: a server that opens and closes many would hold hundreds of megabytes that nobody uses.
import { fullGC } from "bun:jsc";

export interface MemoryOptions {
  /** Bytes the process holds. */
  resident?: () => number;
  /** Collects all there is: at once, in 20 to 100 ms in which nothing else happens, or beside the work, which frees less. */
  collect?: (how: "at once" | "beside") => void;
  /** Whether somebody may be waiting now. */
  busy?: () => boolean;
  /** Milliseconds between two looks. */
  everyMs?: number;
}

const mb = 1024 * 1024;
/** Memory that grows less than this between two looks rests; a collection that frees less was in vain. */
const rest = 2 * mb;
/** The part of a core that a process which serves nobody does not use. */
const busyCore = 0.05;
/** What was alive in a collection amid work may be dead so many looks later. */
const laterLooks = 5;
/** So many closed connections hold about 20 MB. */
const mostClosed = 500;

export interface Memory {
  /** A connection was closed: nobody waits for so many of them that the process grows by half. */
  closed(): void;
  /** Stops looking. */
  stop(): void;
}

/**
 * Looks at the process's memory until it ends. What has grown by an eighth is collected when it rests, by half at once;
 * and again a little later, where it is busy beside the work, until nothing more is freed. So it is after the start, too.
 * Memory in which many connections were closed is collected before it has grown: what was scattered over a large heap keeps
 * it large.
 */
export function keepMemorySmall({
  resident = () => process.memoryUsage.rss(),
  // Not Bun.gc(true): that throws compiled code away too.
  collect = (how) => void (how === "at once" ? fullGC() : Bun.gc(false)),
  busy = busySinceLast(),
  everyMs = 1_000,
}: MemoryOptions = {}): Memory {
  let before = resident();
  let lowest = before;
  /** Looks until the next one that is due anyhow. */
  let due = laterLooks;
  let last: { held: number; grown: boolean } | undefined;
  let closed = 0;

  function look(): void {
    const held = resident();
    const working = busy();
    const resting = held - before < rest;
    before = held;
    due--;
    if (last) {
      lowest = held;
      due = last.grown || last.held - held >= rest ? laterLooks : Number.POSITIVE_INFINITY;
      last = undefined;
    }
    lowest = Math.min(lowest, held);
    const growth = held - lowest;
    const grown = growth >= Math.max(12 * mb, lowest / 8);
    const much = growth >= Math.max(64 * mb, lowest / 2);
    if (!much && !(resting && (grown || due <= 0))) return;
    last = { held, grown };
    closed = 0;
    collect(much || grown || !working ? "at once" : "beside");
  }

  const timer = setInterval(look, everyMs);
  timer.unref();
  return {
    closed() {
      if (++closed < mostClosed) return;
      closed = 0;
      // After what is under way: it is whoever closes that tells.
      setTimeout(collect, 0, "at once");
    },
    stop: () => clearInterval(timer),
  };
}

/** Told each time of what has passed since the time before. */
function busySinceLast(): () => boolean {
  let [cpu, at] = [process.cpuUsage(), performance.now()];
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    const share = (user + system) / 1000 / (performance.now() - at);
    [cpu, at] = [process.cpuUsage(), performance.now()];
    return share > busyCore;
  };
}
