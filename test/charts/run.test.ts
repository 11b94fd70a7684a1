// The programs run with what the charts gave them: settings, Secrets, and the release's own ServiceAccount. The server is
// installed by its chart, the agents by theirs; what each agent serves is exactly what the API server lets it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Client, login } from "../harness.ts";
import { createAuthority, createServerCertificate } from "../testbed/certificates.ts";
import type { RealCluster } from "../testbed/cluster.ts";
import { startConsul } from "../testbed/consul.ts";
import { startEtcd } from "../testbed/etcd.ts";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { type ProcessGroup, processGroup } from "../testbed/processes.ts";
import { compiledPrograms, type Programs } from "../testbed/programs.ts";
import { until } from "../testbed/wait.ts";
import { objectsOf, release, render, restrictedNamespace } from "./helm.ts";
import { type Pod, runPod } from "./pod.ts";

interface Job {
  spec: { template: { spec: { containers: [{ command: string[] }] } } };
}

const shops = ["charts-shop", "charts-pay", "charts-bank"] as const;
const [shop, pay, bank] = shops;
/** For agents of other releases: the umbrella's own is given it by the chart. */
const serverCa = "serverCa.existingSecret=whole-server-tls";
/** Each in a Deployment of its own name in each of them. */
const clusters = ["local", "wide", "narrow", "given", "look", "stand", "moved", "by-etcd", "by-consul"];

