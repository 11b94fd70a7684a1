/**
 * A real Kubernetes control plane: etcd, API server, controller manager and scheduler. Only the kubelets are played,
 * by kwok: what a pod does follows from its image's tag, see kwok/stages.yaml.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Paths, provide } from "./build.ts";
import { type Certificate, createAuthority, createServerCertificate } from "./certificates.ts";
import { RealCluster } from "./cluster.ts";
import { etcdCommand } from "./etcd.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { freePorts, type ProcessGroup, processGroup } from "./processes.ts";
import { until, untilAlive } from "./wait.ts";

export { RealCluster } from "./cluster.ts";

export interface ClusterOptions {
  /** Name in its kubeconfigs; default "real". */
  name?: string;
  /** Nodes to begin with, each large enough for everything; default 3. */
  nodes?: number;
  /** False for the API server alone: what is written into a status stays as it is. */
  controllers?: boolean;
}

/** What every container of every pod has logged before its last start, and since. */
export const lastWords = "panic: cannot reach the database at db:5432";
export const logLines = ["starting", "listening on :8080"];

let shared: Promise<RealCluster> | undefined;

/** One cluster for all test files of this process; it ends with the process. Work in a namespace of your own. */
export function sharedCluster(): Promise<RealCluster> {
  shared ??= startCluster({ name: "shared" });
  return shared;
}

/** Starts a cluster and waits until its nodes are ready and pods can be created in `default`. */
export async function startCluster({
  name = "real",
  nodes = 3,
  controllers = true,
}: ClusterOptions = {}): Promise<RealCluster> {
  const programs = await provide("kubernetes");
  for (let tries = 3; ; tries--) {
    try {
      return await start(name, nodes, controllers, programs);
    } catch (cause) {
      // Someone else took a port between our look and the bind.
      if (tries === 1 || !String(cause).includes("address already in use")) throw cause;
    }
  }
}

async function start(
  name: string,
  nodes: number,
  controllers: boolean,
  programs: Paths<"kubernetes">,
): Promise<RealCluster> {
  const group = await processGroup({ name: `cluster-${name}`, grace: 0 });
  try {
    const files = writeFiles(group.folder, name);
    const ports = await choosePorts();
    const cluster = new RealCluster({ name, group, kubectlPath: programs.kubectl, port: ports.api, ...files });
    await startApi(cluster, group, programs, ports, controllers);
    if (!controllers) return cluster;
    await startControllers(cluster, group, programs, ports);
    await createNodes(cluster, nodes);
    return cluster;
  } catch (cause) {
    await group.stop();
    throw cause;
  }
}

type Ports = Awaited<ReturnType<typeof choosePorts>>;

async function choosePorts() {
  const [etcd, etcdPeer, api, kwok] = (await freePorts(4)) as [number, number, number, number];
  return { etcd, etcdPeer, api, kwok };
}

