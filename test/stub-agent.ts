// A stub agent: serves the whole contract over real gRPC from rows in memory, without any Kubernetes. For tests of the
// server and for benchmarks of its own cost; what an agent really does is tested with the real one.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Failed } from "../src/contract/errors.ts";
import { type Call, type Handlers, serve } from "../src/contract/grpc.ts";
import { AgentService, type SummaryResponseSchema } from "../src/gen/lizardcd/v1/agent_pb.ts";
import { NamespaceService } from "../src/gen/lizardcd/v1/namespace_pb.ts";
import { type WorkloadRow, WorkloadRowSchema, WorkloadService } from "../src/gen/lizardcd/v1/workload_pb.ts";

export interface StubAgentOptions {
  /** Left out: whichever it is asked about, as one agent that stands for many. */
  cluster?: string;
  rows?: WorkloadRow[];
  labels?: Record<string, string>;
  version?: string;
}

export interface StubAgent {
  address: string;
  rows: Map<string, WorkloadRow>;
  /** Calls by "service/method", and the actors they named. */
  calls: Map<string, number>;
  actors: string[];
  /** Who asked last, by "service/method". */
  callers: Map<string, { actor: string; role: string; requestId: string }>;
  /** Changes a row and tells every watch. */
  put(row: WorkloadRow): void;
  remove(row: WorkloadRow): void;
  /** Watches that are open now. */
  watches(): number;
  /** Calls answered with this failure until it is undefined again. */
  failWith?: Failed;
  /** Said in the summary instead of what its rows make of it. */
  says: MessageInitShape<typeof SummaryResponseSchema> & { $typeName?: undefined };
  /** Waits this long before each unary answer, milliseconds. */
  delayMs: number;
  /** Writes are never answered: those "before" it are not made, those "after" it are. */
  silent?: "before" | "after";
  /** Writes that are not answered. */
  held: number;
  stop(): void;
}

export function row(cluster: string, name: string, more: MessageInitShape<typeof WorkloadRowSchema> = {}): WorkloadRow {
  return create(WorkloadRowSchema, {
    cluster,
    namespace: "shop",
    resource: "deployments",
    name,
    state: "ok",
    desired: 3,
    updated: 3,
    ready: 3,
    available: 3,
    current: 3,
    containers: [{ name, image: `registry.example.com/shop/${name}:1.4.1` }],
    changedMs: 60_000,
    createdMs: 6_000_000,
    ...more,
  } as MessageInitShape<typeof WorkloadRowSchema>);
}

