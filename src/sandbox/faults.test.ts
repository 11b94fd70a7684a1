import { expect, test } from "bun:test";
import { call, cluster, deployments, until } from "./testclient.ts";

test("a fault answers 429 with Retry-After, or 500, as often as asked", async () => {
  const sandbox = await cluster();
  sandbox.fault({ status: 429, times: 2, match: "GET .*/deployments" });
  expect((await call(sandbox, "GET", "/api/v1/pods")).status).toBe(200);
  const busy = await call(sandbox, "GET", deployments);
  expect([busy.status, busy.body.reason, busy.headers.get("retry-after")]).toEqual([429, "TooManyRequests", "1"]);
  expect((await call(sandbox, "GET", deployments)).status).toBe(429);
  expect((await call(sandbox, "GET", deployments)).status).toBe(200);
  await call(sandbox, "POST", "/sandbox/faults", { status: 500 });
  expect((await call(sandbox, "GET", deployments)).body.reason).toBe("InternalError");
  await call(sandbox, "POST", "/sandbox/faults", { clear: true });
  expect((await call(sandbox, "GET", deployments)).status).toBe(200);
});

test("a delay holds the answer back", async () => {
  const sandbox = await cluster();
  sandbox.fault({ delayMs: 100 });
  const start = performance.now();
  await call(sandbox, "GET", deployments);
  expect(performance.now() - start).toBeGreaterThanOrEqual(95);
});

test("a hanging cluster takes requests and never answers", async () => {
  const sandbox = await cluster();
  sandbox.fault({ hang: true });
  const hung = call(sandbox, "GET", deployments, undefined, { signal: AbortSignal.timeout(200) });
  await expect(hung).rejects.toThrow();
});

test("a cluster that is down refuses connections, cuts watches, and is back on the same address", async () => {
  const sandbox = await cluster();
  const headers = { authorization: `Bearer ${sandbox.token}` };
  const watch = await fetch(`${sandbox.url}${deployments}?watch=1`, { headers });
  sandbox.down();
  await expect(watch.text()).rejects.toThrow();
  await expect(call(sandbox, "GET", deployments)).rejects.toThrow();
  await sandbox.up();
  expect((await call(sandbox, "GET", deployments)).status).toBe(200);
  expect(sandbox.watches()).toBe(0);
});

test("over HTTP a cluster can be sent away for a while", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", "/sandbox/faults", { downMs: 100 });
  const reachable = () =>
    call(sandbox, "GET", deployments).then(
      () => true,
      () => false,
    );
  await until(reachable, (yes) => !yes);
  await until(reachable, (yes) => yes);
});

test("faults are set by those with a token alone", async () => {
  const sandbox = await cluster();
  expect((await call(sandbox, "POST", "/sandbox/faults", { hang: true }, { token: "wrong" })).status).toBe(401);
  expect((await call(sandbox, "POST", "/sandbox/faults", { status: 418 })).status).toBe(400);
  expect((await call(sandbox, "POST", "/sandbox/faults", { match: "(" })).status).toBe(400);
});
