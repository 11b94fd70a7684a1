// Every way into a cluster, against the real API server; and what the agent finds it may read there.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKube, type Kube } from "../../src/agent/kube.ts";
import { accessInCluster } from "../../src/agent/kubeconfig.ts";
import { createAuthority } from "../testbed/certificates.ts";
import { credentialKinds } from "../testbed/kubeconfig.ts";
import { type RealCluster, sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { until } from "../testbed/wait.ts";
import { failureOf, kubeFromFile, startTestAgent } from "./agent.ts";

const readerRules = [
  {
    apiGroups: ["apps"],
    resources: ["deployments", "statefulsets", "daemonsets"],
    verbs: ["get", "list", "watch", "patch"],
  },
  { apiGroups: ["apps"], resources: ["replicasets", "controllerrevisions"], verbs: ["get", "list"] },
  { apiGroups: [""], resources: ["pods", "pods/log", "events"], verbs: ["get", "list"] },
];
const namespaceRules = [{ apiGroups: [""], resources: ["namespaces"], verbs: ["get", "list"] }];

describePart("kubernetes", "an agent's way into a cluster", () => {
  let cluster: RealCluster;
  let folder: string;
  beforeAll(async () => {
    cluster = await sharedCluster();
    folder = mkdtempSync(join(tmpdir(), "lizardcd-access-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  describe("a kubeconfig", () => {
    test.each(credentialKinds)("with %s serves the whole cluster", async (kind) => {
      const agent = await startTestAgent({ kube: await kubeFromFile(cluster.kubeconfig(kind)) });
      try {
        expect(agent.agent.info.scope).toEqual(["*"]);
        expect(agent.agent.info.keys).toEqual(["lizardcd-agent.*.test"]);
        expect(agent.agent.info.kubernetesVersion).toMatch(/^v1\./);
        const { items } = await agent.peers.namespace.list({ cluster: "test" });
        expect(items.map(({ name }) => name)).toContain("kube-system");
      } finally {
        await agent.stop();
      }
    });

    test("tells who it stands for when it impersonates", async () => {
      const kube = await kubeFromFile(
        cluster.kubeconfig({ kind: "token", as: "jane", asGroups: ["viewers", "builders"] }),
      );
      const { username, groups } = await whoAmI(kube);
      expect(username).toBe("jane");
      expect(groups).toEqual(expect.arrayContaining(["viewers", "builders"]));
    });

    test("tells who its client certificate is for", async () => {
      const user = { name: "ada", groups: ["engineers"] };
      const kube = await kubeFromFile(cluster.kubeconfig({ kind: "client-certificate", user }));
      expect(await whoAmI(kube)).toMatchObject({ username: "ada", groups: ["engineers", "system:authenticated"] });
    });

    test("goes through its proxy", async () => {
      const proxy = await startProxy();
      const { port } = proxy.server.address() as AddressInfo;
      const kube = await kubeFromFile(cluster.kubeconfig({ kind: "token", proxyUrl: `http://127.0.0.1:${port}` }));
      expect((await whoAmI(kube)).username).toBe("admin");
      expect(proxy.asked).toEqual([new URL(cluster.url).host]);
      proxy.server.closeAllConnections();
      proxy.server.close();
    });

    test("of another authority is refused, and says so", async () => {
      const config = parse(readFileSync(cluster.kubeconfig("token"), "utf8"));
      const ours = config.clusters.find(({ name }) => name === cluster.name)!;
      ours.cluster["certificate-authority-data"] = Buffer.from(createAuthority("another").cert).toString("base64");
      const path = join(folder, "foreign.kubeconfig");
      writeFileSync(path, JSON.stringify(config));
      const asked = kubeFromFile(path).then((kube) => kube.get("/version"));
      expect(await failureOf(asked)).toMatchObject({ name: "Unanswered", sent: false });
    });

    test("checks the server's certificate against tls-server-name where it has one", async () => {
      const config = parse(readFileSync(cluster.kubeconfig("token"), "utf8"));
      const ours = config.clusters.find(({ name }) => name === cluster.name)!;
      const ask = async (name: string) => {
        ours.cluster["tls-server-name"] = name;
        const path = join(folder, `${name}.kubeconfig`);
        writeFileSync(path, JSON.stringify(config));
        return (await kubeFromFile(path)).get<{ gitVersion: string }>("/version");
      };
      expect((await ask("kubernetes.default.svc")).gitVersion).toMatch(/^v1\./);
      expect(await failureOf(ask("elsewhere.example.com"))).toMatchObject({ name: "Unanswered", sent: false });
    });

    test("with another token is refused by the API server, and the token is in no sentence", async () => {
      const kube = await kubeFromFile(cluster.kubeconfig({ kind: "token", token: "s3cret-and-wrong" }));
      const agent = await startTestAgent({ kube });
      try {
        const asked = agent.peers.workload.list({ cluster: "test", namespace: "*", resource: "workloads" });
        expect(await failureOf(asked)).toMatchObject({ code: "watch.not_synced" });
        const { failure } = await agent.peers.agent.summary({ cluster: "test" });
        expect(failure?.code).toBe("cluster.refused");
        expect(JSON.stringify(failure?.params)).not.toContain("s3cret");
      } finally {
        await agent.stop();
      }
    }, 30_000);

    test("whose exec plugin's credential ends is asked again", async () => {
      const counter = join(folder, "asked");
      const script = join(folder, "plugin.sh");
      // Counts as ended ten seconds before its time.
      writeFileSync(
        script,
        `#!/bin/sh
echo asked >> ${counter}
ends=$(date -u -d '+12 seconds' +%Y-%m-%dT%H:%M:%SZ)
cat <<EOF
{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",
 "status":{"token":"${cluster.token}","expirationTimestamp":"$ends"}}
EOF
`,
        { mode: 0o700 },
      );
      const config = parse(readFileSync(cluster.kubeconfig("exec"), "utf8"));
      config.users.find(({ name }) => name === "tester")!.user.exec!.command = script;
      const path = join(folder, "exec.kubeconfig");
      writeFileSync(path, JSON.stringify(config));
      const kube = await kubeFromFile(path);
      const asks = () => readFileSync(counter, "utf8").trim().split("\n").length;
      await Promise.all([whoAmI(kube), whoAmI(kube), whoAmI(kube)]);
      expect(asks()).toBe(1);
      await Bun.sleep(3_000);
      await whoAmI(kube);
      expect(asks()).toBe(2);
    });
  });

  describe("a ServiceAccount in its cluster", () => {
    test("that may read all serves the whole cluster", async () => {
      const home = await cluster.namespace();
      const rules = [...readerRules, ...namespaceRules];
      const account = await cluster.serviceAccount(home, "agent", { in: "cluster", rules });
      const agent = await startTestAgent({ kube: createKube(await accessInCluster(account.env, account.folder)) });
      try {
        expect(agent.agent.info.scope).toEqual(["*"]);
        const { items } = await agent.peers.namespace.list({ cluster: "test" });
        expect(items.find(({ name }) => name === home)).toMatchObject({ phase: "Active" });
      } finally {
        await agent.stop();
      }
    });

    test("that may read two namespaces serves exactly these", async () => {
      const [first, second, other] = [await cluster.namespace(), await cluster.namespace(), await cluster.namespace()];
      const account = await cluster.serviceAccount(first, "agent", { in: [first, second], rules: readerRules });
      for (const namespace of [first, second, other]) await cluster.apply(deployment(namespace, "web"));
      const agent = await startTestAgent({
        kube: createKube(await accessInCluster(account.env, account.folder)),
        candidates: [second, other, "nowhere"],
      });
      try {
        const both = [first, second].sort();
        expect(agent.agent.info.scope).toEqual(both);
        expect(agent.agent.info.keys).toEqual(both.map((namespace) => `lizardcd-agent.${namespace}.test`));
        const { items } = await agent.peers.namespace.list({ cluster: "test" });
        expect(items.map(({ name, phase, workloads }) => ({ name, phase, workloads }))).toEqual(
          both.map((name) => ({ name, phase: "", workloads: 1 })),
        );
        const all = await agent.peers.workload.list({ cluster: "test", namespace: "*", resource: "workloads" });
        expect(all.items.map(({ namespace }) => namespace).sort()).toEqual(both);
        const beyond = agent.peers.workload.list({ cluster: "test", namespace: other, resource: "deployments" });
        expect(await failureOf(beyond)).toMatchObject({ code: "namespace.out_of_scope" });
        const one = await agent.peers.workload.get({
          cluster: "test",
          namespace: first,
          resource: "deployments",
          name: "web",
        });
        expect(one.row?.desired).toBe(1);
        // What the account may not read (autoscalers) is no failure of what was asked.
        const scaled = await agent.peers.workload.scale({
          ...{ cluster: "test", namespace: first, resource: "deployments", name: "web" },
          replicas: 2,
        });
        expect(scaled.row?.desired).toBe(2);
      } finally {
        await agent.stop();
      }
    });

    test("that is given another namespace later serves that too, under a new key", async () => {
      const [first, second] = [await cluster.namespace(), await cluster.namespace()];
      const account = await cluster.serviceAccount(first, "agent", { in: [first], rules: readerRules });
      const agent = await startTestAgent({
        kube: createKube(await accessInCluster(account.env, account.folder)),
        candidates: [second],
        scopeEvery: 200,
      });
      try {
        expect(agent.agent.info.scope).toEqual([first]);
        await cluster.serviceAccount(first, "agent", { in: [second], rules: readerRules });
        await cluster.apply({
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "RoleBinding",
          metadata: { name: "agent", namespace: second },
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "agent" },
          subjects: [{ kind: "ServiceAccount", namespace: first, name: "agent" }],
        });
        await until(() => agent.agent.info.scope.length === 2, { what: "the agent to see the other namespace" });
        expect(agent.agent.info.keys).toEqual([first, second].sort().map((name) => `lizardcd-agent.${name}.test`));
      } finally {
        await agent.stop();
      }
    });

    test("whose token file is replaced goes on with the new one", async () => {
      const home = await cluster.namespace();
      const account = await cluster.serviceAccount(home, "agent", { in: "cluster", rules: readerRules });
      const mounted = join(folder, "mounted");
      mkdirSync(mounted);
      for (const file of ["ca.crt", "namespace"])
        writeFileSync(join(mounted, file), readFileSync(join(account.folder, file)));
      writeFileSync(join(mounted, "token"), "rotated-away");
      const kube = createKube(await accessInCluster(account.env, mounted));
      expect(await failureOf(kube.get("/api/v1/namespaces/default"))).toMatchObject({ status: 401 });
      writeFileSync(join(mounted, "token"), account.token);
      expect((await whoAmI(kube)).username).toBe(`system:serviceaccount:${home}:agent`);
    });
  });
});

interface Kubeconfig {
  clusters: { name: string; cluster: Record<string, string> }[];
  users: { name: string; user: { exec?: { command: string } } }[];
}

const parse = (text: string) => JSON.parse(text) as Kubeconfig;

async function whoAmI(kube: Kube): Promise<{ username: string; groups: string[] }> {
  const review = await kube.post<{ status: { userInfo: { username: string; groups: string[] } } }>(
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
  );
  return review.status.userInfo;
}

function deployment(namespace: string, name: string): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "registry.test/web:1" }] } },
    },
  };
}

/** An HTTP proxy that only tunnels, and remembers where to. */
async function startProxy(): Promise<{ server: Server; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer();
  server.on("connect", (request, client, head) => {
    asked.push(request.url ?? "");
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), hostname, () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, asked };
}
