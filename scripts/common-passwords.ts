// Makes src/server/common-passwords.ts from a list of leaked passwords, the most frequent first, one a line:
// bun scripts/common-passwords.ts FILE
import { wordHash } from "../src/server/password-rules.ts";

/** Those that begin the list are refused with digits around them too; of the others, those long enough to be one. */
const first = 10_000;
const longEnough = 15;

const file = process.argv[2];
if (!file) throw new Error("usage: bun scripts/common-passwords.ts FILE");
const words = (await Bun.file(file).text()).split("\n").filter((word) => [...word].length >= 4);
const kept = words.filter((word, index) => index < first || [...word].length >= longEnough);
const hashes = [...new Set(kept.map((word) => wordHash(word.toLowerCase())))].sort();
const lines = hashes.join("").match(/.{1,114}/g)!;
const text = `// Made by scripts/common-passwords.ts: the passwords that leak most, each as the first 36 bits of its SHA-256.

export const commonPasswords =
${lines.map((line) => `  "${line}"`).join(" +\n")};
`;
await Bun.write(new URL("../src/server/common-passwords.ts", import.meta.url), text);
console.log(`${hashes.length} passwords`);
