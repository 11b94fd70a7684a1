import { describe, expect, test } from "bun:test";
import { beatAnswer, beatIn, beatMsFor, quickestMs, silenceMs, slowestMs } from "./beat.ts";

describe("the beat of a tunnel", () => {
  test("lets a small fleet notice a lost host within 5 s, and ten thousand tunnels within 30", () => {
    for (const tunnels of [0, 1, 100, 1_500]) expect(silenceMs(beatMsFor(tunnels))).toBeLessThanOrEqual(5_000);
    expect(silenceMs(beatMsFor(10_000))).toBeLessThanOrEqual(30_000);
  });

  test("grows with the tunnels, so that all of them together are a thousand a second", () => {
    let before = 0;
    for (const tunnels of [1, 1_000, 1_500, 1_501, 3_000, 10_000, 30_000]) {
      const beatMs = beatMsFor(tunnels);
      expect(beatMs).toBeGreaterThanOrEqual(before);
      expect(tunnels * 1_000).toBeLessThanOrEqual(1_000 * beatMs);
      before = beatMs;
    }
    expect([beatMsFor(1), beatMsFor(1_000_000)]).toEqual([quickestMs, slowestMs]);
  });

  test("is read back as it was said, and what is none is none", () => {
    expect(beatIn(beatAnswer(10_000))).toBe(10_000);
    expect(beatIn("beat")).toBe(0);
    for (const text of ["beat ", "beat x", "beat -1", "beat 1e3", "beat 10000000", "leaving", ""]) {
      expect([text, beatIn(text)]).toEqual([text, undefined]);
    }
  });
});
