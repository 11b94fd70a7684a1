import { applyConflict } from "./failure.ts";
import {
  both,
  changedFields,
  type Fields,
  fieldsOf,
  isMember,
  ownable,
  partsOf,
  paths,
  union,
  without,
} from "./fields.ts";
import { isObject, type Json, type ManagedFields, type Stored } from "./object.ts";
import { isSame, type Writer } from "./ownership.ts";
import type { Resource } from "./resource.ts";
import { itemKey, structureOf } from "./schema.ts";

export interface Applied {
  object: Json;
  /** What the manager owns now. */
  fields: Fields;
  /** What it took from others. */
  taken: Fields;
}

/**
 * Server-side apply of `config` on `live`: merged by field, with what the manager applied before and has now left out
 * removed. Throws a 409 naming the managers that own a field it would change, unless `force`.
 */
export function apply(resource: Resource, live: Stored, config: Json, writer: Writer, force: boolean): Applied {
  const fields = fieldsOf(ownable(config));
  const entries = live.metadata.managedFields ?? [];
  const others = entries.filter((entry) => !isSame(entry, resource, writer));
  const before = entries.find((entry) => isSame(entry, resource, writer))?.fieldsV1 ?? {};

  const merged = merge(live, config);
  const changed = changedFields(ownable(live), ownable(merged)) ?? {};
  const conflicts = others
    .map((entry) => ({ entry, paths: paths(both(entry.fieldsV1, changed)) }))
    .filter((conflict) => conflict.paths.length > 0)
    .sort((a, b) => (a.entry.manager < b.entry.manager ? -1 : 1));
  if (conflicts.length > 0 && !force) throw conflictOf(conflicts);

  const dropped = without(before, fields);
  const kept = others.reduce((all, entry) => union(all, entry.fieldsV1), fields);
  return { object: prune(merged, dropped, kept, ""), fields, taken: changed };
}

function merge(live: Json, config: Json, field = ""): Json {
  if (config === undefined) return live;
  const structure = structureOf(field, config);
  if (structure.type === "map" && isObject(live)) {
    const result: Json = { ...live };
    for (const [key, value] of Object.entries(config)) {
      if (value !== null) result[key] = merge(live[key], value, key);
    }
    return result;
  }
  if (structure.type === "set" && Array.isArray(live)) return [...new Set([...live, ...config])];
  if (structure.type === "keyed" && Array.isArray(live)) {
    const wanted = new Map<string, Json>(config.map((item: Json) => [itemKey(structure.keys, item), item]));
    const result = live.map((item) => {
      const key = itemKey(structure.keys, item);
      const other = wanted.get(key);
      wanted.delete(key);
      return other ? merge(item, other) : item;
    });
    return [...result, ...wanted.values()];
  }
  return config;
}

/** Removes the `dropped` fields nobody keeps. */
function prune(value: Json, dropped: Fields, kept: Fields, field: string): Json {
  const parts = partsOf(value, field);
  if (!parts) return value;
  const left = parts.flatMap(([element, part, name]) => {
    const drop = dropped[element];
    if (!drop) return [[name, part]];
    if (isMember(drop) && !kept[element]) return [];
    const inner = prune(part, drop, kept[element] ?? {}, name);
    // What held nothing but dropped fields goes with them.
    const empty = typeof inner === "object" && inner !== null && Object.keys(inner).length === 0;
    return empty && !kept[element] ? [] : [[name, inner]];
  });
  return Array.isArray(value) ? left.map(([, part]) => part) : Object.fromEntries(left);
}

function conflictOf(conflicts: { entry: ManagedFields; paths: string[] }[]) {
  const causes = conflicts.flatMap(({ entry, paths: fields }) =>
    fields.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${nameOf(entry)}`, field })),
  );
  if (causes.length === 1) {
    return applyConflict(`Apply failed with 1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`, causes);
  }
  const lines = conflicts.flatMap(({ entry, paths: fields }) => [
    `conflicts with ${nameOf(entry)}:`,
    ...fields.map((field) => `- ${field}`),
  ]);
  return applyConflict(`Apply failed with ${causes.length} conflicts: ${lines.join("\n")}`, causes);
}

function nameOf(entry: ManagedFields): string {
  const name = entry.subresource ? `"${entry.manager}" with subresource "${entry.subresource}"` : `"${entry.manager}"`;
  return entry.operation === "Update" ? `${name} using ${entry.apiVersion}` : name;
}
