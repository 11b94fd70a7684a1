// etcd as the registry: how soon what is put there can be used, and how soon a server that starts knows it all.
import { startEtcd } from "../testbed/etcd.ts";
import { until } from "../testbed/wait.ts";
import { type Bench, type BenchServer, forStubs } from "./bench.ts";
import { type Figure, type Part, quantile, repeated, shown } from "./figure.ts";
import { clusterNames } from "./fleet.ts";
import { settledMb } from "./process.ts";

const clusters = 50;
const many = 10_000;

export const etcd: Part<Bench> = {
  name: "etcd",
  title: "etcd",
  conditions:
    "A real etcd 3.6 on the same machine, without fsync. Usable: from the put being sent until the first list through the " +
    "server is answered with 200, over a new connection with mutual TLS; the server is asked again as soon as it has " +
    "refused. Serving: from the start of the server until a list by the last of 10,000 keys is answered, with the data " +
    "folder of an earlier start.",
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
  const flags = [...forStubs.flags, "--etcd-addr", endpoint];
  const first = await bench.startServer({ flags });
  const stub = await bench.startStub(first, { clusters: clusterNames(clusters) });
  const names = clusterNames(clusters);
  const usable: number[] = [];
  for (let turn = -10; turn < 4 * clusters; turn++) {
    const at = (turn + clusters) % clusters;
    const namespace = `n-${turn + 10}`;
    const began = performance.now();
    await put(endpoint, [[`lizardcd-agent.${namespace}.${names[at]}/${turn + 11}`, stub.addresses[at]!]]);
    await answered(first, `/clusters/${names[at]}/namespaces/${namespace}/deployments`);
    if (turn >= 0) usable.push(performance.now() - began);
  }
  const idle = await settledMb(first.process.pid);
  await first.process.stop();

  for (let index = 0; index < many; index += 100) {
    const batch = Array.from({ length: 100 }, (_, offset): [string, string] => {
      const at = (index + offset) % clusters;
      return [`lizardcd-agent.m-${index + offset}.${names[at]}/${1_000 + index + offset}`, stub.addresses[at]!];
    });
    await put(endpoint, batch);
  }
  const serving: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const began = performance.now();
    const server = await bench.startServer({ flags, data: first.data });
    await answered(server, `/clusters/${names[(many - 1) % clusters]}/namespaces/m-${many - 1}/deployments`);
    serving.push((performance.now() - began) / 1000);
    await server.process.stop();
  }
  await stub.process.stop();
  return [
    {
      what: "registered until usable, p99",
      value: quantile(usable, 0.99),
      unit: "ms",
      spread: `p50 ${shown(quantile(usable, 0.5))}, max ${shown(Math.max(...usable))}`,
      runs: `${usable.length} keys, one after the other`,
      goal: { atMost: 30 },
    },
    repeated("10,000 keys at start until serving, login included", serving, "s", "start", { atMost: 2 }),
    { what: "RSS, etcd's client loaded, 200 agents connected", value: idle, unit: "MB", runs: "1 process" },
  ];
}

async function answered(server: BenchServer, path: string): Promise<void> {
  const headers = { accept: "application/json" };
  await until(
    async () => {
      const answer = await server.fetch(path, { headers });
      await answer.arrayBuffer();
      return answer.status === 200;
    },
    { what: `${path} to be answered`, interval: 0 },
  );
}

/** By etcd's JSON gateway, in one transaction. */
async function put(endpoint: string, pairs: [key: string, value: string][]): Promise<void> {
  const success = pairs.map(([key, value]) => ({ requestPut: { key: btoa(key), value: btoa(value) } }));
  const answer = await fetch(`${endpoint}/v3/kv/txn`, { method: "POST", body: JSON.stringify({ success }) });
  if (!answer.ok) throw new Error(`etcd answers ${answer.status}: ${await answer.text()}`);
  await answer.arrayBuffer();
}
