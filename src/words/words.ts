// Says things in the reader's language. Page words are typed by code; sentences for failures and reasons, whose codes
// arrive over the wire, fall back to the English sentence they carry.
import { type FailureCode, failures } from "../contract/errors.ts";
import { type ReasonCode, reasons } from "../contract/reasons.ts";
import type { Lang } from "./age.ts";
import { en } from "./en.ts";
import { problemIn } from "./problems.ts";
import { zh, sentences as zhSentences } from "./zh.ts";

export { age, duration, type Lang } from "./age.ts";
export { problemIn } from "./problems.ts";

export const langs = ["en", "zh"] as const satisfies readonly Lang[];

type Names<T extends string> = T extends `${string}{${infer Place}}${infer Rest}`
  ? (Place extends `${infer Name}|${string}` ? Name : Place) | Names<Rest>
  : never;

export type Code = keyof typeof en;
export type Words = { readonly [C in Code]: string };
/** What a sentence needs: `{ name: string | number }`. */
export type WordParams<C extends Code> = { readonly [N in Names<(typeof en)[C]>]: string | number };
/** No second argument where a sentence has no places. */
export type WordArgs<C extends Code> = [Names<(typeof en)[C]>] extends [never] ? [] : [params: WordParams<C>];

export type SentenceCode = FailureCode | ReasonCode;

/** What a Failure or a Reason brings along. */
export interface Said {
  code: string;
  params: { [name: string]: string };
  message: string;
}

/** A piece of a sentence: text, or a value that stands in one of its places. */
export type Piece = string | { name: string; value: string };

const catalogues: { [L in Lang]: Words } = { en, zh };
const sentences: { [L in Lang]: { [code: string]: string } } = {
  en: Object.fromEntries(Object.entries({ ...failures, ...reasons }).map(([code, { message }]) => [code, message])),
  zh: zhSentences,
};

export function wordsFor(lang: Lang): Words {
  return catalogues[lang];
}

export function say<C extends Code>(lang: Lang, code: C, ...[params]: WordArgs<C>): string {
  return textOf(pieces(lang, code, ...([params] as unknown as WordArgs<C>)));
}

/** The same in pieces, for pages that set values in their own type. */
export function pieces<C extends Code>(lang: Lang, code: C, ...[params]: WordArgs<C>): Piece[] {
  return fill(lang, catalogues[lang][code], (params ?? {}) as { [name: string]: string | number }) ?? [];
}

/** A Failure or a Reason as one sentence. */
export function sentence(lang: Lang, said: Said): string {
  const { head, rest } = sentencePieces(lang, said);
  if (rest.length === 0) return textOf(head);
  return `${textOf(head)}${joint(lang, head, rest)}${lang === "en" ? " " : ""}${textOf(rest)}`;
}

/** What stands between the two parts: a colon before a detail that somebody else said, a full stop before our words. */
export function joint(lang: Lang, head: readonly Piece[], rest: readonly Piece[]): string {
  if (rest.length > 0 && typeof rest[0] !== "string") return lang === "en" ? ":" : "：";
  const text = textOf(head);
  return stopped(lang, text).slice(text.length);
}

/** A Failure or a Reason in two parts: what happened, and the detail or what to do next. */
export function sentencePieces(lang: Lang, said: Said): { head: Piece[]; rest: Piece[] } {
  const template = sentences[lang][said.code];
  const filled =
    template === undefined
      ? undefined
      : (fill(lang, template, said.params) ?? fill(lang, template, { ...paramsIn(said), ...said.params }));
  if (filled) return halves(lang, filled);
  // What came along is English; in another language it stands as it is.
  const message = said.message || said.code;
  return lang === "en" ? halves(lang, [message]) : { head: [message], rest: [] };
}

