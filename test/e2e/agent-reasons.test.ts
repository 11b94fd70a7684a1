// Each reason why a workload is not well, made for real on the real control plane and read from the agent's rows.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Reason } from "../../src/gen/lizardcd/v1/failure_pb.ts";
import type { WorkloadRow } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { lastWords, type RealCluster, sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { until } from "../testbed/wait.ts";
import { kubeFromFile, startTestAgent, type TestAgent } from "./agent.ts";

describePart("kubernetes", "an agent tells why a workload is not well", () => {
  let cluster: RealCluster;
  let agent: TestAgent;
  let namespace: string;
  beforeAll(async () => {
    cluster = await sharedCluster();
    namespace = await cluster.namespace();
    agent = await startTestAgent({ kube: await kubeFromFile(cluster.kubeconfig("token")) });
  });
  afterAll(async () => {
    await agent?.stop();
    await cluster?.kubectl("delete", "namespace", namespace, "--wait=false");
  });

  test("an image that cannot be pulled", async () => {
    await cluster.apply(workload("Deployment", "missing", { tag: "missing-1" }));
    const { row, reason } = await reasoned("deployments", "missing", "image.pull");
    expect(reason.params).toEqual({ image: "registry.test/shop/web:missing-1", problem: "manifest unknown" });
    expect(row.state).toBe("failed");
  });

  test("a container that crashes, with its exit code and its last log line", async () => {
    await cluster.apply(workload("StatefulSet", "crash", { tag: "crash-1" }));
    const { row, reason } = await reasoned("statefulsets", "crash", "container.crash_loop");
    expect(reason.params).toMatchObject({ container: "app", exitCode: "1", line: lastWords });
    expect(Number(reason.params.restarts)).toBeGreaterThan(0);
    expect(reason.object).toMatch(/^pods\/crash-/);
    expect(row.state).toBe("failed");
  });

  test("a container killed for memory, with its limit", async () => {
    const resources = { limits: { memory: "64Mi" } };
    await cluster.apply(workload("DaemonSet", "oom", { tag: "oom", container: { resources } }));
    const { reason } = await reasoned("daemonsets", "oom", "container.out_of_memory");
    expect(reason.params).toMatchObject({ container: "app", limit: "64Mi" });
  });

  test("no node has room, in the scheduler's words", async () => {
    const resources = { requests: { cpu: "4000" } };
    await cluster.apply(workload("Deployment", "big", { replicas: 2, container: { resources } }));
    const { row, reason } = await reasoned("deployments", "big", "pod.unschedulable");
    expect(reason.params.pods).toBe("2");
    expect(reason.params.problem).toContain("Insufficient cpu");
    expect(row.state).toBe("failed");
  });

  test.each(["Deployment", "StatefulSet", "DaemonSet"])("a quota that forbids the pods of a %s", async (kind) => {
    const limited = await cluster.namespace();
    await cluster.apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "few", namespace: limited },
      spec: { hard: { pods: "1" } },
    });
    await until(
      () =>
        cluster
          .get<{ status?: { hard?: object } }>(`/api/v1/namespaces/${limited}/resourcequotas/few`)
          .then((found) => found.status?.hard),
      {
        what: "the quota to be counted",
      },
    );
    await cluster.apply(workload(kind, "many", { namespace: limited, replicas: 3 }));
    const resource = `${kind.toLowerCase()}s`;
    const { row, reason } = await reasoned(resource, "many", "pod.quota", limited);
    expect(reason.params.problem).toContain("exceeded quota: few");
    expect(["degraded", "failed"]).toContain(row.state);
    await cluster.kubectl("delete", "namespace", limited, "--wait=false");
  });

  test("a readiness probe that fails: at first it may pass by itself, then it counts", async () => {
    await cluster.apply(workload("Deployment", "unready", { tag: "unready" }));
    const first = await reasoned("deployments", "unready", "probe.readiness");
    expect(first.reason.params).toEqual({
      container: "app",
      problem: "Readiness probe failed: HTTP probe failed with statuscode: 503",
    });
    await until(async () => (await rowOf("deployments", "unready")).state === "failed", {
      what: "unready to count as failed",
      timeout: 60_000,
    });
  });

  test("a rollout that made no progress within its deadline, though the old pods serve", async () => {
    await cluster.apply(workload("Deployment", "stuck", { spec: { progressDeadlineSeconds: 2 } }));
    await until(async () => (await rowOf("deployments", "stuck")).state === "ok", {
      what: "stuck to be well at first",
    });
    // Nobody schedules the new pod, so that nothing but the deadline tells of it.
    const template = { spec: { schedulerName: "nobody" } };
    const patch = JSON.stringify({ spec: { template } });
    await cluster.kubectl("patch", "deployment", "stuck", "-n", namespace, "--type=merge", "-p", patch);
    const { row, reason } = await reasoned("deployments", "stuck", "rollout.deadline");
    expect(reason.params).toEqual({ seconds: "2" });
    expect(row).toMatchObject({ state: "failed", ready: 1, desired: 1 });
  });

  test("an API server that refuses pods says why", async () => {
    const guarded = await cluster.namespace();
    await cluster.kubectl("label", "namespace", guarded, "pod-security.kubernetes.io/enforce=restricted");
    await cluster.apply(workload("Deployment", "root", { namespace: guarded }));
    const { reason } = await reasoned("deployments", "root", "pod.refused", guarded);
    expect(reason.params.problem).toContain("violates PodSecurity");
    await cluster.kubectl("delete", "namespace", guarded, "--wait=false");
  });

  test("the worst of all is in the summary, which stays small", async () => {
    const summary = await agent.peers.agent.summary({ cluster: "test" });
    expect(summary.synced).toBe(true);
    expect(summary.worst[0]?.state).toBe("failed");
    expect(summary.worst[0]?.reason?.message).not.toBe("");
    const { SummaryResponseSchema } = await import("../../src/gen/lizardcd/v1/agent_pb.ts");
    const { toBinary } = await import("@bufbuild/protobuf");
    expect(toBinary(SummaryResponseSchema, summary).length).toBeLessThanOrEqual(2048);
  });

  async function rowOf(resource: string, name: string, within = namespace): Promise<WorkloadRow> {
    const { items } = await agent.peers.workload.list({ cluster: "test", namespace: within, resource, name });
    const row = items.find((item) => item.name === name);
    if (!row) throw new Error(`no row of ${name} yet`);
    return row;
  }

  function reasoned(resource: string, name: string, code: string, within = namespace) {
    return until(
      async (): Promise<{ row: WorkloadRow; reason: Reason } | false> => {
        const row = await rowOf(resource, name, within);
        return row.reason?.code === code && row.state !== "ok" && { row, reason: row.reason };
      },
      { what: `${resource}/${name} to say ${code}` },
    );
  }

  interface Shape {
    tag?: string;
    replicas?: number;
    namespace?: string;
    container?: object;
    spec?: object;
  }

  function workload(kind: string, name: string, shape: Shape): object {
    const { tag = "1", replicas = 1, container, spec } = shape;
    const labels = { app: name };
    const image = `registry.test/shop/web:${tag}`;
    return {
      apiVersion: "apps/v1",
      kind,
      metadata: { name, namespace: shape.namespace ?? namespace, labels },
      spec: {
        ...(kind === "DaemonSet" ? {} : { replicas }),
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "app", image, ...container }] } },
        ...spec,
      },
    };
  }
});
