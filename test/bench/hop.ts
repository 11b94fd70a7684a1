// What the server adds to a call: the same get through its HTTP door and straight from the agent.
import { type Bench, type BenchServer, type BenchStub, forStubs } from "./bench.ts";
import { type Figure, median, type Part, quantile, shown } from "./figure.ts";
import type { LoadResult, Target } from "./load.ts";
import { known } from "./memory.ts";

const perSecond = 200;

export const hop: Part<Bench> = {
  name: "hop",
  title: "One hop",
  conditions:
    "A get of one workload at 200 requests/s, sent at fixed times whatever becomes of those before, from a load generator " +
    "in a process of its own: JSON over HTTP through the compiled server (logged in), and gRPC straight to the same stub " +
    "agent. The two take turns; added is the difference within a turn, and the median of the turns is given.",
  async run(bench) {
    const server = await bench.startServer(forStubs);
    const stub = await bench.startStub(server, { rows: 100 });
    await server.announce(crypto.randomUUID(), ["lizardcd-agent.*.stub"], stub.addresses[0]!);
    await known(server, "stub");
    const figures = await addedLatency(bench, server, stub, {
      get: { cluster: "stub", namespace: "shop", resource: "deployments", name: "web" },
      rounds: 4,
      seconds: 3,
      atMost: [0.7, 5],
    });
    await server.process.stop();
    await stub.process.stop();
    return figures;
  },
};

export async function addedLatency(
  bench: Bench,
  server: BenchServer,
  stub: BenchStub,
  {
    get,
    rounds,
    seconds,
    atMost: [p50, p99],
  }: {
    /** The stub answers any name. */
    get: Target;
    rounds: number;
    seconds: number;
    atMost: [p50: number | undefined, p99: number];
  },
): Promise<Figure[]> {
  const path = `/clusters/${get.cluster}/namespaces/${get.namespace}/${get.resource}/${get.name}`;
  const straight: LoadResult[] = [];
  const through: LoadResult[] = [];
  const { url, token } = server;
  for (let turn = 0; turn < rounds; turn++) {
    straight.push(
      await bench.load({ kind: "grpc-paced", address: stub.addresses[0]!, data: server.data, get, perSecond, seconds }),
    );
    through.push(await bench.load({ kind: "http-paced", url, path, token, perSecond, seconds }));
  }
  const failed = [...straight, ...through].reduce((sum, one) => sum + one.failed, 0);
  if (failed > 0) throw new Error(`${failed} calls failed`);
  const runs = `${rounds} turns of ${perSecond * seconds} calls`;
  const at = (results: LoadResult[], fraction: number) => results.map(({ ms }) => quantile(ms, fraction));
  const one = (what: string, fraction: number, atMost?: number): Figure => {
    const [a, b] = [at(straight, fraction), at(through, fraction)];
    const added = b.map((ms, turn) => ms - a[turn]!);
    return {
      what,
      value: median(added),
      unit: "ms",
      spread: `${shown(median(a))} straight, ${shown(median(b))} through; added min ${shown(Math.min(...added))}, max ${shown(Math.max(...added))}`,
      runs,
      goal: atMost === undefined ? undefined : { atMost },
    };
  };
  return [one("added p50", 0.5, p50), one("added p99", 0.99, p99)];
}
