// What the charts make of their values, without a cluster. A changed snapshot is written by
// `UPDATE_SNAPSHOTS=1 npm test -- charts/render`, and read before it is committed.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "../../src/server/store/users.ts";
import { describePart } from "../testbed/part.ts";
import { type Chart, charts, HelmFailed, objectsOf, presetFile, presetsOf, render, root } from "./helm.ts";

const snapshots = join(import.meta.dirname, "snapshots");
const update = process.env.UPDATE_SNAPSHOTS === "1";

describePart("helm", "the charts", ({ helm }) => {
  const template = (chart: Chart, ...args: string[]) => render(helm, chart, args);
  const agent = ["--set", "cluster=eu-1,server=https://lizardcd.example.com"];
  const refused = async (chart: Chart, ...args: string[]): Promise<string> => {
    const failed = await template(chart, ...args).then(
      () => undefined,
      (cause) => cause,
    );
    expect(failed).toBeInstanceOf(HelmFailed);
    return (failed as Error).message;
  };

  for (const chart of charts) {
    for (const preset of presetsOf(chart)) {
      test(`${chart} with its preset ${preset} renders as its snapshot says`, async () => {
        const file = join(snapshots, `${chart}-${preset}.snap`);
        const manifest = stable(await template(chart, "--values", presetFile(chart, preset)));
        if (update) writeFileSync(file, manifest);
        expect(manifest).toBe(readFileSync(file, "utf8"));
      });
    }
  }

  test("there is no snapshot without a preset", () => {
    const wanted = charts.flatMap((chart) => presetsOf(chart).map((preset) => `${chart}-${preset}.snap`));
    expect(readdirSync(snapshots).sort()).toEqual(wanted.sort());
  });

  test("their versions are the program's", () => {
    const { version } = JSON.parse(readFileSync(join(root, "../package.json"), "utf8"));
    for (const chart of charts) {
      const { dependencies = [], ...said } = Bun.YAML.parse(readFileSync(join(root, chart, "Chart.yaml"), "utf8")) as {
        version: string;
        appVersion: string;
        dependencies?: { version: string }[];
      };
      expect([said.version, said.appVersion]).toEqual([version, version]);
      for (const one of dependencies) expect(one.version).toBe(version);
    }
  });

  test("without values the server needs nothing, the agent says what it needs", async () => {
    expect(objectsOf(await template("lizardcd-server")).length).toBeGreaterThan(5);
    expect(await refused("lizardcd-agent")).toContain("cluster is needed");
    expect(await refused("lizardcd-agent", "--set", "cluster=eu-1")).toContain("server is needed");
    expect(await refused("lizardcd-agent", ...agent)).toContain("lizardcd agents enroll --cluster eu-1");
  });

  test("a value of the wrong type is refused by name and type", async () => {
    const wrong = await refused("lizardcd-agent", ...agent, "--set", "token=t,replicas=two");
    expect(wrong).toContain("at '/replicas': got string, want integer");
    expect(await refused("lizardcd-server", "--set-string", "persistence.enabled=no")).toContain(
      "at '/persistence/enabled': got string, want boolean",
    );
  });

  test("a certificate is made for names and addresses, and not for a name with a port", async () => {
    const given = (name: string) => ["--set", "tls.selfSigned=true", "--set-json", `tls.names=["${name}"]`];
    for (const name of ["lb.example.com", "*.example.com", "10.0.0.1", "fd00::1"])
      expect(await template("lizardcd-server", ...given(name))).toContain("tls.crt");
    expect(await refused("lizardcd-server", ...given("lb.example.com:443"))).toContain("pattern");
  });

  test("however long a chart is called, its labels are no longer than Kubernetes allows", async () => {
    const name = "n".repeat(62);
    const manifests = [
      await template("lizardcd-server", "--set", `nameOverride=${name}`),
      await template("lizardcd-agent", ...agent, "--set", `token=t,nameOverride=${name}`),
    ];
    for (const [, label] of manifests.join("\n").matchAll(/app\.kubernetes\.io\/name: (\S+)/g))
      expect(label!.length).toBeLessThanOrEqual(63);
  });

  test("a misspelt value is refused", async () => {
    expect(await refused("lizardcd-agent", ...agent, "--set", "token=t,namespace=shop")).toContain("'namespace'");
    expect(await refused("lizardcd", "--set", "lizardcd-server.ingres.enabled=true")).toContain("'ingres'");
    const setting = await refused("lizardcd-agent", ...agent, "--set", "token=t,settings.reech=tunnel");
    expect(setting).toContain("at '/settings': additional properties 'reech' not allowed");
    expect(await template("lizardcd-server", "--set", "settings.log.level=debug")).toContain("level: debug");
  });

  for (const [chart, given] of [
    ["lizardcd-agent", [...agent, "--set", "token=t"]],
    ["lizardcd-server", []],
  ] as const) {
    const time = chart === "lizardcd-agent" ? "timeout" : "idle-timeout";
    for (const [value, said] of [
      ["settings.log.level=loud", "'/settings/log/level': value must be one of"],
      [`settings.${time}=soon`, `'/settings/${time}': 'soon' does not match pattern`],
      ["settings.metrics-addr=nonsense", "'/settings/metrics-addr': 'nonsense' does not match pattern"],
      ["podSecurityContext.runAsUser=wrong", "'/podSecurityContext/runAsUser': got string, want integer"],
      ["podSecurityContext.runAsUsr=5", "'runAsUsr' not allowed"],
      ["securityContext.privileged=maybe", "'/securityContext/privileged': got string, want boolean"],
      ["resources.limts.memory=5Mi", "'limts' not allowed"],
      ["resources.limits.memroy=5Mi", "'memroy'"],
      ["resources.limits.memory=much", "'/resources/limits/memory': 'much' does not match pattern"],
      ["resources.requests=wrong", "'/resources/requests': got string, want object"],
      ["tolerations={x}", "'/tolerations/0': got string, want object"],
      ["tolerations[0].efect=NoSchedule", "'efect' not allowed"],
      ["affinity.x=1", "'x' not allowed"],
      ["extraEnv={x}", "'/extraEnv/0': got string, want object"],
      ["extraEnv[0].value=x", "'/extraEnv/0': missing property 'name'"],
      ["extraVolumes[0].name=x,extraVolumes[0].configmap.name=x", "'configmap' not allowed"],
      ["networkPolicy.egress[0].port=443", "'port' not allowed"],
    ] as const) {
      test(`${chart} refuses ${value}, below the first level too`, async () => {
        expect(await refused(chart, ...given, "--set", value)).toContain(said);
      });
    }
  }

  test("the umbrella refuses it too: in what it hands down, and in its own registry's pod", async () => {
    for (const [value, said] of [
      ["lizardcd-agent.settings.timeout=soon", "'/settings/timeout': 'soon' does not match pattern"],
      ["lizardcd-server.affinity.x=1", "'x' not allowed"],
      ["etcd.resources.limts.memory=5Mi", "'limts' not allowed"],
    ] as const)
      expect(await refused("lizardcd", "--set", value)).toContain(said);
  });

  test("what Kubernetes and the programs take is let through", async () => {
    const values = {
      settings: {
        "idle-timeout": "10m",
        "max-connections": 5,
        "http-addr": ":5117",
        log: { encoding: "json" },
        mode: "pro",
      },
      resources: { requests: { cpu: 0.5, memory: "1.5Gi", "example.com/gpu": 1 }, limits: { memory: 1e9 } },
      podSecurityContext: {
        runAsNonRoot: true,
        fsGroup: null,
        supplementalGroups: [1],
        sysctls: [{ name: "a", value: "b" }],
      },
      tolerations: [{ key: "a", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }],
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, podAffinityTerm: { topologyKey: "zone", labelSelector: { matchLabels: { app: "a" } } } },
          ],
        },
      },
      extraEnv: [{ name: "A", valueFrom: { secretKeyRef: { name: "a", key: "b" } } }],
      extraVolumes: [
        { name: "a", emptyDir: { sizeLimit: "1Gi" } },
        { name: "b", hostPath: { path: "/etc/ssl" } },
      ],
      extraVolumeMounts: [{ name: "a", mountPath: "/a", readOnly: true }],
      networkPolicy: { enabled: true, egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8" } }], ports: [{ port: 443 }] }] },
    };
    const manifest = await template(
      "lizardcd-server",
      ...Object.entries(values).flatMap(([name, value]) => ["--set-json", `${name}=${JSON.stringify(value)}`]),
    );
    expect(manifest).toContain("example.com/gpu: 1");
    expect(manifest).toContain("max-connections: 5");
  });

  test("two registries at once are refused in words, wherever they are given", async () => {
    const two = ["--set", "token=t,consul.host=consul:8500", "--set", "etcd.hosts={http://etcd:2379}"];
    expect(await refused("lizardcd-agent", ...agent, ...two)).toContain(
      "an agent announces itself to one registry, but etcd.hosts and consul.host are given: keep one of them",
    );
    const above = ["--set", "global.registry.kind=nacos,lizardcd-agent.consul.host=consul:8500"];
    expect(await refused("lizardcd", ...above)).toContain("consul.host and global.registry.kind=nacos are given");
    const aimless = ["--set", "global.registry.address=etcd:2379"];
    expect(await refused("lizardcd", ...aimless)).toContain("give etcd, consul or nacos");
  });

  test("two ways to prove oneself are refused, and a cluster's name that is none", async () => {
    expect(await refused("lizardcd-agent", ...agent, "--set", "token=t,joinToken=j")).toContain(
      "token and joinToken are given",
    );
    expect(await refused("lizardcd-agent", ...agent, "--set", "cluster=EU 1,token=t")).toContain("not a cluster name");
  });

  test("the groups that an agent may put a user into are those of the server's roles", async () => {
    // A role that comes along is missing here, and in the chart, until it is named.
    const roles: Record<Role, true> = { admin: true, readwrite: true, readonly: true };
    const objects = objectsOf(await template("lizardcd-agent", ...agent, "--set", "token=t,impersonate=true"));
    const rules = objects.flatMap(({ rules = [] }) => rules as { resources: string[]; resourceNames?: string[] }[]);
    const groups = rules.find(({ resources }) => resources.includes("groups"))!;
    expect(groups.resourceNames).toEqual(Object.keys(roles).map((role) => `lizardcd:${role}`));
  });

  test("server and agent of one release speak TLS, or plain HTTP where both are told so; two certificates are refused", async () => {
    const settings = async (...values: string[]) => {
      const objects = objectsOf(await template("lizardcd", ...values.flatMap((value) => ["--set", value])));
      const maps = objects.filter(({ kind }) => kind === "ConfigMap") as unknown as { data: Record<string, string> }[];
      return maps.flatMap(({ data }) => Object.values(data)).join("\n");
    };
    const secure = await settings();
    expect(secure).toContain("server: https://demo-server:5117");
    expect(secure).toContain("server-ca: /etc/lizardcd/server-ca/ca.crt");
    expect(secure).toContain("http.tls.cert:");
    const plain = await settings("global.tls.selfSigned=false");
    expect(plain).toContain("server: http://demo-server:5117");
    expect(plain).not.toMatch(/server-ca|http\.tls/);
    expect(await refused("lizardcd", "--set", "lizardcd-server.tls.existingSecret=own")).toContain(
      "set global.tls.selfSigned=false",
    );
  });

  test("an agent is told the server's CA in one way: by a Secret, or by the CA itself in base64", async () => {
    const line = [...agent, "--set", "token=t", "--set", "serverCa.data=LS0tLS1CRUdJTi+/=="];
    const manifest = await template("lizardcd-agent", ...line);
    expect(manifest).toContain("server-ca-data: LS0tLS1CRUdJTi+/==");
    expect(manifest).not.toContain("mountPath: /etc/lizardcd/server-ca");
    expect(await refused("lizardcd-agent", ...line, "--set", "serverCa.existingSecret=own")).toContain(
      "serverCa.existingSecret and serverCa.data both say which CA to trust: keep one of them",
    );
    const pem = ["--set", "serverCa.data=-----BEGIN CERTIFICATE-----"];
    expect(await refused("lizardcd-agent", ...agent, "--set", "token=t", ...pem)).toContain("at '/serverCa/data'");
  });

  test("whom an agent may stand for is not said where it stands for nobody", async () => {
    expect(await refused("lizardcd-agent", ...agent, "--set", "token=t,impersonateUsers={ada}")).toContain(
      "set impersonate=true",
    );
  });

  test("no token travels in a ConfigMap, an argument or the environment", async () => {
    const rendered = [
      ...objectsOf(await template("lizardcd-agent", ...agent, "--set", "token=hidden-word")),
      ...objectsOf(await template("lizardcd-agent", ...agent, "--set", "joinToken=hidden-word")),
      ...objectsOf(await template("lizardcd-server", "--set", "joinToken=hidden-word,accessSecret=hidden-word")),
    ];
    const telling = rendered.filter(({ kind }) => kind !== "Secret");
    expect(telling.length).toBeGreaterThan(10);
    expect(JSON.stringify(telling)).not.toContain("hidden-word");
  });

  test("extraEnv reaches the programs, and an agent keeps its own", async () => {
    const given = ["--set-json", 'extraEnv=[{"name":"HTTPS_PROXY","value":"http://proxy:3128"}]'];
    const envOf = (manifest: string, kind: string) => {
      const found = objectsOf(manifest).find((object) => object.kind === kind);
      const pods = found as unknown as { spec: { template: { spec: { containers: { env?: { name: string }[] }[] } } } };
      return pods.spec.template.spec.containers[0]!.env?.map(({ name }) => name);
    };
    const agentPod = await template("lizardcd-agent", ...agent, "--set", "token=t", ...given);
    expect(envOf(agentPod, "Deployment")).toEqual(["POD_IP", "HTTPS_PROXY"]);
    expect(envOf(await template("lizardcd-server", ...given), "StatefulSet")).toEqual(["HTTPS_PROXY"]);
    expect(envOf(await template("lizardcd-server"), "StatefulSet")).toBeUndefined();
  });

  describe("every security context can be emptied, whole or by field, as platforms that choose users themselves want it", () => {
    const bundled = ["etcd", "consul", "nacos"];
    const all = [
      ["lizardcd-server", "", ["--set", "persistence.enabled=false"]],
      ["lizardcd-agent", "", [...agent, "--set", "token=t"]],
      ...bundled.map((kind) => ["lizardcd", `${kind}.`, ["--set", `global.registry.kind=${kind}`]] as const),
      ["lizardcd", "lizardcd-server.", []],
      ["lizardcd", "lizardcd-agent.", []],
    ] as const;
    for (const [chart, prefix, given] of all) {
      test(`${chart} ${prefix || "alone"}`, async () => {
        const contexts = async (...args: string[]) => {
          const pods = objectsOf(await template(chart, ...given, ...args)).flatMap((object) => podSpecOf(object) ?? []);
          const found = pods
            .flatMap((pod) => [pod, ...(pod.containers ?? [])])
            .map(({ securityContext }) => securityContext);
          return found.map((context) => JSON.stringify(context));
        };
        const users = (all: (string | undefined)[]) => all.filter((one) => one?.includes("runAsUser")).length;
        const usual = await contexts();
        const fields = ["runAsUser", "runAsGroup", "fsGroup"].flatMap((one) => [
          "--set",
          `${prefix}podSecurityContext.${one}=null`,
        ]);
        expect(users(await contexts(...fields))).toBeLessThan(users(usual));
        const whole = await contexts(
          "--set",
          `${prefix}podSecurityContext=null`,
          "--set",
          `${prefix}securityContext=null`,
        );
        expect(whole).not.toContain("null");
        expect(whole.filter((one) => one === undefined).length).toBeGreaterThanOrEqual(2);
        expect(usual.filter((one) => one === undefined)).toEqual([]);
      });
    }
  });

  test("an agent's name of two releases in two namespaces does not clash cluster-wide", async () => {
    const names = async (namespace: string) =>
      objectsOf(await template("lizardcd-agent", ...agent, "--set", "token=t", "--namespace", namespace))
        .filter(({ kind }) => kind.startsWith("Cluster"))
        .map(({ metadata }) => metadata.name);
    const [one, other] = [await names("one"), await names("other")];
    expect(one).toHaveLength(2);
    expect(one.filter((name) => other.includes(name))).toEqual([]);
  });
});

interface PodSpec {
  securityContext?: object;
  containers?: { securityContext?: object }[];
}

function podSpecOf(object: object): PodSpec | undefined {
  const { spec } = object as { spec?: PodSpec & { template?: { spec: PodSpec } } };
  return spec?.template?.spec ?? (spec?.containers ? spec : undefined);
}

/** Secrets that are made anew at each rendering. */
function stable(manifest: string): string {
  return manifest.replace(/^( {2}(?:access-secret|join-token|ca\.crt|tls\.crt|tls\.key): ).*$/gm, '$1"<made>"');
}
