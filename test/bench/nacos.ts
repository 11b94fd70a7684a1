// Nacos 2 and 3 as the registry: how soon what is registered there can be used, and how soon a server that starts knows all.
import { connectNacos, type NacosConnection } from "../../src/discovery/nacos-grpc.ts";
import { type NacosPart, startNacos } from "../testbed/nacos.ts";
import type { Bench } from "./bench.ts";
import type { Figure, Part } from "./figure.ts";
import { manyKeys, measureServing, measureUsable, oneOfMany, servingConditions, usableConditions } from "./registry.ts";

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

    for (let index = 0; index < manyKeys; index += 100) {
      const batch = Array.from({ length: 100 }, (_, offset) => oneOfMany(index + offset));
      await Promise.all(batch.map(({ key, cluster }) => register(connection, key, stub.addresses[cluster]!)));
    }
    const serving = await measureServing(bench, { name, flags, data: server.data });
    await stub.process.stop();
    return [usable, serving];
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
