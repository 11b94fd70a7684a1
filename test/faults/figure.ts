// What a fault test measured, printed beside the goal it was built for, and held to it whatever else the machine does.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { onEnd } from "../harness.ts";

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
 * By how many milliseconds a busy machine has held up this process, which is mostly the server's too, and those named
 * beside it since this call: all that they stood ready and were given no processor where the system tells it, else, or
 * where it is more, the worst hold-up in one piece.
 */
export function lateness(...pids: number[]): () => number {
  const files = ["self", ...pids].map((pid) => `/proc/${pid}/schedstat`);
  const stood = () => files.reduce((sum, file) => sum + stoodReadyMs(file), 0);
  const stoodBefore = stood();
  let [before, worst] = [performance.now(), 0];
  const look = () => {
    const now = performance.now();
    worst = Math.max(worst, now - before - 20);
    before = now;
  };
  const timer = setInterval(look, 20);
  onEnd(() => clearInterval(timer));
  return () => {
    look();
    return Math.max(worst, stood() - stoodBefore);
  };
}

/** How long the thread of this file has waited for a processor in its life; 0 where that is not told. */
export function stoodReadyMs(file: string): number {
  try {
    return Number(readFileSync(file, "utf8").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** Milliseconds of each call, by round. */
export interface Rounds {
  calm: number[][];
  beside: number[][];
}

/**
 * Times the same calls alone and beside a fault, two rounds of each in turn, so that both see the same of the machine.
 * `begin` brings the fault, `end` takes it away; `call` is told how many came before it.
 */
export async function besides(
  call: (number: number) => Promise<unknown>,
  fault: { begin(): Promise<unknown> | unknown; end(): Promise<unknown> | unknown },
  calls = 60,
): Promise<Rounds> {
  const rounds: Rounds = { calm: [], beside: [] };
  let number = 0;
  const round = async () => {
    const times: number[] = [];
    for (let one = 0; one < calls; one++) {
      const asked = performance.now();
      await call(number++);
      times.push(performance.now() - asked);
    }
    return times;
  };
  // The first ones pay for what is made once.
  await round();
  for (let turn = 0; turn < 5; turn++) {
    rounds.calm.push(await round());
    await fault.begin();
    rounds.beside.push(await round(), await round());
    await fault.end();
    rounds.calm.push(await round());
  }
  return rounds;
}

/**
 * Prints the p99 of both, and expects the calls beside the fault to be no slower by more than a tenth than those alone.
 * One core may have to do for the server, the agents and the test, and others want it too: so the rounds alone are the
 * measure of what the machine does by itself, and of the rounds beside the fault the one in the middle must not exceed
 * the slowest of them by more.
 */
export function expectUntouched(what: string, { calm, beside }: Rounds): void {
  const p99 = (rounds: number[][]) => shownMs(percentile(rounds.flat(), 99));
  const medians = (rounds: number[][]) => rounds.map((times) => percentile(times, 50));
  const slowest = Math.max(...medians(calm));
  // Of ten the fifth: six must be slower by chance for this to fail without a reason.
  const middle = medians(beside).sort((a, b) => a - b)[Math.ceil(beside.length / 2) - 1]!;
  const typical = `p50 ${shownMs(percentile(calm.flat(), 50))} and ${shownMs(percentile(beside.flat(), 50))}`;
  figure(`${what}: p99 of another`, `${p99(calm)} alone, ${p99(beside)} beside (${typical})`, "+≤ 10 %");
  expect(middle).toBeLessThanOrEqual(slowest * 1.1);
}
