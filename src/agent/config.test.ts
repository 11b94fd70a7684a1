import { describe, expect, test } from "bun:test";
import { clusterNameOf } from "./config.ts";

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
