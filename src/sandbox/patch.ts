import { Failure } from "./failure.ts";
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
      if (Array.isArray(result[list])) result[list] = ordered(list, result[list], value, target?.[list] ?? []);
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
    if (!(key in item)) throw new Failure(500, "", `map: ${goMap(item)} does not contain declared merge key: ${key}`);
    const at = result.findIndex((other) => equal(other[key], item[key]));
    if (item.$patch === "delete") result = result.filter((other) => !equal(other[key], item[key]));
    else if (at < 0) result.push(strategicMerge({}, item));
    else result[at] = strategicMerge(result[at], item);
  }
  return ordered(field, result, order ?? patch, current);
}

/** What the patch orders comes in that order; the rest stays where it was, behind what is new. */
function ordered(field: string, list: Json[], order: Json[], before: Json[]): Json[] {
  const key = mergeKey(field, list);
  const place = (items: Json[], item: Json) =>
    items.findIndex((other) => (key ? equal(other[key], item[key]) : equal(other, item)));
  const named = list.filter((item) => place(order, item) >= 0).sort((a, b) => place(order, a) - place(order, b));
  const rest = list.filter((item) => place(order, item) < 0);
  const result: Json[] = [];
  while (named.length > 0 && rest.length > 0) {
    const [known, at] = [place(before, named[0]), place(before, rest[0])];
    result.push(known >= 0 && at < known ? rest.shift() : named.shift());
  }
  return [...result, ...named, ...rest];
}

const goMap = (item: Json) =>
  `map[${Object.entries(item)
    .map(([key, value]) => `${key}:${value}`)
    .join(" ")}]`;

function withoutDirectives(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, part]) => !key.startsWith("$") && part !== null)
      .map(([key, part]) => [key, withoutDirectives(part)]),
  );
}
