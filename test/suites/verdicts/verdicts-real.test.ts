// The column of kubectl in the tables is asked of the real kubectl: every status is written into a real API server,
// without controllers that would write another one.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { kinds } from "../../../src/agent/kind.ts";
import type { KubeObject, RawPod } from "../../../src/agent/object.ts";
import { podVerdict } from "../../../src/agent/reason.ts";
import { type RealCluster, startCluster } from "../../testbed/kubernetes.ts";
import { describePart } from "../../testbed/part.ts";
import { podOf } from "./case.ts";
import { podCases } from "./pods.ts";
import { workloadOf } from "./workload-object.ts";
import { workloadCases } from "./workloads.ts";

const holding = "lizardcd.io/held-for-the-test";

describePart("kubernetes", "kubectl on the tables of verdicts", () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await startCluster({ name: "verdicts", controllers: false });
  });
  afterAll(async () => {
    await cluster?.stop();
  });

  test("shows each pod as the table says, and the agent reads the same from what the API server gives", async () => {
    const path = "/api/v1/namespaces/default/pods";
    await inTurns(podCases, async (one) => {
      const { metadata, spec, status, ...rest } = podOf(one);
      await written(
        path,
        { ...rest, metadata: { name: metadata.name, finalizers: one.deleted && [holding] }, spec },
        status,
        one.deleted !== undefined,
      );
    });
    const shown = new Map(
      (await cluster.kubectl("get", "pods", "--no-headers"))
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/))
        .map(([name = "", ready, status]) => [name, `${ready} ${status}`]),
    );
    expect(podCases.map(({ name }) => `${name}: ${shown.get(name)}`)).toEqual(
      podCases.map(({ name, kubectl }) => `${name}: ${kubectl}`),
    );

    // Times are of the table, not of this run: what the server has kept is judged at the table's time.
    const { items } = await cluster.get<{ items: RawPod[] }>(path);
    const found = new Map(items.map((pod) => [pod.metadata.name, pod]));
    const differences = podCases.flatMap((one) => {
      const table = podOf(one);
      const stored = found.get(one.name)!;
      const same = { ...stored, metadata: table.metadata };
      const now = Date.parse("2026-11-22T12:00:00Z");
      const [read, told] = [same, table].map((pod) => podVerdict(pod, one.events ?? [], now, one.node));
      return Bun.deepEquals(read, told) ? [] : [{ name: one.name, read, told }];
    });
    expect(differences).toEqual([]);
  });

  test("says of each workload's rollout what the table says", async () => {
    await inTurns(workloadCases, async (one) => {
      const object = workloadOf(one);
      const { metadata, status, ...rest } = object as typeof object & KubeObject;
      const path = `/apis/apps/v1/namespaces/default/${one.resource}`;
      await written(
        path,
        { ...rest, metadata: { name: metadata.name, finalizers: one.deleting && [holding] } },
        status,
        one.deleting !== undefined,
      );
    });
    const said: string[] = [];
    await inTurns(workloadCases, async ({ name, resource }) => {
      const line = await cluster
        .kubectl("rollout", "status", `${resource}/${name}`, "--watch=false")
        .then((text) => text.trim().split("\n").at(-1)!)
        .catch((error: Error) => `error: ${error.message.replace(/^[^:]*: (error: )?/, "")}`);
      said.push(`${name}: ${line}`);
    });
    const expected = workloadCases.map(({ name, kubectl }) => `${name}: ${kubectl.replaceAll("NAME", name)}`);
    expect(said.sort()).toEqual(expected.sort());

    for (const one of workloadCases) {
      // This server adds what the old ones of that case did not know.
      if (one.name === "s-without-updated") continue;
      const stored = await cluster.get<KubeObject>(`/apis/apps/v1/namespaces/default/${one.resource}/${one.name}`);
      const known = (object: KubeObject) => {
        const { deleting, minReadySeconds = 0, ...counts } = kinds[one.resource].progress(object);
        return JSON.stringify({ ...counts, minReadySeconds, deleting: deleting !== undefined });
      };
      expect([one.name, known(stored)]).toEqual([one.name, known(workloadOf(one))]);
    }
  });

  /** Makes an object, deletes it where it is to be held by a finalizer, and writes its status. */
  async function written(path: string, object: object, status: unknown, deleted: boolean): Promise<void> {
    const { name } = (await cluster.request("POST", path, object)).metadata;
    if (deleted) await cluster.request("DELETE", `${path}/${name}?propagationPolicy=Background`);
    const made = await cluster.get(`${path}/${name}`);
    await cluster.request("PUT", `${path}/${name}/status`, { ...made, status });
  }
});

async function inTurns<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all];
  const worker = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}
