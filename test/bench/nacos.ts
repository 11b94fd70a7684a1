// Nacos 2 and 3 as the registry: how soon what is registered there can be used, and how soon a server that starts knows all.
import { connectNacos, type NacosConnection } from "../../src/discovery/nacos-grpc.ts";
import { type NacosPart, startNacos } from "../testbed/nacos.ts";
import { type Bench, forStubs } from "./bench.ts";
import { type Figure, type Part, repeated } from "./figure.ts";
import { clusterNames } from "./fleet.ts";
import { answered, measureUsable, servingConditions, stubClusters, usableConditions } from "./registry.ts";

const many = 10_000;

export const nacos: Part<Bench> = {
  name: "nacos",
  title: "Nacos",
  conditions: `Real Nacos servers 2.5 and 3.1 on the same machine, alone. ${usableConditions} ${servingConditions}`,
  async run(bench) {
    const figures: Figure[] = [];
    for (const part of ["nacos2", "nacos3"] as const) figures.push(...(await measure(bench, part)));
    return figures;
  },
};

async function measure(bench: Bench, part: NacosPart): Promise<Figure[]> {
  const registry = await startNacos(part);
  const connection = await connectNacos(registry.endpoint, {}, () => {});
  const over = new AbortController();
  // What is registered lives as long as this connection.
  const held = connection.hold(over.signal);
  const name = part === "nacos2" ? "Nacos 2" : "Nacos 3";
  try {
    const flags = ["--nacos-addr", registry.endpoint];
    const announce = (key: string, address: string) => register(connection, key, address);
    const { usable, server, stub } = await measureUsable(bench, { name, flags, announce, keys: 100, goalMs: 1_000 });
    await server.process.stop();

    const names = clusterNames(stubClusters);
    const last = many - 1;
    for (let index = 0; index < many; index += 100) {
      const batch = Array.from({ length: 100 }, (_, offset) => index + offset);
      await Promise.all(
        batch.map((key) => {
          const at = key % stubClusters;
          return register(connection, `lizardcd-agent.m-${key}.${names[at]}`, stub.addresses[at]!);
        }),
      );
    }
    const serving: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const began = performance.now();
      const again = await bench.startServer({ flags: [...forStubs.flags, ...flags], data: server.data });
      await answered(again, `/clusters/${names[last % stubClusters]}/namespaces/m-${last}/deployments`, 20);
      serving.push((performance.now() - began) / 1000);
      await again.process.stop();
    }
    await stub.process.stop();
    const what = `${name}: 10,000 keys at start until serving, login included`;
    return [usable, repeated(what, serving, "s", "start", { atMost: 2 })];
  } finally {
    over.abort();
    await held.catch(() => {});
    connection.close();
    await registry.stop();
  }
}

async function register(connection: NacosConnection, serviceName: string, address: string): Promise<void> {
  const [ip, port] = address.split(":") as [string, string];
  await connection.request("InstanceRequest", {
    type: "registerInstance",
    namespace: "public",
    groupName: "DEFAULT_GROUP",
    serviceName,
    instance: { ip, port: Number(port), weight: 1, healthy: true, enabled: true, ephemeral: true },
  });
}
