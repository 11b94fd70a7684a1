// From nodes to text. Everything that leaves a view goes through here.
import type { VNode } from "preact";
import { renderToString } from "preact-render-to-string";

// Preact escapes markup. Control characters and those that turn the reading direction around or take no room are no
// markup, yet let a name from a cluster look like another one: they are shown by their number.
const unseen =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export function html(node: VNode): string {
  return renderToString(node).replace(unseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** One element for another place of the page; may stand beside others in one answer or one stream message. */
export function partial(
  target: string,
  swap: "outerMorph" | "innerMorph" | "innerHTML" | "beforeend" | "delete",
  inner: string,
): string {
  return `<hx-partial hx-target="#${target}" hx-swap="${swap}">${inner}</hx-partial>`;
}
