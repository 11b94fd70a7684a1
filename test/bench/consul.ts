// Consul as the registry: how soon what is registered there can be used, and how soon a server that starts knows it all.
import { type RealConsul, startConsul } from "../testbed/consul.ts";
import { type Bench, forStubs } from "./bench.ts";
import { type Figure, type Part, repeated } from "./figure.ts";
import { clusterNames } from "./fleet.ts";
import {
  type Announce,
  answered,
  measureUsable,
  servingConditions,
  stubClusters,
  usableConditions,
} from "./registry.ts";

const many = 10_000;

export const consul: Part<Bench> = {
  name: "consul",
  title: "Consul",
  conditions:
    "A real Consul 1.22 on the same machine, one server that keeps what it stores. " +
    `${usableConditions} ${servingConditions}`,
  async run(bench) {
    const registry = await startConsul({ durable: true });
    try {
      return await measure(bench, registry);
    } finally {
      await registry.stop();
    }
  },
};

async function measure(bench: Bench, registry: RealConsul): Promise<Figure[]> {
  const flags = ["--consul-addr", registry.endpoint];
  const announce = announceIn(registry);
  const { usable, server: first, stub } = await measureUsable(bench, { flags, announce, keys: 200, goalMs: 50 });
  await first.process.stop();

  const names = clusterNames(stubClusters);
  const all = Array.from({ length: many }, (_, key): [string, string] => {
    const at = key % stubClusters;
    return [`lizardcd-agent.m-${key}.${names[at]}`, stub.addresses[at]!];
  });
  await fill(registry, all);
  const serving: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const began = performance.now();
    const server = await bench.startServer({ flags: [...forStubs.flags, ...flags], data: first.data });
    await answered(server, `/clusters/${names[(many - 1) % stubClusters]}/namespaces/m-${many - 1}/deployments`, 20);
    serving.push((performance.now() - began) / 1000);
    await server.process.stop();
  }
  await stub.process.stop();
  return [usable, repeated("10,000 keys at start until serving, login included", serving, "s", "start", { atMost: 2 })];
}

function announceIn(registry: RealConsul): Announce {
  return async (Name, address) => {
    const { ID, Address, Port } = instanceOf(Name, address);
    const Check = { CheckID: ID, TTL: "600s", Status: "passing" };
    await registry.request("PUT", "/v1/agent/service/register", { Name, ID, Address, Port, Check });
  };
}

/** Into the catalogue itself, as agents of Consul on other nodes do it; as many at once as one transaction takes. */
async function fill(registry: RealConsul, agents: readonly [key: string, address: string][]): Promise<void> {
  const Node = "elsewhere";
  await registry.request("PUT", "/v1/catalog/register", { Node, Address: "127.0.0.1" });
  for (let index = 0; index < agents.length; index += 64) {
    const operations = agents.slice(index, index + 64).flatMap(([key, address]) => {
      const { ID, Address, Port } = instanceOf(key, address);
      const Check = { Node, CheckID: ID, Name: ID, ServiceID: ID, ServiceName: key, Status: "passing" };
      return [
        { Service: { Verb: "set", Node, Service: { ID, Service: key, Address, Port } } },
        { Check: { Verb: "set", Check } },
      ];
    });
    await registry.request("PUT", "/v1/txn", operations);
  }
}

function instanceOf(key: string, address: string): { ID: string; Address: string; Port: number } {
  const [Address, port] = address.split(":") as [string, string];
  return { ID: `${key}-${Address}-${port}`, Address, Port: Number(port) };
}
