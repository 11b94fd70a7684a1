// Rollouts held back and let go, asked of an agent over gRPC.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Sandbox, startSandbox } from "../../src/sandbox/cluster.ts";
import { until } from "../testbed/wait.ts";
import { failureOf, kubeFromFile, startTestAgent, type TestAgent } from "./agent.ts";

const folder = mkdtempSync(join(tmpdir(), "lizardcd-pause-"));
const web = { cluster: "test", namespace: "shop", resource: "deployments", name: "web" };

describe("an agent's pause and resume", () => {
  let sandbox: Sandbox;
  let bed: TestAgent;
  beforeAll(async () => {
    const settled = [workload("Deployment", "web"), workload("StatefulSet", "queue")];
    sandbox = await startSandbox({ name: "sim", seed: { namespaces: ["shop"], settled } });
    const path = join(folder, "kubeconfig");
    writeFileSync(path, sandbox.kubeconfig(), { mode: 0o600 });
    bed = await startTestAgent({ kube: await kubeFromFile(path) });
  });
  afterAll(async () => {
    await bed?.stop();
    await sandbox?.stop();
    rmSync(folder, { recursive: true });
  });

  const stored = () => sandbox.get("Deployment", "shop", "web")!;
  const read = () => bed.peers.workload.get(web);

  test("a pause is told with what it changed, and keeps its actor", async () => {
    const paused = await bed.peers.workload.pause(web, { actor: "ada" });
    expect(paused.paused).toBe(true);
    expect(paused.changes).toMatchObject([{ path: "spec.paused", before: "", after: "true" }]);
    expect(paused.changedBy).toBe("lizardcd (ada)");
    await until(async () => (await read()).row?.state === "paused", { what: "web to be paused" });
    expect((await bed.peers.workload.pause(web)).changes).toEqual([]);
  });

  test("what is paused is not restarted, its image waits", async () => {
    expect(await failureOf(bed.peers.workload.restart(web))).toMatchObject({
      code: "restart.paused",
      message: "the rollouts of web are paused, a restart would wait: resume them first",
    });
    await bed.peers.workload.setImage({ ...web, image: "registry.test/app:2" });
    await until(async () => (await read()).observedGeneration === stored().metadata.generation, {
      what: "web to be observed",
    });
    const { pods, paused, row } = await read();
    expect({ paused, updated: row?.updated, old: pods.filter(({ updated }) => !updated).length }).toEqual({
      paused: true,
      updated: 0,
      old: 2,
    });
  });

  test("a resume rolls out what waited, and leaves no trace in the spec", async () => {
    const resumed = await bed.peers.workload.resume(web);
    expect(resumed.paused).toBe(false);
    expect(resumed.changes).toMatchObject([{ path: "spec.paused", before: "true", after: "" }]);
    expect(stored().spec).not.toHaveProperty("paused");
    await until(async () => (await read()).row?.state === "ok", { what: "web to be rolled out" });
    expect((await read()).pods.filter(({ state }) => state === "ok").every(({ updated }) => updated)).toBe(true);
  });

  test("kinds whose rollouts Kubernetes cannot pause are refused by name", async () => {
    const queue = { ...web, resource: "statefulsets", name: "queue" };
    for (const verb of ["pause", "resume"] as const) {
      expect(await failureOf(bed.peers.workload[verb](queue))).toMatchObject({
        code: "pause.unsupported",
        message: "StatefulSet queue cannot be paused: Kubernetes pauses the rollouts of Deployments only",
      });
    }
  });
});

function workload(kind: string, name: string) {
  const labels = { app: name };
  const containers = [{ name: "app", image: "registry.test/app:1" }];
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace: "shop", labels },
    spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  };
}
