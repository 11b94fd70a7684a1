import { isObject, type Json } from "./object.ts";

/** Lists whose items are told apart by these fields; server-side apply merges them item by item. */
const keyedLists: Record<string, string[]> = {
  containers: ["name"],
  initContainers: ["name"],
  ephemeralContainers: ["name"],
  env: ["name"],
  volumes: ["name"],
  volumeMounts: ["mountPath"],
  volumeDevices: ["devicePath"],
  imagePullSecrets: ["name"],
  resourceClaims: ["name"],
  hostAliases: ["ip"],
  topologySpreadConstraints: ["topologyKey", "whenUnsatisfiable"],
  ownerReferences: ["uid"],
  conditions: ["type"],
};

/** Replaced as a whole, never merged. */
const atomicMaps = new Set([
  ...["selector", "nodeSelector", "labelSelector", "involvedObject"],
  ...["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"],
]);

export type Structure = { type: "leaf" } | { type: "map" } | { type: "set" } | { type: "keyed"; keys: string[] };

/** How server-side apply sees the value found under `field`. */
export function structureOf(field: string, value: Json): Structure {
  if (isObject(value)) return atomicMaps.has(field) ? { type: "leaf" } : { type: "map" };
  if (!Array.isArray(value)) return { type: "leaf" };
  if (field === "finalizers") return { type: "set" };
  if (!value.every(isObject)) return { type: "leaf" };
  if (field === "ports") {
    return {
      type: "keyed",
      keys: [value.some((port) => "containerPort" in port) ? "containerPort" : "port", "protocol"],
    };
  }
  const keys = keyedLists[field];
  return keys ? { type: "keyed", keys } : { type: "leaf" };
}

/** The identity of an item, as managedFields write it: `k:{"name":"web"}`. */
export function itemKey(keys: string[], item: Json): string {
  const defaults: Json = { protocol: "TCP", name: "" };
  return `k:${JSON.stringify(Object.fromEntries(keys.map((key) => [key, item[key] ?? defaults[key]])))}`;
}

/** The field a strategic merge patch tells the items of a list apart by; undefined: the list is replaced. */
export function mergeKey(field: string, items: Json[]): string | undefined {
  if (field === "ports")
    return items.some((item) => isObject(item) && "containerPort" in item) ? "containerPort" : "port";
  if (field === "taints") return "key";
  if (field === "addresses" || field === "conditions") return "type";
  return keyedLists[field]?.[0];
}
