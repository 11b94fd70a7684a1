import { expect, test } from "bun:test";
import type { Sandbox } from "./cluster.ts";
import type { Json } from "./object.ts";
import { workload } from "./seeds.ts";
import { call, cluster, condition, deployments, strategic, until, web } from "./testclient.ts";

const get = async (sandbox: Sandbox, path: string) => (await call(sandbox, "GET", path)).body;
const pods = async (sandbox: Sandbox, app = "web"): Promise<Json[]> =>
  (await get(sandbox, `/api/v1/namespaces/shop/pods?labelSelector=app=${app}`)).items;
const healthy = ({ metadata, spec, status = {} }: Json) =>
  status.observedGeneration === metadata.generation &&
  status.updatedReplicas === spec.replicas &&
  status.availableReplicas === spec.replicas &&
  status.replicas === spec.replicas;

test("a rollout of five replicas becomes healthy and says so in its conditions", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1.0.0", 5));
  const done = await until(
    () => get(sandbox, `${deployments}/web`),
    (d) => condition(d, "Progressing")?.reason === "NewReplicaSetAvailable",
  );
  expect(healthy(done)).toBe(true);
  expect(condition(done, "Available")).toMatchObject({ status: "True", reason: "MinimumReplicasAvailable" });
  expect(done.metadata.annotations["deployment.kubernetes.io/revision"]).toBe("1");
  expect(done.metadata.generation).toBe(1);
});

test("a new image rolls out without falling below what must be available, and the old set is kept at zero", async () => {
  const sandbox = await cluster({ speed: 5 });
  await call(sandbox, "POST", deployments, web("1.0.0", 4));
  await until(() => get(sandbox, `${deployments}/web`), healthy);
  await call(sandbox, "PATCH", `${deployments}/web`, image("2.0.0"), strategic);
  let least = 4;
  await until(
    () => get(sandbox, `${deployments}/web`),
    (d) => {
      least = Math.min(least, d.status.availableReplicas ?? 0);
      return healthy(d);
    },
  );
  expect(least).toBeGreaterThanOrEqual(3);
  await until(
    () => pods(sandbox),
    (all) => all.length === 4,
  );
  const { items } = await get(sandbox, "/apis/apps/v1/namespaces/shop/replicasets");
  const sizes = items.map((set: Json) => [
    set.metadata.annotations["deployment.kubernetes.io/revision"],
    set.spec.replicas,
  ]);
  expect(sizes.sort()).toEqual([
    ["1", 0],
    ["2", 4],
  ]);
});

test("going back to an old template takes its ReplicaSet up again under a new revision", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1.0.0", 2));
  for (const tag of ["2.0.0", "1.0.0"]) {
    await until(() => get(sandbox, `${deployments}/web`), healthy);
    await call(sandbox, "PATCH", `${deployments}/web`, image(tag), strategic);
  }
  const done = await until(() => get(sandbox, `${deployments}/web`), healthy);
  expect(done.metadata.annotations["deployment.kubernetes.io/revision"]).toBe("3");
  expect((await get(sandbox, "/apis/apps/v1/namespaces/shop/replicasets")).items).toHaveLength(2);
});

test("an image that cannot be pulled waits in ImagePullBackOff and exceeds its deadline", async () => {
  const sandbox = await cluster({ speed: 20 });
  await call(sandbox, "POST", deployments, web("missing", 1, { progressDeadlineSeconds: 10 }));
  const [pod] = await until(() => pods(sandbox), waiting);
  expect(pod.status.phase).toBe("Pending");
  expect(pod.status.containerStatuses[0].state.waiting).toEqual({
    reason: "ImagePullBackOff",
    message: "Back-off pulling image registry.example.com/shop/web:missing: manifest unknown",
  });
  const late = await until(
    () => get(sandbox, `${deployments}/web`),
    (d) => condition(d, "Progressing")?.status === "False",
  );
  expect(condition(late, "Progressing").reason).toBe("ProgressDeadlineExceeded");
  expect(condition(late, "Progressing").message).toMatch(/^ReplicaSet "web-\w+" has timed out progressing\.$/);
  expect(condition(late, "Available")).toMatchObject({ status: "False", reason: "MinimumReplicasUnavailable" });
});