// Some failures travel as code and sentence alone: their values stand in the places of the English sentence.
function paramsIn({ code, message }: Said): { [name: string]: string } {
  const parts = parse(sentences.en[code]!);
  const pattern = parts.map((part) => (typeof part === "string" ? part.replace(/[^\w\s]/g, "\\$&") : "(.+)")).join("");
  const values = new RegExp(`^${pattern}$`, "s").exec(message)?.slice(1) ?? [];
  const places = parts.filter((part) => typeof part !== "string");
  return Object.fromEntries(values.map((value, index) => [places[index]!.name, value]));
}

/** Cookie first, then the first known language of Accept-Language by weight, then English. */
export function languageOf(acceptLanguage: string | null | undefined, cookie: string | null | undefined): Lang {
  if (isLang(cookie)) return cookie;
  const wanted = (acceptLanguage ?? "")
    .split(",")
    .map((part) => {
      const [tag = "", ...options] = part.trim().toLowerCase().split(";");
      const weight = options.map((option) => /^\s*q=([\d.]+)$/.exec(option)?.[1]).find(Boolean);
      return { lang: tag.split("-")[0], weight: weight === undefined ? 1 : Number(weight) };
    })
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  for (const { lang } of wanted) if (isLang(lang)) return lang;
  return "en";
}

export function isLang(text: string | null | undefined): text is Lang {
  return text === "en" || text === "zh";
}

/** 1629 -> "1,629", in both languages. */
export function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function textOf(parts: readonly Piece[]): string {
  return parts.map((part) => (typeof part === "string" ? part : part.value)).join("");
}

interface Place {
  name: string;
  one?: string;
  other?: string;
}

const parsed = new Map<string, (string | Place)[]>();

// "{n} cluster{n||s}": a place with bars prints its second or third part, by whether the number is 1.
function parse(template: string): (string | Place)[] {
  let parts = parsed.get(template);
  if (!parts) {
    parts = template.split(/(\{[^}]+\})/).flatMap((part): (string | Place)[] => {
      if (part === "") return [];
      if (!part.startsWith("{")) return [part];
      const [name = "", one, other] = part.slice(1, -1).split("|");
      return [{ name, one, other }];
    });
    parsed.set(template, parts);
  }
  return parts;
}

/** Places whose values may be English words of ours. */
const ours = new Set(["problem", "where", "key", "place", "scope"]);

// Undefined where a value is missing: half a sentence helps nobody.
function fill(lang: Lang, template: string, params: { [name: string]: string | number }): Piece[] | undefined {
  const filled: Piece[] = [];
  for (const part of parse(template)) {
    if (typeof part === "string") {
      filled.push(part);
      continue;
    }
    const value = params[part.name];
    if (value === undefined) return undefined;
    if (part.other !== undefined) filled.push((Number(value) === 1 && lang === "en" ? part.one : part.other) ?? "");
    else if (typeof value === "number") filled.push({ name: part.name, value: grouped(value) });
    else filled.push({ name: part.name, value: ours.has(part.name) ? problemIn(lang, value) : value });
  }
  return filled;
}

// Sentences of the contract read "what happened: what next"; a page shows the halves differently.
function halves(lang: Lang, parts: Piece[]): { head: Piece[]; rest: Piece[] } {
  const [first, ...others] = parts;
  const all = typeof first === "string" ? [capital(lang, first), ...others] : parts;
  for (const [index, part] of all.entries()) {
    if (typeof part !== "string") continue;
    const cut = /[:.;] |[：。；]/.exec(part);
    if (!cut) continue;
    const after = part.slice(cut.index + cut[0].length);
    const rest = all.slice(index + 1);
    return {
      head: [...all.slice(0, index), ...(cut.index > 0 ? [part.slice(0, cut.index)] : [])],
      rest: after === "" ? rest : [capital(lang, after), ...rest],
    };
  }
  return { head: all, rest: [] };
}

/** With a full stop at its end, in the writing of the text itself: values are often English in a Chinese sentence. */
export function stopped(lang: Lang, text: string): string {
  if (/[.!?。！？…]$/.test(text)) return text;
  return `${text}${lang === "zh" && /[\u3400-\u9fff]/.test(text) ? "。" : "."}`;
}

function capital(lang: Lang, text: string): string {
  return lang === "en" ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
