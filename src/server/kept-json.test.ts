import { expect, test } from "bun:test";
import { keptJson, keptList } from "./kept-json.ts";

test("what fits is kept whole", () => {
  expect(keptJson({ a: "b" }, 20)).toEqual({ text: '{"a":"b"}', cut: false });
  expect(keptList([{ a: 1 }, { a: 2 }], 100)).toEqual({ text: '[{"a":1},{"a":2}]', cut: false });
});

test("what does not fit is JSON still, and says that it is cut", () => {
  const long = keptJson({ manifest: "x".repeat(10_000), name: "web" }, 4_000);
  expect(long.cut).toBe(true);
  expect(long.text.length).toBeLessThanOrEqual(4_000);
  expect(JSON.parse(long.text)).toEqual({ manifest: `${"x".repeat(200)}… (9800 characters left out)`, name: "web" });
  const many = keptJson({ all: Array.from({ length: 5_000 }, (_, n) => `name-${n}`) }, 4_000);
  expect([many.cut, Object.keys(JSON.parse(many.text))]).toEqual([true, ["left out"]]);
});

test("of a list each part is kept whole or left out", () => {
  const list = Array.from({ length: 10 }, (_, n) => ({ n, text: "y".repeat(90) }));
  const { text, cut } = keptList(list, 350);
  expect([cut, text.length <= 350]).toEqual([true, true]);
  expect(JSON.parse(text)).toEqual(list.slice(0, 3));
  expect(keptList([{ text: "y".repeat(900) }], 350)).toEqual({ text: "", cut: true });
});
