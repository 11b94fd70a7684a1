// The judges of the fault tests: each must be able to say no.
import { expect, test } from "bun:test";
import { expectUntouched, expectWithin, lateness, stoodReadyMs, type Turn } from "./figure.ts";

test("what a process is busy with itself is not the machine's lateness", () => {
  const stood = stoodReadyMs("/proc/self/schedstat");
  const late = lateness();
  for (const until = performance.now() + 500; performance.now() < until; );
  const lateMs = late();
  expect(lateMs).toBeLessThanOrEqual(stoodReadyMs("/proc/self/schedstat") - stood);
  expect(() => expectWithin("a busy loop of 500 ms", 500 + lateMs, 100, lateMs)).toThrow();
});

/** Five turns of rounds of a hundred calls; beside the fault every so many hang for a second. */
function turns({ slowdown = 1, hangingEvery = 0 }): Turn[] {
  const round = (factor: number, every: number) =>
    Array.from({ length: 100 }, (_, call) =>
      every > 0 && call % every === 0 ? 1_000 : factor * (1 + (call % 10) / 10),
    );
  return Array.from({ length: 5 }, () => ({
    alone: [round(1, 0), round(1, 0)],
    beside: [round(slowdown, hangingEvery), round(slowdown, hangingEvery)],
  }));
}

test("calls beside a fault are untouched where they are as those alone", () => {
  expectUntouched("nothing", turns({}));
  expect(() => expectUntouched("a fifth slower", turns({ slowdown: 1.2 }))).toThrow();
});

test("a tenth of the calls that hang are noticed, though no median moves", () => {
  expect(() => expectUntouched("every tenth hangs", turns({ hangingEvery: 10 }))).toThrow();
  expect(() => expectUntouched("two in a hundred hang", turns({ hangingEvery: 50 }))).toThrow();
});
