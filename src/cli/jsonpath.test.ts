import { expect, test } from "bun:test";
import { parseJsonPath } from "./jsonpath.ts";

const list = {
  total: 3,
  items: [
    { row: { name: "web", ready: 3, state: "ok", labels: { "app.kubernetes.io/name": "web" } } },
    { row: { name: "cart", ready: 0, state: "failed", labels: {} } },
    { row: { name: "mail", ready: 1, state: "ok", labels: null } },
  ],
};

const cases: [template: string, printed: string][] = [
  ["{.total}", "3"],
  ["{$.total}", "3"],
  [".total", "3"],
  ["{.items[0].row.name}", "web"],
  ["{.items[-1].row.name}", "mail"],
  ["{.items[0,2].row.name}", "web mail"],
  ["{.items[1:].row.name}", "cart mail"],
  ["{.items[:1].row.name}", "web"],
  ["{.items[*].row.name}", "web cart mail"],
  ["{.items[*]['row']['name']}", "web cart mail"],
  ["{.items[0].row.labels.app\\.kubernetes\\.io/name}", "web"],
  ['{.items[0].row.labels["app.kubernetes.io/name"]}', "web"],
  ["{..name}", "web cart mail"],
  ['{.items[?(@.row.state=="ok")].row.name}', "web mail"],
  ["{.items[?(@.row.ready>0)].row.name}", "web mail"],
  ["{.items[?(@.row.state!='ok')].row.name}", "cart"],
  ["{.items[?(@.row.labels.nothing)].row.name}", ""],
  ['{range .items[*]}{.row.name}{"\\t"}{.row.ready}{"\\n"}{end}', "web\t3\ncart\t0\nmail\t1\n"],
  ["pods: {.items[0].row.ready}, {.items[1].row.ready}.", "pods: 3, 0."],
  ["{.items[1].row.labels}", "{}"],
  ["{.nothing.here}", ""],
  ["{.items[0:3:2].row.name}", "web mail"],
  ["{.items[*]['row.name','row.ready']}", "web cart mail 3 0 1"],
  ["{.items[0]['row','total']}", JSON.stringify(list.items[0]!.row)],
  // What an item lacks is looked for in its row.
  ["{.items[*].name}", "web cart mail"],
  ['{.items[?(@.state=="failed")].name}', "cart"],
  ["{.items[*].row.total}", ""],
  ["plain", "plain"],
  ['{"{}"}', "{}"],
  ['{"\\u00e9\\t"}', "é\t"],
];

test("a template prints what kubectl's would", () => {
  for (const [template, printed] of cases) {
    expect([template, parseJsonPath(template).write(list, (text) => text)]).toEqual([template, printed]);
  }
});

test("a template that cannot be read says what is wrong with it", () => {
  const wrong: [template: string, said: string][] = [
    ["{.items", "a { is not closed"],
    ["{range .items[*]}{.name}", "{range} has no {end}"],
    ["{end}", "{end} has no {range}"],
    ["{.items[x]}", '"[x]" is not a step'],
    ['{"text}', 'a " is not closed'],
    ['{.items[?(@.a=="x" || @.b=="y")]}', "one condition"],
  ];
  for (const [template, said] of wrong) expect(() => parseJsonPath(template)).toThrow(said);
});

test("the list of clusters is found as items, too", () => {
  const fleet = { clusters: [{ name: "eu-1" }, { name: "us-1" }], groups: ["env"] };
  const print = (template: string) => parseJsonPath(template).write(fleet, (text) => text);
  expect(print('{range .items[*]}{.name}{"\\n"}{end}')).toBe("eu-1\nus-1\n");
  expect(print("{.clusters[*].name}")).toBe("eu-1 us-1");
  expect(print("{..name}")).toBe("eu-1 us-1");
});
