// `lizardcd rollout status` against a real API server and its controllers: the exit code is the workload's health.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { endAll, startTestServer, type TestServer } from "../harness.ts";
import type { RealCluster } from "../testbed/cluster.ts";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { type Cli, newCli, startAgentOn } from "./world.ts";

const image = (tag: string) => `registry.example.com/shop/web:${tag}`;

describePart("kubernetes", "rollout status", () => {
  let real: RealCluster;
  let namespace: string;
  let server: TestServer;
  let cli: Cli;
  let at: string[];

  beforeAll(async () => {
    real = await sharedCluster();
    namespace = await real.namespace();
    await real.apply([deployment("web"), deployment("stuck", { progressDeadlineSeconds: 4 }), set("db")]);
    server = await startTestServer({ timeoutMs: 10_000 });
    await startAgentOn(server, "real-1", real.kubeconfig("token"));
    cli = await newCli();
    expect((await cli(["login", server.url, "-u", "admin", "--password-stdin"], server.password)).code).toBe(0);
    at = ["-c", "real-1", "-n", namespace];
    for (const name of ["deploy/web", "deploy/stuck", "sts/db"]) {
      const { code, err } = await cli(["rollout", "status", name, ...at]);
      expect([name, code, err]).toEqual([name, 0, ""]);
    }
  });
  afterAll(endAll);

  test("0 when every pod is of the new revision and ready, and not before", async () => {
    for (const [name, resource] of [
      ["deploy/web", "deployments"],
      ["sts/db", "statefulsets"],
    ] as const) {
      expect((await cli(["set", "image", name, "--image", image("2.0.0"), ...at])).code).toBe(0);
      const { code, out, err } = await cli(["rollout", "status", name, ...at]);
      expect([name, code, err]).toEqual([name, 0, ""]);
      expect(out).toMatch(/healthy, 3 of 3 pods are ready and of this revision\.\n$/);
      const path = `/apis/apps/v1/namespaces/${namespace}/${resource}/${name.split("/")[1]}`;
      const { status } = await real.get<{ status: Record<string, number> } & never>(path);
      expect(status).toMatchObject({ replicas: 3, updatedReplicas: 3, readyReplicas: 3 });
    }
  });

  test("7 when the rollout has passed its deadline, with what the kubelet says, and 0 again once it is mended", async () => {
    await cli(["set", "image", "deploy/stuck", "--image", image("missing"), ...at]);
    const { code, err } = await cli(["rollout", "status", "deploy/stuck", ...at]);
    expect([code, err]).toEqual([7, expect.stringContaining("missing")]);
    expect(err).toContain(`lizardcd describe deploy/stuck -c real-1 -n ${namespace}`);
    await cli(["set", "image", "deploy/stuck", "--image", image("2.0.1"), ...at]);
    expect((await cli(["rollout", "status", "deploy/stuck", ...at])).code).toBe(0);
  });

  test("124 when it is not healthy in time, and 7 at once where it is paused with something held back", async () => {
    await cli(["set", "image", "deploy/web", "--image", image("unready"), ...at]);
    const late = await cli(["rollout", "status", "deploy/web", "--timeout", "2s", ...at]);
    expect([late.code, late.err]).toEqual([124, expect.stringContaining("within 2 s")]);
    await cli(["pause", "deploy/web", ...at]);
    await cli(["set", "image", "deploy/web", "--image", image("2.0.2"), ...at]);
    const held = await cli(["rollout", "status", "deploy/web", "--timeout", "60s", ...at]);
    expect(held.code).toBe(7);
    await cli(["resume", "deploy/web", ...at]);
    expect((await cli(["rollout", "status", "deploy/web", ...at])).code).toBe(0);
  });

  test("5 for what is not there, and for a cluster that nobody announces", async () => {
    expect((await cli(["rollout", "status", "deploy/nothing", ...at])).code).toBe(5);
    expect((await cli(["rollout", "status", "deploy/web", "-c", "nowhere-1", "-n", namespace])).code).toBe(5);
  });

  test("completion knows clusters, namespaces and names from the server", async () => {
    const complete = async (...words: string[]) => (await cli(["__complete", ...words])).out.trimEnd().split("\n");
    expect(await complete("restart", "web", "-c", "")).toEqual(["real-1"]);
    expect(await complete("restart", "web", "-c", "real-1", "-n", namespace.slice(0, -1))).toContain(namespace);
    expect(await complete("describe", ...at, "sts/")).toEqual(["sts/db"]);
    expect(await complete("get", "deploy", ...at, "st")).toEqual(["stuck"]);
  });

  const template = (name: string) => ({
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: "web", image: image("1.0.0") }], terminationGracePeriodSeconds: 0 },
  });

  function deployment(name: string, more: object = {}) {
    const spec = { replicas: 3, selector: { matchLabels: { app: name } }, template: template(name), ...more };
    return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace }, spec };
  }

  function set(name: string) {
    return { ...deployment(name, { serviceName: name }), kind: "StatefulSet" };
  }
});
