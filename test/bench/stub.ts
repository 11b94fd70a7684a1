// Stub agents for the benchmark, in a process of their own: one gRPC server on as many ports as asked for. Each answer
// is made once and sent as bytes from then on, so that the time that is measured is the caller's.
// Argument: a StubSpec as JSON. Prints { addresses } when it serves.
import { join } from "node:path";
import type { DescMethod, DescService, Message, MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { definitionOf } from "../../src/contract/grpc.ts";
import { AgentService, type SummaryRequest, type SummaryResponseSchema } from "../../src/gen/lizardcd/v1/agent_pb.ts";
import {
  type GetWorkloadRequest,
  type ListWorkloadsRequest,
  type ListWorkloadsResponseSchema,
  type WorkloadSchema,
  WorkloadService,
} from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { openAuthority } from "../../src/trust/authority.ts";
import { newRequest } from "../../src/trust/request.ts";
import { manyRows } from "./rows.ts";

export interface StubSpec {
  /** One port for each, with a certificate for the whole of this cluster. */
  clusters: string[];
  rows: number;
  /** The server's data folder: its authority signs the certificates. */
  data: string;
}

const spec = JSON.parse(process.argv[2]!) as StubSpec;
const rows = manyRows("stub", spec.rows);
const states: Record<string, number> = {};
for (const { state } of rows) states[state] = (states[state] ?? 0) + 1;

const server = new grpc.Server({ "grpc.max_concurrent_streams": 1000 });
serve(AgentService, {
  summary: ({ cluster }: SummaryRequest): MessageInitShape<typeof SummaryResponseSchema> => ({
    info: { keys: [`lizardcd-agent.*.${cluster}`], cluster, version: "0.1.0", scope: ["*"], instance: "stub" },
    states,
    workloads: rows.length,
    namespaces: 40,
    synced: true,
    watchAgeMs: 100,
  }),
});
serve(WorkloadService, {
  list: ({ limit }: ListWorkloadsRequest): MessageInitShape<typeof ListWorkloadsResponseSchema> => ({
    items: rows.slice(0, limit || 500),
    total: rows.length,
    states,
    ageMs: 100,
  }),
  get: ({ name }: GetWorkloadRequest): MessageInitShape<typeof WorkloadSchema> => ({
    row: rows.find((row) => row.name === name) ?? rows[0],
    labels: { app: name },
    strategy: "RollingUpdate, at most 1 unavailable, 1 surge",
  }),
});
console.log(JSON.stringify({ addresses: await listen(spec) }));

/** Methods that are not given are not implemented. */
function serve(service: DescService, answers: Record<string, (input: never) => object>): void {
  const definition = definitionOf(service);
  const handlers: grpc.UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const answer = answers[method.localName];
    if (!answer) continue;
    const wire = definition[method.localName] as unknown as Record<string, unknown>;
    wire.requestDeserialize = (bytes: Buffer) => bytes;
    wire.responseSerialize = (bytes: Buffer) => bytes;
    handlers[method.localName] = remembered(method, answer);
  }
  server.addService(definition, handlers);
}

function remembered(method: DescMethod, answer: (input: never) => object): grpc.handleUnaryCall<Buffer, Buffer> {
  const made = new Map<string, Buffer>();
  return ({ request }, reply) => {
    const asked = request.toString("latin1");
    let bytes = made.get(asked);
    if (!bytes) {
      const input = fromBinary(method.input, request) as Message as never;
      bytes = Buffer.from(toBinary(method.output, create(method.output, answer(input) as never)));
      made.set(asked, bytes);
    }
    reply(null, bytes);
  };
}

async function listen({ clusters, data }: StubSpec): Promise<string[]> {
  const file = (name: string) => Bun.file(join(data, name)).text();
  const certificate = await file("ca.crt");
  const authority = openAuthority({ certificate, key: await file("ca.key") });
  // One key for all: it is the certificates that differ.
  const { key, request } = await newRequest();
  const addresses: string[] = [];
  for (const cluster of clusters) {
    const signed = await authority.sign(request, { cluster, namespaces: ["*"] }, 3_600_000);
    const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(signed.certificate) };
    addresses.push(await bind(grpc.ServerCredentials.createSsl(Buffer.from(certificate), [pair], true)));
  }
  return addresses;
}

function bind(credentials: grpc.ServerCredentials): Promise<string> {
  return new Promise((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", credentials, (error, port) =>
      error ? reject(error) : resolve(`127.0.0.1:${port}`),
    ),
  );
}
