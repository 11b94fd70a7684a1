// What a fault test measured, printed beside the goal it was built for, and held to it whatever else the machine does.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";

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

/** Prints it, and expects the goal to be kept: later by no more than the machine itself was late. */
export function expectWithin(what: string, ms: number, goalMs: number, lateMs: number): void {
  const late = lateMs >= 1 ? `, the machine late by ${shownMs(lateMs)}` : "";
  figure(what, `${shownMs(ms)}${late}`, `≤ ${goalMs.toLocaleString("en")} ms`);
  expect(ms).toBeLessThanOrEqual(goalMs + lateMs);
}

/**
 * By how many milliseconds the machine has held up this process, which is mostly the server's too, and those named beside
 * it since this call: the time that they stood ready and were given no processor, as the system tells it. What one of
 * them was busy with itself is its own fault and no lateness. 0 where the system does not tell.
 */
export function lateness(...pids: number[]): () => number {
  const files = ["self", ...pids].map((pid) => `/proc/${pid}/schedstat`);
  const stood = () => files.reduce((sum, file) => sum + stoodReadyMs(file), 0);
  const before = stood();
  return () => stood() - before;
}

/** How long the thread of this file has waited for a processor in its life; 0 where that is not told. */
export function stoodReadyMs(file: string): number {
  try {
    return Number(readFileSync(file, "utf8").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** Milliseconds of each call: of two rounds alone, and of two beside the fault between them. */
export interface Turn {
  alone: [number[], number[]];
  beside: [number[], number[]];
}

/**
 * Times the same calls alone and beside a fault, in turn, so that both see the same of the machine.
 * `begin` brings the fault and `end` takes it away; both return when what that costs by itself is over.
 */
export async function besides(
  call: () => Promise<unknown>,
  fault: { begin(): Promise<unknown> | unknown; end(): Promise<unknown> | unknown },
): Promise<Turn[]> {
  const round = async () => {
    const times: number[] = [];
    // Long enough that a moment of the machine's, or of what has just begun, is not all of it.
    for (const began = performance.now(); times.length < 60 || performance.now() - began < 150; ) {
      const asked = performance.now();
      await call();
      times.push(performance.now() - asked);
    }
    return times;
  };
  // The first ones pay for what is made once.
  await round();
  const turns: Turn[] = [];
  for (let turn = 0; turn < 5; turn++) {
    const before = await round();
    await fault.begin();
    const beside: Turn["beside"] = [await round(), await round()];
    await fault.end();
    turns.push({ alone: [before, await round()], beside });
  }
  return turns;
}

/**
 * Prints the p99 of both, and expects the calls beside the fault to be no slower by more than a tenth than those alone.
 * One core may have to do for the server, the agents and the test, and others want it too, so that the slowest calls of
 * a round, and one round against another, say little: a turn counts where both rounds beside the fault are slower than
 * both alone, before and after it, which chance alone makes of one in six; it does not make it of four in five.
 * A median says nothing of calls that hang: those are counted, and may be one in a hundred more than without the fault.
 */
export function expectUntouched(what: string, turns: readonly Turn[]): void {
  const [alone, beside] = [turns.flatMap((turn) => turn.alone.flat()), turns.flatMap((turn) => turn.beside.flat())];
  const shown = (hundredth: number) =>
    `${shownMs(percentile(alone, hundredth))} alone, ${shownMs(percentile(beside, hundredth))} beside`;
  const medians = (rounds: number[][]) => rounds.map((times) => percentile(times, 50));
  const slower = turns.filter((turn) => Math.min(...medians(turn.beside)) > Math.max(...medians(turn.alone)) * 1.1);
  const hangingMs = Math.max(100, 5 * percentile(alone, 99));
  const hanging = (times: number[]) => times.filter((ms) => ms > hangingMs).length / times.length;
  const [hang, hangAlone] = [hanging(beside), hanging(alone)];
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const judged = `slower in ${slower.length} of ${turns.length} turns; over ${shownMs(hangingMs)}: ${percent(hangAlone)} alone, ${percent(hang)} beside`;
  figure(`${what}: p99 of another`, `${shown(99)} (p50 ${shown(50)}; ${judged})`, "+≤ 10 %");
  expect(slower.length).toBeLessThan(4);
  expect(hang).toBeLessThanOrEqual(hangAlone + 0.01);
}
