// A registry as the server's clients meet it: how soon what is announced there can be used.
import { until } from "../testbed/wait.ts";
import { type Bench, type BenchServer, type BenchStub, forStubs } from "./bench.ts";
import { type Figure, quantile, repeated, shown } from "./figure.ts";
import { clusterNames } from "./fleet.ts";

/** Stub agents, each of which answers for any namespace of its cluster. */
export const stubClusters = 50;

export const usableConditions =
  "Usable: from the announcement being sent until the first list through the server is answered with 200, over a new " +
  "connection with mutual TLS; the server is asked again as soon as it has refused.";

/** Announces an agent's key in the registry, as it is when it has just come. */
export type Announce = (key: string, address: string, turn: number) => Promise<void>;

export interface Measured {
  /** One key after the other, each that of a namespace nobody announced before. */
  usable: Figure;
  /** Still running. */
  server: BenchServer;
  stub: BenchStub;
}

export async function measureUsable(
  bench: Bench,
  registry: { name?: string; flags: string[]; announce: Announce; keys: number; goalMs: number },
): Promise<Measured> {
  const server = await bench.startServer({ flags: [...forStubs.flags, ...registry.flags] });
  const names = clusterNames(stubClusters);
  const stub = await bench.startStub(server, { clusters: names });
  const usable: number[] = [];
  for (let turn = -10; turn < registry.keys; turn++) {
    const at = (turn + stubClusters) % stubClusters;
    const namespace = `n-${turn + 10}`;
    const began = performance.now();
    await registry.announce(`lizardcd-agent.${namespace}.${names[at]}`, stub.addresses[at]!, turn + 11);
    await answered(server, `/clusters/${names[at]}/namespaces/${namespace}/deployments`);
    if (turn >= 0) usable.push(performance.now() - began);
  }
  return {
    usable: {
      what: `${registry.name ? `${registry.name}: ` : ""}registered until usable, p99`,
      value: quantile(usable, 0.99),
      unit: "ms",
      spread: `p50 ${shown(quantile(usable, 0.5))}, max ${shown(Math.max(...usable))}`,
      runs: `${usable.length} keys, one after the other`,
      goal: { atMost: registry.goalMs },
    },
    server,
    stub,
  };
}

export const servingConditions =
  "Serving: from the start of the server until a list by the last of 10,000 keys is answered, asked every 20 ms, with the " +
  "data folder of an earlier start.";

/** How many keys a registry holds where that is measured. */
export const manyKeys = 10_000;

/** @returns the key of so many: clusters by turns, each time a namespace that nobody had before. */
export function oneOfMany(index: number): { key: string; cluster: number } {
  const cluster = index % stubClusters;
  return { key: `lizardcd-agent.m-${index}.${clusterNames(stubClusters)[cluster]}`, cluster };
}

/** The registry holds all of `oneOfMany` by now. @param data of a server that ran before */
export async function measureServing(
  bench: Bench,
  registry: { name?: string; flags: string[]; data: string },
): Promise<Figure> {
  const last = manyKeys - 1;
  const path = `/clusters/${clusterNames(stubClusters)[last % stubClusters]}/namespaces/m-${last}/deployments`;
  const serving: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const began = performance.now();
    const server = await bench.startServer({ flags: [...forStubs.flags, ...registry.flags], data: registry.data });
    await answered(server, path, 20);
    serving.push((performance.now() - began) / 1000);
    await server.process.stop();
  }
  const what = `${registry.name ? `${registry.name}: ` : ""}10,000 keys at start until serving, login included`;
  return repeated(what, serving, "s", "start", { atMost: 2 });
}

/** @param interval milliseconds between two tries: questions that are refused keep a server from what it is waited for */
async function answered(server: BenchServer, path: string, interval = 0): Promise<void> {
  const headers = { accept: "application/json" };
  await until(
    async () => {
      const answer = await server.fetch(path, { headers });
      await answer.arrayBuffer();
      return answer.status === 200;
    },
    { what: `${path} to be answered`, interval },
  );
}
