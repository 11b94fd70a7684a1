// The agent's answers over gRPC, against a simulated cluster: what a real one is too slow or too well for.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { definitionOf, stub } from "../../src/contract/grpc.ts";
import { overGrpc } from "../../src/contract/grpc-channel.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection, type ServerReflectionResponse } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { SummaryResponseSchema } from "../../src/gen/lizardcd/v1/agent_pb.ts";
import type { WorkloadEvent } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/cluster.ts";
import { many, type Seed } from "../../src/sandbox/seeds.ts";
import { eventually } from "../harness.ts";
import { until } from "../testbed/wait.ts";
import { failureOf, kubeFromFile, startTestAgent, type TestAgent } from "./agent.ts";

const folder = mkdtempSync(join(tmpdir(), "lizardcd-agent-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Bed extends TestAgent {
  sandbox: Sandbox;
}

async function bedOf(seed: Seed, options: { namespaces?: string[]; watchPeriodSeconds?: number } = {}): Promise<Bed> {
  const sandbox = await startSandbox({ name: "sim", seed, namespaces: options.namespaces });
  const path = join(folder, crypto.randomUUID());
  writeFileSync(path, sandbox.kubeconfig(), { mode: 0o600 });
  const agent = await startTestAgent({
    kube: await kubeFromFile(path),
    watchPeriodSeconds: options.watchPeriodSeconds,
    candidates: options.namespaces,
  });
  return {
    ...agent,
    sandbox,
    async stop() {
      await agent.stop();
      await sandbox.stop();
    },
  };
}

describe("an agent of a small cluster", () => {
  let bed: Bed;
  const shop = { cluster: "test", namespace: "shop", resource: "deployments" };
  beforeAll(async () => {
    bed = await bedOf({
      namespaces: ["shop", "bank"],
      settled: [
        deployment("shop", "web", { tier: "front" }),
        deployment("shop", "cart", { tier: "back" }),
        deployment("bank", "web", { tier: "back" }),
        deployment("shop", "scaled", {}),
        deployment("shop", "two", {}, [
          { name: "app", image: "registry.test/app:1" },
          { name: "side", image: "registry.test/side:1" },
        ]),
        { ...deployment("shop", "agents", {}, undefined, "DaemonSet") },
      ],
    });
    bed.sandbox.apply({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "scaled-by-load", namespace: "shop" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "scaled" },
        minReplicas: 2,
        maxReplicas: 9,
      },
    });
  });
  afterAll(() => bed?.stop());

  const names = async (wanted: object) => {
    const { items } = await bed.peers.workload.list({
      cluster: "test",
      namespace: "*",
      resource: "workloads",
      ...wanted,
    });
    return items.map(({ namespace, name }) => `${namespace}/${name}`);
  };

  test("says that its cluster is simulated", () => {
    expect(bed.agent.info).toMatchObject({ simulated: true, scope: ["*"], cluster: "test" });
  });

  test("lists by namespace, kind, label, text and state", async () => {
    expect(await names({ namespace: "bank" })).toEqual(["bank/web"]);
    expect(await names({ resource: "daemonsets" })).toEqual(["shop/agents"]);
    expect(await names({ labelSelector: "tier=back" })).toEqual(["bank/web", "shop/cart"]);
    expect(await names({ labelSelector: "tier in (front,back),app!=web" })).toEqual(["shop/cart"]);
    expect(await names({ name: "side:1" })).toEqual(["shop/two"]);
    expect(await names({ name: "BANK" })).toEqual(["bank/web"]);
    expect(await names({ state: ["failed"] })).toEqual([]);
  });

  test("lists page by page, in the order asked for, and counts all that match", async () => {
    const seen: string[] = [];
    let next = "";
    do {
      const page = await bed.peers.workload.list({
        ...{ cluster: "test", namespace: "*", resource: "workloads", sort: "name", limit: 2 },
        continue: next,
      });
      expect(page.total).toBe(6);
      expect(page.states).toEqual({ ok: 6 });
      seen.push(...page.items.map(({ name, namespace }) => `${name}/${namespace}`));
      next = page.continue;
    } while (next);
    expect(seen).toEqual([...seen].sort());
    expect(seen).toHaveLength(6);
  });

  test("refuses a continue value and a selector that it did not make", async () => {
    expect(await failureOf(names({ continue: "bm9uc2Vuc2U" }))).toMatchObject({ code: "continue.invalid" });
    expect(await failureOf(names({ labelSelector: "a in b" }))).toMatchObject({ code: "selector.invalid" });
    expect(await failureOf(names({ namespace: "Not A Name" }))).toMatchObject({ code: "request.invalid" });
  });

  test("counts the workloads of each namespace", async () => {
    const { items } = await bed.peers.namespace.list({ cluster: "test" });
    expect(items.find(({ name }) => name === "shop")).toMatchObject({ phase: "Active", workloads: 5 });
    expect(items.find(({ name }) => name === "kube-public")).toMatchObject({ phase: "Active", workloads: 0 });
  });

  test("reads one workload with its pods, revisions, strategy and events", async () => {
    const found = await bed.peers.workload.get({ ...shop, name: "web" });
    expect(found.pods).toHaveLength(2);
    for (const { ip, containers } of found.pods) {
      expect(ip).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
      expect(containers).toMatchObject([{ init: false, state: "running", ready: true, restarts: 0, reason: "" }]);
    }
    expect(found.pods.every(({ state, updated }) => state === "ok" && updated)).toBe(true);
    expect(found.revisions).toMatchObject([{ current: true, pods: 2, ready: 2, desired: 2 }]);
    expect(found.strategy).toStartWith("RollingUpdate");
    expect(found.labels).toMatchObject({ tier: "front" });
    const scaled = await bed.peers.workload.get({ ...shop, name: "scaled" });
    expect(scaled.autoscaler).toMatchObject({ name: "scaled-by-load", min: 2, max: 9 });
  });

  test("says what is not there", async () => {
    const asked = bed.peers.workload.get({ ...shop, name: "nowhere" });
    expect(await failureOf(asked)).toMatchObject({
      code: "workload.not_found",
      message: "Deployment nowhere not found in test/shop",
    });
  });

  test("a restart sets the annotation, and the actor is kept", async () => {
    const answered = await bed.peers.workload.restart({ ...shop, name: "web" }, { actor: "ada" });
    expect(answered.row?.state).toBe("run");
    expect(answered.changes).toMatchObject([
      { path: "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]", before: "" },
    ]);
    expect(answered.changedBy).toBe("lizardcd (ada)");
    const template = bed.sandbox.get("Deployment", "shop", "web")!.spec.template;
    expect(`"${template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]}"`).toBe(answered.changes[0]!.after);
    await rests("web");
  });

  test("a restart of what is paused is refused", async () => {
    bed.sandbox.apply({
      ...deployment("shop", "paused", {}),
      spec: { ...deployment("shop", "paused", {}).spec, paused: true },
    });
    const asked = bed.peers.workload.restart({ ...shop, name: "paused" });
    expect(String(await failureOf(asked))).toContain("paused");
    expect(bed.sandbox.get("Deployment", "shop", "paused")!.spec.template.metadata.annotations).toBeUndefined();
  });

  test("scaling changes the replicas, and is refused where they are not ours", async () => {
    const answered = await bed.peers.workload.scale({ ...shop, name: "cart", replicas: 3 });
    expect(answered.changes).toMatchObject([{ path: "spec.replicas", before: "2", after: "3" }]);
    await rests("cart");
    const owned = bed.peers.workload.scale({ ...shop, name: "scaled", replicas: 3 });
    expect(await failureOf(owned)).toMatchObject({
      code: "scale.autoscaled",
      params: { autoscaler: "scaled-by-load", min: "2", max: "9" },
    });
    const daemons = bed.peers.workload.scale({ ...shop, resource: "daemonsets", name: "agents", replicas: 3 });
    expect(await failureOf(daemons)).toMatchObject({ code: "scale.no_replicas" });
    expect(await failureOf(bed.peers.workload.scale({ ...shop, name: "cart", replicas: -1 }))).toMatchObject({
      code: "request.invalid",
    });
  });

  test("scaling to none is zero, not a failure", async () => {
    await bed.peers.workload.scale({ ...shop, name: "cart", replicas: 0 });
    await until(async () => (await rowOf("cart")).state === "zero", { what: "cart to be zero" });
  });

  test("an image is set by container, dry first, and only where it is the one expected", async () => {
    const wanted = { ...shop, name: "two", container: "side", image: "registry.test/side:2" };
    const change = {
      path: "spec.template.spec.containers[side].image",
      before: '"registry.test/side:1"',
      after: '"registry.test/side:2"',
    };
    const dry = await bed.peers.workload.setImage({ ...wanted, dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, changes: [change], row: { state: "ok" } });
    expect(bed.sandbox.get("Deployment", "shop", "two")!.metadata.generation).toBe(1);
    const other = bed.peers.workload.setImage({ ...wanted, expect: "registry.test/side:0" });
    expect(await failureOf(other)).toMatchObject({ code: "image.changed", params: { actual: "registry.test/side:1" } });
    const set = await bed.peers.workload.setImage({ ...wanted, expect: "registry.test/side:1" });
    expect(set).toMatchObject({ dryRun: false, changes: [change] });
    const nameless = bed.peers.workload.setImage({ ...shop, name: "two", image: "a:1" });
    expect(await failureOf(nameless)).toMatchObject({
      code: "container.ambiguous",
      params: { containers: "app, side" },
    });
    const unknown = bed.peers.workload.setImage({ ...wanted, container: "sidecar" });
    expect(await failureOf(unknown)).toMatchObject({ code: "container.not_found" });
    await rests("two");
  });

  test("of ten who set an image that they expect, one does", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        bed.peers.workload
          .setImage({ ...shop, name: "web", image: `registry.test/app:race-${index}`, expect: "registry.test/app:1" })
          .then(
            () => "set",
            (failed) => failed.code,
          ),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === "set")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "image.changed")).toHaveLength(9);
    await rests("web");
  });

  test("a rollout that fails keeps what serves, and both revisions are shown", async () => {
    await bed.peers.workload.setImage({
      cluster: "test",
      namespace: "bank",
      resource: "deployments",
      name: "web",
      image: "registry.test/app:crash",
    });
    await until(
      async () => {
        const row = await rowOf("web", "bank");
        return row.state === "degraded" && row.reason?.code === "container.crash_loop";
      },
      { what: "bank/web to be degraded" },
    );
    const found = await bed.peers.workload.get({
      cluster: "test",
      namespace: "bank",
      resource: "deployments",
      name: "web",
    });
    expect(found.revisions.map(({ current }) => current)).toEqual([true, false]);
    expect(found.pods.find(({ updated }) => updated)?.reason?.params.line).not.toBe("(none)");
    expect(found.events.length).toBeGreaterThan(0);
  });

  test("a watch yields the whole set, then synced, then changes, removals and heartbeats", async () => {
    const stopping = new AbortController();
    const events: WorkloadEvent["event"][] = [];
    const reading = (async () => {
      const wanted = { cluster: "test", namespace: "*", resource: "deployments", labelSelector: "app in (cart,fresh)" };
      for await (const { event } of bed.peers.workload.watch(wanted, { signal: stopping.signal })) events.push(event);
    })().catch(() => "cut");
    await until(() => events.some((event) => event.case === "synced"), { what: "the set to be whole" });
    expect(events.map((event) => event.case)).toEqual(["upsert", "synced"]);
    bed.sandbox.apply(deployment("shop", "fresh", {}));
    const last = () => events.findLast((event) => event.case === "upsert")?.value;
    await until(() => last()?.name === "fresh" && last()?.state === "ok", { what: "fresh to be told" });
    bed.sandbox.apply(deployment("shop", "fresh", { app: "other" }));
    await until(() => events.findLast(({ case: kind }) => kind === "removed")?.value, {
      what: "fresh to be taken away",
    });
    await until(() => events.filter((event) => event.case === "synced").length > 1, { what: "a heartbeat" });
    stopping.abort();
    await reading;
  });

  async function rowOf(name: string, namespace = "shop") {
    const { items } = await bed.peers.workload.list({ cluster: "test", namespace, resource: "deployments", name });
    return items.find((row) => row.name === name)!;
  }

  const rests = (name: string) => until(async () => (await rowOf(name)).state === "ok", { what: `${name} to rest` });
});

