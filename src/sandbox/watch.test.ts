import { expect, test } from "bun:test";
import type { Json } from "./object.ts";
import { call, cluster, deployments, merge, until, watch, web } from "./testclient.ts";

const configmaps = "/api/v1/namespaces/shop/configmaps";
const configmap = (name: string, labels = {}) => ({ metadata: { name, labels } });

/** The next events of a watch, as `TYPE name`. */
async function take(events: AsyncGenerator<Json>, count: number): Promise<string[]> {
  const seen: string[] = [];
  while (seen.length < count) {
    const { value, done } = await events.next();
    if (done) break;
    seen.push(`${value.type} ${value.object.metadata?.name ?? value.object.code}`);
  }
  return seen;
}

test("a watch without a version begins with what there is and goes on with what changes", async () => {
  const sandbox = await cluster();
  const abort = new AbortController();
  await call(sandbox, "POST", configmaps, configmap("a"));
  const events = watch(sandbox, `${configmaps}?watch=1`, abort.signal);
  expect(await take(events, 1)).toEqual(["ADDED a"]);
  await call(sandbox, "POST", configmaps, configmap("b"));
  await call(sandbox, "PATCH", `${configmaps}/a`, { data: { key: "1" } }, merge);
  await call(sandbox, "DELETE", `${configmaps}/b`);
  expect(await take(events, 3)).toEqual(["ADDED b", "MODIFIED a", "DELETED b"]);
  abort.abort();
  await until(
    () => sandbox.watches(),
    (open) => open === 0,
  );
});

test("a watch from a list's version misses nothing that happened in between", async () => {
  const sandbox = await cluster();
  const { body } = await call(sandbox, "GET", configmaps);
  await call(sandbox, "POST", configmaps, configmap("a"));
  await call(sandbox, "POST", "/api/v1/namespaces/default/configmaps", configmap("elsewhere"));
  await call(sandbox, "DELETE", `${configmaps}/a`);
  const events = watch(
    sandbox,
    `${configmaps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`,
    AbortSignal.timeout(30_000),
  );
  expect(await take(events, 2)).toEqual(["ADDED a", "DELETED a"]);
});

test("a quiet watch is answered at once", async () => {
  const sandbox = await cluster();
  const abort = new AbortController();
  const headers = { authorization: `Bearer ${sandbox.token}` };
  const { body } = await call(sandbox, "GET", configmaps);
  const path = `${configmaps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`;
  const response = await fetch(sandbox.url + path, {
    headers,
    signal: AbortSignal.any([abort.signal, AbortSignal.timeout(30_000)]),
  });
  expect(response.status).toBe(200);
  abort.abort();
});

test("to a watch with a selector an object comes and goes with its labels", async () => {
  const sandbox = await cluster();
  const events = watch(sandbox, `${configmaps}?watch=1&labelSelector=team=a`, AbortSignal.timeout(30_000));
  const seen = take(events, 2);
  await until(
    () => sandbox.watches(),
    (open) => open === 1,
  );
  await call(sandbox, "POST", configmaps, configmap("x", { team: "b" }));
  await call(sandbox, "PATCH", `${configmaps}/x`, { metadata: { labels: { team: "a" } } }, merge);
  await call(sandbox, "PATCH", `${configmaps}/x`, { metadata: { labels: { team: "b" } } }, merge);
  expect(await seen).toEqual(["ADDED x", "DELETED x"]);
});

test("bookmarks carry the newest version, and timeoutSeconds ends the watch", async () => {
  const sandbox = await cluster();
  const query = "watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=";
  const { body } = await call(sandbox, "GET", configmaps);
  await call(sandbox, "POST", "/api/v1/namespaces/default/configmaps", configmap("elsewhere"));
  const events = watch(sandbox, `${configmaps}?${query}${body.metadata.resourceVersion}`, AbortSignal.timeout(30_000));
  const { value } = await events.next();
  expect(value.type).toBe("BOOKMARK");
  expect(value.object.kind).toBe("ConfigMap");
  expect(Number(value.object.metadata.resourceVersion)).toBeGreaterThan(Number(body.metadata.resourceVersion));
  expect((await events.next()).done).toBe(true);
});

test("sendInitialEvents ends the initial events with an annotated bookmark", async () => {
  const sandbox = await cluster();
  await call(sandbox, "POST", configmaps, configmap("a"));
  const query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
  const events = watch(sandbox, `${configmaps}?${query}`, AbortSignal.timeout(30_000));
  expect((await events.next()).value.type).toBe("ADDED");
  const { value } = await events.next();
  expect(value.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
});

test("a version older than the history is answered by a 410 in the watch", async () => {
  const sandbox = await cluster();
  const { body } = await call(sandbox, "GET", configmaps);
  sandbox.compact();
  const path = `${configmaps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`;
  const events = watch(sandbox, path, AbortSignal.timeout(30_000));
  const { value } = await events.next();
  expect(value).toMatchObject({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } });
  expect(value.object.message).toMatch(/^too old resource version: \d+ \(\d+\)$/);
  expect((await events.next()).done).toBe(true);
});

test("the history is bounded, and what fell out of it is expired", async () => {
  const sandbox = await cluster({ history: 5 });
  const { body } = await call(sandbox, "GET", configmaps);
  for (let i = 0; i < 12; i++) await call(sandbox, "POST", configmaps, configmap(`c${i}`));
  const path = `${configmaps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`;
  const { value } = await watch(sandbox, path, AbortSignal.timeout(30_000)).next();
  expect(value.object.code).toBe(410);
});

test("expired watches end with a 410 event; asked for as HTTP, the next one is the status 410", async () => {
  const sandbox = await cluster();
  const { body } = await call(sandbox, "GET", deployments);
  const path = `${deployments}?watch=1&resourceVersion=${body.metadata.resourceVersion}`;
  const events = watch(sandbox, path, AbortSignal.timeout(30_000));
  const first = events.next();
  await until(
    () => sandbox.watches(),
    (open) => open === 1,
  );
  sandbox.expireWatches("http");
  expect((await first).value.object.code).toBe(410);
  const next = await call(sandbox, "GET", path);
  expect(next.status).toBe(410);
  expect(next.body.reason).toBe("Expired");
});

test("events of one object come in the order of their versions", async () => {
  const sandbox = await cluster();
  const events = watch(sandbox, "/api/v1/pods?watch=1", AbortSignal.timeout(30_000));
  await call(sandbox, "POST", deployments, web("1", 3));
  const last = new Map<string, number>();
  const ready = new Set<string>();
  for await (const { type, object } of events) {
    const { name, resourceVersion } = object.metadata;
    expect(type === "ADDED").toBe(!last.has(name));
    expect(Number(resourceVersion)).toBeGreaterThan(last.get(name) ?? 0);
    last.set(name, Number(resourceVersion));
    if (object.status.phase === "Running") ready.add(name);
    if (ready.size === 3) break;
  }
});
