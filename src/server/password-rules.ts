// What a new password may be, as NIST SP 800-63B-4 has it where a password is all that is asked for: long, of any
// characters, and none of those that are guessed first. No mixture of kinds of characters is demanded.
import { Failed } from "../contract/errors.ts";
import { leastPasswordLength } from "../contract/password.ts";
import { commonPasswords } from "./common-passwords.ts";
import { normalised } from "./passwords.ts";

/** @throws Failed "password.blank", "password.same", "password.short", "password.repeated", "password.expected" or "password.common" */
export function checkNewPassword(
  given: string,
  { username, oldPassword }: { username: string; oldPassword: string },
): void {
  const password = normalised(given);
  const length = [...password].length;
  if (password.trim() === "") throw new Failed("password.blank", {});
  if (password === normalised(oldPassword)) throw new Failed("password.same", {});
  if (length < leastPasswordLength) throw new Failed("password.short", { length, least: leastPasswordLength });
  const folded = password.toLowerCase();
  if (isRepeated(folded)) throw new Failed("password.repeated", {});
  if (isCommon(folded)) throw new Failed("password.common", {});
  if (isExpected(folded, username.toLowerCase())) throw new Failed("password.expected", { username });
}

/** Keys that lie beside each other, and characters that follow each other. */
const rows = [
  "abcdefghijklmnopqrstuvwxyz",
  "12345678901234567890",
  "qwertyuiop[]asdfghjkl;'zxcvbnm,./",
  "qwertzuiopasdfghjklyxcvbnm",
  "azertyuiopqsdfghjklmwxcvbn",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
].flatMap((row) => [row, [...row].reverse().join("")]);
/** A password is worth as many characters as it has parts that are not foreseen from what stands before them. */
const fewestParts = 5;

function isRepeated(password: string): boolean {
  if (new Set(password).size < fewestParts) return true;
  if (unitOf(password).length < leastPasswordLength / 2) return true;
  return partsOf(password) < fewestParts;
}

/** What a text is a repetition of, the last time perhaps not whole: itself where it is none. */
function unitOf(text: string): string {
  for (let size = 1; size <= text.length / 2; size++) {
    if (text.startsWith(text.slice(size))) return text.slice(0, size);
  }
  return text;
}

/** Runs of equal characters and pieces of rows, each as long as can be. */
function partsOf(password: string): number {
  const characters = [...password];
  let parts = 0;
  for (let at = 0; at < characters.length; parts++) {
    let size = 1;
    while (at + size < characters.length && isRun(characters.slice(at, at + size + 1).join(""))) size++;
    at += size;
  }
  return parts;
}

function isRun(text: string): boolean {
  return new Set(text).size === 1 || rows.some((row) => row.includes(text));
}

const known = ["lizardcd", "lizard", "cd", "k8s", "kubernetes", "kube", "cluster", "fleet", "agent", "server"];
const usual = ["password", "passwort", "passphrase", "secret", "login", "user", "root", "admin", "administrator"];
const glue = [
  "my",
  "the",
  "is",
  "new",
  "for",
  "of",
  "prod",
  "production",
  "test",
  "demo",
  "change",
  "me",
  "welcome",
  "to",
];

/** Nothing but the names of the program, of the user and of what passwords are called. */
function isExpected(password: string, username: string): boolean {
  const words = [...known, ...usual, ...glue, lettersOf(username)].filter((word) => word !== "");
  return spellings(password).some((letters) => letters !== "" && isMadeOf(letters, words));
}

function isMadeOf(text: string, words: readonly string[]): boolean {
  const reached = [true];
  for (let at = 0; at < text.length; at++) {
    if (reached[at]) for (const word of words) if (text.startsWith(word, at)) reached[at + word.length] = true;
  }
  return reached[text.length] === true;
}

/** On the list as a whole; or one word of it, once or again and again, with little more than a row of signs around it. */
function isCommon(password: string): boolean {
  if (isListed(password) || isListed(unitOf(password))) return true;
  const isWord = spellings(password).some((letters) => isListed(letters) || isListed(unitOf(letters)));
  return isWord && 1 + partsOf(password.replace(/\p{L}/gu, "")) < fewestParts;
}

/** The letters alone, as they stand and with the digits and signs between them read as what they look like. */
function spellings(password: string): string[] {
  const looks: Record<string, string> = {
    "0": "o",
    "1": "i",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "@": "a",
    $: "s",
  };
  const core = password.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "");
  return [lettersOf(password), lettersOf(core.replace(/[013457@$]/g, (sign) => looks[sign]!))];
}

function lettersOf(text: string): string {
  return text.replace(/[^\p{L}]/gu, "");
}

const hashSize = 6;
let listed: Set<string> | undefined;

function isListed(word: string): boolean {
  listed ??= new Set(commonPasswords.match(new RegExp(`.{${hashSize}}`, "g")));
  return word.length >= 4 && listed.has(wordHash(word));
}

/** The first 36 bits of its SHA-256. */
export function wordHash(word: string): string {
  return new Bun.CryptoHasher("sha256").update(word).digest("base64url").slice(0, hashSize);
}
