// etcd as the registry: how soon what is put there can be used, and how soon a server that starts knows it all.
import { startEtcd } from "../testbed/etcd.ts";
import type { Bench } from "./bench.ts";
import type { Figure, Part } from "./figure.ts";
import { settledMb } from "./process.ts";
import {
  type Announce,
  manyKeys,
  measureServing,
  measureUsable,
  oneOfMany,
  servingConditions,
  usableConditions,
} from "./registry.ts";

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

  for (let index = 0; index < manyKeys; index += 100) {
    const batch = Array.from({ length: 100 }, (_, offset): [string, string] => {
      const { key, cluster } = oneOfMany(index + offset);
      return [`${key}/${1_000 + index + offset}`, stub.addresses[cluster]!];
    });
    await put(endpoint, batch);
  }
  const serving = await measureServing(bench, { flags, data: first.data });
  await stub.process.stop();
  return [
    usable,
    serving,
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
