// A host that is lost: the agent in a network namespace of its own, whose link goes down under an open connection. No FIN
// and no RST reaches the server; it must know all the same.
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import type { Failed } from "../../src/contract/errors.ts";
import { endAll, eventually, onEnd, startTestServer } from "../harness.ts";
import { createHost, describeHosts } from "../testbed/network.ts";
import { processGroup } from "../testbed/processes.ts";
import { expectWithin, figure, lateness, msUntil, shownMs } from "./figure.ts";

afterEach(endAll);

const cluster = "eu-1";
const goalMs = 5_000;
const root = join(import.meta.dirname, "../..");

/** A server on this machine, a simulated cluster and its agent on the other host, which has answered. */
async function farAgent(reach: "address" | "tunnel") {
  const host = createHost();
  onEnd(() => host.remove());
  const server = await startTestServer({
    http: { host: host.gateway, port: 0 },
    trust: { lifeMs: 86_400_000 },
    // Neither a summary nor a lease that ends tells of it first.
    summaryMs: 600_000,
    embedded: { leaseMs: 600_000 },
    timeoutMs: 60_000,
  });
  const group = await processGroup({ name: "host", grace: 0 });
  onEnd(() => group.stop());
  const kubeconfig = join(group.folder, "kubeconfig");
  const run = (name: string, program: string, flags: string[]) =>
    group.start({ name, command: host.command([process.execPath, join("src", program), ...flags]), cwd: root });
  await run("sandbox", "sandbox/main.ts", ["--name", cluster, "--still", "--kubeconfig-out", kubeconfig]);
  await eventually(
    () => Bun.file(kubeconfig).exists(),
    (there) => there,
  );
  const address = `${host.address}:15017`;
  const flags = {
    kubeconfig,
    cluster,
    server: server.url,
    reach,
    "join-token-file": join(server.data, "join-token"),
    "grpc-addr": address,
    "metrics-addr": "127.0.0.1:0",
  };
  const agent = await run(
    "agent",
    "agent/main.ts",
    Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
  );
  const ask = () =>
    server.pool
      .on({ cluster })
      .agent.info({ cluster })
      .then(
        () => "answered",
        (cause: Failed) => cause.code,
      );
  await eventually(
    async () => (server.pool.directory.find(cluster) ? await ask() : agent.log().slice(-500)),
    (answer) => answer === "answered",
  );
  return { server, host, address, ask };
}

describeHosts("a host whose link goes down under an open connection", () => {
  for (const what of ["no call under way", "a stream under way"] as const) {
    test(`is known within 5 s where the server dialled, with ${what}, and is used again when it is back`, async () => {
      const { server, host, address, ask } = await farAgent("address");
      const key = { cluster, namespace: "*", resource: "workloads" };
      const rows = what.startsWith("a stream")
        ? server.pool.on(key).workload.watch(key)[Symbol.asyncIterator]()
        : undefined;
      await rows?.next();
      const ended = rows && drain(rows);
      const out = () =>
        (server.pool.directory.endpoint(address)?.ejectedUntil ?? Number.POSITIVE_INFINITY) > performance.now();
      expect(out()).toBe(false);
      const late = lateness();
      host.cut();
      const lostMs = await msUntil("it left out", out);
      expectWithin(`link down, server dialled, ${what}: left out`, lostMs, goalMs, late());
      if (ended) expect(await ended).toBe("agent.unavailable");
      host.mend();
      const backMs = await msUntil("it back", async () => (await ask()) === "answered");
      figure(`link up again, server dialled, ${what}: answers`, shownMs(backMs), "seconds");
    });
  }

  test("is known within 5 s where the agent dialled, and dials again when it is back", async () => {
    const { server, host, ask } = await farAgent("tunnel");
    const late = lateness();
    host.cut();
    const lostMs = await msUntil("it gone", () => server.pool.directory.find(cluster) === undefined);
    expectWithin("link down, agent dialled: gone", lostMs, goalMs, late());
    host.mend();
    await eventually(
      async () => (server.pool.directory.find(cluster) ? await ask() : "not there"),
      (answer) => answer === "answered",
      60_000,
    );
  });
});

async function drain(rows: AsyncIterator<unknown>): Promise<string> {
  try {
    while (!(await rows.next()).done);
    return "ended";
  } catch (cause) {
    return (cause as Failed).code;
  }
}