describe("an agent whose cluster is not well itself", () => {
  let bed: Bed;
  afterEach(() => bed?.stop());

  const all = { cluster: "test", namespace: "*", resource: "workloads" };
  const one = { cluster: "test", namespace: "shop", resource: "deployments", name: "web" };

  test("goes on after its watches have expired, in either way an API server says it", async () => {
    bed = await bedOf({ namespaces: ["shop"], settled: [deployment("shop", "web", {})] });
    for (const way of ["event", "http"] as const) {
      bed.sandbox.expireWatches(way);
      bed.sandbox.apply(deployment("shop", `after-${way}`, {}));
      await until(async () => (await bed.peers.workload.list({ ...all, name: `after-${way}` })).total === 1, {
        what: `the workload made after the watches expired by ${way}`,
      });
    }
    expect((await bed.peers.workload.list(all)).total).toBe(3);
  });

  test("forgets what was deleted while it could not look", async () => {
    bed = await bedOf({
      namespaces: ["shop"],
      settled: [deployment("shop", "web", {}), deployment("shop", "gone", {})],
    });
    expect((await bed.peers.workload.list(all)).total).toBe(2);
    bed.sandbox.down();
    await bed.sandbox.up();
    await fetch(`${bed.sandbox.url}/apis/apps/v1/namespaces/shop/deployments/gone`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${bed.sandbox.adminToken}` },
    });
    bed.sandbox.expireWatches();
    await until(async () => (await bed.peers.workload.list(all)).total === 1, { what: "the deleted one to go" });
  });

  test("keeps its rows while the API server is away, says how old they are, and why", async () => {
    bed = await bedOf({ namespaces: ["shop"], settled: [deployment("shop", "web", {})] });
    await bed.peers.workload.list(all);
    bed.sandbox.down();
    const late = await until(
      async () => {
        const summary = await bed.peers.agent.summary({ cluster: "test" });
        return summary.failure !== undefined && summary;
      },
      { what: "the summary to say that the API server is away" },
    );
    expect(late).toMatchObject({ synced: true, workloads: 1, failure: { code: "cluster.unreachable" } });
    expect((await bed.peers.workload.list(all)).items).toHaveLength(1);
    expect(await failureOf(bed.peers.workload.get(one))).toMatchObject({ code: "cluster.unreachable" });
    // Nothing was sent: whoever asked may ask again.
    expect(await failureOf(bed.peers.workload.restart(one))).toMatchObject({ code: "cluster.unreachable" });
    await bed.sandbox.up();
    await until(async () => !(await bed.peers.agent.summary({ cluster: "test" })).failure, { what: "it to recover" });
    expect((await bed.peers.workload.get(one)).row?.name).toBe("web");
  });

  test("an API server that hangs makes the age grow", async () => {
    bed = await bedOf({ namespaces: ["shop"], settled: [deployment("shop", "web", {})] }, { watchPeriodSeconds: 1 });
    await bed.peers.workload.list(all);
    bed.sandbox.fault({ hang: true });
    await until(async () => (await bed.peers.workload.list(all)).ageMs > 6_000, { what: "the age to grow" });
    bed.sandbox.fault({});
    await until(async () => (await bed.peers.workload.list(all)).ageMs < 3_000, { what: "the age to be small again" });
  }, 60_000);

  test("a write that gets no answer is not said to have failed", async () => {
    bed = await bedOf({ namespaces: ["shop"], settled: [deployment("shop", "web", {})] });
    bed.sandbox.fault({ hang: true, match: "^PATCH " });
    expect(await failureOf(bed.peers.workload.restart(one))).toMatchObject({ code: "request.outcome_unknown" });
  }, 30_000);

  test("is patient once or twice where the API server asks for it", async () => {
    bed = await bedOf({ namespaces: ["shop"], settled: [deployment("shop", "web", {})] });
    bed.sandbox.fault({ status: 429, match: "^GET .*/deployments/web", times: 1 });
    expect((await bed.peers.workload.get(one)).row?.name).toBe("web");
    bed.sandbox.fault({ status: 429, match: "^GET .*/deployments/web" });
    expect(await failureOf(bed.peers.workload.get(one))).toMatchObject({ code: "cluster.overloaded" });
  }, 30_000);

  test("may read some namespaces only: the others do not exist for it", async () => {
    const settled = ["shop", "bank", "yard"].map((namespace) => deployment(namespace, "web", {}));
    bed = await bedOf({ namespaces: ["shop", "bank", "yard"], settled }, { namespaces: ["shop", "bank"] });
    expect(bed.agent.info.keys).toEqual(["lizardcd-agent.bank.test", "lizardcd-agent.shop.test"]);
    expect((await bed.peers.workload.list(all)).total).toBe(2);
    expect(await failureOf(bed.peers.workload.get({ ...one, namespace: "yard" }))).toMatchObject({
      code: "namespace.out_of_scope",
    });
  });
});

describe("an agent of a hundred namespaces that may not read the whole cluster", () => {
  test("serves them all, though they are more than it can watch at once", async () => {
    const seed = many(100, { pods: false, perNamespace: 1 });
    const bed = await bedOf(seed, { namespaces: seed.namespaces, watchPeriodSeconds: 1 });
    try {
      const wanted = { cluster: "test", namespace: "*", resource: "workloads" };
      expect((await bed.peers.workload.list(wanted)).total).toBe(100);
      const [last] = seed.namespaces.slice(-1);
      bed.sandbox.apply(deployment(last!, "fresh", {}, undefined, "DaemonSet"));
      const found = async () => (await bed.peers.workload.list({ ...wanted, name: "fresh" })).total === 1;
      await until(found, { what: "a new workload in the last namespace", timeout: 60_000 });
      const read = { cluster: "test", namespace: last!, resource: "deployments", name: "app-00099" };
      expect((await bed.peers.workload.get(read)).row?.name).toBe("app-00099");
    } finally {
      await bed.stop();
    }
  });
});

describe("an agent of a thousand workloads", () => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await bedOf(many(1_000, { pods: false }));
  });
  afterAll(() => bed?.stop());

  test("answers them in one call", async () => {
    const { items, total } = await bed.peers.workload.list({
      cluster: "test",
      namespace: "*",
      resource: "deployments",
      limit: 5_000,
    });
    expect(total).toBeGreaterThanOrEqual(1_000);
    expect(items).toHaveLength(total);
  });

  test("a reader that does not read delays nobody", async () => {
    const wanted = { cluster: "test", namespace: "*", resource: "workloads" };
    const slow = bed.peers.workload.watch(wanted)[Symbol.asyncIterator]();
    await slow.next();
    const stored = bed.sandbox.get("Deployment", ...firstOf(bed))!;
    const changed = { apiVersion: "apps/v1", kind: "Deployment", metadata: stored.metadata, spec: stored.spec };
    for (let index = 0; index < 50; index++) {
      bed.sandbox.apply({
        ...changed,
        metadata: { ...changed.metadata, resourceVersion: undefined, labels: { round: `${index}` } },
      });
    }
    const { items } = await bed.peers.workload.list({ ...wanted, limit: 1 });
    expect(items).toHaveLength(1);
    // The agent's own watch brings the last change a moment after it was made.
    const last = { ...wanted, labelSelector: "round=49", limit: 1 };
    await eventually(
      () => bed.peers.workload.list(last),
      ({ total }) => total === 1,
    );
    const rounds = new Set<string>();
    for await (const { event } of bed.peers.workload.watch({ ...wanted, labelSelector: "round=49" })) {
      if (event.case === "upsert") rounds.add(event.value.name);
      if (event.case === "synced") break;
    }
    expect(rounds).toEqual(new Set([changed.metadata.name]));
    await slow.return?.(undefined);
  });

  test("its summary is small", async () => {
    const summary = await bed.peers.agent.summary({ cluster: "test" });
    expect(summary.workloads).toBeGreaterThanOrEqual(1_000);
    expect(toBinary(SummaryResponseSchema, summary).length).toBeLessThanOrEqual(2_048);
  });
});

describe("an agent's server", () => {
  test("answers the health service and reflection, and ends its streams when it stops", async () => {
    const bed = await bedOf({ namespaces: ["shop"], settled: [deployment("shop", "web", {})] });
    const health = stub(overGrpc(bed.client), Health);
    expect(await health.check({})).toMatchObject({ status: Status.SERVING });
    expect(await health.check({ service: "lizardcd.v1.WorkloadService" })).toMatchObject({ status: Status.SERVING });
    expect(await failureOf(health.check({ service: "nothing" }))).toMatchObject({ grpc: grpc.status.NOT_FOUND });

    const services = await reflect(bed.client, { case: "listServices", value: "" });
    expect(services.case === "listServicesResponse" && services.value.service.map(({ name }) => name)).toContain(
      "lizardcd.v1.WorkloadService",
    );
    const file = await reflect(bed.client, { case: "fileContainingSymbol", value: "lizardcd.v1.WorkloadService" });
    expect(file.case === "fileDescriptorResponse" && file.value.fileDescriptorProto.length).toBeGreaterThan(3);
    const unknown = await reflect(bed.client, { case: "fileContainingSymbol", value: "nothing.Nowhere" });
    expect(unknown.case).toBe("errorResponse");

    let ended = false;
    const reading = (async () => {
      for await (const _ of bed.peers.workload.watch({ cluster: "test", namespace: "*", resource: "workloads" }));
      ended = true;
    })();
    await Bun.sleep(200);
    await bed.agent.stop();
    await reading;
    expect(ended).toBe(true);
    await bed.sandbox.stop();
  });

  test("withdraws before it ends", async () => {
    const bed = await bedOf({ namespaces: [] });
    const source = bed.registry.source();
    const stopping = new AbortController();
    const keys = new Set<string>();
    const following = (async () => {
      for await (const change of source.watch(stopping.signal)) {
        if (change.type === "set") for (const { key } of change.entries) keys.add(key);
        if (change.type === "removed") keys.delete(change.key);
      }
    })();
    await until(() => keys.size === 1, { what: "the agent to be announced" });
    await bed.stop();
    await until(() => keys.size === 0, { what: "the agent to be withdrawn" });
    stopping.abort();
    await following;
  });

  test("says which address is taken", async () => {
    const bed = await bedOf({ namespaces: [] });
    const again = startTestAgent({ kube: bed.agent.cluster.kube, listen: bed.agent.address });
    expect(String(await failureOf(again))).toContain(`--grpc-addr ${bed.agent.address} is in use by another program`);
    await bed.stop();
  });
});

function reflect(
  client: grpc.Client,
  question: { case: string; value: string },
): Promise<ServerReflectionResponse["messageResponse"]> {
  const { path, requestSerialize, responseDeserialize } = definitionOf(ServerReflection).serverReflectionInfo!;
  const wire = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  return new Promise((resolve, reject) => {
    wire.on("error", reject);
    wire.on("data", (answer: ServerReflectionResponse) => {
      resolve(answer.messageResponse);
      wire.end();
    });
    wire.write({ $typeName: "grpc.reflection.v1.ServerReflectionRequest", host: "", messageRequest: question });
  });
}

function firstOf(bed: Bed): [string, string] {
  const row = [...bed.agent.cluster.store.rows()].find(({ resource }) => resource === "deployments")!;
  return [row.namespace, row.name];
}

function deployment(
  namespace: string,
  name: string,
  labels: Record<string, string>,
  containers = [{ name: "app", image: "registry.test/app:1" }],
  kind = "Deployment",
) {
  const own = { app: name };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace, labels: { ...own, ...labels } },
    spec: {
      ...(kind === "DaemonSet" ? {} : { replicas: 2 }),
      selector: { matchLabels: own },
      template: { metadata: { labels: own }, spec: { containers } },
    },
  };
}
