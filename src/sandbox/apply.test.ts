import { expect, test } from "bun:test";
import type { Json } from "./object.ts";
import { applyPatch, call, cluster, deployments, strategic, web } from "./testclient.ts";

const config = (spec: Json = {}): Json => {
  const full = web("1", 2);
  return { ...full, spec: { ...full.spec, ...spec } };
};
const applyAs = (manager: string, force = false) =>
  `${deployments}/web?fieldManager=${manager}${force ? "&force=true" : ""}`;

test("apply creates what is not there and owns exactly what it said", async () => {
  const sandbox = await cluster();
  const yaml = Bun.YAML.stringify(config());
  const made = await call(sandbox, "PATCH", applyAs("gitops"), yaml, applyPatch);
  expect(made.status).toBe(201);
  const [entry] = made.body.metadata.managedFields;
  expect(entry).toMatchObject({ manager: "gitops", operation: "Apply" });
  expect(entry.fieldsV1["f:spec"]["f:replicas"]).toEqual({});
  expect(entry.fieldsV1["f:spec"]["f:progressDeadlineSeconds"]).toBeUndefined();
  const again = await call(sandbox, "PATCH", applyAs("gitops"), config(), applyPatch);
  expect([again.status, again.body.metadata.generation]).toEqual([200, 1]);
});

test("apply of a field another manager owns is a conflict naming it; force takes the field over", async () => {
  const sandbox = await cluster();
  await call(sandbox, "PATCH", applyAs("gitops"), config(), applyPatch);
  await call(sandbox, "PATCH", `${deployments}/web?fieldManager=person`, { spec: { replicas: 5 } }, strategic);
  const refused = await call(sandbox, "PATCH", applyAs("gitops"), config(), applyPatch);
  expect(refused.status).toBe(409);
  expect(refused.body.message).toBe(
    'Apply failed with 1 conflict: conflict with "person" using apps/v1: .spec.replicas',
  );
  expect(refused.body.details.causes).toEqual([
    { reason: "FieldManagerConflict", message: 'conflict with "person" using apps/v1', field: ".spec.replicas" },
  ]);
  expect((await call(sandbox, "GET", `${deployments}/web`)).body.spec.replicas).toBe(5);
  const forced = await call(sandbox, "PATCH", applyAs("gitops", true), config(), applyPatch);
  expect(forced.body.spec.replicas).toBe(2);
  expect(forced.body.metadata.managedFields.map((entry: Json) => entry.manager)).not.toContain("person");
});

test("applying another image than an applied one names the container in the conflict", async () => {
  const sandbox = await cluster();
  await call(sandbox, "PATCH", applyAs("gitops"), config(), applyPatch);
  const other = { ...web("2", 2) };
  const { body } = await call(sandbox, "PATCH", applyAs("lizardcd"), other, applyPatch);
  expect(body.message).toBe(
    'Apply failed with 1 conflict: conflict with "gitops": .spec.template.spec.containers[name="web"].image',
  );
});

test("what a manager no longer applies is removed, what others own stays", async () => {
  const sandbox = await cluster();
  const env = [{ name: "A", value: "1" }];
  const first = config({ minReadySeconds: 1 });
  first.metadata.labels.extra = "yes";
  first.spec.template.spec.containers[0].env = env;
  await call(sandbox, "PATCH", applyAs("gitops"), first, applyPatch);
  const mine = { ...config(), metadata: { name: "web", labels: { mine: "yes" } } };
  await call(sandbox, "PATCH", applyAs("person", true), mine, applyPatch);
  const { body } = await call(sandbox, "PATCH", applyAs("gitops"), config(), applyPatch);
  expect(body.metadata.labels).toEqual({ app: "web", mine: "yes" });
  expect(body.spec.minReadySeconds).toBeUndefined();
  expect(body.spec.template.spec.containers[0].env).toBeUndefined();
  expect(body.spec.template.spec.containers[0].image).toBe("registry.example.com/shop/web:1");
});

test("a container only another manager owns survives an apply that does not know it", async () => {
  const sandbox = await cluster();
  await call(sandbox, "PATCH", applyAs("gitops"), config(), applyPatch);
  const sidecar = { spec: { template: { spec: { containers: [{ name: "proxy", image: "proxy:1" }] } } } };
  await call(sandbox, "PATCH", `${deployments}/web`, sidecar, strategic);
  const { body } = await call(sandbox, "PATCH", applyAs("gitops"), config(), applyPatch);
  expect(body.spec.template.spec.containers.map((container: Json) => container.name)).toEqual(["proxy", "web"]);
});

test("apply needs a field manager", async () => {
  const sandbox = await cluster();
  const { status, body } = await call(sandbox, "PATCH", `${deployments}/web`, config(), applyPatch);
  expect([status, body.message]).toEqual([
    422,
    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
  ]);
});

test("a dry run of apply tells of conflicts and changes nothing", async () => {
  const sandbox = await cluster();
  const dry = await call(sandbox, "PATCH", `${applyAs("gitops")}&dryRun=All`, config(), applyPatch);
  expect(dry.status).toBe(201);
  expect((await call(sandbox, "GET", `${deployments}/web`)).status).toBe(404);
});
