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
  /**
   * For what waits for no turn and takes none, as a stream that may go on for hours: passes while the gate is open.
   * @throws Failed "agent.unavailable"
   */
  enter(): void;
  /** What the last call through it met: true for an answer of any kind, false where nobody answered. */
  heard(answered: boolean): void;
  readonly waiting: number;
  readonly closed: boolean;
}

export function createGate(key: string, cluster: string, options: GateOptions): Gate {
  return new KeyGate(key, cluster, options);
}

/** A class, since every key has one: as closures it was 617 bytes, so it is 134. */
class KeyGate implements Gate {
  #queue?: { go: () => void }[];
  #running = 0;
  #failures = 0;
  #closedUntil = 0;
  #closings = 0;

  constructor(
    private readonly key: string,
    private readonly cluster: string,
    private readonly options: GateOptions,
  ) {}

  async pass<T>(run: () => Promise<T>, deadline: number, signal?: AbortSignal): Promise<T> {
    this.enter();
    if (this.#running >= this.options.concurrency) await this.#turn(deadline, signal);
    this.#running++;
    try {
      return await run();
    } finally {
      this.#running--;
      this.#queue?.shift()?.go();
    }
  }

  enter(): void {
    const left = this.#closedUntil - this.options.now();
    if (left <= 0) return;
    const times = `${this.#failures} times in a row`;
    const problem = `it did not answer ${times}, and is asked again in ${Math.ceil(left / 1000)} s`;
    throw new Failed("agent.unavailable", { key: this.key, problem }, { object: this.cluster });
  }

  heard(answered: boolean): void {
    if (answered) {
      this.#failures = 0;
      this.#closings = 0;
      this.#closedUntil = 0;
      return;
    }
    const { failures, closedMs, mostMs, now } = this.options;
    this.#failures++;
    if (this.#failures < failures || this.#closedUntil > now()) return;
    this.#closedUntil = now() + Math.min(mostMs, closedMs * 2 ** this.#closings);
    this.#closings++;
  }

  get waiting(): number {
    return this.#queue?.length ?? 0;
  }

  get closed(): boolean {
    return this.#closedUntil > this.options.now();
  }

  #turn(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    this.#queue ??= [];
    const queue = this.#queue;
    const busy = () => new Failed("request.busy", { cluster: this.cluster }, { object: this.cluster });
    if (queue.length >= this.options.queue) throw busy();
    return new Promise((resolve, reject) => {
      const leave = (failed: Failed) => {
        const at = queue.indexOf(entry);
        if (at >= 0) queue.splice(at, 1);
        done();
        reject(failed);
      };
      const timer = setTimeout(() => leave(busy()), deadline - Date.now());
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
      queue.push(entry);
    });
  }
}
