import { expect, test } from "bun:test";
import { parseSelector, selectorText } from "./selector.ts";

const labels = ["app", "web", "tier", "front", "example.com/team", "a"];

test.each([
  ["", true],
  ["app=web", true],
  ["app==web", true],
  ["app = web", true],
  ["app=web,tier=back", false],
  ["app!=web", false],
  ["missing!=web", true],
  ["tier in (front,back)", true],
  ["tier in ( back )", false],
  ["tier notin (back)", true],
  ["missing notin (a)", true],
  ["app", true],
  ["!app", false],
  ["!missing", true],
  ["example.com/team=a", true],
  ["app=web,tier in (front, back),!legacy", true],
  ["app=", false],
])("selector %p matches: %p", (selector, matches) => {
  expect(parseSelector(selector)(labels)).toBe(matches);
});

test.each(["a in b", "=web", "a=b=c", "a b", "(((", "a in (b", "-a=b", "a=b c", "!"])(
  "selector %p is refused",
  (selector) => {
    expect(() => parseSelector(selector)).toThrow(`label selector ${selector} cannot be read`);
  },
);

test("an object's own selector is written as it is asked", () => {
  const text = selectorText({
    matchLabels: { app: "web" },
    matchExpressions: [
      { key: "tier", operator: "In", values: ["a", "b"] },
      { key: "old", operator: "DoesNotExist" },
      { key: "team", operator: "Exists" },
    ],
  });
  expect(text).toBe("app=web,tier in (a,b),!old,team");
  expect(parseSelector(text)(["app", "web", "tier", "b", "team", "x"])).toBe(true);
});
