// The agent's own certificate: enrolled with a token, kept in a file, renewed at two thirds of its life while the agent
// serves on. The key is made here and never leaves.

import { createSecureContext } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import { operation } from "../contract/operation.ts";
import { backoff, sleep } from "../process/backoff.ts";
import type { Log } from "../process/log.ts";
import { proxied } from "../process/proxy.ts";
import { redirectOf } from "../process/redirect.ts";
import { reasonOf } from "../process/setting-file.ts";
import { unreachableServer } from "../process/unreachable.ts";
import { backdateMs, fingerprintOf } from "../trust/authority.ts";
import { identityOf, readCertificate } from "../trust/identity.ts";
import { newRequest, prove } from "../trust/request.ts";
import { type Credentials, EnrollmentFailed, fileStore, type IdentityStore } from "./identity-store.ts";

export { type Credentials, EnrollmentFailed } from "./identity-store.ts";

export interface Identity {
  /** For the gRPC server: a renewed certificate is taken up by new connections. */
  serverCredentials(): ServerCredentials;
  /** The certificate as it is now, and a text signed with its key: what proves who dials out. */
  proof(text: string): Promise<{ certificate: string; proof: string }>;
  /** When it ends, milliseconds UTC. */
  readonly end: number;
  /** The namespaces that it may announce; ["*"] for the whole cluster. */
  readonly namespaces: string[];
  /** Looks at once whether the files it came from have changed. @throws Error in words where they cannot be used */
  lookAgain?(): void;
  stop(): void;
}

export interface EnrollOptions {
  /** "https://lizardcd.example.com". */
  server: string;
  /** PEM of the CA to trust at that address instead of the system's; asked for each connection. */
  serverCa?: () => string | undefined;
  cluster: string;
  /** From an invitation, or the server's join token; needed where nothing is kept. */
  token?: string;
  /** Where key, certificate and CA are kept, mode 0600; without it they live in memory alone. */
  file?: string;
  /** Or kept there. */
  store?: IdentityStore;
  log: Log;
  signal: AbortSignal;
}

/** Opens what is kept, or enrolls. Waits for a server that does not answer yet. @throws EnrollmentFailed */
export async function enrolledIdentity(options: EnrollOptions): Promise<Identity> {
  const store = options.store ?? (options.file ? fileStore(options.file, options.log.warn) : undefined);
  const kept = store && (await openKept(options, store));
  const credentials = kept ? await orAnew(kept, options) : await enroll(options);
  if (credentials !== kept) await store?.write(credentials, options.signal);
  const identity = fixedIdentity(credentials);
  const stop = new AbortController();
  const take = (next: Credentials) => identity.set(next);
  void renewing(options, store, credentials, take, AbortSignal.any([options.signal, stop.signal]));
  return {
    ...identity,
    get end() {
      return identity.end;
    },
    get namespaces() {
      return identity.namespaces;
    },
    stop: () => stop.abort(),
  };
}

/**
 * A token that is not the one that the certificate came by is there to be used: the old one was revoked, most often. One
 * that cannot be used takes nothing away.
 */
async function orAnew(kept: Credentials, options: EnrollOptions): Promise<Credentials> {
  const given = invitationOf(options.token);
  if (!given || !kept.invitation || given === kept.invitation) return kept;
  try {
    return await enroll(options);
  } catch (cause) {
    if (!(cause instanceof EnrollmentFailed)) throw cause;
    options.log.warn("not enrolled with the new token, the kept certificate is used", { problem: cause.message });
    return kept;
  }
}

