import { crashLogAnnotation } from "./logs.ts";
import type { Json } from "./object.ts";
import type { Seed } from "./seed.ts";

export type { Seed, Traffic } from "./seed.ts";

interface Shape {
  kind?: "Deployment" | "StatefulSet" | "DaemonSet";
  replicas?: number;
  /** Repository and tag, without the registry. */
  image: string;
  team?: string;
  spec?: Json;
  pod?: Json;
  container?: Json;
  annotations?: Record<string, string>;
  templateAnnotations?: Record<string, string>;
}

/** A workload in few words: one container named after it, labels app and team. */
export function workload(namespace: string, name: string, shape: Shape): Json {
  const {
    kind = "Deployment",
    replicas = 1,
    image,
    team,
    spec,
    pod,
    container,
    annotations,
    templateAnnotations,
  } = shape;
  const labels = { app: name, ...(team && { team }) };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace, labels, ...(annotations && { annotations }) },
    spec: {
      ...(kind !== "DaemonSet" && { replicas }),
      ...(kind === "StatefulSet" && { serviceName: name }),
      selector: { matchLabels: { app: name } },
      ...spec,
      template: {
        metadata: { labels, ...(templateAnnotations && { annotations: templateAnnotations }) },
        spec: {
          containers: [
            {
              name,
              image: `registry.example.com/${image}`,
              ports: [{ name: "http", containerPort: 8080 }],
              resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "256Mi" } },
              ...container,
            },
          ],
          ...pod,
        },
      },
    },
  };
}

/** A healthy production cluster. */
export const calm: Seed = {
  nodes: { count: 5, cpu: "16", memory: "64Gi", pods: "110" },
  namespaces: ["media", "pay", "platform", "search", "shop"],
  settled: [
    workload("shop", "web", { replicas: 4, image: "shop/web:1.4.1", team: "storefront" }),
    autoscaler("shop", "web", 3, 10, 4),
    workload("shop", "cart", { replicas: 3, image: "shop/cart:2.0.7", team: "storefront" }),
    workload("shop", "catalog", { replicas: 3, image: "shop/catalog:5.11.0", team: "storefront" }),
    workload("shop", "checkout", { replicas: 3, image: "shop/checkout:3.2.1", team: "orders" }),
    workload("shop", "mailer", {
      image: "shop/mailer:1.0.14",
      team: "orders",
      spec: { strategy: { type: "Recreate" } },
    }),
    workload("shop", "recommendations", { replicas: 2, image: "shop/recommendations:0.9.3", team: "discovery" }),
    workload("pay", "api", {
      replicas: 3,
      image: "pay/api:4.1.0",
      team: "payments",
      pod: sidecar("api", "pay/api:4.1.0"),
    }),
    workload("pay", "fraud", { replicas: 2, image: "pay/fraud:2.8.5", team: "risk" }),
    workload("pay", "ledger", { kind: "StatefulSet", replicas: 3, image: "pay/ledger:1.12.2", team: "payments" }),
    workload("pay", "payouts-batch", { replicas: 0, image: "pay/payouts:1.3.0", team: "payments" }),
    workload("search", "query", { replicas: 4, image: "search/query:7.0.2", team: "discovery" }),
    workload("search", "indexer", { replicas: 2, image: "search/indexer:7.0.2", team: "discovery" }),
    workload("search", "store", { kind: "StatefulSet", replicas: 3, image: "search/store:6.4.0", team: "discovery" }),
    workload("search", "suggest", {
      replicas: 2,
      image: "search/suggest:1.1.9",
      team: "discovery",
      spec: { paused: true },
    }),
    workload("platform", "gateway", { replicas: 3, image: "platform/gateway:3.9.4", team: "platform" }),
    workload("platform", "auth", { replicas: 2, image: "platform/auth:2.2.0", team: "platform" }),
    workload("platform", "notifications", { replicas: 2, image: "platform/notifications:1.7.1", team: "platform" }),
    workload("platform", "postgres", {
      kind: "StatefulSet",
      replicas: 2,
      image: "platform/postgres:17.4",
      team: "data",
    }),
    workload("platform", "redis", { kind: "StatefulSet", replicas: 3, image: "platform/redis:8.0.1", team: "data" }),
    workload("platform", "log-shipper", { kind: "DaemonSet", image: "platform/log-shipper:0.14.2", team: "platform" }),
    workload("platform", "node-exporter", {
      kind: "DaemonSet",
      image: "platform/node-exporter:1.9.0",
      team: "platform",
    }),
    workload("media", "thumbnails", { replicas: 3, image: "media/thumbnails:2.5.6", team: "media" }),
    workload("media", "uploads", { replicas: 2, image: "media/uploads:2.5.6", team: "media" }),
    workload("media", "transcoder", { replicas: 2, image: "media/transcoder:4.0.0", team: "media" }),
  ],
};

const crashLog = [
  'level=info msg="checkout starting" version=3.3.0',
  'level=info msg="connecting" to=postgres://ledger.pay.svc:5432/orders',
  'level=error msg="migration 0042_add_currency failed" error="column \\"currency\\" already exists"',
  "panic: cannot start with a half-applied migration",
].join("\n");

