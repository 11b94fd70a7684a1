/** X.509 certificates for tests: elliptic keys (P-256), valid from an hour ago for ten years. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

/** A certificate and its private key, both PEM. */
export interface Certificate {
  cert: string;
  key: string;
  /** Common name. */
  name: string;
}

export function createAuthority(name: string): Certificate {
  const key = newKey();
  return issue({ name }, { name, key }, key, authorityExtensions());
}

/** @param names DNS names and IPv4 addresses that the server answers under */
export function createServerCertificate(authority: Certificate, names: string[]): Certificate {
  return issue({ name: names[0]! }, authority, newKey(), serverExtensions(names));
}

/** A server certificate that no authority signed. */
export function createSelfSigned(names: string[]): Certificate {
  const key = newKey();
  return issue({ name: names[0]! }, { name: names[0]!, key }, key, serverExtensions(names));
}

/** An authority below another. */
export function createIntermediate(authority: Certificate, name: string): Certificate {
  return issue({ name }, authority, newKey(), authorityExtensions());
}

/** A client certificate; Kubernetes reads the common name as the user and each organisation as a group. */
export function createClientCertificate(authority: Certificate, name: string, groups: string[] = []): Certificate {
  return issue({ name, groups }, authority, newKey(), [
    extension(oids.extendedKeyUsage, sequence(oid(oids.clientAuth))),
  ]);
}

const oids = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  keyUsage: "2.5.29.15",
  subjectAlternativeName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
};

function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function issue(
  subject: { name: string; groups?: string[] },
  issuer: { name: string; key: string },
  key: string,
  extensions: Buffer[],
): Certificate {
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const from = Date.now() - 3_600_000;
  const signed = sequence(
    tag(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer),
    sequence(time(from), time(from + 10 * 365 * 86_400_000)),
    distinguishedName(subject),
    createPublicKey(createPrivateKey(key)).export({ type: "spki", format: "der" }) as Buffer,
    tag(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", signed, createPrivateKey(issuer.key));
  const der = sequence(signed, algorithm, tag(0x03, Buffer.from([0]), signature));
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  const cert = ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
  return { cert, key, name: subject.name };
}

function authorityExtensions(): Buffer[] {
  return [
    extension(oids.basicConstraints, sequence(boolean(true)), true),
    extension(oids.keyUsage, Buffer.from([0x03, 0x02, 0x01, 0x06]), true), // keyCertSign, cRLSign
  ];
}

function serverExtensions(names: string[]): Buffer[] {
  const alternatives = names.map((name) =>
    isIP(name) ? tag(0x87, Buffer.from(name.split(".").map(Number))) : tag(0x82, Buffer.from(name)),
  );
  return [
    extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth))),
    extension(oids.subjectAlternativeName, sequence(...alternatives)),
  ];
}

function distinguishedName({ name, groups = [] }: { name: string; groups?: string[] }): Buffer {
  const part = (type: string, value: string) => tag(0x31, sequence(oid(type), tag(0x0c, Buffer.from(value))));
  return sequence(...groups.map((group) => part(oids.organization, group)), part(oids.commonName, name));
}

function extension(type: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), tag(0x04, value));
}

// DER, as far as the above needs it.
const sequence = (...parts: Buffer[]) => tag(0x30, ...parts);
const integer = (bytes: Buffer) => tag(0x02, bytes);
const boolean = (value: boolean) => tag(0x01, Buffer.from([value ? 0xff : 0]));

function tag(type: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([type, ...header]), content]);
}

function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number) as [number, number, ...number[]];
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const septets = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) septets.unshift((left & 0x7f) | 0x80);
    bytes.push(...septets);
  }
  return tag(0x06, Buffer.from(bytes));
}

function time(at: number): Buffer {
  const text = `${new Date(at).toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`;
  return tag(0x17, Buffer.from(text));
}
