import { expect, test } from "bun:test";
import type { Json } from "./object.ts";
import { calm, roaming, stormy } from "./seeds.ts";
import { call, cluster, condition, until } from "./testclient.ts";

test("the calm cluster is whole from its first moment and stays so", async () => {
  const sandbox = await cluster({ seed: calm });
  const { items } = (await call(sandbox, "GET", "/apis/apps/v1/deployments")).body;
  for (const { spec, status } of items) expect(status.availableReplicas ?? 0).toBe(spec.replicas);
  const before = (await call(sandbox, "GET", "/api/v1/pods")).body.items.map((pod: Json) => pod.metadata.uid);
  for (const { metadata } of items) {
    const path = `/apis/apps/v1/namespaces/${metadata.namespace}/deployments/${metadata.name}`;
    const type = "application/merge-patch+json";
    await call(sandbox, "PATCH", path, { metadata: { annotations: { touched: "yes" } } }, { type });
  }
  await until(
    async () => (await call(sandbox, "GET", "/apis/apps/v1/deployments")).body.items,
    (all: Json[]) => all.every((d) => d.status.observedGeneration === d.metadata.generation),
  );
  const after = (await call(sandbox, "GET", "/api/v1/pods")).body.items.map((pod: Json) => pod.metadata.uid);
  expect(after).toEqual(before);
});

test("the stormy cluster shows every way a rollout fails", async () => {
  const sandbox = await cluster({ seed: stormy });
  const reasons = async () => {
    const pods: Json[] = (await call(sandbox, "GET", "/api/v1/pods")).body.items;
    const sets: Json[] = (await call(sandbox, "GET", "/apis/apps/v1/deployments")).body.items;
    const statuses = pods.flatMap((pod) => pod.status.containerStatuses ?? []);
    return new Set([
      ...statuses.map((status) => status.state.waiting?.reason),
      ...statuses.map((status) => status.lastState?.terminated?.reason),
      ...pods.map((pod) => condition(pod, "PodScheduled")?.reason),
      ...pods.map((pod) => condition(pod, "Ready")?.reason),
      ...sets.map((set) => condition(set, "ReplicaFailure")?.reason),
    ]);
  };
  const all = [
    "ImagePullBackOff",
    "CrashLoopBackOff",
    "OOMKilled",
    "Unschedulable",
    "ContainersNotReady",
    "FailedCreate",
  ];
  await until(reasons, (seen) => all.every((reason) => seen.has(reason)));
});

test("the roaming cluster is small", async () => {
  const sandbox = await cluster({ seed: roaming });
  expect((await call(sandbox, "GET", "/api/v1/nodes")).body.items).toHaveLength(1);
});
