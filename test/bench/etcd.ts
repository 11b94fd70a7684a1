// etcd as the registry: how soon what is put there can be used, and how soon a server that starts knows it all.
import { startEtcd } from "../testbed/etcd.ts";
import { type Bench, forStubs } from "./bench.ts";
import { type Figure, type Part, repeated } from "./figure.ts";
import { clusterNames } from "./fleet.ts";
import { settledMb } from "./process.ts";
import {
  type Announce,
  answered,
  measureUsable,
  servingConditions,
  stubClusters,
  usableConditions,
} from "./registry.ts";

const many = 10_000;

export const etcd: Part<Bench> = {
  name: "etcd",
  title: "etcd",
  conditions: `A real etcd 3.6 on the same machine, without fsync. ${usableConditions} ${servingConditions}`,
  async run(bench) {
    const registry = await startEtcd();
    try {
      return await measure(bench, registry.endpoint);
    } finally {
      await registry.stop();
    }
  },
};

async function measure(bench: Bench, endpoint: string): Promise<Figure[]> {
  const flags = ["--etcd-addr", endpoint];
  const announce: Announce = (key, address, turn) => put(endpoint, [[`${key}/${turn}`, address]]);
  const { usable, server: first, stub } = await measureUsable(bench, { flags, announce, keys: 200, goalMs: 30 });
  const idle = await settledMb(first.process.pid);
  await first.process.stop();

  const names = clusterNames(stubClusters);
  for (let index = 0; index < many; index += 100) {
    const batch = Array.from({ length: 100 }, (_, offset): [string, string] => {
      const at = (index + offset) % stubClusters;
      return [`lizardcd-agent.m-${index + offset}.${names[at]}/${1_000 + index + offset}`, stub.addresses[at]!];
    });
    await put(endpoint, batch);
  }
  const serving: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const began = performance.now();
    const server = await bench.startServer({ flags: [...forStubs.flags, ...flags], data: first.data });
    await answered(server, `/clusters/${names[(many - 1) % stubClusters]}/namespaces/m-${many - 1}/deployments`, 20);
    serving.push((performance.now() - began) / 1000);
    await server.process.stop();
  }
  await stub.process.stop();
  return [
    usable,
    repeated("10,000 keys at start until serving, login included", serving, "s", "start", { atMost: 2 }),
    { what: "RSS, etcd's client loaded, 200 agents connected", value: idle, unit: "MB", runs: "1 process" },
  ];
}

/** By etcd's JSON gateway, in one transaction. */
async function put(endpoint: string, pairs: [key: string, value: string][]): Promise<void> {
  const success = pairs.map(([key, value]) => ({ requestPut: { key: btoa(key), value: btoa(value) } }));
  const answer = await fetch(`${endpoint}/v3/kv/txn`, { method: "POST", body: JSON.stringify({ success }) });
  if (!answer.ok) throw new Error(`etcd answers ${answer.status}: ${await answer.text()}`);
  await answer.arrayBuffer();
}
