// The trust noun and what stands behind it: the authority, the invitations, the certificates, and the check that every
// connection to an agent goes through.
import { createHash, randomBytes, verify, type X509Certificate } from "node:crypto";
import { createSecureContext, type PeerCertificate, type SecureContext } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import type { Secure } from "../contract/http2-channel.ts";
import { href } from "../contract/operation.ts";
import type { AgentKey } from "../discovery/discovery.ts";
import { ListAgentsRequestSchema } from "../gen/lizardcd/v1/fleet_pb.ts";
import { CertificateSchema } from "../gen/lizardcd/v1/trust_pb.ts";
import type { Log } from "../process/log.ts";
import {
  type Authority,
  backdateMs,
  createAuthority,
  openAuthority,
  type Pair,
  RequestInvalid,
} from "../trust/authority.ts";
import {
  type AgentIdentity,
  agentName,
  covers,
  identityOf,
  readCertificate,
  serialOf,
  shownIdentity,
} from "../trust/identity.ts";
import { certificatesIn } from "../trust/pem.ts";
import { agentsPage } from "../views/agents.tsx";
import { invitationMade } from "../views/enroll.tsx";
import { revokeDone } from "../views/revoke.tsx";
import { sameText } from "./auth.ts";
import type { FleetDeps } from "./clusters.ts";
import type { DataFolder } from "./data.ts";
import type { HttpCa } from "./http-ca.ts";
import { shownTo } from "./page.ts";
import { agentsOf } from "./registered.ts";
import { enrollsOf } from "./registered-live.ts";
import { type AnyAnswer, answer } from "./route.ts";
import type { Store } from "./store/store.ts";

export interface Trust {
  /** PEM of the authority that agents' certificates must be signed by. */
  readonly ca: string;
  /** False where the server was given its certificates: then agents' are made elsewhere too. */
  readonly signs: boolean;
  /** What to call an agent by: refuses a peer whose certificate does not name the key, or is revoked. */
  secure(key: AgentKey, onPeer: (peer: Peer) => void): Secure;
  invite(identity: AgentIdentity, lifetimeMs: number): Promise<string>;
  /** @throws Failed "token.enroll_wrong" or "certificate.request_invalid". */
  enroll(token: string, cluster: string, request: string): Promise<Issued>;
  /** @throws Failed "certificate.refused" or "certificate.request_invalid". */
  renew(certificate: string, request: string, proof: string): Promise<Issued>;
  /** @returns how many. */
  revoke(cluster: string, serial: string): Promise<number>;
  /** @throws Failed "certificate.refused" where the certificate is not ours, has ended or is revoked, or the proof fails. */
  identify(certificate: string, text: string, proof: string): AgentIdentity;
  onRevoked(tell: (cluster: string, serials: readonly string[]) => void): void;
  /** Told whom a certificate was made for. */
  onIssued(tell: (identity: AgentIdentity) => void): void;
  /** Looks at once whether the certificates that the server was given have changed. Rejects where they cannot be used. */
  lookAgain(): Promise<void>;
  close(): void;
}

export interface Peer {
  /** Why it is refused; undefined where it is trusted. */
  problem?: string;
  /** When its certificate ends, milliseconds UTC. */
  end?: number;
}

interface Issued {
  certificate: string;
  ca: string;
  expiresIn: number;
  renewAfter: number;
}

export interface TrustOptions {
  data: DataFolder;
  store: Store;
  joinToken: string;
  /** Milliseconds an agent's certificate lives. */
  lifeMs: number;
  /** Reads an authority and a certificate of one's own, PEM; then nothing is signed here. Read again every 10 s. */
  given?: () => { ca: string } & Pair;
  clock: () => number;
  log: Log;
}

const ownLifeMs = 90 * 86_400_000;
const renewEveryMs = 12 * 3_600_000;
const lookEveryMs = 10_000;
const tokenVersion = "lz1";
const pinLength = 32;

