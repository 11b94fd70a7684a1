// Every number that is shown of a cluster, held against kubectl's, whatever its agents divide among them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type AgentOptions, startAgent } from "../../src/agent/server.ts";
import type { Announcer } from "../../src/discovery/discovery.ts";
import { memoryRegistry } from "../../src/discovery/memory.ts";
import { announceToServer } from "../../src/discovery/server.ts";
import { log } from "../../src/process/log.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import type { KubeObject, RealCluster } from "../testbed/cluster.ts";
import { startCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { kubeFromFile } from "./agent.ts";
import { type Cli, newCli } from "./world.ts";

interface Numbers {
  workloads: number;
  /** That do not have all their pods. */
  bad: number;
  podsDesired: number;
  podsReady: number;
  /** With workloads in them. */
  namespaces: number;
}

interface Workload extends KubeObject {
  spec: { replicas?: number };
  status: { readyReplicas?: number; numberReady?: number; desiredNumberScheduled?: number };
}

const cliFromSource = [process.execPath, join(import.meta.dir, "../../src/cli/main.ts")];

describePart("kubernetes", "numbers, beside kubectl's", () => {
  let real: RealCluster;
  let [a, b, c] = ["", "", ""];
  let server: TestServer;
  let cli: Cli;
  const second = memoryRegistry({ name: "second" });
  /** By cluster, the namespaces that its agents serve; undefined for all. */
  const scopes = new Map<string, string[] | undefined>();
  const agents = new Map<string, number>();

  beforeAll(async () => {
    // What other tests leave behind would be counted too, and goes on moving.
    real = await startCluster({ name: "numbers", nodes: 1 });
    onEnd(() => real.stop());
    [a, b, c] = [await real.namespace(), await real.namespace(), await real.namespace()];
    await real.apply([
      ...[a, b, c].flatMap((namespace, n) =>
        Array.from({ length: 3 + n }, (_, i) => workload("Deployment", namespace, `web-${i}`, i + 1)),
      ),
      workload("StatefulSet", a, "db", 2),
      workload("DaemonSet", b, "log"),
      workload("Deployment", b, "broken", 2, "missing"),
      workload("Deployment", c, "none", 0),
    ]);
    const first = memoryRegistry();
    server = await startTestServer({ sources: [first.source(), second.source()] });
    const both = inBoth(first.announcer(), second.announcer());
    const told = () => announceToServer({ server: server.url, joinToken: server.joinToken });
    const one = first.announcer();
    const world: [string, string[] | undefined, Announcer][] = [
      ["whole", undefined, one],
      ["two", [a, b], one],
      ["instances", [a, b], told()],
      ["instances", [a, b], told()],
      ["star-and-one", undefined, one],
      ["star-and-one", [a], one],
      ["sharing", [a, b], one],
      ["sharing", [b, c], one],
      ["registries", [a, c], both],
      ["each-registry", [a, b], one],
      ["each-registry", [a, b], second.announcer()],
    ];
    for (const [cluster, only, announcer] of world) {
      await agentOn(cluster, { only, announcer });
      const known = scopes.has(cluster) ? scopes.get(cluster) : [];
      scopes.set(cluster, known && only && [...new Set([...known, ...only])].sort());
      agents.set(cluster, (agents.get(cluster) ?? 0) + 1);
    }
    cli = await newCli(cliFromSource);
    await cli(["login", server.url, "--username", "admin", "--password-stdin"], server.password);
    // Controllers and diagnosis have come to rest: what is broken is said to be.
    await eventually(
      async () => [await judged(undefined), (await server.client.get("/fleet")).body] as const,
      ([kubectl, fleet]) => kubectl.bad === 1 && fleet.answering === 7 && fleet.clusters.every(isSettled),
      60_000,
    );
  }, 180_000);
  afterAll(endAll);

  async function agentOn(cluster: string, options: Pick<AgentOptions, "only" | "announcer">) {
    const agent = await startAgent({
      kube: await kubeFromFile(real.kubeconfig("token")),
      cluster,
      prefix: "",
      listen: "127.0.0.1:0",
      labels: {},
      log: log("agent"),
      ...options,
    });
    onEnd(() => agent.stop());
    return agent;
  }

  /** What kubectl says of these namespaces. */
  async function judged(namespaces: readonly string[] | undefined): Promise<Numbers> {
    const { items } = JSON.parse(
      await real.kubectl("get", "deployments,statefulsets,daemonsets", "-A", "-o", "json"),
    ) as { items: Workload[] };
    const own = items.filter(({ metadata }) => !namespaces || namespaces.includes(metadata.namespace!));
    const desired = ({ spec, status }: Workload) => status.desiredNumberScheduled ?? spec.replicas ?? 1;
    const ready = ({ status }: Workload) => status.numberReady ?? status.readyReplicas ?? 0;
    const sum = (of: (one: Workload) => number) => own.reduce((total, one) => total + of(one), 0);
    return {
      workloads: own.length,
      bad: own.filter((one) => ready(one) < desired(one)).length,
      podsDesired: sum(desired),
      podsReady: sum(ready),
      namespaces: new Set(own.map(({ metadata }) => metadata.namespace)).size,
    };
  }

  const isSettled = ({ states = {}, workloads }: { states?: Record<string, number>; workloads: number }) =>
    workloads > 0 && !states.run;
  const badOf = (states: Record<string, number>) => (states.failed ?? 0) + (states.degraded ?? 0);
  const sumOf = (states: Record<string, number>) => Object.values(states).reduce((sum, n) => sum + n, 0);

  test("the list of clusters counts each workload, pod and agent once", async () => {
    const { body } = await server.client.get("/fleet");
    const all = { workloads: 0, pods: 0, bad: 0 };
    for (const row of body.clusters) {
      const kubectl = await judged(scopes.get(row.name));
      const { name, workloads, podsDesired, podsReady, states, agents: n, agentsAnswering } = row;
      expect({ name, workloads, podsDesired, podsReady, bad: badOf(states), all: sumOf(states) }).toEqual({
        name,
        workloads: kubectl.workloads,
        podsDesired: kubectl.podsDesired,
        podsReady: kubectl.podsReady,
        bad: kubectl.bad,
        all: kubectl.workloads,
      });
      expect([name, n, agentsAnswering]).toEqual([name, agents.get(name)!, agents.get(name)!]);
      expect([name, row.scope]).toEqual([name, scopes.get(name) ?? (name === "whole" ? ["*"] : row.scope)]);
      all.workloads += kubectl.workloads;
      all.pods += kubectl.podsReady;
      all.bad += kubectl.bad;
    }
    expect([body.total, body.answering]).toEqual([scopes.size, scopes.size]);
    expect([body.workloads, body.pods, body.needs]).toEqual([all.workloads, all.pods, all.bad]);
    expect([sumOf(body.workloadStates), badOf(body.workloadStates)]).toEqual([all.workloads, all.bad]);
    // What needs somebody stands there once for each cluster.
    const named = body.attention.map(({ cluster, trouble }: { cluster: string; trouble: { name: string } }) => [
      cluster,
      trouble.name,
    ]);
    expect(new Set(named.map(String)).size).toBe(named.length);
    expect(named).toHaveLength(all.bad);
  });

  test.each(["whole", "two", "instances", "star-and-one", "sharing", "registries", "each-registry"])(
    "of %s, each page of JSON says the same",
    async (cluster) => {
      const kubectl = await judged(scopes.get(cluster));
      const { body: summary } = await server.client.get(`/clusters/${cluster}/summary`);
      const { workloads, namespaces, podsDesired, podsReady, states } = summary;
      expect({ workloads, namespaces, podsDesired, podsReady, bad: badOf(states) }).toEqual(kubectl);
      expect(sumOf(states)).toBe(kubectl.workloads);
      const broken = summary.worst.map(({ name }: { name: string }) => name);
      expect(broken).toEqual(kubectl.bad > 0 ? ["broken"] : []);

      const one = (await server.client.get(`/clusters/${cluster}/summary?namespace=${a}`)).body;
      expect(one.workloads).toBe((await judged([a])).workloads);

      const { body: list } = await server.client.get(`/workloads?cluster=${cluster}&limit=1000`);
      const rows = list.items.map(
        ({ row }: { row: { namespace: string; resource: string; name: string } }) =>
          `${row.namespace}/${row.resource}/${row.name}`,
      );
      expect(new Set(rows).size).toBe(rows.length);
      expect([rows.length, list.total, sumOf(list.states), badOf(list.states)]).toEqual([
        kubectl.workloads,
        kubectl.workloads,
        kubectl.workloads,
        kubectl.bad,
      ]);

      const { body: spaces } = await server.client.get(`/clusters/${cluster}/namespaces`);
      const whole = scopes.get(cluster) ?? (await real.kubectl("get", "namespaces", "-o", "name")).trim().split("\n");
      expect(spaces.items).toHaveLength(whole.length);
      const counted = spaces.items.map(({ workloads: n }: { workloads: number }) => n);
      expect(counted.reduce((sum: number, n: number) => sum + n, 0)).toBe(kubectl.workloads);
    },
  );

  test("tiles, headline and badge of the fleet's page say the same", async () => {
    const page = (await server.client.page("/fleet")).body as string;
    const text = (markup: string) => markup.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
    let [workloads, pods, bad] = [0, 0, 0];
    for (const [cluster, namespaces] of scopes) {
      const kubectl = await judged(namespaces);
      const tile = text(new RegExp(`<li id="[^"]*" data-c="${cluster}">.*?</li>`, "s").exec(page)![0]);
      expect(tile).toContain(` ${kubectl.workloads - kubectl.bad}/${kubectl.workloads} `);
      expect(tile).toContain(` ${agents.get(cluster)}/${agents.get(cluster)} `);
      workloads += kubectl.workloads;
      pods += kubectl.podsReady;
      bad += kubectl.bad;
    }
    const head = text(/<div id="fleet-head".*?<\/div>/s.exec(page)![0]);
    expect(head).toContain(`All ${scopes.size} clusters answer. ${bad} items need you.`);
    expect(head).toContain(`${workloads} workloads · ${pods} pods`);
    expect(text(/<section id="attention".*?<\/header>/s.exec(page)![0])).toContain(`Needs attention ${bad} `);
  });

  test("get clusters, describe cluster and get workloads say the same", async () => {
    const { out: table } = await cli(["get", "clusters", "-o", "wide"]);
    for (const [cluster, namespaces] of scopes) {
      const kubectl = await judged(namespaces);
      const { workloads, podsReady, podsDesired } = kubectl;
      const line = table.split("\n").find((one) => one.startsWith(`${cluster} `))!;
      expect(line).toMatch(
        new RegExp(`\\s${workloads}( \\(${kubectl.bad} degraded\\))?\\s+${podsReady}/${podsDesired}\\s`),
      );
      expect(line).toContain(` ${agents.get(cluster)}/${agents.get(cluster)} `);
      const { out: facts } = await cli(["describe", "cluster", cluster]);
      expect(facts).toMatch(new RegExp(`Workloads +${workloads} \\(`));
      expect(facts).toMatch(new RegExp(`Pods +${podsReady}/${podsDesired}\n`));
      const { out: json } = await cli(["get", "workloads", "-c", cluster, "-o", "json"]);
      expect(JSON.parse(json).items).toHaveLength(workloads);
    }
  });

  describe("an agent whose rights change", () => {
    test("from the whole cluster to one namespace leaves a cluster that answers, with that namespace's numbers", async () => {
      const home = await real.namespace();
      const rules = [
        {
          apiGroups: ["apps"],
          resources: ["deployments", "statefulsets", "daemonsets"],
          verbs: ["get", "list", "watch"],
        },
        { apiGroups: [""], resources: ["pods", "events"], verbs: ["get", "list"] },
      ];
      const account = await real.serviceAccount(home, "agent", { in: "cluster", rules });
      const kubeconfig = real.kubeconfig({ kind: "token", token: account.token });
      const agent = await startAgent({
        kube: await kubeFromFile(kubeconfig),
        cluster: "moving",
        prefix: "",
        listen: "127.0.0.1:0",
        labels: {},
        candidates: [a],
        scopeEvery: 200,
        announcer: announceToServer({ server: server.url, joinToken: server.joinToken }),
        log: log("agent"),
      });
      onEnd(() => agent.stop());
      const rowOf = async () =>
        (await server.client.get("/fleet?q=moving")).body.clusters.find(
          ({ name }: { name: string }) => name === "moving",
        );
      const all = (await judged(undefined)).workloads;
      await eventually(rowOf, (row) => row?.state !== undefined && row.workloads === all);
      await real.apply([
        {
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "RoleBinding",
          metadata: { name: "moving", namespace: a },
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: `${home}-agent` },
          subjects: [{ kind: "ServiceAccount", namespace: home, name: "agent" }],
        },
      ]);
      await real.kubectl("delete", "clusterrolebinding", `${home}-agent`);
      const moved = await eventually(rowOf, (row) => row.keys.length === 1 && row.keys[0].includes(`.${a}.`));
      const { workloads } = await judged([a]);
      const settled = await eventually(rowOf, (row) => row.state === "ok" && row.workloads === workloads);
      expect([moved.scope, settled.scope, settled.agents]).toEqual([expect.anything(), [a], 1]);
    }, 60_000);
  });
});

function inBoth(...announcers: Announcer[]): Announcer {
  return {
    name: "two registries",
    async announce(what, signal, onState) {
      await Promise.all(announcers.map((one) => one.announce(what, signal, onState)));
    },
  };
}

function workload(kind: string, namespace: string, name: string, replicas?: number, tag = "1"): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      ...(kind === "StatefulSet" ? { serviceName: name } : {}),
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image: `registry.test/web:${tag}` }] } },
    },
  };
}
