// An agent that dials out serves the same gRPC methods over its tunnel: unary, streams, cancellation, deadlines, flow
// control; through TLS and an HTTP proxy; and comes back by itself.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { tunnelAnnouncer } from "../../src/agent/tunnel.ts";
import type { Failed } from "../../src/contract/errors.ts";
import { type Handlers, serve } from "../../src/contract/grpc.ts";
import { AgentService } from "../../src/gen/lizardcd/v1/agent_pb.ts";
import { WorkloadService } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { createAuthority, createServerCertificate } from "../testbed/certificates.ts";
import { connectProxy } from "../testbed/connect-proxy.ts";

afterEach(endAll);

const web = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "web" };

interface Served {
  cancelled: number;
  sent: number;
}

/** A gRPC server that only a tunnel leads to. */
async function tunnelled(server: TestServer, options: { serverCa?: () => string; proxy?: string } = {}) {
  const served: Served = { cancelled: 0, sent: 0 };
  const grpcServer = new grpc.Server();
  serve(
    grpcServer,
    AgentService,
    { info: async () => ({ instance: "far" }), summary: async () => ({ synced: true }) } as Handlers<
      typeof AgentService
    >,
    { place: "agent" },
  );
  const rowOf = (name: string) => ({
    ...{ cluster: "eu-1", namespace: "shop", resource: "deployments", name, state: "ok" },
    containers: [] as { name: string; image: string }[],
  });
  /** Some 64 KB in texts that are not cut. */
  const big = {
    ...rowOf("web"),
    containers: Array.from({ length: 16 }, () => ({ name: "app", image: "x".repeat(4_000) })),
  };
  serve(
    grpcServer,
    WorkloadService,
    {
      ...Object.fromEntries(WorkloadService.methods.map(({ localName }) => [localName, async () => ({})])),
      list: async () => ({ items: Array.from({ length: 1_000 }, (_, n) => rowOf(`w-${n}`)) }),
      get: async ({ name }: { name: string }, { signal }: { signal: AbortSignal }) => {
        if (name === "never") {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          served.cancelled++;
        }
        return { row: rowOf(name) };
      },
      async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
        while (!signal.aborted) {
          served.sent++;
          yield { event: { case: "upsert" as const, value: big } };
        }
        served.cancelled++;
      },
    } as unknown as Handlers<typeof WorkloadService>,
    { place: "agent" },
  );
  const credentials = grpc.ServerCredentials.createInsecure();
  const injector = grpcServer.createConnectionInjector(credentials);
  const stop = new AbortController();
  const states: boolean[] = [];
  const done = tunnelAnnouncer({
    server: server.url,
    ...options,
    inject: (stream) => injector.injectConnection(stream),
    prove: async () => ({ token: server.joinToken }),
  }).announce(
    { keys: ["lizardcd-agent.*.eu-1"], via: { address: "127.0.0.1:1" }, instance: crypto.randomUUID() },
    stop.signal,
    ({ announced }) => states.push(announced),
  );
  const end = async () => {
    stop.abort();
    await done;
    grpcServer.forceShutdown();
  };
  onEnd(end);
  return { served, states, end };
}

const known = (server: TestServer) =>
  eventually(
    () => server.pool.directory.find("eu-1"),
    (entry) => entry !== undefined,
  );

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "answered",
    (cause) => (cause as Failed).code,
  );

describe("over a tunnel", () => {
  test("unary calls answer, many at once, and large ones whole", async () => {
    const server = await startTestServer();
    await tunnelled(server);
    await known(server);
    const answers = await Promise.all(Array.from({ length: 60 }, () => server.pool.on(web).workload.get(web)));
    expect(answers.every(({ row }) => row!.name === "web")).toBe(true);
    expect((await server.pool.on(web).workload.list(web)).items).toHaveLength(1_000);
  });

  test("a deadline and a cancellation reach the agent", async () => {
    const server = await startTestServer();
    const { served } = await tunnelled(server);
    await known(server);
    const never = { ...web, name: "never" };
    expect(await codeOf(server.pool.on(web).workload.get(never, { deadline: Date.now() + 300 }))).toBe(
      "request.timed_out",
    );
    await eventually(
      () => served.cancelled,
      (count) => count === 1,
    );
    const gone = new AbortController();
    const asked = codeOf(server.pool.on(web).workload.get(never, { signal: gone.signal }));
    setTimeout(() => gone.abort(), 50);
    expect(await asked).toBe("request.cancelled");
    await eventually(
      () => served.cancelled,
      (count) => count === 2,
    );
  });

  test("a reader that stops makes the sender stop, unary calls go on beside it, and leaving ends the stream", async () => {
    const server = await startTestServer();
    const { served } = await tunnelled(server);
    await known(server);
    const stream = server.pool.on(web).workload.watch(web)[Symbol.asyncIterator]();
    await stream.next();
    const before = await eventually(
      async () => {
        const sent = served.sent;
        await Bun.sleep(300);
        return { sent, later: served.sent };
      },
      ({ sent, later }) => sent === later,
    );
    // 64 KiB a message: what is under way is bounded, not what the sender could make.
    expect(before.sent).toBeLessThan(1_000);
    expect((await server.pool.on(web).workload.get(web)).row!.name).toBe("web");
    await stream.return!(undefined);
    await eventually(
      () => served.cancelled,
      (count) => count === 1,
    );
  });

  test("an agent that hangs up is gone at once, and one that comes back is found at once", async () => {
    const server = await startTestServer();
    const first = await tunnelled(server);
    await known(server);
    await first.end();
    await eventually(
      () => server.pool.directory.find("eu-1"),
      (entry) => entry === undefined,
    );
    expect(await codeOf((async () => server.pool.on(web).workload.get(web))())).toBe("agent.unavailable");
    await tunnelled(server);
    await known(server);
    expect((await server.pool.on(web).workload.get(web)).row!.name).toBe("web");
  });

  test("a server that restarts is dialled again", async () => {
    const first = await startTestServer();
    const port = Number(new URL(first.url).port);
    const { states } = await tunnelled(first);
    await known(first);
    await first.stop();
    await eventually(
      () => states.at(-1),
      (announced) => announced === false,
    );
    await Bun.write(join(first.data, "join-token"), `${first.joinToken}\n`);
    const second = await startTestServer({ http: { host: "127.0.0.1", port }, joinToken: first.joinToken });
    await known(second);
    expect((await second.pool.on(web).workload.get(web)).row!.name).toBe("web");
  });
});

test("TLS and a proxy that knows CONNECT are passed through", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-proxy-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const authority = createAuthority("test");
  const { cert, key } = createServerCertificate(authority, ["localhost", "127.0.0.1"]);
  const files = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key") };
  await writeFile(files.cert, cert);
  await writeFile(files.key, key);
  const ca = authority.cert;
  const server = await startTestServer({ http: { host: "127.0.0.1", port: 0, tls: files } }, { ca });
  const { proxy, asked, stop } = await connectProxy();
  onEnd(stop);
  await tunnelled(server, { serverCa: () => ca, proxy });
  await known(server);
  expect((await server.pool.on(web).workload.get(web)).row!.name).toBe("web");
  expect(asked).toContain(`CONNECT ${new URL(server.url).host} HTTP/1.1`);
});
