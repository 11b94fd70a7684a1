import { afterAll, beforeAll, expect, test } from "bun:test";
import { credentialKinds } from "./kubeconfig.ts";
import { lastWords, logLines, type RealCluster, sharedCluster } from "./kubernetes.ts";
import { describePart } from "./part.ts";
import { until } from "./wait.ts";

describePart("kubernetes", "the real control plane", () => {
  let cluster: RealCluster;
  let namespace: string;
  beforeAll(async () => {
    cluster = await sharedCluster();
    namespace = await cluster.namespace();
  });
  afterAll(() => cluster.kubectl("delete", "namespace", namespace, "--wait=false"));

  test("a rollout ends with all replicas available", async () => {
    await cluster.apply(deployment("web", "registry.test/web:1", 5));
    const ready = await until(
      async () => {
        const found = await cluster.get<Deployment>(path("web"));
        return found.status?.availableReplicas === 5 && found;
      },
      { what: "deployment web to be available" },
    );
    expect(ready.status?.replicas).toBe(5);
  });

  test("kubectl reads the log of a pod, and what it said before it crashed", async () => {
    await cluster.apply(deployment("crashing", "registry.test/web:crash", 1));
    const pod = await until(
      async () => {
        const found = await cluster.kubectl("get", "pods", "-n", namespace, "-l", "app=crashing", "-o", "json");
        const [item] = (JSON.parse(found) as { items: Pod[] }).items;
        return item?.status.containerStatuses?.[0]?.state.waiting?.reason === "CrashLoopBackOff" && item;
      },
      { what: "the pod of deployment crashing to crash" },
    );
    expect(pod.status.containerStatuses![0]!.restartCount).toBeGreaterThan(0);
    const { name } = pod.metadata;
    expect(await cluster.kubectl("logs", "-n", namespace, name)).toBe(`${logLines.join("\n")}\n`);
    expect(await cluster.kubectl("logs", "-n", namespace, name, "--previous", "--tail=1")).toBe(`${lastWords}\n`);
    expect(await cluster.kubectl("exec", "-n", namespace, name, "--", "echo", "hello")).toBe("hello\n");
  });

  test.each(credentialKinds)("kubectl gets in by a kubeconfig with %s", async (kind) => {
    const out = await cluster.kubectl(`--kubeconfig=${cluster.kubeconfig(kind)}`, "auth", "whoami", "-o", "json");
    expect(JSON.parse(out).status.userInfo.username).toBe("admin");
  });

  test("kubectl does not get in by a kubeconfig with another token", () => {
    const path = cluster.kubeconfig({ kind: "exec", token: "another" });
    return expect(cluster.kubectl(`--kubeconfig=${path}`, "auth", "whoami")).rejects.toThrow("Unauthorized");
  });

  test("a service account may do what its rules say, where they say it", async () => {
    const rules = [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list"] }];
    const other = `${namespace}-other`;
    const account = await cluster.serviceAccount(namespace, "agent", { in: [namespace], rules });
    await cluster.namespace(other);
    const list = (where: string) =>
      cluster.request("GET", `/apis/apps/v1/namespaces/${where}/deployments`, undefined, undefined, account.token);
    expect((await list(namespace)).kind).toBe("DeploymentList");
    await expect(list(other)).rejects.toMatchObject({ status: 403 });
    await cluster.kubectl("delete", "namespace", other, "--wait=false");
  });

  const path = (name: string) => `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
  const deployment = (name: string, image: string, replicas: number) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "app", image }] } },
    },
  });
});

type Deployment = { status?: { replicas?: number; availableReplicas?: number } };
type Pod = {
  metadata: { name: string };
  status: { containerStatuses?: { restartCount: number; state: { waiting?: { reason: string } } }[] };
};
