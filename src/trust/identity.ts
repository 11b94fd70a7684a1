// Whom a certificate names. An agent's carries `lizardcd://agent/<namespace>.<cluster>` for each of its keys, the
// server's `lizardcd://server`; both as subject alternative names of type URI.
import { X509Certificate } from "node:crypto";

export interface AgentIdentity {
  cluster: string;
  /** ["*"] for the whole cluster, which covers every namespace of it. */
  namespaces: string[];
}

/** What agents listen under: TLS wants a DNS name where the address is an IP. */
export const agentName = "agent.lizardcd";
export const serverName = "server.lizardcd";
export const serverUri = "lizardcd://server";
const agentUri = "lizardcd://agent/";

export function urisOf({ cluster, namespaces }: AgentIdentity): string[] {
  return namespaces.map((namespace) => `${agentUri}${namespace}.${cluster}`);
}

/** @param names "DNS:agent.lizardcd, URI:lizardcd://agent/*.eu-1", as TLS gives them. */
export function identityOf(names: string | undefined): AgentIdentity | undefined {
  const keys = uris(names).flatMap((uri) => (uri.startsWith(agentUri) ? [uri.slice(agentUri.length)] : []));
  const cluster = keys[0]?.slice(keys[0].indexOf(".") + 1);
  if (!cluster) return undefined;
  const namespaces = keys.flatMap((key) => (key.endsWith(`.${cluster}`) ? [key.slice(0, -cluster.length - 1)] : []));
  return { cluster, namespaces };
}

export function isServer(names: string | undefined): boolean {
  return uris(names).includes(serverUri);
}

/** True where the certificate names this key, exactly or by "*". */
export function covers(identity: AgentIdentity, key: { namespace: string; cluster: string }): boolean {
  if (identity.cluster !== key.cluster) return false;
  return identity.namespaces.includes("*") || identity.namespaces.includes(key.namespace);
}

/** "*.eu-1", "shop.eu-1 and pay.eu-1", for sentences. */
export function shownIdentity({ cluster, namespaces }: AgentIdentity): string {
  return namespaces.map((namespace) => `${namespace}.${cluster}`).join(" and ");
}

export interface Read {
  names: string | undefined;
  /** Hexadecimal, as everywhere here in capitals without leading zeros. */
  serial: string;
  /** Milliseconds UTC. */
  notBefore: number;
  notAfter: number;
  certificate: X509Certificate;
}

/** @throws Error where the text is no certificate. */
export function readCertificate(pem: string | Buffer): Read {
  const certificate = new X509Certificate(pem);
  return {
    names: certificate.subjectAltName,
    serial: serialOf(certificate.serialNumber),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    certificate,
  };
}

export function serialOf(text: string): string {
  return text.replace(/^0+(?=.)/, "").toUpperCase();
}

function uris(names: string | undefined): string[] {
  return (names ?? "")
    .split(", ")
    .flatMap((name) => (name.startsWith("URI:") ? [name.slice(4).replace(/^"|"$/g, "")] : []));
}
