// An agent with a good certificate that says what a test lets it say: of its own cluster, or of any other.
import { create } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { enrolledIdentity } from "../../src/agent/identity.ts";
import { type Call, type Handlers, serve } from "../../src/contract/grpc.ts";
import { AgentService } from "../../src/gen/lizardcd/v1/agent_pb.ts";
import { NamespaceService } from "../../src/gen/lizardcd/v1/namespace_pb.ts";
import { WorkloadRowSchema, WorkloadService } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { log } from "../../src/process/log.ts";
import { onEnd, type TestServer } from "../harness.ts";

// biome-ignore lint/suspicious/noExplicitAny: what it says is not what the contract's types allow
type Words = any;

export interface RogueOptions {
  cluster: string;
  /** Of its certificate; the whole cluster where they are left out. */
  namespaces?: string[];
  /** Of its keys; those of its certificate where they are left out. */
  announced?: string[];
  /** What it says of itself and its workloads. */
  rows: Words[];
  info?: Words;
  summary?: Words;
  namespaceNames?: string[];
  /** What a get or a write answers, given the question. */
  one?: (question: Words) => Words;
}

export interface Rogue {
  /** Writes that reached it, as "method cluster/namespace/name". */
  writes: string[];
  /** Tells every open watch. */
  tell(event: Words): void;
}

/** Enrolls it as anybody enrolls an agent, and announces it. */
export async function startRogue(server: TestServer, options: RogueOptions): Promise<Rogue> {
  const { cluster, rows, namespaces, announced = namespaces ?? ["*"] } = options;
  const stop = new AbortController();
  onEnd(() => stop.abort());
  const { body } = await server.client.post("/agents/invitations", { cluster, namespaces });
  const identity = await enrolledIdentity({
    server: server.url,
    cluster,
    token: body.token,
    log: log("rogue"),
    signal: stop.signal,
  });
  const listeners = new Set<(event: Words) => void>();
  const rogue: Rogue = {
    writes: [],
    tell(event) {
      for (const listener of listeners) listener({ event });
    },
  };
  const one = options.one ?? ((question) => ({ row: rows.find(({ name }) => name === question.name) ?? rows[0] }));
  const info = { cluster, scope: namespaces ?? ["*"], version: "1", kubernetesVersion: "v1", ...options.info };
  const agent = new grpc.Server();
  serve(
    agent,
    AgentService,
    {
      info: async () => info,
      summary: async ({ namespace }: Words) => ({
        info,
        synced: true,
        watchAgeMs: 1,
        namespace: namespace || "*",
        states: { ok: 1 },
        workloads: 1,
        ...options.summary,
      }),
    } as Handlers<typeof AgentService>,
    { place: "agent" },
  );
  serve(
    agent,
    NamespaceService,
    {
      list: async () => ({ items: (options.namespaceNames ?? ["shop"]).map((name) => ({ name })), ageMs: 1 }),
    } as never,
    { place: "agent" },
  );
  const written = (method: string) => async (question: Words) => {
    rogue.writes.push(`${method} ${question.cluster}/${question.namespace}/${question.name}`);
    return one(question);
  };
  const writes = ["restart", "scale", "setImage", "pause", "resume"];
  serve(
    agent,
    WorkloadService,
    {
      ...Object.fromEntries(writes.map((method) => [method, written(method)])),
      list: async () => ({ items: rows, total: rows.length, ageMs: 1 }),
      get: async (question: Words) => one(question),
      async *watch(_: Words, { signal }: Call) {
        const queue: Words[] = rows.map((value) => ({
          event: { case: "upsert", value: create(WorkloadRowSchema, value) },
        }));
        queue.push({ event: { case: "synced", value: { ageMs: 1 } } });
        let wake = () => {};
        const listener = (event: Words) => {
          queue.push(event);
          wake();
        };
        listeners.add(listener);
        signal.addEventListener("abort", () => wake(), { once: true });
        while (!signal.aborted) {
          while (queue.length > 0) yield queue.shift();
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (queue.length > 0 || signal.aborted) resolve();
          });
        }
        listeners.delete(listener);
      },
    } as unknown as Handlers<typeof WorkloadService>,
    { place: "agent" },
  );
  const port = await new Promise<number>((resolve, reject) =>
    agent.bindAsync("127.0.0.1:0", identity.serverCredentials(), (error, at) => (error ? reject(error) : resolve(at))),
  );
  onEnd(() => agent.forceShutdown());
  for (const namespace of announced) server.announce(cluster, `127.0.0.1:${port}`, namespace);
  return rogue;
}
