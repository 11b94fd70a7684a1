// Whom the lines that enroll agents tell them to trust.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import {
  createAuthority,
  createIntermediate,
  createSelfSigned,
  createServerCertificate,
} from "../../test/testbed/certificates.ts";
import { createHttpCa, type HttpCaFiles } from "./http-ca.ts";

const names = ["cd.example.com", "127.0.0.1"];
const url = "https://cd.example.com";
let folder: string;
let said: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lizardcd-http-ca-"));
  said = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function written(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

/** PEM that goes along for who dials `at`. */
function told(files: HttpCaFiles, at = url): string | undefined {
  const say = (sentence: string, fields?: object) => void said.push(`${sentence} ${JSON.stringify(fields)}`);
  const data = createHttpCa(files, { debug: say, info: say, warn: say, error: say })(at);
  return data && Buffer.from(data, "base64").toString();
}

test("a self-signed certificate is its own CA, at the names it is for", async () => {
  const { cert: pem, key } = createSelfSigned(names);
  // A key in the same file stays where it is.
  const cert = await written("tls.crt", `${key}${pem}`);
  for (const at of [url, `${url}/`, `${url}:8443`, "https://127.0.0.1:5117"]) expect(told({ cert }, at)).toBe(pem);
  // Another certificate is shown there.
  for (const at of ["https://elsewhere.example.com", "https://10.0.0.1", "https://[::1]:5117"])
    expect(told({ cert }, at)).toBeUndefined();
  for (const at of ["http://cd.example.com", "cd.example.com"]) expect(told({ cert }, at)).toBeUndefined();
  expect(said).toEqual([]);
});

test("a certificate that somebody signed needs that CA's file; through an intermediate too", async () => {
  const authority = createAuthority("company");
  const between = createIntermediate(authority, "company issuing");
  const cert = await written("tls.crt", createServerCertificate(between, names).cert + between.cert);
  expect(told({ cert })).toBeUndefined();
  const ca = await written("ca.crt", `Company CA\n${authority.cert}`);
  expect(told({ cert, ca })).toBe(authority.cert);
  // While a CA is replaced by another, both are trusted.
  const next = createAuthority("company, next");
  expect(told({ cert, ca: await written("ca.crt", authority.cert + next.cert) })).toBe(authority.cert + next.cert);
  expect(said).toEqual([]);
});

test("a renewed CA is told at once", async () => {
  const make = async () => {
    const authority = createAuthority("company");
    await written("tls.crt", createServerCertificate(authority, names).cert);
    await written("ca.crt", authority.cert);
    return authority.cert;
  };
  const first = await make();
  const files = { cert: join(folder, "tls.crt"), ca: join(folder, "ca.crt") };
  const quiet = () => {};
  const tell = createHttpCa(files, { debug: quiet, info: quiet, warn: quiet, error: quiet });
  const pem = () => Buffer.from(tell(url)!, "base64").toString();
  expect(pem()).toBe(first);
  const second = await make();
  expect(second).not.toBe(first);
  expect(pem()).toBe(second);
});

test("a CA that every system knows is not told", async () => {
  const known = await written("ca.crt", rootCertificates[0]!);
  expect(told({ ca: known })).toBeUndefined();
  expect(told({ cert: known })).toBeUndefined();
  expect(told({ ca: await written("own.crt", createAuthority("company").cert) })).toBeString();
  expect(said).toEqual([]);
});

test("a file that is missing or empty is no CA, and takes nothing from a certificate that is its own", async () => {
  const signed = await written("signed.crt", createServerCertificate(createAuthority("company"), names).cert);
  const own = createSelfSigned(names).cert;
  const self = await written("self.crt", own);
  for (const ca of [join(folder, "none.crt"), await written("empty.crt", "\n")]) {
    expect(told({ cert: signed, ca })).toBeUndefined();
    expect(told({ cert: self, ca })).toBe(own);
  }
  expect(said).toEqual(Array(2).fill(expect.stringContaining("there is no file with the server's CA")));
});

test("a CA that cannot be the certificate's, or cannot be read, is not told, and the log says why", async () => {
  const between = createIntermediate(createAuthority("company"), "company issuing");
  const cert = await written("tls.crt", createServerCertificate(between, names).cert);
  const strange = createAuthority("stranger").cert;
  const many = strange.repeat(100) + createAuthority("company").cert;
  for (const [text, why] of [
    [strange, "ca.crt did not sign --http.tls.cert"],
    // By the same name.
    [createAuthority("company issuing").cert, "ca.crt did not sign --http.tls.cert"],
    [between.cert, "ca.crt holds no root: add the CA that signed the one in it"],
    ["nonsense", "ca.crt cannot be used: it holds no certificate in PEM"],
    [strange.replace(/\n.{30}/, "\n"), "ca.crt cannot be used: a certificate in it cannot be read"],
  ] as const) {
    said = [];
    expect(told({ cert, ca: await written("ca.crt", text) })).toBeUndefined();
    expect(said[0]).toContain(why);
  }
  said = [];
  expect(told({ ca: await written("ca.crt", many) })).toBeUndefined();
  expect(said[0]).toContain("holds more than fits into a line");
});
