import { describe, expect, test } from "bun:test";
import { createChallenges } from "./challenge.ts";

const lifeMs = 1_000;

function challenges() {
  const clock = { now: 5_000 };
  return { clock, ...createChallenges(lifeMs, () => clock.now) };
}

describe("a challenge", () => {
  test("is good once, for its instance, in its time", () => {
    const { clock, make, use } = challenges();
    const one = make("i-1");
    expect(use("a", "i-2", one)).toBe(false);
    expect(use("a", "i-1", one)).toBe(true);
    expect(use("a", "i-1", one)).toBe(false);
    const late = make("i-1");
    clock.now += lifeMs;
    expect(use("a", "i-1", late)).toBe(false);
  });

  test("that was made before the last one that was answered is not open any more", () => {
    const { make, use } = challenges();
    const [first, second] = [make("i-1"), make("i-1")];
    expect(use("a", "i-1", second)).toBe(true);
    expect(use("a", "i-1", first)).toBe(false);
  });

  test("answered by one does not close what another of the same instance was asked", () => {
    const { make, use } = challenges();
    const [first, second] = [make("i-1"), make("i-1")];
    expect(use("thief", "i-1", second)).toBe(true);
    expect(use("owner", "i-1", first)).toBe(true);
  });

  test("cannot be made up, and one of another process is none", () => {
    const { make, use } = challenges();
    const [number, madeAt, seal] = make("i-1").split(".");
    for (const text of ["", "x", "1.2.3", `${Number(number) + 1}.${madeAt}.${seal}`, `${number}.9e9.${seal}`]) {
      expect([text, use("a", "i-1", text)]).toEqual([text, false]);
    }
    expect(use("a", "i-1", challenges().make("i-1"))).toBe(false);
  });
});
