/**
 * Plays the kubelet for one pod of a chart on this machine: its volumes become folders, its account is mounted, its
 * program is the binary, in an empty folder, and every address in its files that exists in the cluster alone is replaced.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RealCluster } from "../testbed/cluster.ts";
import { freePorts, type ProcessGroup, type RunningProcess } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";

export interface Pod {
  process: RunningProcess;
  /** What the pod's ports are here, by name: "http". */
  ports: Record<string, number>;
  /** The folder mounted there. */
  folder(mountPath: string): string;
  /** Asks as the kubelet would. */
  probe(name: "livenessProbe" | "readinessProbe"): Promise<number>;
}

interface Container {
  name: string;
  args?: string[];
  env?: { name: string; value?: string }[];
  ports: { name: string; containerPort: number }[];
  volumeMounts: { name: string; mountPath: string; subPath?: string }[];
  livenessProbe: Probe;
  readinessProbe: Probe;
}

interface Probe {
  httpGet: { path: string; port: string; scheme?: string };
}

interface Template {
  spec: {
    serviceAccountName: string;
    automountServiceAccountToken?: boolean;
    containers: [Container];
    volumes: { name: string; secret?: { secretName: string }; configMap?: { name: string } }[];
  };
}

export interface PodOptions {
  cluster: RealCluster;
  group: ProcessGroup;
  namespace: string;
  /** "deployments/demo-lizardcd-agent". */
  controller: string;
  /** The binaries, by name: "lizardcd-agent". */
  programs: Record<string, string>;
  /** Names of the cluster, as they are on this machine: { "http://demo-server:5117": "http://127.0.0.1:5117" }. */
  addresses?: Record<string, string>;
}

export async function runPod({
  cluster,
  group,
  namespace,
  controller,
  programs,
  addresses = {},
}: PodOptions): Promise<Pod> {
  const { spec } = await cluster.get<{ spec: { template: Template } }>(
    `/apis/apps/v1/namespaces/${namespace}/${controller}`,
  );
  const { containers, volumes, serviceAccountName, automountServiceAccountToken } = spec.template.spec;
  const [container] = containers;
  const free = await freePorts(container.ports.length);
  const ports = Object.fromEntries(container.ports.map(({ name }, index) => [name, free[index]!]));
  const base = join(group.folder, crypto.randomUUID());
  const mounted = container.volumeMounts.map((mount) => ({ ...mount, here: join(base, mount.mountPath) }));
  const mountPaths = new RegExp(
    `(^|[\\s"])(${mounted.map(({ mountPath }) => mountPath).join("|")})(?=[/\\s"]|$)`,
    "gm",
  );
  const localized = (text: string) => {
    let here = text;
    for (const { name, containerPort } of container.ports)
      here = here.replaceAll(new RegExp(`(?<=addr: )["']?:${containerPort}["']?`, "g"), `127.0.0.1:${ports[name]}`);
    for (const [there, address] of Object.entries(addresses)) here = here.replaceAll(there, address);
    // In one go: a folder of this machine may begin like one of the pod's.
    here = here.replace(mountPaths, (_, before, path) => before + mounted.find((one) => one.mountPath === path)!.here);
    // What the agent listens on for itself alone.
    return here.replaceAll("127.0.0.1:5017", "127.0.0.1:0");
  };

  for (const { name, here, subPath } of mounted) {
    const volume = volumes.find((one) => one.name === name)!;
    const files = await filesOf(cluster, namespace, volume);
    mkdirSync(subPath ? dirname(here) : here, { recursive: true });
    for (const [file, text] of Object.entries(files)) {
      if (!subPath) writeFileSync(join(here, file), localized(text));
      else if (file === subPath) writeFileSync(here, localized(text));
    }
  }

  const account =
    automountServiceAccountToken === false
      ? undefined
      : await cluster.mountServiceAccount(namespace, serviceAccountName);
  const env: Record<string, string> = { PATH: process.env.PATH!, HOME: base, POD_IP: "127.0.0.1" };
  for (const { name, value } of container.env ?? []) if (value !== undefined) env[name] = value;
  if (account) Object.assign(env, account.env, { LIZARDCD_SERVICEACCOUNT_DIR: account.folder });

  const running = await group.start({
    name: `${container.name}-${crypto.randomUUID().slice(0, 4)}`,
    command: [programs[`lizardcd-${container.name}`]!, ...(container.args ?? []).map(localized)],
    env,
    cwd: base,
  });
  const probe: Pod["probe"] = async (name) => {
    const { path, port, scheme = "HTTP" } = container[name].httpGet;
    const answer = await fetch(`${scheme.toLowerCase()}://127.0.0.1:${ports[port]}${path}`, {
      signal: AbortSignal.timeout(3_000),
      // Nor does the kubelet ask who signed it.
      tls: { rejectUnauthorized: false },
    });
    return answer.status;
  };
  await untilAlive(running, async () => (await probe("livenessProbe")) === 200, {
    what: `${controller} to be alive`,
    timeout: 60_000,
  });
  return {
    process: running,
    ports,
    folder: (mountPath) => mounted.find((mount) => mount.mountPath === mountPath)!.here,
    probe,
  };
}

async function filesOf(
  cluster: RealCluster,
  namespace: string,
  { secret, configMap }: Template["spec"]["volumes"][number],
): Promise<Record<string, string>> {
  const path = `/api/v1/namespaces/${namespace}`;
  const read = async (one: string) => (await cluster.get<{ data?: Record<string, string> }>(one)).data ?? {};
  if (configMap) return read(`${path}/configmaps/${configMap.name}`);
  if (!secret) return {};
  const data = await read(`${path}/secrets/${secret.secretName}`);
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
}
