// Whom agents must be told to trust at the server's https address: the CA of its certificate, where their systems do not
// know it. It goes along in the lines that enroll them, and they trust it alone: so it is said only where it holds.
import type { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import type { Log } from "../process/log.ts";
import { reasonOf } from "../process/setting-file.ts";
import { certificatesIn, leadsTo, pemOf, signsItself } from "../trust/pem.ts";

export interface HttpCaFiles {
  /** The certificate that the server serves; without one a proxy has TLS. */
  cert?: string;
  /** Its CA, or the proxy's. May be missing: not every issuer of certificates tells it. */
  ca?: string;
}

/** @param url where agents find the server. @returns base64 of PEM; undefined where nothing has to be said, or is known. */
export type HttpCa = (url: string) => string | undefined;

/** A line of a shell takes 128 KB. */
const mostBytes = 32_768;

/** Files are read each time, so that a renewed CA is told at once. What is wrong with them is logged. */
export function createHttpCa(files: HttpCaFiles, log: Log): HttpCa {
  const look = () => {
    try {
      return readHttpCa(files);
    } catch (cause) {
      log.warn("agents are not told which CA to trust", { problem: (cause as Error).message });
      return undefined;
    }
  };
  look();
  if (files.ca && !existsSync(files.ca)) log.info("there is no file with the server's CA", { file: files.ca });
  return (url) => {
    const at = URL.parse(url);
    if (at?.protocol !== "https:") return undefined;
    const found = look();
    // Another certificate is shown there, by a proxy: its CA is not known here.
    if (!found || (found.leaf && !names(found.leaf, at.hostname))) return undefined;
    return Buffer.from(found.pem).toString("base64");
  };
}

/**
 * @returns undefined where the CA is a public one, or unknown.
 * @throws Error that names the file and what is wrong with it.
 */
export function readHttpCa({ cert, ca }: HttpCaFiles): { leaf?: X509Certificate; pem: string } | undefined {
  const chain = cert ? read(cert) : [];
  const given = ca && existsSync(ca) && readFileSync(ca, "utf8").trim() !== "" ? read(ca) : [];
  const [leaf] = chain;
  if (leaf && given.length > 0 && !leadsTo(chain, given)) {
    throw new Error(`--http.tls.ca ${ca} did not sign --http.tls.cert ${cert}: give the CA of that certificate`);
  }
  // TLS follows a chain to its end: an authority below another is trusted only together with that one.
  if (given.length > 0 && !leadsTo([...chain, ...given], given.filter(signsItself))) {
    throw new Error(`--http.tls.ca ${ca} holds no root: add the CA that signed the one in it`);
  }
  const trusted = given.length > 0 ? given : chain.slice(0, 1).filter(signsItself);
  if (trusted.length === 0 || leadsTo([...chain, ...trusted], publicCas())) return undefined;
  const pem = pemOf(trusted);
  if (pem.length > mostBytes) {
    throw new Error(`--http.tls.ca ${ca} holds more than fits into a line: leave only the CA of the certificate in it`);
  }
  return { leaf, pem };
}

function read(file: string): X509Certificate[] {
  try {
    return certificatesIn(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new Error(`${file} cannot be used: ${reasonOf(cause)}`, { cause });
  }
}

/** Those that agents know by themselves. */
const publicCas = () => rootCertificates.flatMap((pem) => certificatesIn(pem));

function names(certificate: X509Certificate, hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "");
  return (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined;
}
