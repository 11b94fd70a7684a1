// The command line against kubectl: from the start of the process to the first byte it prints, and its memory, by turns.
import { join } from "node:path";
import { buildPrograms } from "../../scripts/build.ts";
import { provide } from "../testbed/build.ts";
import { startCluster } from "../testbed/kubernetes.ts";
import { until } from "../testbed/wait.ts";
import type { Bench } from "./bench.ts";
import { type Figure, median, type Part, repeated } from "./figure.ts";
import { mostResidentMb } from "./process.ts";

const turns = 25;
const names = Array.from({ length: 20 }, (_, index) => `web-${index}`);

export const cli: Part<Bench> = {
  name: "cli",
  title: "Command line",
  conditions:
    "From the start of the process to the first byte on its standard output, compiled `lizardcd` and real `kubectl` by " +
    "turns on one real control plane (etcd and API server; only kubelets are played) with 20 Deployments. `lizardcd` " +
    "asks a server, which asks an agent, over HTTP without TLS on this machine; `kubectl` asks the API server over TLS, " +
    "with its discovery cache warm. Memory: the largest resident set, in starts of their own. The goals are kubectl's own figures in the same run.",
  async run(bench) {
    const real = await startCluster({ name: "bench" });
    try {
      const namespace = await real.namespace();
      await real.apply(names.map((name) => deployment(namespace, name)));
      const kubeconfig = real.kubeconfig("token");
      const programs = await buildPrograms({ out: join(bench.group.folder, "cli"), names: ["lizardcd"] });
      const { kubectl } = await provide("kubernetes");
      const server = await bench.startServer();
      await bench.startAgent({ cluster: "real-1", sandbox: { kubeconfig } as never, server });
      const env = {
        PATH: "/usr/bin:/bin",
        HOME: bench.group.folder,
        KUBECONFIG: kubeconfig,
        LIZARDCD_SERVER: server.url,
        LIZARDCD_TOKEN: server.token,
      };
      const ours = programs.lizardcd!;
      const where = ["-n", namespace];
      const pairs: [what: string, ours: string[], theirs: string[]][] = [
        ["version", [ours, "version"], [kubectl, "version", "--client"]],
        ["get deploy", [ours, "get", "deploy", "-c", "real-1", ...where], [kubectl, "get", "deploy", ...where]],
      ];
      await until(
        async () => {
          const child = Bun.spawn([ours, ...pairs[1]![1].slice(1), "-o", "name"], {
            env,
            stdout: "pipe",
            stderr: "ignore",
          });
          return (await new Response(child.stdout).text()).trim().split("\n").length === names.length;
        },
        { what: "the server to list what kubectl lists", timeout: 60_000 },
      );
      return await byTurns(pairs, env);
    } finally {
      await real.stop();
    }
  },
};

async function byTurns(pairs: [string, string[], string[]][], env: Record<string, string>): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [what, ours, theirs] of pairs) {
    const [a, b]: [number[], number[]] = [[], []];
    // The first ones fill the kernel's cache, and kubectl's.
    for (const command of [ours, theirs]) await firstByte(command, env);
    for (let turn = 0; turn < turns; turn++) {
      a.push(await firstByte(ours, env));
      b.push(await firstByte(theirs, env));
    }
    figures.push(repeated(`lizardcd ${what}`, a, "ms", "start", { atMost: Math.round(median(b)) }));
    figures.push(repeated(`kubectl ${theirs.slice(1, 3).join(" ")}`, b, "ms", "start"));
    for (const [who, command] of [
      [`lizardcd ${what}`, ours],
      [`kubectl ${theirs.slice(1, 3).join(" ")}`, theirs],
    ] as const) {
      const most: number[] = [];
      for (let turn = 0; turn < 5; turn++) most.push(await mostMemory(command, env));
      figures.push(repeated(`${who}, memory`, most, "MB", "start"));
    }
  }
  return figures;
}

/** MB, the largest that was seen at looks a millisecond apart. */
async function mostMemory(command: string[], env: Record<string, string>): Promise<number> {
  const child = Bun.spawn(command, { env, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  let most = 0;
  for (let seen: number | undefined = 0; seen !== undefined; seen = mostResidentMb(child.pid)) {
    most = Math.max(most, seen);
    await Bun.sleep(1);
  }
  await child.exited;
  return most;
}

/** Milliseconds. @throws Error where the command fails. */
async function firstByte(command: string[], env: Record<string, string>): Promise<number> {
  const began = performance.now();
  const child = Bun.spawn(command, { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  const ms = performance.now() - began;
  while (!(await reader.read()).done);
  const code = await child.exited;
  if (code !== 0 || done) {
    throw new Error(`${command.join(" ")} ended with ${code}: ${await new Response(child.stderr).text()}`);
  }
  return ms;
}

function deployment(namespace: string, name: string) {
  const labels = { app: name };
  const template = {
    metadata: { labels },
    spec: { containers: [{ name: "web", image: "registry.example.com/web:1" }] },
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels },
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  };
}
