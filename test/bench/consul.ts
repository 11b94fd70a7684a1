// Consul as the registry: how soon what is registered there can be used.
import { type RealConsul, startConsul } from "../testbed/consul.ts";
import type { Bench } from "./bench.ts";
import type { Part } from "./figure.ts";
import { type Announce, measureUsable, usableConditions } from "./registry.ts";

export const consul: Part<Bench> = {
  name: "consul",
  title: "Consul",
  conditions: `A real Consul 1.22 on the same machine, one server that keeps what it stores. ${usableConditions}`,
  async run(bench) {
    const registry = await startConsul({ durable: true });
    try {
      const flags = ["--consul-addr", registry.endpoint];
      const measured = await measureUsable(bench, { flags, announce: announceIn(registry), keys: 200, goalMs: 50 });
      await measured.server.process.stop();
      await measured.stub.process.stop();
      return [measured.usable];
    } finally {
      await registry.stop();
    }
  },
};

function announceIn(registry: RealConsul): Announce {
  return async (Name, address) => {
    const [Address, port] = address.split(":") as [string, string];
    const ID = `${Name}-${Address}-${port}`;
    const Check = { CheckID: ID, TTL: "600s", Status: "passing" };
    await registry.request("PUT", "/v1/agent/service/register", { Name, ID, Address, Port: Number(port), Check });
  };
}
