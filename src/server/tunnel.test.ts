// Both ends keep to the beat that the server says.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, eventually, onEnd } from "../../test/harness.ts";
import { tunnelAnnouncer } from "../agent/tunnel.ts";
import { log } from "../process/log.ts";
import { beatIn } from "../tunnel/beat.ts";
import { createTunnels, mostUnproven, mostUnprovenHere, type Socket } from "./tunnel.ts";

afterEach(endAll);

const key = (cluster: string) => `lizardcd-agent.*.${cluster}`;

async function place(beatMs: (tunnels: number) => number, folder?: string) {
  const data = folder ?? (await mkdtemp(join(tmpdir(), "lizardcd-beat-")));
  onEnd(() => rm(data, { recursive: true, force: true }));
  const tunnels = await createTunnels({ prefix: "", admit: () => "anyone", data, log: log("tunnel"), beatMs });
  onEnd(() => tunnels.close());
  return tunnels;
}

/** An agent's end of one, driven by hand. */
function dialled(tunnels: Awaited<ReturnType<typeof place>>, cluster: string, more: object) {
  const id = {};
  const heard: string[] = [];
  const socket: Socket & { open: boolean } = {
    open: true,
    send: (data) => heard.push(String(data)),
    close() {
      socket.open = false;
    },
  };
  tunnels.open(id, socket);
  tunnels.arrived(id, JSON.stringify({ instance: cluster, keys: [key(cluster)], ...more }));
  const welcomed = () =>
    eventually(
      () => heard.find((text) => text.includes("welcome")),
      (text) => text !== undefined,
    );
  return {
    socket,
    heard,
    welcomed,
    beat: () => tunnels.arrived(id, "beat"),
    hangUp: () => tunnels.closed(id),
  };
}

describe("the server", () => {
  test("makes the folder of its sockets again, refuses a tunnel where it cannot, and goes on", async () => {
    const data = await mkdtemp(join(tmpdir(), "lizardcd-no-socket-"));
    onEnd(() => rm(data, { recursive: true, force: true }));
    // Of a run that was killed.
    await mkdir(join(data, "tunnels"));
    await writeFile(join(data, "tunnels", "1.sock"), "");
    const tunnels = await place(() => 60_000, data);
    await dialled(tunnels, "a", { paced: true }).welcomed();

    await rm(join(data, "tunnels"), { recursive: true });
    await dialled(tunnels, "b", { paced: true }).welcomed();

    await rm(join(data, "tunnels"), { recursive: true });
    await writeFile(join(data, "tunnels"), "in the way");
    const refused = dialled(tunnels, "c", { paced: true });
    const said = await eventually(
      () => refused.heard.at(-1)!,
      (text) => text.includes("refused"),
    );
    expect(said).toContain("the server has no socket for it");
    await rm(join(data, "tunnels"));
    await dialled(tunnels, "d", { paced: true }).welcomed();
    expect([refused.socket.open, tunnels.count]).toEqual([false, 3]);
  });

  test("lets so many wait to prove themselves, of one network and in all; who has proved itself takes no place", async () => {
    const tunnels = await place(() => 60_000);
    const waiting = (network: string) => {
      const id = {};
      const socket = {
        open: true,
        send: () => 1,
        close() {
          socket.open = false;
        },
      };
      tunnels.open(id, socket, network);
      return { id, socket };
    };
    const here = Array.from({ length: mostUnprovenHere + 5 }, () => waiting("192.0.2.1"));
    expect(here.filter(({ socket }) => socket.open)).toHaveLength(mostUnprovenHere);
    const rest = Array.from({ length: mostUnproven }, (_, n) => waiting(`198.51.100.${n}`));
    expect(rest.filter(({ socket }) => socket.open)).toHaveLength(mostUnproven - mostUnprovenHere);
    // One that proves itself, and one that goes, leave a place each.
    tunnels.arrived(here[0]!.id, JSON.stringify({ instance: "a", keys: [key("a")] }));
    tunnels.closed(here[1]!.id);
    expect([waiting("192.0.2.1"), waiting("192.0.2.1"), waiting("192.0.2.1")].map(({ socket }) => socket.open)).toEqual(
      [true, true, false],
    );
  });

  test("takes no bytes before the hello", async () => {
    const tunnels = await place(() => 60_000);
    const id = {};
    const heard: string[] = [];
    const socket = {
      open: true,
      send: (data: unknown) => heard.push(String(data)),
      close() {
        socket.open = false;
      },
    };
    tunnels.open(id, socket);
    tunnels.arrived(id, new Uint8Array(100));
    expect([socket.open, heard.at(-1)]).toEqual([false, expect.stringContaining("not of the tunnel's protocol")]);
  });

  test("says the beat in its welcome and in each answer, by how many tunnels are open then", async () => {
    const tunnels = await place((open) => open * 1_000);
    const first = dialled(tunnels, "a", { paced: true });
    expect(JSON.parse((await first.welcomed())!)).toEqual({ welcome: true, beatMs: 1_000 });
    const second = dialled(tunnels, "b", { paced: true });
    expect(JSON.parse((await second.welcomed())!)).toEqual({ welcome: true, beatMs: 2_000 });
    first.beat();
    expect(beatIn(first.heard.at(-1)!)).toBe(2_000);
  });

  test("keeps an agent that dialled in again, when its tunnel from before is found dead at last", async () => {
    const tunnels = await place(() => 1_500);
    const keysNow = async () => {
      const stop = new AbortController();
      for await (const change of tunnels.source.watch(stop.signal)) {
        stop.abort();
        if (change.type === "set") return change.entries.map((entry) => entry.key);
      }
    };
    const before = dialled(tunnels, "a", {});
    await before.welcomed();
    const again = dialled(tunnels, "a", {});
    await again.welcomed();
    before.hangUp();
    expect(await keysNow()).toEqual([key("a")]);
    again.hangUp();
    expect(await keysNow()).toEqual([]);
  });

  test("answers an agent of old as it expects, and counts on its 1.5 s", async () => {
    const tunnels = await place(() => 20);
    const old = dialled(tunnels, "a", {});
    expect(JSON.parse((await old.welcomed())!)).toEqual({ welcome: true, beatMs: 1_500 });
    old.beat();
    expect(old.heard.at(-1)).toBe("beat");
    await Bun.sleep(300);
    expect(old.socket.open).toBe(true);
  });

  test("takes who has been silent for three beats for gone, and nobody who was told a longer one", async () => {
    const beats = { short: 40 };
    const tunnels = await place((open) => (open > 1 ? 60_000 : beats.short));
    const quick = dialled(tunnels, "quick", { paced: true });
    await quick.welcomed();
    const slow = dialled(tunnels, "slow", { paced: true });
    await slow.welcomed();
    await eventually(
      () => quick.socket.open,
      (open) => !open,
    );
    expect([tunnels.count, slow.socket.open]).toEqual([1, true]);
  });
});