export async function createTrust({ data, store, joinToken, lifeMs, given, clock, log }: TrustOptions): Promise<Trust> {
  const authority = given ? undefined : await openOwn(data, log);
  let { ca, ...own } = given?.() ?? { ca: authority!.certificate, ...(await ownCertificate(authority!, data)) };
  /** Shared by all connections until the certificate is renewed. */
  let context: SecureContext | undefined;
  // A clock that is a day ahead and set right later must not bring back what was revoked.
  const alive = () => clock() - backdateMs;
  const revoked = new Set(await store.trust.revoked(alive()));
  /** Serials of certificates made elsewhere that were shown here, and what is still being written of them. */
  const shown = new Set<string>();
  const noting = new Set<Promise<void>>();
  const listeners: ((cluster: string, serials: readonly string[]) => void)[] = [];
  const issuing: ((identity: AgentIdentity) => void)[] = [];
  const renewal = setInterval(() => void renewByItself(), authority ? renewEveryMs : lookEveryMs);
  renewal.unref();

  async function renewOwn(): Promise<void> {
    const next = given?.() ?? { ca, ...(await ownCertificate(authority!, data)) };
    if (next.certificate === own.certificate && next.ca === ca) return;
    // Refused here, where the old ones still hold.
    createSecureContext({ ca: next.ca, cert: next.certificate, key: next.key });
    ({ ca, ...own } = next);
    context = undefined;
    log.info("the server's own certificate is a new one");
  }

  async function renewByItself(): Promise<void> {
    try {
      await renewOwn();
    } catch (cause) {
      log.error("the server's own certificate cannot be renewed", { problem: String(cause) });
    }
  }

  /** Whoever asks later to revoke a cluster's certificates means these, too, which were not made here. */
  function note(serial: string, identity: AgentIdentity, notAfter: number): void {
    if (authority || shown.has(serial)) return;
    shown.add(serial);
    const write = async () => {
      try {
        await store.trust.addCertificate({ serial, ...identity, issuedAt: clock(), notAfter });
      } catch (cause) {
        shown.delete(serial);
        log.error("a certificate made elsewhere cannot be noted", { serial, problem: String(cause) });
      }
    };
    const writing = write().finally(() => noting.delete(writing));
    noting.add(writing);
  }

  /** One that was never shown here can be revoked by its serial: nothing else is known of it but when its CA ends. */
  async function revokeUnseen(cluster: string, serial: string): Promise<string[]> {
    const notAfter = Math.max(...certificatesIn(ca).map(({ validTo }) => Date.parse(validTo)));
    const revokedAt = clock();
    const one = { serial, cluster, namespaces: [], issuedAt: revokedAt, notAfter, revokedAt };
    return (await store.trust.addCertificate(one)) ? [serial] : [];
  }

  /** Why a peer that shows this certificate is not the agent of this key. */
  function problemOf(peer: PeerCertificate, key: AgentKey): string | undefined {
    if (revoked.has(serialOf(peer.serialNumber))) return "its certificate is revoked";
    const identity = identityOf(peer.subjectaltname);
    if (!identity) return "its certificate names no agent";
    if (!covers(identity, key)) return `its certificate is for ${shownIdentity(identity)}`;
    return undefined;
  }

  /** @param use what the certificate costs: a token that serves once is used when the request has been found good. */
  async function issue(request: string, identity: AgentIdentity, use?: () => Promise<void>): Promise<Issued> {
    if (!authority) {
      const problem = "this server was given its certificates: have the agent's made where those come from";
      throw new Failed("certificate.request_invalid", { problem });
    }
    try {
      const { certificate, serial, notAfter } = await authority.sign(request, identity, lifeMs);
      await use?.();
      await store.trust.addCertificate({ serial, ...identity, issuedAt: clock(), notAfter });
      for (const tell of issuing) tell(identity);
      log.info("certificate issued", { cluster: identity.cluster, namespaces: identity.namespaces.join(","), serial });
      const expiresIn = Math.floor((notAfter - clock()) / 1000);
      return { certificate, ca, expiresIn, renewAfter: Math.floor((expiresIn * 2) / 3) };
    } catch (cause) {
      if (!(cause instanceof RequestInvalid)) throw cause;
      throw new Failed("certificate.request_invalid", { problem: cause.message }, { cause });
    }
  }

  async function admitted(token: string, cluster: string): Promise<{ identity: AgentIdentity; use?(): Promise<void> }> {
    // The join token admits any cluster, again and again: for one's own machine, and for charts that bring both.
    if (sameText(token, joinToken)) return { identity: { cluster, namespaces: ["*"] } };
    const wrong = (problem: string) => new Failed("token.enroll_wrong", { cluster, problem });
    const [version, id, secret] = token.split(".");
    const invitation = version === tokenVersion && id && secret ? await store.trust.invitation(id) : undefined;
    if (!invitation || !sameText(invitation.hash, hashOf(secret!))) throw wrong("it is not one of ours");
    if (invitation.cluster !== cluster) throw wrong("it was made for another cluster");
    if (invitation.usedAt !== undefined) throw wrong("it has been used");
    if (invitation.expiresAt <= clock()) throw wrong("its time is over");
    return {
      identity: { cluster, namespaces: invitation.namespaces },
      async use() {
        if (!(await store.trust.use(invitation.id, clock()))) throw wrong("it has been used");
      },
    };
  }

  function identify(pem: string, text: string, proof: string): AgentIdentity {
    const refused = (problem: string) => new Failed("certificate.refused", { problem });
    let read: ReturnType<typeof readCertificate>;
    try {
      read = readCertificate(pem);
    } catch (cause) {
      throw new Failed("certificate.refused", { problem: "it cannot be read" }, { cause });
    }
    const { certificate, names, serial, notAfter, notBefore } = read;
    const signs = (signer: X509Certificate) => certificate.checkIssued(signer) && certificate.verify(signer.publicKey);
    if (!certificatesIn(ca).some(signs)) throw refused("it is not signed here");
    if (notAfter <= clock()) throw refused("its time is over");
    if (notBefore > clock()) throw refused("its time has not begun");
    if (revoked.has(serial)) throw refused("it is revoked");
    const identity = identityOf(names);
    if (!identity) throw refused("it names no agent");
    const key = { key: certificate.publicKey, dsaEncoding: "ieee-p1363" } as const;
    const holds = verify("sha256", Buffer.from(text), key, Buffer.from(proof, "base64"));
    if (!holds) throw refused("the proof is not by its key");
    note(serial, identity, notAfter);
    return identity;
  }

  return {
    get ca() {
      return ca;
    },
    signs: authority !== undefined,
    secure(key, onPeer) {
      context ??= createSecureContext({ ca, cert: own.certificate, key: own.key, minVersion: "TLSv1.3" });
      return {
        context,
        // TLS wants a DNS name where the address is an IP; whom the certificate names is checked by the key.
        serverName: agentName,
        check(peer) {
          const problem = problemOf(peer, key);
          const end = Date.parse(peer.valid_to);
          onPeer({ problem, end });
          if (problem === undefined) note(serialOf(peer.serialNumber), identityOf(peer.subjectaltname)!, end);
          return problem === undefined ? undefined : new Error(problem);
        },
      };
    },
    async invite(identity, lifetimeMs) {
      const id = randomBytes(9).toString("base64url");
      const secret = randomBytes(24).toString("base64url");
      await store.trust.invite({ id, hash: hashOf(secret), ...identity, expiresAt: clock() + lifetimeMs });
      return [tokenVersion, id, secret, (authority?.fingerprint ?? "").slice(0, pinLength)].join(".");
    },
    async enroll(token, cluster, request) {
      const { identity, use } = await admitted(token, cluster);
      return issue(request, identity, use);
    },
    async renew(certificate, request, proof) {
      return issue(request, identify(certificate, request, proof));
    },
    async revoke(cluster, serial) {
      await Promise.all(noting);
      const one = serialOf(serial);
      let serials = await store.trust.revoke(cluster, one, clock(), alive());
      if (!authority && one !== "" && serials.length === 0) serials = await revokeUnseen(cluster, one);
      for (const one of serials) revoked.add(one);
      if (serials.length > 0) for (const tell of listeners) tell(cluster, serials);
      return serials.length;
    },
    identify,
    onRevoked: (tell) => void listeners.push(tell),
    onIssued: (tell) => void issuing.push(tell),
    lookAgain: renewOwn,
    close: () => clearInterval(renewal),
  };
}

