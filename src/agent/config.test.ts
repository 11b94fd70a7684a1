import { describe, expect, spyOn, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority } from "../../test/testbed/certificates.ts";
import { agentConfig, clusterNameOf, proxyFor, resolveConfig } from "./config.ts";
import type { AgentSettings } from "./settings.ts";

const kubeconfig = (clusterName: string) => ({ clusterName });

describe("the cluster's name", () => {
  test("is the one given, else the key's, else the kubeconfig's own", () => {
    expect(clusterNameOf("eu-1", undefined, kubeconfig("k3d"), false)).toBe("eu-1");
    expect(clusterNameOf(undefined, "eu-2", kubeconfig("k3d"), false)).toBe("eu-2");
    expect(clusterNameOf(undefined, undefined, kubeconfig("k3d"), false)).toBe("k3d");
  });

  test("must be given in a cluster, which does not know its own name", () => {
    expect(() => clusterNameOf(undefined, undefined, kubeconfig("in-cluster"), true)).toThrow("--cluster");
  });

  test("is proposed where the kubeconfig's is none", () => {
    const arn = "arn:aws:eks:eu-west-1:1234:cluster/Shop";
    expect(() => clusterNameOf(undefined, undefined, kubeconfig(arn), false)).toThrow(
      "for example arn-aws-eks-eu-west-1-1234-cluster-shop",
    );
    expect(() => clusterNameOf("Shop_1", undefined, kubeconfig("k3d"), false)).toThrow("for example shop-1");
  });

  test("is not two names", () => {
    expect(() => clusterNameOf("eu-1", "eu-2", kubeconfig("k3d"), false)).toThrow("give one of them");
  });
});

describe("the proxy to the server", () => {
  const server = "https://cd.example.com";
  for (const [what, url, env, proxy] of [
    ["none", server, {}, undefined],
    ["that of its scheme", server, { HTTPS_PROXY: "http://a:1", HTTP_PROXY: "http://b:1" }, "http://a:1"],
    [
      "that of its scheme",
      "http://cd.example.com",
      { HTTPS_PROXY: "http://a:1", HTTP_PROXY: "http://b:1" },
      "http://b:1",
    ],
    ["that of all", server, { ALL_PROXY: "http://c:1" }, "http://c:1"],
    ["upper case before lower", server, { https_proxy: "http://a:1", HTTPS_PROXY: "http://b:1" }, "http://b:1"],
    ["HTTP where it has no scheme", server, { HTTPS_PROXY: "proxy.example.com:3128" }, "http://proxy.example.com:3128"],
    ["HTTP where it has user and password alone", server, { HTTPS_PROXY: "u:p@proxy:3128" }, "http://u:p@proxy:3128"],
    ["one by its address", server, { HTTPS_PROXY: "10.0.0.1:3128" }, "http://10.0.0.1:3128"],
    ["none where all are excepted", server, { HTTPS_PROXY: "a:1", NO_PROXY: "*" }, undefined],
    ["none for the host itself", server, { HTTPS_PROXY: "a:1", NO_PROXY: "x, CD.example.com" }, undefined],
    ["none below a domain", server, { HTTPS_PROXY: "a:1", NO_PROXY: ".example.com" }, undefined],
    ["none below a domain without a dot", server, { HTTPS_PROXY: "a:1", no_proxy: "example.com" }, undefined],
    ["none below a domain with a star", server, { HTTPS_PROXY: "a:1", NO_PROXY: "*.example.com" }, undefined],
    [
      "one for a host that only ends so",
      "https://notexample.com",
      { HTTPS_PROXY: "a:1", NO_PROXY: "example.com" },
      "http://a:1",
    ],
    [
      "none for the port",
      "https://cd.example.com:8443",
      { HTTPS_PROXY: "a:1", NO_PROXY: "cd.example.com:8443" },
      undefined,
    ],
    ["none for the usual port", server, { HTTPS_PROXY: "a:1", NO_PROXY: "cd.example.com:443" }, undefined],
    ["one for another port", server, { HTTPS_PROXY: "a:1", NO_PROXY: "cd.example.com:80" }, "http://a:1"],
    ["none for an address", "https://10.0.0.5", { HTTPS_PROXY: "a:1", NO_PROXY: "10.0.0.5" }, undefined],
    ["none for an address of IPv6", "https://[fd00::1]", { HTTPS_PROXY: "a:1", NO_PROXY: "fd00::1" }, undefined],
    [
      "none within a network",
      "https://10.0.0.5",
      { HTTPS_PROXY: "a:1", NO_PROXY: "192.168.0.0/16, 10.0.0.0/8" },
      undefined,
    ],
    ["none within a network of IPv6", "https://[fd00::1]", { HTTPS_PROXY: "a:1", NO_PROXY: "fd00::/8" }, undefined],
    ["one beside a network", "https://11.0.0.5", { HTTPS_PROXY: "a:1", NO_PROXY: "10.0.0.0/8" }, "http://a:1"],
    [
      "one where the network is none",
      "https://10.0.0.5",
      { HTTPS_PROXY: "a:1", NO_PROXY: "10.0.0.0/99" },
      "http://a:1",
    ],
    [
      "one for the domain itself, where what is below is excepted",
      server,
      { HTTPS_PROXY: "a:1", NO_PROXY: ".cd.example.com" },
      "http://a:1",
    ],
    ["none to this machine", "https://127.0.0.1:5117", { HTTPS_PROXY: "a:1", ALL_PROXY: "b:1" }, undefined],
    ["none to this machine by name", "http://localhost:5117", { HTTP_PROXY: "a:1" }, undefined],
    ["one where nothing is excepted", server, { HTTPS_PROXY: "a:1", NO_PROXY: "" }, "http://a:1"],
  ] as const)
    test(`is ${what}: ${url} with ${JSON.stringify(env)}`, () => expect(proxyFor(url, env)).toBe(proxy as string));

  test("is refused where it is none that is understood, before anything is asked through it", () => {
    for (const wrong of ["socks5://u:hush@proxy:1080", "proxy 3128"]) {
      expect(() => proxyFor(server, { HTTPS_PROXY: wrong })).toThrow(
        "as the proxy to the server: give http://host:port",
      );
      expect(() => proxyFor(server, { HTTPS_PROXY: wrong })).not.toThrow("hush");
    }
  });
});

