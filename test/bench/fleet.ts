// Ten thousand agents: what they cost the server, and what they cost those who call one of them.
import { until } from "../testbed/wait.ts";
import { type Bench, type BenchServer, type BenchStub, forStubs } from "./bench.ts";
import { type Figure, type Part, shown } from "./figure.ts";
import { addedLatency } from "./hop.ts";
import { openDescriptors, residentMb, settledMb } from "./process.ts";
import { apart, type Round, rate, saturated } from "./requests.ts";

export const fleetKeys = 10_000;
const ports = 500;
const perPort = fleetKeys / ports;
const rows = 10;

export const fleet: Part<Bench> = {
  name: "fleet",
  title: "Ten thousand agents",
  conditions:
    "10,000 instances announced to the embedded registry, each with a key of its own: 20 namespaces in each of 500 " +
    "clusters. Behind them is one stub process that listens on 500 ports, with a certificate for each cluster. A " +
    "connection is to one key, over mutual TLS 1.3, and the server holds its default of at most 500: asking 10,000 agents " +
    "in turn opens and closes them all the time. Instances announce once, for an hour. The lists at the end are as in the " +
    "part before, asked by turns of this server and of others that know 10 and 1,000 keys, " +
    "while those whose turn it is not are halted; the last two figures are of one more that may connect to all. The system before this one " +
    "answers 9,000, 610 and 45 a second on such a machine, 6,500 per CPU-second at 10 keys.",
  async run(bench) {
    const server = await bench.startServer(forStubs);
    const empty = await settledMb(server.process.pid, { restMs: 1_500, overMs: 1_000 });
    const stub = await bench.startStub(server, { clusters: clusterNames(ports), rows });
    const began = performance.now();
    await announceFleet(server, stub, fleetKeys);
    const announced = (performance.now() - began) / 1000;
    await until(async () => (await answering(server)) === fleetKeys, {
      what: `${fleetKeys} keys to answer`,
      interval: 500,
      timeout: 90_000,
    });
    const usable = (performance.now() - began) / 1000;
    const peak = residentMb(server.process.pid);
    const latency = await addedLatency(bench, server, stub, {
      get: { cluster: "c-000", namespace: "n-0", resource: "deployments", name: "web" },
      rounds: 3,
      seconds: 2,
      atMost: [undefined, 5],
    });
    const settled = await settledMb(server.process.pid);
    const open = await connectionsOf(server);
    const descriptors = openDescriptors(server.process.pid);
    const rates = await bySize(bench, server, stub);
    await server.process.stop();
    const all = await allConnected(bench, server, stub);
    const figures: Figure[] = [
      { what: "all announced", value: announced, unit: "s", runs: "1 run, 32 at a time" },
      {
        what: "all have answered for the first time",
        value: usable,
        unit: "s",
        runs: "1 run, each over a connection of its own",
        goal: { atMost: 15 },
      },
      {
        what: `RSS, ${shown(open)} connections open`,
        value: settled,
        unit: "MB",
        spread: `${shown(empty)} before, ${shown(peak)} when all had answered`,
        runs: "1 process",
        goal: { atMost: 130 },
      },
      { what: "open file descriptors", value: descriptors, unit: "", runs: "1 process" },
      ...latency.map((figure) => ({ ...figure, what: `a get at 200/s, ${figure.what}` })),
      ...rates,
      ...all,
    ];
    await stub.process.stop();
    return figures;
  },
};

/** A server that may hold a connection to each. */
async function allConnected(bench: Bench, authorityOf: BenchServer, stub: BenchStub): Promise<Figure[]> {
  const flags = [...forStubs.flags, "--max-connections", `${fleetKeys}`, "--idle-timeout", "10m"];
  const server = await bench.startServer({ flags, authorityOf });
  const { pid } = server.process;
  const empty = await settledMb(pid, { restMs: 1_500, overMs: 1_000 });
  await announceFleet(server, stub, fleetKeys);
  await until(async () => (await answering(server)) === fleetKeys, {
    what: "all to answer",
    interval: 500,
    timeout: 90_000,
  });
  const held = await settledMb(pid);
  const open = await connectionsOf(server);
  await server.process.stop();
  const runs = "1 process, --max-connections 10000";
  return [
    { what: `RSS, ${shown(open)} connections open`, value: held, unit: "MB", runs, goal: { atMost: 400 } },
    { what: "each agent, connected", value: ((held - empty) * 1000) / open, unit: "KB", runs },
  ];
}

const listed = "/clusters/c-000/namespaces/n-0/deployments";

/** Lists a second by servers that know 10, 1,000 and 10,000 keys, by turns. */
async function bySize(bench: Bench, largest: BenchServer, stub: BenchStub): Promise<Figure[]> {
  const servers: [number, BenchServer][] = [];
  for (const size of [10, 1_000]) {
    const server = await bench.startServer({ ...forStubs, authorityOf: largest });
    await announceFleet(server, stub, size);
    await until(async () => (await answering(server)) === size, { what: `${size} keys to answer`, interval: 200 });
    servers.push([size, server]);
  }
  servers.push([fleetKeys, largest]);
  const figures: Figure[] = [];
  for (const [what, path, atLeast] of [
    ["each its own call", apart(listed), undefined],
    ["identical ones shared", listed, 9_000],
  ] as const) {
    const rounds = new Map<number, Round[]>();
    for (let turn = 0; turn < 3; turn++) {
      for (const [size, server] of servers) {
        const others = servers.flatMap(([, other]) => (other === server ? [] : [other.process.pid]));
        const done = await alone(others, () => saturated(bench, server, { rounds: 1, seconds: 1, path }));
        // The first turn warms up.
        if (turn > 0) rounds.set(size, [...(rounds.get(size) ?? []), ...done]);
      }
    }
    for (const [size, done] of rounds) {
      figures.push(...rate(`lists, ${what}, ${size.toLocaleString("en-US")} keys`, done, atLeast));
    }
  }
  for (const [, server] of servers) if (server !== largest) await server.process.stop();
  return figures;
}

/** Runs while the other processes are halted: what they do in the background is no part of the figure. */
async function alone<T>(others: readonly number[], run: () => Promise<T>): Promise<T> {
  for (const pid of others) process.kill(pid, "SIGSTOP");
  try {
    // Whoever was halted until now has calls to catch up on.
    await Bun.sleep(2_000);
    return await run();
  } finally {
    for (const pid of others) process.kill(pid, "SIGCONT");
  }
}

export function clusterNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `c-${String(index).padStart(3, "0")}`);
}

/** The first of so many keys: cluster by cluster, so that the first ones are of a few clusters. */
export async function announceFleet(server: BenchServer, stub: BenchStub, count: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      const port = Math.floor(index / perPort);
      const key = `lizardcd-agent.n-${index % perPort}.${clusterNames(ports)[port]}`;
      await server.announce(crypto.randomUUID(), [key], stub.addresses[port]!);
    }
  };
  await Promise.all(Array.from({ length: 32 }, lane));
}

/** Keys that have answered: each has told of its rows. */
async function answering(server: BenchServer): Promise<number> {
  const { workloads } = await server.get<{ workloads: number }>("/fleet?limit=1");
  return workloads / rows;
}

async function connectionsOf(server: BenchServer): Promise<number> {
  const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
  return Number(/^lizardcd_agent_connections (\d+)/m.exec(text)?.[1]);
}
