import { expect, test } from "bun:test";
import type { Json } from "./object.ts";
import { call, cluster, deployments, merge, strategic, until, web } from "./testclient.ts";

const version = (answer: { body: Json }) => answer.body.metadata.resourceVersion;

test("a dry run answers as if, and changes nothing", async () => {
  const sandbox = await cluster();
  const made = await call(sandbox, "POST", `${deployments}?dryRun=All`, web("1"));
  expect([made.status, made.body.spec.progressDeadlineSeconds]).toEqual([201, 600]);
  expect((await call(sandbox, "GET", `${deployments}/web`)).status).toBe(404);
  await call(sandbox, "POST", deployments, web("1", 2));
  await until(
    () => call(sandbox, "GET", `${deployments}/web`),
    ({ body }) => body.status?.availableReplicas === 2,
  );
  const before = await call(sandbox, "GET", `${deployments}/web`);
  const patched = await call(sandbox, "PATCH", `${deployments}/web?dryRun=All`, { spec: { replicas: 9 } }, strategic);
  expect([patched.body.spec.replicas, patched.body.metadata.generation]).toEqual([9, 2]);
  expect((await call(sandbox, "DELETE", `${deployments}/web?dryRun=All`)).status).toBe(200);
  expect((await call(sandbox, "GET", `${deployments}/web`)).body).toEqual(before.body);
});

test("a write that changes nothing keeps the version", async () => {
  const sandbox = await cluster();
  const secrets = "/api/v1/namespaces/shop/secrets";
  const made = await call(sandbox, "POST", secrets, { metadata: { name: "s" }, stringData: { key: "value" } });
  expect(made.body).toMatchObject({ kind: "Secret", type: "Opaque", data: { key: "dmFsdWU=" } });
  expect(version(await call(sandbox, "PATCH", `${secrets}/s`, { type: "Opaque" }, merge))).toBe(version(made));
});

test("a stale resourceVersion is a conflict, in a patch and in a put", async () => {
  const sandbox = await cluster();
  const old = await call(sandbox, "POST", deployments, web("1"));
  await call(sandbox, "PATCH", `${deployments}/web`, { metadata: { labels: { a: "b" } } }, merge);
  const stale = { metadata: { resourceVersion: version(old) }, spec: { replicas: 3 } };
  const patched = await call(sandbox, "PATCH", `${deployments}/web`, stale, merge);
  expect(patched.status).toBe(409);
  expect(patched.body).toMatchObject({
    kind: "Status",
    reason: "Conflict",
    details: { name: "web", group: "apps", kind: "deployments" },
  });
  expect(patched.body.message).toBe(
    'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes to ' +
      "the latest version and try again",
  );
  expect((await call(sandbox, "PUT", `${deployments}/web`, old.body)).status).toBe(409);
});

test("generation counts changes of spec, not of labels or status", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1"));
  const patch = async (body: Json) =>
    (await call(sandbox, "PATCH", `${deployments}/web`, body, strategic)).body.metadata.generation;
  expect(await patch({ metadata: { labels: { a: "b" } } })).toBe(1);
  expect(await patch({ status: { replicas: 7 } })).toBe(1);
  expect(await patch({ spec: { replicas: 2 } })).toBe(2);
});

test("managedFields tell who wrote what, and controllers are told apart by the subresource", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", `${deployments}?fieldManager=first`, web("1"));
  await call(sandbox, "PATCH", `${deployments}/web`, { spec: { replicas: 2 } }, strategic);
  const { body } = await until(
    () => call(sandbox, "GET", `${deployments}/web`),
    ({ body: d }) => d.status?.readyReplicas === 2,
  );
  const entries = body.metadata.managedFields.map((entry: Json) => [entry.manager, entry.operation, entry.subresource]);
  expect(entries).toContainEqual(["first", "Update", undefined]);
  expect(entries).toContainEqual(["tester", "Update", undefined]);
  expect(entries).toContainEqual(["kube-controller-manager", "Update", "status"]);
  const of = (manager: string) => body.metadata.managedFields.find((entry: Json) => entry.manager === manager);
  expect(of("tester").fieldsV1).toEqual({ "f:spec": { "f:replicas": {} } });
  expect(of("first").fieldsV1["f:spec"]["f:replicas"]).toBeUndefined();
  expect(of("first").fieldsV1["f:spec"]["f:template"]).toBeDefined();
  expect(Date.parse(of("tester").time)).toBeGreaterThan(Date.now() - 10_000);
});

