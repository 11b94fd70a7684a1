// Invented messages: what the gallery shows and the views' tests use.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Failed, type FailureCode, type FailureParams, toFailure } from "../contract/errors.ts";
import { reason } from "../contract/reasons.ts";
import { AgentInfoSchema, type SummaryResponse, SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { AuditEntrySchema, ListAuditRequestSchema, ListAuditResponseSchema } from "../gen/lizardcd/v1/audit_pb.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import {
  type AgentRowSchema,
  type ClusterRow,
  ClusterRowSchema,
  type Fleet,
  FleetSchema,
  type GetFleetRequest,
  GetFleetRequestSchema,
  type InstanceRowSchema,
  type ListAgentsRequest,
  ListAgentsRequestSchema,
  type ListAgentsResponse,
  ListAgentsResponseSchema,
  type ListFleetWorkloadsRequest,
  ListFleetWorkloadsRequestSchema,
  type ListFleetWorkloadsResponse,
  ListFleetWorkloadsResponseSchema,
  ListRegistriesResponseSchema,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import { ListNamespacesResponseSchema } from "../gen/lizardcd/v1/namespace_pb.ts";
import { InvitationSchema } from "../gen/lizardcd/v1/trust_pb.ts";
import { type Workload, type WorkloadRow, WorkloadRowSchema, WorkloadSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import type { PageContext } from "./parts.tsx";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

export function context(change: Partial<PageContext> = {}): PageContext {
  return {
    lang: "en",
    path: "/fleet",
    user: { username: "admin", role: "admin", firstPassword: false },
    simulated: true,
    now: 1_763_900_000_000,
    version: "0.1.0",
    origin: "http://127.0.0.1:5117",
    registries: [
      { name: "etcd", state: "ok", heardMs: 2 * second },
      { name: "consul", state: "ok", heardMs: 3 * second },
      { name: "nacos", state: "stale", heardMs: 3 * minute },
    ],
    ...change,
  };
}

export function row(change: MessageInitShape<typeof WorkloadRowSchema> = {}): WorkloadRow {
  return create(WorkloadRowSchema, {
    cluster: "eu-1",
    namespace: "shop",
    resource: "deployments",
    name: "web",
    state: "ok",
    desired: 5,
    updated: 5,
    ready: 5,
    available: 5,
    current: 5,
    containers: [{ name: "web", image: "registry.example.com/shop/web:1.4.1" }],
    changedMs: 6 * day,
    createdMs: 90 * day,
    ...change,
  });
}

const pull = reason(
  "image.pull",
  { image: "registry.example.com/shop/web:1.4.2", problem: "manifest unknown" },
  { object: "web-7c9f6d8b5c-x2k4m", sinceMs: 12 * minute },
);

export const failing = row({
  state: "failed",
  updated: 3,
  ready: 2,
  available: 2,
  containers: [
    { name: "web", image: "registry.example.com/shop/web:1.4.2" },
    { name: "envoy", image: "registry.example.com/mesh/envoy:1.31.4" },
  ],
  reason: pull,
  changedMs: 12 * minute,
});

const crash = reason(
  "container.crash_loop",
  { container: "ledger", exitCode: 1, restarts: 6, line: "panic: cannot reach postgres:5432" },
  { sinceMs: 26 * minute },
);
const noRoom = reason(
  "pod.unschedulable",
  { pods: 2, problem: "0/4 nodes are available: 4 Insufficient cpu." },
  { sinceMs: 8 * minute },
);

const rows: WorkloadRow[] = [
  row({
    cluster: "cn-sh-2",
    namespace: "pay",
    resource: "statefulsets",
    name: "ledger",
    state: "failed",
    desired: 3,
    ready: 2,
    reason: crash,
    changedMs: day,
    containers: [{ name: "ledger", image: "cr.example.cn/pay/ledger:3.11.2" }],
  }),
  failing,
  row({
    cluster: "us-w-1",
    namespace: "search",
    resource: "statefulsets",
    name: "indexer",
    state: "degraded",
    desired: 8,
    ready: 6,
    reason: noRoom,
    changedMs: 12 * day,
    containers: [{ name: "indexer", image: "registry.example.com/search/indexer:0.88.4" }],
  }),
  row({
    cluster: "eu-2",
    state: "run",
    desired: 6,
    ready: 4,
    changedMs: minute,
    containers: [{ name: "web", image: "registry.example.com/shop/web:1.4.2" }],
  }),
  row({
    cluster: "eu-3",
    name: "cart",
    state: "run",
    desired: 6,
    ready: 5,
    changedMs: minute,
    containers: [{ name: "cart", image: "registry.example.com/shop/cart:1.4.2" }],
  }),
  row({ cluster: "ap-jp-1", state: "stale", desired: 3, ready: 3, changedMs: 3 * day }),
  row({
    cluster: "ap-jp-1",
    name: "catalog",
    state: "stale",
    desired: 2,
    ready: 2,
    containers: [{ name: "catalog", image: "registry.example.com/shop/catalog:1.4.1" }],
  }),
  row({
    cluster: "cn-hz-1",
    name: "catalog",
    state: "paused",
    desired: 3,
    ready: 3,
    containers: [
      {
        name: "catalog",
        image: "cr.example.cn/shop/catalog@sha256:12667c41e0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b",
      },
    ],
  }),
  row({
    cluster: "cn-gz-1",
    namespace: "search",
    name: "api",
    state: "zero",
    desired: 0,
    ready: 0,
    containers: [{ name: "api", image: "registry.example.com/search/api:0.88.4" }],
  }),
  ...["cn-bj-1", "cn-bj-2", "cn-sz-1"].flatMap((cluster) =>
    ["web", "cart", "checkout", "catalog", "gateway"].map((name, index) =>
      row({
        cluster,
        name,
        namespace: index === 4 ? "pay" : "shop",
        desired: 3 + index,
        ready: 3 + index,
        containers: [{ name, image: `registry.example.com/shop/${name}:1.4.1` }],
      }),
    ),
  ),
  row({
    cluster: "cn-sz-1",
    namespace: "platform",
    resource: "daemonsets",
    name: "log-shipper",
    desired: 12,
    ready: 12,
    containers: [{ name: "shipper", image: "registry.example.com/platform/log-shipper:2.0.1" }],
  }),
];

export function workloads(
  change: MessageInitShape<typeof ListFleetWorkloadsResponseSchema> = {},
): ListFleetWorkloadsResponse {
  return create(ListFleetWorkloadsResponseSchema, {
    items: rows.map((row, index) => ({ row, ageMs: row.state === "stale" ? 3 * minute : (1 + (index % 7)) * second })),
    unanswered: [
      {
        cluster: "edge-rtm",
        code: "agent.unavailable",
        message: "agent lizardcd-agent.*.edge-rtm does not answer: connection refused",
        ageMs: 41 * minute,
      },
    ],
    total: 118,
    states: { failed: 2, degraded: 1, run: 2, paused: 1, zero: 1, ok: 111 },
    clusters: 40,
    continue: "eyJhIjoxfQ",
    ...change,
  });
}

export function manyWorkloads(count: number): ListFleetWorkloadsResponse {
  const names = ["web", "cart", "checkout", "catalog", "gateway", "ledger", "indexer", "api", "mailer", "search"];
  const items = Array.from({ length: count }, (_, index) => {
    const name = `${names[index % names.length]}-${Math.floor(index / 10)}`;
    const broken = index % 50 === 0;
    const desired = 1 + ((index * 7) % 9);
    return {
      ageMs: 3 * second,
      row: row({
        cluster: `demo-${index % 3}`,
        namespace: ["shop", "pay", "search", "platform"][index % 4]!,
        name,
        state: broken ? "failed" : "ok",
        desired,
        ready: broken ? 0 : desired,
        changedMs: ((index * 7919) % 5000) * minute,
        containers: [
          {
            name: "app",
            image: `registry.example.com/shop/${names[index % names.length]}:1.${index % 7}.${index % 11}`,
          },
        ],
      }),
    };
  });
  return create(ListFleetWorkloadsResponseSchema, {
    items,
    total: count,
    clusters: 3,
    states: { failed: count / 50, ok: count - count / 50 },
  });
}

export function workloadsRequest(
  change: MessageInitShape<typeof ListFleetWorkloadsRequestSchema> = {},
): ListFleetWorkloadsRequest {
  return create(ListFleetWorkloadsRequestSchema, change);
}

export function workload(change: MessageInitShape<typeof WorkloadSchema> = {}): Workload {
  const pod = (name: string, updated: boolean) => ({
    name: `${updated ? "web-7c9f6d8b5c" : "web-5d4b8f77f9"}-${name}`,
    revision: updated ? "42" : "41",
    updated,
    node: `node-eu-${name.length + (name.charCodeAt(0) % 9)}`,
    createdMs: updated ? 12 * minute : 6 * day,
    state: updated ? "failed" : "ok",
    reason: updated ? pull : undefined,
    restarts: name === "t8hjp" ? 1 : 0,
  });
  return create(WorkloadSchema, {
    row: failing,
    labels: { app: "web", team: "storefront", tier: "frontend" },
    strategy: "RollingUpdate, at most 3 unavailable, no surge",
    pods: [pod("x2k4m", true), pod("9wq7z", true), pod("lm8ts", true), pod("c6r2v", false), pod("t8hjp", false)],
    conditions: [
      {
        type: "Progressing",
        status: "False",
        reason: "ProgressDeadlineExceeded",
        message: 'ReplicaSet "web-7c9f6d8b5c" has timed out progressing.',
        sinceMs: 2 * minute,
      },
      {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
        sinceMs: 12 * minute,
      },
      { type: "Observed", status: "Unknown", reason: "Asked", message: "", sinceMs: 5 * second },
    ],
    revisions: [
      {
        revision: "42",
        current: true,
        containers: failing.containers,
        desired: 5,
        ready: 0,
        pods: 3,
        createdMs: 12 * minute,
      },
      {
        revision: "41",
        current: false,
        containers: [{ name: "web", image: "registry.example.com/shop/web:1.4.1" }],
        desired: 2,
        ready: 2,
        pods: 2,
        createdMs: 6 * day,
      },
    ],
    generation: 87,
    observedGeneration: 87,
    ageMs: 7 * second,
    changedBy: "lizardcd (admin)",
    events: [
      {
        type: "Warning",
        reason: "Failed",
        message: "Failed to pull image: manifest unknown",
        object: "pod/web-7c9f6d8b5c-x2k4m",
        count: 9,
        lastMs: 20 * second,
      },
      {
        type: "Normal",
        reason: "ScalingReplicaSet",
        message: "Scaled up replica set web-7c9f6d8b5c to 3",
        object: "deployment/web",
        count: 1,
        lastMs: 12 * minute,
      },
    ],
    ...change,
  });
}

const boards: [region: string, clusters: string[]][] = [
  [
    "cn",
    [
      "cn-bj-1",
      "cn-bj-2",
      "cn-sh-1",
      "cn-sh-2",
      "cn-sh-3",
      "cn-gz-1",
      "cn-gz-2",
      "cn-sz-1",
      "cn-cd-1",
      "cn-hz-1",
      "cn-hz-2",
      "cn-stg-1",
      "cn-stg-2",
      "cn-dev",
    ],
  ],
  ["eu", ["eu-1", "eu-2", "eu-3", "eu-4", "eu-uk-1", "eu-dr", "eu-stg", "eu-dev"]],
  ["us", ["us-e-1", "us-e-2", "us-w-1", "us-w-2", "us-c-1", "us-dr", "us-stg", "us-dev"]],
  ["ap", ["ap-sg-1", "ap-sg-2", "ap-jp-1", "ap-jp-2", "ap-in-1", "ap-stg"]],
  ["edge", ["edge-ham", "edge-rtm", "edge-szx", "edge-lax"]],
];

export function cluster(
  name: string,
  region: string,
  change: MessageInitShape<typeof ClusterRowSchema> = {},
): ClusterRow {
  const size = 10 + ((name.charCodeAt(name.length - 1) * name.length) % 58);
  return create(ClusterRowSchema, {
    name,
    state: "ok",
    labels: { region, env: /stg/.test(name) ? "stg" : /dev/.test(name) ? "dev" : "prod" },
    kubernetesVersion: "v1.36.3+sandbox",
    simulated: true,
    scope: name.length % 3 === 0 ? ["shop", "pay", "search"] : ["*"],
    agents: 2,
    agentsAnswering: 2,
    states: { ok: size },
    workloads: size,
    podsDesired: size * 5,
    podsReady: size * 5,
    seenMs: (1 + (name.length % 7)) * second,
    announcedMs: 4 * second,
    keys: [`lizardcd-agent.*.${name}`],
    agentVersion: "0.1.0",
    ...change,
  });
}

const silence = failure("agent.unavailable", { key: "lizardcd-agent.*.edge-rtm", problem: "connection refused" });

export function fleet(change: MessageInitShape<typeof FleetSchema> = {}): Fleet {
  const clusters = boards.flatMap(([region, names]) =>
    names.map((name) => {
      if (name === "eu-1" || name === "cn-sh-2")
        return cluster(name, region, { state: "degraded", states: { ok: 61, failed: 1 }, workloads: 62 });
      if (name === "us-w-1")
        return cluster(name, region, { state: "degraded", states: { ok: 64, degraded: 1, run: 1 }, workloads: 66 });
      if (name.startsWith("ap-jp")) return cluster(name, region, { state: "stale", seenMs: 3 * minute });
      if (name === "edge-rtm")
        return cluster(name, region, {
          state: "lost",
          seenMs: 41 * minute,
          agentsAnswering: 0,
          agents: 1,
          workloads: 8,
          failure: silence,
        });
      if (name === "edge-lax")
        return cluster(name, region, {
          state: "unknown",
          seenMs: -1,
          agentsAnswering: 0,
          agents: 1,
          workloads: 0,
          kubernetesVersion: "",
          scope: [],
          states: {},
        });
      return cluster(name, region);
    }),
  );
  const trouble = (row: WorkloadRow) => ({
    cluster: row.cluster,
    state: row.state,
    seenMs: 4 * second,
    trouble: {
      namespace: row.namespace,
      resource: row.resource,
      name: row.name,
      state: row.state,
      desired: row.desired,
      ready: row.ready,
      reason: row.reason,
    },
  });
  const all = change.clusters ?? clusters;
  const group = change.group ?? "region";
  const states = counted(all.map(({ state }) => state ?? ""));
  return create(FleetSchema, {
    clusters,
    total: all.length,
    matching: all.length,
    states,
    answering: (states.ok ?? 0) + (states.degraded ?? 0),
    workloads: 1629,
    workloadStates: { ok: 1619, degraded: 1, failed: 2, run: 1 },
    pods: 9412,
    seenMs: 7 * second,
    attention: [
      ...rows.slice(0, 3).map(trouble),
      { cluster: "edge-rtm", state: "lost", failure: silence, seenMs: 41 * minute, workloads: 8 },
      { cluster: "ap-jp-1", state: "stale", seenMs: 3 * minute, workloads: 40 },
    ],
    needs: 5,
    groups: ["region", "env"],
    group,
    grouped: [...Map.groupBy(all, ({ labels }) => labels?.[group] ?? "")].map(([value, some]) => ({
      value,
      clusters: some.length,
      answering: some.filter(({ state }) => state === "ok" || state === "degraded").length,
    })),
    ...change,
  });
}

export function fleetRequest(change: MessageInitShape<typeof GetFleetRequestSchema> = {}): GetFleetRequest {
  return create(GetFleetRequestSchema, { group: "region", ...change });
}

function counted(states: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(states, (state) => state)].map(([state, all]) => [state, all.length]));
}

