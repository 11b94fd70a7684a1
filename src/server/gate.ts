// Each cluster behind limits of its own: so many calls at once, so many waiting, and after several failures in a row none
// at all for a while. A dead or slow cluster so delays no other.
import { Failed } from "../contract/errors.ts";

export interface GateOptions {
  /** Calls under way at once, and waiting for their turn. */
  concurrency: number;
  queue: number;
  /** Failures in a row after which it closes; milliseconds it then stays closed, doubled each time up to `mostMs`. */
  failures: number;
  closedMs: number;
  mostMs: number;
  now: () => number;
}

export interface Gate {
  /**
   * Waits for its turn, runs, and lets the next one in.
   * @param deadline milliseconds since the epoch. @throws Failed "request.busy" or "agent.unavailable" without running.
   */
  pass<T>(run: () => Promise<T>, deadline: number, signal?: AbortSignal): Promise<T>;
  /** What the last call through it met: true for an answer of any kind, false where nobody answered. */
  heard(answered: boolean): void;
  readonly waiting: number;
  readonly closed: boolean;
}

export function createGate(key: string, cluster: string, options: GateOptions): Gate {
  const { concurrency, queue, now } = options;
  const waiting: { go: () => void }[] = [];
  let running = 0;
  let failures = 0;
  let closedUntil = 0;
  let closings = 0;

  async function pass<T>(run: () => Promise<T>, deadline: number, signal?: AbortSignal): Promise<T> {
    refuseWhileClosed();
    if (running >= concurrency) await turn(deadline, signal);
    running++;
    try {
      return await run();
    } finally {
      running--;
      waiting.shift()?.go();
    }
  }

  function refuseWhileClosed(): void {
    const left = closedUntil - now();
    if (left <= 0) return;
    const problem = `it did not answer ${failures} times in a row, and is asked again in ${Math.ceil(left / 1000)} s`;
    throw new Failed("agent.unavailable", { key, problem }, { object: cluster });
  }

  function turn(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    if (waiting.length >= queue) throw new Failed("request.busy", { cluster }, { object: cluster });
    return new Promise((resolve, reject) => {
      const leave = (failed: Failed) => {
        const at = waiting.indexOf(entry);
        if (at >= 0) waiting.splice(at, 1);
        done();
        reject(failed);
      };
      const timer = setTimeout(
        () => leave(new Failed("request.busy", { cluster }, { object: cluster })),
        deadline - Date.now(),
      );
      const cancel = () => leave(new Failed("request.cancelled", {}));
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", cancel);
      };
      const entry = {
        go() {
          done();
          resolve();
        },
      };
      signal?.addEventListener("abort", cancel, { once: true });
      waiting.push(entry);
    });
  }

  return {
    pass,
    heard(answered) {
      if (answered) {
        failures = 0;
        closings = 0;
        closedUntil = 0;
        return;
      }
      failures++;
      if (failures < options.failures || closedUntil > now()) return;
      closedUntil = now() + Math.min(options.mostMs, options.closedMs * 2 ** closings);
      closings++;
    },
    get waiting() {
      return waiting.length;
    },
    get closed() {
      return closedUntil > now();
    },
  };
}
