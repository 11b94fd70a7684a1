import { describe, expect, test } from "bun:test";
import type { Failed } from "../contract/errors.ts";
import { createGate } from "./gate.ts";

const soon = () => Date.now() + 5_000;

function world(more: object = {}) {
  let time = 0;
  const options = { concurrency: 2, queue: 2, failures: 3, closedMs: 1_000, mostMs: 8_000, now: () => time };
  const gate = createGate("lizardcd-agent.*.eu-1", "eu-1", { ...options, ...more });
  return { gate, pass: (ms: number) => (time += ms) };
}

function held() {
  let open = () => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { run: () => promise, open };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "passed",
    (cause) => (cause as Failed).code,
  );

describe("a gate", () => {
  test("lets so many through at once, so many wait, and refuses the rest", async () => {
    const { gate } = world();
    const calls = Array.from({ length: 5 }, held);
    const outcomes = calls.map(({ run }) => codeOf(gate.pass(run, soon())));
    expect(await outcomes[4]!).toBe("request.busy");
    expect(gate.waiting).toBe(2);
    for (const { open } of calls) open();
    expect(await Promise.all(outcomes.slice(0, 4))).toEqual(["passed", "passed", "passed", "passed"]);
  });

  test("a call that waits too long, or whose caller goes, leaves the queue", async () => {
    const { gate } = world({ concurrency: 1 });
    const first = held();
    const running = gate.pass(first.run, soon());
    expect(await codeOf(gate.pass(async () => {}, Date.now() + 20))).toBe("request.busy");
    const gone = new AbortController();
    const waiting = codeOf(gate.pass(async () => {}, soon(), gone.signal));
    gone.abort();
    expect(await waiting).toBe("request.cancelled");
    expect(gate.waiting).toBe(0);
    first.open();
    await running;
  });

  test("closes after failures in a row, longer each time, and opens with the first answer", async () => {
    const { gate, pass } = world();
    for (let failure = 0; failure < 3; failure++) gate.heard(false);
    expect(await codeOf(gate.pass(async () => {}, soon()))).toBe("agent.unavailable");
    pass(1_001);
    expect(await codeOf(gate.pass(async () => {}, soon()))).toBe("passed");
    gate.heard(false);
    pass(1_001);
    expect(gate.closed).toBe(true);
    gate.heard(true);
    expect(gate.closed).toBe(false);
  });

  test("lets in what takes no turn while it is open, however many calls are under way", async () => {
    const { gate } = world({ concurrency: 1, queue: 1 });
    const call = held();
    const running = gate.pass(call.run, soon());
    for (let stream = 0; stream < 10; stream++) gate.enter();
    call.open();
    await running;
    for (let failure = 0; failure < 3; failure++) gate.heard(false);
    expect(() => gate.enter()).toThrow("3 times in a row");
  });

  test("failures with an answer in between do not close it", () => {
    const { gate } = world();
    for (let round = 0; round < 10; round++) {
      gate.heard(false);
      gate.heard(false);
      gate.heard(true);
    }
    expect(gate.closed).toBe(false);
  });
});
