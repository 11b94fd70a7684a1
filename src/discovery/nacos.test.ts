import { beforeAll, expect, test } from "bun:test";
import { addressOf, discoverySuite, registrationOf, watched } from "../../test/suites/discovery.ts";
import { type Certificate, createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";
import { type NacosPart, type RealNacos, sharedNacos, startNacos } from "../../test/testbed/nacos.ts";
import { describePart } from "../../test/testbed/part.ts";
import { freePorts } from "../../test/testbed/processes.ts";
import { startTlsFront } from "../../test/testbed/tls-front.ts";
import type { AnnounceState, Registration } from "./discovery.ts";
import { type NacosAnnouncerOptions, nacosAnnouncer, nacosSource } from "./nacos.ts";
import { connectNacos } from "./nacos-grpc.ts";

for (const part of ["nacos2", "nacos3"] satisfies NacosPart[]) {
  describePart(part, part, () => {
    let nacos: RealNacos;
    beforeAll(async () => {
      nacos = await sharedNacos(part);
    });

    discoverySuite(part, async () => {
      const prefix = "suite.";
      const hosts = [nacos.endpoint];
      const register = (serviceName: string, ip: string, port: string, livesMs = 2_000) =>
        nacos.request("POST", "/nacos/v1/ns/instance", {
          serviceName,
          ip,
          port,
          ephemeral: "true",
          metadata: JSON.stringify({
            "preserved.heart.beat.interval": "500",
            "preserved.heart.beat.timeout": String(livesMs / 2),
            "preserved.ip.delete.timeout": String(livesMs),
          }),
        });
      return {
        prefix,
        announcer: () => nacosAnnouncer({ hosts, prefix }),
        source: () => nacosSource({ hosts, prefix, timeoutMs: 900 }),
        async abandon({ keys, via }) {
          const [ip, port] = ("address" in via ? via.address : "").split(":") as [string, string];
          for (const key of keys) await register(key, ip, port);
        },
        async plant(path, value) {
          // Nacos itself takes no spaces.
          const [serviceName, ip] = [path.slice(0, path.lastIndexOf("/")), value.replaceAll(" ", "/")];
          await register(serviceName, ip, "1", 120_000);
          return async () =>
            void (await nacos.request("DELETE", "/nacos/v1/ns/instance", {
              serviceName,
              ip,
              port: "1",
              ephemeral: "true",
            }));
        },
        outage: {
          begin: async () => nacos.pause(),
          end: async () => nacos.resume(),
        },
        crash: nacos,
      };
    });

    test("an instance is registered as installed servers read it, in its namespace and group", async () => {
      const prefix = "layout.";
      const registration = registrationOf({ prefix }, ["shop.k1"]);
      const place = { hosts: [nacos.endpoint], prefix, namespaceId: "team-a", group: "agents" };
      const agent = announced({ ...place, meta: { Team: "a" } }, registration);
      expect(await agent.state).toEqual({ announced: true });
      const near = watched({ source: () => nacosSource(place) });
      const [wrongGroup, wrongNamespace] = [{ group: "DEFAULT_GROUP" }, { namespaceId: "public" }].map((other) =>
        watched({ source: () => nacosSource({ ...place, ...other }) }),
      ) as [ReturnType<typeof watched>, ReturnType<typeof watched>];
      await near.until("it", (keys) => keys.size === 1);
      for (const far of [wrongGroup, wrongNamespace]) {
        await far.until("a set", () => far.changes.some(({ type }) => type === "set"));
        expect(far.addresses().size).toBe(0);
        await far.stop();
      }
      const { hosts } = await nacos.request<{ hosts: unknown[] }>("GET", "/nacos/v1/ns/instance/list", {
        serviceName: registration.keys[0]!,
        namespaceId: "team-a",
        groupName: "agents",
      });
      expect(hosts).toMatchObject([
        {
          ip: "127.0.0.1",
          port: Number(addressOf(registration).split(":")[1]),
          ephemeral: true,
          metadata: { Protocol: "grpc", Service: "layout.lizardcd-agent", Namespace: "shop", Cluster: "k1", Team: "a" },
        },
      ]);
      await agent.withdraw();
      await near.until("it gone", (keys) => keys.size === 0);
      await near.stop();
    });

    test("an agent that dies is gone as soon as its connection breaks, also the last of its key", async () => {
      const watcher = watched({ source: () => nacosSource({ hosts: [nacos.endpoint], prefix: "dies." }) });
      const connection = await connectNacos(nacos.endpoint, {}, () => {});
      const instance = { ip: "10.0.0.1", port: 5017, healthy: true, enabled: true, ephemeral: true, weight: 1 };
      await connection.request("InstanceRequest", {
        type: "registerInstance",
        namespace: "public",
        groupName: "DEFAULT_GROUP",
        serviceName: "dies.lizardcd-agent.*.k1",
        instance,
      });
      await watcher.until("it", (keys) => keys.size === 1);
      const brokenAt = performance.now();
      connection.close();
      await watcher.until("it gone", (keys) => keys.size === 0);
      // Without its connection it would count for 15 s more.
      expect(performance.now() - brokenAt).toBeLessThan(14_000);
      await watcher.stop();
    });

    test("a server that wants a password takes the right one only, tells no other, is logged in to again in time, and is reached by TLS that ends before it", async () => {
      const guarded = await startNacos(part, { auth: true, tokenSeconds: 5 });
      const { username, password } = guarded;
      const place = { hosts: [guarded.endpoint], prefix: "" };
      const refused = announced({ ...place, username, password: "guessed" }, registrationOf({ prefix: "" }, ["*.a"]));
      const state = await refused.state;
      expect(state).toMatchObject({ announced: false, problem: expect.stringContaining("check user and password") });
      expect(JSON.stringify(state)).not.toContain("guessed");
      await refused.withdraw();
      const nobody = watched({ source: () => nacosSource(place) });
      await nobody.until("a problem", () => nobody.changes.some(({ type }) => type === "silent"));
      await nobody.stop();
      const watcher = watched({ source: () => nacosSource({ ...place, username, password }) });
      const first = announced({ ...place, username, password }, registrationOf({ prefix: "" }, ["*.first"]));
      await watcher.until("the first", (keys) => keys.has("lizardcd-agent.*.first"));
      await Bun.sleep(6_000);
      const second = announced({ ...place, username, password }, registrationOf({ prefix: "" }, ["*.second"]));
      await watcher.until("one that needs a new login", (keys) => keys.has("lizardcd-agent.*.second"));
      expect(watcher.changes.some(({ type }) => type === "silent")).toBe(false);
      await first.withdraw();
      await watcher.until("the first gone", (keys) => !keys.has("lizardcd-agent.*.first"));
      await second.withdraw();
      await watcher.stop();

      // Nacos' own TLS is a matter of keystores: this one ends before it, on both ports.
      const authority = createAuthority("nacos CA");
      const front = await frontOf(guarded.endpoint, createServerCertificate(authority, ["127.0.0.1"]));
      const secure = { hosts: [front.endpoint], prefix: "", username, password };
      for (const ca of [undefined, Buffer.from(createAuthority("another CA").cert)]) {
        const refusing = watched({ source: () => nacosSource({ ...secure, tls: () => ({ ca }) }) });
        await refusing.until("a problem", () => refusing.changes.length > 0);
        const [told] = refusing.changes;
        const problem = told?.type === "silent" ? told.problem : "";
        expect(problem).toStartWith(`${front.endpoint}: its certificate is not signed by an authority that is trusted`);
        expect(problem).toEndWith("--nacos-ca");
        await refusing.stop();
      }
      const tls = () => ({ ca: Buffer.from(authority.cert) });
      const behind = watched({ source: () => nacosSource({ ...secure, tls }) });
      const third = announced({ ...secure, tls }, registrationOf({ prefix: "" }, ["*.third"]));
      await behind.until("one by TLS", (keys) => keys.has("lizardcd-agent.*.third"));
      await third.withdraw();
      await behind.until("it gone", (keys) => !keys.has("lizardcd-agent.*.third"));
      await behind.stop();
      front.stop();
      await guarded.stop();
    });
  });
}

/** TLS before both of a Nacos' ports. */
async function frontOf(endpoint: string, certificate: Certificate) {
  const target = Number(new URL(endpoint).port);
  for (;;) {
    const [port] = (await freePorts(1)) as [number];
    const http = await startTlsFront(certificate, port, target, "http/1.1");
    const grpc = await startTlsFront(certificate, port + 1_000, target + 1_000, "h2").catch(() => http.stop());
    if (!grpc) continue;
    return {
      endpoint: `https://127.0.0.1:${port}`,
      stop() {
        http.stop();
        grpc.stop();
      },
    };
  }
}

function announced(options: NacosAnnouncerOptions, registration: Registration) {
  const stop = new AbortController();
  const first = Promise.withResolvers<AnnounceState>();
  const done = nacosAnnouncer(options).announce(registration, stop.signal, first.resolve);
  return {
    /** What it says first. */
    state: first.promise,
    withdraw: () => {
      stop.abort();
      return done;
    },
  };
}
