import { equal, type Json } from "./object.ts";
import { itemKey, structureOf } from "./schema.ts";

/**
 * A set of field paths in the shape of FieldsV1: a node without children, or with ".", is a member itself.
 * `{"f:spec":{"f:replicas":{}}}` holds `.spec.replicas`.
 */
export interface Fields {
  [element: string]: Fields;
}

/** What no manager owns: the identity of the object and what the server fills in. */
const unowned = new Set([
  ...["name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"],
  ...["deletionTimestamp", "deletionGracePeriodSeconds", "generateName"],
]);

/** The parts of an object that managers own. */
export function ownable(object: Json): Json {
  const { apiVersion: _, kind: __, metadata = {}, ...rest } = object;
  const kept = Object.fromEntries(Object.entries(metadata).filter(([key]) => !unowned.has(key)));
  return Object.keys(kept).length > 0 ? { metadata: kept, ...rest } : rest;
}

export function fieldsOf(value: Json, field = ""): Fields {
  const parts = partsOf(value, field);
  if (!parts) return {};
  const fields: Fields = {};
  for (const [element, part, name, member] of parts) {
    const inner = fieldsOf(part, name);
    fields[element] = member && Object.keys(inner).length > 0 ? { ".": {}, ...inner } : inner;
  }
  return fields;
}

/** The fields that are new in `after` or have another value than in `before`; undefined when none. */
export function changedFields(before: Json, after: Json, field = ""): Fields | undefined {
  if (before === after || after === undefined) return undefined;
  if (before === undefined) return fieldsOf(after, field);
  const parts = partsOf(after, field);
  const empty = typeof before === "object" && before !== null && Object.keys(before).length === 0;
  const old = empty ? [] : partsOf(before, field);
  if (!old || !parts) return equal(before, after) ? undefined : {};
  const known = new Map(old.map(([element, part]) => [element, part]));
  const fields: Fields = {};
  for (const [element, part, name, member] of parts) {
    const changed = changedFields(known.get(element), part, name);
    if (!changed) continue;
    fields[element] =
      member && !known.has(element) && Object.keys(changed).length > 0 ? { ".": {}, ...changed } : changed;
  }
  return Object.keys(fields).length > 0 ? fields : undefined;
}

export const union = (a: Fields, b: Fields): Fields => combine(a, b, (inA, inB) => inA || inB) ?? {};
export const without = (a: Fields, b: Fields): Fields => combine(a, b, (inA, inB) => inA && !inB) ?? {};
export const both = (a: Fields, b: Fields): Fields => combine(a, b, (inA, inB) => inA && inB) ?? {};

/** The members of `fields` that exist in the object. */
export const existing = (fields: Fields, object: Json): Fields => both(fields, withInterior(ownable(object), ""));

/** Paths in words, as conflicts name them: `.spec.template.spec.containers[name="web"].image`. */
export function paths(fields: Fields, prefix = ""): string[] {
  return Object.entries(fields).flatMap(([element, inner]) => {
    if (element === ".") return [];
    const path = prefix + elementText(element);
    const below = paths(inner, path);
    return isMember(inner) ? [path, ...below] : below;
  });
}

export const isMember = (fields: Fields | undefined): boolean =>
  fields !== undefined && (Object.keys(fields).length === 0 || "." in fields);

/** The parts of a value: [element of FieldsV1, value, field name, is a member besides its own fields]. */
export function partsOf(value: Json, field: string): [string, Json, string, boolean][] | undefined {
  const structure = structureOf(field, value);
  switch (structure.type) {
    case "leaf":
      return undefined;
    case "map": {
      const entries = Object.entries(value).filter(([, part]) => part !== undefined);
      return entries.length > 0 ? entries.map(([key, part]) => [`f:${key}`, part, key, false]) : undefined;
    }
    case "set":
      return value.map((item: Json) => [`v:${JSON.stringify(item)}`, item, "", false]);
    case "keyed":
      if (value.length === 0) return undefined;
      return value.map((item: Json) => [itemKey(structure.keys, item), item, "", true]);
  }
}

function combine(a: Fields | undefined, b: Fields | undefined, keep: (inA: boolean, inB: boolean) => boolean) {
  const inner: Fields = {};
  for (const element of new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])) {
    if (element === ".") continue;
    const combined: Fields | undefined = combine(a?.[element], b?.[element], keep);
    if (combined) inner[element] = combined;
  }
  const member = keep(isMember(a), isMember(b));
  if (Object.keys(inner).length === 0) return member ? {} : undefined;
  return member ? { ".": {}, ...inner } : inner;
}

function withInterior(value: Json, field: string): Fields {
  const parts = partsOf(value, field) ?? [];
  return { ".": {}, ...Object.fromEntries(parts.map(([element, part, name]) => [element, withInterior(part, name)])) };
}

function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith("f:")) return `.${rest}`;
  if (element.startsWith("v:")) return `[=${rest}]`;
  const keys = Object.entries(JSON.parse(rest)).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `[${keys.join(",")}]`;
}
