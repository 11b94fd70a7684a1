// What every registry must do, whoever runs it: announce under one lease, watch without gaps, keep what it cannot see.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import type { Announcer, Change, Entry, Registration, Source } from "../../src/discovery/discovery.ts";
import { log } from "../../src/process/log.ts";
import { createDirectory } from "../../src/server/directory.ts";

export interface DiscoveryBed {
  /** Begins every key; one of its own for each bed, so that a registry may be shared. */
  prefix: string;
  announcer(): Announcer;
  source(): Source;
  /** Announces as an agent does that is then killed: nothing is renewed, nothing withdrawn. */
  abandon(registration: Registration): Promise<void>;
  /** Writes what is not ours, and answers how it is taken away; missing where nobody can. */
  plant?(key: string, value: string): Promise<() => Promise<void>>;
  /** Makes the registry unreachable, and brings it back as it was. Missing where the source cannot lose it. */
  outage?: { begin(): Promise<void>; end(): Promise<void> };
  /** Ends the registry as by a fault, and starts it again; it may have forgotten everything. */
  crash?: { kill(): Promise<void>; restart(): Promise<void> };
  stop?(): Promise<void>;
}

/** Longer than any bed's source waits for an answer. */
const quietMs = 3_000;

export function discoverySuite(name: string, start: () => Promise<DiscoveryBed>): void {
  describe(`${name} as a registry`, () => {
    let bed: DiscoveryBed;
    beforeAll(async () => {
      bed = await start();
    });
    afterAll(async () => {
      await bed?.stop?.();
    });

    test("yields the whole set first, then what is announced and withdrawn", async () => {
      const early = announced(bed, "*.first");
      const watcher = watched(bed);
      try {
        await watcher.until("the early one", (keys) => has(keys, early.registration, 0));
        // A registry that has just started may keep it waiting.
        expect(watcher.changes.find(({ type }) => type !== "silent")?.type).toBe("set");
        const late = announced(bed, "shop.second");
        await watcher.until("the late one", (keys) => has(keys, late.registration, 0));
        await late.withdraw();
        await watcher.until("the late one gone", (keys) => !has(keys, late.registration, 0));
        expect(has(watcher.addresses(), early.registration, 0)).toBe(true);
      } finally {
        await watcher.stop();
        await early.withdraw();
      }
    });

    test("two keys of one agent come and go together", async () => {
      const watcher = watched(bed);
      const agent = announced(bed, "shop.two", "pay.two");
      try {
        await watcher.until("both", (keys) => has(keys, agent.registration, 0) && has(keys, agent.registration, 1));
        await agent.withdraw();
        await watcher.until(
          "neither",
          (keys) => !has(keys, agent.registration, 0) && !has(keys, agent.registration, 1),
        );
      } finally {
        await watcher.stop();
        await agent.withdraw();
      }
    });

    test("an agent killed without withdrawing is gone when its lease ends, and the living stay", async () => {
      const watcher = watched(bed);
      const living = announced(bed, "*.killed");
      const killed = registrationOf(bed, ["*.killed"]);
      try {
        await bed.abandon(killed);
        await watcher.until("both instances", (keys) => keys.get(killed.keys[0]!)?.length === 2);
        await watcher.until("one instance", (keys) => keys.get(killed.keys[0]!)?.length === 1);
        expect(has(watcher.addresses(), living.registration, 0)).toBe(true);
      } finally {
        await watcher.stop();
        await living.withdraw();
      }
    });

    test("when one of two instances of a key leaves, the other stays, also for a server that came later", async () => {
      const [one, two] = [announced(bed, "*.both"), announced(bed, "*.both")];
      const watcher = watched(bed);
      try {
        await watcher.until("both", (keys) => keys.get(one.registration.keys[0]!)?.length === 2);
        await one.withdraw();
        await watcher.until("one", (keys) => keys.get(one.registration.keys[0]!)?.length === 1);
        expect(has(watcher.addresses(), two.registration, 0)).toBe(true);
      } finally {
        await watcher.stop();
        await two.withdraw();
      }
    });

    test("announcing goes on past the lease, and is one entry however often it is renewed", async () => {
      const watcher = watched(bed);
      const agent = announced(bed, "*.renewed");
      try {
        await watcher.until("it", (keys) => has(keys, agent.registration, 0));
        const other = registrationOf(bed, ["*.measure"]);
        await bed.abandon(other);
        await watcher.until("the other", (keys) => has(keys, other, 0));
        // The other's lease is the measure of time: when it has ended, the renewed one has outlived a lease.
        await watcher.until("the other gone", (keys) => !has(keys, other, 0));
        expect(watcher.addresses().get(agent.registration.keys[0]!)).toEqual([addressOf(agent.registration)]);
        expect(watcher.changes.some((change) => change.type === "removed" && change.key.endsWith("renewed"))).toBe(
          false,
        );
      } finally {
        await watcher.stop();
        await agent.withdraw();
      }
    });

    test("a key is text, not a pattern", async () => {
      const watcher = watched(bed);
      const dotted = announced(bed, "*.prod.eu");
      const plain = announced(bed, "*.prod");
      const dashed = announced(bed, "*.prodxeu");
      try {
        await watcher.until("all three", (keys) =>
          [dotted, plain, dashed].every((agent) => has(keys, agent.registration, 0)),
        );
        await dotted.withdraw();
        await watcher.until("the dotted one gone", (keys) => !has(keys, dotted.registration, 0));
        expect([plain, dashed].every((agent) => has(watcher.addresses(), agent.registration, 0))).toBe(true);
      } finally {
        await watcher.stop();
        await Promise.all([plain.withdraw(), dashed.withdraw(), dotted.withdraw()]);
      }
    });

    test("what is not ours is counted and harms nothing", async () => {
      if (!bed.plant) return;
      const good = announced(bed, "*.good");
      const directory = directed(bed);
      const undo: (() => Promise<void>)[] = [];
      try {
        await directory.until("the good one", () => directory.keys().has(good.registration.keys[0]!));
        const planted: [string, string][] = [
          [`${bed.prefix}lizardcd-agent.shop.value/123`, "not an address"],
          [`${bed.prefix}lizardcd-agent.shop.port/124`, "127.0.0.1:99999"],
          [`${bed.prefix}lizardcd-agent.nocluster/125`, "127.0.0.1:5017"],
          [`${bed.prefix}lizardcd-agent.Shop.UPPER/126`, "127.0.0.1:5017"],
        ];
        for (const [key, value] of planted) undo.push(await bed.plant(key, value));
        await directory.until("four ignored", () => directory.state().ignored >= planted.length);
        const keys = planted.map(([path]) => path.slice(0, path.lastIndexOf("/")));
        expect(keys.filter((key) => directory.keys().has(key))).toEqual([]);
        const late = directed(bed);
        await late.until("the good one, late", () => late.keys().has(good.registration.keys[0]!));
        expect(keys.filter((key) => late.keys().has(key))).toEqual([]);
        await late.stop();
      } finally {
        await directory.stop();
        await good.withdraw();
        for (const each of undo) await each();
      }
    });

    test("a wrong value is counted once, also after a silence, logged once, and counted no more when it is gone", async () => {
      if (!bed.plant) return;
      const directory = directed(bed);
      try {
        await directory.until("a first set", () => directory.state().heardAt !== undefined);
        await directory.until("none of earlier", () => directory.state().ignored === 0);
        const key = `${bed.prefix}lizardcd-agent.shop.once`;
        const undo = await bed.plant(`${key}/127`, "not an address");
        await directory.until("one ignored", () => directory.state().ignored === 1);
        expect(directory.state().lastIgnored).toMatchObject({ key, problem: expect.stringContaining("host:port") });
        for (let silence = 0; bed.outage && silence < 2; silence++) {
          await bed.outage.begin();
          await directory.until("silence", () => directory.state().problem !== undefined);
          await bed.outage.end();
          await directory.until("an answer", () => directory.state().problem === undefined);
          expect(directory.state().ignored).toBe(1);
        }
        await undo();
        await directory.until("none ignored", () => directory.state().ignored === 0);
        expect(directory.state().lastIgnored).toBeUndefined();
        expect(directory.warned.filter((warning) => warning === key)).toEqual([key]);
      } finally {
        await directory.stop();
      }
    });

    test("a registry in which nothing changes is not silent, also for a server that came after the last change", async () => {
      await bed.abandon(registrationOf(bed, ["*.quiet"]));
      const watcher = watched(bed);
      try {
        await watcher.until("it", (keys) => keys.has(registrationOf(bed, ["*.quiet"]).keys[0]!));
        await Bun.sleep(quietMs);
        expect(watcher.changes.filter(({ type }) => type === "silent")).toEqual([]);
      } finally {
        await watcher.stop();
      }
    });

    test("a registry that falls silent keeps its entries, and tells the whole set when it is back", async () => {
      if (!bed.outage) return;
      const watcher = watched(bed);
      const agent = announced(bed, "*.silent");
      try {
        await watcher.until("it", (keys) => has(keys, agent.registration, 0));
        const before = watcher.changes.length;
        await bed.outage.begin();
        await watcher.until("silence", () => watcher.changes.slice(before).some(({ type }) => type === "silent"));
        expect(has(watcher.addresses(), agent.registration, 0)).toBe(true);
        await bed.outage.end();
        await watcher.until("the set anew", () => watcher.changes.slice(before).some(({ type }) => type === "set"));
        await watcher.until("it again", (keys) => has(keys, agent.registration, 0));
      } finally {
        await watcher.stop();
        await agent.withdraw();
      }
    });

    test("a registry that is killed keeps its entries, and whoever starts meanwhile waits for it", async () => {
      if (!bed.crash) return;
      const watcher = watched(bed);
      const agent = announced(bed, "*.lasting");
      const [key] = agent.registration.keys as [string];
      await watcher.until("it", (keys) => has(keys, agent.registration, 0));
      const before = watcher.changes.length;
      const later = () => watcher.changes.slice(before);
      await bed.crash.kill();
      const late = announced(bed, "*.patient");
      const lateWatcher = watched(bed);
      try {
        await watcher.until("silence", () => later().some(({ type }) => type === "silent"));
        expect(has(watcher.addresses(), agent.registration, 0)).toBe(true);
        await lateWatcher.until("silence", () => lateWatcher.changes.some(({ type }) => type === "silent"));
        expect(lateWatcher.changes.some(({ type }) => type === "set")).toBe(false);
        await bed.crash.restart();
        await watcher.until("the set anew", () => later().some(({ type }) => type === "set"));
        for (const each of [watcher, lateWatcher]) {
          await each.until("both", (keys) => has(keys, agent.registration, 0) && has(keys, late.registration, 0));
        }
        const sets = later().flatMap((change) => (change.type === "set" ? [change.entries] : []));
        expect(sets.every((entries) => entries.some((entry) => entry.key === key))).toBe(true);
        expect(later().some((change) => change.type === "removed" && change.key === key)).toBe(false);
        await agent.withdraw();
        await watcher.until("it gone", (keys) => !has(keys, agent.registration, 0));
      } finally {
        await Promise.all([watcher.stop(), lateWatcher.stop(), agent.withdraw(), late.withdraw()]);
      }
    });

    test("of a thousand changes before, during and after a crash none is missed", async () => {
      if (!bed.crash) return;
      const watcher = watched(bed);
      const some = (name: string, agents: number) =>
        Array.from({ length: agents }, (_, agent) =>
          announced(bed, ...Array.from({ length: 25 }, (_, index) => `n${index}.${name}${agent}`)),
        );
      const stay = some("stay", 4);
      const leave = some("leave", 12);
      let [during, after]: ReturnType<typeof some>[] = [[], []];
      const withdrawn = (agents: ReturnType<typeof some>) => Promise.all(agents.map(({ withdraw }) => withdraw()));
      const there = (keys: Map<string, string[]>, agents: ReturnType<typeof some>) =>
        agents.every(({ registration }) => registration.keys.every((_, index) => has(keys, registration, index)));
      try {
        await watcher.until("the first 400", (keys) => there(keys, [...stay, ...leave]));
        await bed.crash.kill();
        const leaving = withdrawn(leave);
        during = some("during", 6);
        await bed.crash.restart();
        after = some("after", 6);
        await leaving;
        const left = [...stay, ...during, ...after];
        const gone = (keys: Map<string, string[]>) => [...keys.keys()].every((key) => !key.includes(".leave"));
        await watcher.until("the 400 that are left, and no other", (keys) => there(keys, left) && gone(keys));
      } finally {
        await watcher.stop();
        await withdrawn([...stay, ...during!, ...after!]);
      }
    }, 240_000);

    test("watching ends when its signal aborts, also with nothing to tell", async () => {
      const watcher = watched(bed);
      await watcher.until("a first set", () => watcher.changes.some(({ type }) => type === "set"));
      await watcher.stop();
    });
  });
}