export function audit(change: MessageInitShape<typeof ListAuditResponseSchema> = {}) {
  const entry = (init: MessageInitShape<typeof AuditEntrySchema>) =>
    create(AuditEntrySchema, {
      actor: "admin",
      outcome: "done",
      door: "browser",
      tookMs: 84,
      requestId: "7f3a19c2",
      cluster: "eu-1",
      namespace: "shop",
      resource: "deployments",
      name: "web",
      ...init,
    });
  return create(ListAuditResponseSchema, {
    items: [
      entry({
        id: "1",
        agoMs: 12 * minute,
        operation: "workload.setImage",
        request: '{"container":"web","image":"registry.example.com/shop/web:1.4.2"}',
        changes:
          '[{"path":"spec.template.spec.containers[web].image","before":"\\"registry.example.com/shop/web:1.4.1\\"","after":"\\"registry.example.com/shop/web:1.4.2\\""}]',
      }),
      entry({
        id: "2",
        agoMs: 18 * minute,
        operation: "workload.scale",
        namespace: "pay",
        name: "gateway",
        changes: '[{"path":"spec.replicas","before":"4","after":"6"}]',
      }),
      entry({
        id: "3",
        agoMs: 44 * minute,
        operation: "workload.restart",
        namespace: "search",
        name: "api",
        cluster: "us-e-1",
        door: "cli",
      }),
      entry({
        id: "4",
        agoMs: hour,
        operation: "workload.scale",
        outcome: "refused",
        failure: failure("permission.denied", {
          actor: "dev",
          operation: "workload.scale",
          permission: "workloads.scale",
        }),
        actor: "dev",
      }),
      entry({
        id: "5",
        agoMs: 2 * hour,
        operation: "workload.restart",
        outcome: "unknown",
        failure: failure("request.outcome_unknown", { cluster: "eu-1" }),
      }),
      entry({ id: "6", agoMs: 3 * hour, operation: "user.login", cluster: "", namespace: "", resource: "", name: "" }),
    ],
    continue: "6",
    ...change,
  });
}

