import { describe, expect, test } from "bun:test";
import { kinds } from "./kind.ts";
import type { KubeObject } from "./object.ts";

const controller = (kind: string, name: string, uid = `${name}-uid`) => ({ kind, name, uid, controller: true });
const pod = (owner: object, labels: Record<string, string> = {}): KubeObject => ({
  metadata: { name: "p", labels, ownerReferences: [owner as never] },
});

describe("whose a pod is", () => {
  const set = (name: string, uid: string, owner: object): KubeObject => ({
    metadata: { name, uid, ownerReferences: [owner as never] },
  });
  const web = { name: "web", uid: "web-uid" };

  test.each([
    ["StatefulSet", "statefulsets"],
    ["DaemonSet", "daemonsets"],
  ] as const)("a %s knows its pods by kind, name and uid, not by how names begin", (kind, resource) => {
    const owns = (owner: object) => kinds[resource].owns(web, pod(owner));
    expect(owns(controller(kind, "web"))).toBe(true);
    expect(owns(controller(kind, "web-api"))).toBe(false);
    expect(owns(controller(kind, "we"))).toBe(false);
    expect(owns(controller(kind, "web", "an-earlier-uid"))).toBe(false);
    expect(owns(controller("Job", "web"))).toBe(false);
    expect(owns({ ...controller(kind, "web"), controller: undefined })).toBe(false);
    expect(kinds[resource].owns({ name: "web" }, pod(controller(kind, "web", "any")))).toBe(true);
  });

  test("a Deployment knows its pods by its ReplicaSets, where they are known", () => {
    const sets = [
      set("web-1", "set-1", controller("Deployment", "web")),
      set("web-2", "set-2", controller("Deployment", "web", "an-earlier-uid")),
      set("web-api-1", "set-3", controller("Deployment", "web-api")),
    ];
    const owns = (owner: object) => kinds.deployments.owns(web, pod(owner), sets);
    expect(owns(controller("ReplicaSet", "web-1", "set-1"))).toBe(true);
    expect(owns(controller("ReplicaSet", "web-2", "set-2"))).toBe(false);
    expect(owns(controller("ReplicaSet", "web-api-1", "set-3"))).toBe(false);
    expect(owns(controller("ReplicaSet", "web-1", "an-earlier-set"))).toBe(false);
  });

  test("and by the hash in the name of the ReplicaSet, where they may not be read", () => {
    const owns = (owner: string, hash: string) =>
      kinds.deployments.owns(web, pod(controller("ReplicaSet", owner), { "pod-template-hash": hash }));
    expect(owns("web-5d4f8", "5d4f8")).toBe(true);
    expect(owns("web-api-5d4f8", "5d4f8")).toBe(false);
    expect(owns("web-api-5d4f8", "api-5d4f8")).toBe(true);
    expect(owns("web-5d4f8x", "5d4f8")).toBe(false);
  });
});