test("the agent beats as often as it was told last, at once where that is more often", async () => {
  let beats = 0;
  let said = 40;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
    websocket: {
      open: (socket) => void socket.send(JSON.stringify({ challenge: "x" })),
      message(socket, text) {
        if (text === "leaving") socket.send("leaving");
        else if (text !== "beat") socket.send(JSON.stringify({ welcome: true, beatMs: 40 }));
        else {
          beats++;
          socket.send(`beat ${said}`);
        }
      },
    },
  });
  onEnd(() => server.stop(true));
  const stop = new AbortController();
  const problems: string[] = [];
  const announcer = tunnelAnnouncer({
    server: `http://127.0.0.1:${server.port}`,
    prove: async () => ({}),
    inject() {},
  });
  const who = { keys: [key("a")], instance: "a", via: { address: "127.0.0.1:1" } };
  const announcing = announcer.announce(who, stop.signal, (state) => {
    if (!state.announced) problems.push(state.problem);
  });
  await eventually(
    () => beats,
    (count) => count >= 5,
  );
  said = 60_000;
  const before = await eventually(
    () => beats,
    (count) => count >= 6,
  );
  await Bun.sleep(400);
  expect(beats - before).toBeLessThanOrEqual(1);
  expect(problems).toEqual([]);
  stop.abort();
  await announcing;
});

for (const words of ["hello", "null", "{}", '{"challenge":1}', "[]"]) {
  test(`an agent that is told ${words} says that this is no server of ours, and tries again`, async () => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
      websocket: { open: (socket) => void socket.send(words), message() {} },
    });
    onEnd(() => server.stop(true));
    const stop = new AbortController();
    const announcer = tunnelAnnouncer({ server: server.url.origin, prove: async () => ({}), inject() {} });
    const who = { keys: [key("a")], instance: "a", via: { address: "127.0.0.1:1" } };
    const problem = await new Promise<string>((resolve) => {
      void announcer.announce(who, stop.signal, (state) => resolve(state.announced ? "let in" : state.problem));
    });
    stop.abort();
    expect(problem).toContain("is it a Lizardcd server?");
  });
}
