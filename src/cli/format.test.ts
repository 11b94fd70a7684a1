import { expect, test } from "bun:test";
import fc from "fast-check";
import { yaml } from "./format.ts";

test("YAML reads back as what was written, whatever the texts are", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      // Minus zero has no place in JSON either.
      const json = JSON.parse(JSON.stringify(value));
      fc.pre(!JSON.stringify(json).includes("__proto__"));
      expect(Bun.YAML.parse(yaml(json))).toEqual(json);
    }),
    { numRuns: 500 },
  );
  for (const text of [
    "yes",
    "1",
    "0x1",
    "1e3",
    "a: b",
    "- a",
    "# a",
    "a #b",
    "~",
    "",
    " a",
    "a:",
    "12:30",
    "=",
    "null",
  ]) {
    expect(Bun.YAML.parse(yaml({ [text]: [text] }))).toEqual({ [text]: [text] });
  }
});

test("YAML is as people write it", () => {
  expect(yaml({ name: "web", image: "registry/web:1", list: [{ a: 1, b: [] }, "x y"], none: {} })).toBe(
    "name: web\nimage: registry/web:1\nlist:\n  - a: 1\n    b: []\n  - x y\nnone: {}\n",
  );
});

test("nothing in YAML moves a cursor or turns the text", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff)), (units) => {
      const text = String.fromCharCode(...units);
      expect(yaml({ [text]: text })).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    }),
    { numRuns: 300 },
  );
});
