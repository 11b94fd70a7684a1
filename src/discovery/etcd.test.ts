import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Etcd3 } from "etcd3";
import { discoverySuite, registrationOf, watched } from "../../test/suites/discovery.ts";
import { createAuthority, createClientCertificate } from "../../test/testbed/certificates.ts";
import { type RealEtcd, startEtcd } from "../../test/testbed/etcd.ts";
import type { Pem } from "../process/pem-files.ts";
import type { AnnounceState, Change } from "./discovery.ts";
import { etcdAnnouncer, etcdSource } from "./etcd.ts";
import { connectEtcd } from "./etcd-client.ts";

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
      return async () => void (await client.delete().key(path));
    },
    outage: {
      begin: async () => etcd.pause(),
      end: async () => etcd.resume(),
    },
    crash: etcd,
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

test("an etcd that comes back with nothing keeps its agents known until they have announced themselves again", async () => {
  const forgetful = await startEtcd();
  const hosts = [forgetful.endpoint];
  const registration = registrationOf({ prefix: "" }, ["*.k1"]);
  const stop = new AbortController();
  const announcing = etcdAnnouncer({ hosts }).announce(registration, stop.signal);
  const watcher = watched({ source: () => etcdSource({ hosts, prefix: "", timeoutMs: 900 }) });
  await watcher.until("it", (keys) => keys.size === 1);
  const [first] = [...instancesOf(watcher.changes)];
  await forgetful.restart({ empty: true });
  await watcher.until("it under a new lease", () => instancesOf(watcher.changes).size === 2);
  expect(emptied(watcher.changes, registration.keys[0]!)).toBe(false);
  // By a word of its own, or by a set without it where etcd was silent once more meanwhile.
  await watcher.until("the old lease gone", () => !current(watcher.changes).has(first!));
  expect(emptied(watcher.changes, registration.keys[0]!)).toBe(false);
  await watcher.stop();
  stop.abort();
  await announcing;
  await forgetful.stop();
});

test("an etcd that hangs for longer than a lease keeps its agents known until they have announced themselves again", async () => {
  const source = () => etcdSource({ hosts: [etcd.endpoint], leaseSeconds: 2, timeoutMs: 900, prefix: "hung." });
  const watcher = watched({ source });
  const key = "hung.lizardcd-agent.*.k1";
  const announceOnce = async () => {
    const lease = client.lease(2, { autoKeepAlive: false });
    const id = await lease.grant();
    await lease.put(`${key}/${id}`).value("127.0.0.1:5017");
    return id;
  };
  await announceOnce();
  await watcher.until("it", (keys) => keys.has(key));
  etcd.pause();
  await watcher.until("silence", () => watcher.changes.at(-1)?.type === "silent");
  await Bun.sleep(2_000);
  etcd.resume();
  const { kvs } = await client.getAll().prefix(key).exec();
  for (let left = kvs.length; left > 0; left = (await client.getAll().prefix(key).exec()).kvs.length)
    await Bun.sleep(50);
  // Until here nothing tells that the agent lives.
  const second = await announceOnce();
  await watcher.until("it again", () => instancesOf(watcher.changes).has(second));
  expect(emptied(watcher.changes, key)).toBe(false);
  await watcher.stop();
});

test("an etcd that asks for a password takes the right one only", async () => {
  const guarded = await startEtcd();
  await addRoot(new Etcd3({ hosts: guarded.endpoint }), "right");
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
  await guarded.stop();
});

