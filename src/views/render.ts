// From nodes to text. Everything that leaves a view goes through here.
import type { VNode } from "preact";
import { renderToString } from "preact-render-to-string";

// Preact escapes markup. Control characters and those that turn the reading direction around or take no room are no
// markup, yet let a name from a cluster look like another one: they are shown by their number.
const unseen =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export function html(node: VNode): string {
  const before = holes.length;
  try {
    const [first, ...others] = seen(renderToString(node)).split(hole);
    let text = first!;
    for (const [index, other] of others.entries()) text += holes[before + index]! + other;
    return text;
  } finally {
    holes.length = before;
  }
}

// No value can hold it: its "<" would have been escaped.
const hole = "<!--hole-->";
const holes: Markup[] = [];

/** For dangerouslySetInnerHTML inside of `html`: long Markup goes in at the end, so that it is not looked through again. */
export function inner(text: Markup): { __html: string } {
  holes.push(text);
  return { __html: hole };
}

function seen(text: string): string {
  return text.replace(unseen, byNumber);
}

function byNumber(c: string): string {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

declare const escaped: unique symbol;
/** Text that is fit to be sent: escaped, and without what is unseen. `markup` and `rendered` alone make it. */
export type Markup = string & { readonly [escaped]: true };

/**
 * For what is repeated a thousand times: a tenth of the time that nodes take. Every value is escaped, for text and for
 * quoted attributes alike; only Markup goes in as it is, by `join`.
 */
export function markup(parts: TemplateStringsArray, ...values: (string | number)[]): Markup {
  let text = parts[0]!;
  for (let i = 0; i < values.length; i++) text += entities(values[i]!) + parts[i + 1]!;
  return text as Markup;
}

export function rendered(node: VNode): Markup {
  return html(node) as Markup;
}

export function join(...parts: readonly Markup[]): Markup {
  let text = "";
  for (const part of parts) text += part;
  return text as Markup;
}

const signs: { [sign: string]: string } = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const special = new RegExp(`[&<>"]|${unseen.source}`);
const everySpecial = new RegExp(special, "g");

function entities(value: string | number): string {
  if (typeof value === "number") return String(value);
  return special.test(value) ? value.replace(everySpecial, (sign) => signs[sign] ?? byNumber(sign)) : value;
}

/** One element for another place of the page; may stand beside others in one answer or one stream message. */
export function partial(
  target: string,
  swap: "outerMorph" | "innerMorph" | "innerHTML" | "beforeend" | "delete",
  inner: string,
): string {
  return `<hx-partial hx-target="#${target}" hx-swap="${swap}">${inner}</hx-partial>`;
}
