// What is older than the audit is kept for goes, a little at a time: no removal holds up the writes beside it.
import type { Log } from "../process/log.ts";
import type { Store } from "./store/store.ts";

const everyMs = 60 * 60_000;
const batch = 500;
const pauseMs = 50;

/** @param keepMs undefined for ever. Ends with the signal. */
export function keepAuditFor(
  keepMs: number | undefined,
  { store, clock, log, signal }: { store: Pick<Store, "audit">; clock: () => number; log: Log; signal: AbortSignal },
): void {
  if (keepMs === undefined) return;

  async function remove(): Promise<void> {
    try {
      while (!signal.aborted && (await store.audit.removeBefore(clock() - keepMs!, batch)) === batch) {
        await Bun.sleep(pauseMs);
      }
    } catch (cause) {
      // Tried again in an hour; the store may be closing.
      if (!signal.aborted) log.error("old entries are not removed", { problem: String(cause) });
    }
  }

  void remove();
  const timer = setInterval(() => void remove(), everyMs);
  timer.unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}