describe("an etcd behind TLS that wants a client's certificate", () => {
  const other = Buffer.from(createAuthority("another CA").cert);
  const stranger = createClientCertificate(createAuthority("another CA"), "stranger");

  for (const [how, names, hostOf] of [
    ["by its name", ["localhost"], (port: string) => `https://localhost:${port}`],
    ["by its address", ["127.0.0.1"], (port: string) => `https://127.0.0.1:${port}`],
    ["by its address without a scheme, as old files have it", ["127.0.0.1"], (port: string) => `127.0.0.1:${port}`],
  ] as const) {
    test(`${how} is announced to, watched and withdrawn from with user and password, and refuses whom it must`, async () => {
      const secure = await startEtcd({ tls: { names: [...names] } });
      const host = hostOf(new URL(secure.endpoint).port);
      const [ca, cert, key] = [secure.tls!.ca, secure.tls!.cert, secure.tls!.key].map((pem) => Buffer.from(pem));
      const hosts = [host];
      const refusals: [Pem, string][] = [
        [
          { ca: other, cert, key },
          "not signed by an authority that is trusted here: give the right one with --etcd-ca",
        ],
        [{ ca }, "it wants a client's certificate: give one with --etcd-cert and --etcd-key"],
        [
          { ca, cert: Buffer.from(stranger.cert), key: Buffer.from(stranger.key) },
          "it refuses the client's certificate",
        ],
      ];
      for (const [pem, problem] of refusals) {
        const watcher = watched({ source: () => etcdSource({ hosts, prefix: "", tls: () => pem }) });
        await watcher.until("a problem", () => watcher.changes.length > 0);
        const [first] = watcher.changes;
        const told = first?.type === "silent" ? first.problem : "";
        expect(told).toStartWith(`${host}: `);
        expect(told).toContain(problem);
        await watcher.stop();
      }
      const tls = () => ({ ca, cert, key });
      await addRoot(await connectEtcd(host, { hosts, tls }), "right");
      const options = { hosts, tls, username: "root", password: "right" };
      const registration = registrationOf({ prefix: "" }, ["*.secure"]);
      const watcher = watched({ source: () => etcdSource({ ...options, prefix: "" }) });
      const stop = new AbortController();
      const announcing = etcdAnnouncer(options).announce(registration, stop.signal);
      await watcher.until("it", (keys) => keys.size === 1);
      stop.abort();
      await announcing;
      await watcher.until("it withdrawn", (keys) => keys.size === 0);
      await watcher.stop();
      await secure.stop();
    });
  }

  test("under another address than its certificate says is refused", async () => {
    const secure = await startEtcd({ tls: { names: ["10.9.9.9", "localhost"] } });
    const [ca, cert, key] = [secure.tls!.ca, secure.tls!.cert, secure.tls!.key].map((pem) => Buffer.from(pem));
    const options = { hosts: [secure.endpoint], prefix: "", tls: () => ({ ca, cert, key }) };
    const watcher = watched({ source: () => etcdSource(options) });
    await watcher.until("a problem", () => watcher.changes.length > 0);
    expect(watcher.changes[0]).toMatchObject({
      problem: expect.stringContaining("for another name or address: IP: 127"),
    });
    await watcher.stop();
    await secure.stop();
  });
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

/** From here on nobody gets in without a password. */
async function addRoot(admin: Etcd3, password: string): Promise<void> {
  await admin.user("root").create(password);
  await admin.role("root").create();
  await admin.user("root").addRole("root");
  await admin.auth.authEnable();
  admin.close();
}

/** All that were ever told. */
function instancesOf(changes: readonly Change[]): Set<string> {
  const entries = changes.flatMap((change) =>
    change.type === "set" ? change.entries : change.type === "put" ? [change.entry] : [],
  );
  return new Set(entries.map(({ instance }) => instance));
}

/** Those that are there after all these changes. */
function current(changes: readonly Change[]): Set<string> {
  const instances = new Set<string>();
  for (const change of changes) {
    if (change.type === "set") instances.clear();
    const entries = change.type === "set" ? change.entries : change.type === "put" ? [change.entry] : [];
    for (const { instance } of entries) instances.add(instance);
    if (change.type === "removed") instances.delete(change.instance);
  }
  return instances;
}

/** Whether there was a moment without any instance of the key, once there had been one. */
function emptied(changes: readonly Change[], key: string): boolean {
  const instances = new Set<string>();
  let seen = false;
  for (const change of changes) {
    if (change.type === "set") instances.clear();
    const entries = change.type === "set" ? change.entries : change.type === "put" ? [change.entry] : [];
    for (const entry of entries) if (entry.key === key) instances.add(entry.instance);
    if (change.type === "removed" && change.key === key) instances.delete(change.instance);
    if (seen && instances.size === 0) return true;
    seen ||= instances.size > 0;
  }
  return false;
}
