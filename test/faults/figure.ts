// What a fault test measured, printed beside the goal it was built for.

/** "figure: registry down at start, page: 45 ms (goal ≤ 2,000 ms)" */
export function figure(what: string, measured: string, goal: string): void {
  console.log(`figure: ${what}: ${measured} (goal ${goal})`);
}

export const shownMs = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

/** Milliseconds until it holds. @throws after `most` milliseconds */
export async function msUntil(what: string, holds: () => boolean | Promise<boolean>, most = 60_000): Promise<number> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > most) throw new Error(`not within ${most} ms: ${what}`);
    await Bun.sleep(2);
  }
  return performance.now() - began;
}

/** Of the values, the one that so many in a hundred do not exceed. */
export function percentile(values: readonly number[], hundredth: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * hundredth) / 100))] ?? Number.NaN;
}
