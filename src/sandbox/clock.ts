/** Timers of one cluster: `speed` times as fast as real ones, never keeping the process alive, all ended by stop. */
export class Clock {
  #timers = new Set<Timer>();
  #seen = new Map<string, { time: string; at: number }>();
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

  /** Simulated milliseconds since an RFC 3339 time, which `what` carries: a uid. */
  since(time: string, what: string): number {
    // Times are whole seconds: at speed 20 that second would be 20. So the moment it was first seen counts.
    const known = this.#seen.get(what);
    const recent = Date.now() - Date.parse(time) < 1000;
    const at = known?.time === time ? known.at : recent ? Date.now() : Date.parse(time);
    this.#seen.set(what, { time, at });
    return (Date.now() - at) * this.speed;
  }

  forget(what: string): void {
    this.#seen.delete(what);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
