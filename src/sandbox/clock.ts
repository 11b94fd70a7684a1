/** Timers of one cluster: `speed` times as fast as real ones, never keeping the process alive, all ended by stop. */
export class Clock {
  #timers = new Set<Timer>();
  #stopped = false;

  constructor(readonly speed = 1) {}

  after(ms: number, run: () => void): () => void {
    if (this.#stopped) return () => {};
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms / this.speed);
    timer.unref();
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  }

  /** Simulated milliseconds since an RFC 3339 time. */
  since(time: string): number {
    return (Date.now() - Date.parse(time)) * this.speed;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
