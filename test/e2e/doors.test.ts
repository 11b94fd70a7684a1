// One thing, four doors: page, JSON, CLI and, for the agent, gRPC. What each does is looked for in a real API server.
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { stub } from "../../src/contract/grpc.ts";
import { overGrpc } from "../../src/contract/grpc-channel.ts";
import { agentServices } from "../../src/contract/operation.ts";
import { type Client, endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import type { KubeObject, RealCluster } from "../testbed/cluster.ts";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { type AgentOfCluster, type Cli, newCli, readonlyUser, startAgentOn, startSilence } from "./world.ts";

const cluster = "real-1";
const repository = "registry.example.com/shop/web";

interface Deployment extends KubeObject {
  metadata: KubeObject["metadata"] & {
    managedFields: { manager: string; operation: string; subresource?: string; fieldsV1: object }[];
  };
  spec: {
    replicas: number;
    paused?: boolean;
    template: {
      metadata: { annotations?: Record<string, string> };
      spec: { containers: { name: string; image: string }[] };
    };
  };
}

describePart("kubernetes", "one workload through every door", () => {
  let real: RealCluster;
  let namespace: string;
  let server: TestServer;
  let one: AgentOfCluster;
  let cli: Cli;

  beforeAll(async () => {
    real = await sharedCluster();
    namespace = await real.namespace();
    await real.apply([
      ...["by-page", "by-json", "by-cli", "by-grpc", "owned"].map((name) => deployment(namespace, name)),
      autoscaler(namespace, "owned"),
    ]);
    server = await startTestServer({ timeoutMs: 5_000 });
    one = await startAgentOn(server, cluster, real.kubeconfig("token"));
    cli = await newCli();
    const { code, err } = await cli(["login", server.url, "--username", "admin", "--password-stdin"], server.password);
    expect([code, err]).toEqual([0, expect.any(String)]);
  });
  afterAll(endAll);

  const path = (name: string) => `/clusters/${cluster}/namespaces/${namespace}/deployments/${name}`;
  const seen = (name: string) => real.get<Deployment>(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`);

  interface Door {
    name: string;
    listed(): Promise<string>;
    restart(name: string): Promise<unknown>;
    pause(name: string): Promise<unknown>;
    resume(name: string): Promise<unknown>;
    scale(name: string, replicas: number): Promise<unknown>;
    setImage(name: string, image: string): Promise<unknown>;
  }

  const posted = async (answer: Promise<{ status: number; body: unknown }>, status: number) => {
    const { status: got, body } = await answer;
    if (got !== status) throw new Error(`${got}: ${JSON.stringify(body)}`);
  };
  const ran = async (...words: string[]) => {
    const { code, out, err } = await cli([...words, "--cluster", cluster, "--namespace", namespace]);
    if (code !== 0) throw new Error(`${words.join(" ")} ended with ${code}: ${out}${err}`);
    return out;
  };

  function doors(): Door[] {
    const channel = new grpc.Client(one.agent.address, grpc.credentials.createInsecure());
    onEnd(() => channel.close());
    const direct = stub(overGrpc(channel), agentServices.workload);
    const key = (name: string) => ({ cluster, namespace, resource: "deployments", name });
    const call = { actor: "grpc-caller", deadline: Date.now() + 60_000 };
    return [
      {
        name: "by-page",
        listed: async () => (await server.client.page(`/workloads?namespace=${namespace}`)).body,
        restart: (name) => posted(server.client.page(`${path(name)}/restart`, { form: {} }), 303),
        pause: (name) => posted(server.client.page(`${path(name)}/pause`, { form: {} }), 303),
        resume: (name) => posted(server.client.page(`${path(name)}/resume`, { form: {} }), 303),
        scale: (name, replicas) =>
          posted(server.client.page(`${path(name)}/scale`, { form: { replicas: String(replicas) } }), 303),
        setImage: (name, image) => posted(server.client.page(`${path(name)}/image`, { form: { image } }), 303),
      },
      {
        name: "by-json",
        listed: async () => JSON.stringify((await server.client.get(`/workloads?namespace=${namespace}`)).body),
        restart: (name) => posted(server.client.post(`${path(name)}/restart`, {}), 200),
        pause: (name) => posted(server.client.post(`${path(name)}/pause`, {}), 200),
        resume: (name) => posted(server.client.post(`${path(name)}/resume`, {}), 200),
        scale: (name, replicas) => posted(server.client.post(`${path(name)}/scale`, { replicas }), 200),
        setImage: (name, image) => posted(server.client.post(`${path(name)}/image`, { image }), 200),
      },
      {
        name: "by-cli",
        listed: () => ran("get", "workloads"),
        restart: (name) => ran("restart", `deploy/${name}`),
        pause: (name) => ran("pause", `deploy/${name}`),
        resume: (name) => ran("resume", `deploy/${name}`),
        scale: (name, replicas) => ran("scale", `deploy/${name}`, "--replicas", String(replicas)),
        setImage: (name, image) => ran("set", "image", `deploy/${name}`, "--image", image),
      },
      {
        name: "by-grpc",
        listed: async () =>
          (await direct.list({ cluster, namespace, resource: "workloads" }, call)).items
            .map((row) => `${row.name} ${row.ready}/${row.desired}`)
            .join("\n"),
        restart: (name) => direct.restart(key(name), call),
        pause: (name) => direct.pause(key(name), call),
        resume: (name) => direct.resume(key(name), call),
        scale: (name, replicas) => direct.scale({ ...key(name), replicas }, call),
        setImage: (name, image) => direct.setImage({ ...key(name), image }, call),
      },
    ];
  }

  test("restart, scale and set image arrive in the API server through page, JSON, CLI and gRPC", async () => {
    const began = Date.now() - 1_000;
    for (const door of doors()) {
      const { name } = door;
      await eventually(door.listed, (text) => text.includes(name));

      await door.restart(name);
      const restarted = (await seen(name)).spec.template.metadata.annotations?.["kubectl.kubernetes.io/restartedAt"];
      expect([name, Date.parse(restarted ?? "") >= began]).toEqual([name, true]);

      await door.scale(name, 3);
      expect([name, (await seen(name)).spec.replicas]).toEqual([name, 3]);

      await door.setImage(name, `${repository}:2.0.0`);
      const { spec, metadata } = await seen(name);
      expect(spec.template.spec.containers).toMatchObject([{ name: "web", image: `${repository}:2.0.0` }]);
      // What was written is ours by name, and nothing else is.
      const ours = JSON.stringify(metadata.managedFields.filter(({ manager }) => manager === "lizardcd"));
      for (const field of ["f:image", "f:replicas", "f:kubectl.kubernetes.io/restartedAt"]) {
        expect([name, field, ours.includes(field)]).toEqual([name, field, true]);
      }
      expect(ours).not.toContain("f:selector");
    }
  });

  test("pause and resume arrive too, and what is paused is not restarted", async () => {
    for (const door of doors()) {
      const { name } = door;
      await door.pause(name);
      expect([name, (await seen(name)).spec.paused]).toEqual([name, true]);
      const restarted = (await seen(name)).spec.template.metadata.annotations;
      expect(String(await door.restart(name).catch((error) => error))).toMatch(/resume them first/i);
      expect((await seen(name)).spec.template.metadata.annotations).toEqual(restarted);
      await door.resume(name);
      expect([name, (await seen(name)).spec.paused ?? false]).toEqual([name, false]);
    }
  });

  test("a dry run of the command line says what would change, and leaves the object and the audit as they were", async () => {
    // Its rollout may still move what is not the spec.
    const asWanted = async () => {
      const { metadata, spec } = await seen("by-cli");
      return JSON.stringify([metadata.generation, spec]);
    };
    const before = await asWanted();
    const entries = async () => (await server.client.get(`/audit?cluster=${cluster}&q=by-cli`)).body.items.length;
    const written = await entries();
    const name = `${namespace}/by-cli in ${cluster}`;
    expect(await ran("restart", "by-cli", "--dry-run")).toContain(`Restarting ${name} (dry run).\n`);
    expect(await ran("scale", "by-cli", "--replicas=5", "--dry-run=server")).toBe(
      `Scaled ${name} (dry run).\n  spec.replicas: 3 → 5\n`,
    );
    expect(await ran("scale", "by-cli", "--replicas=3", "--dry-run")).toBe(`Nothing to change in ${name} (dry run).\n`);
    expect(await ran("pause", "by-cli", "--dry-run")).toContain("spec.paused: – → true\n");
    expect(await ran("set", "image", "by-cli", "--image", `${repository}:3.0.0`, "--dry-run")).toContain(":3.0.0");
    expect([await asWanted(), await entries()]).toEqual([before, written]);
  });

  test("each is audited with who did it, through which door, and how it ended", async () => {
    for (const [name, door] of [
      ["by-page", "browser"],
      ["by-json", "json"],
      ["by-cli", "cli"],
    ]) {
      const { body } = await server.client.get(`/audit?cluster=${cluster}&q=${name}`);
      const items = body.items.slice(-3);
      expect(items.map((entry: Record<string, string>) => [entry.operation, entry.name, entry.outcome])).toEqual([
        ["workload.setImage", name, "done"],
        ["workload.scale", name, "done"],
        ["workload.restart", name, "done"],
      ]);
      for (const entry of items) expect(entry).toMatchObject({ actor: "admin", door, namespace, cluster });
      expect(JSON.parse(items[1].changes)).toEqual([{ path: "spec.replicas", before: "2", after: "3" }]);
    }
    const page = await server.client.page(`/audit?cluster=${cluster}&q=by-cli`);
    expect(page.body).toContain("by-cli");
  });

  test("a rollout that fails is told with its reason by every door, the same one", async () => {
    await server.client.post(`${path("by-json")}/image`, { image: `${repository}:missing` });
    const { body } = await eventually(
      () => server.client.get(path("by-json")),
      (answer) => answer.body.row.reason?.code === "image.pull",
    );
    expect(body.row.reason.params.image).toBe(`${repository}:missing`);
    expect((await server.client.page(path("by-json"))).body).toContain(`${repository}:missing`);
    const listed = await eventually(
      () => ran("get", "workloads", "--state", "failed", "--state", "degraded"),
      (out) => out.includes("by-json"),
    );
    expect(listed).not.toContain("by-cli");
    expect(await ran("get", "workload", "deploy/by-json")).toContain("missing");
    await server.client.post(`${path("by-json")}/image`, { image: `${repository}:2.0.0` });
  });

  test("replicas that an autoscaler owns are left alone, and it is named", async () => {
    await eventually(
      () => server.client.get(path("owned")),
      ({ body }) => body.autoscaler?.name === "owned-hpa",
    );
    const json = await server.client.post(`${path("owned")}/scale`, { replicas: 7 });
    expect([json.status, json.body.code, json.body.message]).toEqual([
      409,
      "scale.autoscaled",
      expect.stringContaining("owned-hpa"),
    ]);
    const page = await server.client.page(`${path("owned")}/scale`, { form: { replicas: "7" } });
    expect([page.status, page.body]).toEqual([409, expect.stringContaining("owned-hpa")]);
    const { code, err } = await cli(["scale", "owned", "--replicas", "7", "-c", cluster, "-n", namespace]);
    expect([code, err]).toEqual([1, expect.stringContaining("owned-hpa")]);
    expect((await seen("owned")).spec.replicas).toBe(2);
    const { body } = await server.client.get(`/audit?q=owned&cluster=${cluster}`);
    expect(body.items.map((entry: { outcome: string }) => entry.outcome)).toEqual(["refused", "refused", "refused"]);
  });

  test("a dead agent is 503 and named by its key, one that hangs 504 at the deadline; the others answer meanwhile", async () => {
    // Asked for its summary once: an agent that fell silent several times in a row is not asked at all for a while.
    const own = await startTestServer({ timeoutMs: 1_500, summaryMs: 600_000 });
    await startAgentOn(own, cluster, real.kubeconfig("token"));
    own.announce("gone-1", "127.0.0.1:1");
    own.announce("silent-1", await startSilence());
    const there = (name: string) => `/clusters/${name}/namespaces/shop/deployments/web`;
    await eventually(
      () => own.client.get("/fleet"),
      ({ body }) => body.clusters.filter((row: { state: string }) => row.state === "lost").length === 2,
    );
    const [gone, silent, answered, everything] = await Promise.all([
      own.client.get(there("gone-1")),
      own.client.get(there("silent-1")),
      own.client.get(path("by-cli")),
      own.client.get(`/workloads?namespace=${namespace}`),
    ]);
    expect([gone.status, gone.body.code]).toEqual([503, "agent.unavailable"]);
    expect(gone.body.message).toContain("lizardcd-agent.*.gone-1");
    expect([silent.status, silent.body.code, silent.body.params]).toEqual([
      504,
      "request.timed_out",
      { cluster: "silent-1" },
    ]);
    expect([answered.status, answered.body.row.name]).toEqual([200, "by-cli"]);
    expect(everything.body.items.map(({ row }: { row: { name: string } }) => row.name)).toContain("by-cli");
    expect(everything.body.unanswered.map((item: { cluster: string }) => item.cluster).sort()).toEqual([
      "gone-1",
      "silent-1",
    ]);
    // A write that was never sent did not happen, and says so.
    const write = await own.client.post(`${there("gone-1")}/restart`, {});
    expect([write.status, write.body.message]).toEqual([503, expect.stringContaining("lizardcd-agent.*.gone-1")]);
  });

  test("the CLI ends with one number per kind of failure", async () => {
    const reader = await newCli();
    const { username, password } = await readonlyUser(server);
    expect((await reader(["login", server.url, "-u", username, "--password-stdin"], password)).code).toBe(0);
    server.announce("gone-2", "127.0.0.1:1");
    const at = ["-c", cluster, "-n", namespace];
    const cases: [what: Cli, words: string[], code: number, says: string][] = [
      [cli, ["get", "workload", "by-cli", ...at], 0, ""],
      [cli, ["get", "workload", "by-cli", "-c", cluster], 2, "--namespace"],
      [cli, ["scale", "by-cli", "--replicas", "-4", ...at], 2, "--replicas"],
      [cli, ["get", "workload", "by-cli", ...at, "--token", "nonsense"], 3, "lizardcd login"],
      [reader, ["restart", "by-cli", ...at], 4, "reader"],
      [cli, ["restart", "no-such", ...at], 5, "no-such"],
      [cli, ["restart", "web", "-c", "nowhere-1", "-n", "shop"], 5, "nowhere-1"],
      [cli, ["restart", "web", "-c", "gone-2", "-n", "shop"], 6, "lizardcd-agent.*.gone-2"],
      [cli, ["get", "clusters", "--server", "http://127.0.0.1:1"], 6, "127.0.0.1:1"],
    ];
    for (const [run, words, code, says] of cases) {
      const { code: got, out, err } = await run(words);
      expect([words.join(" "), got, err]).toEqual([words.join(" "), code, expect.stringContaining(says)]);
      if (code !== 0) expect(out).toBe("");
    }
    // Lists say what they know, and that it is not all.
    const { code, out, err } = await cli(["get", "workloads"]);
    expect([code, err]).toEqual([6, expect.stringContaining("gone-2")]);
    expect(out).toContain("by-cli");
  });

  test("who may only look is refused in the server, and nothing reaches the cluster", async () => {
    const { client } = await readonlyUser(server, "looker");
    const before = await seen("by-page");
    await refusedEverywhere(client, path("by-page"));
    expect((await seen("by-page")).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  });

  async function refusedEverywhere(client: Client, at: string) {
    for (const [verb, body] of [
      ["restart", {}],
      ["scale", { replicas: 0 }],
      ["image", { image: "a:1" }],
    ] as const) {
      const { status, body: answer } = await client.post(`${at}/${verb}`, body);
      expect([verb, status, answer.code]).toEqual([verb, 403, "permission.denied"]);
    }
  }
});

function deployment(namespace: string, name: string) {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "web", image: `${repository}:1.0.0` }], terminationGracePeriodSeconds: 0 },
      },
    },
  };
}

function autoscaler(namespace: string, name: string) {
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: `${name}-hpa`, namespace },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
      minReplicas: 2,
      maxReplicas: 9,
      metrics: [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
      ],
    },
  };
}
