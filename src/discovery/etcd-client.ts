// One client of etcd for one endpoint, and in words why it does not answer.
import type { Etcd3 } from "etcd3";
import { secureCredentials, type Trust, trustProblemOf } from "./tls.ts";

export interface EtcdOptions {
  /** "http://10.0.0.1:2379", "https://…" or "10.0.0.1:2379"; a session uses one, the next one another. */
  hosts: readonly string[];
  username?: string;
  password?: string;
  tls?: Trust;
  /** Milliseconds without an answer after which an endpoint counts as silent. */
  timeoutMs?: number;
}

export const standardTimeoutMs = 3_000;

export async function connectEtcd(
  host: string,
  { username, password, tls, timeoutMs = standardTimeoutMs }: EtcdOptions,
): Promise<Etcd3> {
  const pem = tls?.() ?? {};
  // Loaded when configured only: it costs 19 MB.
  const { Etcd3 } = await import("etcd3");
  // Hosts of old files have no scheme: a certificate or an authority says that TLS is meant.
  const secure = host.startsWith("https:") || (Boolean(pem.ca || pem.cert) && !host.startsWith("http:"));
  const url = `${secure ? "https" : "http"}://${host.replace(/^https?:\/\//, "").replace(/\/$/, "")}`;
  const plain = { execute: async <T>(run: (context: object) => T) => run({ signal: new AbortController().signal }) };
  const client = new Etcd3({
    hosts: url,
    ...(username ? { auth: { username, password: password ?? "" } } : {}),
    grpcOptions: { "grpc.max_receive_message_length": -1 },
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + timeoutMs }),
    // Retries and circuit breakers are this file's own: sessions with backoff.
    faultHandling: { host: () => plain as never, global: plain as never },
  });
  if (secure) trust(client, secureCredentials(new URL(url).hostname, pem));
  return client;
}

/** The package makes its credentials itself, of which none knows an address; nothing has been called by them yet. */
function trust(client: Etcd3, chosen: ReturnType<typeof secureCredentials>): void {
  const { pool } = client as unknown as { pool: Pool };
  pool.authenticator.credentials = chosen;
  for (const host of pool.hosts) host.channelCredentials = chosen;
}

interface Pool {
  authenticator: { credentials: unknown };
  hosts: { channelCredentials: unknown }[];
}

export function problemOf(cause: unknown): string {
  const { message } = cause as Error;
  // "14 UNAVAILABLE: No connection established. Last error: …"
  const problem = message.replace(/^\d+ [A-Z_]+: /, "").replace(/\.? Resolution note:.*$/s, "");
  return trustProblemOf(problem, "etcd") ?? problem;
}
