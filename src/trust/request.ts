// The agent's side: a key of its own, a request to sign it, and proof that it holds an older one.
import { keyPem, library, newKeys, privateKey } from "./authority.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A new key, and the request that asks to have it signed; both PEM. */
export async function newRequest(): Promise<{ key: string; request: string }> {
  const { Pkcs10CertificateRequestGenerator } = await library();
  const keys = await newKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=lizardcd-agent",
    keys,
    signingAlgorithm: algorithm,
  });
  return { key: await keyPem(keys.privateKey), request: request.toString("pem") };
}

/** @param key PEM. @returns the text's signature, ECDSA with SHA-256, IEEE P1363, base64. */
export async function prove(text: string, key: string): Promise<string> {
  const signature = await crypto.subtle.sign(algorithm, await privateKey(key), new TextEncoder().encode(text));
  return Buffer.from(signature).toString("base64");
}
