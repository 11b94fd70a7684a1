import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { log } from "../process/log.ts";
import { type Sandbox, startSandbox } from "../sandbox/cluster.ts";
import { readCertificate } from "../trust/identity.ts";
import { enrolledIdentity } from "./identity.ts";
import { secretStore } from "./identity-secret.ts";
import { EnrollmentFailed } from "./identity-store.ts";
import { createKube, type Kube, StatusFailed } from "./kube.ts";
import { accessFromKubeconfig } from "./kubeconfig.ts";

// Hashing the first password alone takes a while on a busy machine.
setDefaultTimeout(30_000);

const folder = mkdtempSync(join(tmpdir(), "lizardcd-secret-"));
const secrets = "/api/v1/namespaces/lizardcd/secrets";
const never = new AbortController().signal;
let sandbox: Sandbox;
let kube: Kube;

beforeAll(async () => {
  sandbox = await startSandbox({ name: "sim", seed: { namespaces: ["lizardcd"] } });
  const path = join(folder, "kubeconfig");
  writeFileSync(path, sandbox.kubeconfig());
  kube = createKube({ ...(await accessFromKubeconfig(path)), namespace: "lizardcd" });
});
afterEach(endAll);
afterAll(async () => {
  kube.close();
  await sandbox.stop();
  rmSync(folder, { recursive: true });
});

const storeOf = (name: string) => secretStore(kube, name, log("trust"));
const secretOf = (name: string) => kube.get<{ data?: Record<string, string> }>(`${secrets}/${name}`);

async function emptySecret(): Promise<string> {
  const name = `identity-${crypto.randomUUID().slice(0, 8)}`;
  await kube.post(secrets, { apiVersion: "v1", kind: "Secret", metadata: { name, labels: { chart: "its" } } });
  return name;
}

async function tokenOf(server: TestServer, cluster: string): Promise<string> {
  return (await server.client.post("/agents/invitations", { cluster })).body.token;
}

function enroll(server: TestServer, cluster: string, secret: string, token?: string) {
  const stop = new AbortController();
  onEnd(() => stop.abort());
  const store = storeOf(secret);
  return enrolledIdentity({ server: server.url, cluster, token, store, log: log("agent"), signal: stop.signal });
}

async function failureOf(asked: Promise<unknown>): Promise<Error> {
  return asked.then(
    () => expect.unreachable("it was answered"),
    (cause) => cause,
  );
}

describe("an identity that is kept in a Secret", () => {
  test("is replaced by that of a new token", async () => {
    const server = await startTestServer({ trust: { lifeMs: 86_400_000 } });
    const name = await emptySecret();
    const certificate = async (token: string) =>
      (await (await enroll(server, "eu-1", name, token)).proof("x")).certificate;
    const [old, next] = [await tokenOf(server, "eu-1"), await tokenOf(server, "eu-1")];
    const first = await certificate(old);
    expect(await certificate(old)).toBe(first);
    const second = await certificate(next);
    expect(second).not.toBe(first);
    expect(await certificate(next)).toBe(second);
  });

  test("outlives its pod: the next one needs no token", async () => {
    const server = await startTestServer({ trust: { lifeMs: 86_400_000 } });
    const name = await emptySecret();
    const first = await enroll(server, "eu-1", name, await tokenOf(server, "eu-1"));
    const second = await enroll(server, "eu-1", name);
    const certificateOf = async (one: typeof first) => (await one.proof("x")).certificate;
    expect(await certificateOf(second)).toBe(await certificateOf(first));
    const { data } = await secretOf(name);
    expect(Object.keys(data ?? {}).sort()).toEqual(["ca.crt", "invitation", "tls.crt", "tls.key"]);
    expect(Buffer.from(data!["tls.crt"]!, "base64").toString()).toBe(await certificateOf(first));
  });

  test("a renewed certificate is kept too", async () => {
    const server = await startTestServer({ trust: { lifeMs: 1_500 } });
    const name = await emptySecret();
    const { certificate } = await (await enroll(server, "eu-1", name, await tokenOf(server, "eu-1"))).proof("x");
    const kept = async () => Buffer.from((await secretOf(name)).data!["tls.crt"]!, "base64").toString();
    const deadline = Date.now() + 20_000;
    while ((await kept()) === certificate && Date.now() < deadline) await Bun.sleep(50);
    expect(await kept()).not.toBe(certificate);
    expect(readCertificate(await kept()).names).toContain("*.eu-1");
  });

  test("is not taken by an agent of another cluster", async () => {
    const server = await startTestServer({ trust: { lifeMs: 86_400_000 } });
    const name = await emptySecret();
    await enroll(server, "eu-1", name, await tokenOf(server, "eu-1"));
    const failed = await failureOf(enroll(server, "us-1", name, await tokenOf(server, "us-1")));
    expect(failed).toBeInstanceOf(EnrollmentFailed);
    expect(failed.message).toBe(
      `Secret lizardcd/${name} is the identity of cluster eu-1, not of us-1: give another --identity-secret`,
    );
  });

  test("is made where nobody made it, and leaves what others wrote there", async () => {
    const [made, given] = [`made-${crypto.randomUUID().slice(0, 8)}`, await emptySecret()];
    const identity = { key: "k", certificate: "c", ca: "a" };
    for (const name of [made, given]) {
      expect(await storeOf(name).read(never)).toBeUndefined();
      await storeOf(name).write(identity, never);
      expect(await storeOf(name).read(never)).toEqual(identity);
    }
    expect(await secretOf(given)).toMatchObject({ metadata: { labels: { chart: "its" } } });
  });

  test("looking whether it can be kept writes nothing", async () => {
    const name = `looked-${crypto.randomUUID().slice(0, 8)}`;
    await storeOf(name).read(never);
    expect(await failureOf(secretOf(name))).toMatchObject({ status: 404 });
  });

  test("a Secret that holds something else is refused", async () => {
    const name = await emptySecret();
    await kube.patch(`${secrets}/${name}`, { data: { "tls.crt": "eA==" } });
    expect((await failureOf(storeOf(name).read(never))).message).toContain("is not an agent's identity");
  });

  test("a one-time token is not spent where the identity cannot be kept", async () => {
    const server = await startTestServer({ trust: { lifeMs: 86_400_000 } });
    const name = await emptySecret();
    const token = await tokenOf(server, "eu-1");
    const patch = async () => {
      throw new StatusFailed(403, "Forbidden", "secrets is forbidden: cannot patch", undefined, "patch");
    };
    const store = secretStore({ ...kube, patch }, name, log("trust"));
    const options = { server: server.url, cluster: "eu-1", token, log: log("agent"), signal: never };
    const failed = await failureOf(enrolledIdentity({ ...options, store }));
    expect(failed).toBeInstanceOf(EnrollmentFailed);
    expect(failed.message).toContain("let the agent's ServiceAccount get and patch it");
    const identity = await enroll(server, "eu-1", name, token);
    expect(readCertificate((await identity.proof("x")).certificate).names).toContain("*.eu-1");
  });
});
