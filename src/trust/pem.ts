// Certificates as text: what a file, a Secret or a line that somebody pastes carries of them.
import { X509Certificate } from "node:crypto";

const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Whatever else stands there, a private key too, is left out. @throws Error where there is none, or one is not valid. */
export function certificatesIn(text: string): X509Certificate[] {
  const found = text.match(block);
  if (!found) throw new Error("it holds no certificate in PEM");
  return found.map((pem) => {
    try {
      return new X509Certificate(pem);
    } catch (cause) {
      throw new Error("a certificate in it cannot be read", { cause });
    }
  });
}

export function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map((one) => `${one.toString().trim()}\n`).join("");
}

/** True where the first certificate is one of these, or was signed by one, by way of the others where need be. */
export function leadsTo([first, ...others]: readonly X509Certificate[], roots: readonly X509Certificate[]): boolean {
  if (!first) return false;
  if (roots.some((root) => root.fingerprint256 === first.fingerprint256 || signs(root, first))) return true;
  const next = others.find((other) => signs(other, first));
  return next !== undefined && leadsTo([next, ...others.filter((other) => other !== next)], roots);
}

export function signsItself(certificate: X509Certificate): boolean {
  return signs(certificate, certificate);
}

// Names and signature alone: what a certificate may be used for is for whoever connects to check.
function signs(signer: X509Certificate, signed: X509Certificate): boolean {
  return signed.issuer === signer.subject && signed.verify(signer.publicKey);
}
