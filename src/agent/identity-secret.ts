// The agent's identity in a Secret of its own namespace: a pod that replaces this one finds it there, and needs no new
// token. The agent needs `get` and `patch` on that one Secret, and `create` only where nobody made it before.
import { backoff, sleep } from "../process/backoff.ts";
import type { Log } from "../process/log.ts";
import { type Credentials, EnrollmentFailed, type IdentityStore } from "./identity-store.ts";
import { type Kube, type Query, StatusFailed } from "./kube.ts";

interface Secret {
  data?: Record<string, string>;
}

/** As cert-manager and `kubectl create secret tls` name them. */
const entries = { key: "tls.key", certificate: "tls.crt", ca: "ca.crt", invitation: "invitation" } as const;
const dryRun = { dryRun: "All" };

export function secretStore(kube: Kube, name: string, log: Log): IdentityStore {
  const namespace = kube.namespace || "default";
  const shown = `Secret ${namespace}/${name}`;
  const all = `/api/v1/namespaces/${namespace}/secrets`;
  const one = `${all}/${encodeURIComponent(name)}`;

  return {
    name: shown,
    flag: "--identity-secret",
    read: (signal) =>
      patiently(signal, async () => {
        const secret = await found(kube.get<Secret>(one, {}, { signal }));
        const { key, certificate, ca, invitation } = decoded(secret?.data ?? {});
        if (key && certificate && ca) return { key, certificate, ca, invitation };
        if (key || certificate || ca) {
          throw new EnrollmentFailed(
            `${shown} is not an agent's identity: empty it, or give another --identity-secret`,
          );
        }
        // A one-time token must not be spent on an identity that cannot be kept.
        await put({}, dryRun, signal);
        return undefined;
      }),
    write: (credentials, signal) => patiently(signal, () => put(encoded(credentials), {}, signal)),
  };

  async function put(data: Record<string, string>, query: Query, signal: AbortSignal): Promise<void> {
    if (await found(kube.patch<Secret>(one, { data }, query, { signal }))) return;
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name }, type: "Opaque", data };
    await kube.post<Secret>(all, secret, query, { signal });
  }

  /** Waits for an API server that does not answer yet; a refusal is final. @throws EnrollmentFailed */
  async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    const wait = backoff({ first: 250, most: 5_000 });
    for (;;) {
      try {
        return await ask();
      } catch (cause) {
        if (signal.aborted || cause instanceof EnrollmentFailed) throw cause;
        const problem = (cause as Error).message;
        if (cause instanceof StatusFailed && [400, 401, 403, 404, 422].includes(cause.status)) {
          throw new EnrollmentFailed(
            `the identity cannot be kept in ${shown}: ${problem}; let the agent's ServiceAccount get and patch it`,
            { cause },
          );
        }
        log.warn("the Secret of the identity is not reached", { secret: shown, problem });
        await sleep(wait.next(), signal);
        signal.throwIfAborted();
      }
    }
  }
}

/** Undefined where there is no such object. */
async function found<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof StatusFailed && cause.status === 404) return undefined;
    throw cause;
  }
}

function decoded(data: Record<string, string>): Partial<Credentials> {
  const text = (entry: string) => Buffer.from(data[entry] ?? "", "base64").toString("utf8") || undefined;
  const { key, certificate, ca, invitation } = entries;
  return { key: text(key), certificate: text(certificate), ca: text(ca), invitation: text(invitation) };
}

function encoded({ key, certificate, ca, invitation = "" }: Credentials): Record<string, string> {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return {
    [entries.key]: base64(key),
    [entries.certificate]: base64(certificate),
    [entries.ca]: base64(ca),
    [entries.invitation]: base64(invitation),
  };
}