test("what does not exist is a 404 in the real server's words", async () => {
  const sandbox = await cluster();
  const none = await call(sandbox, "GET", `${deployments}/x`);
  expect(none.body).toEqual({
    ...{ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", reason: "NotFound", code: 404 },
    message: 'deployments.apps "x" not found',
    details: { name: "x", group: "apps", kind: "deployments" },
  });
  const unknown = await call(sandbox, "GET", "/apis/apps/v1/namespaces/shop/gadgets");
  expect([unknown.status, unknown.body.message]).toEqual([404, "the server could not find the requested resource"]);
  const space = await call(sandbox, "POST", "/apis/apps/v1/namespaces/nowhere/deployments", web("1"));
  expect(space.body.message).toBe(
    "the namespace of the provided object does not match the namespace sent on the request",
  );
  const map = await call(sandbox, "POST", "/api/v1/namespaces/nowhere/configmaps", { metadata: { name: "a" } });
  expect([map.status, map.body.message]).toEqual([404, 'namespaces "nowhere" not found']);
  expect((await call(sandbox, "PATCH", `${deployments}/x`, { spec: {} }, strategic)).status).toBe(404);
});

test("what is invalid is a 422 that names every field", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1"));
  const patch = (body: Json) => call(sandbox, "PATCH", `${deployments}/web`, body, strategic);
  const negative = await patch({ spec: { replicas: -1 } });
  expect([negative.status, negative.body.reason]).toEqual([422, "Invalid"]);
  expect(negative.body.message).toBe(
    'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  );
  expect(negative.body.details.causes[0]).toMatchObject({ reason: "FieldValueInvalid", field: "spec.replicas" });
  const nameless = await patch({ spec: { template: { spec: { containers: [{ name: "other" }] } } } });
  expect(nameless.body.message).toBe(
    'Deployment.apps "web" is invalid: spec.template.spec.containers[0].image: Required value',
  );
  expect((await patch({ spec: { selector: { matchLabels: { app: "other" } } } })).status).toBe(422);
  const named = await call(sandbox, "POST", deployments, {
    ...web("1"),
    metadata: { name: "Web_1", namespace: "shop" },
  });
  expect(named.body.message).toContain("a lowercase RFC 1123 subdomain must consist of");
});

test("what cannot be read is a 400, and another media type a 415", async () => {
  const sandbox = await cluster();
  expect((await call(sandbox, "POST", deployments, "{nope")).status).toBe(400);
  expect((await call(sandbox, "POST", deployments, "[]")).status).toBe(400);
  const text = await call(sandbox, "POST", deployments, { ...web("1"), spec: { ...web("1").spec, replicas: "two" } });
  expect([text.status, text.body.reason]).toEqual([400, "BadRequest"]);
  expect(text.body.message).toContain("cannot unmarshal string into Go struct field");
  expect((await call(sandbox, "PATCH", `${deployments}/web`, {}, { type: "text/plain" })).status).toBe(415);
  expect((await call(sandbox, "POST", `${deployments}/web`, {})).status).toBe(405);
  await call(sandbox, "POST", deployments, web("1"));
  expect((await call(sandbox, "POST", deployments, web("1"))).body.reason).toBe("AlreadyExists");
});

test("the scale subresource reads and sets replicas", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1", 2));
  const path = `${deployments}/web/scale`;
  const scale = await call(sandbox, "GET", path);
  expect(scale.body).toMatchObject({ kind: "Scale", spec: { replicas: 2 }, status: { selector: "app=web" } });
  expect((await call(sandbox, "PATCH", path, { spec: { replicas: 4 } }, merge)).body.spec.replicas).toBe(4);
  expect((await call(sandbox, "GET", `${deployments}/web`)).body.spec.replicas).toBe(4);
  const bad = await call(sandbox, "PATCH", path, { spec: { replicas: -1 } }, merge);
  expect(bad.body.message).toStartWith('Scale.autoscaling "web" is invalid: spec.replicas');
});
