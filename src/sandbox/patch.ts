import { badRequest } from "./failure.ts";
import { equal, isObject, type Json } from "./object.ts";
import { mergeKey } from "./schema.ts";

/** RFC 7386: null deletes, lists are replaced. */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

const setOrder = "$setElementOrder/";
const deleteFrom = "$deleteFromPrimitiveList/";

/** Kubernetes' strategic merge: lists with a merge key are merged item by item, `$patch` and its kin are obeyed. */
export function strategicMerge(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  if (patch.$patch === "replace") return withoutDirectives(patch);
  if (patch.$patch === "delete") return {};
  const result: Json = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    if (value === null) delete result[key];
    else if (Array.isArray(value)) result[key] = mergeList(key, result[key], value, patch[setOrder + key]);
    else result[key] = strategicMerge(result[key], value);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deleteFrom)) {
      const list = key.slice(deleteFrom.length);
      result[list] = (result[list] ?? []).filter((item: Json) => !value.includes(item));
    }
    if (key.startsWith(setOrder)) {
      const list = key.slice(setOrder.length);
      if (Array.isArray(result[list])) result[list] = ordered(list, result[list], value);
    }
  }
  if (Array.isArray(patch.$retainKeys)) {
    for (const key of Object.keys(result)) if (!patch.$retainKeys.includes(key)) delete result[key];
  }
  return result;
}

function mergeList(field: string, target: Json, patch: Json[], order?: Json[]): Json[] {
  const current: Json[] = Array.isArray(target) ? target : [];
  if (patch.some((item) => isObject(item) && item.$patch === "replace" && Object.keys(item).length === 1)) {
    return patch.filter((item) => item.$patch !== "replace").map(withoutDirectives);
  }
  if (field === "finalizers") return [...new Set([...current, ...patch])];
  const key = mergeKey(field, [...current, ...patch]);
  if (!key || !patch.every(isObject)) return patch.map(withoutDirectives);
  let result = [...current];
  for (const item of patch) {
    if (!(key in item)) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const at = result.findIndex((other) => equal(other[key], item[key]));
    if (item.$patch === "delete") result = result.filter((other) => !equal(other[key], item[key]));
    else if (at < 0) result.push(strategicMerge({}, item));
    else result[at] = strategicMerge(result[at], item);
  }
  return order ? ordered(field, result, order) : result;
}

function ordered(field: string, list: Json[], order: Json[]): Json[] {
  const key = mergeKey(field, list);
  const place = (item: Json) => order.findIndex((other) => (key ? equal(other[key], item[key]) : equal(other, item)));
  const known = list.filter((item) => place(item) >= 0).sort((a, b) => place(a) - place(b));
  return [...known, ...list.filter((item) => place(item) < 0)];
}

function withoutDirectives(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, part]) => !key.startsWith("$") && part !== null)
      .map(([key, part]) => [key, withoutDirectives(part)]),
  );
}