export async function startStubAgent({
  cluster,
  rows = [],
  labels = {},
  version = "v1.36.3",
}: StubAgentOptions): Promise<StubAgent> {
  const server = new grpc.Server({ "grpc.max_concurrent_streams": 1000 });
  const listeners = new Set<(event: WatchEvent) => void>();
  /** By workload, the request that changed it last. */
  const requests = new Map<string, string>();
  type WatchEvent = { event: { case: "upsert"; value: WorkloadRow } | { case: "removed"; value: WorkloadRow } };
  const id = (one: Pick<WorkloadRow, "namespace" | "resource" | "name">) =>
    `${one.namespace}/${one.resource}/${one.name}`;
  const agent: StubAgent = {
    address: "",
    rows: new Map(rows.map((one) => [id(one), one])),
    calls: new Map(),
    actors: [],
    callers: new Map(),
    put(one) {
      agent.rows.set(id(one), one);
      for (const listener of listeners) listener({ event: { case: "upsert", value: one } });
    },
    remove(one) {
      agent.rows.delete(id(one));
      for (const listener of listeners) listener({ event: { case: "removed", value: one } });
    },
    watches: () => listeners.size,
    says: {},
    delayMs: 0,
    held: 0,
    stop: () => server.forceShutdown(),
  };

  async function before(): Promise<void> {
    if (agent.delayMs > 0) await Bun.sleep(agent.delayMs);
    if (agent.failWith) throw agent.failWith;
  }

  function found(key: { cluster: string; namespace: string; resource: string; name: string }): WorkloadRow {
    const one = agent.rows.get(id(key));
    if (one) return one;
    throw new Failed(
      "workload.not_found",
      { kind: "Deployment", name: key.name, cluster: cluster ?? key.cluster, namespace: key.namespace },
      { object: `${key.resource}/${key.namespace}/${key.name} in ${cluster ?? key.cluster}` },
    );
  }

  function matching(input: { namespace: string; resource: string; name?: string; state?: string[] }): WorkloadRow[] {
    return [...agent.rows.values()].filter(
      (one) =>
        (input.namespace === "*" || one.namespace === input.namespace) &&
        (input.resource === "workloads" || one.resource === input.resource) &&
        (!input.name || one.name.includes(input.name)) &&
        (!input.state?.length || input.state.includes(one.state)),
    );
  }

  async function changed(
    { input, call }: { input: Parameters<typeof found>[0] & { dryRun?: boolean }; call: Call },
    change: Partial<WorkloadRow>,
    path: string,
    before: unknown,
    after: unknown,
  ) {
    if (agent.silent) agent.held++;
    if (agent.silent === "before") await new Promise(() => {});
    const changes = [{ path, before: JSON.stringify(before), after: JSON.stringify(after) }];
    if (input.dryRun) return { row: of(input, found(input)), changes, dryRun: true };
    const next = create(WorkloadRowSchema, { ...found(input), ...change });
    agent.put(next);
    requests.set(id(input), call.requestId);
    if (agent.silent === "after") await new Promise(() => {});
    return { row: of(input, next), changes };
  }

  const options = {
    place: "agent",
    onCall: (path: string, call: { actor: string; role: string; requestId: string }) => {
      agent.callers.set(path, { actor: call.actor, role: call.role, requestId: call.requestId });
      agent.calls.set(path, (agent.calls.get(path) ?? 0) + 1);
      if (call.actor) agent.actors.push(call.actor);
    },
  };
  /** A row as one of the cluster that was asked about. */
  const of = ({ cluster: asked }: { cluster: string }, one: WorkloadRow) =>
    cluster === undefined ? create(WorkloadRowSchema, { ...one, cluster: asked }) : one;
  const info = ({ cluster: asked }: { cluster: string }) => ({
    keys: [`lizardcd-agent.*.${cluster ?? asked}`],
    cluster: cluster ?? asked,
    labels,
    version: "0.1.0",
    kubernetesVersion: version,
    scope: ["*"],
    simulated: version.includes("+sandbox"),
    instance: "stub",
  });
  serve(
    server,
    AgentService,
    {
      async info(input) {
        await before();
        return info(input);
      },
      async summary(input) {
        await before();
        const states: Record<string, number> = {};
        for (const one of agent.rows.values()) states[one.state] = (states[one.state] ?? 0) + 1;
        const all = [...agent.rows.values()];
        return {
          info: info(input),
          states,
          workloads: all.length,
          namespaces: 1,
          podsDesired: all.reduce((sum, one) => sum + one.desired, 0),
          podsReady: all.reduce((sum, one) => sum + one.ready, 0),
          worst: all
            .filter((one) => one.state === "failed" || one.state === "degraded")
            .slice(0, 10)
            .map(({ namespace, resource, name, state, desired, ready, reason }) => ({
              namespace,
              resource,
              name,
              state,
              desired,
              ready,
              reason,
            })),
          watchAgeMs: 100,
          synced: true,
          ...agent.says,
        };
      },
    } as Handlers<typeof AgentService>,
    options,
  );
  serve(
    server,
    NamespaceService,
    {
      async list() {
        await before();
        return { items: [{ name: "shop", phase: "Active", workloads: agent.rows.size }], ageMs: 100 };
      },
    } as Handlers<typeof NamespaceService>,
    options,
  );
  serve(
    server,
    WorkloadService,
    {
      async list(input) {
        await before();
        const all = matching(input).sort((a, b) => (id(a) < id(b) ? -1 : 1));
        const from = input.continue ? Number(input.continue) : 0;
        const limit = input.limit || 500;
        const states: Record<string, number> = {};
        for (const one of all) states[one.state] = (states[one.state] ?? 0) + 1;
        return {
          items: all.slice(from, from + limit).map((one) => of(input, one)),
          continue: from + limit < all.length ? String(from + limit) : "",
          total: all.length,
          states,
          ageMs: 100,
        };
      },
      async get(input) {
        await before();
        return { row: of(input, found(input)), pods: [], ageMs: 0, changedRequest: requests.get(id(input)) ?? "" };
      },
      async restart(input, call) {
        await before();
        return changed({ input, call }, { state: "run", updated: 0 }, "spec.template.metadata.annotations", "", "now");
      },
      async scale(input, call) {
        await before();
        const { desired } = found(input);
        return changed({ input, call }, { desired: input.replicas }, "spec.replicas", desired, input.replicas);
      },
      async pause(input, call) {
        await before();
        return {
          ...(await changed({ input, call }, { state: "paused" }, "spec.paused", false, true)),
          paused: !input.dryRun,
        };
      },
      async resume(input, call) {
        await before();
        return changed({ input, call }, { state: "ok" }, "spec.paused", true, false);
      },
      async setImage(input, call) {
        await before();
        const one = found(input);
        const container = one.containers.find(({ name }) => !input.container || name === input.container);
        if (!container) {
          throw new Failed("container.not_found", {
            kind: "Deployment",
            name: one.name,
            container: input.container,
            containers: one.containers.map(({ name }) => name).join(", "),
          });
        }
        const path = `spec.template.spec.containers[${container.name}].image`;
        const containers = one.containers.map((other) =>
          other === container ? { ...other, image: input.image } : other,
        );
        return changed({ input, call }, { containers, state: "run" }, path, container.image, input.image);
      },
      async *watch(input, { signal }) {
        const queue: WatchEvent[] = [];
        let wake = () => {};
        const listener = (event: WatchEvent) => {
          queue.push(event);
          wake();
        };
        listeners.add(listener);
        try {
          for (const value of matching(input)) {
            yield { event: { case: "upsert" as const, value: of(input, value) } };
          }
          yield { event: { case: "synced" as const, value: { ageMs: 100 } } };
          while (!signal.aborted) {
            while (queue.length > 0) {
              const { event } = queue.shift()!;
              yield { event: { ...event, value: of(input, event.value) } } as WatchEvent;
            }
            await new Promise<void>((resolve) => {
              wake = resolve;
              signal.addEventListener("abort", () => resolve(), { once: true });
            });
          }
        } finally {
          listeners.delete(listener);
        }
      },
    } as Handlers<typeof WorkloadService>,
    options,
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  agent.address = `127.0.0.1:${port}`;
  return agent;
}
