// The authority: what a server without one says at each of its doors, and whom one with it no longer believes.
import { afterEach, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type PeerCertificate } from "node:tls";
import { client, endAll, onEnd, startTestServer } from "../../test/harness.ts";
import { http2Channel } from "../contract/http2-channel.ts";
import { log } from "../process/log.ts";
import { createAuthority, openAuthority } from "../trust/authority.ts";
import { readCertificate } from "../trust/identity.ts";
import { newRequest, prove } from "../trust/request.ts";
import { openDataFolder } from "./data.ts";
import { openStore } from "./store/store.ts";
import { createTrust, type Peer, type Trust } from "./trust.ts";

afterEach(endAll);

describe("a server without its own authority", () => {
  test("says that nobody can enroll here, and what to do, whichever way it is asked", async () => {
    const server = await startTestServer();
    const asked = {
      "/agents/invitations": { cluster: "eu-1" },
      "/agents/certificates": { cluster: "eu-1", token: server.joinToken, request: "x" },
      "/agents/certificates/renew": { certificate: "x", request: "x", proof: "x" },
      "/agents/revocations": { cluster: "eu-1" },
    };
    for (const [path, body] of Object.entries(asked)) {
      const answer = await server.client.post(path, body);
      expect([path, answer.status, answer.body.code]).toEqual([path, 409, "trust.off"]);
      expect(answer.body.message).toContain("--insecure and --join-token-file");
    }
    const page = await server.client.page("/agents/invitations", { form: { cluster: "eu-1" } });
    expect([page.status, page.body.includes("runs without its own authority")]).toEqual([409, true]);
    expect((await client(server.url, "").post("/agents/invitations", { cluster: "eu-1" })).status).toBe(401);
  });

  test("does not offer a token on the page of an empty fleet, and names the command that works", async () => {
    const server = await startTestServer();
    const { body } = await server.client.page("/fleet");
    expect(body).toContain("--join-token-file DATA/join-token --insecure");
    expect(body).toContain("calls its agents without certificates");
    expect(body).not.toContain("#enroll");
  });
});

test("a server with an authority offers a token there, one that was given its certificates does not", async () => {
  const own = await startTestServer({ trust: { lifeMs: 86_400_000 } });
  const { body } = await own.client.page("/fleet");
  expect([body.includes("#enroll"), body.includes("--insecure")]).toEqual([true, false]);
  const kept = await createAuthority();
  const pair = await openAuthority(kept).own(86_400_000);
  const trust = { lifeMs: 86_400_000, given: () => ({ ca: kept.certificate, ...pair }) };
  const given = await startTestServer({ trust });
  const page = (await given.client.page("/fleet")).body;
  expect([page.includes("#enroll"), page.includes("signs none")]).toEqual([false, true]);
});

test("a certificate that was revoked while the clock was a day ahead stays so when it is set right", async () => {
  const store = await openStore(":memory:");
  onEnd(() => store.close());
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-revoked-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const data = await openDataFolder(folder);
  const hour = 3_600_000;
  let ahead = 0;
  const open = async () => {
    const clock = () => Date.now() + ahead;
    const trust = await createTrust({ data, store, joinToken: "join", lifeMs: 12 * hour, clock, log: log("trust") });
    onEnd(() => trust.close());
    return trust;
  };
  const { key, request } = await newRequest();
  const { certificate } = await (await open()).enroll("join", "eu-1", request);
  ahead = 23 * hour;
  expect(await (await open()).revoke("eu-1", "")).toBe(1);
  const restarted = await open();
  ahead = 0;
  const proof = await prove("text", key);
  expect(() => restarted.identify(certificate, "text", proof)).toThrow("it is revoked");
});

test("an agent that speaks no TLS 1.3 is not called, though its certificate is right", async () => {
  const trust = await opened();
  const { key, request } = await newRequest();
  const { certificate: cert } = await trust.enroll("join", "eu-1", request);
  for (const [version, problem] of [
    ["TLSv1.2", /protocol.version|unsupported.protocol/i],
    ["TLSv1.3", /hung up/],
  ] as const) {
    const agent = createServer({ cert, key, maxVersion: version, ALPNProtocols: ["h2"] }, (socket) => socket.end());
    agent.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => agent.listen(0, "127.0.0.1", resolve));
    onEnd(() => agent.close());
    let peer: Peer | undefined;
    const seen = (shown: Peer) => {
      peer = shown;
    };
    const pings = { everyMs: 60_000, withinMs: 60_000, idle: false };
    const secure = trust.secure({ namespace: "*", cluster: "eu-1" }, seen);
    const address = `127.0.0.1:${(agent.address() as AddressInfo).port}`;
    const channel = http2Channel(address, { mostAnswerBytes: 1024, pings, secure });
    await expect(channel.unary("/x/y", new Uint8Array(), { metadata: {} })).rejects.toThrow(problem);
    channel.close();
    expect([version, peer !== undefined]).toEqual([version, version === "TLSv1.3"]);
  }
});

test("a request that is refused leaves the one-time token as it was, and one that is signed uses it", async () => {
  const trust = await opened();
  const token = await trust.invite({ cluster: "eu-1", namespaces: ["*"] }, 60_000);
  for (const wrong of ["", "no request", `${(await newRequest()).request.slice(0, 200)}`]) {
    await expect(trust.enroll(token, "eu-1", wrong)).rejects.toMatchObject({ code: "certificate.request_invalid" });
  }
  const { request } = await newRequest();
  const { certificate } = await trust.enroll(token, "eu-1", request);
  expect(readCertificate(certificate).names).toContain("lizardcd://agent/*.eu-1");
  const again = trust.enroll(token, "eu-1", (await newRequest()).request);
  await expect(again).rejects.toThrow("it has been used");
});

