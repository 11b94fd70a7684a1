import { describe, expect, test } from "bun:test";
import { createSharing } from "./share.ts";

function question() {
  let answer: (value: string) => void = () => {};
  let fail: (cause: Error) => void = () => {};
  let signal: AbortSignal | undefined;
  let asked = 0;
  return {
    run: (given: AbortSignal) => {
      asked++;
      signal = given;
      return new Promise<string>((resolve, reject) => {
        answer = resolve;
        fail = reject;
      });
    },
    answer: (value: string) => answer(value),
    fail: (cause: Error) => fail(cause),
    get asked() {
      return asked;
    },
    get cancelled() {
      return signal?.aborted;
    },
  };
}

describe("identical reads", () => {
  test("in flight are one call; the next one after it is another", async () => {
    const sharing = createSharing();
    const one = question();
    const both = Promise.all([sharing.read("a", one.run), sharing.read("a", one.run)]);
    one.answer("first");
    expect(await both).toEqual(["first", "first"]);
    expect(one.asked).toBe(1);
    const again = sharing.read("a", one.run);
    one.answer("second");
    expect(await again).toBe("second");
    expect(sharing.inFlight).toBe(0);
  });

  test("of different keys are different calls", async () => {
    const sharing = createSharing();
    const [one, two] = [question(), question()];
    const answers = Promise.all([sharing.read("a", one.run), sharing.read("b", two.run)]);
    one.answer("1");
    two.answer("2");
    expect(await answers).toEqual(["1", "2"]);
  });

  test("fail together, and are asked anew after", async () => {
    const sharing = createSharing();
    const one = question();
    const both = [sharing.read("a", one.run), sharing.read("a", one.run)].map((read) =>
      read.catch((cause) => cause.message),
    );
    one.fail(new Error("no"));
    expect(await Promise.all(both)).toEqual(["no", "no"]);
    const again = sharing.read("a", one.run);
    one.answer("yes");
    expect(await again).toBe("yes");
  });

  test("one reader that leaves does not end the call of the others; the last one does", async () => {
    const sharing = createSharing();
    const one = question();
    const [first, second] = [new AbortController(), new AbortController()];
    const reads = [first, second].map(({ signal }) => sharing.read("a", one.run, signal).catch((cause) => cause.code));
    first.abort();
    expect(await reads[0]).toBe("request.cancelled");
    expect(one.cancelled).toBe(false);
    second.abort();
    expect(await reads[1]).toBe("request.cancelled");
    expect(one.cancelled).toBe(true);
    const late = sharing.read("a", one.run);
    one.answer("late");
    expect(await late).toBe("late");
    expect(one.asked).toBe(2);
  });
});
