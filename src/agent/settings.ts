// Every setting of the agent. The old program's names keep working where the thing exists.
import { consulSettings, etcdSettings, nacosSettings } from "../discovery/settings.ts";
import { common, type Table, type Values } from "../process/settings.ts";

export const agentSettings = {
  ...common,
  grpcAddr: {
    flag: "grpc-addr",
    file: ["ListenOn"],
    type: "address",
    default: "127.0.0.1:5017",
    help: "where the agent serves gRPC",
  },
  announceAddr: {
    flag: "announce-addr",
    type: "address",
    help: "the address the server reaches it at; else POD_IP, or the machine's first, where it listens on all",
  },
  metricsAddr: {
    flag: "metrics-addr",
    file: [{ host: "Prometheus.Host", port: "Prometheus.Port" }],
    type: "address",
    default: "127.0.0.1:15017",
    help: "where it serves /metrics, /healthz and /readyz",
  },
  httpPlain: {
    flag: "http.plain",
    type: "boolean",
    help: "allow a metrics address that others can reach, for kubelet and Prometheus; calls stay on mutual TLS",
  },
  kubeconfig: {
    flag: "kubeconfig",
    type: "text",
    help: "the cluster to serve: this file's current-context; without it the cluster the agent runs in, else the file that kubectl uses",
  },
  cluster: {
    flag: "cluster",
    type: "text",
    help: "the cluster's name; else the last part of the key, or the kubeconfig's own name for it",
  },
  labels: { flag: "labels", type: "labels", help: "labels of the cluster, env=prod,region=eu" },
  namespaces: {
    flag: "namespaces",
    type: "list",
    help: "serve these namespaces only; else all that the agent may read",
  },
  server: {
    flag: "server",
    type: "text",
    help: "the server, https://lizardcd.example.com: enroll there, and announce there where no registry is given",
  },
  allowNamespaces: {
    flag: "allow-namespaces",
    type: "list",
    help: "refuse every other namespace, whatever the server asks",
  },
  denyKinds: {
    flag: "deny-kinds",
    type: "list",
    help: "neither show nor change these resources, whatever the server asks: secrets,daemonsets",
  },
  readOnly: { flag: "read-only", type: "boolean", help: "refuse every change, whatever the server asks" },
  impersonate: {
    flag: "impersonate",
    type: "boolean",
    help: "ask the API server as the user who asks, with group lizardcd:<role>: their own rights then hold",
  },
  serverCa: {
    flag: "server-ca",
    type: "text",
    help: "file with the CA of the server's https address, where the system does not trust it",
  },
  serverCaData: {
    flag: "server-ca-data",
    type: "text",
    help: "or that CA itself, base64 of PEM, as `lizardcd agents enroll` prints it",
  },
  token: {
    flag: "token",
    type: "secret",
    help: "enroll with this token, made by `lizardcd agents enroll`; another one than before enrolls anew",
  },
  joinToken: { flag: "join-token", type: "secret", help: "or with the server's join token, from its data folder" },
  identity: {
    flag: "identity",
    type: "text",
    help: "the file that keeps the agent's key and certificate; with --token a file in $XDG_DATA_HOME/lizardcd",
  },
  identitySecret: {
    flag: "identity-secret",
    type: "text",
    help: "or the Secret that keeps them, in the agent's own namespace: a pod that is replaced needs no new token",
  },
  tlsCa: {
    flag: "tls.ca",
    type: "text",
    help: "file with the CA of the server's certificate, where it is not enrolled",
  },
  tlsCert: {
    flag: "tls.cert",
    type: "text",
    help: "file with the agent's certificate, with --tls.ca; read again when it changes",
  },
  tlsKey: { flag: "tls.key", type: "text", help: "file with its private key" },
  reach: {
    flag: "reach",
    type: "choice",
    choices: ["tunnel", "address"],
    default: "tunnel",
    help: "with --server: dial out and be called over that connection, or announce the address listened on",
  },
  etcdHost: {
    flag: "etcd-host",
    file: ["Etcd.Hosts"],
    type: "list",
    help: "announce to this etcd, http://127.0.0.1:2379",
  },
  ...etcdSettings,
  consulHost: {
    flag: "consul-host",
    file: ["Consul.Host"],
    type: "text",
    help: "announce to this agent of Consul, http://127.0.0.1:8500",
  },
  ...consulSettings,
  consulTtl: {
    flag: "consul-ttl",
    file: ["Consul.TTL"],
    type: "duration",
    default: "60s",
    min: 1_000,
    max: 86_400_000,
    help: "how long Consul counts the agent as running after its last word; a bare number is seconds",
  },
  consulMeta: {
    flag: "consul-meta",
    file: ["Consul.Meta"],
    type: "labels",
    help: "goes along with the service in Consul, team=web",
  },
  nacosHost: {
    flag: "nacos-host",
    file: ["Nacos.Host"],
    type: "list",
    help: "announce to this Nacos, 10.0.0.1:8848; its gRPC port, 1000 higher, must be open too",
  },
  ...nacosSettings,
  nacosMeta: {
    flag: "nacos-meta",
    file: ["Nacos.Meta"],
    type: "labels",
    help: "goes along with the instance in Nacos, team=web",
  },
  serviceKey: {
    flag: "service-key",
    file: ["Etcd.Key", "Consul.Key", "Nacos.Key"],
    type: "text",
    help: "the key to announce, lizardcd-agent.<namespace>.<cluster>; else made from scope and cluster",
  },
  servicePrefix: {
    flag: "service-prefix",
    file: ["ServicePrefix"],
    type: "text",
    default: "",
    help: "begins every key; the server must have the same",
  },
  timeout: {
    flag: "timeout",
    type: "duration",
    unit: "ms",
    default: "60s",
    min: 1,
    max: 3_600_000,
    help: "the longest that one call may take; a bare number is milliseconds",
  },
  insecure: {
    flag: "insecure",
    type: "boolean",
    help: "serve without TLS, for a server that is insecure too; allow addresses that others can reach",
  },
  oldName: { flag: "name", type: "text", help: "", old: true },
  oldMode: { flag: "mode", type: "text", help: "", old: true },
  oldLog: { flag: "log.mode", file: ["Log.Path", "Log.ServiceName", "Log.Stat"], type: "text", help: "", old: true },
  oldMetricsPath: { flag: "prometheus.path", type: "text", help: "", old: true },
  oldTelemetry: { flag: "telemetry", type: "text", help: "", old: true },
} as const satisfies Table;

export type AgentSettings = Values<typeof agentSettings>;