test("a crashing container is in CrashLoopBackOff with exit code 1, and its last log lines can be read", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("crash"));
  const [pod] = await until(() => pods(sandbox), waiting);
  expect(pod.status.containerStatuses[0].state.waiting.reason).toBe("CrashLoopBackOff");
  expect(pod.status.containerStatuses[0].lastState.terminated).toMatchObject({ exitCode: 1, reason: "Error" });
  const log = `/api/v1/namespaces/shop/pods/${pod.metadata.name}/log`;
  const { body, headers } = await call(sandbox, "GET", `${log}?previous=true&tailLines=1`);
  expect(body).toBe("fatal: web cannot start: exit 1\n");
  expect(headers.get("content-type")).toBe("text/plain");
  expect((await call(sandbox, "GET", `${log}?container=other`)).status).toBe(400);
});

test("a container killed for memory says OOMKilled with exit code 137", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("oom-2"));
  const [pod] = await until(() => pods(sandbox), waiting);
  expect(pod.status.containerStatuses[0].lastState.terminated).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
});

test("a failing readiness probe leaves the pod running, not ready, with an Unhealthy event", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("unready"));
  const [pod] = await until(
    () => pods(sandbox),
    (all) => all[0]?.status.phase === "Running",
  );
  expect(condition(pod, "Ready")).toMatchObject({ status: "False", reason: "ContainersNotReady" });
  const selector = `involvedObject.kind=Pod,involvedObject.name=${pod.metadata.name},type=Warning`;
  const events = await get(sandbox, `/api/v1/namespaces/shop/events?fieldSelector=${selector}`);
  expect(events.items.map((event: Json) => event.reason)).toEqual(["Unhealthy"]);
  expect((await get(sandbox, `${deployments}/web`)).status.readyReplicas).toBeUndefined();
});

test("a pod that asks for more than any node has stays unscheduled, with the scheduler's message", async () => {
  const sandbox = await cluster();
  const big = workload("shop", "web", { image: "shop/web:1", container: { resources: { requests: { cpu: "100" } } } });
  await call(sandbox, "POST", deployments, big);
  const [pod] = await until(
    () => pods(sandbox),
    (all) => condition(all[0], "PodScheduled"),
  );
  expect(condition(pod, "PodScheduled")).toMatchObject({ status: "False", reason: "Unschedulable" });
  expect(condition(pod, "PodScheduled").message).toStartWith("0/3 nodes are available: 3 Insufficient cpu.");
});

test("an unscheduled pod is placed when a node comes that it fits", async () => {
  const sandbox = await cluster();
  await call(
    sandbox,
    "POST",
    deployments,
    workload("shop", "web", { image: "shop/web:1", pod: { nodeSelector: { gpu: "yes" } } }),
  );
  await until(
    () => pods(sandbox),
    (all) => condition(all[0], "PodScheduled")?.message.includes("3 node(s) didn't match Pod's node affinity/selector"),
  );
  const status = { allocatable: { cpu: "4", memory: "8Gi", pods: "10" } };
  sandbox.apply({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "gpu-1", labels: { gpu: "yes" } },
    spec: {},
    status,
  });
  const [pod] = await until(
    () => pods(sandbox),
    (all) => condition(all[0], "Ready")?.status === "True",
  );
  expect(pod.spec.nodeName).toBe("gpu-1");
});

test("a quota keeps pods from being created, in the condition and the event, until it is raised", async () => {
  const sandbox = await cluster();
  const quota = (count: string) => ({
    ...{ apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "team", namespace: "shop" } },
    spec: { hard: { pods: count } },
  });
  sandbox.apply(quota("2"));
  await call(sandbox, "POST", deployments, web("1", 3));
  const stuck = await until(
    () => get(sandbox, `${deployments}/web`),
    (d) => condition(d, "ReplicaFailure") && d.status.readyReplicas === 2,
  );
  const message = "is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2";
  expect(condition(stuck, "ReplicaFailure")).toMatchObject({ status: "True", reason: "FailedCreate" });
  expect(condition(stuck, "ReplicaFailure").message).toEndWith(message);
  const failed = await get(
    sandbox,
    "/api/v1/namespaces/shop/events?fieldSelector=involvedObject.kind=ReplicaSet,reason=FailedCreate",
  );
  expect(failed.items[0].message).toStartWith("Error creating: pods ");
  expect((await get(sandbox, "/api/v1/namespaces/shop/resourcequotas/team")).status.used).toEqual({ pods: "2" });
  sandbox.apply(quota("5"));
  const done = await until(
    () => get(sandbox, `${deployments}/web`),
    (d) => healthy(d) && !condition(d, "ReplicaFailure"),
  );
  expect(done.status.readyReplicas).toBe(3);
});