test("of many who use one token at once, one gets a certificate", async () => {
  const trust = await opened();
  const token = await trust.invite({ cluster: "eu-1", namespaces: ["*"] }, 60_000);
  const { request } = await newRequest();
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => trust.enroll(token, "eu-1", request)));
  expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("a certificate of ours in which another cluster was written is none of ours: its signature no longer holds", async () => {
  const trust = await opened();
  const { key, request } = await newRequest();
  const { certificate } = await trust.enroll("join", "evil", request);
  const der = Buffer.from(new X509Certificate(certificate).raw);
  const at = der.indexOf("*.evil") + 2;
  der.write("eu-1", at, "latin1");
  const forged = new X509Certificate(der).toString();
  expect(readCertificate(forged).names).toContain("lizardcd://agent/*.eu-1");
  const proof = await prove("text", key);
  expect(() => trust.identify(forged, "text", proof)).toThrow("it is not signed here");
  expect(trust.identify(certificate, "text", proof).cluster).toBe("evil");
});

describe("a certificate that somebody else made", () => {
  const given = async () => {
    const kept = await createAuthority();
    const authority = openAuthority(kept);
    const own = await authority.own(86_400_000);
    const store = await openStore(":memory:");
    onEnd(() => store.close());
    const open = () => opened({ store, given: () => ({ ca: kept.certificate, ...own }) });
    const issue = async (cluster: string) => {
      const { key, request } = await newRequest();
      const { certificate } = await authority.sign(request, { cluster, namespaces: ["*"] }, 86_400_000);
      const peer = new X509Certificate(certificate).toLegacyObject() as PeerCertificate;
      return { certificate, serial: readCertificate(certificate).serial, proof: await prove("text", key), peer };
    };
    return { open, issue };
  };

  const problemOf = (trust: Trust, cluster: string, { peer }: { peer: PeerCertificate }) =>
    trust.secure({ namespace: "*", cluster }, () => {}).check(peer)?.message;

  test("is revoked with its cluster once it was shown here, called or calling, and stays so after a restart", async () => {
    const { open, issue } = await given();
    const trust = await open();
    const told: unknown[] = [];
    trust.onRevoked((cluster, serials) => told.push([cluster, serials.toSorted()]));
    const [called, calling, other] = [await issue("eu-1"), await issue("eu-1"), await issue("us-1")];
    expect(await trust.revoke("eu-1", "")).toBe(0);
    for (const one of [called, called]) expect(problemOf(trust, "eu-1", one)).toBeUndefined();
    expect(problemOf(trust, "us-1", other)).toBeUndefined();
    expect(trust.identify(calling.certificate, "text", calling.proof).cluster).toBe("eu-1");
    expect(await trust.revoke("eu-1", "")).toBe(2);
    expect(told).toEqual([["eu-1", [called.serial, calling.serial].toSorted()]]);
    for (const one of [trust, await open()]) {
      expect(problemOf(one, "eu-1", called)).toBe("its certificate is revoked");
      expect(() => one.identify(calling.certificate, "text", calling.proof)).toThrow("it is revoked");
      expect(problemOf(one, "us-1", other)).toBeUndefined();
    }
  });

  test("is revoked by its serial before it was ever shown; one shown for another cluster is not", async () => {
    const { open, issue } = await given();
    const trust = await open();
    const [unseen, other] = [await issue("eu-1"), await issue("us-1")];
    expect(problemOf(trust, "us-1", other)).toBeUndefined();
    expect(await trust.revoke("eu-1", `00${unseen.serial.toLowerCase()}`)).toBe(1);
    expect(await trust.revoke("eu-1", unseen.serial)).toBe(0);
    expect(await trust.revoke("eu-1", other.serial)).toBe(0);
    for (const one of [trust, await open()]) {
      expect(problemOf(one, "eu-1", unseen)).toBe("its certificate is revoked");
      expect(problemOf(one, "us-1", other)).toBeUndefined();
    }
  });

  test("may be of any authority in the file, of the one to come behind the one that ends", async () => {
    const [before, next] = [await createAuthority(), await createAuthority()];
    const authority = openAuthority(next);
    const own = await authority.own(86_400_000);
    const store = await openStore(":memory:");
    onEnd(() => store.close());
    const trust = await opened({ store, given: () => ({ ca: before.certificate + next.certificate, ...own }) });
    const { key, request } = await newRequest();
    const { certificate } = await authority.sign(request, { cluster: "eu-1", namespaces: ["*"] }, 86_400_000);
    expect(trust.identify(certificate, "text", await prove("text", key)).cluster).toBe("eu-1");
  });

  test("is nothing that a server with an authority of its own revokes by a serial it does not know", async () => {
    expect(await (await opened()).revoke("eu-1", "AB12")).toBe(0);
  });
});

async function opened(more: Partial<Parameters<typeof createTrust>[0]> = {}): Promise<Trust> {
  const store = more.store ?? (await openStore(":memory:"));
  if (!more.store) onEnd(() => store.close());
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-trust-"));
  onEnd(() => rm(folder, { recursive: true, force: true }));
  const data = await openDataFolder(folder);
  const clock = () => Date.now();
  const options = { data, store, joinToken: "join", lifeMs: 86_400_000, clock, log: log("trust"), ...more };
  const trust = await createTrust(options);
  onEnd(() => trust.close());
  return trust;
}
