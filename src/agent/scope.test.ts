import { expect, test } from "bun:test";
import type { Kube } from "./kube.ts";
import { onlyCertified, readScope } from "./scope.ts";

const all = { verbs: ["list", "watch"], apiGroups: ["apps"], resources: ["deployments", "statefulsets", "daemonsets"] };

/** An API server that says no to every single question, and these rules for the namespace. */
const ruledBy = (...resourceRules: object[]): Kube =>
  ({
    namespace: "shop",
    post: async (path: string) =>
      path.endsWith("selfsubjectrulesreviews")
        ? { status: { incomplete: false, resourceRules } }
        : { status: { allowed: false } },
    list: async () => ({ metadata: {}, items: [] }),
  }) as unknown as Kube;

const readable = async (...rules: object[]) => {
  const { targets } = await readScope(ruledBy(...rules), { candidates: ["shop"] });
  return targets.map(({ resource, namespace }) => `${namespace}/${resource}`);
};

const whole = ["shop/deployments", "shop/statefulsets", "shop/daemonsets"];

test.each<[string, object[], string[]]>([
  ["all three", [all], whole],
  ["by stars", [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }], whole],
  [
    "by two rules, a verb each",
    [
      { ...all, verbs: ["list"] },
      { ...all, verbs: ["watch"] },
    ],
    whole,
  ],
  ["one alone", [{ ...all, resources: ["deployments"] }], ["shop/deployments"]],
  ["an empty list of names is none", [{ ...all, resourceNames: [] }], whole],
  ["named objects are not all of them", [{ ...all, resourceNames: ["web"] }], []],
  [
    "named ones beside all of another",
    [
      { ...all, resources: ["deployments"], resourceNames: ["web"] },
      { ...all, resources: ["daemonsets"] },
    ],
    ["shop/daemonsets"],
  ],
  ["a list without a watch", [{ ...all, verbs: ["list", "get"] }], []],
  ["another group", [{ ...all, apiGroups: ["extensions"] }], []],
  ["a part of a resource", [{ ...all, resources: ["deployments/status"] }], []],
  ["nothing", [], []],
])("what rules let be read: %s", async (_, rules, expected) => {
  expect(await readable(...rules)).toEqual(expected);
});

test("an agent looks at the namespaces of its certificate, unless it is told fewer; more is refused with both ways out", () => {
  expect(onlyCertified(undefined, ["*"], "eu-1")).toBeUndefined();
  expect(onlyCertified(["shop"], ["*"], "eu-1")).toEqual(["shop"]);
  expect(onlyCertified(undefined, ["pay", "shop"], "eu-1")).toEqual(["pay", "shop"]);
  expect(onlyCertified(["shop"], ["pay", "shop"], "eu-1")).toEqual(["shop"]);
  expect(() => onlyCertified(["shop", "ops"], ["shop"], "eu-1")).toThrow(
    "--namespaces names ops, but the agent's certificate is for shop of eu-1: give --namespaces shop, or a new token of `lizardcd agents enroll --cluster eu-1 --namespaces shop,ops`",
  );
});
