/** The charts, rendered by the real helm and installed in a real cluster. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { KubeObject, RealCluster } from "../testbed/cluster.ts";

export const charts = ["lizardcd-server", "lizardcd-agent", "lizardcd"] as const;
export type Chart = (typeof charts)[number];

export const root = join(import.meta.dirname, "../../helm");

/** The names of a chart's presets: `ci/<name>-values.yaml`. */
export function presetsOf(chart: Chart): string[] {
  return readdirSync(join(root, chart, "ci"))
    .map((file) => file.replace(/-values\.yaml$/, ""))
    .sort();
}

export function presetFile(chart: Chart, preset: string): string {
  return join(root, chart, "ci", `${preset}-values.yaml`);
}

export class HelmFailed extends Error {}

/** @returns what it prints. @throws HelmFailed with its last words. */
export async function helm(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([program, ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...env },
  });
  const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const said = errors
    .split("\n")
    .filter((line) => !line.includes("found symbolic link"))
    .join("\n");
  if ((await child.exited) !== 0) throw new HelmFailed(`helm ${args.join(" ")}: ${said.trim()}`);
  return out;
}

/** `helm template` of a chart as release "demo" in namespace "delivery". */
export function render(program: string, chart: Chart, args: readonly string[]): Promise<string> {
  return helm(program, ["template", "demo", join(root, chart), "--namespace", "delivery", ...args]);
}

export function objectsOf(manifest: string): KubeObject[] {
  return manifest
    .split(/^---\s*$/m)
    .map((text) => Bun.YAML.parse(text) as KubeObject | null)
    .filter((object) => object !== null);
}

export interface Release {
  install(...args: string[]): Promise<string>;
  upgrade(...args: string[]): Promise<string>;
  rollback(revision: number): Promise<string>;
  uninstall(): Promise<string>;
  /** `helm test`. */
  test(): Promise<string>;
}

/** One release of a chart in a cluster; each step waits until its objects are ready, or gone. */
export function release(
  program: string,
  cluster: RealCluster,
  chart: Chart,
  namespace: string,
  name = "demo",
): Release {
  const kubeconfig = join(cluster.folder, "admin.kubeconfig");
  const folder = (part: string) => join(cluster.folder, "helm", part);
  const env = { HELM_CACHE_HOME: folder("cache"), HELM_CONFIG_HOME: folder("config"), HELM_DATA_HOME: folder("data") };
  const run = (...args: string[]) =>
    helm(program, [...args, "--namespace", namespace, "--kubeconfig", kubeconfig, "--timeout", "120s"], env);
  return {
    install: (...args) => run("install", name, join(root, chart), "--wait", ...args),
    upgrade: (...args) => run("upgrade", name, join(root, chart), "--wait", ...args),
    rollback: (revision) => run("rollback", name, String(revision), "--wait"),
    uninstall: () => run("uninstall", name, "--wait"),
    test: () => run("test", name),
  };
}

/** A namespace in which only pods of the restricted profile are let in. */
export async function restrictedNamespace(cluster: RealCluster, name?: string): Promise<string> {
  const namespace = await cluster.namespace(name);
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  await cluster.request(
    "PATCH",
    `/api/v1/namespaces/${namespace}`,
    { metadata: { labels } },
    "application/merge-patch+json",
  );
  return namespace;
}
