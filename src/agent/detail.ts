// One workload read through: the object, its pods, revisions, conditions, autoscaler and events, all asked at once.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Autoscaler,
  AutoscalerSchema,
  type EventRow,
  EventRowSchema,
  type Pod,
  PodSchema,
  type Revision,
  RevisionSchema,
  type Workload,
  type WorkloadSchema,
} from "../gen/lizardcd/v1/workload_pb.ts";
import type { Cluster } from "./cluster.ts";
import { readEvents, withLastLine } from "./diagnosis.ts";
import { type Kind, kinds, pathOf, type Resource } from "./kind.ts";
import { type Kube, type RequestOptions, StatusFailed } from "./kube.ts";
import {
  type ContainerStatus,
  controllerOf,
  type PodTemplate,
  type RawAutoscaler,
  type RawEvent,
  type RawPod,
  type RawRevision,
  type RawWorkload,
  timeOf,
} from "./object.ts";
import { creationFailure, lastSeen, type PodVerdict, podVerdict, worstOf } from "./reason.ts";
import { ageOf, containersOf, rowOf, Texts, toReason, toWorkloadRow } from "./row.ts";
import { selectorText } from "./selector.ts";
import type { Diagnosis } from "./state.ts";

export const changedByKey = "lizardcd.io/changed-by";
export const changedRequestKey = "lizardcd.io/changed-request";
export const fieldManager = "lizardcd";

/** A Workload's fields, for whoever adds to them. */
export type WorkloadInit = Exclude<MessageInitShape<typeof WorkloadSchema>, Workload>;

export interface Ref {
  resource: Resource;
  namespace: string;
  name: string;
}

const eventsShown = 20;
const eventsPage = 1000;
const objectsAsked = 8;
const logsRead = 3;

export async function readDetail(cluster: Cluster, ref: Ref, options: RequestOptions): Promise<WorkloadInit> {
  const { kube } = cluster;
  const kind = kinds[ref.resource];
  const began = performance.now();
  const workload = await kube.get<RawWorkload>(pathOf(ref.resource, ref.namespace, ref.name), {}, options);
  const labelSelector = selectorText(workload.spec?.selector);
  const core = `/api/v1/namespaces/${ref.namespace}`;
  const [pods, revisions, autoscaler, page] = await Promise.all([
    kube.list<RawPod>(`${core}/pods`, { labelSelector }, options).then(({ items }) => items),
    kube
      .list<RawRevision>(pathOf(kind.revisions, ref.namespace), { labelSelector }, options)
      .then(({ items }) => items),
    readAutoscaler(cluster, ref, options),
    readEventPage(kube, ref.namespace, options),
  ]);
  const ownPods = pods.filter((pod) => kind.owns(ref.name, pod));
  const ownRevisions = revisions.filter(({ metadata }) => controllerOf(metadata)?.uid === workload.metadata.uid);
  const events = page ?? (await readEventsOfEach(kube, ref, kind, ownRevisions, ownPods, options));

  const now = kube.now();
  const eventsOf = (name: string) => events.filter(({ involvedObject }) => involvedObject?.name === name);
  const verdicts = await withLogs(
    kube,
    ref.namespace,
    ownPods.map((pod) => ({ pod, verdict: podVerdict(pod, eventsOf(pod.metadata.name), now) })),
    options,
  );
  const names = new Set([ref.name, ...nameOf(ownRevisions), ...nameOf(ownPods)]);
  const own = events.filter(({ involvedObject }) => names.has(involvedObject?.name ?? ""));
  const row = rowOf(ref.resource, workload, new Texts(), diagnosisOf(verdicts, own, desiredOf(workload)));
  const wanted = wantedRevision(kind, workload, ownRevisions);

  return {
    ...describe(workload, ref, kind, cluster, now),
    row: toWorkloadRow(row, cluster.name, now),
    pods: verdicts
      .map((one) => podOf(kind, ref.name, one, wanted, now))
      .sort((a, b) => a.createdMs - b.createdMs || (a.name < b.name ? -1 : 1)),
    revisions: revisionsOf(kind, workload, ownRevisions, ownPods, wanted, now),
    autoscaler,
    events: own
      .sort((a, b) => lastSeen(b) - lastSeen(a))
      .slice(0, eventsShown)
      .map((event) => eventOf(event, now)),
    ageMs: Math.round(performance.now() - began),
  };
}