let port = 20_000;

export function registrationOf(bed: Pick<DiscoveryBed, "prefix">, keys: string[]): Registration {
  port++;
  return {
    keys: keys.map((key) => `${bed.prefix}lizardcd-agent.${key}`),
    via: { address: `127.0.0.1:${port}` },
    instance: randomUUID(),
  };
}

export function addressOf({ via }: Registration | Entry): string {
  return "address" in via ? via.address : via.tunnel;
}

/** An agent that announces itself until it is told to withdraw. */
function announced(bed: DiscoveryBed, ...keys: string[]) {
  const registration = registrationOf(bed, keys);
  const stop = new AbortController();
  const done = bed.announcer().announce(registration, stop.signal);
  return {
    registration,
    withdraw: () => {
      stop.abort();
      return done;
    },
  };
}

/** A reader that applies changes as the pool does. */
export function watched(bed: Pick<DiscoveryBed, "source">) {
  const stop = new AbortController();
  const changes: Change[] = [];
  const entries = new Map<string, Entry>();
  const idOf = ({ key, instance }: { key: string; instance: string }) => `${key}\n${instance}`;
  let changed = () => {};
  const reading = (async () => {
    for await (const change of bed.source().watch(stop.signal)) {
      changes.push(change);
      if (change.type === "set") entries.clear();
      if (change.type === "set") for (const entry of change.entries) entries.set(idOf(entry), entry);
      if (change.type === "put") entries.set(idOf(change.entry), change.entry);
      if (change.type === "removed") entries.delete(idOf(change));
      changed();
    }
  })();
  const addresses = () => {
    const byKey = new Map<string, string[]>();
    for (const entry of entries.values()) {
      byKey.set(entry.key, [...(byKey.get(entry.key) ?? []), addressOf(entry)]);
    }
    return byKey;
  };
  return {
    changes,
    addresses,
    /** @throws after 60 s */
    async until(what: string, holds: (keys: Map<string, string[]>) => boolean): Promise<void> {
      const deadline = Date.now() + 60_000;
      while (!holds(addresses())) {
        if (Date.now() > deadline) throw new Error(`not seen: ${what}; last ${JSON.stringify(changes.slice(-5))}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 200);
          changed = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    async stop(): Promise<void> {
      stop.abort();
      await reading;
    },
  };
}

/** The directory of a server, following this registry alone. */
function directed(bed: Pick<DiscoveryBed, "prefix" | "source">) {
  const stop = new AbortController();
  const warned: unknown[] = [];
  const directory = createDirectory({
    prefix: bed.prefix,
    forgetMs: 60_000,
    onDropped: () => {},
    now: () => performance.now(),
    log: { ...log("test"), warn: (_sentence, fields) => warned.push(fields?.key) },
  });
  const following = directory.follow(bed.source(), stop.signal);
  return {
    warned,
    state: () => directory.sources()[0]!,
    keys: () => new Set([...directory.entries()].map(({ key }) => key)),
    /** @throws after 60 s */
    async until(what: string, holds: () => boolean): Promise<void> {
      const deadline = Date.now() + 60_000;
      while (!holds()) {
        if (Date.now() > deadline) throw new Error(`not seen: ${what}; ${JSON.stringify(directory.sources())}`);
        await Bun.sleep(20);
      }
    },
    async stop(): Promise<void> {
      stop.abort();
      await following;
    },
  };
}

function has(keys: Map<string, string[]>, registration: Registration, index: number): boolean {
  return keys.get(registration.keys[index]!)?.includes(addressOf(registration)) ?? false;
}
