// The names that a program answers to. A page elsewhere whose name its owner leads to this address would else be taken
// for ours by the browser (DNS rebinding).
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";

/** @param host the header; a request without one names nobody, and is answered. */
export type KnownHosts = (host: string | null) => boolean;

export interface HostOptions {
  /** Where this door listens. */
  host: string;
  publicUrl?: string;
  /** Further names: "lizardcd.example.com", "*.example.com", "10.0.0.7". */
  names?: readonly string[];
  /** The certificate chain that is served there, PEM: browsers take it for its own names alone. */
  certificate?: string;
}

/** Without --public-url, names and a loopback address nobody knows what it is called: then any name will do. */
export function knownHosts({ host, publicUrl, names = [], certificate }: HostOptions): KnownHosts {
  if (!publicUrl && names.length === 0 && !isLoopbackName(nameOf(host))) return () => true;
  const people = publicUrl ? [new URL(publicUrl).host] : [];
  const given = [host, ...people, ...names, ...(certificate ? namesOf(certificate) : [])].map(nameOf);
  const exact = new Set(given);
  const endings = given.filter((name) => name.startsWith("*.")).map((name) => name.slice(1));
  const everywhere = host === "0.0.0.0" || host === "::";
  const isKnown = (name: string) =>
    exact.has(name) ||
    isLoopbackName(name) ||
    endings.some((ending) => name.endsWith(ending)) ||
    (everywhere && isOwnAddress(name));
  return (header) => header === null || header === "" || isKnown(nameOf(header));
}

/** @throws Error that says what a name is */
export function checkHostName(name: string): void {
  if (isIP(nameOf(name)) !== 0 || /^(\*\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?$/i.test(name)) return;
  throw new Error(
    `${JSON.stringify(name)} is no name of a host: write lizardcd.example.com, *.example.com or 10.0.0.7`,
  );
}

function namesOf(certificate: string): string[] {
  const { subjectAltName = "" } = new X509Certificate(certificate);
  return [...subjectAltName.matchAll(/(?:DNS|IP Address):([^,"]+)/g)].map(([, name]) => name!.trim());
}

/** Without port, brackets, the root's dot, and in lower case. */
function nameOf(host: string): string {
  if (isIP(host) === 6) return host.toLowerCase();
  const bare = /^\[([^\]]*)\](?::\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, "");
  return bare.replace(/\.$/, "").toLowerCase();
}

function isLoopbackName(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}

/** Probes of a kubelet and a Prometheus come by the pod's address. */
function isOwnAddress(name: string): boolean {
  if (isIP(name) === 0) return false;
  return Object.values(networkInterfaces()).some((some) => some?.some(({ address }) => address === name));
}
