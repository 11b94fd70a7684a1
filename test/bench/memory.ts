// Resident memory of server and agent.
import { until } from "../testbed/wait.ts";
import type { Bench, BenchServer } from "./bench.ts";
import { type Figure, type Part, shown } from "./figure.ts";
import { ownMb, residentMb, settledMb } from "./process.ts";

const path = "/clusters/eu-1/namespaces/*/deployments";

export const memory: Part<Bench> = {
  name: "memory",
  title: "Memory",
  conditions:
    "Resident set (VmRSS, file pages included) of compiled binaries, median over 2 s after 3 s of rest; MB are 1,000,000 " +
    "bytes. Embedded discovery, so no other registry's client is loaded. Watched: a JSON watch of all rows and the live " +
    "stream of a 1,000-row page are open, both from the same agent watch. Deployments come from a sandbox.",
  async run(bench) {
    const server = await bench.startServer();
    const settled = async (what: string, pid: number, goal?: number): Promise<Figure> => {
      const value = await settledMb(pid);
      const spread = `${shown(ownMb(pid))} without the program file's pages`;
      return { what, value, unit: "MB", spread, runs: "1 process", goal: goal ? { atMost: goal } : undefined };
    };
    const figures = [await settled("server, idle, no agent", server.process.pid, 90)];

    const few = await bench.startSandbox("many:10");
    const idle = await bench.startAgent({ cluster: "few", sandbox: few, server });
    const [small, one] = await Promise.all([
      settled("agent, idle, 10 Deployments", idle.process.pid, 80),
      settled("server, 1 agent", server.process.pid, 90),
    ]);
    figures.push(one, small);
    await idle.process.stop();
    await few.process.stop();

    const sandbox = await bench.startSandbox("many:1000");
    const agent = await bench.startAgent({ cluster: "eu-1", sandbox, server });
    await known(server, "eu-1");
    const end = new AbortController();
    const heard = [
      watch(server, `${path}?watch=1`, end.signal),
      watch(server, "/workloads/live?limit=1000", end.signal),
    ];
    await until(() => heard.every((stream) => stream.bytes > 100_000), { what: "both streams to bring 1,000 rows" });
    figures.push(
      ...(await Promise.all([
        settled("server, 1,000 rows watched", server.process.pid, 90),
        settled("agent, 1,000 rows watched", agent.process.pid, 80),
      ])),
    );
    end.abort();
    await agent.process.stop();
    await sandbox.process.stop();

    const large = await bench.startSandbox("many:10000");
    const keeper = await bench.startAgent({ cluster: "large", sandbox: large, server });
    await known(server, "large");
    const peak = residentMb(keeper.process.pid);
    const kept = await settled("agent, 10,000 Deployments", keeper.process.pid, 100);
    figures.push({ ...kept, spread: `${kept.spread}; ${shown(peak)} when it became ready` });
    const perRow = ((kept.value - small.value) * 1000) / 10_000;
    figures.push({
      what: "agent, each Deployment",
      value: perRow,
      unit: "KB",
      runs: "from the above",
      goal: { atMost: 2 },
    });
    for (const { process } of [keeper, large, server]) await process.stop();
    return figures;
  },
};

/** The fleet has heard of the cluster. */
export async function known(server: BenchServer, cluster: string): Promise<void> {
  const answering = async () => {
    const { clusters } = await server.get<{ clusters: { name: string; agentsAnswering: number }[] }>("/fleet");
    return clusters.some(({ name, agentsAnswering }) => name === cluster && agentsAnswering > 0);
  };
  await until(answering, { what: `the server to know ${cluster}`, interval: 20 });
}

/** Reads a stream until the signal aborts, and counts. */
function watch(server: BenchServer, at: string, signal: AbortSignal): { bytes: number } {
  const heard = { bytes: 0 };
  const read = async () => {
    const { body } = await server.fetch(at, { signal, headers: { accept: "text/event-stream" } });
    for await (const chunk of body!) heard.bytes += (chunk as Uint8Array).byteLength;
  };
  read().catch((cause) => {
    if (!signal.aborted) throw cause;
  });
  return heard;
}
