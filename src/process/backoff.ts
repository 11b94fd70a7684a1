// Waiting between tries: longer each time, never all at once, and over as soon as nobody wants it any more.

export interface BackoffOptions {
  /** Milliseconds: the first wait at most, and the longest. */
  first?: number;
  most?: number;
  /** Between 0 and 1. */
  random?: () => number;
}

export interface Backoff {
  /** Milliseconds to wait before the next try: between half of the step and all of it; each step doubles. */
  next(): number;
  /** After a success: begin with the first step again. */
  reset(): void;
}

export function backoff({ first = 200, most = 10_000, random = Math.random }: BackoffOptions = {}): Backoff {
  let step = first;
  return {
    next() {
      const wait = step * (0.5 + random() / 2);
      step = Math.min(step * 2, most);
      return wait;
    },
    reset() {
      step = first;
    },
  };
}

/** Resolves after so many milliseconds, or at once when the signal aborts: look at it afterwards. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
