// Who means harm: entries that somebody else wrote, answers that never end, certificates that hold no longer.
import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { enrolledIdentity } from "../../src/agent/identity.ts";
import type { Failed } from "../../src/contract/errors.ts";
import { type Handlers, serve } from "../../src/contract/grpc.ts";
import { AgentService, SummaryResponseSchema } from "../../src/gen/lizardcd/v1/agent_pb.ts";
import { log } from "../../src/process/log.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, startStubAgent } from "../stub-agent.ts";
import { agentFleet } from "./agent-process.ts";
import { besides, expectUntouched, expectWithin, figure, lateness, msUntil, shownMs } from "./figure.ts";

afterEach(endAll);

const day = 86_400_000;
const web = { cluster: "prod", namespace: "shop", resource: "deployments", name: "web" };

async function outcome(ask: () => Promise<unknown>): Promise<string> {
  try {
    await ask();
    return "answered";
  } catch (cause) {
    return (cause as Failed).code;
  }
}

async function announced(server: TestServer, name: string, address: string): Promise<void> {
  server.announce(name, address);
  await eventually(
    () => server.pool.directory.find(name)?.endpoints.has(address),
    (known) => known === true,
  );
}

describe("the registry", () => {
  test("names a false agent beside the true one of prod: it hears nothing, and no call fails", async () => {
    const server = await startTestServer({ trust: { lifeMs: day } });
    const { start } = await agentFleet(server, "prod");
    const agent = await start();
    await eventually(
      () => server.pool.directory.find("prod")?.endpoints.get(agent.address)?.seenAt,
      (seen) => seen !== undefined,
    );
    const plain = await startStubAgent({ cluster: "prod" });
    onEnd(() => plain.stop());
    const other = await startOther(server, "dev");
    await announced(server, "prod", plain.address);
    await announced(server, "prod", other.address);
    const [target] = (await server.pool.on(web).workload.list({ ...web, namespace: "*" })).items;
    const one = { ...web, namespace: target!.namespace, name: target!.name };
    const outcomes: string[] = [];
    for (let call = 0; call < 30; call++) {
      const actors = Array.from({ length: 6 }, (_, user) => ({ actor: `user-${user}` }));
      const reads = actors.map((more) => outcome(() => server.pool.on(web).workload.get(one, more)));
      outcomes.push(...(await Promise.all(reads)));
    }
    for (let call = 0; call < 20; call++) {
      outcomes.push(await outcome(() => server.pool.on(web).workload.restart({ ...one, dryRun: true } as never)));
    }
    const failed = outcomes.filter((code) => code !== "answered").length;
    figure("false entries for prod", `${failed} of ${outcomes.length} calls failed, ${other.calls} heard`, "0 and 0");
    expect([failed, other.calls, plain.calls.size]).toEqual([0, 0, 0]);
  });

  test("holds keys made of pattern characters: they are counted, and match nothing", async () => {
    const server = await startTestServer();
    const prod = await startStubAgent({ cluster: "prod", rows: [row("prod", "web")] });
    onEnd(() => prod.stop());
    await announced(server, "prod", prod.address);
    const planted = [
      ".*",
      "p.*d",
      "[a-z]+",
      "prod|eu",
      "^prod$",
      "prod\\",
      "p?od",
      "*",
      "$(id)",
      "prod/../dev",
      "%2e",
      "",
    ];
    for (const name of planted) {
      server.registry.put(`lizardcd-agent.*.${name}`, "x", "127.0.0.1:9");
      server.registry.put(`lizardcd-agent.${name}.prod`, `y${name}`, "127.0.0.1:9");
    }
    // A dot is a dot, and these are names like any other.
    for (const name of ["p.od", "prod2", "constructor", "prod.eu"]) {
      server.registry.put(`lizardcd-agent.*.${name}`, "x", "127.0.0.1:9");
    }
    await eventually(
      () => server.pool.directory.find("prod.eu"),
      (entry) => entry !== undefined,
    );
    const state = server.pool.directory.sources().find(({ kind }) => kind === "memory")!;
    // lizardcd-agent.*.prod is the one key of them that is ours, and a second instance of it.
    expect([state.ignored, state.entries]).toEqual([planted.length * 2 - 1, 6]);
    for (const name of ["p.*d", ".*", "pro", "prodx", "__proto__", "toString"]) {
      expect([name, server.pool.directory.find(name)]).toEqual([name, undefined]);
    }
    expect([...server.pool.directory.find("prod")!.endpoints.keys()]).toEqual([prod.address, "127.0.0.1:9"]);
    const path = `/clusters/${encodeURIComponent("p.*d")}/namespaces/shop/deployments/web`;
    expect((await server.client.get(path)).status).toBeGreaterThanOrEqual(400);
    expect((await server.client.get("/clusters/p.od/agent")).body.params.key).toBe("lizardcd-agent.*.p.od");
  });
});

