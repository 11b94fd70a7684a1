// What an agent says beside a write, and what it refuses: autoscalers, pods that change when they are deleted, objects
// that are being deleted. And that a list says of a workload what its page says.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { summary } from "../../src/agent/agent.ts";
import { autoscalerOf } from "../../src/agent/detail.ts";
import { type Kube, StatusFailed } from "../../src/agent/kube.ts";
import type { Row } from "../../src/agent/row.ts";
import { why } from "../../src/agent/state.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/cluster.ts";
import { until } from "../testbed/wait.ts";
import { failureOf, kubeFromFile, startTestAgent, type TestAgent } from "./agent.ts";

const folder = mkdtempSync(join(tmpdir(), "lizardcd-judgement-"));
const shop = { cluster: "test", namespace: "shop", resource: "deployments" };

describe("an agent's word beside a write", () => {
  let sandbox: Sandbox;
  let kube: Kube;
  let bed: TestAgent;
  let hidden = false;
  beforeAll(async () => {
    const settled = [
      ...["scaled", "free", "going", "crashing"].map((name) => workload("Deployment", name)),
      workload("StatefulSet", "by-hand", { updateStrategy: { type: "OnDelete" } }),
      workload("DaemonSet", "by-hand-too", { updateStrategy: { type: "OnDelete" } }),
    ];
    sandbox = await startSandbox({ name: "sim", seed: { namespaces: ["shop"], settled } });
    sandbox.apply({
      ...{ apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" },
      metadata: { name: "scaled-hpa", namespace: "shop" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "scaled" },
        ...{ minReplicas: 2, maxReplicas: 5 },
      },
    });
    const path = join(folder, "kubeconfig");
    writeFileSync(path, sandbox.kubeconfig(), { mode: 0o600 });
    kube = await kubeFromFile(path);
    bed = await startTestAgent({ kube: { ...kube, list: listed } });
  });
  afterAll(async () => {
    await bed?.stop();
    await sandbox?.stop();
    rmSync(folder, { recursive: true });
  });

  const listed: Kube["list"] = (path, ...rest) => {
    if (hidden && path.endsWith("/horizontalpodautoscalers")) {
      throw new StatusFailed(403, "Forbidden", "horizontalpodautoscalers is forbidden", undefined, "GET");
    }
    return kube.list(path, ...rest);
  };
  const replicas = (name: string) => sandbox.get("Deployment", "shop", name)!.spec.replicas;
  const codes = ({ notes }: { notes: { code: string }[] }) => notes.map(({ code }) => code);

  test("0 switches an autoscaler off and more switches it on, as with kubectl, and each is said", async () => {
    const scale = (to: number, dryRun = false) =>
      bed.peers.workload.scale({ ...shop, name: "scaled", replicas: to, dryRun });
    expect(await failureOf(scale(4))).toMatchObject({ code: "scale.autoscaled", params: { min: "2", max: "5" } });
    expect(codes(await scale(0, true))).toEqual(["autoscaler.off"]);
    expect(replicas("scaled")).toBe(2);
    expect(codes(await scale(0))).toEqual(["autoscaler.off"]);
    expect(replicas("scaled")).toBe(0);
    const back = await scale(2);
    expect(back.notes).toMatchObject([
      { code: "autoscaler.on", params: { autoscaler: "scaled-hpa", min: "2", max: "5" } },
    ]);
    expect(replicas("scaled")).toBe(2);
  });

  test("an agent that may not read autoscalers says so before it scales, and when it has", async () => {
    hidden = true;
    try {
      expect(codes(await bed.peers.workload.get({ ...shop, name: "free" }))).toEqual(["autoscaler.unreadable"]);
      const dry = await bed.peers.workload.scale({ ...shop, name: "free", replicas: 3, dryRun: true });
      expect(codes(dry)).toEqual(["autoscaler.unreadable"]);
      expect(codes(await bed.peers.workload.scale({ ...shop, name: "free", replicas: 3 }))).toEqual([
        "autoscaler.unreadable",
      ]);
    } finally {
      hidden = false;
    }
    expect(codes(await bed.peers.workload.get({ ...shop, name: "free" }))).toEqual([]);
  });

  test.each([
    ["statefulsets", "by-hand"],
    ["daemonsets", "by-hand-too"],
  ])("a restart of %s by OnDelete says when their pods change", async (resource, name) => {
    const restarted = await bed.peers.workload.restart({ ...shop, resource, name });
    expect(codes(restarted)).toEqual(["rollout.by_delete"]);
    expect(restarted.changes).toHaveLength(1);
    expect(codes(await bed.peers.workload.restart({ ...shop, name: "free" }))).toEqual([]);
  });

  test("what is being deleted says so in list and page, since when and held by what, and every write is refused", async () => {
    const going = sandbox.get("Deployment", "shop", "going")!;
    sandbox.apply({
      ...going,
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { ...going.metadata, finalizers: ["example.com/hold"] },
    } as never);
    await fetch(`${sandbox.url}/apis/apps/v1/namespaces/shop/deployments/going`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${sandbox.adminToken}` },
    });
    const ref = { ...shop, name: "going" };
    const reason = { code: "deletion.under_way", params: { finalizers: "example.com/hold" } };
    expect((await bed.peers.workload.get(ref)).row).toMatchObject({ state: "run", reason });
    await until(async () => (await rowOf("going"))?.reason?.code === "deletion.under_way", {
      what: "the list to say so",
    });
    const { workload } = bed.peers;
    for (const write of [
      () => workload.restart(ref),
      () => workload.scale({ ...ref, replicas: 1 }),
      () => workload.setImage({ ...ref, image: "registry.test/app:2" }),
      () => workload.pause(ref),
      () => workload.resume(ref),
      () => workload.restart({ ...ref, dryRun: true }),
    ]) {
      const params = { kind: "Deployment", name: "going", finalizers: "example.com/hold" };
      expect(await failureOf(write())).toMatchObject({ code: "workload.deleting", params });
    }
  });

  test("list and page say the same of a workload that crashes", async () => {
    await bed.peers.workload.setImage({ ...shop, name: "crashing", image: "registry.test/app:crash" });
    await until(async () => (await rowOf("crashing"))?.reason?.code === "container.crash_loop", {
      what: "the list to say why",
    });
    await until(
      async () => {
        const { row } = await bed.peers.workload.get({ ...shop, name: "crashing" });
        const shown = await rowOf("crashing");
        return row?.state === shown?.state && row?.reason?.code === shown?.reason?.code;
      },
      { what: "list and page to agree" },
    );
  });

  async function rowOf(name: string) {
    const { items } = await bed.peers.workload.list({ ...shop, namespace: "shop" });
    return items.find((row) => row.name === name);
  }
});

test("an autoscaler that does not scale says why, and what it wants is no wish", () => {
  const now = Date.parse("2026-01-01T10:00:00Z");
  const one = (conditions: { type: string; status: string; reason?: string; message?: string }[]) =>
    autoscalerOf(
      { metadata: { name: "h" }, spec: { minReplicas: 2, maxReplicas: 5 }, status: { desiredReplicas: 0, conditions } },
      now,
    ).reason;
  const able = { type: "AbleToScale", status: "True" };
  expect(one([able, { type: "ScalingActive", status: "True" }])).toBeUndefined();
  const message = "the HPA was unable to compute the replica count: no metrics known";
  const blind = { type: "ScalingActive", status: "False", reason: "FailedGetResourceMetric", message };
  expect(one([able, blind])).toMatchObject({
    code: "autoscaler.no_metrics",
    params: { autoscaler: "h", problem: message },
  });
  const off = { type: "ScalingActive", status: "False", reason: "ScalingDisabled" };
  expect(one([able, off])).toMatchObject({ code: "autoscaler.off" });
  const unable = { type: "AbleToScale", status: "False", reason: "FailedGetScale", message: "no such target" };
  expect(one([unable])).toMatchObject({ code: "autoscaler.cannot_scale", params: { problem: "no such target" } });
});

test("a node that is not ready is one trouble of the summary, with how many workloads it takes along", () => {
  const lost = (node: string) => why("node.not_ready", { node, problem: "silent" }, { object: `nodes/${node}` });
  const row = (name: string, reason: Row["why"]) =>
    ({
      ...{ namespace: "a", resource: "deployments", name, state: "failed", why: reason },
      desired: 1,
      ready: 0,
    }) as Row;
  const rows = [
    ...Array.from({ length: 41 }, (_, index) => row(`w-${index}`, lost("n1"))),
    row("other", lost("n2")),
    row("crash", why("container.crash_loop", { container: "app", exitCode: 1, restarts: 1, line: "" })),
  ];
  const watcher = { ageMs: () => 0, synced: true, of: () => watcher };
  const cluster = { store: { rows: () => rows }, kube: { now: Date.now }, watcher, failure: () => undefined };
  const { worst, states } = summary(cluster as never, { keys: [] } as never);
  expect(states).toEqual({ failed: 43 });
  expect(worst?.map(({ reason, others }) => [reason?.object, others])).toEqual([
    ["nodes/n1", 40],
    ["nodes/n2", 0],
    ["", 0],
  ]);
});

function workload(kind: string, name: string, spec: object = {}) {
  return {
    ...{ apiVersion: "apps/v1", kind, metadata: { name, namespace: "shop" } },
    spec: {
      replicas: kind === "DaemonSet" ? undefined : 2,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "app", image: "registry.test/app:1" }] },
      },
      ...spec,
    },
  };
}
