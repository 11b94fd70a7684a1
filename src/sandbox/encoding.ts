import type { Stored } from "./object.ts";
import { apiVersion, type Resource } from "./resource.ts";

// Stored objects never change, so their JSON is made once: a list of a thousand is a join.
const written = new WeakMap<Stored, string>();

/** As an item of a list: without kind and apiVersion. */
export function encodeItem(object: Stored): string {
  let text = written.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    written.set(object, text);
  }
  return text;
}

export const encode = (resource: Resource, object: Stored): string =>
  `{"kind":"${resource.kind}","apiVersion":"${apiVersion(resource)}",${encodeItem(object).slice(1)}`;

export const encodeList = (resource: Resource, metadata: object, items: Stored[]): string =>
  `{"kind":"${resource.kind}List","apiVersion":"${apiVersion(resource)}","metadata":${JSON.stringify(metadata)},` +
  `"items":[${items.map(encodeItem).join(",")}]}`;
