import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority } from "../../test/testbed/certificates.ts";
import { clusterNameOf, resolveConfig } from "./config.ts";
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
