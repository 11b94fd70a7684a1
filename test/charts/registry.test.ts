// The registries that the umbrella chart brings start with the commands it gives them, and answer where their probes ask.
// Nacos is left out: its command is its image's own.
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { describePart } from "../testbed/part.ts";
import { freePorts, type ProcessGroup, processGroup } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";
import { objectsOf, render } from "./helm.ts";

interface Container {
  name: string;
  command: string[];
  readinessProbe: { httpGet: { path: string } };
}

describePart(["helm", "etcd", "consul"], "the chart's own registry", (programs) => {
  let group: ProcessGroup | undefined;
  afterAll(() => group?.stop());

  /** As in its pod, on ports and in a folder of this machine. */
  async function start(kind: "etcd" | "consul", ports: Record<string, number>, more: string[] = []) {
    group ??= await processGroup({ name: "registry", grace: 0 });
    const objects = objectsOf(await render(programs.helm, "lizardcd", ["--set", `global.registry.kind=${kind}`]));
    const own = objects.find(({ kind: one, metadata }) => one === "StatefulSet" && metadata.name === `demo-${kind}`);
    const { spec } = (own!.spec as { template: { spec: { containers: [Container] } } }).template;
    const [{ command, readinessProbe }] = spec.containers;
    const here = command.map((word) => {
      let local = word.replace("0.0.0.0", "127.0.0.1").replace("=/data", `=${join(group!.folder, kind)}`);
      for (const [there, port] of Object.entries(ports)) local = local.replace(`:${there}`, `:${port}`);
      return local;
    });
    const running = await group.start({ name: kind, command: [programs[kind], ...here.slice(1), ...more] });
    return { running, path: readinessProbe.httpGet.path };
  }

  const answers = (started: Awaited<ReturnType<typeof start>>, port: number) =>
    untilAlive(
      started.running,
      async () => {
        const answer = await fetch(`http://127.0.0.1:${port}${started.path}`, { signal: AbortSignal.timeout(2_000) });
        return answer.status === 200 && answer.text();
      },
      { what: "the registry to be ready" },
    );

  test("etcd", async () => {
    const [client, peer] = (await freePorts(2)) as [number, number];
    const etcd = await start("etcd", { "2379": client, "2380": peer });
    expect(await answers(etcd, client)).toContain('"health":"true"');
  });

  test("Consul", async () => {
    const [http, serf, server] = (await freePorts(3)) as [number, number, number];
    const off = ["-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1", "-serf-wan-port=-1"];
    const own = [`-http-port=${http}`, `-serf-lan-port=${serf}`, `-server-port=${server}`];
    const consul = await start("consul", {}, [...off, ...own]);
    expect(await answers(consul, http)).toContain("127.0.0.1");
  });
});
