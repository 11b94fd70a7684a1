// Load in a process of its own, bounded in time and to this machine.
// Argument: a LoadSpec as JSON. Prints a LoadResult.
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { stub } from "../../src/contract/grpc.ts";
import { overGrpc } from "../../src/contract/grpc-channel.ts";
import { WorkloadService } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { agentName } from "../../src/trust/identity.ts";
import { connectHttp, type HttpConnection, requestBytes } from "./http.ts";
import { cpuSeconds } from "./process.ts";

export type LoadSpec =
  /** Each connection sends its next request when the last was answered; `{n}` in the path differs in each of 1,000. */
  | { kind: "http"; url: string; path: string; token: string; connections: number; seconds: number; pid: number }
  /** So many requests a second, whatever becomes of those before. */
  | { kind: "http-paced"; url: string; path: string; token: string; perSecond: number; seconds: number }
  /** As the server calls its agents, by its certificate from this data folder. */
  | { kind: "grpc-paced"; address: string; data: string; get: Target; perSecond: number; seconds: number };

export interface Target {
  cluster: string;
  namespace: string;
  resource: string;
  name: string;
}

export interface LoadResult {
  answered: number;
  /** Anything but status 200. */
  failed: number;
  seconds: number;
  /** Milliseconds each, in the order of the answers. */
  ms: number[];
  /** Processor time of process `pid` meanwhile. */
  cpuSeconds?: number;
}

/** Before anything counts: connections are open, code is compiled. */
const warmSeconds = 0.7;

if (import.meta.main) {
  const spec = JSON.parse(process.argv[2]!) as LoadSpec;
  const result = spec.kind === "http" ? await saturate(spec) : await paced(spec);
  console.log(JSON.stringify(result));
  process.exit(0);
}

async function saturate(spec: Extract<LoadSpec, { kind: "http" }>): Promise<LoadResult> {
  const different = spec.path.includes("{n}") ? 1_000 : 1;
  const requests = Array.from({ length: different }, (_, index) =>
    requestBytes(spec.url, spec.path.replace("{n}", String(index + 1_000)), spec.token),
  );
  let turn = 0;
  const open = await Promise.all(Array.from({ length: spec.connections }, () => connectHttp(spec.url)));
  const result: LoadResult = { answered: 0, failed: 0, seconds: spec.seconds, ms: [] };
  const begin = performance.now() + warmSeconds * 1000;
  const end = begin + spec.seconds * 1000;
  const used = Bun.sleep(warmSeconds * 1000).then(async () => {
    const before = cpuSeconds(spec.pid);
    await Bun.sleep(end - performance.now());
    return cpuSeconds(spec.pid) - before;
  });
  await Promise.all(
    open.map(async (connection) => {
      for (let sent = performance.now(); sent < end; ) {
        const { status } = await connection.send(requests[turn++ % different]!);
        const now = performance.now();
        if (now >= begin && now < end) count(result, status === 200, now - sent);
        sent = now;
      }
      connection.close();
    }),
  );
  return { ...result, cpuSeconds: await used };
}

async function paced(spec: Exclude<LoadSpec, { kind: "http" }>): Promise<LoadResult> {
  const ask = spec.kind === "grpc-paced" ? await grpcCalls(spec) : await httpCalls(spec);
  const result: LoadResult = { answered: 0, failed: 0, seconds: spec.seconds, ms: [] };
  const start = performance.now();
  const begin = start + warmSeconds * 1000;
  const end = begin + spec.seconds * 1000;
  const sent: Promise<void>[] = [];
  for (let index = 0; ; index++) {
    const at = start + (index * 1000) / spec.perSecond;
    if (at >= end) break;
    const wait = at - performance.now();
    if (wait > 0) await Bun.sleep(wait);
    sent.push(one());
  }
  await Promise.all(sent);
  return result;

  async function one(): Promise<void> {
    const began = performance.now();
    const good = await ask();
    if (began >= begin) count(result, good, performance.now() - began);
  }
}

function count(result: LoadResult, good: boolean, ms: number): void {
  if (!good) result.failed++;
  result.answered++;
  result.ms.push(Math.round(ms * 1000) / 1000);
}

async function httpCalls({ url, path, token }: Extract<LoadSpec, { kind: "http-paced" }>) {
  const request = requestBytes(url, path, token);
  const free: HttpConnection[] = [];
  return async () => {
    const connection = free.pop() ?? (await connectHttp(url));
    const { status } = await connection.send(request);
    free.push(connection);
    return status === 200;
  };
}

async function grpcCalls({ address, data, get }: Extract<LoadSpec, { kind: "grpc-paced" }>) {
  const file = async (name: string) => Buffer.from(await Bun.file(join(data, name)).arrayBuffer());
  const [ca, key, certificate] = await Promise.all([file("ca.crt"), file("server.key"), file("server.crt")]);
  const client = new grpc.Client(address, grpc.credentials.createSsl(ca, key, certificate), {
    "grpc.ssl_target_name_override": agentName,
  });
  const peer = stub(overGrpc(client), WorkloadService);
  return async () => {
    const { row } = await peer.get(get, { deadline: Date.now() + 5_000, actor: "bench", requestId: "bench" });
    return row !== undefined;
  };
}
