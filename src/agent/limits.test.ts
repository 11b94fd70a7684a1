import { describe, expect, test } from "bun:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import type { Failed } from "../contract/errors.ts";
import { operations } from "../contract/operation.ts";
import { WorkloadService } from "../gen/lizardcd/v1/workload_pb.ts";
import { holdTo, noLimits } from "./limits.ts";

const { get, restart, setImage, list } = WorkloadService.method;
const web = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "web" };

function refusal(limits: object, method: Parameters<typeof holdTo>[2], input: object): string | undefined {
  try {
    holdTo({ ...noLimits, ...limits }, "eu-1", method, create(method.input, { ...web, ...input } as never));
    return undefined;
  } catch (cause) {
    expect((cause as Failed).code).toBe("agent.refuses");
    return (cause as Failed).message;
  }
}

describe("an agent's own limits", () => {
  test("read-only refuses every write of the contract and no read", () => {
    for (const { method, audited, noun } of operations) {
      if (noun !== "workload" && noun !== "agent" && noun !== "namespace") continue;
      expect([method.name, refusal({ readOnly: true }, method, {}) !== undefined]).toEqual([method.name, audited]);
    }
  });

  test("read-only lets a dry run through", () => {
    expect(refusal({ readOnly: true }, setImage, { image: "a:1", dryRun: true })).toBeUndefined();
    expect(refusal({ readOnly: true }, setImage, { image: "a:1" })).toContain("--read-only");
  });

  test("a write that says more than this version knows is refused, a read is answered", () => {
    const later = fromBinary(restart.input, new Uint8Array([0xfa, 0x3e, 0x01, 0x31]));
    expect(() => holdTo(noLimits, "eu-1", restart, later)).toThrow("says more than this version of the agent");
    const read = fromBinary(get.input, new Uint8Array([0xfa, 0x3e, 0x01, 0x31]));
    expect(() => holdTo(noLimits, "eu-1", get, read)).not.toThrow();
  });

  test("namespaces that are not allowed are refused by name", () => {
    const limits = { allowNamespaces: ["shop", "pay"] };
    expect(refusal(limits, get, {})).toBeUndefined();
    expect(refusal(limits, get, { namespace: "kube-system" })).toContain(
      "namespace kube-system is not among shop, pay",
    );
    expect(refusal(limits, list, { namespace: "*" })).toBeUndefined();
  });

  test("denied kinds are neither shown nor changed", () => {
    const limits = { denyKinds: ["daemonsets"] };
    expect(refusal(limits, get, { resource: "daemonsets" })).toContain("--deny-kinds");
    expect(refusal(limits, restart, { resource: "deployments" })).toBeUndefined();
  });
});