/** A certificate that somebody else makes and renews: its three files are read again when they change. */
export function fileIdentity(
  files: { certificate: string; key: string; ca: string },
  read: (file: string) => string,
  everyMs = 10_000,
  log?: Log,
): Identity {
  const load = () => {
    const next = { certificate: read(files.certificate), key: read(files.key), ca: read(files.ca) };
    // A key that is not the certificate's is refused here, where the old pair still holds.
    try {
      createSecureContext({ ca: next.ca, cert: next.certificate, key: next.key });
    } catch (cause) {
      const { certificate, key, ca } = files;
      throw new Error(`${certificate}, ${key} and ${ca} cannot be used together: ${reasonOf(cause)}`, { cause });
    }
    return next;
  };
  const identity = fixedIdentity(load());
  const lookAgain = () => {
    const next = load();
    if (JSON.stringify(next) !== JSON.stringify(identity.current())) identity.set(next);
  };
  const look = () => {
    try {
      lookAgain();
    } catch (cause) {
      // Half written, most often: the next look finds them whole.
      log?.warn("the certificate's files cannot be used, the old ones stay", { problem: (cause as Error).message });
    }
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  return {
    ...identity,
    get end() {
      return identity.end;
    },
    get namespaces() {
      return identity.namespaces;
    },
    lookAgain,
    stop: () => clearInterval(timer),
  };
}

/** What the server must speak: mutual TLS 1.3. A renewed certificate is taken up by new connections. */
class MutualTls extends ServerCredentials {
  constructor(first: Credentials) {
    super({ requestCert: true, rejectUnauthorized: true }, contextOf(first));
  }

  take(next: Credentials): void {
    this.updateSecureContextOptions(contextOf(next));
  }

  _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

// The least version stands beside the certificate: grpc-js sets both anew, and what its own credentials are given it
// forgets the version of.
const contextOf = ({ ca, certificate, key }: Credentials) =>
  ({ ca, cert: certificate, key, minVersion: "TLSv1.3" }) as const;

function fixedIdentity(first: Credentials) {
  let credentials = first;
  const tls = new MutualTls(first);
  return {
    current: () => credentials,
    set(next: Credentials) {
      credentials = next;
      tls.take(next);
    },
    serverCredentials: (): ServerCredentials => tls,
    async proof(text: string) {
      return { certificate: credentials.certificate, proof: await prove(text, credentials.key) };
    },
    get end() {
      return readCertificate(credentials.certificate).notAfter;
    },
    get namespaces() {
      return identityOf(readCertificate(credentials.certificate).names)?.namespaces ?? ["*"];
    },
    stop() {},
  };
}

async function enroll({ server, serverCa, cluster, token, log, signal }: EnrollOptions): Promise<Credentials> {
  if (!token) {
    throw new EnrollmentFailed(
      `the agent has no certificate: give it --token, made by \`lizardcd agents enroll --cluster ${cluster}\`, ` +
        "or again the --join-token-file with which it keeps none",
    );
  }
  const { key, request } = await newRequest();
  const wait = backoff({ first: 250, most: 5_000 });
  for (;;) {
    try {
      const answer = await ask({ server, serverCa }, "trust.enroll", { token, cluster, request }, signal);
      pinned(token, answer.ca);
      log.info("enrolled", { server, cluster, days: Math.round(answer.expiresIn / 86_400) });
      return { certificate: answer.certificate, key, ca: answer.ca, invitation: invitationOf(token) };
    } catch (cause) {
      if (cause instanceof EnrollmentFailed || signal.aborted) throw cause;
      const problem = await unreachableServer(server, (cause as Error).message);
      log.warn("the server does not answer yet", { server, problem });
      await sleep(wait.next(), signal);
    }
  }
}

const tokenVersion = "lz1";

/** The part of a token that names it and is no secret; undefined for the join token, which anybody may use again. */
function invitationOf(token = ""): string | undefined {
  const [version, id] = token.split(".");
  return version === tokenVersion ? id : undefined;
}

/** A token of ours ends with the beginning of the CA's fingerprint: another server cannot pass for the right one. */
function pinned(token: string, ca: string): void {
  const [version, , , pin] = token.split(".");
  if (version !== tokenVersion || !pin || fingerprintOf(ca).startsWith(pin)) return;
  throw new EnrollmentFailed("the server that answered is not the one that made the token: its CA is another one");
}

/** It was pinned at the enrolment: whoever could change it later would be whom the agent obeys. */
function sameAuthority({ certificate, ca }: Answer, kept: string): void {
  const { certificate: authority } = readCertificate(kept);
  if (fingerprintOf(ca) === fingerprintOf(kept) && readCertificate(certificate).certificate.verify(authority.publicKey))
    return;
  throw new EnrollmentFailed("what answered is not the server that the agent enrolled with: its CA is another one");
}

async function renewing(
  options: EnrollOptions,
  store: IdentityStore | undefined,
  first: Credentials,
  take: (next: Credentials) => void,
  signal: AbortSignal,
): Promise<void> {
  let credentials = first;
  const wait = backoff({ first: 1_000, most: 60_000 });
  while (!signal.aborted) {
    const { notBefore, notAfter } = readCertificate(credentials.certificate);
    const begun = notBefore + backdateMs;
    const due = begun + ((notAfter - begun) * 2) / 3 - Date.now();
    // setTimeout takes 31 bits of milliseconds: a long wait is taken in steps.
    if (due > 0) {
      await sleep(Math.min(due, 24 * 3_600_000), signal);
      continue;
    }
    try {
      const { key, request } = await newRequest();
      const proof = await prove(request, credentials.key);
      const body = { certificate: credentials.certificate, request, proof };
      const answer = await ask(options, "trust.renew", body, signal);
      sameAuthority(answer, credentials.ca);
      credentials = { ...credentials, certificate: answer.certificate, key, ca: answer.ca };
      // Taken up before it is kept: a full disk must not leave the agent with the old one.
      take(credentials);
      await store?.write(credentials, signal);
      wait.reset();
      options.log.info("certificate renewed", { days: Math.round(answer.expiresIn / 86_400) });
    } catch (cause) {
      if (signal.aborted) return;
      const left = Math.round((notAfter - Date.now()) / 60_000);
      options.log.warn("certificate not renewed", { minutesLeft: left, problem: (cause as Error).message });
      await sleep(wait.next(), signal);
    }
  }
}

interface Answer {
  certificate: string;
  ca: string;
  expiresIn: number;
}

async function ask(
  { server, serverCa }: Pick<EnrollOptions, "server" | "serverCa">,
  id: "trust.enroll" | "trust.renew",
  body: object,
  signal: AbortSignal,
): Promise<Answer> {
  const { path, method } = operation(id).http!;
  const ca = serverCa?.();
  const answer = await fetch(`${server.replace(/\/+$/, "")}${path}`, {
    method,
    ...proxied(server),
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
    redirect: "manual",
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    ...(ca ? { tls: { ca } } : {}),
  } as RequestInit);
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text) as Answer;
  if (answer.status >= 500 || answer.status === 429) throw new Error(`${server} answered ${answer.status}`);
  throw new EnrollmentFailed(
    `${server} does not enroll the agent: ${redirectOf(answer) ?? sentenceIn(text) ?? `it answered ${answer.status}`}`,
  );
}

function sentenceIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { message?: string }).message;
  } catch {
    // Not from a server of ours: its status says enough.
    return undefined;
  }
}

/** @throws EnrollmentFailed where what is kept is of another cluster, or has ended and there is no token. */
async function openKept(
  { cluster, token, log, signal }: EnrollOptions,
  store: IdentityStore,
): Promise<Credentials | undefined> {
  const kept = await store.read(signal);
  if (!kept) return undefined;
  const { names, notAfter } = readCertificate(kept.certificate);
  const named = identityOf(names)?.cluster;
  if (named !== cluster) {
    throw new EnrollmentFailed(
      `${store.name} is the identity of cluster ${named}, not of ${cluster}: give another ${store.flag}`,
    );
  }
  if (notAfter > Date.now()) return kept;
  if (token) {
    log.warn("the kept certificate has ended, enrolling again", { kept: store.name });
    return undefined;
  }
  throw new EnrollmentFailed(
    `the certificate in ${store.name} has ended: enroll again with \`lizardcd agents enroll --cluster ${cluster}\``,
  );
}