describe("an agent that answers with", () => {
  const gigabyte = 1024 ** 3;

  for (const [what, answer] of Object.entries({
    "1 GB": endless(gigabyte),
    "256 MB, compressed,": endless(1024 ** 2, gzipSync(Buffer.alloc(gigabyte / 4))),
  })) {
    test(`${what} is read no further than 16 MiB, and told so`, async () => {
      const server = await startTestServer({ timeoutMs: 10_000 });
      const rogue = await startRogue(answer);
      await announced(server, "prod", rogue.address);
      Bun.gc(true);
      const before = process.memoryUsage().rss;
      let most = before;
      const watching = setInterval(() => {
        most = Math.max(most, process.memoryUsage().rss);
      }, 10);
      const began = performance.now();
      const answers = [];
      for (let call = 0; call < 5; call++) answers.push(await server.client.get("/clusters/prod/agent"));
      const streamed = await outcome(async () => {
        for await (const _ of server.pool.on(web).workload.watch(web));
      });
      const ms = performance.now() - began;
      clearInterval(watching);
      const grown = Math.round((most - before) / 1024 ** 2);
      figure(`answer of ${what}`, `${grown} MB more, 6 calls in ${shownMs(ms)}`, "bounded");
      for (const { status, body } of answers) expect([status, body.code]).toEqual([502, "agent.answer_too_large"]);
      expect(answers[0]!.body.message).toContain("16 MiB");
      expect(streamed).toBe("agent.answer_too_large");
      expect(grown).toBeLessThan(400);
    });
  }

  test("one byte a second is given up at the deadline, and others are not held up", async () => {
    const deadlineMs = 1_000;
    const server = await startTestServer({ timeoutMs: deadlineMs, summaryMs: 60_000 });
    const rogue = await startRogue(dripping);
    const other = await startStubAgent({ cluster: "eu-1" });
    onEnd(() => other.stop());
    await announced(server, "eu-1", other.address);
    const givenUp = { ms: 0, lateMs: 0 };
    let turn = 0;
    let ended: Promise<void> = Promise.resolve();
    const call = async () => expect((await server.client.get("/clusters/eu-1/agent")).status).toBe(200);
    const rounds = await besides(call, {
      async begin() {
        // Each time another one, whose gate has not closed yet.
        const cluster = `slow-${++turn}`;
        await announced(server, cluster, rogue.address);
        const [late, began] = [lateness(), performance.now()];
        const slow = Array.from({ length: 10 }, (_, user) =>
          outcome(() => server.pool.on({ cluster }).agent.info({ cluster }, { actor: `user-${user}` })),
        );
        ended = Promise.all(slow).then((codes) => {
          expect(new Set(codes)).toEqual(new Set(["request.timed_out"]));
          const [ms, lateMs] = [performance.now() - began, late()];
          if (ms - lateMs > givenUp.ms - givenUp.lateMs) Object.assign(givenUp, { ms, lateMs });
        });
        await Bun.sleep(100);
      },
      end: () => ended,
    });
    expectUntouched("one byte a second", rounds);
    // A tenth for the way there and back.
    expectWithin("one byte a second: given up after", givenUp.ms, deadlineMs * 1.1, givenUp.lateMs);
  });

  test("a summary of megabytes is not kept", async () => {
    const server = await startTestServer();
    const worst = Array.from({ length: 20_000 }, (_, index) => ({
      ...{ namespace: "shop", resource: "deployments", state: "failed" },
      name: `w-${index}`.padEnd(200, "x"),
    }));
    const summary = toBinary(SummaryResponseSchema, create(SummaryResponseSchema, { synced: true, worst } as never));
    const rogue = await startRogue((stream) => answerWhole(stream, summary));
    await announced(server, "prod", rogue.address);
    const [known] = await eventually(
      () => [...(server.summaries.clusters().get("prod") ?? [])],
      ([one]) => one?.failure !== undefined || one?.summary !== undefined,
    );
    expect([known!.summary, known!.failure?.code]).toEqual([undefined, "agent.answer_too_large"]);
  });
});

