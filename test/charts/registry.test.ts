// The registries that the umbrella chart brings start with the commands it gives them, and answer where their probes ask.
// Nacos' command is its image's own: its start script's words are said again here, the image itself is not run.
import { afterAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describePart } from "../testbed/part.ts";
import { freePorts, type ProcessGroup, processGroup } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";
import { objectsOf, render } from "./helm.ts";

interface Container {
  name: string;
  command: string[];
  readinessProbe: { httpGet: { path: string } };
  env?: { name: string; value: string }[];
}

describePart(["helm", "etcd", "consul"], "the chart's own registry", (programs) => {
  let group: ProcessGroup | undefined;
  afterAll(() => group?.stop());

  async function containerOf(kind: string): Promise<Container> {
    const objects = objectsOf(await render(programs.helm, "lizardcd", ["--set", `global.registry.kind=${kind}`]));
    const own = objects.find(({ kind: one, metadata }) => one === "StatefulSet" && metadata.name === `demo-${kind}`);
    return (own!.spec as { template: { spec: { containers: [Container] } } }).template.spec.containers[0];
  }

  /** As in its pod, on ports and in a folder of this machine. */
  async function start(kind: "etcd" | "consul", ports: Record<string, number>, more: string[] = []) {
    group ??= await processGroup({ name: "registry", grace: 0 });
    const { command, readinessProbe } = await containerOf(kind);
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

  describePart("nacos3", "Nacos", ({ java, jar }) => {
    test("under a user who has no name and no home", async () => {
      group ??= await processGroup({ name: "registry", grace: 0 });
      const env = Object.fromEntries((await containerOf("nacos")).env!.map(({ name, value }) => [name, value]));
      const home = join(group.folder, "nacos");
      mkdirSync(home);
      const port = await nacosPort();
      // What the image's application.properties takes from the environment.
      const settings = {
        "nacos.server.main.port": port,
        "nacos.core.auth.plugin.nacos.token.secret.key": env.NACOS_AUTH_TOKEN,
        "nacos.core.auth.server.identity.key": env.NACOS_AUTH_IDENTITY_KEY,
        "nacos.core.auth.server.identity.value": env.NACOS_AUTH_IDENTITY_VALUE,
      };
      // And what its start script makes of it.
      const words = [
        ...[`-Xms${env.JVM_XMS}`, `-Xmx${env.JVM_XMX}`, `-Xmn${env.JVM_XMN}`],
        `-Dnacos.standalone=${env.MODE === "standalone"}`,
        `-Dnacos.functionMode=${env.FUNCTION_MODE}`,
        `-Dnacos.core.auth.enabled=${env.NACOS_AUTH_ENABLE}`,
        `-Dnacos.core.auth.admin.enabled=${env.NACOS_AUTH_ADMIN_ENABLE}`,
        `-Dnacos.home=${home}`,
        ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`),
        ...["-Dserver.address=127.0.0.1", "-Dnacos.inetutils.ip-address=127.0.0.1", `-Djava.io.tmpdir=${home}`],
      ];
      const options = env.JAVA_TOOL_OPTIONS!.replace("=/tmp", `=${home}`);
      const running = await group.start({
        name: "nacos",
        command: [...nameless(), java, ...words, "-jar", jar],
        env: { PATH: process.env.PATH!, JAVA_TOOL_OPTIONS: options },
        cwd: home,
      });
      const url = `http://127.0.0.1:${port}/nacos/v3`;
      const get = async (path: string) => {
        const answer = await fetch(url + path, { signal: AbortSignal.timeout(2_000) });
        return answer.ok && (await answer.json());
      };
      const ready = await untilAlive(running, () => get("/admin/core/state/readiness"), {
        what: "Nacos to be ready",
        timeout: 90_000,
      });
      expect(ready).toMatchObject({ code: 0 });
      // Nobody has to sign in: neither server nor agent is given a password by the chart.
      expect(await get("/client/ns/instance/list?serviceName=any")).toMatchObject({ code: 0, data: [] });
    });
  });
});

/** Runs what follows as a user of whom the machine knows nothing but the number, where it lets us. */
function nameless(): string[] {
  const words = ["unshare", "--user", "--map-user=4242"];
  return Bun.which("unshare") && Bun.spawnSync([...words, "true"]).success ? words : [];
}

/** It also takes the ports 1000 below, 1000 above and 1001 above. */
async function nacosPort(): Promise<number> {
  for (;;) {
    const [port] = (await freePorts(1)) as [number];
    if (port > 19_000 && port < 30_900) return port;
  }
}
