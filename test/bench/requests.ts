// How many lists a second the server answers, logged in, through an agent.
import { type Bench, type BenchServer, forStubs } from "./bench.ts";
import { type Figure, median, type Part, quantile, shown } from "./figure.ts";
import { known } from "./memory.ts";

const path = "/clusters/stub/namespaces/*/deployments";

export const requests: Part<Bench> = {
  name: "requests",
  title: "JSON requests a second",
  conditions:
    "An authenticated list of 10 rows through a stub agent at 32 connections, not compressed. Identical reads of one " +
    "actor that are under way at once are one call to the agent; first in the table stands what it is without that, each " +
    "request differing from those before by its limit. Server, stub and load generator share the machine's cores, so " +
    "requests per second of the server's processor time stand beside.",
  async run(bench) {
    const server = await bench.startServer(forStubs);
    const stub = await bench.startStub(server, { rows: 10 });
    await server.announce(crypto.randomUUID(), ["lizardcd-agent.*.stub"], stub.addresses[0]!);
    await known(server, "stub");
    await saturated(bench, server, { rounds: 1, seconds: 3, path: apart(path) });
    const figures = [
      ...rate("list, each its own call", await saturated(bench, server, { rounds: 3, seconds: 2, path: apart(path) })),
      ...rate("list, identical ones shared", await saturated(bench, server, { rounds: 3, seconds: 2, path })),
      ...rate("the fleet, from memory", await saturated(bench, server, { rounds: 2, seconds: 2, path: "/fleet" })),
    ];
    await server.process.stop();
    await stub.process.stop();
    return figures;
  },
};

/** The same list, in words that no other request uses. */
export function apart(list: string): string {
  return `${list}?limit={n}`;
}

export interface Round {
  perSecond: number;
  perCpuSecond: number;
  p99: number;
}

export async function saturated(
  bench: Bench,
  { url, token, process: { pid } }: BenchServer,
  { rounds, seconds, path, connections = 32 }: { rounds: number; seconds: number; path: string; connections?: number },
): Promise<Round[]> {
  const done: Round[] = [];
  for (let turn = 0; turn < rounds; turn++) {
    const spec = { url, path, token, connections, seconds, pid };
    const { answered, failed, ms, cpuSeconds = Number.NaN } = await bench.load({ kind: "http", ...spec });
    if (failed > 0) throw new Error(`${failed} of ${answered} requests to ${path} failed`);
    done.push({ perSecond: answered / seconds, perCpuSecond: answered / cpuSeconds, p99: quantile(ms, 0.99) });
  }
  return done;
}

export function rate(what: string, rounds: readonly Round[], atLeast?: number): Figure[] {
  const runs = `${rounds.length} × at 32 connections`;
  const of = (field: keyof Round) => rounds.map((round) => round[field]);
  const spread = (values: number[]) => `min ${shown(Math.min(...values))}, max ${shown(Math.max(...values))}`;
  return [
    {
      what,
      value: median(of("perSecond")),
      unit: "/s",
      spread: `${spread(of("perSecond"))}; p99 ${shown(median(of("p99")))} ms`,
      runs,
      goal: atLeast === undefined ? undefined : { atLeast },
    },
    {
      what: `${what}, per CPU-second of the server`,
      value: median(of("perCpuSecond")),
      unit: "",
      spread: spread(of("perCpuSecond")),
      runs,
    },
  ];
}
