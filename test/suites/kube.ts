// What every cluster must do for the agent, simulated or real: the agent's own client and handlers against it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { differences } from "../../src/agent/change.ts";
import { kinds, pathOf, type Resource } from "../../src/agent/kind.ts";
import { type Kube, StatusFailed, type WatchEvent } from "../../src/agent/kube.ts";
import type { KubeObject, RawPod, RawWorkload } from "../../src/agent/object.ts";
import { podVerdict } from "../../src/agent/reason.ts";
import { rowOf, Texts } from "../../src/agent/row.ts";
import { selectorText } from "../../src/agent/selector.ts";
import type { Workload } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { failureOf as failed, startTestAgent } from "../e2e/agent.ts";
import { until } from "../testbed/wait.ts";

export interface KubeBed {
  kube: Kube;
  /** Creates or replaces an object as an administrator. */
  apply(object: object): Promise<unknown> | unknown;
  stop?(): Promise<void>;
}

/** An image whose tag begins so does what the testbed's kubelet says: crash, missing, unready, oom, slow. */
const image = (tag: string) => `registry.test/web:${tag}`;

export function kubeSuite(name: string, start: () => Promise<KubeBed>): void {
  describe(`${name} as a cluster`, () => {
    let bed: KubeBed;
    let kube: Kube;
    const namespace = `suite-${crypto.randomUUID().slice(0, 8)}`;
    beforeAll(async () => {
      bed = await start();
      kube = bed.kube;
      await bed.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      await until(() => kube.get(`/api/v1/namespaces/${namespace}`), { what: `namespace ${namespace}` });
    });
    afterAll(async () => {
      kube?.close();
      await bed?.stop?.();
    });

    const read = (resource: Resource, name: string) => kube.get<RawWorkload>(pathOf(resource, namespace, name));
    const stateOf = async (resource: Resource, name: string) => {
      const workload = await read(resource, name);
      return rowOf(resource, workload, new Texts(), { starting: false }).state;
    };
    const reaches = (resource: Resource, name: string, state: string) =>
      until(async () => (await stateOf(resource, name)) === state, { what: `${resource}/${name} to be ${state}` });

    test("says its version", async () => {
      expect((await kube.get<{ gitVersion: string }>("/version")).gitVersion).toMatch(/^v1\.\d+/);
    });

    test("tells the time", () => {
      expect(Math.abs(kube.now() - Date.now())).toBeLessThan(5_000);
    });

    test("says what may be done", async () => {
      const ask = (resource: string) =>
        kube.post<{ status: { allowed: boolean } }>("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: { verb: "list", group: "apps", resource } },
        });
      expect((await ask("deployments")).status.allowed).toBe(true);
      const rules = await kube.post<{ status: { resourceRules: unknown[] } }>(
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace } },
      );
      expect(rules.status.resourceRules.length).toBeGreaterThan(0);
    });

    test.each([
      ["deployments", "Deployment"],
      ["statefulsets", "StatefulSet"],
      ["daemonsets", "DaemonSet"],
    ] as const)("a new one of %s becomes ok", async (resource, kind) => {
      await bed.apply(workload(kind, `new-${resource}`, image("1")));
      await reaches(resource, `new-${resource}`, "ok");
      const found = await read(resource, `new-${resource}`);
      expect(found.status?.observedGeneration).toBe(found.metadata.generation!);
      const { items } = await kube.list<RawPod>(`/api/v1/namespaces/${namespace}/pods`, {
        labelSelector: selectorText(found.spec?.selector),
      });
      const pods = items.filter((pod) => kinds[resource].owns({ name: `new-${resource}` }, pod));
      expect(pods.length).toBe(kinds[resource].progress(found).desired);
      for (const pod of pods) {
        expect(podVerdict(pod, [], kube.now()).state).toBe("ok");
        expect(kinds[resource].revisionOf(`new-${resource}`, pod)).not.toBe("");
      }
    });

    test("lists page by page, each object once", async () => {
      for (let index = 0; index < 5; index++) await bed.apply(workload("Deployment", `page-${index}`, image("1"), 0));
      const path = pathOf("deployments", namespace);
      const names: string[] = [];
      let next: string | undefined;
      let pages = 0;
      do {
        const page = await kube.get<{ metadata: { continue?: string; resourceVersion: string }; items: KubeObject[] }>(
          path,
          {
            limit: 2,
            continue: next,
          },
        );
        expect(page.items.length).toBeLessThanOrEqual(2);
        expect(page.metadata.resourceVersion).toMatch(/^\d+$/);
        names.push(...page.items.map(({ metadata }) => metadata.name));
        next = page.metadata.continue;
        pages++;
      } while (next);
      expect(pages).toBeGreaterThan(2);
      expect(new Set(names).size).toBe(names.length);
      expect(names.filter((name) => name.startsWith("page-"))).toHaveLength(5);
    });

    test("lists by label selector", async () => {
      const { items } = await kube.list<KubeObject>(pathOf("deployments", namespace), {
        labelSelector: "app in (page-1,page-2),!legacy",
      });
      expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(["page-1", "page-2"]);
    });

    test("a watch tells every change after the list it begins at, and ends when it said it would", async () => {
      const path = pathOf("deployments", namespace);
      const { metadata } = await kube.list(path);
      await bed.apply(workload("Deployment", "watched", image("1"), 0));
      const events: WatchEvent<RawWorkload>[] = [];
      const stopping = new AbortController();
      const began = performance.now();
      for await (const event of kube.watch<RawWorkload>(
        path,
        {},
        { resourceVersion: metadata.resourceVersion!, timeoutSeconds: 3, signal: stopping.signal },
      )) {
        events.push(event);
        if (event.type === "ADDED" && event.object.metadata.name === "watched") {
          await kube.patch(pathOf("deployments", namespace, "watched"), { metadata: { labels: { touched: "yes" } } });
        }
      }
      expect(performance.now() - began).toBeGreaterThan(1_000);
      expect(events[0]).toEqual({ type: "OPENED" });
      const own = events.filter((event) => "object" in event && event.object.metadata.name === "watched");
      expect(own[0]?.type).toBe("ADDED");
      expect(own.some((event) => event.type === "MODIFIED" && event.object.metadata.labels?.touched === "yes")).toBe(
        true,
      );
      const versions = events.flatMap((event) =>
        "object" in event ? [Number(event.object.metadata.resourceVersion)] : [],
      );
      expect(versions).toEqual([...versions].sort((a, b) => a - b));
    });

    test("a strategic merge patch finds a container by its name and leaves the rest", async () => {
      await bed.apply({
        ...workload("Deployment", "two", image("1"), 0),
        spec: spec(
          "two",
          [
            { name: "app", image: image("1"), env: [{ name: "A", value: "1" }] },
            { name: "side", image: image("1") },
          ],
          0,
        ),
      });
      const before = await read("deployments", "two");
      const after = await kube.patch<RawWorkload>(
        pathOf("deployments", namespace, "two"),
        { spec: { template: { spec: { containers: [{ name: "side", image: image("2") }] } } } },
        { fieldManager: "lizardcd" },
      );
      expect(differences(before, after)).toEqual([
        { path: "spec.template.spec.containers[side].image", before: `"${image("1")}"`, after: `"${image("2")}"` },
      ]);
      expect(after.metadata.generation).toBe(before.metadata.generation! + 1);
      const own = after.metadata.managedFields?.find(({ manager }) => manager === "lizardcd");
      expect(own).toMatchObject({ operation: "Update" });
      expect(own?.subresource ?? "").toBe("");
    });

    test("a dry run answers what would be and changes nothing", async () => {
      const path = pathOf("deployments", namespace, "two");
      const before = await read("deployments", "two");
      const answered = await kube.patch<RawWorkload>(path, { spec: { replicas: 7 } }, { dryRun: "All" });
      expect(answered.spec?.replicas).toBe(7);
      expect((await read("deployments", "two")).spec?.replicas).toBe(before.spec!.replicas!);
    });

    test("every write of the agent has a dry run that tells what it would change and changes nothing", async () => {
      await bed.apply(workload("Deployment", "dry", image("1"), 0));
      await reaches("deployments", "dry", "zero");
      // The suite's own client outlives this agent.
      const agent = await startTestAgent({ kube: { ...kube, close: () => {} } });
      try {
        const { workload } = agent.peers;
        const key = { cluster: "test", namespace, resource: "deployments", name: "dry", dryRun: true };
        const writes: [verb: string, path: string, dry: () => Promise<Workload>][] = [
          [
            "restart",
            "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]",
            () => workload.restart(key),
          ],
          ["scale", "spec.replicas", () => workload.scale({ ...key, replicas: 3 })],
          ["pause", "spec.paused", () => workload.pause(key)],
          [
            "setImage",
            "spec.template.spec.containers[app].image",
            () => workload.setImage({ ...key, image: image("2") }),
          ],
        ];
        const tried = async (wanted: typeof writes) => {
          const before = await read("deployments", "dry");
          for (const [verb, path, dry] of wanted) {
            const { dryRun, changes } = await dry();
            expect([verb, dryRun, changes.map((change) => change.path)]).toEqual([verb, true, [path]]);
          }
          expect(await read("deployments", "dry")).toEqual(before);
        };
        await tried(writes);
        const { metadata } = await kube.patch<RawWorkload>(pathOf("deployments", namespace, "dry"), {
          spec: { paused: true },
        });
        await until(async () => (await read("deployments", "dry")).status?.observedGeneration === metadata.generation, {
          what: "the pause to be seen",
        });
        await tried([["resume", "spec.paused", () => workload.resume(key)]]);
        expect(await failed(workload.restart(key))).toMatchObject({ code: "restart.paused" });
        expect(await failed(workload.setImage({ ...key, image: "A b" }))).toMatchObject({ code: "request.invalid" });
      } finally {
        await agent.stop();
      }
    });

    test("a patch decided on an older resourceVersion is a conflict", async () => {
      const path = pathOf("deployments", namespace, "two");
      const { metadata } = await read("deployments", "two");
      await kube.patch(path, { metadata: { labels: { changed: "meanwhile" } } });
      const late = kube.patch(path, { metadata: { resourceVersion: metadata.resourceVersion }, spec: { replicas: 1 } });
      expect(await failureOf(late)).toMatchObject({ status: 409, reason: "Conflict" });
    });

    test("what is not there is 404, what is not valid 422", async () => {
      expect(await failureOf(read("deployments", "nowhere"))).toMatchObject({ status: 404, reason: "NotFound" });
      const path = pathOf("deployments", namespace, "two");
      expect(await failureOf(kube.patch(path, { spec: { replicas: -1 } }))).toMatchObject({
        status: 422,
        reason: "Invalid",
      });
    });

    test("an image that cannot be pulled is said in the pod's status", async () => {
      await bed.apply(workload("Deployment", "missing", image("missing"), 1));
      const verdict = await verdictOf("missing", "image.pull");
      expect(verdict.why?.params).toMatchObject({ image: image("missing") });
    });

    test("a container that crashes says its exit code, and its log what it said last", async () => {
      await bed.apply(workload("Deployment", "crash", image("crash"), 1));
      const verdict = await verdictOf("crash", "container.crash_loop");
      expect(verdict.why?.params).toMatchObject({ container: "app", exitCode: 1 });
      const log = await kube.text(`/api/v1/namespaces/${namespace}/${verdict.why!.object}/log`, {
        container: "app",
        previous: true,
        tailLines: 1,
      });
      expect(log.trim().split("\n")).toHaveLength(1);
      expect(log.trim()).not.toBe("");
    });

    test("a pod that no node can hold says what the scheduler said", async () => {
      const big = { name: "app", image: image("1"), resources: { requests: { cpu: "4000" } } };
      await bed.apply({ ...workload("Deployment", "big", "", 1), spec: spec("big", [big], 1) });
      const verdict = await verdictOf("big", "pod.unschedulable");
      expect(String(verdict.why?.params.problem)).toContain("Insufficient cpu");
    });

    test("a rollout leaves two revisions while it moves and one at its end", async () => {
      await bed.apply(workload("Deployment", "moving", image("1"), 3));
      await reaches("deployments", "moving", "ok");
      const path = pathOf("deployments", namespace, "moving");
      const patch = { spec: { template: { spec: { containers: [{ name: "app", image: image("2") }] } } } };
      const answered = await kube.patch<RawWorkload>(path, patch);
      expect(rowOf("deployments", answered, new Texts()).state).toBe("run");
      await reaches("deployments", "moving", "ok");
      const sets = await kube.list<KubeObject & { spec: { replicas: number } }>(pathOf("replicasets", namespace), {
        labelSelector: "app=moving",
      });
      expect(sets.items).toHaveLength(2);
      expect(sets.items.map(({ spec }) => spec.replicas).sort()).toEqual([0, 3]);
    });

    test("a paused deployment holds its change back until it is resumed", async () => {
      await bed.apply(workload("Deployment", "held", image("1"), 2));
      await reaches("deployments", "held", "ok");
      const path = pathOf("deployments", namespace, "held");
      await kube.patch(path, { spec: { paused: true } });
      await reaches("deployments", "held", "paused");
      const patch = { spec: { template: { spec: { containers: [{ name: "app", image: image("2") }] } } } };
      const { metadata } = await kube.patch<RawWorkload>(path, patch);
      const held = await until(
        async () => {
          const found = await read("deployments", "held");
          return (found.status?.observedGeneration ?? 0) >= metadata.generation! && found;
        },
        { what: "the change to be seen" },
      );
      expect([held.status?.updatedReplicas ?? 0, held.status?.readyReplicas]).toEqual([0, 2]);
      await kube.patch(path, { spec: { paused: null } });
      await reaches("deployments", "held", "ok");
      expect((await read("deployments", "held")).status?.updatedReplicas).toBe(2);
    });

    async function verdictOf(app: string, code: string) {
      return until(
        async () => {
          const { items } = await kube.list<RawPod>(`/api/v1/namespaces/${namespace}/pods`, {
            labelSelector: `app=${app}`,
          });
          const verdict = items[0] && podVerdict(items[0], [], kube.now());
          return verdict?.why?.code === code && verdict;
        },
        { what: `the pod of ${app} to say ${code}` },
      );
    }

    function workload(kind: string, name: string, image: string, replicas = 2): object {
      return {
        apiVersion: "apps/v1",
        kind,
        metadata: { name, namespace, labels: { app: name } },
        spec: spec(name, [{ name: "app", image }], kind === "DaemonSet" ? undefined : replicas),
      };
    }
  });
}

function spec(app: string, containers: object[], replicas?: number): object {
  return {
    ...(replicas === undefined ? {} : { replicas }),
    selector: { matchLabels: { app } },
    template: { metadata: { labels: { app } }, spec: { containers } },
  };
}

async function failureOf(asked: Promise<unknown>): Promise<StatusFailed> {
  try {
    await asked;
  } catch (cause) {
    if (cause instanceof StatusFailed) return cause;
    throw cause;
  }
  throw new Error("it was answered");
}