interface TrustDeps extends FleetDeps {
  trust?: Trust;
  httpCa: HttpCa;
  publicUrl?: string;
}

export function trustAnswers(deps: TrustDeps): AnyAnswer[] {
  const { trust, httpCa, publicUrl } = deps;
  if (!trust) return (["trust.invite", "trust.enroll", "trust.renew", "trust.revoke"] as const).map(unavailable);
  return [
    answer("trust.invite", {
      async run({ cluster, namespaces, lifetime }, { request }) {
        const seconds = lifetime || 3_600;
        const names = namespaces.length > 0 ? namespaces : ["*"];
        const token = await trust.invite({ cluster, namespaces: names }, seconds * 1000);
        const server = publicUrl ?? new URL(request.url).origin;
        const ca = httpCa(server);
        const some = names.includes("*") ? undefined : names.join(",");
        return {
          token,
          cluster,
          expiresIn: seconds,
          command: `lizardcd-agent --server ${server} --cluster ${cluster} --token ${token}${some ? ` --namespaces ${some}` : ""}${ca ? ` --server-ca-data ${ca}` : ""}`,
          helm: `helm install lizardcd-agent helm/lizardcd-agent --set server=${server} --set cluster=${cluster} --set token=${token}${some ? ` --set "namespaces={${some}}"` : ""}${ca ? ` --set serverCa.data=${ca}` : ""}`,
        };
      },
      fragment: (invitation, _, { context }) => invitationMade(context, invitation),
      // Not a place to go back to: the token is shown once. Theme and language lead to the list.
      page: (invitation, _, { context }) => {
        const there = { ...context, path: href("fleet.listAgents") };
        const all = create(ListAgentsRequestSchema);
        const agents = agentsOf(deps, shownTo("page", all));
        return agentsPage(there, agents, all, { enrolls: enrollsOf(trust), invitation });
      },
    }),
    answer("trust.enroll", {
      run: async ({ token, cluster, request }) =>
        create(CertificateSchema, await trust.enroll(token, cluster, request)),
    }),
    answer("trust.renew", {
      run: async ({ certificate, request, proof }) =>
        create(CertificateSchema, await trust.renew(certificate, request, proof)),
    }),
    answer("trust.revoke", {
      async run({ cluster, serial }) {
        const revoked = await trust.revoke(cluster, serial);
        if (revoked === 0) throw new Failed("certificate.none", { cluster });
        return { revoked };
      },
      fragment: (_, { cluster }, { context }) => revokeDone(context, cluster),
      goTo: (_, { cluster }, { door }) =>
        door === "page" ? `${href("fleet.listAgents", { cluster })}&done=revoke` : undefined,
    }),
  ];
}

