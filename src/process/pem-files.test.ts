import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";
import { pemFiles } from "./pem-files.ts";

const folder = mkdtempSync(join(tmpdir(), "lizardcd-pem-"));
afterAll(() => rmSync(folder, { recursive: true }));

const put = (name: string, text: string) => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

test("files are followed: what they hold is taken when they are read again, and what cannot be used stays and is named", () => {
  const [first, second] = [createAuthority("first").cert, createAuthority("second").cert];
  const [one, other] = [put("one.crt", first), put("other.crt", first)];
  const files = pemFiles();
  const held = [files.follow({ ca: one }), files.follow({ ca: other })];
  const texts = () => held.map((read) => String(read().ca));
  put("one.crt", second);
  expect(texts()).toEqual([first, first]);
  files.lookAgain();
  expect(texts()).toEqual([second, first]);
  // The one that can be used is taken all the same.
  put("one.crt", "");
  put("other.crt", second);
  expect(files.lookAgain).toThrow(`${one} cannot be used: it holds no certificate in PEM`);
  expect(texts()).toEqual([second, second]);
});

test("a certificate and a key that do not belong together are not taken", () => {
  const authority = createAuthority("pairs");
  const [own, other] = [createServerCertificate(authority, ["a"]), createServerCertificate(authority, ["a"])];
  const [cert, key] = [put("tls.crt", own.cert), put("tls.key", own.key)];
  const files = pemFiles();
  const held = files.follow({ cert, key });
  put("tls.crt", other.cert);
  expect(files.lookAgain).toThrow(`${cert} and ${key} cannot be used together`);
  put("tls.key", other.key);
  files.lookAgain();
  expect(String(held().cert)).toBe(other.cert);
});

test("a file that is not there is named at the start", () => {
  const none = join(folder, "none.crt");
  expect(() => pemFiles().follow({ ca: none })).toThrow(`${none} cannot be used: there is no such file`);
  expect(pemFiles().follow({})()).toEqual({});
});