test("a paused deployment does not roll out, but scales; resumed it goes on", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1", 2));
  await until(() => get(sandbox, `${deployments}/web`), healthy);
  await call(sandbox, "PATCH", `${deployments}/web`, { spec: { paused: true } }, strategic);
  await call(sandbox, "PATCH", `${deployments}/web`, { spec: { replicas: 3, ...image("2").spec } }, strategic);
  const paused = await until(
    () => get(sandbox, `${deployments}/web`),
    (d) => d.status.availableReplicas === 3 && d.status.observedGeneration === d.metadata.generation,
  );
  expect(paused.status.updatedReplicas).toBeUndefined();
  expect(condition(paused, "Progressing")).toMatchObject({ status: "Unknown", reason: "DeploymentPaused" });
  await call(sandbox, "PATCH", `${deployments}/web`, { spec: { paused: null } }, strategic);
  await until(() => get(sandbox, `${deployments}/web`), healthy);
});

test("scaling in the middle of a rollout that hangs shares the replicas between both sets and ends", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1", 4));
  await until(() => get(sandbox, `${deployments}/web`), healthy);
  await call(sandbox, "PATCH", `${deployments}/web`, image("missing"), strategic);
  await until(
    () => get(sandbox, `${deployments}/web`),
    (d) => d.status.updatedReplicas === 2,
  );
  await call(sandbox, "PATCH", `${deployments}/web`, { spec: { replicas: 8 } }, strategic);
  const { items } = await until(
    () => get(sandbox, "/apis/apps/v1/namespaces/shop/replicasets"),
    ({ items: sets }) => sets.reduce((sum: number, set: Json) => sum + set.spec.replicas, 0) === 10,
  );
  expect(items.every((set: Json) => set.spec.replicas > 2)).toBe(true);
  await call(sandbox, "PATCH", `${deployments}/web`, image("1"), strategic);
  await until(() => get(sandbox, `${deployments}/web`), healthy);
});

test("Recreate has no new pod before the last old one is gone", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1", 2, { strategy: { type: "Recreate" } }));
  await until(() => get(sandbox, `${deployments}/web`), healthy);
  await call(sandbox, "PATCH", `${deployments}/web`, image("2"), strategic);
  await until(
    async () => [await get(sandbox, `${deployments}/web`), await pods(sandbox)],
    ([deployment, all]) => {
      expect(new Set(all.map((pod: Json) => pod.spec.containers[0].image)).size).toBeLessThan(2);
      return healthy(deployment);
    },
  );
});

test("a StatefulSet starts its pods in order and replaces them from the last, one at a time", async () => {
  const sandbox = await cluster();
  const sets = "/apis/apps/v1/namespaces/shop/statefulsets";
  await call(sandbox, "POST", sets, workload("shop", "db", { kind: "StatefulSet", image: "shop/db:1", replicas: 3 }));
  const first = await until(
    () => get(sandbox, `${sets}/db`),
    (set) => set.status?.readyReplicas === 3,
  );
  expect((await pods(sandbox, "db")).map((pod) => pod.metadata.name)).toEqual(["db-0", "db-1", "db-2"]);
  expect(first.status.currentRevision).toBe(first.status.updateRevision);
  await call(sandbox, "PATCH", `${sets}/db`, image("2", "db"), strategic);
  const seen: string[] = [];
  await until(
    async () => [await get(sandbox, `${sets}/db`), await pods(sandbox, "db")],
    ([set, all]) => {
      const updated = all
        .filter((pod: Json) => pod.spec.containers[0].image.endsWith(":2"))
        .map((pod: Json) => pod.metadata.name);
      for (const name of updated) if (!seen.includes(name)) seen.push(name);
      expect(set.status.readyReplicas ?? 0).toBeGreaterThanOrEqual(2);
      return set.status.currentRevision !== first.status.currentRevision && set.status.updatedReplicas === 3;
    },
  );
  expect(seen).toEqual(["db-2", "db-1", "db-0"]);
});

