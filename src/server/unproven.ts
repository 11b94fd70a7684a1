// What callers did who have proved nothing: refused calls without a session, wrong passwords, tokens that are none. One
// entry of the audit a minute for a network and an operation, with a count, so that nobody can fill the disk with them.
import type { Log } from "../process/log.ts";
import type { StoredAudit } from "./store/audit.ts";
import type { Store } from "./store/store.ts";

export interface Unproven {
  /** @returns whether this is the first of its entry */
  refused(entry: StoredAudit): Promise<boolean>;
}

export interface UnprovenOptions {
  store: Pick<Store, "audit" | "ordinary">;
  log: Log;
}

/** Entries of one minute; what comes from further networks is counted in one entry for its operation. */
export const mostGroups = 200;
/** Entries that are kept; the oldest go first. */
export const mostKept = 10_000;
const minuteMs = 60_000;
/** Counts are written this much later, together. */
const flushMs = 2_000;

interface Group {
  id: string;
  /** The name that was tried; "" once there are several. */
  actor: string;
  count: number;
  written: number;
  at: number;
}

export function createUnproven({ store, log }: UnprovenOptions): Unproven {
  let minute = 0;
  let groups = new Map<string, Group>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failing = false;

  async function write(run: () => Promise<void>): Promise<void> {
    try {
      await store.ordinary(run);
      failing = false;
    } catch (cause) {
      // The call is refused anyway; that it is not on record is said once.
      if (!failing) log.error("refused calls are not on record", { problem: String(cause) });
      failing = true;
    }
  }

  async function flush(of: ReadonlyMap<string, Group> = groups): Promise<void> {
    timer = undefined;
    for (const group of of.values()) {
      if (group.count === group.written) continue;
      const { id, count, at, actor } = group;
      await write(() => store.audit.count(id, count, at, actor));
      group.written = count;
    }
  }

  return {
    async refused(entry) {
      const now = Math.floor(entry.at / minuteMs);
      if (now !== minute) {
        // Before anything is waited for: calls that come meanwhile are of the new minute.
        clearTimeout(timer);
        const last = groups;
        groups = new Map();
        minute = now;
        await flush(last);
      }
      const name = (address: string) => `${address}\0${entry.operation}`;
      const crowded = groups.size >= mostGroups && !groups.has(name(entry.address));
      const address = crowded ? "" : entry.address;
      const group = groups.get(name(address));
      if (group) {
        group.count++;
        if (entry.actor !== group.actor) group.actor = "";
        group.at = entry.at;
        timer ??= setTimeout(() => void flush(), flushMs);
        timer.unref();
        return false;
      }
      groups.set(name(address), {
        id: entry.id,
        actor: crowded ? "" : entry.actor,
        count: 1,
        written: 1,
        at: entry.at,
      });
      const others = crowded ? { actor: "", address: "", request: "", requestId: "" } : {};
      await write(() => store.audit.open({ ...entry, ...others, count: 1 }, true));
      await write(() => store.audit.keepUnproven(mostKept));
      return true;
    },
  };
}
