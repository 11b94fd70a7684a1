import { createKube } from "../../src/agent/kube.ts";
import { accessFromKubeconfig } from "../../src/agent/kubeconfig.ts";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { describePart } from "../testbed/part.ts";
import { kubeSuite } from "./kube.ts";

describePart("kubernetes", "the behaviour suite", () => {
  kubeSuite("the real control plane", async () => {
    const cluster = await sharedCluster();
    const kube = createKube(await accessFromKubeconfig(cluster.kubeconfig("token")));
    return { kube, apply: (object) => cluster.apply(object) };
  });
});