/** What the object alone says: also the answer to a write. */
export function describe(workload: RawWorkload, ref: Ref, kind: Kind, cluster: Cluster, now: number): WorkloadInit {
  return {
    row: toWorkloadRow(rowOf(ref.resource, workload, new Texts()), cluster.name, now),
    labels: workload.metadata.labels ?? {},
    strategy: kind.strategy(workload),
    conditions: (workload.status?.conditions ?? []).map((condition) => ({
      type: condition.type,
      status: condition.status,
      reason: condition.reason ?? "",
      message: condition.message ?? "",
      sinceMs: ageOf(timeOf(condition.lastTransitionTime) ?? 0, now),
    })),
    generation: workload.metadata.generation ?? 0,
    observedGeneration: workload.status?.observedGeneration ?? 0,
    changedBy: changedBy(workload),
    changedRequest: workload.metadata.annotations?.[changedRequestKey] ?? "",
    paused: workload.spec?.paused ?? false,
  };
}

/** The HorizontalPodAutoscaler that owns the replicas; undefined where there is none or we may not know. */
export async function readAutoscaler(
  { kube, log }: Cluster,
  { resource, namespace, name }: Ref,
  options: RequestOptions,
): Promise<Autoscaler | undefined> {
  if (!kinds[resource].replicas) return undefined;
  try {
    const path = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`;
    const { items } = await kube.list<RawAutoscaler>(path, {}, options);
    const found = items.find(({ spec }) => {
      const target = spec?.scaleTargetRef;
      return (
        target?.kind === kinds[resource].kind && target.name === name && /^apps\//.test(target.apiVersion ?? "apps/")
      );
    });
    if (!found) return undefined;
    return create(AutoscalerSchema, {
      name: found.metadata.name,
      min: found.spec?.minReplicas ?? 1,
      max: found.spec?.maxReplicas ?? 0,
      desired: found.status?.desiredReplicas ?? 0,
    });
  } catch (cause) {
    if (!(cause instanceof StatusFailed) || (cause.status !== 403 && cause.status !== 404)) throw cause;
    log.debug("HorizontalPodAutoscalers may not be read", { namespace, error: cause });
    return undefined;
  }
}

/** "kubectl-edit", or "lizardcd (alice)" where the change went through us. */
function changedBy({ metadata }: RawWorkload): string {
  let newest: { manager?: string; time?: string } | undefined;
  for (const entry of metadata.managedFields ?? []) {
    if (entry.subresource === "status") continue;
    if (!newest || (timeOf(entry.time) ?? 0) >= (timeOf(newest.time) ?? 0)) newest = entry;
  }
  const manager = newest?.manager ?? "";
  const actor = metadata.annotations?.[changedByKey];
  return manager === fieldManager && actor ? `${manager} (${actor})` : manager;
}

interface Judged {
  pod: RawPod;
  verdict: PodVerdict;
}

async function withLogs(kube: Kube, namespace: string, all: Judged[], options: RequestOptions): Promise<Judged[]> {
  const crashed = all.filter(({ verdict }) => verdict.crashed).slice(0, logsRead);
  await Promise.all(
    crashed.map(async ({ verdict }) => {
      verdict.why = await withLastLine(kube, namespace, verdict.crashed!, verdict.why!, options);
    }),
  );
  return all;
}

function diagnosisOf(all: Judged[], events: RawEvent[], desired: number): Diagnosis {
  const worst = worstOf(all.map(({ verdict }) => verdict));
  const alive = all.filter(({ pod }) => !pod.metadata.deletionTimestamp).length;
  const refused = alive < desired && !worst ? creationFailure(events) : undefined;
  const starting = all.some(({ verdict }) => (verdict.state === "run" || verdict.state === "wait") && !verdict.why);
  return { why: worst?.why ?? refused, early: worst?.early, starting: starting || alive < desired };
}

function desiredOf({ spec, status }: RawWorkload): number {
  return status?.desiredNumberScheduled ?? spec?.replicas ?? 1;
}

function podOf(kind: Kind, workload: string, { pod, verdict }: Judged, wanted: string, now: number): Pod {
  const { metadata, spec, status } = pod;
  const revision = kind.revisionOf(workload, pod);
  const containers = [
    ...(status?.containerStatuses ?? []).map((one) => containerOf(one, false, now)),
    ...(status?.initContainerStatuses ?? []).map((one) => containerOf(one, true, now)),
  ];
  return create(PodSchema, {
    name: metadata.name,
    state: verdict.state,
    reason: verdict.why && toReason(verdict.why, now),
    revision,
    restarts: containers.reduce((sum, { restarts }) => sum + restarts, 0),
    createdMs: ageOf(timeOf(metadata.creationTimestamp) ?? 0, now),
    node: spec?.nodeName ?? "",
    updated: revision === wanted,
    ip: status?.podIP ?? "",
    hostIp: status?.hostIP ?? "",
    containers,
  });
}

function containerOf(
  { name, image = "", restartCount = 0, ready = false, state = {} }: ContainerStatus,
  init: boolean,
  now: number,
) {
  const { running, terminated, waiting } = state;
  const since = timeOf(running?.startedAt ?? terminated?.finishedAt);
  return {
    name,
    image,
    init,
    state: running ? "running" : terminated ? "terminated" : "waiting",
    reason: (terminated ?? waiting)?.reason ?? "",
    restarts: restartCount,
    ready,
    sinceMs: since === undefined ? 0 : ageOf(since, now),
  };
}

/** The hash of the revision that is wanted: the newest a controller made of the present template. */
/** Empty while it has not been made: a Deployment that is paused makes none for what is changed meanwhile. */
function wantedRevision(kind: Kind, workload: RawWorkload, revisions: RawRevision[]): string {
  const { metadata, spec, status } = workload;
  if (status?.updateRevision) return hashOf(status.updateRevision, metadata.name);
  const newest = [...revisions].sort((a, b) => numberOf(b) - numberOf(a))[0];
  const same = revisions.find((revision) => Bun.deepEquals(bare(revision.spec?.template), bare(spec?.template)));
  const unmade = kind.revisions === "replicasets" && !status?.updatedReplicas;
  const wanted = same ?? (unmade ? undefined : newest);
  return wanted ? kind.revisionOf(metadata.name, wanted) || hashOf(wanted.metadata.name, metadata.name) : "";
}

/** A pod template without the hash of itself that its ReplicaSet adds. */
function bare(template: PodTemplate | undefined): unknown {
  const { "pod-template-hash": _, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

function revisionsOf(
  kind: Kind,
  { metadata }: RawWorkload,
  revisions: RawRevision[],
  pods: RawPod[],
  wanted: string,
  now: number,
): Revision[] {
  return revisions
    .sort((a, b) => numberOf(b) - numberOf(a))
    .map((revision) => {
      const hash = kind.revisionOf(metadata.name, revision) || hashOf(revision.metadata.name, metadata.name);
      const own = pods.filter((pod) => kind.revisionOf(metadata.name, pod) === hash);
      const template = revision.spec?.template ?? revision.data?.spec?.template;
      return create(RevisionSchema, {
        revision: hash,
        current: hash === wanted,
        containers: containersOf(template?.spec),
        desired: revision.spec?.replicas ?? own.length,
        ready: own.filter(isReady).length,
        pods: own.length,
        createdMs: ageOf(timeOf(revision.metadata.creationTimestamp) ?? 0, now),
      });
    })
    .filter(
      (revision) => revision.current || revision.pods > 0 || (revision.desired > 0 && kind.revisions === "replicasets"),
    );
}

function eventOf(event: RawEvent, now: number): EventRow {
  const { kind = "", name = "" } = event.involvedObject ?? {};
  return create(EventRowSchema, {
    type: event.type ?? "",
    reason: event.reason ?? "",
    message: event.message ?? "",
    object: `${kind}/${name}`,
    count: event.series?.count ?? event.count ?? 1,
    lastMs: ageOf(lastSeen(event), now),
  });
}

/** All events of a namespace in one request, where they are not too many; undefined where they are. */
async function readEventPage(kube: Kube, namespace: string, options: RequestOptions): Promise<RawEvent[] | undefined> {
  try {
    const path = `/api/v1/namespaces/${namespace}/events`;
    const page = await kube.get<{ metadata: { continue?: string }; items: RawEvent[] }>(
      path,
      { limit: eventsPage },
      options,
    );
    return page.metadata.continue ? undefined : page.items;
  } catch (cause) {
    if (cause instanceof StatusFailed && cause.status === 403) return [];
    throw cause;
  }
}

async function readEventsOfEach(
  kube: Kube,
  { namespace, name }: Ref,
  kind: Kind,
  revisions: RawRevision[],
  pods: RawPod[],
  options: RequestOptions,
): Promise<RawEvent[]> {
  const unready = [...pods].sort((a, b) => Number(isReady(a)) - Number(isReady(b)));
  const objects: [string, string][] = [
    [kind.kind, name],
    ...(kind.revisions === "replicasets"
      ? revisions
          .filter(({ spec }) => spec?.replicas)
          .map(({ metadata }): [string, string] => ["ReplicaSet", metadata.name])
      : []),
    ...unready.slice(0, objectsAsked).map(({ metadata }): [string, string] => ["Pod", metadata.name]),
  ];
  const read = objects.map(([kind, name]) => readEvents(kube, namespace, kind, name, options));
  return (await Promise.all(read)).flat();
}

function isReady({ status }: RawPod): boolean {
  return status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

function numberOf({ metadata, revision }: RawRevision): number {
  return revision ?? Number(metadata.annotations?.["deployment.kubernetes.io/revision"] ?? 0);
}

/** "web-5d4f8" of workload web -> "5d4f8". */
function hashOf(revision: string, workload: string): string {
  return revision.startsWith(`${workload}-`) ? revision.slice(workload.length + 1) : revision;
}

function nameOf(objects: { metadata: { name: string } }[]): string[] {
  return objects.map(({ metadata }) => metadata.name);
}
