import { expect, test } from "bun:test";
import { differences } from "./change.ts";
import type { KubeObject } from "./object.ts";

const of = (spec: object, metadata: object = {}): KubeObject =>
  ({ metadata: { name: "web", ...metadata }, spec }) as KubeObject;

test("a change is told where it happened, in JSON, named things by their name", () => {
  const before = of({
    replicas: 2,
    template: {
      spec: {
        containers: [
          { name: "a", image: "a:1" },
          { name: "b", image: "b:1" },
        ],
      },
    },
  });
  const after = of({
    replicas: 3,
    template: { spec: { containers: [{ name: "b", image: "b:2" }, { name: "a", image: "a:1" }, { name: "c" }] } },
  });
  expect(differences(before, after)).toEqual([
    { path: "spec.replicas", before: "2", after: "3" },
    { path: "spec.template.spec.containers[b].image", before: '"b:1"', after: '"b:2"' },
    { path: "spec.template.spec.containers[c].name", before: "", after: '"c"' },
  ]);
});

test("what appears inside nothing is told leaf by leaf, with keys that hold dots in brackets", () => {
  const after = of({ template: { metadata: { annotations: { "kubectl.kubernetes.io/restartedAt": "now" } } } });
  expect(differences(of({ template: {} }), after)).toEqual([
    { path: "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]", before: "", after: '"now"' },
  ]);
});

test("what every write moves by itself is left out", () => {
  const before = of({ a: [1, 2] }, { generation: 1, resourceVersion: "1", managedFields: [] });
  const after = of(
    { a: [1, 2] },
    {
      generation: 2,
      resourceVersion: "2",
      managedFields: [{}],
      annotations: { "lizardcd.io/changed-by": "ada", "deployment.kubernetes.io/revision": "2" },
    },
  );
  expect(differences(before, after)).toEqual([]);
});

test("lists of plain values are told whole", () => {
  expect(differences(of({ args: ["a"] }), of({ args: ["a", "b"] }))).toEqual([
    { path: "spec.args", before: '["a"]', after: '["a","b"]' },
  ]);
});
