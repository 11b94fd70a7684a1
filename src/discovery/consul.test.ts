import { afterAll, beforeAll, expect, test } from "bun:test";
import { addressOf, discoverySuite, registrationOf, watched } from "../../test/suites/discovery.ts";
import { createAuthority } from "../../test/testbed/certificates.ts";
import { type RealConsul, startConsul } from "../../test/testbed/consul.ts";
import { describePart } from "../../test/testbed/part.ts";
import { until } from "../../test/testbed/wait.ts";
import { type ConsulAnnouncerOptions, consulAnnouncer, consulSource } from "./consul.ts";
import type { AnnounceState, Registration } from "./discovery.ts";

describePart("consul", "Consul", () => {
  let consul: RealConsul;
  beforeAll(async () => {
    consul = await startConsul();
  });
  afterAll(() => consul?.stop());

  discoverySuite("Consul", async () => {
    const prefix = "suite.";
    const host = consul.endpoint;
    const register = (service: object) => consul.request("PUT", "/v1/agent/service/register", service);
    return {
      prefix,
      announcer: () => consulAnnouncer({ host, prefix, ttlSeconds: 5 }),
      source: () => consulSource({ hosts: [host], prefix, timeoutMs: 900 }),
      async abandon({ keys, via }) {
        const [address, port] = ("address" in via ? via.address : "").split(":");
        for (const Name of keys) {
          const ID = `${Name}-${address}-${port}`;
          await register({ Name, ID, Check: { CheckID: ID, TTL: "5s", Status: "passing" } });
        }
      },
      async plant(path, value) {
        const Name = path.slice(0, path.lastIndexOf("/"));
        const ID = `${Name}-${value.replace(/:(?=\d+$)/, "-")}`;
        await register({ Name, ID, Check: { CheckID: ID, TTL: "60s", Status: "passing" } });
        return async () => void (await consul.request("PUT", `/v1/agent/service/deregister/${encodeURIComponent(ID)}`));
      },
      outage: {
        begin: async () => consul.pause(),
        end: async () => consul.resume(),
      },
      crash: consul,
    };
  });

  test("a service is registered as installed servers read it", async () => {
    const registration = registrationOf({ prefix: "layout." }, ["*.k1"]);
    const [key] = registration.keys as [string];
    const agent = announced({ host: consul.endpoint, prefix: "layout.", meta: { Team: "a" } }, registration);
    expect(await agent.state).toEqual({ announced: true });
    const [service] = await consul.request<unknown[]>("GET", `/v1/health/service/${encodeURIComponent(key)}`);
    const id = `${key}-127.0.0.1-${addressOf(registration).split(":")[1]}`;
    expect(service).toMatchObject({
      Service: {
        ID: id,
        Service: key,
        Address: "127.0.0.1",
        Port: Number(addressOf(registration).split(":")[1]),
        Meta: { Protocol: "grpc", Service: "layout.lizardcd-agent", Namespace: "*", Cluster: "k1", Team: "a" },
      },
      Checks: expect.arrayContaining([expect.objectContaining({ CheckID: id, Type: "ttl", Status: "passing" })]),
    });
    await agent.withdraw();
    expect(await consul.request<unknown[]>("GET", `/v1/health/service/${encodeURIComponent(key)}`)).toEqual([]);
  });

  test("an agent that somebody deregistered is there again at once, long before its next beat", async () => {
    const registration = registrationOf({ prefix: "again." }, ["*.k1"]);
    const agent = announced({ host: consul.endpoint, prefix: "again." }, registration);
    const watcher = watched({ source: () => consulSource({ hosts: [consul.endpoint], prefix: "again." }) });
    await watcher.until("it", (keys) => keys.size === 1);
    const id = `${registration.keys[0]}-${addressOf(registration).replace(":", "-")}`;
    await consul.request("PUT", `/v1/agent/service/deregister/${encodeURIComponent(id)}`);
    await watcher.until("it gone", () => watcher.changes.some(({ type }) => type === "removed"));
    await watcher.until("it again", (keys) => keys.size === 1);
    await watcher.stop();
    await agent.withdraw();
  });

  test("a warning keeps an instance; a critical check, maintenance or a lost node takes it away", async () => {
    const watcher = watched({ source: () => consulSource({ hosts: [consul.endpoint], prefix: "state." }) });
    const Name = "state.lizardcd-agent.*.k1";
    const ID = `${Name}-10.0.0.1-5017`;
    const path = encodeURIComponent(ID);
    await consul.request("PUT", "/v1/agent/service/register", { Name, ID, Check: { CheckID: ID, TTL: "60s" } });
    const say = (state: string) => consul.request("PUT", `/v1/agent/check/${state}/${path}`);
    await say("warn");
    await watcher.until("it, warning", (keys) => keys.get(Name)?.[0] === "10.0.0.1:5017");
    await say("fail");
    await watcher.until("it gone, critical", (keys) => keys.size === 0);
    await say("pass");
    await watcher.until("it, passing", (keys) => keys.size === 1);
    await consul.request("PUT", `/v1/agent/service/maintenance/${path}?enable=true`);
    await watcher.until("it gone, in maintenance", (keys) => keys.size === 0);
    await consul.request("PUT", `/v1/agent/service/maintenance/${path}?enable=false`);
    await watcher.until("it back", (keys) => keys.size === 1);
    await consul.request("PUT", "/v1/agent/maintenance?enable=true");
    await watcher.until("it gone, its node in maintenance", (keys) => keys.size === 0);
    await consul.request("PUT", "/v1/agent/maintenance?enable=false");
    await watcher.until("it back again", (keys) => keys.size === 1);
    await consul.request("PUT", `/v1/agent/service/deregister/${path}`);
    await watcher.stop();
  });

  test("a prefix full of pattern signs is text", async () => {
    const prefix = "a.*+(b)[c]|^$\\`'\"ü ";
    const registration = registrationOf({ prefix }, ["*.k1"]);
    const other = registrationOf({ prefix: "axx(b)[c]" }, ["*.k1"]);
    const agents = [registration, other].map((one) => announced({ host: consul.endpoint, prefix }, one));
    const watcher = watched({ source: () => consulSource({ hosts: [consul.endpoint], prefix }) });
    await watcher.until("it", (keys) => keys.size > 0);
    expect([...watcher.addresses().keys()]).toEqual(registration.keys);
    await watcher.stop();
    await Promise.all(agents.map(({ withdraw }) => withdraw()));
  });

  test("a Consul that keeps what it stored has its agents back with no entry lost", async () => {
    const durable = await startConsul({ durable: true });
    const agent = announced({ host: durable.endpoint, prefix: "" }, registrationOf({ prefix: "" }, ["*.kept"]));
    const watcher = watched({ source: () => consulSource({ hosts: [durable.endpoint], prefix: "", timeoutMs: 900 }) });
    await watcher.until("it", (keys) => keys.size === 1);
    const before = watcher.changes.length;
    await durable.restart();
    const later = () => watcher.changes.slice(before).map(({ type }) => type);
    await watcher.until("the set anew", () => later().includes("set"));
    expect(watcher.addresses().size).toBe(1);
    expect(later()).not.toContain("removed");
    await watcher.stop();
    await agent.withdraw();
    await durable.stop();
  });

  test("a restored snapshot, by which Consul's index goes back under a query it holds, is the truth at once", async () => {
    const restored = await startConsul({ durable: true });
    await register(restored, "*.before");
    const watcher = watched({ source: () => consulSource({ hosts: [restored.endpoint], prefix: "" }) });
    await watcher.until("it", (keys) => keys.size === 1);
    const snapshot = await (await fetch(`${restored.endpoint}/v1/snapshot`)).arrayBuffer();
    for (let service = 0; service < 20; service++) await register(restored, `*.after-${service}`);
    await watcher.until("all", (keys) => keys.size === 21);
    const before = await indexOf(restored);
    const answer = await fetch(`${restored.endpoint}/v1/snapshot`, { method: "PUT", body: snapshot });
    expect([answer.status, (await indexOf(restored)) < before]).toEqual([200, true]);
    const restoredAt = performance.now();
    await watcher.until("what was there then", (keys) => keys.size === 1 && keys.has("lizardcd-agent.*.before"));
    // Not only when the time is over for which Consul holds a query.
    expect(performance.now() - restoredAt).toBeLessThan(28_000);
    await register(restored, "*.since");
    await watcher.until("what has come since", (keys) => keys.size === 2);
    expect(watcher.changes.filter(({ type }) => type === "silent")).toEqual([]);
    await watcher.stop();
    await restored.stop();
  });

  test("a Consul that counts anew behind its address, with nobody silent, is asked from its beginning", async () => {
    const [old, anew] = await Promise.all([startConsul(), startConsul()]);
    for (let service = 0; service < 20; service++) await register(old, `*.old-${service}`);
    await register(anew, "*.new");
    expect(await indexOf(anew)).toBeLessThan(await indexOf(old));
    let behind = old;
    const changed = new AbortController();
    const asked: (string | null)[] = [];
    const front = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      async fetch({ url }) {
        const { pathname, searchParams } = new URL(url);
        const pass = async (signal?: AbortSignal) => {
          const answer = await fetch(`${behind.endpoint}${pathname}?${searchParams}`, { signal });
          const index = answer.headers.get("x-consul-index") ?? "";
          return new Response(await answer.text(), { headers: { "x-consul-index": index } });
        };
        if (!pathname.startsWith("/v1/health/state/")) return pass();
        if (behind === anew) asked.push(searchParams.get("index"));
        return pass(changed.signal).catch(() => {
          // What is held is let go, as Consul does where its store is exchanged.
          searchParams.delete("index");
          return pass();
        });
      },
    });
    const watcher = watched({ source: () => consulSource({ hosts: [front.url.origin], prefix: "" }) });
    await watcher.until("the old ones", (keys) => keys.size === 20);
    behind = anew;
    changed.abort();
    await watcher.until("the new one", (keys) => keys.size === 1 && keys.has("lizardcd-agent.*.new"));
    await register(anew, "*.newer");
    await watcher.until("the newer one", (keys) => keys.size === 2);
    // With an index that is ahead, Consul would hold back every change for as long as it holds a query.
    expect(asked).toContain(null);
    expect(watcher.changes.filter(({ type }) => type === "silent")).toEqual([]);
    await watcher.stop();
    await front.stop(true);
    await Promise.all([old.stop(), anew.stop()]);
  });

  test("a Consul with ACLs takes the right token only, and one that may see nothing empties no fleet", async () => {
    const guarded = await startConsul({ acl: true });
    const host = guarded.endpoint;
    const registration = registrationOf({ prefix: "" }, ["*.guarded"]);
    const refused = announced({ host, prefix: "", token: crypto.randomUUID() }, registration);
    expect(await refused.state).toMatchObject({ announced: false, problem: expect.stringContaining("ACL not found") });
    await refused.withdraw();
    const agent = announced({ host, prefix: "", token: guarded.token }, registration);
    expect(await agent.state).toEqual({ announced: true });
    const watcher = watched({ source: () => consulSource({ hosts: [host], prefix: "", token: guarded.token }) });
    await watcher.until("it", (keys) => keys.size === 1);
    await watcher.stop();
    const nodesOnly = await guarded.request<{ SecretID: string }>("PUT", "/v1/acl/token", {
      NodeIdentities: [{ NodeName: "elsewhere", Datacenter: "dc1" }],
    });
    for (const token of [undefined, nodesOnly.SecretID]) {
      const blind = watched({ source: () => consulSource({ hosts: [host], prefix: "", token }) });
      await blind.until("a problem", () => blind.changes.length > 0);
      expect(blind.changes[0]).toMatchObject({ type: "silent", problem: expect.stringContaining("may not read") });
      await blind.stop();
    }
    await agent.withdraw();
    await guarded.stop();
  });

  test("a Consul behind TLS is trusted by its own authority, and by no other", async () => {
    const secure = await startConsul({ tls: true });
    const registration = registrationOf({ prefix: "" }, ["*.secure"]);
    const other = Buffer.from(createAuthority("another CA").cert);
    const distrust = `${secure.endpoint}: its certificate is not signed by an authority that is trusted here`;
    let trusted = other;
    const tls = () => ({ ca: trusted });
    for (const ca of [undefined, other]) {
      const tls = () => ({ ca });
      const refused = announced({ host: secure.endpoint, prefix: "", tls }, registration);
      const state = await refused.state;
      expect(state.announced ? "" : state.problem).toStartWith(distrust);
      await refused.withdraw();
      const blind = watched({ source: () => consulSource({ hosts: [secure.endpoint], prefix: "", tls }) });
      await blind.until("a problem", () => blind.changes.length > 0);
      const [told] = blind.changes;
      expect(told?.type === "silent" ? told.problem : "").toStartWith(distrust);
      await blind.stop();
    }
    const states: AnnounceState[] = [];
    const stop = new AbortController();
    const announcing = consulAnnouncer({ host: secure.endpoint, prefix: "", tls }).announce(
      registration,
      stop.signal,
      (state) => states.push(state),
    );
    const options = { hosts: [secure.endpoint], prefix: "" };
    const watcher = watched({ source: () => consulSource({ ...options, tls, datacenter: "dc1" }) });
    await watcher.until("a problem", () => watcher.changes.length > 0);
    await until(async () => states.length > 0, { what: "the announcer to be refused" });
    expect(states[0]).toMatchObject({ announced: false, problem: expect.stringContaining("not signed by") });
    // The right one takes the place of the other while they run.
    trusted = Buffer.from(secure.ca!);
    await watcher.until("it", (keys) => keys.size === 1);
    await watcher.stop();
    const astray = watched({ source: () => consulSource({ ...options, tls, datacenter: "mars" }) });
    await astray.until("a problem", () => astray.changes.length > 0);
    expect(astray.changes[0]).toMatchObject({ type: "silent", problem: expect.stringContaining("datacenter") });
    await astray.stop();
    stop.abort();
    await announcing;
    expect(states.at(-1)).toEqual({ announced: true });
    await secure.stop();
  });
});

/** In the catalogue itself, under a node elsewhere: no agent of Consul puts it back there. */
function register({ request }: RealConsul, key: string): Promise<unknown> {
  const name = `lizardcd-agent.${key}`;
  const ID = `${name}-10.0.0.1-5017`;
  return request("PUT", "/v1/catalog/register", {
    Node: "elsewhere",
    Address: "10.0.0.1",
    Service: { ID, Service: name },
    Check: { CheckID: ID, ServiceID: ID, Status: "passing" },
  });
}

async function indexOf({ endpoint }: RealConsul): Promise<number> {
  const answer = await fetch(`${endpoint}/v1/health/state/any`);
  await answer.arrayBuffer();
  return Number(answer.headers.get("x-consul-index"));
}

function announced(options: ConsulAnnouncerOptions, registration: Registration) {
  const stop = new AbortController();
  const first = Promise.withResolvers<AnnounceState>();
  const done = consulAnnouncer(options).announce(registration, stop.signal, first.resolve);
  return {
    /** What it says first. */
    state: first.promise,
    withdraw: () => {
      stop.abort();
      return done;
    },
  };
}
