import { expect, test } from "bun:test";
import { call, cluster } from "./testclient.ts";

const namespaces = ["shop", "pay"];
const seed = { namespaces: ["shop", "pay", "secret"] };

test("without a known token everything but health and version is a 401", async () => {
  const sandbox = await cluster();
  const { status, body } = await call(sandbox, "GET", "/api/v1/pods", undefined, { token: "wrong" });
  expect([status, body.kind, body.reason, body.message]).toEqual([401, "Status", "Unauthorized", "Unauthorized"]);
  for (const path of ["/healthz", "/readyz", "/livez"])
    expect(await (await fetch(sandbox.url + path)).text()).toBe("ok");
  expect((await (await fetch(`${sandbox.url}/version`)).json()).gitVersion).toBe("v1.36.3+sandbox");
});

test("a restricted token reads its namespaces and nothing else", async () => {
  const sandbox = await cluster({ seed, namespaces });
  expect((await call(sandbox, "GET", "/apis/apps/v1/namespaces/shop/deployments")).status).toBe(200);
  expect((await call(sandbox, "GET", "/api/v1/namespaces/pay")).status).toBe(200);
  const elsewhere = await call(sandbox, "GET", "/apis/apps/v1/namespaces/secret/deployments");
  expect([elsewhere.status, elsewhere.body.reason]).toEqual([403, "Forbidden"]);
  expect(elsewhere.body.message).toBe(
    'deployments.apps is forbidden: User "sandbox-user" cannot list resource "deployments" in API group "apps" in the ' +
      'namespace "secret"',
  );
  const everywhere = await call(sandbox, "GET", "/api/v1/pods?watch=1");
  expect(everywhere.body.message).toBe(
    'pods is forbidden: User "sandbox-user" cannot watch resource "pods" in API group "" at the cluster scope',
  );
  for (const path of [
    "/api/v1/namespaces",
    "/api/v1/namespaces/secret",
    "/api/v1/nodes",
    "/apis/apps/v1/deployments",
  ]) {
    expect((await call(sandbox, "GET", path)).status).toBe(403);
  }
  expect((await call(sandbox, "GET", "/api/v1/nodes", undefined, { token: sandbox.adminToken })).status).toBe(200);
});

test("access reviews tell a token what it may do", async () => {
  const sandbox = await cluster({ seed, namespaces });
  const may = async (resourceAttributes: object, token = sandbox.token) => {
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    const { status, body } = await call(sandbox, "POST", path, { spec: { resourceAttributes } }, { token });
    expect(status).toBe(201);
    return body.status.allowed;
  };
  const list = { verb: "list", group: "apps", resource: "deployments" };
  expect(await may({ ...list, namespace: "shop" })).toBe(true);
  expect(await may({ ...list, namespace: "secret" })).toBe(false);
  expect(await may(list)).toBe(false);
  expect(await may(list, sandbox.adminToken)).toBe(true);
});

test("rules reviews list the rules of a namespace", async () => {
  const sandbox = await cluster({ seed, namespaces });
  const rules = async (namespace: string) => {
    const path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    return (await call(sandbox, "POST", path, { spec: { namespace } })).body.status.resourceRules;
  };
  expect(await rules("pay")).toContainEqual({ verbs: ["*"], apiGroups: ["*"], resources: ["*"] });
  expect(await rules("secret")).not.toContainEqual({ verbs: ["*"], apiGroups: ["*"], resources: ["*"] });
});