test("a certificate that is revoked ends the open connection, and the streams on it, within a second", async () => {
  const server = await startTestServer({ trust: { lifeMs: day }, timeoutMs: 20_000 });
  const { start, sandbox } = await agentFleet(server, "prod");
  await start();
  await eventually(
    () => [...(server.pool.directory.find("prod")?.endpoints.values() ?? [])][0]?.seenAt,
    (seen) => seen !== undefined,
  );
  const stream = server.pool
    .on(web)
    .workload.watch({ ...web, namespace: "*" })
    [Symbol.asyncIterator]();
  const { value } = await stream.next();
  const target = (value!.event as { value: { namespace: string; name: string } }).value;
  let streamEnded: number | undefined;
  const streamed = outcome(async () => {
    while (!(await stream.next()).done);
  }).finally(() => {
    streamEnded = performance.now();
  });
  sandbox.fault({ delayMs: 15_000, match: `deployments/${target.name}` });
  const read = outcome(() => server.pool.on(web).workload.get({ ...web, ...target, resource: "deployments" }));
  await Bun.sleep(300);
  const late = lateness();
  const began = performance.now();
  expect((await server.client.post("/agents/revocations", { cluster: "prod" })).body.revoked).toBeGreaterThan(0);
  expect(await streamed).toBe("agent.untrusted");
  expect(await read).toBe("agent.untrusted");
  const readMs = performance.now() - began;
  const endedMs = Math.max(streamEnded! - began, readMs);
  expectWithin("certificate revoked: stream and call ended", endedMs, 1_000, late());
  expect(await outcome(() => server.pool.on(web).agent.info(web))).toBe("agent.untrusted");
  await msUntil("its connection was closed", () => server.pool.connections === 0);
});

/** An agent with a true certificate of another cluster. */
async function startOther(server: TestServer, cluster: string) {
  const { body } = await server.client.post("/agents/invitations", { cluster });
  const stop = new AbortController();
  onEnd(() => stop.abort());
  const identity = await enrolledIdentity({
    server: server.url,
    cluster,
    token: body.token,
    log: log("agent"),
    signal: stop.signal,
  });
  const heard = { calls: 0, address: "" };
  const answer = async () => {
    heard.calls++;
    return {};
  };
  const grpcServer = new grpc.Server();
  const handlers = { info: answer, summary: answer } as unknown as Handlers<typeof AgentService>;
  serve(grpcServer, AgentService, handlers, { place: "agent" });
  const port = await new Promise<number>((resolve, reject) =>
    grpcServer.bindAsync("127.0.0.1:0", identity.serverCredentials(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  onEnd(() => grpcServer.forceShutdown());
  heard.address = `127.0.0.1:${port}`;
  return heard;
}

type Rogue = (stream: ServerHttp2Stream) => void;

/** Speaks HTTP/2 and says what it likes. */
async function startRogue(answer: Rogue): Promise<{ address: string }> {
  const sessions = new Set<{ destroy(): void }>();
  const server = createServer();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}` };
}

const headers = { ":status": 200, "content-type": "application/grpc+proto" };

function head(bytes: number, compressed = false): Buffer {
  const buffer = Buffer.alloc(5);
  buffer[0] = compressed ? 1 : 0;
  buffer.writeUInt32BE(bytes, 1);
  return buffer;
}

/** Says how much is coming, and sends as fast as it is taken. */
function endless(total: number, compressed?: Buffer): Rogue {
  return (stream) => {
    stream.respond({ ...headers, ...(compressed ? { "grpc-encoding": "gzip" } : {}) });
    if (compressed) {
      stream.write(head(compressed.length, true));
      stream.write(compressed);
      return;
    }
    stream.write(head(total));
    const chunk = Buffer.alloc(1024 ** 2, "x");
    let sent = 0;
    const more = () => {
      while (!stream.destroyed && !stream.closed && sent < total) {
        sent += chunk.length;
        if (!stream.write(chunk)) return void stream.once("drain", more);
      }
    };
    more();
  };
}

function dripping(stream: ServerHttp2Stream): void {
  stream.respond(headers);
  stream.write(head(1_000));
  const timer = setInterval(() => {
    if (stream.destroyed || stream.closed) clearInterval(timer);
    else stream.write(Buffer.from([0]));
  }, 1_000);
  stream.on("close", () => clearInterval(timer));
}

function answerWhole(stream: ServerHttp2Stream, message: Uint8Array): void {
  stream.respond(headers, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.write(head(message.length));
  stream.end(Buffer.from(message));
}
