import { expect, test } from "bun:test";
import { discoverySuite, registrationOf, watched } from "../../test/suites/discovery.ts";
import type { AnnounceState, Registration } from "./discovery.ts";
import { announceToServer, type EmbeddedRegistry, embeddedRegistry } from "./server.ts";

const joinToken = "join-secret";

discoverySuite("the embedded registry", async () => {
  const prefix = "t.";
  const registry = embeddedRegistry({ leaseMs: 900 });
  const server = serve(registry);
  return {
    prefix,
    announcer: () => announceToServer({ server: server.url.origin, joinToken }),
    source: () => registry,
    abandon: (registration) => putOnce(server.url.origin, registration),
    async plant(path, value) {
      const slash = path.lastIndexOf("/");
      registry.put(path.slice(slash + 1), [path.slice(0, slash)], value);
      return async () => registry.remove(path.slice(slash + 1));
    },
    async stop() {
      registry.close();
      await server.stop(true);
    },
  };
});

test("agents announce themselves again to a server that was restarted", async () => {
  const first = embeddedRegistry({ leaseMs: 600 });
  let server = serve(first);
  const port = server.port;
  const registration = registrationOf({ prefix: "" }, ["*.again"]);
  const states: AnnounceState[] = [];
  const stop = new AbortController();
  const announcing = announceToServer({ server: server.url.origin, joinToken }).announce(
    registration,
    stop.signal,
    (state) => states.push(state),
  );
  const before = watched({ source: () => first });
  await before.until("it", (keys) => keys.has(registration.keys[0]!));
  await before.stop();
  await server.stop(true);
  first.close();
  const second = embeddedRegistry({ leaseMs: 600 });
  const after = watched({ source: () => second });
  // It must have noticed before the server is back.
  await after.until("the agent noticing", () => states.at(-1)?.announced === false);
  server = serve(second, port);
  await after.until("it again", (keys) => keys.has(registration.keys[0]!));
  await after.until("the agent told", () => states.length === 3);
  expect(states.map(({ announced }) => announced)).toEqual([true, false, true]);
  stop.abort();
  await announcing;
  await after.until("it gone", (keys) => !keys.has(registration.keys[0]!));
  await after.stop();
  second.close();
  await server.stop(true);
});

test("a wrong join token is told in the server's words, and tried again without hurry", async () => {
  const registry = embeddedRegistry({ leaseMs: 600 });
  const server = serve(registry);
  const stop = new AbortController();
  const state = await new Promise<AnnounceState>((resolve) => {
    const announcer = announceToServer({ server: `${server.url.origin}/`, joinToken: "guessed" });
    void announcer.announce(registrationOf({ prefix: "" }, ["*.x"]), stop.signal, resolve);
  });
  stop.abort();
  expect(state).toEqual({
    announced: false,
    problem: `${server.url.origin} answers 401: the join token is missing or wrong`,
  });
  registry.close();
  await server.stop(true);
});

test("an agent that announces fewer keys than before loses the others at once", async () => {
  const registry = embeddedRegistry({ leaseMs: 60_000 });
  const watcher = watched({ source: () => registry });
  registry.put("0000-1", ["lizardcd-agent.a.c", "lizardcd-agent.b.c"], "127.0.0.1:1");
  await watcher.until("both", (keys) => keys.size === 2);
  registry.put("0000-1", ["lizardcd-agent.b.c"], "127.0.0.1:2");
  await watcher.until("the move", (keys) => keys.size === 1 && keys.get("lizardcd-agent.b.c")?.[0] === "127.0.0.1:2");
  await watcher.stop();
  registry.close();
});

test("ten thousand agents are given longer leases, so that renewing them costs no core", () => {
  const registry = embeddedRegistry({ leaseMs: 10_000 });
  let given = 0;
  for (let agent = 0; agent < 10_000; agent++) {
    given = registry.put(`i-${agent}`, [`lizardcd-agent.*.c${agent}`], "127.0.0.1:1").leaseMs;
    if (agent === 1_000) expect(given).toBe(10_000);
  }
  const renewalsPerSecond = 10_000 / (given / 3_000);
  expect(renewalsPerSecond).toBeLessThanOrEqual(501);
  expect(given).toBeLessThan(120_000);
  registry.close();
});

test("a server that stood still does not count its own pause against the agents", async () => {
  let now = 0;
  const registry = embeddedRegistry({ leaseMs: 40, now: () => now });
  const watcher = watched({ source: () => registry });
  registry.put("0000-1", ["lizardcd-agent.*.c"], "127.0.0.1:1");
  await watcher.until("it", (keys) => keys.size === 1);
  // The timer for 40 runs when the clock says 10,040: nobody could be heard in between.
  now = 10_040;
  await Bun.sleep(60);
  expect(watcher.addresses().size).toBe(1);
  now += 41;
  await watcher.until("it gone after a lease of its own", (keys) => keys.size === 0);
  await watcher.stop();
  registry.close();
});

function serve(registry: EmbeddedRegistry, port = 0) {
  return Bun.serve({
    port,
    hostname: "127.0.0.1",
    async fetch(request) {
      if (request.headers.get("authorization") !== `Bearer ${joinToken}`) {
        return Response.json({ message: "the join token is missing or wrong" }, { status: 401 });
      }
      const instance = new URL(request.url).pathname.replace("/discovery/instances/", "");
      if (request.method === "DELETE") {
        registry.remove(instance);
        return Response.json({});
      }
      const { keys, address } = (await request.json()) as { keys: string[]; address: string };
      return Response.json(registry.put(instance, keys, address));
    },
  });
}

async function putOnce(origin: string, { instance, keys, via }: Registration): Promise<void> {
  const answer = await fetch(`${origin}/discovery/instances/${instance}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${joinToken}` },
    body: JSON.stringify({ keys, address: "address" in via ? via.address : "" }),
  });
  expect(answer.status).toBe(200);
}
