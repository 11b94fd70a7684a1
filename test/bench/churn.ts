// Agents that come and go: what stays behind.
import { type Bench, type BenchServer, type BenchStub, forStubs } from "./bench.ts";
import { median, type Part, shown } from "./figure.ts";
import { clusterNames } from "./fleet.ts";
import { openDescriptors, settledMb } from "./process.ts";

const clusters = 50;
const cycles = 10_000;

export const churn: Part<Bench> = {
  name: "churn",
  title: "Agents that come and go",
  conditions:
    "50 stub agents announce and withdraw by turns, each time as a new instance, as fast as the server takes it; it asks " +
    "each for its summary as it comes, over a new connection. Before it counts, 2,000 cycles warm the server up. Memory is " +
    "read 10 s after the last; then it all goes on as often again, since what is held for good grows both times and what a process " +
    "needs at its busiest once.",
  async run(bench) {
    const server = await bench.startServer(forStubs);
    const stub = await bench.startStub(server, { clusters: clusterNames(clusters) });
    await cycle(server, stub, 2_000);
    const { pid } = server.process;
    const before = { mb: await settledMb(pid, { restMs: 10_000 }), fds: openDescriptors(pid) };
    const began = performance.now();
    await cycle(server, stub, cycles);
    const seconds = (performance.now() - began) / 1000;
    const after = { mb: await settledMb(pid, { restMs: 10_000 }), fds: openDescriptors(pid) };
    await cycle(server, stub, cycles);
    const again = { mb: await settledMb(pid, { restMs: 10_000 }), fds: openDescriptors(pid) };
    await server.process.stop();
    await stub.process.stop();
    const runs = `${cycles.toLocaleString("en-US")} cycles`;
    return [
      {
        what: "RSS, growth",
        value: after.mb - before.mb,
        unit: "MB",
        spread: `${shown(before.mb)} before, ${shown(after.mb)} after`,
        runs,
        goal: { atMost: 2 },
      },
      {
        what: "RSS, growth in the next as many",
        value: again.mb - after.mb,
        unit: "MB",
        spread: `${shown(after.mb)} before, ${shown(again.mb)} after`,
        runs,
        goal: { atMost: 2 },
      },
      {
        what: "file descriptors, growth",
        value: again.fds - before.fds,
        unit: "",
        runs: `2 × ${runs}`,
        goal: { atMost: 0 },
      },
      { what: "cycles a second", value: median([cycles / seconds]), unit: "/s", runs },
    ];
  },
};

async function cycle(server: BenchServer, stub: BenchStub, times: number): Promise<void> {
  const names = clusterNames(clusters);
  let next = 0;
  const lane = async () => {
    while (next < times) {
      const index = next++ % clusters;
      const instance = crypto.randomUUID();
      await server.announce(instance, [`lizardcd-agent.*.${names[index]}`], stub.addresses[index]!);
      await server.withdraw(instance);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
}
