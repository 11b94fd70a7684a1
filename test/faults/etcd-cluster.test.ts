// What befalls an etcd of several members: its leader dies or hands over, a member is cut off from the others.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Etcd3 } from "etcd3";
import { etcdAnnouncer, etcdSource } from "../../src/discovery/etcd.ts";
import { registrationOf, watched } from "../suites/discovery.ts";
import { type EtcdCluster, type EtcdMember, startEtcdCluster } from "../testbed/etcd.ts";
import { describePart } from "../testbed/part.ts";
import { figure, msUntil, shownMs } from "./figure.ts";

/** Nobody listens there. */
const dead = "http://127.0.0.1:1";

describePart("etcd", "an etcd of three members", () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await startEtcdCluster();
  });
  afterAll(() => cluster?.stop());

  /** Until `withdraw`; to a cluster of which one endpoint is dead from the start. */
  function announced(prefix: string, name: string) {
    const registration = registrationOf({ prefix }, [`*.${name}`]);
    const stop = new AbortController();
    const hosts = [dead, ...endpoints(cluster.members)];
    const done = etcdAnnouncer({ hosts, leaseSeconds: 3 }).announce(registration, stop.signal);
    return {
      key: registration.keys[0]!,
      withdraw: () => {
        stop.abort();
        return done;
      },
    };
  }

  test("whose leader is killed, and whose leader hands over: living agents stay, and of a thousand changes none is missed", async () => {
    const prefix = "leader.";
    const agents = Array.from({ length: 20 }, (_, index) => announced(prefix, `agent${index}`));
    // One watches through the leader that will die, one through another member.
    const led = await cluster.leader();
    const orders = [led, ...cluster.members.filter((member) => member !== led)];
    const watchers = [orders, [...orders].reverse()].map((members) =>
      watched({ source: () => etcdSource({ hosts: [dead, ...endpoints(members)], prefix, leaseSeconds: 3 }) }),
    );
    for (const watcher of watchers) await watcher.until("all agents", (keys) => keys.size === agents.length);
    const survivors = orders.slice(1);
    const writer = new Etcd3({ hosts: endpoints(survivors) });
    const left = new Map<string, string>();
    for (let change = 0; change < 1_000; change++) {
      if (change === 300) await led.kill();
      if (change === 600) await cluster.moveLeader(await follower(cluster, survivors));
      const key = `${prefix}lizardcd-agent.*.changed${change % 250}`;
      // Comes, is another, goes, comes.
      if (change >= 500 && change < 750) {
        await insisting(() => writer.delete().key(`${key}/1`).exec());
        left.delete(key);
      } else {
        left.set(key, `10.0.0.1:${1_000 + change}`);
        await insisting(() => writer.put(`${key}/1`).value(left.get(key)!).exec());
      }
    }
    const late = announced(prefix, "late");
    const converged = await Promise.all(
      watchers.map((watcher) =>
        msUntil("the truth", () => {
          const keys = watcher.addresses();
          const changed = [...left].every(([key, address]) => keys.get(key)?.join() === address);
          return changed && keys.has(late.key) && keys.size === left.size + agents.length + 1;
        }),
      ),
    );
    figure(
      "etcd's leader killed, then moved: 1,000 changes known after the last",
      shownMs(Math.max(...converged)),
      "all",
    );
    // Past several leases: whoever is still there has renewed it.
    await Bun.sleep(7_000);
    for (const watcher of watchers) {
      const gone = watcher.changes.filter(({ type }) => type === "removed");
      const keys = new Set(agents.map(({ key }) => key));
      expect(gone.filter((change) => "key" in change && keys.has(change.key))).toEqual([]);
      expect(agents.every(({ key }) => watcher.addresses().get(key)?.length === 1)).toBe(true);
      await watcher.stop();
    }
    await Promise.all([...agents, late].map(({ withdraw }) => withdraw()));
    writer.close();
    await led.restart();
  }, 120_000);

  test("whose member is left alone: who watches there hears so, and goes on when the others are back", async () => {
    const prefix = "alone.";
    const [alone, ...others] = cluster.members as [EtcdMember, ...EtcdMember[]];
    const watcher = watched({ source: () => etcdSource({ hosts: [alone.endpoint], prefix, timeoutMs: 900 }) });
    await watcher.until("the first set", () => watcher.changes.some(({ type }) => type === "set"));
    for (const other of others) other.pause();
    const silentMs = await msUntil("silence", () => watcher.changes.at(-1)?.type === "silent");
    figure("etcd's member cut off from the others: told as silent", shownMs(silentMs), "≤ 10,000 ms");
    for (const other of others) other.resume();
    const agent = announced(prefix, "late");
    await watcher.until("what came after", (keys) => keys.has(agent.key));
    await watcher.stop();
    await agent.withdraw();
  });
});

const endpoints = (members: readonly EtcdMember[]) => members.map(({ endpoint }) => endpoint);

async function follower(cluster: EtcdCluster, members: readonly EtcdMember[]): Promise<EtcdMember> {
  const leader = await cluster.leader(members[0]);
  return members.find((member) => member !== leader)!;
}

/** What is written while a leader is elected is refused, or goes to the member that is dead: again, then. */
async function insisting(write: () => Promise<unknown>): Promise<void> {
  for (let turn = 0; ; turn++) {
    try {
      await write();
      return;
    } catch (cause) {
      if (turn === 100) throw cause;
      await Bun.sleep(100);
    }
  }
}
