import type { Json, Stored } from "./object.ts";
import { formatQuantity, parseQuantity } from "./quantity.ts";
import { resources } from "./resource.ts";
import type { Store } from "./store.ts";

/** Why no quota of its namespace lets this pod in, in the words of the admission; undefined when it may. */
export function exceededQuota(store: Store, pod: Stored): string | undefined {
  for (const quota of store.list(resources.resourcequotas, pod.metadata.namespace)) {
    const hard: Record<string, string> = quota.spec?.hard ?? {};
    const names = Object.keys(hard).filter((name) => tracked(name));
    const missing = missingResources(names, pod);
    if (missing.length > 0) return `failed quota: ${quota.metadata.name}: must specify ${missing.join("; ")}`;
    const used = usage(store, pod.metadata.namespace!, names);
    const over = names.filter((name) => {
      const wanted = podUses(pod, name);
      return wanted > 0 && used[name]! + wanted > parseQuantity(hard[name]);
    });
    if (over.length === 0) continue;
    const list = (value: (name: string) => string) =>
      over
        .sort()
        .map((name) => `${name}=${value(name)}`)
        .join(",");
    return (
      `exceeded quota: ${quota.metadata.name}, requested: ${list((name) => shown(name, podUses(pod, name)))}, ` +
      `used: ${list((name) => shown(name, used[name]!))}, limited: ${list((name) => hard[name]!)}`
    );
  }
  return undefined;
}

/** What a quota's status says: the limits and what is used of them. */
export function quotaStatus(store: Store, quota: Stored): Json {
  const hard: Record<string, string> = quota.spec?.hard ?? {};
  const used = usage(store, quota.metadata.namespace!, Object.keys(hard));
  return {
    hard,
    used: Object.fromEntries(Object.keys(hard).map((name) => [name, shown(name, used[name] ?? 0)])),
  };
}

/** The sum of a resource over a pod's containers; `field` is requests or limits. */
export function podResource(pod: Stored, field: "requests" | "limits", name: string): number {
  return (pod.spec?.containers ?? []).reduce(
    (sum: number, container: Json) => sum + parseQuantity(container.resources?.[field]?.[name]),
    0,
  );
}

function usage(store: Store, namespace: string, names: string[]): Record<string, number> {
  const used: Record<string, number> = {};
  const pods = store
    .list(resources.pods, namespace)
    .filter((pod) => !["Succeeded", "Failed"].includes(pod.status?.phase));
  for (const name of names) {
    const [, counted] = /^count\/([a-z]+)/.exec(name) ?? [];
    const kind = Object.values(resources).find((resource) => resource.plural === (counted ?? name));
    if (kind && kind !== resources.pods) used[name] = store.list(kind, namespace).length;
    else used[name] = pods.reduce((sum, pod) => sum + podUses(pod, name), 0);
  }
  return used;
}

const tracked = (name: string) =>
  name === "pods" || name === "count/pods" || /^((requests|limits)\.)?(cpu|memory)$/.test(name);

function podUses(pod: Stored, name: string): number {
  if (name === "pods" || name === "count/pods") return 1;
  const [, , field = "requests", resource] = /^((requests|limits)\.)?(cpu|memory)$/.exec(name) ?? [];
  return resource ? podResource(pod, field as "requests" | "limits", resource) : 0;
}

function missingResources(names: string[], pod: Stored): string[] {
  const missing: string[] = [];
  for (const name of names) {
    const [, , field = "requests", resource] = /^((requests|limits)\.)?(cpu|memory)$/.exec(name) ?? [];
    if (!resource) continue;
    const without = pod.spec.containers.filter((container: Json) => !container.resources?.[field]?.[resource]);
    if (without.length > 0) missing.push(`${name} for: ${without.map((container: Json) => container.name).join(",")}`);
  }
  return missing.sort();
}

const shown = (name: string, value: number) => formatQuantity(value, name.endsWith("memory"));
