// The server's own certificate authority: made once, kept in two files, signs what agents ask for.
// @peculiar/x509 is loaded when something is signed, not before: most starts sign nothing.
import { createHash, randomBytes } from "node:crypto";
import { type AgentIdentity, agentName, readCertificate, serialOf, serverName, serverUri, urisOf } from "./identity.ts";

export interface Pair {
  /** PEM. */
  certificate: string;
  key: string;
}

export interface Signed {
  certificate: string;
  serial: string;
  /** Milliseconds UTC. */
  notAfter: number;
}

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 over its DER form, hexadecimal: what an enrollment token pins. */
  readonly fingerprint: string;
  /** Signs the public key of a PKCS #10 request; its names are ours, not the request's. @throws RequestInvalid */
  sign(request: string, identity: AgentIdentity, lifeMs: number): Promise<Signed>;
  /** The server's own certificate, by which it calls agents. */
  own(lifeMs: number): Promise<Pair & { notAfter: number }>;
}

export class RequestInvalid extends Error {}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const usage = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;
const caLifeMs = 10 * 365 * 86_400_000;
/** Clocks differ: what is signed now holds for those that are behind, too. */
export const backdateMs = 24 * 3_600_000;

/** Makes a new authority. */
export async function createAuthority(): Promise<Pair> {
  const x509 = await library();
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Lizardcd",
    keys,
    signingAlgorithm: algorithm,
    serialNumber: newSerial(),
    notBefore: new Date(Date.now() - backdateMs),
    notAfter: new Date(Date.now() + caLifeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyPem(keys.privateKey) };
}

export function openAuthority({ certificate, key }: Pair): Authority {
  const { certificate: ca } = readCertificate(certificate);

  async function issue(publicKey: CryptoKey, dns: string, uris: string[], purpose: string, lifeMs: number) {
    const x509 = await library();
    const issuer = new x509.X509Certificate(certificate);
    const notAfter = Math.min(Date.now() + lifeMs, Date.parse(ca.validTo));
    const signed = await x509.X509CertificateGenerator.create({
      subject: `CN=${dns}`,
      issuer: issuer.subject,
      publicKey,
      signingKey: await privateKey(key),
      signingAlgorithm: algorithm,
      serialNumber: newSerial(),
      notBefore: new Date(Date.now() - backdateMs),
      notAfter: new Date(notAfter),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([purpose], false),
        new x509.SubjectAlternativeNameExtension([
          { type: "dns", value: dns },
          ...uris.map((value) => ({ type: "url" as const, value })),
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ],
    });
    return { certificate: signed.toString("pem"), serial: serialOf(signed.serialNumber), notAfter };
  }

  return {
    certificate,
    fingerprint: fingerprintOf(certificate),
    async sign(request, identity, lifeMs) {
      const publicKey = await requestedKey(request);
      return issue(publicKey, agentName, urisOf(identity), usage.server, lifeMs);
    },
    async own(lifeMs) {
      const keys = await newKeys();
      const signed = await issue(keys.publicKey, serverName, [serverUri], usage.client, lifeMs);
      return { ...signed, key: await keyPem(keys.privateKey) };
    },
  };
}

/** SHA-256 over the DER form, hexadecimal. */
export function fingerprintOf(pem: string): string {
  return createHash("sha256").update(readCertificate(pem).certificate.raw).digest("hex");
}

/** The library finds a request in the middle of other words too, and without PEM: those were not signed as one. */
const requestPem = /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----/;

async function requestedKey(request: string): Promise<CryptoKey> {
  const x509 = await library();
  try {
    if (!requestPem.test(request)) throw new RequestInvalid("it is no PEM that begins as a certificate request");
    const asked = new x509.Pkcs10CertificateRequest(request);
    if (!(await asked.verify())) throw new RequestInvalid("its signature is not by its own key");
    return await asked.publicKey.export(algorithm, ["verify"]);
  } catch (cause) {
    if (cause instanceof RequestInvalid) throw cause;
    throw new RequestInvalid("it is not a PKCS #10 request with an ECDSA P-256 key", { cause });
  }
}

export async function newKeys(): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
}

export async function keyPem(key: CryptoKey): Promise<string> {
  const { PemConverter } = await library();
  return PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

export async function privateKey(pem: string): Promise<CryptoKey> {
  const { PemConverter } = await library();
  return crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(pem), algorithm, false, ["sign"]);
}

export async function library() {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(crypto);
  return x509;
}

/** 127 random bits: positive, and never the same again. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString("hex");
}