test("a StatefulSet whose first pod fails gets no second one", async () => {
  const sandbox = await cluster();
  const sets = "/apis/apps/v1/namespaces/shop/statefulsets";
  await call(
    sandbox,
    "POST",
    sets,
    workload("shop", "db", { kind: "StatefulSet", image: "shop/db:crash", replicas: 3 }),
  );
  await until(() => pods(sandbox, "db"), waiting);
  expect(await pods(sandbox, "db")).toHaveLength(1);
});

test("a DaemonSet runs one pod on every node and follows a new node", async () => {
  const sandbox = await cluster({ nodes: 2 });
  const sets = "/apis/apps/v1/namespaces/shop/daemonsets";
  await call(sandbox, "POST", sets, workload("shop", "agent", { kind: "DaemonSet", image: "shop/agent:1" }));
  const ready = (count: number) =>
    until(
      () => get(sandbox, `${sets}/agent`),
      (set) => set.status?.numberAvailable === count && set.status.updatedNumberScheduled === count,
    );
  expect((await ready(2)).status.desiredNumberScheduled).toBe(2);
  const status = { allocatable: { cpu: "4", memory: "8Gi", pods: "10" } };
  sandbox.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "late" }, spec: {}, status });
  await ready(3);
  await call(sandbox, "PATCH", `${sets}/agent`, image("2", "agent"), strategic);
  await until(
    () => pods(sandbox, "agent"),
    (all) => all.length === 3 && all.every((pod) => pod.spec.containers[0].image.endsWith(":2")),
  );
  expect(new Set((await pods(sandbox, "agent")).map((pod) => pod.spec.nodeName)).size).toBe(3);
});

test("deleting an owner deletes what it owned", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1", 2));
  await until(() => get(sandbox, `${deployments}/web`), healthy);
  const { body } = await call(sandbox, "DELETE", `${deployments}/web`);
  expect(body).toMatchObject({
    kind: "Status",
    status: "Success",
    details: { name: "web", group: "apps", kind: "deployments" },
  });
  await until(
    () => pods(sandbox),
    (all) => all.length === 0,
  );
  expect((await get(sandbox, "/apis/apps/v1/namespaces/shop/replicasets")).items).toEqual([]);
});

test("deleting a namespace empties it first", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1", 2));
  await until(() => get(sandbox, `${deployments}/web`), healthy);
  expect((await call(sandbox, "DELETE", "/api/v1/namespaces/shop")).body.status.phase).toBe("Terminating");
  expect((await call(sandbox, "POST", deployments, web("2"))).status).toBe(403);
  await until(
    () => call(sandbox, "GET", "/api/v1/namespaces/shop"),
    ({ status }) => status === 404,
  );
  expect((await get(sandbox, "/api/v1/pods")).items).toEqual([]);
});

test("a namespace deleted in the middle of a rollout takes the rollout with it", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("slow", 3));
  await call(sandbox, "DELETE", "/api/v1/namespaces/shop");
  await until(
    () => call(sandbox, "GET", "/api/v1/namespaces/shop"),
    ({ status }) => status === 404,
  );
  for (const path of ["/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/api/v1/pods"]) {
    expect((await get(sandbox, path)).items).toEqual([]);
  }
});

test("old ReplicaSets beyond the history limit are removed", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("0", 1, { revisionHistoryLimit: 1 }));
  for (const tag of ["1", "2", "3"]) {
    await until(() => get(sandbox, `${deployments}/web`), healthy);
    await call(sandbox, "PATCH", `${deployments}/web`, image(tag), strategic);
  }
  await until(() => get(sandbox, `${deployments}/web`), healthy);
  await until(
    () => get(sandbox, "/apis/apps/v1/namespaces/shop/replicasets"),
    ({ items }) => items.length === 2,
  );
});

const image = (tag: string, name = "web"): Json => ({
  spec: { template: { spec: { containers: [{ name, image: `registry.example.com/shop/${name}:${tag}` }] } } },
});

const waiting = (all: Json[]) => Boolean(all[0]?.status.containerStatuses?.[0].state.waiting);
