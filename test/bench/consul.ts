// Consul as the registry: how soon what is registered there can be used, and how soon a server that starts knows it all.
import { type RealConsul, startConsul } from "../testbed/consul.ts";
import type { Bench } from "./bench.ts";
import type { Figure, Part } from "./figure.ts";
import {
  type Announce,
  manyKeys,
  measureServing,
  measureUsable,
  oneOfMany,
  servingConditions,
  usableConditions,
} from "./registry.ts";

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

  const all = Array.from({ length: manyKeys }, (_, index): [string, string] => {
    const { key, cluster } = oneOfMany(index);
    return [key, stub.addresses[cluster]!];
  });
  await fill(registry, all);
  const serving = await measureServing(bench, { flags, data: first.data });
  await stub.process.stop();
  return [usable, serving];
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