describePart(["kubernetes", "helm", "etcd", "consul"], "what the charts install", ({ helm, kubectl }) => {
  let cluster: RealCluster;
  let group: ProcessGroup;
  let programs: Programs;
  let namespace: string;
  let server: Pod;
  let url: string;
  let client: Client;
  /** What helm printed at the end. */
  let notes: string;

  beforeAll(async () => {
    cluster = await sharedCluster();
    group = await processGroup({ name: "charts" });
    programs = await compiledPrograms();
    for (const name of shops) await cluster.namespace(name);
    await cluster.apply(shops.flatMap((where) => clusters.map((name) => deployment(where, name))));
    namespace = await restrictedNamespace(cluster);
    notes = await release(helm, cluster, "lizardcd", namespace, "whole").install(
      "--set",
      "lizardcd-server.persistence.enabled=false",
    );
    server = await runPod({ cluster, group, namespace, programs, controller: "statefulsets/whole-server" });
    url = `https://127.0.0.1:${server.ports.http}`;
    client = await signIn(server, url);
  });
  afterAll(() => group?.stop());

  /** Installs an agent, and runs its pod against the server above. */
  async function agent(name: string, ...values: string[]): Promise<Pod> {
    const one = release(helm, cluster, "lizardcd-agent", namespace, name);
    await one.install("--set", [`cluster=${name}`, "server=https://server", serverCa, ...values].join(","));
    return run(`deployments/${name}-lizardcd-agent`);
  }
  const run = (controller: string) => {
    const addresses = { "https://whole-server:5117": url, "https://server": url };
    return runPod({ cluster, group, namespace, programs, controller, addresses });
  };
  const invited = async (name: string): Promise<string> => {
    const { body } = await client.post("/agents/invitations", { cluster: name });
    return `token=${body.token}`;
  };
  /** The keys of a cluster's agents, once they have answered. */
  const keysOf = (name: string) =>
    until(
      async () => {
        const { items } = (await client.get(`/agents?cluster=${name}`)).body as {
          items: { key: string; state: string }[];
        };
        return items.length > 0 && items.every(({ state }) => state === "ok") && items.map(({ key }) => key).sort();
      },
      { what: `the agent of ${name} to answer` },
    );
  /** The namespaces of this test in which its workloads are seen. */
  const seen = async (name: string) => {
    const { items } = (await client.get(`/workloads?cluster=${name}&limit=500`)).body;
    const rows = (items as { row: { namespace: string } }[]).map(({ row }) => row);
    return [...new Set(rows.map((row) => row.namespace))].filter((one) => shops.includes(one as never)).sort();
  };
  const restart = (name: string, where: string) =>
    client.post(`/clusters/${name}/namespaces/${where}/deployments/${name}/restart`, {});
  const restartedAt = async (name: string, where: string) => {
    type Restarted = { spec: { template: { metadata: { annotations?: Record<string, string> } } } };
    const { spec } = await cluster.get<Restarted>(`/apis/apps/v1/namespaces/${where}/deployments/${name}`);
    return spec.template.metadata.annotations?.["kubectl.kubernetes.io/restartedAt"];
  };
  /** What RBAC says of a release's account, asked of the API server itself. */
  const may = async (account: string, verb: string, resource: string, where?: string, resourceName?: string) => {
    const group = ["deployments"].includes(resource) ? "apps" : "";
    const { status } = await cluster.request<{ status: { allowed: boolean } }>(
      "POST",
      "/apis/authorization.k8s.io/v1/subjectaccessreviews",
      {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: {
          user: `system:serviceaccount:${namespace}:${account}`,
          resourceAttributes: { verb, group, resource, namespace: where, name: resourceName },
        },
      },
    );
    return status.allowed;
  };

  test("one command brings a server and its agent: the cluster is there, a Deployment is restarted, and what `helm test` asks is answered", async () => {
    expect(await server.probe("readinessProbe")).toBe(200);
    const pod = await run("deployments/whole-agent");
    expect(await keysOf("local")).toEqual(["lizardcd-agent.*.local"]);
    expect(await pod.probe("readinessProbe")).toBe(200);
    const before = await restartedAt("local", shop);
    expect((await restart("local", shop)).status).toBe(200);
    expect(await restartedAt("local", shop)).not.toBe(before);
    for (const [program, port, there] of [
      ["server", server.ports.metrics!, "whole-server/15117"],
      ["agent", pod.ports.metrics!, "whole-agent-metrics/15017"],
    ] as const) {
      const template = await render(helm, "lizardcd", [
        "--show-only",
        `charts/lizardcd-${program}/templates/test.yaml`,
      ]);
      const [job] = objectsOf(template.replaceAll("demo", "whole")) as unknown as [Job];
      const [bash, ...words] = job.spec.template.spec.containers[0].command;
      const asked = (here: number) => {
        const local = words.map((word) => word.replace(there, `127.0.0.1/${here}`).replace("{1..30}", "once"));
        return Bun.spawnSync([bash!, ...local], { stderr: "ignore" });
      };
      expect([program, asked(port).exitCode]).toEqual([program, 0]);
      // Where nobody answers.
      expect([program, asked(1).exitCode]).toEqual([program, 1]);
    }
    await pod.process.stop();
  });

  test("what passes between them inside the cluster is read by nobody: the server's CA came with the release", async () => {
    await expect(fetch(`${url.replace("https", "http")}/healthz`)).rejects.toThrow();
    await expect(fetch(`${url}/healthz`)).rejects.toThrow(/certificate/);
    expect((await fetch(`${url}/healthz`, { tls: { ca: caOf(server) } })).status).toBe(200);
    const certificate = readFileSync(join(server.folder("/etc/lizardcd/tls"), "tls.crt"));
    const { subjectAltName, validToDate } = new X509Certificate(certificate);
    for (const name of ["whole-server", `whole-server.${namespace}.svc`, "127.0.0.1"])
      expect(subjectAltName).toContain(name);
    expect(validToDate.getTime()).toBeGreaterThan(Date.now() + 5 * 365 * 86_400_000);
  });

  test("the commands that helm prints at the end work as they are printed", async () => {
    const printed = (start: string) => notes.split("\n").find((line) => line.trim().startsWith(start))!;
    const shell = async (line: string) => {
      const child = Bun.spawn(["sh", "-c", line], {
        cwd: group.folder,
        env: {
          PATH: `${dirname(kubectl)}:${process.env.PATH}`,
          HOME: group.folder,
          KUBECONFIG: join(cluster.folder, "admin.kubeconfig"),
        },
        stdin: new Blob([readFileSync(join(server.folder("/data"), "first-password"))]),
        stdout: "pipe",
        stderr: "pipe",
      });
      const said = (await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])).join("");
      return { code: await child.exited, said };
    };
    expect(await shell(printed(`kubectl -n ${namespace} rollout status`))).toMatchObject({ code: 0 });
    expect(await shell(printed(`kubectl -n ${namespace} get secret`))).toEqual({ code: 0, said: "" });
    expect(readFileSync(join(group.folder, "lizardcd-ca.pem"), "utf8")).toBe(caOf(server));
    const cli = programs.lizardcd;
    const login = printed("lizardcd login").replace("lizardcd", cli).replace("https://127.0.0.1:5117", url);
    const { code, said } = await shell(`${login} --password-stdin`);
    expect([code, said]).toEqual([0, expect.stringContaining(`Signed in to ${url} as admin`)]);
    // Nobody forwards a port or runs a program in a pod here: there is no kubelet.
    for (const rest of [
      "port-forward service/whole-server 5117",
      "exec statefulset/whole-server -- cat /data/first-password",
    ])
      expect(notes).toContain(`kubectl -n ${namespace} ${rest}`);
  });

  describe("an agent", () => {
    test.concurrent("for the whole cluster sees all of it, may change workloads and nothing else", async () => {
      const pod = await agent("wide", await invited("wide"));
      expect(await keysOf("wide")).toEqual(["lizardcd-agent.*.wide"]);
      expect(await seen("wide")).toEqual([...shops].sort());
      expect((await restart("wide", bank)).status).toBe(200);
      const account = "wide-lizardcd-agent";
      expect(await may(account, "patch", "deployments", bank)).toBe(true);
      for (const [verb, resource] of [
        ["delete", "deployments"],
        ["create", "deployments"],
        ["list", "secrets"],
        ["get", "secrets"],
        ["create", "pods/exec"],
      ] as const) {
        expect([verb, resource, await may(account, verb, resource, bank)]).toEqual([verb, resource, false]);
      }
      await pod.process.stop();
    });

    test.concurrent("for two namespaces sees those two, and is refused in the third", async () => {
      const pod = await agent("narrow", `namespaces={${shop},${pay}}`, await invited("narrow"));
      expect(await keysOf("narrow")).toEqual([`lizardcd-agent.${pay}.narrow`, `lizardcd-agent.${shop}.narrow`]);
      expect(await seen("narrow")).toEqual([pay, shop]);
      expect((await restart("narrow", pay)).status).toBe(200);
      const before = await restartedAt("narrow", bank);
      expect((await restart("narrow", bank)).status).toBeGreaterThanOrEqual(400);
      expect(await restartedAt("narrow", bank)).toBe(before);
      expect(await may("narrow-lizardcd-agent", "list", "deployments", bank)).toBe(false);
      expect(await may("narrow-lizardcd-agent", "list", "namespaces")).toBe(false);
      await pod.process.stop();
    });

    test.concurrent("under an account that exists has what that account has, and gets nothing from the chart", async () => {
      const rules = [{ apiGroups: ["apps"], resources: ["*"], verbs: ["get", "list", "watch"] }];
      await cluster.serviceAccount(namespace, "deployer", { in: [bank], rules });
      const given = ["serviceAccount.create=false", "serviceAccount.name=deployer", "rbac.create=false"];
      const pod = await agent(
        "given",
        ...given,
        `namespaces={${bank}}`,
        "existingSecret=whole-server,existingSecretKey=join-token",
      );
      expect(await keysOf("given")).toEqual([`lizardcd-agent.${bank}.given`]);
      expect(await seen("given")).toEqual([bank]);
      expect((await restart("given", bank)).status).toBe(403);
      const bindings = await cluster.kubectl("get", "clusterrolebindings,rolebindings", "-A", "-o", "json");
      const own = (JSON.parse(bindings).items as { metadata: { labels?: Record<string, string> } }[]).filter(
        ({ metadata }) => metadata.labels?.["app.kubernetes.io/instance"] === "given",
      );
      expect(own).toEqual([]);
      await pod.process.stop();
    });

    test.concurrent("that may only look is refused a change, in words", async () => {
      const pod = await agent("look", "rbac.readOnly=true", await invited("look"));
      expect(await keysOf("look")).toEqual(["lizardcd-agent.*.look"]);
      expect(await seen("look")).toEqual([...shops].sort());
      const before = await restartedAt("look", shop);
      const { status, body } = await restart("look", shop);
      expect(status).toBe(403);
      expect(body.message).toContain("read-only");
      // The agent's own word, and RBAC's where the agent were not asked.
      expect(await may("look-lizardcd-agent", "patch", "deployments", shop)).toBe(false);
      expect(await restartedAt("look", shop)).toBe(before);
      await pod.process.stop();
    });

    test.concurrent("that stands for who asks has that user's rights, and may be in no group of the system", async () => {
      const group = "lizardcd:admin";
      await cluster.apply([
        {
          apiVersion: "rbac.authorization.k8s.io/v1",
          kind: "RoleBinding",
          metadata: { namespace: shop, name: "lizardcd-admins" },
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" },
          subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group }],
        },
      ]);
      const pod = await agent("stand", "impersonate=true", await invited("stand"));
      expect(await keysOf("stand")).toEqual(["lizardcd-agent.*.stand"]);
      expect(await seen("stand")).toEqual([...shops].sort());
      expect((await restart("stand", shop)).status).toBe(200);
      const before = await restartedAt("stand", bank);
      expect((await restart("stand", bank)).status).toBe(403);
      expect(await restartedAt("stand", bank)).toBe(before);
      const account = "stand-lizardcd-agent";
      for (const [verb, resource, name, allowed] of [
        ["impersonate", "users", "admin", true],
        ["impersonate", "groups", group, true],
        ["impersonate", "groups", "system:masters", false],
        ["impersonate", "serviceaccounts", "default", false],
        ["patch", "deployments", "stand", false],
      ] as const) {
        const where = resource === "users" || resource === "groups" ? undefined : shop;
        expect([verb, resource, name, await may(account, verb, resource, where, name)]).toEqual([
          ...[verb, resource, name],
          allowed,
        ]);
      }
      await pod.process.stop();
    });

    test.concurrent("is replaced without a new token: its identity is in a Secret that only it may read", async () => {
      // The line that people are shown, as it is.
      const { helm: line } = (await client.post("/agents/invitations", { cluster: "moved" })).body;
      const words = (line as string).split(" ");
      expect(words.slice(0, 4)).toEqual(["helm", "install", "lizardcd-agent", "helm/lizardcd-agent"]);
      expect(words.at(-1)).toBe(`serverCa.data=${Buffer.from(caOf(server)).toString("base64")}`);
      const moved = release(helm, cluster, "lizardcd-agent", namespace, "moved");
      await moved.install(...words.slice(4));
      const pod = await run("deployments/moved-lizardcd-agent");
      expect(await keysOf("moved")).toEqual(["lizardcd-agent.*.moved"]);
      await pod.process.stop("SIGKILL");
      await moved.upgrade("--reuse-values", "--set", "token=");
      const next = await run("deployments/moved-lizardcd-agent");
      // The server asks an agent that was lost again after a while.
      await until(async () => (await restart("moved", shop)).status === 200, { what: "the next pod to be called" });
      expect(await next.probe("readinessProbe")).toBe(200);
      expect(next.process.log()).not.toContain("enrolled");
      const account = "moved-lizardcd-agent";
      expect(await may(account, "patch", "secrets", namespace, "moved-lizardcd-agent-identity")).toBe(true);
      expect(await may(account, "get", "secrets", namespace, "whole-server")).toBe(false);
      await next.process.stop();
    });
  });

  /** A server of its own, and the line by which it enrolls an agent. */
  const invitedBy = async (name: string, trust: (pod: Pod) => string, ...values: string[]) => {
    const one = release(helm, cluster, "lizardcd-server", namespace, name);
    await one.install("--set", [`fullnameOverride=${name}`, "persistence.enabled=false", ...values].join(","));
    const pod = await runPod({ cluster, group, namespace, programs, controller: `statefulsets/${name}` });
    const admin = await signIn(pod, `https://127.0.0.1:${pod.ports.http}`, trust(pod));
    const { command } = (await admin.post("/agents/invitations", { cluster: "eu-1" })).body;
    return { pod, command: command as string };
  };
  const carried = (ca: string) => ` --server-ca-data ${Buffer.from(ca).toString("base64")}`;

  test.concurrent("the chart's own certificate is for further names where agents of other clusters dial them", async () => {
    const names = "tls.selfSigned=true,tls.names={cd.example.com,192.0.2.7},publicUrl=https://cd.example.com:5117";
    const { pod, command } = await invitedBy("named", caOf, names);
    const { subjectAltName } = new X509Certificate(readFileSync(join(pod.folder("/etc/lizardcd/tls"), "tls.crt")));
    for (const name of ["DNS:cd.example.com", "IP Address:192.0.2.7", "DNS:named", "IP Address:127.0.0.1"])
      expect(subjectAltName).toContain(name);
    expect(command).toStartWith("lizardcd-agent --server https://cd.example.com:5117 ");
    expect(command).toEndWith(carried(caOf(pod)));
    await pod.process.stop();
  });

  test.concurrent("a Secret that holds its CA has it carried by the lines, one that does not serves as well", async () => {
    const authority = createAuthority("company");
    const { cert, key } = createServerCertificate(authority, ["127.0.0.1"]);
    const data = { "tls.crt": cert, "tls.key": key };
    for (const [name, stringData, end] of [
      ["with-ca", { ...data, "ca.crt": authority.cert }, carried(authority.cert)],
      // As cert-manager leaves it where the issuer tells none.
      ["empty-ca", { ...data, "ca.crt": "" }, ""],
      ["without-ca", data, ""],
    ] as const) {
      const metadata = { namespace, name: `${name}-tls` };
      await cluster.apply([{ apiVersion: "v1", kind: "Secret", metadata, type: "kubernetes.io/tls", stringData }]);
      const { pod, command } = await invitedBy(name, () => authority.cert, `tls.existingSecret=${name}-tls`);
      expect(await pod.probe("readinessProbe")).toBe(200);
      expect(command).toMatch(/ --token lz1\.[\w.-]+( --server-ca-data \S+)?$/);
      expect(command.includes("--server-ca-data")).toBe(end !== "");
      expect(command).toEndWith(end);
      await pod.process.stop();
    }
  });

  for (const kind of ["etcd", "consul"] as const) {
    test.concurrent(`the server finds the agent in ${kind}, and calls it at the address that it listens on`, async () => {
      const registry = await (kind === "etcd" ? startEtcd() : startConsul());
      const name = `by-${kind}`;
      const address = `global.registry.kind=${kind},global.registry.address=${registry.endpoint}`;
      await release(helm, cluster, "lizardcd", namespace, name).install(
        ...["--set", `lizardcd-server.persistence.enabled=false,${address}`],
      );
      const one = await runPod({ cluster, group, namespace, programs, controller: `statefulsets/${name}-server` });
      const here = `https://127.0.0.1:${one.ports.http}`;
      const addresses = { [`https://${name}-server:5117`]: here };
      const other = await runPod({
        cluster,
        group,
        namespace,
        programs,
        controller: `deployments/${name}-agent`,
        addresses,
      });
      const admin = await signIn(one, here);
      const found = await until(
        async () => {
          const [row] = (await admin.get("/agents")).body.items as { state: string; sources: string[] }[];
          return row?.state === "ok" && row;
        },
        { what: `the agent to answer through ${kind}` },
      );
      expect(found.sources.join()).toContain(kind);
      const path = `/clusters/local/namespaces/${shop}/deployments/${name}/restart`;
      expect((await admin.post(path, {})).status).toBe(200);
      for (const pod of [other, one]) await pod.process.stop();
      await registry.stop();
    });
  }

  for (const [program, flag] of [
    ["server", "--http-addr"],
    ["agent", "--metrics-addr"],
  ] as const) {
    test(`the ${program} listens to other machines only where it is told to`, async () => {
      const said = async (...flags: string[]) => {
        const main = join(import.meta.dirname, `../../src/${program}/main.ts`);
        // What comes after the check of the address, and cannot be met: nothing is opened here.
        const unmet = program === "server" ? ["--data", "/dev/null/data"] : [];
        const child = Bun.spawn([process.execPath, main, flag, "0.0.0.0:1", ...unmet, ...flags], { stderr: "pipe" });
        const text = await new Response(child.stderr).text();
        expect(await child.exited).not.toBe(0);
        return text;
      };
      expect(await said()).toContain("add --http.plain if that is meant");
      expect(await said("--http.plain")).not.toContain("--http.plain");
    });
  }
});

function signIn(server: Pod, url: string, ca = caOf(server)): Promise<Client> {
  const password = readFileSync(join(server.folder("/data"), "first-password"), "utf8").trim();
  return login(url, "admin", password, { ca });
}

/** Of the certificate that the chart made for it. */
const caOf = (server: Pod) => readFileSync(join(server.folder("/etc/lizardcd/tls"), "ca.crt"), "utf8");

function deployment(namespace: string, name: string) {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace, name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "registry.test/app:1" }] } },
    },
  };
}
