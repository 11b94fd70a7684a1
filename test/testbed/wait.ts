import type { RunningProcess } from "./processes.ts";

/**
 * Asks again and again until the answer is neither undefined nor false; an exception counts as "not yet".
 * @param options.what names what is waited for in the error: "deployment web to be ready"
 * @param options.timeout milliseconds, default 30 s
 * @param options.interval milliseconds between two tries, default 50
 */
export async function until<T>(
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  options: { what: string; timeout?: number; interval?: number; signal?: AbortSignal },
): Promise<T> {
  const timeout = options.timeout ?? 30_000;
  const deadline = performance.now() + timeout;
  let last: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (cause) {
      last = cause;
    }
    if (performance.now() > deadline)
      throw new Error(`waited ${timeout / 1000} s for ${options.what}`, { cause: last });
    await Bun.sleep(options.interval ?? 50);
  }
}

/** As `until`, and fails at once with its last words when the process ends meanwhile. */
export async function untilAlive<T>(
  running: RunningProcess,
  ask: () => Promise<T | undefined | false>,
  options: { what: string; timeout?: number; interval?: number },
): Promise<T> {
  const waiting = new AbortController();
  void running.exited.then((how) => {
    const lines = running.log().trim().split("\n").slice(-15).join("\n");
    waiting.abort(new Error(`${running.name} ended (${how}):\n${lines}`));
  });
  return until(ask, { ...options, signal: waiting.signal });
}
