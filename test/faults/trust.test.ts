// Who may call whom: enrolment, mutual TLS, the tunnel, and what happens to those who are not who they say.
import { afterEach, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { EnrollmentFailed, enrolledIdentity, fileIdentity, type Identity } from "../../src/agent/identity.ts";
import { createKube } from "../../src/agent/kube.ts";
import { accessFromKubeconfig } from "../../src/agent/kubeconfig.ts";
import { startAgent } from "../../src/agent/server.ts";
import { tunnelAnnouncer } from "../../src/agent/tunnel.ts";
import { stub } from "../../src/contract/grpc.ts";
import { overGrpc } from "../../src/contract/grpc-channel.ts";
import type { AnnounceState } from "../../src/discovery/discovery.ts";
import { announceToServer } from "../../src/discovery/server.ts";
import { AgentService } from "../../src/gen/lizardcd/v1/agent_pb.ts";
import { log } from "../../src/process/log.ts";
import { startSandbox } from "../../src/sandbox/cluster.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { backdateMs, createAuthority, openAuthority } from "../../src/trust/authority.ts";
import { readCertificate } from "../../src/trust/identity.ts";
import { newRequest } from "../../src/trust/request.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";

afterEach(endAll);

const day = 86_400_000;

async function temp(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-trust-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const trusting = (lifeMs = day) => startTestServer({ trust: { lifeMs } });

async function invite(server: TestServer, cluster: string, more: object = {}): Promise<string> {
  const { body } = await server.client.post("/agents/invitations", { cluster, ...more });
  return body.token;
}

function enroll(server: TestServer, cluster: string, token: string, file?: string): Promise<Identity> {
  const stop = new AbortController();
  onEnd(() => stop.abort());
  return enrolledIdentity({ server: server.url, cluster, token, file, log: log("agent"), signal: stop.signal });
}

type Reach = "address" | "tunnel";

async function agentFor(
  server: TestServer,
  cluster: string,
  identity: Identity | undefined,
  reach: Reach = "tunnel",
  onState: (state: AnnounceState) => void = () => {},
) {
  const sandbox = await startSandbox({ name: cluster, seed: calm });
  const folder = await temp();
  const kubeconfig = join(folder, "kubeconfig");
  await Bun.write(kubeconfig, sandbox.kubeconfig());
  const agent = await startAgent({
    kube: createKube(await accessFromKubeconfig(kubeconfig), {}),
    cluster,
    prefix: "",
    listen: "127.0.0.1:0",
    labels: {},
    identity,
    announcer:
      reach === "address"
        ? server.registry.announcer()
        : (inject) => {
            const tunnel = tunnelAnnouncer({
              server: server.url,
              inject,
              prove: async (challenge) => (identity ? identity.proof(challenge) : { token: server.joinToken }),
            });
            return { ...tunnel, announce: (what, signal) => tunnel.announce(what, signal, onState) };
          },
    log: log("agent"),
  });
  onEnd(() => sandbox.stop());
  onEnd(() => agent.stop());
  return { agent, sandbox };
}

const clusterState = async (server: TestServer, name: string): Promise<string | undefined> =>
  (await server.client.get("/fleet")).body.clusters.find((one: { name: string }) => one.name === name)?.state;

describe("an enrolled agent", () => {
  for (const reach of ["address", "tunnel"] as const) {
    test(`is found, called over mutual TLS and trusted by ${reach}`, async () => {
      const server = await trusting();
      const identity = await enroll(server, "eu-1", await invite(server, "eu-1"));
      await agentFor(server, "eu-1", identity, reach);
      await eventually(
        () => clusterState(server, "eu-1"),
        (state) => state === "ok",
      );
      const { body } = await server.client.get("/workloads?cluster=eu-1");
      expect(body.items.length).toBeGreaterThan(10);
      const { body: agents } = await server.client.get("/agents");
      expect(agents.items[0]).toMatchObject({ key: "lizardcd-agent.*.eu-1", state: "ok", refused: 0 });
      expect(agents.items[0].certificateMs).toBeGreaterThan(0);
      expect(agents.items[0].instances[0].address).toMatch(reach === "tunnel" ? /^tunnel$/ : /^127\.0\.0\.1:\d+$/);
    });
  }

  test("keeps its identity in a file of mode 0600 and needs no token at its next start", async () => {
    const server = await trusting();
    const file = join(await temp(), "deep", "identity.pem");
    const token = await invite(server, "eu-1");
    const first = await enroll(server, "eu-1", token, file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const again = await enroll(server, "eu-1", "", file);
    expect((await again.proof("x")).certificate.trim()).toBe((await first.proof("x")).certificate.trim());
    await expect(enroll(server, "us-1", "", file)).rejects.toThrow("is the identity of cluster eu-1, not of us-1");
  });

  test.each(["address", "tunnel"] as const)(
    "renews its certificate at two thirds of its life while it serves by %s: no call fails",
    async (reach) => {
      const server = await trusting(6_000);
      const identity = await enroll(server, "eu-1", await invite(server, "eu-1"));
      await agentFor(server, "eu-1", identity, reach);
      await eventually(
        () => clusterState(server, "eu-1"),
        (state) => state === "ok",
      );
      const before = (await identity.proof("x")).certificate;
      let calls = 0;
      let next = before;
      const end = Date.now() + 20_000;
      while (next === before || calls < 200) {
        expect((await server.client.get("/clusters/eu-1/agent")).status).toBe(200);
        calls++;
        if (calls % 50 === 0) for (const { address } of endpoints(server)) server.pool.drop(address);
        if (Date.now() > end) throw new Error("the certificate was not renewed");
        await Bun.sleep(10);
        if (next === before) next = (await identity.proof("x")).certificate;
      }
      expect(calls).toBeGreaterThanOrEqual(200);
      const [old, renewed] = [readCertificate(before), readCertificate(next)];
      // Certificates count whole seconds.
      const life = old.notAfter - old.notBefore - backdateMs;
      const after = renewed.notBefore - old.notBefore;
      expect(after).toBeGreaterThanOrEqual((life * 2) / 3 - 1_000);
      // Late by load alone; and one whose life is over is not renewed.
      expect(after).toBeLessThanOrEqual(life);
    },
    60_000,
  );

  test("that is revoked is refused within a second, and cannot come back with what it has", async () => {
    const server = await trusting();
    const identity = await enroll(server, "eu-1", await invite(server, "eu-1"));
    const said: string[] = [];
    await agentFor(server, "eu-1", identity, "tunnel", (state) =>
      said.push(state.announced ? "announced" : state.problem),
    );
    await eventually(
      () => clusterState(server, "eu-1"),
      (state) => state === "ok",
    );
    expect((await server.client.post("/agents/revocations", { cluster: "eu-1" })).body.revoked).toBe(1);
    const answer = await server.client.get("/clusters/eu-1/agent");
    expect([answer.status, answer.body.code]).toEqual([503, "agent.untrusted"]);
    expect(answer.body.message).toContain("revoked");
    await eventually(
      () => said.at(-1) ?? "",
      (last) => last.includes("its certificate is revoked"),
    );
    await eventually(
      () => clusterState(server, "eu-1"),
      (state) => state === "lost",
    );
    expect((await server.client.post("/agents/revocations", { cluster: "eu-1" })).status).toBe(404);
  });

  test("that is revoked comes back by a new token beside what is kept, and not by the old one", async () => {
    const server = await trusting();
    const file = join(await temp(), "agent.pem");
    const token = await invite(server, "eu-1");
    const shown = async (given: string) =>
      (await (await enroll(server, "eu-1", given, file)).proof("x")).certificate.trim();
    const first = await shown(token);
    await server.client.post("/agents/revocations", { cluster: "eu-1" });
    expect(await shown(token)).toBe(first);
    expect(await shown(await invite(server, "us-1"))).toBe(first);
    expect(await shown(server.joinToken)).toBe(first);
    const again = await invite(server, "eu-1");
    const second = await shown(again);
    expect(second).not.toBe(first);
    expect(await shown(again)).toBe(second);
    await agentFor(server, "eu-1", await enroll(server, "eu-1", again, file), "tunnel");
    await eventually(
      () => clusterState(server, "eu-1"),
      (state) => state === "ok",
    );
  });
});

describe("certificates that somebody else makes", () => {
  test("are trusted by the names they carry, and read again on both sides when they change", async () => {
    const kept = await createAuthority();
    const authority = openAuthority(kept);
    let own = await authority.own(day);
    const server = await startTestServer({
      trust: { lifeMs: day, given: () => ({ ca: kept.certificate, certificate: own.certificate, key: own.key }) },
    });
    const folder = await temp();
    const files = { ca: join(folder, "ca.crt"), certificate: join(folder, "tls.crt"), key: join(folder, "tls.key") };
    const issue = async () => {
      const { key, request } = await newRequest();
      const { certificate } = await authority.sign(request, { cluster: "eu-1", namespaces: ["*"] }, day);
      await Bun.write(files.ca, kept.certificate);
      await Bun.write(files.certificate, certificate);
      await Bun.write(files.key, key);
      return certificate;
    };
    await issue();
    const identity = fileIdentity(files, (file) => readFileSync(file, "utf8"), 50);
    onEnd(() => identity.stop());
    await agentFor(server, "eu-1", identity, "address");
    await eventually(
      () => clusterState(server, "eu-1"),
      (state) => state === "ok",
    );
    const renewed = await issue();
    own = await authority.own(day);
    await eventually(
      async () => (await identity.proof("x")).certificate,
      (certificate) => certificate === renewed,
    );
    for (const { address } of endpoints(server)) server.pool.drop(address);
    expect((await server.client.get("/clusters/eu-1/agent")).status).toBe(200);
    const { body } = await server.client.post("/agents/certificates", {
      token: server.joinToken,
      cluster: "eu-1",
      request: (await newRequest()).request,
    });
    expect(body.code).toBe("certificate.request_invalid");
  });
});

describe("an enrollment token", () => {
  const codeOf = async (server: TestServer, cluster: string, token: string): Promise<string> => {
    const { request } = await newRequest();
    const { body } = await server.client.post("/agents/certificates", { token, cluster, request });
    return body.code ?? "enrolled";
  };

  test("works once, for its cluster, in its time", async () => {
    const server = await trusting();
    const token = await invite(server, "eu-1");
    expect(await codeOf(server, "us-1", token)).toBe("token.enroll_wrong");
    expect(
      await codeOf(server, "eu-1", `${token.slice(0, 20)}${token[20] === "x" ? "y" : "x"}${token.slice(21)}`),
    ).toBe("token.enroll_wrong");
    expect(await codeOf(server, "eu-1", token)).toBe("enrolled");
    expect(await codeOf(server, "eu-1", token)).toBe("token.enroll_wrong");
    const short = await invite(server, "eu-1", { lifetime: 1 });
    await Bun.sleep(1_100);
    expect(await codeOf(server, "eu-1", short)).toBe("token.enroll_wrong");
  });

  test("used by two at once admits one", async () => {
    const server = await trusting();
    const token = await invite(server, "eu-1");
    const codes = await Promise.all(Array.from({ length: 8 }, () => codeOf(server, "eu-1", token)));
    expect(codes.filter((code) => code === "enrolled")).toHaveLength(1);
  });

  test("is refused by an agent where another server answers: the token pins the CA", async () => {
    const [right, wrong] = [await trusting(), await trusting()];
    const token = await invite(wrong, "eu-1");
    const [version, id, secret] = token.split(".");
    const pin = (await invite(right, "eu-1")).split(".")[3];
    await expect(enroll(wrong, "eu-1", [version, id, secret, pin].join("."))).rejects.toBeInstanceOf(EnrollmentFailed);
  });

  test("never stands in the store or the audit", async () => {
    const server = await trusting();
    const token = await invite(server, "eu-1");
    await codeOf(server, "eu-1", token);
    const { body } = await server.client.get("/audit");
    expect(JSON.stringify(body)).not.toContain(token.split(".")[2]);
  });
});

describe("attacks", () => {
  test("an agent whose certificate is for another cluster is not called under a key that somebody wrote for it", async () => {
    const server = await trusting();
    const identity = await enroll(server, "dev", await invite(server, "dev"));
    const { agent } = await agentFor(server, "dev", identity, "address");
    server.announce("prod", agent.address);
    const answer = await eventually(
      () => server.client.get("/clusters/prod/agent"),
      ({ status }) => status !== 404,
    );
    expect([answer.status, answer.body.code]).toEqual([503, "agent.untrusted"]);
    expect(answer.body.message).toContain("*.dev");
    expect((await server.client.get("/clusters/dev/agent")).status).toBe(200);
  });

  test("a namespace's certificate does not open the whole cluster", async () => {
    const server = await trusting();
    const identity = await enroll(server, "eu-1", await invite(server, "eu-1", { namespaces: ["shop"] }));
    const { agent } = await agentFor(server, "eu-1", identity, "address");
    server.announce("eu-1", agent.address, "pay");
    const at = "/clusters/eu-1/namespaces/pay/deployments/gateway";
    const answer = await eventually(
      () => server.client.get(at),
      ({ status }) => status !== 404,
    );
    expect(answer.body.code).toBe("agent.untrusted");
  });

  test("an agent without a certificate, or with one of a foreign authority or an ended one, is not called", async () => {
    const server = await trusting();
    const { agent: plain } = await agentFor(server, "plain-1", undefined, "address");
    expect(plain.address).toContain(":");
    const foreign = openAuthority(await createAuthority());
    const own = openAuthority({
      certificate: (await Bun.file(join(server.data, "ca.crt")).text()).trim(),
      key: await Bun.file(join(server.data, "ca.key")).text(),
    });
    const bad = async (cluster: string, authority: typeof own, lifeMs: number) => {
      const { key, request } = await newRequest();
      const { certificate } = await authority.sign(request, { cluster, namespaces: ["*"] }, lifeMs);
      const credentials = grpc.ServerCredentials.createSsl(
        Buffer.from(authority.certificate),
        [{ cert_chain: Buffer.from(certificate), private_key: Buffer.from(key) }],
        true,
      );
      await agentFor(server, cluster, { serverCredentials: () => credentials } as unknown as Identity, "address");
    };
    await bad("foreign-1", foreign, day);
    await bad("ended-1", own, -1_000);
    for (const cluster of ["plain-1", "foreign-1", "ended-1"]) {
      const answer = await eventually(
        () => server.client.get(`/clusters/${cluster}/agent`),
        ({ status }) => status !== 404,
      );
      expect([cluster, answer.status]).toEqual([cluster, 503]);
    }
  });

  test("an agent whose certificate ends is not called on what was connected before, by address and by tunnel", async () => {
    const server = await trusting(8_000);
    const ask = (cluster: string) => server.client.get(`/clusters/${cluster}/agent`);
    const start = async (cluster: string, reach: Reach, renews: boolean) => {
      const stop = new AbortController();
      onEnd(() => stop.abort());
      const options = { server: server.url, cluster, log: log("agent"), signal: stop.signal };
      const identity = await enrolledIdentity({ ...options, token: await invite(server, cluster) });
      if (!renews) stop.abort();
      await agentFor(server, cluster, identity, reach);
      await eventually(
        () => ask(cluster),
        ({ status }) => status === 200,
      );
    };
    await Promise.all([
      start("address", "address", false),
      start("tunnel", "tunnel", false),
      start("renewed", "address", true),
    ]);
    for (const cluster of ["address", "tunnel"]) {
      const { status, body } = await eventually(
        () => ask(cluster),
        ({ status }) => status !== 200,
      );
      expect([cluster, status, body.code]).toEqual([cluster, 503, "agent.unavailable"]);
    }
    // One that renews its own shows the new one to the next connection.
    expect((await ask("renewed")).status).toBe(200);
  });

  test("nobody but the server may call an agent: not without a certificate, not with an agent's", async () => {
    const server = await trusting();
    const identity = await enroll(server, "eu-1", await invite(server, "eu-1"));
    const { agent } = await agentFor(server, "eu-1", identity, "address");
    const ca = await Bun.file(join(server.data, "ca.crt")).bytes();
    const authority = openAuthority({
      certificate: Buffer.from(ca).toString(),
      key: await Bun.file(join(server.data, "ca.key")).text(),
    });
    const { key, request } = await newRequest();
    const other = await authority.sign(request, { cluster: "evil", namespaces: ["*"] }, day);
    const anyName = { checkServerIdentity: () => undefined };
    const callers = {
      plaintext: grpc.credentials.createInsecure(),
      "no certificate": grpc.credentials.createSsl(Buffer.from(ca), null, null, anyName),
      "an agent's": grpc.credentials.createSsl(
        Buffer.from(ca),
        Buffer.from(key),
        Buffer.from(other.certificate),
        anyName,
      ),
    };
    for (const [who, credentials] of Object.entries(callers)) {
      const client = new grpc.Client(agent.address, credentials, { "grpc.ssl_target_name_override": "agent.lizardcd" });
      const asked = stub(overGrpc(client), AgentService).info({ cluster: "eu-1" }, { deadline: Date.now() + 3_000 });
      const outcome = await asked.then(
        () => "answered",
        () => "refused",
      );
      expect([who, outcome]).toEqual([who, "refused"]);
      client.close();
    }
  });

  test("a tunnel is refused to whoever cannot prove a certificate that covers its keys", async () => {
    const server = await trusting();
    const identity = await enroll(server, "dev", await invite(server, "dev"));
    const tries = {
      "the wrong key": ["lizardcd-agent.*.prod", (challenge: string) => identity.proof(challenge)],
      "no proof": ["lizardcd-agent.*.dev", async () => ({})],
      "the proof of something else": ["lizardcd-agent.*.dev", () => identity.proof("yesterday's challenge")],
      "a wrong token": ["lizardcd-agent.*.dev", async () => ({ token: "guess" })],
    } as const;
    for (const [what, [key, prove]] of Object.entries(tries)) {
      const stop = new AbortController();
      const problem = await new Promise<string>((resolve) => {
        const announcer = tunnelAnnouncer({ server: server.url, inject: () => {}, prove });
        const registration = { keys: [key], via: { address: "127.0.0.1:1" }, instance: crypto.randomUUID() };
        void announcer.announce(registration, stop.signal, (state) =>
          resolve(state.announced ? "let in" : state.problem),
        );
      });
      stop.abort();
      expect([what, problem]).not.toEqual([what, "let in"]);
    }
    expect([...server.pool.directory.entries()]).toEqual([]);
  });

  test("whoever stands between cannot have an agent sign a request for its certificate as a challenge", async () => {
    const server = await trusting();
    const identity = await enroll(server, "dev", await invite(server, "dev"));
    const { request } = await newRequest();
    const raw = request.replace(/-----[^-]+-----|\s/g, "");
    const signed: string[] = [];
    const prove = async (text: string) => {
      signed.push(text);
      return identity.proof(text);
    };
    for (const challenge of [request, raw, `1.1.${request}`]) {
      const between = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: (asked, server) => (server.upgrade(asked) ? undefined : Response.json({ challenge })),
        websocket: { open: (socket) => void socket.send(JSON.stringify({ challenge })), message() {} },
      });
      onEnd(() => between.stop(true));
      const to = { server: between.url.origin, prove };
      const registration = { keys: ["lizardcd-agent.*.dev"], via: { address: "127.0.0.1:1" }, instance: "a".repeat(8) };
      for (const announcer of [tunnelAnnouncer({ ...to, inject: () => {} }), announceToServer(to)]) {
        const stop = new AbortController();
        const problem = await new Promise<string>((resolve) => {
          void announcer.announce(registration, stop.signal, (state) => resolve(state.announced ? "" : state.problem));
        });
        stop.abort();
        expect(problem).toContain("is it a Lizardcd server?");
      }
    }
    expect(signed).toEqual([]);
  });

  test("an agent takes no renewed certificate by another authority: it would obey that one's server", async () => {
    const server = await trusting(4_000);
    const foreign = await createAuthority();
    const forger = openAuthority(foreign);
    const token = await invite(server, "dev");
    let forged = 0;
    let honest = false;
    const between = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      async fetch(asked) {
        const { pathname } = new URL(asked.url);
        const body = await asked.text();
        if (!pathname.endsWith("/renew") || honest) {
          return fetch(server.url + pathname, { method: asked.method, headers: asked.headers, body });
        }
        forged++;
        const { certificate } = await forger.sign(JSON.parse(body).request, { cluster: "dev", namespaces: ["*"] }, day);
        return Response.json({ certificate, ca: foreign.certificate, expiresIn: 3_600 });
      },
    });
    onEnd(() => between.stop(true));
    const stop = new AbortController();
    onEnd(() => stop.abort());
    const to = { server: between.url.origin, cluster: "dev", token };
    const identity = await enrolledIdentity({ ...to, log: log("agent"), signal: stop.signal });
    const shown = async () => (await identity.proof("x")).certificate;
    const first = await shown();
    await eventually(
      () => forged,
      (times) => times >= 1,
    );
    honest = true;
    const renewed = await eventually(shown, (certificate) => certificate !== first);
    const ours = new X509Certificate(await Bun.file(join(server.data, "ca.crt")).text());
    expect(new X509Certificate(renewed).verify(ours.publicKey)).toBe(true);
  });

  test("what an agent signed for something else is no request for a certificate, whatever stands in it", async () => {
    const server = await trusting();
    const identity = await enroll(server, "dev", await invite(server, "dev"));
    const { request } = await newRequest();
    const raw = request.replace(/-----[^-]+-----|\s/g, "");
    for (const text of [`announce\n${request}`, raw, Buffer.from(raw, "base64").toString("hex")]) {
      const { status, body } = await server.client.post("/agents/certificates/renew", {
        ...(await identity.proof(text)),
        request: text,
      });
      expect([status, body.code]).toEqual([400, "certificate.request_invalid"]);
    }
    const honest = { ...(await identity.proof(request)), request };
    expect((await server.client.post("/agents/certificates/renew", honest)).status).toBe(200);
  });
});

function endpoints(server: TestServer) {
  return [...server.pool.directory.entries()].flatMap((entry) => [...entry.endpoints.values()]);
}
