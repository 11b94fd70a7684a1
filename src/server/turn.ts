// Calls that wait for a place among the connections: people's before the server's own, the oldest first, and one place
// serves all who wait for the same peer.
import { Failed } from "../contract/errors.ts";

export interface Patience {
  /** Milliseconds since the epoch. */
  deadline: number;
  signal?: AbortSignal;
}

export interface Turns<T> {
  /**
   * @param id what is waited for
   * @param isOwn the server asks of its own accord: whoever asks for people comes first
   * @param get gives it, once there is a place
   * @throws what `late` makes at the deadline, Failed "request.cancelled", or what `get` throws
   */
  wait(id: string, isOwn: boolean, get: () => T | undefined, patience: Patience, late: () => Failed): Promise<T>;
  /** There may be a place: whoever can go on does. */
  serve(): void;
  /** Who waits, and those of them that people sent. */
  readonly waiting: number;
  readonly people: number;
  /** What people wait for, in the order in which it was first. */
  ids(): Iterable<string>;
}

/** @returns false where there is no place yet */
type Try = () => boolean;

/** @param needsPlace false where what is waited for can be had without another place */
export function createTurns<T>(needsPlace: (id: string) => boolean): Turns<T> {
  /** By what is waited for, in the order in which it was first. */
  const people = new Map<string, Set<Try>>();
  const own = new Map<string, Set<Try>>();

  /** @returns whether nobody is left waiting */
  function serveAll(queue: Map<string, Set<Try>>): boolean {
    let full = false;
    for (const [id, tries] of queue) {
      if (full && needsPlace(id)) continue;
      for (const go of tries) {
        full = !go();
        if (full) break;
        tries.delete(go);
      }
      if (tries.size === 0) queue.delete(id);
    }
    return queue.size === 0;
  }

  return {
    wait: (id, isOwn, get, { deadline, signal }, late) =>
      new Promise((resolve, reject) => {
        const queue = isOwn ? own : people;
        const leave = (failed: Failed) => {
          done();
          const tries = queue.get(id);
          if (tries?.delete(go) && tries.size === 0) queue.delete(id);
          reject(failed);
        };
        const cancel = () => leave(new Failed("request.cancelled", {}));
        const timer = setTimeout(() => leave(late()), deadline - Date.now());
        const done = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", cancel);
        };
        const go = () => {
          try {
            const got = get();
            if (got === undefined) return false;
            resolve(got);
          } catch (cause) {
            reject(cause);
          }
          done();
          return true;
        };
        signal?.addEventListener("abort", cancel, { once: true });
        queue.set(id, (queue.get(id) ?? new Set()).add(go));
        if (signal?.aborted) cancel();
      }),
    serve() {
      if (serveAll(people)) serveAll(own);
    },
    get waiting() {
      return people.size + own.size;
    },
    get people() {
      return people.size;
    },
    ids: () => people.keys(),
  };
}