export const auditRequest = (change: MessageInitShape<typeof ListAuditRequestSchema> = {}) =>
  create(ListAuditRequestSchema, change);

export function failure<C extends FailureCode>(code: C, params: FailureParams<C>, object = ""): Failure {
  return toFailure(new Failed(code, params, { object }) as Failed, "7f3a19c2");
}

const tunnelled = { address: "tunnel", sources: ["tunnel"], answering: true, seenMs: 2 * second };
const dialled = (host: string, change: MessageInitShape<typeof InstanceRowSchema> = {}) => ({
  address: `${host}:5017`,
  sources: ["etcd"],
  answering: true,
  seenMs: 3 * second,
  ...change,
});

export function agents(change: MessageInitShape<typeof ListAgentsResponseSchema> = {}): ListAgentsResponse {
  const agent = (cluster: string, init: MessageInitShape<typeof AgentRowSchema> = {}) => ({
    key: `lizardcd-agent.${init.namespace ?? "*"}.${cluster}`,
    cluster,
    namespace: "*",
    state: "ok",
    sources: ["etcd"],
    instances: [dialled("10.3.0.7"), dialled("10.3.0.8", { outstanding: 2, seenMs: 5 * second })],
    announcedMs: 4 * second,
    seenMs: 3 * second,
    version: "0.1.0",
    kubernetesVersion: "v1.36.3",
    certificateMs: 27 * day,
    ...init,
  });
  const items = [
    agent("cn-bj-1", { sources: ["etcd", "consul"] }),
    agent("cn-sh-2", { instances: [dialled("10.4.0.7"), dialled("10.4.0.9", { answering: false, seenMs: minute })] }),
    agent("ap-jp-1", { sources: ["nacos"], state: "stale", announcedMs: 3 * minute }),
    agent("edge-ham", { sources: ["tunnel"], instances: [tunnelled], certificateMs: 5 * day + 2 * hour }),
    agent("edge-lax", { state: "unknown", announcedMs: second, seenMs: -1, version: "", certificateMs: 0 }),
    agent("edge-rtm", {
      state: "lost",
      instances: [dialled("10.9.0.7", { seenMs: 41 * minute })],
      seenMs: 41 * minute,
      failure: silence,
    }),
    agent("eu-1", {
      state: "lost",
      failure: failure("agent.untrusted", { key: "lizardcd-agent.*.eu-1", problem: "its certificate is revoked" }),
    }),
    agent("eu-2", { namespace: "pay", certificateMs: 0 }),
    agent("eu-2", { namespace: "shop", certificateMs: 0 }),
    agent("gone-1", {
      state: "lost",
      sources: [],
      instances: [],
      announcedMs: -1,
      seenMs: 12 * minute,
      failure: failure("agent.unavailable", {
        key: "lizardcd-agent.*.gone-1",
        problem: "it is no longer announced, since 700 s",
      }),
    }),
  ];
  const all = change.items ?? items;
  return create(ListAgentsResponseSchema, {
    items,
    total: all.length,
    states: counted(all.map(({ state }) => state ?? "")),
    ...change,
  });
}

