// What a stream of a long list is made of: which clusters have changed since it last looked, and which parts of the page
// say something new.
import { timeless } from "../views/parts.tsx";
import { partial } from "../views/render.ts";
import type { Summaries } from "./summaries.ts";

export interface Changes {
  /** Clusters that have changed since the last time. */
  take(): ReadonlySet<string>;
  /**
   * Resolves some time after something has changed: what comes together goes together.
   * @param tookMs what the last message cost. A fleet of thousands changes all the time: its streams rest twenty times
   *   as long as they work.
   */
  next(gatherMs: number, tookMs: number): Promise<void>;
  stop(): void;
}

const rest = 20;

/** @param only this cluster's changes; all where empty. */
export function changes(summaries: Pick<Summaries, "onChange">, signal: AbortSignal, only = ""): Changes {
  let changed = new Set<string>();
  let wake = () => {};
  const stop = summaries.onChange((cluster) => {
    if (only !== "" && cluster !== only) return;
    changed.add(cluster);
    wake();
  });
  signal.addEventListener("abort", () => wake(), { once: true });
  return {
    take() {
      const taken = changed;
      changed = new Set();
      return taken;
    },
    async next(gatherMs, tookMs) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (changed.size > 0 || signal.aborted) resolve();
      });
      if (!signal.aborted) await Bun.sleep(Math.max(gatherMs, tookMs * rest));
    },
    stop,
  };
}

/** Makes messages of the parts that say something else than when it was last asked; ages alone are no news. */
export function onlyNew(): (parts: ReadonlyMap<string, string>) => string {
  const said = new Map<string, string>();
  return (parts) => {
    let news = "";
    for (const [id, markup] of parts) {
      const facts = timeless(markup);
      if (said.get(id) === facts) continue;
      said.set(id, facts);
      news += partial(id, "outerMorph", markup);
    }
    return news;
  };
}

export function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}
