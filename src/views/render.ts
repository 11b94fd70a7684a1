// From nodes to text. Everything that leaves a view goes through here.
import type { VNode } from "preact";
import { renderToString } from "preact-render-to-string";

// Preact escapes markup. Control characters and those that turn the reading direction around or take no room are no
// markup, yet let a name from a cluster look like another one: they are shown by their number.
const unseen =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export function html(node: VNode): string {
  return seen(renderToString(node));
}

function seen(text: string): string {
  return text.replace(unseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

declare const escaped: unique symbol;
/** Text that has been escaped. Only `markup` makes it. */
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

export function join(...parts: Markup[]): Markup {
  return parts.join("") as Markup;
}

/** The text of Markup, fit to be sent. */
export function sent(text: Markup): string {
  return seen(text);
}

const signs: { [sign: string]: string } = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function entities(value: string | number): string {
  const text = String(value);
  return /[&<>"]/.test(text) ? text.replace(/[&<>"]/g, (sign) => signs[sign]!) : text;
}

/** One element for another place of the page; may stand beside others in one answer or one stream message. */
export function partial(
  target: string,
  swap: "outerMorph" | "innerMorph" | "innerHTML" | "beforeend" | "delete",
  inner: string,
): string {
  return `<hx-partial hx-target="#${target}" hx-swap="${swap}">${inner}</hx-partial>`;
}
