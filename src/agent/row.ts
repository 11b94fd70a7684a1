// One workload as the agent keeps it: small, since there may be ten thousand. Raw JSON ends here.
import { create } from "@bufbuild/protobuf";
import { reason } from "../contract/reasons.ts";
import type { Reason } from "../gen/lizardcd/v1/failure_pb.ts";
import {
  type Container,
  ContainerSchema,
  type WorkloadRow,
  WorkloadRowSchema,
} from "../gen/lizardcd/v1/workload_pb.ts";
import { kinds, type Progress, type Resource } from "./kind.ts";
import { type KubeObject, type PodSpec, type RawWorkload, timeOf } from "./object.ts";
import { selectorText } from "./selector.ts";
import { type Diagnosis, type State, stateOf, type Why } from "./state.ts";

/** Immutable: a change makes a new one. */
export interface Row {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Alternately keys and values. */
  readonly labels: readonly string[];
  readonly containers: readonly Container[];
  readonly state: State;
  readonly why?: Why;
  readonly desired: number;
  readonly updated: number;
  readonly ready: number;
  readonly available: number;
  readonly current: number;
  /** Milliseconds since the epoch by the API server's clock. */
  readonly changed: number;
  readonly created: number;
  /** Kept only while its pods are of interest: what is needed to judge it again. */
  readonly unwell?: Unwell;
}

export interface Unwell {
  readonly progress: Progress;
  /** A label selector for its pods. */
  readonly selector: string;
  readonly deadlineSeconds: number;
  /** The revision that is wanted, by its hash, where the controller says it. */
  readonly wanted?: string;
  readonly diagnosis?: Diagnosis;
}

/** "deployments/shop/web": namespaces and names hold no slash. */
export function keyOf(row: { resource: string; namespace: string; name: string }): string {
  return `${row.resource}/${row.namespace}/${row.name}`;
}

/** Rows of many workloads repeat the same few texts; each is kept once. */
export class Texts {
  readonly #kept = new Map<string, string>();
  readonly #containers = new Map<string, readonly Container[]>();

  keep(text: string): string {
    const kept = this.#kept.get(text);
    if (kept !== undefined) return kept;
    this.#kept.set(text, text);
    return text;
  }

  containers(spec: PodSpec | undefined): readonly Container[] {
    const key = JSON.stringify([named(spec?.containers), named(spec?.initContainers)]);
    let kept = this.#containers.get(key);
    if (!kept) {
      kept = containersOf(spec);
      this.#containers.set(key, kept);
    }
    return kept;
  }

  /** Forgets what rows that are gone needed, once there is much of it; rows that live keep theirs. */
  trim(rows: number): void {
    if (this.#kept.size > 10_000 + 4 * rows) this.#kept.clear();
    if (this.#containers.size > 1_000 + 4 * rows) this.#containers.clear();
  }
}

export function rowOf(resource: Resource, workload: RawWorkload, texts: Texts, diagnosis?: Diagnosis): Row {
  const { metadata, spec } = workload;
  const progress = kinds[resource].progress(workload);
  const { state, why } = stateOf(progress, diagnosis);
  const created = timeOf(metadata.creationTimestamp) ?? 0;
  const { desired, updated, ready, available, current } = progress;
  return {
    resource,
    namespace: texts.keep(metadata.namespace ?? ""),
    name: metadata.name,
    uid: metadata.uid ?? "",
    labels: Object.entries(metadata.labels ?? {}).flatMap(([key, value]) => [texts.keep(key), texts.keep(value)]),
    containers: texts.containers(spec?.template?.spec),
    state,
    why,
    desired,
    updated,
    ready,
    available,
    current,
    changed: changedAt(workload),
    created,
    unwell: needsPods(state)
      ? {
          progress,
          selector: selectorText(spec?.selector),
          deadlineSeconds: deadlineOf(workload),
          wanted: wantedOf(workload),
          diagnosis,
        }
      : undefined,
  };
}

/** How long its pods may take to start. */
export function deadlineOf({ spec }: RawWorkload): number {
  return spec?.progressDeadlineSeconds ?? 600;
}

/** Where the controller names the revision that is wanted, as a StatefulSet's does: its hash. */
export function wantedOf({ metadata, status }: RawWorkload): string | undefined {
  const { updateRevision } = status ?? {};
  if (!updateRevision) return undefined;
  return updateRevision.startsWith(`${metadata.name}-`)
    ? updateRevision.slice(metadata.name.length + 1)
    : updateRevision;
}

/** The same workload in the light of what its pods say. */
export function judged(row: Row, diagnosis: Diagnosis): Row {
  if (!row.unwell) return row;
  const { state, why } = stateOf(row.unwell.progress, diagnosis);
  return { ...row, state, why, unwell: { ...row.unwell, diagnosis } };
}

/** Whether a reader would see a difference. */
export function differs(a: Row, b: Row): boolean {
  return (
    a.state !== b.state ||
    a.desired !== b.desired ||
    a.updated !== b.updated ||
    a.ready !== b.ready ||
    a.available !== b.available ||
    a.current !== b.current ||
    a.changed !== b.changed ||
    a.uid !== b.uid ||
    a.containers !== b.containers ||
    a.labels.length !== b.labels.length ||
    a.labels.some((text, index) => text !== b.labels[index]) ||
    whyText(a.why) !== whyText(b.why)
  );
}

/** @param now by the API server's clock */
export function toWorkloadRow(row: Row, cluster: string, now: number): WorkloadRow {
  return create(WorkloadRowSchema, {
    cluster,
    namespace: row.namespace,
    resource: row.resource,
    name: row.name,
    state: row.state,
    desired: row.desired,
    updated: row.updated,
    ready: row.ready,
    available: row.available,
    current: row.current,
    containers: row.containers as Container[],
    reason: row.why && toReason(row.why, now),
    changedMs: ageOf(row.changed, now),
    createdMs: ageOf(row.created, now),
  });
}

export function toReason({ code, params, object, since }: Why, now: number): Reason {
  return reason(code, params as never, { object, sinceMs: since === undefined ? 0 : ageOf(since, now) });
}

/** Milliseconds, never negative: clocks of two machines differ a little. */
export function ageOf(time: number, now: number): number {
  return time === 0 ? 0 : Math.max(0, Math.round(now - time));
}

/** When somebody last changed the spec: what only the status is written by does not count. */
export function changedAt(object: KubeObject): number {
  let newest = timeOf(object.metadata.creationTimestamp) ?? 0;
  for (const { subresource, time } of object.metadata.managedFields ?? []) {
    if (subresource === "status") continue;
    newest = Math.max(newest, timeOf(time) ?? 0);
  }
  return newest;
}

export function containersOf(spec: PodSpec | undefined): Container[] {
  const one = (init: boolean) => (container: { name: string; image?: string }) =>
    create(ContainerSchema, { name: container.name, image: container.image ?? "", init });
  return [...(spec?.containers ?? []).map(one(false)), ...(spec?.initContainers ?? []).map(one(true))];
}

function named(containers: PodSpec["containers"]): string[][] {
  return (containers ?? []).map(({ name, image = "" }) => [name, image]);
}

function needsPods(state: State): boolean {
  return state === "run" || state === "degraded" || state === "failed";
}

function whyText(why: Why | undefined): string {
  return why ? `${why.code} ${why.object} ${why.since} ${JSON.stringify(why.params)}` : "";
}