async function written(folder: string, path: string, context: string): Promise<string> {
  const file = join(folder, path);
  const clusters = [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }];
  const contexts = [{ name: context, context: { cluster: "c", user: "u" } }];
  const users = [{ name: "u", user: { token: "t" } }];
  await Bun.write(file, JSON.stringify({ clusters, contexts, "current-context": context, users }));
  return file;
}

const given = {
  cluster: "eu-1",
  server: "http://127.0.0.1:5117",
  reach: "address",
  servicePrefix: "",
  grpcAddr: "127.0.0.1:0",
  metricsAddr: "127.0.0.1:0",
  namespaces: [],
  allowNamespaces: [],
} as unknown as AgentSettings;

test("a proxy that no tunnel would use stops nobody", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-config-"));
  try {
    const kubeconfig = await written(folder, "cluster", "any");
    const env = { HOME: folder, ALL_PROXY: "socks5h://127.0.0.1:1080" };
    const resolved = (more: Partial<AgentSettings>) =>
      resolveConfig({ ...given, kubeconfig, token: "t", ...more }, env).then(({ proxy }) => proxy);
    expect(await resolved({})).toBeUndefined();
    expect(await resolved({ reach: "tunnel", etcdHost: ["http://127.0.0.1:2379"] })).toBeUndefined();
    await expect(resolved({ reach: "tunnel", server: "http://cd.example.com" })).rejects.toThrow(
      "as the proxy to the server",
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("outside of a cluster the kubeconfig is the one given, else kubectl's", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-config-"));
  try {
    const served = (env: Record<string, string>, kubeconfig?: string) =>
      resolveConfig({ ...given, kubeconfig, token: "one-time" }, { HOME: folder, ...env }).then(
        ({ access }) => access.context,
        (cause: Error) => cause.message,
      );
    expect(await served({})).toContain("give a file with --kubeconfig");
    await written(folder, ".kube/config", "at home");
    expect(await served({})).toBe("at home");
    const other = await written(folder, "other", "of the environment");
    expect(await served({ KUBECONFIG: other })).toBe("of the environment");
    expect(await served({ KUBECONFIG: other }, await written(folder, "third", "given"))).toBe("given");
    expect(await served({ KUBECONFIG: `${other}:${other}` })).toContain("several files");
    expect(await served({ KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" })).toContain(
      "the pod has",
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("an address is announced by a certificate, or else by the join token: one of them must be there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-config-"));
  try {
    const kubeconfig = await written(folder, "kubeconfig", "x");
    const of = (more: Partial<AgentSettings>) =>
      resolveConfig({ ...given, kubeconfig, ...more }, { HOME: folder }).then(
        ({ via, trust }) => `${via}, certificate from ${trust.from}`,
        (cause: Error) => cause.message,
      );
    expect(await of({ token: "one-time" })).toBe("address, certificate from server");
    expect(await of({ tlsCa: "a", tlsCert: "b", tlsKey: "c" })).toBe("address, certificate from files");
    expect(await of({ insecure: true, joinToken: "join" })).toBe("address, certificate from nowhere");
    expect(await of({ insecure: true })).toContain("--reach address without a certificate needs --join-token-file");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describe("the server's CA", () => {
  const ca = createAuthority("company").cert;
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const trusted = async (values: Partial<AgentSettings>) => {
    const folder = await mkdtemp(join(tmpdir(), "lizardcd-config-"));
    try {
      const kubeconfig = await written(folder, "kubeconfig", "x");
      await Bun.write(join(folder, "ca.pem"), ca);
      await Bun.write(join(folder, "wrong.pem"), "nonsense");
      const serverCa = values.serverCa && join(folder, values.serverCa);
      const { serverCaPem } = await resolveConfig({ ...given, kubeconfig, token: "t", ...values, serverCa }, {});
      return serverCaPem;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  test("comes from a file, or stands in the setting itself", async () => {
    expect(await trusted({})).toBeUndefined();
    expect(await trusted({ serverCa: "ca.pem" })).toBe(ca);
    expect(await trusted({ serverCaData: base64(ca) })).toBe(ca);
    // As `base64` writes it into a file.
    expect(await trusted({ serverCaData: base64(ca).replace(/.{76}/g, "$&\n") })).toBe(ca);
  });

  test("is not said twice, and is a certificate", async () => {
    const both = trusted({ serverCa: "ca.pem", serverCaData: base64(ca) });
    await expect(both).rejects.toThrow("--server-ca and --server-ca-data both say which CA to trust");
    for (const wrong of ["nonsense", base64("nonsense"), ca]) {
      await expect(trusted({ serverCaData: wrong })).rejects.toThrow(
        "--server-ca-data cannot be used: it holds no certificate in PEM: give base64 of the CA's PEM, as `lizardcd agents",
      );
    }
    await expect(trusted({ serverCaData: base64(ca.replace(/\n.{30}/, "\n")) })).rejects.toThrow("cannot be read");
    await expect(trusted({ serverCa: "wrong.pem" })).rejects.toThrow(
      /--server-ca \S+ cannot be used: it holds no cert/,
    );
    await expect(trusted({ serverCa: "none.pem" })).rejects.toThrow(/none.pem cannot be used: there is no such file/);
  });
});

test("metrics that an old file serves to all are served, with a warning; in words of this version that has to be meant", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-config-"));
  const said = spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    const kubeconfig = await written(folder, "cluster", "any");
    const configured = async (text: string) => {
      const file = join(folder, "agent.yaml");
      await writeFile(file, text);
      const flags = [
        "--kubeconfig",
        kubeconfig,
        "--cluster",
        "eu-1",
        "--server",
        "http://127.0.0.1:5117",
        "--token",
        "t",
      ];
      return (await agentConfig(["-f", file, ...flags])).metrics.host;
    };
    expect(await configured("Prometheus: { Host: 0.0.0.0, Port: 15118 }")).toBe("0.0.0.0");
    const warnings = said.mock.calls.map(([line]) => String(line)).filter((line) => line.includes("0.0.0.0:15118"));
    expect(warnings).toEqual([expect.stringContaining("not encrypted, as the file")]);
    expect(await configured("metrics-addr: 0.0.0.0:15118").catch((cause: Error) => cause.message)).toContain(
      "add --http.plain if that is meant",
    );
  } finally {
    said.mockRestore();
    await rm(folder, { recursive: true, force: true });
  }
});
