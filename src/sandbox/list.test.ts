import { expect, test } from "bun:test";
import type { Json } from "./object.ts";
import { many } from "./seeds.ts";
import { call, cluster, deployments, merge, until, web } from "./testclient.ts";

const names = ({ items }: Json) => items.map((item: Json) => item.metadata.name);

test("a list has the kind of a list, items without kind, and the order of their keys", async () => {
  const sandbox = await cluster({ seed: many(3) });
  const { body } = await call(sandbox, "GET", "/apis/apps/v1/deployments");
  expect(body).toMatchObject({ kind: "DeploymentList", apiVersion: "apps/v1" });
  expect(names(body)).toEqual(["app-00000", "app-00001", "app-00002"]);
  expect(body.items[0].kind).toBeUndefined();
  const one = await call(sandbox, "GET", "/apis/apps/v1/namespaces/ns-000/deployments/app-00000");
  expect(one.body).toMatchObject({ kind: "Deployment", apiVersion: "apps/v1", status: { readyReplicas: 2 } });
  expect(one.headers.get("date")).toBeTruthy();
});

test("pages together are the list as it was when the first was read", async () => {
  const sandbox = await cluster({ seed: many(25) });
  const path = "/apis/apps/v1/namespaces/ns-000/deployments";
  const first = await call(sandbox, "GET", `${path}?limit=10`);
  expect(first.body.metadata.remainingItemCount).toBe(15);
  await call(sandbox, "DELETE", `${path}/app-00020`);
  const seen = names(first.body);
  let token = first.body.metadata.continue;
  while (token) {
    const { body } = await call(sandbox, "GET", `${path}?limit=10&continue=${encodeURIComponent(token)}`);
    expect(body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
    seen.push(...names(body));
    token = body.metadata.continue;
  }
  expect(seen).toHaveLength(25);
  expect(new Set(seen).size).toBe(25);
});

test("a continue token is expired after a compaction and refused when it is nonsense", async () => {
  const sandbox = await cluster({ seed: many(3) });
  const path = "/apis/apps/v1/deployments";
  const { body } = await call(sandbox, "GET", `${path}?limit=1`);
  sandbox.compact();
  const late = await call(sandbox, "GET", `${path}?limit=1&continue=${body.metadata.continue}`);
  expect([late.status, late.body.reason]).toEqual([410, "Expired"]);
  expect((await call(sandbox, "GET", `${path}?continue=nonsense`)).status).toBe(400);
});

test("label selectors know equality and sets", async () => {
  const sandbox = await cluster();
  for (const [name, labels] of Object.entries({ a: { team: "x" }, b: { team: "y", beta: "" }, c: {} })) {
    await call(sandbox, "POST", "/api/v1/namespaces/shop/configmaps", { metadata: { name, labels } });
  }
  const select = async (selector: string) =>
    names(
      (await call(sandbox, "GET", `/api/v1/namespaces/shop/configmaps?labelSelector=${encodeURIComponent(selector)}`))
        .body,
    );
  expect(await select("team=x")).toEqual(["a"]);
  expect(await select("team==x,team")).toEqual(["a"]);
  expect(await select("team!=x")).toEqual(["b", "c"]);
  expect(await select("team in (x, y)")).toEqual(["a", "b"]);
  expect(await select("team notin (x)")).toEqual(["b", "c"]);
  expect(await select("!team")).toEqual(["c"]);
  expect(await select("beta")).toEqual(["b"]);
  const bad = await call(sandbox, "GET", "/api/v1/configmaps?labelSelector=%3D%3D");
  expect([bad.status, bad.body.reason]).toEqual([400, "BadRequest"]);
});

test("field selectors know names, and refuse a field the kind has not", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", deployments, web("1"));
  expect(names((await call(sandbox, "GET", `${deployments}?fieldSelector=metadata.name=web`)).body)).toEqual(["web"]);
  expect(names((await call(sandbox, "GET", `${deployments}?fieldSelector=metadata.name!=web`)).body)).toEqual([]);
  const bad = await call(sandbox, "GET", `${deployments}?fieldSelector=spec.replicas=1`);
  expect(bad.status).toBe(400);
  expect(bad.body.message).toBe(
    '"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
});

test("ten thousand deployments load and list, and one of them still rolls out", async () => {
  const sandbox = await cluster({ seed: many(10_000) });
  const { body } = await call(sandbox, "GET", "/apis/apps/v1/deployments?limit=1000");
  expect(body.items).toHaveLength(1000);
  expect(body.metadata.remainingItemCount).toBe(9000);
  const path = "/apis/apps/v1/namespaces/ns-099/deployments/app-09999";
  await call(sandbox, "PATCH", path, { spec: { replicas: 3 } }, merge);
  await until(
    () => call(sandbox, "GET", path),
    (answer) => answer.body.status.observedGeneration === 2 && answer.body.status.readyReplicas === 3,
  );
});
