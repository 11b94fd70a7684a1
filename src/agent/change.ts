// Every write: read, decide, patch what was read and nothing newer, and tell what it changed.
import { Failed } from "../contract/errors.ts";
import { changedByKey, changedRequestKey, fieldManager, type Ref } from "./detail.ts";
import { kinds, pathOf } from "./kind.ts";
import { type Kube, pause, StatusFailed } from "./kube.ts";
import type { KubeObject, RawWorkload } from "./object.ts";

export interface Changed {
  /** As the API server answered; with a dry run, as it is and stays. */
  workload: RawWorkload;
  changes: Change[];
}

export interface Change {
  path: string;
  /** JSON; empty where there was nothing. */
  before: string;
  after: string;
}

export interface ChangeOptions {
  signal: AbortSignal;
  /** Who asked; kept as an annotation of the workload. */
  actor: string;
  /** Kept beside it: whoever got no answer finds out by it whether the write was made. */
  requestId: string;
  dryRun?: boolean;
}

const tries = 8;

/**
 * @param patch what to change, decided from the object as it is; asked again after a conflict. May throw Failed.
 * The patch carries the resourceVersion it was decided on, so that what `patch` looked at still holds when it lands.
 */
export async function change(
  kube: Kube,
  { resource, namespace, name }: Ref,
  { signal, actor, requestId, dryRun = false }: ChangeOptions,
  patch: (workload: RawWorkload) => object,
): Promise<Changed> {
  const path = pathOf(resource, namespace, name);
  for (let tried = 1; ; tried++) {
    const before = await kube.get<RawWorkload>(path, {}, { signal });
    const annotations = { [changedByKey]: actor || null, [changedRequestKey]: requestId || null };
    const { resourceVersion } = before.metadata;
    const body = merged(patch(before), { metadata: { resourceVersion, annotations } });
    try {
      const query = { fieldManager, ...(dryRun ? { dryRun: "All" } : {}) };
      const workload = await kube.patch<RawWorkload>(path, body, query, { signal });
      return { workload: dryRun ? before : workload, changes: differences(before, workload) };
    } catch (cause) {
      const conflict = cause instanceof StatusFailed && cause.status === 409;
      if (!conflict) throw cause;
      if (tried >= tries) {
        throw new Failed("object.conflict", { kind: kinds[resource].kind, name, problem: cause.message }, { cause });
      }
      // A rollout writes its status often; the next read is likely to be the last.
      await pause(Math.random() * 20 * tried, signal);
    }
  }
}

/** What the caller wanted and what the API server made of it; not what every write moves by itself. */
export function differences(before: KubeObject, after: KubeObject): Change[] {
  const changes: Change[] = [];
  compare("", visible(before), visible(after), changes);
  return changes;
}

function visible({ metadata, ...rest }: KubeObject): unknown {
  const { labels, annotations = {} } = metadata;
  const shown = Object.entries(annotations).filter(
    ([key]) => key !== changedByKey && key !== changedRequestKey && !key.startsWith("deployment.kubernetes.io/"),
  );
  const { spec } = rest as { spec?: unknown };
  return { metadata: { labels: labels ?? {}, annotations: Object.fromEntries(shown) }, spec };
}

function compare(path: string, before: unknown, after: unknown, changes: Change[]): void {
  if (isRecord(before) && isRecord(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(path ? `${path}${step(key)}` : key, before[key], after[key], changes);
    }
    return;
  }
  const [was, is] = [byName(before), byName(after)];
  if (was && is) {
    for (const name of new Set([...was.keys(), ...is.keys()]))
      compare(`${path}[${name}]`, was.get(name), is.get(name), changes);
    return;
  }
  // Where nothing was, what arrives is told leaf by leaf: an annotation, not the map that holds it.
  if (before === undefined && isRecord(after)) {
    compare(path, {}, after, changes);
    return;
  }
  if (after === undefined && isRecord(before)) {
    compare(path, before, {}, changes);
    return;
  }
  const [a, b] = [jsonOf(before), jsonOf(after)];
  if (a !== b) changes.push({ path, before: a, after: b });
}

/** Lists of named things (containers, volumes, variables) are compared by name. */
function byName(value: unknown): Map<string, unknown> | undefined {
  if (!Array.isArray(value)) return undefined;
  const named = new Map(value.filter(isRecord).map((item) => [item.name, item]));
  const all = named.size === value.length && [...named.keys()].every((name) => typeof name === "string");
  return all ? (named as Map<string, unknown>) : undefined;
}

function step(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? `.${key}` : `[${key}]`;
}

function merged(a: object, b: object): object {
  const result: Record<string, unknown> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const mine = result[key];
    result[key] = isRecord(mine) && isRecord(value) ? merged(mine, value) : value;
  }
  return result;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function jsonOf(value: unknown): string {
  return value === undefined ? "" : JSON.stringify(value);
}
