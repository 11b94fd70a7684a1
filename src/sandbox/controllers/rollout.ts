import { equal, type Json, type Stored } from "../object.ts";

export const revisionAnnotation = "deployment.kubernetes.io/revision";
export const desiredAnnotation = "deployment.kubernetes.io/desired-replicas";
export const maxAnnotation = "deployment.kubernetes.io/max-replicas";
const historyAnnotation = "deployment.kubernetes.io/revision-history";
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** A count or a percentage of `of`. */
export function resolve(value: number | string | undefined, of: number, up: boolean): number {
  if (typeof value === "number") return value;
  const share = (Number.parseInt(value ?? "0", 10) * of) / 100;
  return up ? Math.ceil(share) : Math.floor(share);
}

export function maxSurgeOf({ spec }: Stored): number {
  return spec.strategy.type === "RollingUpdate"
    ? resolve(spec.strategy.rollingUpdate.maxSurge, spec.replicas, true)
    : 0;
}

export function maxUnavailableOf({ spec }: Stored): number {
  if (spec.strategy.type !== "RollingUpdate" || spec.replicas === 0) return 0;
  const surge = resolve(spec.strategy.rollingUpdate.maxSurge, spec.replicas, true);
  const unavailable = resolve(spec.strategy.rollingUpdate.maxUnavailable, spec.replicas, false);
  // With neither surge nor gap a rollout could not move.
  return Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, spec.replicas);
}

export const revisionOf = (object: Stored): number => Number(object.metadata.annotations?.[revisionAnnotation] ?? 0);

/** The deployment's annotations as its ReplicaSet carries them. */
export function annotations(deployment: Stored, set: Stored | undefined, revision: number): Record<string, string> {
  const { [lastApplied]: _, [revisionAnnotation]: __, ...copied } = deployment.metadata.annotations ?? {};
  const known = set?.metadata.annotations ?? {};
  const before = known[revisionAnnotation];
  const history = [known[historyAnnotation], before].filter(Boolean).join(",");
  return {
    ...known,
    ...copied,
    [revisionAnnotation]: String(revision),
    ...(before && before !== String(revision) && { [historyAnnotation]: history }),
    [desiredAnnotation]: String(deployment.spec.replicas),
    [maxAnnotation]: String(deployment.spec.replicas + maxSurgeOf(deployment)),
  };
}

export function sameTemplate(a: Json, b: Json): boolean {
  const bare = (template: Json) => {
    const { "pod-template-hash": _, ...labels } = template.metadata?.labels ?? {};
    const { labels: __, creationTimestamp: ___, ...metadata } = template.metadata ?? {};
    return { metadata: { ...metadata, labels }, spec: template.spec };
  };
  return equal(bare(a), bare(b));
}

export const createdFirst = (a: Stored, b: Stored): number =>
  a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) || revisionOf(a) - revisionOf(b);

export const bySize = (a: Stored, b: Stored): number => b.spec.replicas - a.spec.replicas || createdFirst(a, b);

/** The sizes of active sets, biggest first, when `allowed` replicas are to be shared in their present proportion. */
export function proportional(deployment: Stored, active: Stored[], allowed: number): [Stored, number][] {
  const total = active.reduce((sum, set) => sum + set.spec.replicas, 0);
  const toAdd = allowed - total;
  let added = 0;
  const sizes = active.map((set): [Stored, number] => {
    const max = Number(set.metadata.annotations?.[maxAnnotation] ?? deployment.spec.replicas);
    const fraction = max > 0 ? Math.round((set.spec.replicas * allowed) / max) - set.spec.replicas : 0;
    const left = toAdd - added;
    const share = toAdd > 0 ? Math.min(Math.max(fraction, 0), left) : Math.max(Math.min(fraction, 0), left);
    added += share;
    return [set, set.spec.replicas + share];
  });
  if (sizes[0]) sizes[0][1] = Math.max(0, sizes[0][1] + toAdd - added);
  return sizes;
}