function unavailable(id: "trust.invite" | "trust.enroll" | "trust.renew" | "trust.revoke"): AnyAnswer {
  return answer(id, {
    run: () => Promise.reject(new Failed("trust.off", {})),
  });
}

/** @throws Error that names the files when only one of the two is there. */
async function openOwn(data: DataFolder, log: Log): Promise<Authority> {
  const [certificate, key] = [await data.read("ca.crt"), await data.read("ca.key")];
  if (certificate && key) return openAuthority({ certificate, key });
  if (certificate || key) throw new Error(`${data.path} holds only one of ca.crt and ca.key: bring the other one back`);
  const made = await createAuthority();
  await data.write("ca.key", made.key);
  await data.write("ca.crt", made.certificate);
  log.info("certificate authority made", { folder: data.path });
  return openAuthority(made);
}

/** The kept one until two thirds of its life are over. */
async function ownCertificate(authority: Authority, data: DataFolder): Promise<Pair> {
  const [certificate, key] = [await data.read("server.crt"), await data.read("server.key")];
  if (certificate && key && fresh(certificate, authority)) return { certificate, key };
  const made = await authority.own(ownLifeMs);
  await data.write("server.key", made.key);
  await data.write("server.crt", made.certificate);
  return made;
}

function fresh(pem: string, { certificate }: Authority): boolean {
  const own = readCertificate(pem);
  const byUs = own.certificate.verify(readCertificate(certificate).certificate.publicKey);
  return byUs && Date.now() < own.notAfter - ownLifeMs / 3;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