/** A cluster where several rollouts fail, each for its own reason. */
export const stormy: Seed = {
  nodes: { count: 3, cpu: "8", memory: "32Gi", pods: "110" },
  namespaces: ["batch", "billing", "shop"],
  settled: [
    workload("shop", "web", {
      replicas: 4,
      image: "shop/web:1.4.1",
      team: "storefront",
      spec: { progressDeadlineSeconds: 60 },
    }),
    workload("shop", "cart", { replicas: 3, image: "shop/cart:2.0.7", team: "storefront" }),
    workload("shop", "checkout", {
      replicas: 3,
      image: "shop/checkout:3.2.1",
      team: "orders",
      templateAnnotations: { [crashLogAnnotation]: crashLog },
    }),
    workload("shop", "catalog", { replicas: 2, image: "shop/catalog:5.11.0", team: "storefront" }),
    workload("billing", "invoices", { replicas: 2, image: "billing/invoices:2.1.0", team: "finance" }),
    workload("billing", "ledger", {
      kind: "StatefulSet",
      replicas: 3,
      image: "billing/ledger:1.12.2",
      team: "finance",
    }),
    workload("billing", "audit-agent", { kind: "DaemonSet", image: "billing/audit-agent:0.4.0", team: "finance" }),
    workload("batch", "exporter", { replicas: 1, image: "batch/exporter:1.2.8", team: "analytics" }),
    {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "team-analytics", namespace: "batch" },
      spec: { hard: { pods: "5" } },
    },
  ],
  live: [
    workload("billing", "forecast", {
      replicas: 2,
      image: "billing/forecast:0.8.0",
      team: "finance",
      container: { resources: { requests: { cpu: "12", memory: "8Gi" } } },
    }),
    workload("billing", "tax", {
      replicas: 2,
      image: "billing/tax:unready-3.0.0",
      team: "finance",
      container: { readinessProbe: { httpGet: { path: "/ready", port: 8080 } } },
    }),
    workload("batch", "reports", { replicas: 6, image: "batch/reports:4.4.2", team: "analytics" }),
    workload("shop", "feed-importer", {
      image: "shop/feed-importer:oom-1.0.3",
      team: "analytics",
      container: { resources: { limits: { memory: "512Mi" } } },
    }),
  ],
  images: [
    { kind: "Deployment", namespace: "shop", name: "web", image: "registry.example.com/shop/web:missing-1.5.0" },
    {
      kind: "Deployment",
      namespace: "shop",
      name: "checkout",
      image: "registry.example.com/shop/checkout:crash-3.3.0",
    },
  ],
  traffic: {
    restarts: {
      every: 40_000,
      of: [
        { namespace: "shop", app: "catalog" },
        { namespace: "billing", app: "invoices" },
      ],
    },
  },
};

/** A small cluster at the edge, on a line that is not always there. */
export const roaming: Seed = {
  nodes: { count: 1, cpu: "4", memory: "8Gi", pods: "60" },
  namespaces: ["edge"],
  settled: [
    workload("edge", "gateway", { replicas: 2, image: "edge/gateway:1.8.0", team: "field" }),
    workload("edge", "sync", { image: "edge/sync:0.6.2", team: "field", spec: { strategy: { type: "Recreate" } } }),
    workload("edge", "panel", { image: "edge/panel:2.3.1", team: "field" }),
    workload("edge", "rules", { replicas: 2, image: "edge/rules:1.1.0", team: "field" }),
    workload("edge", "buffer", { kind: "StatefulSet", replicas: 1, image: "edge/buffer:3.0.5", team: "field" }),
    workload("edge", "sensor-reader", { kind: "DaemonSet", image: "edge/sensor-reader:0.11.0", team: "field" }),
  ],
  traffic: { away: { every: 120_000, for: 30_000 } },
};

/** `count` healthy deployments of two replicas in namespaces of a hundred; without pods unless asked for. */
export function many(count: number, options: { pods?: boolean; perNamespace?: number } = {}): Seed {
  const { pods = false, perNamespace = 100 } = options;
  const spaces = Math.max(1, Math.ceil(count / perNamespace));
  const name = (i: number) => `ns-${String(i).padStart(3, "0")}`;
  return {
    nodes: { count: 3, cpu: "6400", memory: "25Ti", pods: "100000" },
    namespaces: Array.from({ length: spaces }, (_, i) => name(i)),
    settled: Array.from({ length: count }, (_, i) =>
      workload(name(Math.floor(i / perNamespace)), `app-${String(i).padStart(5, "0")}`, {
        replicas: 2,
        image: `many/app:1.${i % 10}.0`,
        team: `team-${i % 7}`,
      }),
    ),
    withoutPods: !pods,
  };
}

/** The seed of that name: calm, stormy, roaming, `many:N`; undefined for any other. */
export function seedOf(name: string): Seed | undefined {
  const [, count] = /^many:(\d+)$/.exec(name) ?? [];
  if (count) return many(Number(count));
  return ({ calm, stormy, roaming } as Record<string, Seed>)[name];
}

function autoscaler(namespace: string, name: string, least: number, most: number, now: number): Json {
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
      minReplicas: least,
      maxReplicas: most,
      metrics: [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
      ],
    },
    status: { currentReplicas: now, desiredReplicas: now, currentMetrics: null },
  };
}

/** A second container beside the first. */
function sidecar(name: string, image: string): Json {
  return {
    containers: [
      { name, image: `registry.example.com/${image}`, ports: [{ name: "http", containerPort: 8080 }] },
      { name: "proxy", image: "registry.example.com/platform/proxy:1.30.2" },
    ],
  };
}
