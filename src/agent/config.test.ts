import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

test("an address is announced by a certificate, or else by the join token: one of them must be there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-config-"));
  try {
    const kubeconfig = join(folder, "kubeconfig");
    const access = { clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }] };
    const context = { contexts: [{ name: "x", context: { cluster: "c", user: "u" } }], "current-context": "x" };
    await Bun.write(
      kubeconfig,
      JSON.stringify({ ...access, ...context, users: [{ name: "u", user: { token: "t" } }] }),
    );
    const given = {
      kubeconfig,
      cluster: "eu-1",
      server: "http://127.0.0.1:5117",
      reach: "address",
      servicePrefix: "",
      grpcAddr: "127.0.0.1:0",
      metricsAddr: "127.0.0.1:0",
      namespaces: [],
      allowNamespaces: [],
    } as unknown as AgentSettings;
    const of = (more: Partial<AgentSettings>) =>
      resolveConfig({ ...given, ...more }, { HOME: folder }).then(
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
