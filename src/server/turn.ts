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
   * @throws what `late` makes at the deadline, or Failed "request.cancelled"
   */
  wait(id: string, isOwn: boolean, get: () => T | undefined, patience: Patience, late: () => Failed): Promise<T>;
  /** There may be a place: whoever can go on does. */
  serve(): void;
  /** Who waits, and those of them that people sent. */
  readonly waiting: number;
  readonly people: number;
  /** Whether people wait for this already. */
  waitsFor(id: string): boolean;
}

/** @returns false where there is no place yet */
type Try = () => boolean;

export function createTurns<T>(): Turns<T> {
  /** By what is waited for, in the order in which it was first. */
  const people = new Map<string, Set<Try>>();
  const own = new Map<string, Set<Try>>();

  /** @returns whether nobody is left waiting */
  function serveAll(queue: Map<string, Set<Try>>): boolean {
    for (const [id, tries] of queue) {
      for (const go of tries) {
        if (!go()) return false;
        tries.delete(go);
      }
      queue.delete(id);
    }
    return true;
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
          const got = get();
          if (got === undefined) return false;
          done();
          resolve(got);
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
    waitsFor: (id) => people.has(id),
  };
}
