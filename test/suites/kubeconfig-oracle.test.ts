// Our reading of a kubeconfig against the official client's: the agent reads the file itself, since loading the client
// would cost it more memory than all else together; here both read the same files and must mean the same.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import fc from "fast-check";
import { accessFromKubeconfig } from "../../src/agent/kubeconfig.ts";
import { createAuthority, createClientCertificate } from "../testbed/certificates.ts";

const folder = await mkdtemp(join(tmpdir(), "lizardcd-oracle-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const authority = createAuthority("ca");
const { cert, key } = createClientCertificate(authority, "ada");
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** What both say of one file. */
interface Meaning {
  server: string;
  context: string;
  cluster: string;
  namespace: string;
  ca: string;
  cert: string;
  key: string;
  authorization: string;
  insecure: boolean;
  serverName: string;
}

async function ours(path: string): Promise<Meaning> {
  const access = await accessFromKubeconfig(path);
  const { authorization = "", cert = "", key = "" } = await access.credentials.current();
  return {
    server: access.server,
    context: access.context,
    cluster: access.clusterName,
    namespace: access.namespace,
    ca: (await access.ca?.text()) ?? "",
    cert,
    key,
    authorization,
    insecure: access.insecure,
    serverName: access.tlsServerName ?? "",
  };
}

async function theirs(path: string): Promise<Meaning> {
  const config = new KubeConfig();
  config.loadFromFile(path);
  const cluster = config.getCurrentCluster()!;
  const options: RequestOptions & { headers: Record<string, string> } = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const text = (value: unknown) => (value === undefined || value === null ? "" : String(value));
  return {
    server: cluster.server.replace(/\/$/, ""),
    context: config.getCurrentContext(),
    cluster: cluster.name,
    namespace: config.getContextObject(config.getCurrentContext())!.namespace ?? "",
    ca: text(options.ca),
    cert: text(options.cert),
    key: text(options.key),
    authorization: options.headers.Authorization ?? (options.auth ? `Basic ${base64(options.auth)}` : ""),
    insecure: options.rejectUnauthorized === false,
    serverName: options.servername ?? "",
  };
}

let number = 0;

async function fileWith(cluster: object, user: object, context: object = {}): Promise<string> {
  const path = join(folder, `${number++}.yaml`);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "here",
    contexts: [
      { name: "decoy", context: { cluster: "other", user: "other" } },
      { name: "here", context: { cluster: "eu-1", user: "ada", ...context } },
    ],
    clusters: [
      { name: "other", cluster: { server: "https://192.0.2.1" } },
      { name: "eu-1", cluster: { server: "https://10.0.0.1:6443", ...cluster } },
    ],
    users: [
      { name: "other", user: { token: "not this one" } },
      { name: "ada", user },
    ],
  };
  // JSON is YAML in which every text is in quotes.
  await writeFile(path, JSON.stringify(config, null, 2));
  return path;
}

async function written(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe("a kubeconfig means what the official client takes it to mean", () => {
  const ca = authority.cert;
  const cases: Record<string, () => Promise<string>> = {
    "a token": () => fileWith({ "certificate-authority-data": base64(ca) }, { token: "secret-1" }),
    "a client certificate": () =>
      fileWith(
        { "certificate-authority-data": base64(ca) },
        { "client-certificate-data": base64(cert), "client-key-data": base64(key) },
      ),
    "files beside it": async () =>
      fileWith(
        { "certificate-authority": await written("ca.crt", ca) },
        {
          "client-certificate": await written("c.crt", cert),
          "client-key": await written("c.key", key),
        },
      ),
    "no check of the server": () => fileWith({ "insecure-skip-tls-verify": true }, { token: "secret-2" }),
    "another server name": () =>
      fileWith({ "certificate-authority-data": base64(ca), "tls-server-name": "kube.example" }, { token: "t" }),
    "a namespace": () => fileWith({}, { token: "t" }, { namespace: "shop" }),
    "plain HTTP to this machine": () =>
      fileWith({ server: "http://127.0.0.1:8001/", "insecure-skip-tls-verify": true }, {}),
    "a user and a password": () => fileWith({}, { username: "ada", password: "s3cret" }),
  };
  for (const [what, make] of Object.entries(cases)) {
    test(what, async () => {
      const path = await make();
      expect(await ours(path)).toEqual(await theirs(path));
    });
  }

  test("whatever the names and tokens are", async () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/);
    await fc.assert(
      fc.asyncProperty(word, word, fc.boolean(), async (token, namespace, insecure) => {
        const path = await fileWith({ "insecure-skip-tls-verify": insecure }, { token }, { namespace });
        expect(await ours(path)).toEqual(await theirs(path));
      }),
      { numRuns: 100 },
    );
  });
});
