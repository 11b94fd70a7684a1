// Every object of every preset, asked of a real API server: is it valid to the last field, and is its pod let into a
// namespace of the restricted profile?
import { beforeAll, expect, test } from "bun:test";
import type { KubeObject, RealCluster } from "../testbed/cluster.ts";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { until } from "../testbed/wait.ts";
import { charts, objectsOf, presetFile, presetsOf, render, restrictedNamespace } from "./helm.ts";
import { serviceMonitors } from "./monitors.ts";

const restricted = "charts-restricted";

describePart(["kubernetes", "helm"], "a real API server takes", ({ helm }) => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await sharedCluster();
    await cluster.apply(serviceMonitors);
    await restrictedNamespace(cluster, restricted);
    for (const namespace of ["shop", "pay", "delivery"]) await cluster.namespace(namespace);
    await until(() => cluster.get("/apis/monitoring.coreos.com/v1/servicemonitors"), { what: "ServiceMonitors" });
  });

  const create = (object: KubeObject, namespace?: string) =>
    cluster.request("POST", `${pathOf(object, namespace)}?dryRun=All&fieldValidation=Strict`, object);

  for (const chart of charts) {
    for (const preset of presetsOf(chart)) {
      test(`every object of ${chart} with its preset ${preset}, and its pods under the restricted profile`, async () => {
        const objects = objectsOf(await render(helm, chart, ["--values", presetFile(chart, preset)]));
        const refused: string[] = [];
        const offer = (object: KubeObject, namespace?: string) =>
          create(object, namespace).catch((cause) => refused.push(`${object.kind} ${object.metadata.name}: ${cause}`));
        for (const object of objects) await offer(object);
        const pods = objects.flatMap((object) => podOf(object) ?? []);
        for (const pod of pods) await offer(pod, restricted);
        expect(refused).toEqual([]);
        expect(pods.length).toBeGreaterThan(0);
      });
    }
  }

  test("nothing that is misspelt, and no pod that may do more: the two checks above can fail", async () => {
    const [deployment] = objectsOf(
      await render(helm, "lizardcd-agent", [
        ...["--values", presetFile("lizardcd-agent", "cluster"), "--set", "podSecurityContext=null"],
        ...["--show-only", "templates/deployment.yaml", "--set", "securityContext.allowPrivilegeEscalation=true"],
      ]),
    );
    expect(create(podOf(deployment!)!, restricted)).rejects.toThrow("violates PodSecurity");
    expect(create({ ...deployment!, spec: { ...(deployment!.spec as object), replica: 1 } })).rejects.toThrow(
      'unknown field "spec.replica"',
    );
  });
});

/** The pod that its controller would create, under an account that exists. */
function podOf({ spec, metadata }: KubeObject): KubeObject | undefined {
  const { template } = (spec ?? {}) as { template?: { metadata: object; spec: object } };
  if (!template) return undefined;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...template.metadata, name: metadata.name },
    spec: { ...template.spec, serviceAccountName: "default" },
  };
}

function pathOf({ apiVersion, kind, metadata }: KubeObject, namespace = metadata.namespace ?? "delivery"): string {
  const base = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const lower = kind.toLowerCase();
  const plural = lower.endsWith("s") ? `${lower}es` : lower.endsWith("y") ? `${lower.slice(0, -1)}ies` : `${lower}s`;
  return kind.startsWith("Cluster") ? `${base}/${plural}` : `${base}/namespaces/${namespace}/${plural}`;
}
