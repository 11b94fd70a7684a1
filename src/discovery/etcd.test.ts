import { afterAll, beforeAll, expect, test } from "bun:test";
import { Etcd3 } from "etcd3";
import { discoverySuite, registrationOf, watched } from "../../test/suites/discovery.ts";
import { type RealEtcd, startEtcd } from "../../test/testbed/etcd.ts";
import type { AnnounceState } from "./discovery.ts";
import { etcdAnnouncer, etcdSource } from "./etcd.ts";

let etcd: RealEtcd;
let client: Etcd3;

beforeAll(async () => {
  etcd = await startEtcd();
  client = new Etcd3({ hosts: etcd.endpoint });
});
afterAll(async () => {
  client?.close();
  await etcd?.stop();
});

discoverySuite("etcd", async () => {
  const prefix = "suite.";
  const hosts = [etcd.endpoint];
  return {
    prefix,
    announcer: () => etcdAnnouncer({ hosts, leaseSeconds: 5 }),
    source: () => etcdSource({ hosts, prefix, timeoutMs: 900 }),
    async abandon({ keys, via }) {
      const lease = client.lease(2, { autoKeepAlive: false });
      const id = await lease.grant();
      for (const key of keys) await lease.put(`${key}/${id}`).value("address" in via ? via.address : "");
    },
    async plant(path, value) {
      await client.put(path).value(value);
    },
    outage: {
      begin: async () => etcd.pause(),
      end: async () => etcd.resume(),
    },
  };
});

test("the key is <key>/<lease id in decimal> and its value host:port, as installed servers read it", async () => {
  const registration = registrationOf({ prefix: "layout." }, ["*.k1"]);
  const stop = new AbortController();
  await new Promise<AnnounceState>((resolve) => {
    void etcdAnnouncer({ hosts: [etcd.endpoint] }).announce(registration, stop.signal, resolve);
  });
  const { kvs } = await client.getAll().prefix("layout.").exec();
  const [key, lease] = kvs[0]!.key.toString().split("/");
  expect(key).toBe("layout.lizardcd-agent.*.k1");
  expect(lease).toBe(String(kvs[0]!.lease));
  expect(lease).toMatch(/^\d+$/);
  expect(kvs[0]!.value.toString()).toBe("address" in registration.via ? registration.via.address : "");
  stop.abort();
});

test("a lease that was revoked behind the agent's back is granted again, and the key put again", async () => {
  const registration = registrationOf({ prefix: "revoked." }, ["*.k1"]);
  const stop = new AbortController();
  const announcing = etcdAnnouncer({ hosts: [etcd.endpoint], leaseSeconds: 5 }).announce(registration, stop.signal);
  const watcher = watched({ source: () => etcdSource({ hosts: [etcd.endpoint], prefix: "revoked." }) });
  await watcher.until("it", (keys) => keys.size === 1);
  const { kvs } = await client.getAll().prefix("revoked.").exec();
  await client.leaseClient.leaseRevoke({ ID: kvs[0]!.lease });
  await watcher.until("it gone", (keys) => keys.size === 0);
  await watcher.until("it again", (keys) => keys.size === 1);
  stop.abort();
  await announcing;
  await watcher.until("it withdrawn", (keys) => keys.size === 0);
  await watcher.stop();
});

test("after etcd was killed and started again, agents are there again and watchers hold the whole set", async () => {
  const registration = registrationOf({ prefix: "killed." }, ["*.k1"]);
  const stop = new AbortController();
  const hosts = ["http://127.0.0.1:1", etcd.endpoint];
  const announcing = etcdAnnouncer({ hosts, leaseSeconds: 5 }).announce(registration, stop.signal);
  const watcher = watched({ source: () => etcdSource({ hosts, prefix: "killed.", timeoutMs: 900 }) });
  await watcher.until("it", (keys) => keys.size === 1);
  const before = watcher.changes.length;
  const later = () => watcher.changes.slice(before);
  await etcd.kill();
  await watcher.until("silence", () => later().some(({ type }) => type === "silent"));
  expect(watcher.addresses().size).toBe(1);
  await etcd.restart();
  await watcher.until("a whole set", () => later().some(({ type }) => type === "set"));
  await watcher.until("it announced under a living lease", (keys) => keys.size === 1);
  stop.abort();
  await announcing;
  await watcher.until("it withdrawn", (keys) => keys.size === 0);
  await watcher.stop();
});

test("what changed and was compacted while etcd was out of reach is caught up with", async () => {
  const watcher = watched({ source: () => etcdSource({ hosts: [etcd.endpoint], prefix: "compact.", timeoutMs: 900 }) });
  await watcher.until("the first set", () => watcher.changes.some(({ type }) => type === "set"));
  etcd.pause();
  await watcher.until("silence", () => watcher.changes.at(-1)?.type === "silent");
  etcd.resume();
  const { header } = await client.put("compact.lizardcd-agent.*.c/5").value("127.0.0.1:5");
  await client.kv.compact({ revision: header.revision, physical: true });
  await watcher.until("it", (keys) => keys.get("compact.lizardcd-agent.*.c")?.[0] === "127.0.0.1:5");
  await watcher.stop();
});

test("an etcd that asks for a password takes the right one only", async () => {
  const guarded = await startEtcd();
  const admin = new Etcd3({ hosts: guarded.endpoint });
  await admin.user("root").create("right");
  await admin.role("root").create();
  await admin.user("root").addRole("root");
  await admin.auth.authEnable();
  const [hosts, username] = [[guarded.endpoint], "root"];
  const stop = new AbortController();
  const announce = (password: string) =>
    new Promise<AnnounceState>((resolve) => {
      const registration = registrationOf({ prefix: "" }, ["*.guarded"]);
      void etcdAnnouncer({ hosts, username, password }).announce(registration, stop.signal, resolve);
    });
  expect(await announce("wrong")).toMatchObject({ announced: false, problem: expect.stringContaining("password") });
  expect(await announce("right")).toEqual({ announced: true });
  const watcher = watched({ source: () => etcdSource({ hosts, prefix: "", username, password: "right" }) });
  await watcher.until("it", (keys) => keys.has("lizardcd-agent.*.guarded"));
  await watcher.stop();
  stop.abort();
  admin.close();
  await guarded.stop();
});

test("what nobody answers is told with the endpoint, and announcing still ends when it is told to", async () => {
  const stop = new AbortController();
  const announcer = etcdAnnouncer({ hosts: ["http://127.0.0.1:1"] });
  let announcing: Promise<void> | undefined;
  const state = await new Promise<AnnounceState>((resolve) => {
    announcing = announcer.announce(registrationOf({ prefix: "" }, ["*.x"]), stop.signal, resolve);
  });
  expect(state).toMatchObject({ announced: false, problem: expect.stringContaining("http://127.0.0.1:1: ") });
  stop.abort();
  await announcing;
});
