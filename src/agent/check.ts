// `lizardcd-agent --check`: everything that a start would need, without starting and without announcing anything.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { consulSource } from "../discovery/consul.ts";
import type { Source } from "../discovery/discovery.ts";
import { etcdSource } from "../discovery/etcd.ts";
import { nacosSource } from "../discovery/nacos.ts";
import { consulOptions, etcdOptions, nacosOptions } from "../discovery/settings.ts";
import {
  answering,
  answeringRegistry,
  type Check,
  certificatePair,
  freeAddress,
  writableFolder,
} from "../process/check.ts";
import type { AgentConfig } from "./config.ts";
import type { Kube } from "./kube.ts";
import { registryOf } from "./registry.ts";
import { readScope, unservedBecause } from "./scope.ts";
import { type AgentSettings, agentSettings } from "./settings.ts";

export function agentChecks(config: AgentConfig, kube: Kube): Check[] {
  const { server, serverCaPem, trust } = config;
  const registry = registryOf(config);
  return [
    { what: "settings", look: async () => `cluster ${config.clusterName}` },
    apiServer(kube),
    readable(config, kube),
    freeAddress("grpc-addr", config.grpcAddr),
    freeAddress("metrics-addr", config.metricsAddr),
    ...trustChecks(trust),
    ...(server ? [answering("the server", `${server.replace(/\/$/, "")}/healthz`, "server", serverCaPem)] : []),
    ...(registry ? [answeringRegistry(sources[registry](config), agentSettings[registry].flag)] : []),
  ];
}

function apiServer(kube: Kube): Check {
  return {
    what: `the API server ${kube.server}`,
    async look(signal) {
      const { gitVersion } = await kube
        .get<{ gitVersion: string }>("/version", {}, { signal })
        .catch((cause: Error) => {
          const why = cause.message.replace(`${kube.server}: `, "");
          throw new Error(`${why}: is it reached from here, and does the kubeconfig name the right one?`, { cause });
        });
      // Whoever it is, the API server must know them: /version answers strangers too.
      await kube.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectRulesReview",
        spec: { namespace: kube.namespace || "default" },
      });
      return gitVersion;
    },
  };
}

/** What it would serve. The API server's own word, as at a start. */
function readable({ clusterName: cluster, only, denyKinds: deny }: AgentConfig, kube: Kube): Check {
  return {
    what: "what may be read",
    async look(signal) {
      const scope = await readScope(kube, { candidates: [], only, deny, signal });
      for (const namespace of only ?? ["*"]) {
        const why = unservedBecause(cluster, scope, namespace);
        if (why) throw why;
      }
      if (scope.targets.length === 0) throw new Error("every kind that may be read is left out by --deny-kinds");
      return scope.namespaces.includes("*") ? "the whole cluster" : `namespaces ${scope.namespaces.join(", ")}`;
    },
  };
}

function trustChecks(trust: AgentConfig["trust"]): Check[] {
  if (trust.from === "files") {
    const { certificate: cert, key, ca } = trust.files;
    return [certificatePair("the certificate", { cert, key, ca })];
  }
  if (trust.from !== "server" || !trust.file) return [];
  const { file, token } = trust;
  return [
    writableFolder("the identity's folder", dirname(file), "identity"),
    {
      what: `the identity ${file}`,
      async look() {
        if (existsSync(file)) return undefined;
        if (token) return "will be enrolled at the first start";
        throw new Error("there is none yet, and no --token to enroll with: `lizardcd agents enroll` makes one");
      },
    },
  ];
}

const sources: Record<NonNullable<ReturnType<typeof registryOf>>, (values: AgentSettings) => Source> = {
  etcdHost: ({ etcdHost, servicePrefix: prefix, ...values }) =>
    etcdSource({ hosts: etcdHost, prefix, ...etcdOptions(values) }),
  consulHost: ({ consulHost = "", servicePrefix: prefix, ...values }) =>
    consulSource({ hosts: [consulHost], prefix, ...consulOptions(values) }),
  nacosHost: ({ nacosHost, servicePrefix: prefix, ...values }) =>
    nacosSource({ hosts: nacosHost, prefix, ...nacosOptions(values) }),
};
