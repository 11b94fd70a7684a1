import { expect, test } from "bun:test";
import { mergePatch, strategicMerge } from "./patch.ts";

const pod = {
  containers: [
    { name: "web", image: "web:1", env: [{ name: "A", value: "1" }], ports: [{ containerPort: 80, name: "http" }] },
    { name: "proxy", image: "proxy:1" },
  ],
  tolerations: [{ key: "a" }],
  volumes: [{ name: "data", emptyDir: {} }],
};

test("strategic merge finds containers, env, ports and volumes by their keys, new ones first", () => {
  const merged = strategicMerge(pod, {
    containers: [
      {
        name: "web",
        image: "web:2",
        env: [
          { name: "B", value: "2" },
          { name: "A", value: "3" },
        ],
        ports: [{ containerPort: 80, name: "web" }],
      },
    ],
    volumes: [{ name: "cache", emptyDir: {} }],
  });
  expect(merged.containers).toEqual([
    {
      name: "web",
      image: "web:2",
      env: [
        { name: "B", value: "2" },
        { name: "A", value: "3" },
      ],
      ports: [{ containerPort: 80, name: "web" }],
    },
    { name: "proxy", image: "proxy:1" },
  ]);
  expect(merged.volumes.map((volume: { name: string }) => volume.name)).toEqual(["cache", "data"]);
  expect(pod.containers[0]!.image).toBe("web:1");
});

test("strategic merge replaces tolerations as a whole", () => {
  expect(strategicMerge(pod, { tolerations: [{ key: "b" }] }).tolerations).toEqual([{ key: "b" }]);
});

test("strategic merge obeys null, $patch delete, $patch replace, $retainKeys and the order asked for", () => {
  expect(strategicMerge(pod, { volumes: null }).volumes).toBeUndefined();
  expect(strategicMerge(pod, { containers: [{ name: "proxy", $patch: "delete" }] }).containers).toHaveLength(1);
  const replaced = strategicMerge(pod, { containers: [{ $patch: "replace" }, { name: "new", image: "n" }] });
  expect(replaced.containers).toEqual([{ name: "new", image: "n" }]);
  const rolling = { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } };
  expect(strategicMerge(rolling, { strategy: { $retainKeys: ["type"], type: "Recreate" } })).toEqual({
    strategy: { type: "Recreate" },
  });
  const order = { "$setElementOrder/containers": [{ name: "proxy" }, { name: "web" }] };
  const ordered = strategicMerge(pod, { ...order, containers: [{ name: "web", image: "web:2" }] });
  expect(ordered.containers.map((container: { name: string }) => container.name)).toEqual(["proxy", "web"]);
  expect(() => strategicMerge(pod, { containers: [{ image: "x" }] })).toThrow(
    "does not contain declared merge key: name",
  );
});

test("strategic merge adds finalizers and takes single ones away", () => {
  expect(strategicMerge({ finalizers: ["a"] }, { finalizers: ["b"] })).toEqual({ finalizers: ["a", "b"] });
  expect(strategicMerge({ finalizers: ["a", "b"] }, { "$deleteFromPrimitiveList/finalizers": ["a"] })).toEqual({
    finalizers: ["b"],
  });
});

test("merge patch deletes by null and replaces lists", () => {
  expect(mergePatch({ a: { b: 1, c: 2 }, l: [1, 2] }, { a: { b: null }, l: [3] })).toEqual({ a: { c: 2 }, l: [3] });
});
