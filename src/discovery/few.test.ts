import { expect, test } from "bun:test";
import { createFew } from "./few.ts";

test("a few are what a map of the same would be, whatever comes and goes", () => {
  const keys = ["a", "b", "c", ""];
  const [few, map] = [createFew<number>(), new Map<string, number>()];
  let state = 1;
  const random = (below: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  const seen = new Set<number>();
  for (let step = 0; step < 5_000; step++) {
    const key = keys[random(keys.length)]!;
    if (random(2) === 0) {
      few.set(key, step);
      map.set(key, step);
    } else {
      expect(few.delete(key)).toBe(map.delete(key));
    }
    expect(few.size).toBe(map.size);
    expect([...few]).toEqual([...map]);
    expect([...few.keys()]).toEqual([...map.keys()]);
    expect([...few.values()]).toEqual([...map.values()]);
    for (const each of keys) {
      expect(few.get(each)).toBe(map.get(each));
      expect(few.has(each)).toBe(map.has(each));
    }
    seen.add(few.size);
  }
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
});
