// Who may call an agent, by its address and through a tunnel: what is refused here never reaches an operation.
import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureVersion } from "node:tls";
import { endAll, onEnd } from "../../test/harness.ts";
import type { Channel } from "../contract/channel.ts";
import { stub } from "../contract/grpc.ts";
import { http2Channel } from "../contract/http2-channel.ts";
import { AgentService } from "../gen/lizardcd/v1/agent_pb.ts";
import { WorkloadService } from "../gen/lizardcd/v1/workload_pb.ts";
import { type Fields, type Log, log } from "../process/log.ts";
import { startSandbox } from "../sandbox/cluster.ts";
import { calm } from "../sandbox/seeds.ts";
import { type Authority, createAuthority, openAuthority, type Pair } from "../trust/authority.ts";
import { agentName } from "../trust/identity.ts";
import { newRequest } from "../trust/request.ts";
import { fileIdentity } from "./identity.ts";
import { createKube } from "./kube.ts";
import { accessFromKubeconfig } from "./kubeconfig.ts";
import { startAgent } from "./server.ts";

afterEach(endAll);

const day = 86_400_000;

test("an agent is called over TLS 1.3, never 1.2: by its address, through a tunnel, and with a renewed certificate", async () => {
  const { authority, address, tunnel, renew } = await agent();
  const server = await authority.own(day);
  for (const when of ["at first", "renewed"]) {
    for (const [way, at] of Object.entries({ address, tunnel })) {
      const over = async (version: SecureVersion) => outcome(at, authority, server, version);
      expect([when, way, await over("TLSv1.3")]).toEqual([when, way, "answered eu-1"]);
      expect([when, way, await over("TLSv1.2")]).toEqual([when, way, expect.stringContaining("PROTOCOL_VERSION")]);
    }
    await renew();
  }
});

test("a caller without a certificate, with a foreign one or an ended one is hung up on, which is not to be out of reach", async () => {
  const { authority, address, tunnel } = await agent();
  const foreign = await openAuthority(await createAuthority()).own(day);
  const callers = { none: undefined, foreign, ended: await authority.own(-1_000) };
  for (const [who, by] of Object.entries(callers)) {
    for (const at of [address, tunnel]) {
      const said = await outcome(at, authority, by);
      expect([who, said]).toEqual([who, expect.stringMatching(/hung up|CERTIFICATE_REQUIRED/)]);
    }
  }
  expect(await outcome("127.0.0.1:1", authority, await authority.own(day))).toContain("ECONNREFUSED");
  expect(await outcome(address, authority, await authority.own(day))).toBe("answered eu-1");
});

test("the log says of each write whose it was: actor, role and request", async () => {
  const lines: Fields[] = [];
  const written: Log = { ...log("agent"), info: (sentence, fields) => lines.push({ sentence, ...fields }) };
  const { authority, address } = await agent(written);
  const channel = channelTo(address, authority, await authority.own(day));
  onEnd(channel.close);
  const { list, restart } = stub(channel, WorkloadService);
  const { items } = await list({ cluster: "eu-1", namespace: "*", resource: "deployments" });
  const { namespace, name } = items.find(({ state }) => state === "ok")!;
  const web = { cluster: "eu-1", namespace, resource: "deployments", name };
  await restart(web, { actor: "ops-eu", role: "admin", requestId: "r1" });
  const line = lines.find(({ sentence }) => sentence === "workload restarted");
  expect(line).toMatchObject({ ...web, actor: "ops-eu", role: "admin", requestId: "r1" });
});

async function agent(written: Log = log("agent")) {
  const kept = await createAuthority();
  const authority = openAuthority(kept);
  const sandbox = await startSandbox({ name: "eu-1", seed: calm });
  onEnd(() => sandbox.stop());
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-agent-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const kubeconfig = join(folder, "kubeconfig");
  await Bun.write(kubeconfig, sandbox.kubeconfig());
  const files: Record<string, string> = { ca: kept.certificate };
  const renew = async () => {
    const { key, request } = await newRequest();
    const { certificate } = await authority.sign(request, { cluster: "eu-1", namespaces: ["*"] }, day);
    Object.assign(files, { key, certificate });
  };
  await renew();
  const identity = fileIdentity({ ca: "ca", key: "key", certificate: "certificate" }, (file) => files[file]!, day);
  onEnd(() => identity.stop());
  let inject: (stream: Duplex) => void = () => {};
  const running = await startAgent({
    kube: createKube(await accessFromKubeconfig(kubeconfig), {}),
    cluster: "eu-1",
    prefix: "",
    listen: "127.0.0.1:0",
    labels: {},
    identity,
    announcer(into) {
      inject = into;
      return {
        name: "none",
        announce: (_, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      };
    },
    log: written,
  });
  onEnd(() => running.stop());
  const tunnel = createServer((socket) => inject(socket));
  await new Promise<void>((resolve) => tunnel.listen(0, "127.0.0.1", resolve));
  onEnd(() => tunnel.close());
  return {
    authority,
    address: running.address,
    tunnel: `127.0.0.1:${(tunnel.address() as AddressInfo).port}`,
    async renew() {
      await renew();
      identity.lookAgain!();
    },
  };
}

function channelTo(
  address: string,
  { certificate: ca }: Authority,
  by: Pair | undefined,
  version: SecureVersion = "TLSv1.3",
): Channel {
  const versions = { minVersion: version, maxVersion: version };
  const context = createSecureContext({ ca, cert: by?.certificate, key: by?.key, ...versions });
  const secure = { context, serverName: agentName, check: () => undefined };
  const pings = { everyMs: 60_000, withinMs: 60_000, idle: false };
  return http2Channel(address, { mostAnswerBytes: 1024 * 1024, pings, secure });
}

/** What becomes of a call, in words. */
async function outcome(...to: Parameters<typeof channelTo>): Promise<string> {
  const channel = channelTo(...to);
  try {
    const { cluster } = await stub(channel, AgentService).info({ cluster: "eu-1" }, { deadline: Date.now() + 5_000 });
    return `answered ${cluster}`;
  } catch (cause) {
    return String((cause as Error).message);
  } finally {
    channel.close();
  }
}