/** Certificates, keys, tokens and kwok's configuration. */
function writeFiles(folder: string, name: string) {
  const serverAuthority = createAuthority(`${name} server CA`);
  const clientAuthority = createAuthority(`${name} client CA`);
  const names = ["127.0.0.1", "localhost", "kubernetes.default.svc", "10.0.0.1"];
  writePair(folder, "server", createServerCertificate(serverAuthority, names));
  writePair(folder, "kubelet", createServerCertificate(serverAuthority, ["127.0.0.1"]));
  writeFileSync(join(folder, "server-ca.crt"), serverAuthority.cert);
  writeFileSync(join(folder, "client-ca.crt"), clientAuthority.cert);

  const accounts = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(join(folder, "accounts.key"), accounts.privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(join(folder, "accounts.pub"), accounts.publicKey.export({ type: "spki", format: "pem" }));
  const token = `admin-${crypto.randomUUID()}`;
  writeFileSync(join(folder, "tokens.csv"), `${token},admin,admin,"system:masters"\n`);

  const stages = readFileSync(join(import.meta.dirname, "kwok/stages.yaml"), "utf8");
  writeFileSync(join(folder, "kwok.yaml"), stages + kubeletFiles(folder));
  return { serverAuthority, clientAuthority, token };
}

function writePair(folder: string, name: string, { cert, key }: Certificate) {
  writeFileSync(join(folder, `${name}.crt`), cert);
  writeFileSync(join(folder, `${name}.key`), key);
}

/** Every container has the same log, the same last words, and an empty folder to run commands in. */
function kubeletFiles(folder: string): string {
  const [log, previous, work] = [join(folder, "container.log"), join(folder, "previous.log"), join(folder, "work")];
  mkdirSync(work);
  const cri = (lines: string[]) => {
    const at = Math.floor(Date.now() / 1000);
    return lines.map((line, i) => `${new Date((at - 60 + i) * 1000).toISOString()} stdout F ${line}\n`).join("");
  };
  writeFileSync(log, cri(logLines));
  writeFileSync(previous, cri([logLines[0]!, lastWords]));
  return `
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata: { name: all }
spec: { logs: [{ logsFile: ${log}, previousLogsFile: ${previous}, follow: true }] }
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata: { name: all }
spec: { execs: [{ local: { workDir: ${work} } }] }
`;
}

async function startApi(
  cluster: RealCluster,
  group: ProcessGroup,
  programs: Paths<"kubernetes">,
  ports: Ports,
  controllers: boolean,
) {
  const file = (name: string) => join(group.folder, name);
  const kubeconfig = file("admin.kubeconfig");
  writeFileSync(kubeconfig, kubeconfigText(cluster, { kind: "token" }));

  await group.start({
    name: "etcd",
    command: [...etcdCommand(programs.etcd, file("etcd"), ports.etcd, ports.etcdPeer), "--unsafe-no-fsync"],
  });
  const api = await group.start({
    name: "kube-apiserver",
    command: [
      programs["kube-apiserver"],
      `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
      `--secure-port=${ports.api}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--tls-cert-file=${file("server.crt")}`,
      `--tls-private-key-file=${file("server.key")}`,
      `--client-ca-file=${file("client-ca.crt")}`,
      `--token-auth-file=${file("tokens.csv")}`,
      `--service-account-key-file=${file("accounts.pub")}`,
      `--service-account-signing-key-file=${file("accounts.key")}`,
      "--service-account-issuer=https://kubernetes.default.svc",
      "--authorization-mode=RBAC",
      "--service-cluster-ip-range=10.0.0.0/24",
      "--allow-privileged",
      // Nodes have no names that resolve; without this, logs and exec look them up.
      "--kubelet-preferred-address-types=InternalIP",
      // Nobody makes the accounts that pods are given.
      ...(controllers ? [] : ["--disable-admission-plugins=ServiceAccount"]),
    ],
  });
  await untilAlive(api, async () => (await cluster.get<string>("/readyz")) === "ok", {
    what: `the API server of cluster ${cluster.name} to be ready`,
    timeout: 60_000,
  });
}

async function startControllers(
  cluster: RealCluster,
  group: ProcessGroup,
  programs: Paths<"kubernetes">,
  ports: Ports,
) {
  const file = (name: string) => join(group.folder, name);
  const kubeconfig = file("admin.kubeconfig");
  const client = [`--kubeconfig=${kubeconfig}`, "--leader-elect=false", "--secure-port=0"];
  await group.start({
    name: "kube-controller-manager",
    command: [
      programs["kube-controller-manager"],
      ...client,
      `--service-account-private-key-file=${file("accounts.key")}`,
      `--root-ca-file=${file("server-ca.crt")}`,
      "--use-service-account-credentials=false",
      "--concurrent-deployment-syncs=20",
      // A kwok that a busy machine starves is no dead node: its pods would stay unready for ever.
      "--node-monitor-grace-period=10m",
    ],
  });
  await group.start({
    name: "kube-scheduler",
    command: [programs["kube-scheduler"], ...client],
  });
  const kwok = await group.start({
    name: "kwok",
    command: [
      programs.kwok,
      `--config=${file("kwok.yaml")}`,
      `--kubeconfig=${kubeconfig}`,
      "--manage-all-nodes=true",
      "--node-ip=127.0.0.1",
      `--node-port=${ports.kwok}`,
      `--server-address=127.0.0.1:${ports.kwok}`,
      `--tls-cert-file=${file("kubelet.crt")}`,
      `--tls-private-key-file=${file("kubelet.key")}`,
    ],
  });
  await untilAlive(kwok, async () => (await fetch(`http://127.0.0.1:${ports.kwok}/healthz`)).ok, {
    what: `kwok of cluster ${cluster.name} to be healthy`,
  });
}

/** kwok gives address and port only to nodes that are created while it runs. */
async function createNodes(cluster: RealCluster, count: number) {
  const names = Array.from({ length: count }, (_, i) => `node-${i + 1}`);
  await cluster.apply(names.map((name) => ({ apiVersion: "v1", kind: "Node", metadata: { name } })));
  type Node = { status?: { conditions?: { type: string; status: string }[] } };
  const isReady = (node: Node) => node.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True");
  await until(
    async () => {
      const { items } = await cluster.get<{ items: Node[] }>("/api/v1/nodes");
      // Pods are refused until the controllers have made the namespace's account.
      await cluster.get("/api/v1/namespaces/default/serviceaccounts/default");
      return items.filter(isReady).length === count;
    },
    { what: `${count} nodes of cluster ${cluster.name} to be ready` },
  );
}
