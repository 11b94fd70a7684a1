// Whether the size of the fleet slows a request down.
import { until } from "../testbed/wait.ts";
import { type Bench, type BenchServer, forStubs } from "./bench.ts";
import type { Part } from "./figure.ts";
import { announceFleet, clusterNames } from "./fleet.ts";
import { type Round, rate, saturated } from "./requests.ts";

const sizes = [10, 1_000, 10_000];
const path = "/clusters/c-000/namespaces/n-0/deployments";

export const keys: Part<Bench> = {
  name: "keys",
  title: "Requests a second by size of the fleet",
  conditions:
    "As above, an authenticated list of 10 rows through a stub agent at 32 connections, by three servers that know 10, " +
    "1,000 and 10,000 keys and ask them all for their summaries in turn; they are measured by turns. " +
    "The system before this one, on such a machine: 9,000, 610 and 45 requests/s; 6,500 per CPU-second at 10 keys.",
  async run(bench) {
    const servers: BenchServer[] = [];
    for (const _ of sizes) servers.push(await bench.startServer({ ...forStubs, authorityOf: servers[0] }));
    const stub = await bench.startStub(servers[0]!, { clusters: clusterNames(500) });
    for (const [index, server] of servers.entries()) await announceFleet(server, stub, sizes[index]!);
    for (const server of servers) {
      await until(async () => (await server.fetch(path)).ok, { what: "the first key to answer", timeout: 60_000 });
    }
    const rounds: Round[][] = sizes.map(() => []);
    for (let turn = 0; turn < 3; turn++) {
      for (const [index, server] of servers.entries()) {
        rounds[index]!.push(...(await saturated(bench, server, { rounds: 1, seconds: 2, path })));
      }
    }
    for (const server of servers) await server.process.stop();
    await stub.process.stop();
    return rounds.flatMap((one, index) => rate(`${sizes[index]!.toLocaleString("en-US")} keys`, one, 9_000));
  },
};