export function agentsRequest(change: MessageInitShape<typeof ListAgentsRequestSchema> = {}): ListAgentsRequest {
  return create(ListAgentsRequestSchema, change);
}

export const invitation = create(InvitationSchema, {
  token: "lz1.5kV0o2Xw9dQa.mUQGx0s7d9f1n3b5v7c9x1z3a5s7d9f1.8a1f0c",
  cluster: "eu-3",
  expiresIn: 3600,
  command:
    "lizardcd-agent --server http://127.0.0.1:5117 --cluster eu-3 --token lz1.5kV0o2Xw9dQa.mUQGx0s7d9f1n3b5v7c9x1z3a5s7d9f1.8a1f0c",
  helm: "helm install lizardcd-agent helm/lizardcd-agent --set server=http://127.0.0.1:5117 --set cluster=eu-3 --set token=lz1.5kV0o2Xw9dQa.mUQGx0s7d9f1n3b5v7c9x1z3a5s7d9f1.8a1f0c",
});

export function registries(change: MessageInitShape<typeof ListRegistriesResponseSchema> = {}) {
  return create(ListRegistriesResponseSchema, {
    items: [
      { name: "embedded", kind: "embedded", state: "ok", entries: 3, heardMs: 0 },
      {
        name: "etcd",
        kind: "etcd",
        state: "ok",
        entries: 61,
        heardMs: 2 * second,
        lastProblem: "10.8.0.2:2379: connect ECONNREFUSED 10.8.0.2:2379",
        lastProblemMs: 12 * minute,
        ignored: 2,
        ignoredKey: "lizardcd-agent.shop",
        ignoredProblem: "it has no cluster: expected <namespace>.<cluster>",
      },
      { name: "consul", kind: "consul", state: "unknown", heardMs: -1 },
      {
        name: "nacos",
        kind: "nacos",
        state: "stale",
        entries: 12,
        heardMs: 3 * minute,
        problem: "10.8.0.4:8848: connect ECONNREFUSED 10.8.0.4:8848",
        lastProblem: "10.8.0.4:8848: connect ECONNREFUSED 10.8.0.4:8848",
      },
    ],
    ...change,
  });
}

export const agentInfo = create(AgentInfoSchema, {
  keys: ["lizardcd-agent.*.eu-1"],
  cluster: "eu-1",
  labels: { env: "prod", region: "eu" },
  version: "0.1.0",
  kubernetesVersion: "v1.36.3+sandbox",
  scope: ["*"],
  startedMs: 3 * day,
  simulated: true,
  instance: "lizardcd-agent-7c9f6d8b5c-x2k4m",
});

export const namespaces = create(ListNamespacesResponseSchema, {
  items: [
    { name: "pay", phase: "Active", workloads: 12 },
    { name: "search", phase: "Terminating", workloads: 1 },
    { name: "shop", phase: "Active", workloads: 1204 },
  ],
  ageMs: 3 * second,
});

export function summary(change: MessageInitShape<typeof SummaryResponseSchema> = {}): SummaryResponse {
  return create(SummaryResponseSchema, {
    info: agentInfo,
    states: { ok: 57, failed: 2, degraded: 1, run: 2 },
    workloads: 62,
    namespaces: 9,
    podsDesired: 311,
    podsReady: 302,
    worst: fleet().attention.flatMap(({ trouble }) => trouble ?? []),
    watchAgeMs: 2 * second,
    synced: true,
    ...change,
  });
}
