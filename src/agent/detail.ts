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
import { type Judged, judge } from "./judgement.ts";
import { type Kind, kinds, pathOf, type Resource } from "./kind.ts";
import { type Kube, type RequestOptions, StatusFailed } from "./kube.ts";
import {
  type ContainerStatus,
  controllerOf,
  type KubeObject,
  type PodTemplate,
  type RawAutoscaler,
  type RawEvent,
  type RawPod,
  type RawRevision,
  type RawWorkload,
  timeOf,
} from "./object.ts";
import { eventsAbout, isSidecar, lastSeen } from "./reason.ts";
import { ageOf, containersOf, deadlineOf, rowOf, Texts, toReason, toWorkloadRow, wantedOf } from "./row.ts";
import { selectorText } from "./selector.ts";
import { bare as bareMessage, type Diagnosis, type Why, why as whyOf } from "./state.ts";

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
  const { uid = "" } = workload.metadata;
  const owner = { ...ref, uid };
  const [pods, revisions, scaling, page] = await Promise.all([
    kube.list<RawPod>(`${core}/pods`, { labelSelector }, options).then(({ items }) => items),
    kube
      .list<RawRevision>(pathOf(kind.revisions, ref.namespace), { labelSelector }, options)
      .then(({ items }) => items),
    readAutoscaler(cluster, ref, options),
    readEventPage(kube, ref.namespace, options),
  ]);
  const ownRevisions = revisions.filter(({ metadata }) => controllerOf(metadata)?.uid === uid);
  const ownPods = pods.filter((pod) => kind.owns(owner, pod, ownRevisions));
  const [events, nodes] = await Promise.all([
    page ?? readEventsOfEach(kube, ref, kind, ownRevisions, ownPods, options),
    cluster.nodes.read(
      ownPods.filter((pod) => !isReady(pod)).map(({ spec }) => spec?.nodeName ?? ""),
      options,
    ),
  ]);

  const now = kube.now();
  const progress = kind.progress(workload);
  const { pods: judged, diagnosis } = judge({
    resource: ref.resource,
    workload: {
      ...{ ...ref, uid, desired: progress.desired, deadlineSeconds: deadlineOf(workload) },
      ...{ wanted: wantedOf(workload), inOrder: progress.inOrder },
    },
    ...{ pods: ownPods, events, nodes, now },
    revisions: kind.revisions === "replicasets" ? ownRevisions.map(({ metadata }) => metadata) : undefined,
  });
  const { verdicts, diagnosis: said } = await withLogs(kube, ref.namespace, judged, diagnosis, options);
  const of = (kind: string, objects: readonly KubeObject[]) =>
    objects.flatMap(({ metadata }) => eventsAbout({ kind, ...metadata }, events));
  const makers = kind.revisions === "replicasets" ? of("ReplicaSet", ownRevisions) : [];
  const own = [...of(kind.kind, [workload]), ...makers, ...of("Pod", ownPods)];
  const row = rowOf(ref.resource, workload, new Texts(), said);
  const wanted = wantedRevision(kind, workload, ownRevisions);

  return {
    ...describe(workload, ref, kind, cluster, now),
    row: toWorkloadRow(row, cluster.name, now),
    pods: verdicts
      .map((one) => podOf(kind, ref.name, one, wanted, now))
      .sort((a, b) => a.createdMs - b.createdMs || (a.name < b.name ? -1 : 1)),
    revisions: revisionsOf(kind, workload, ownRevisions, ownPods, wanted, now),
    autoscaler: scaling.autoscaler,
    notes: notesOf(scaling).map((one) => toReason(one, now)),
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

/** What scales a workload by itself, as far as the agent may know. */
export interface Scaling {
  /** The HorizontalPodAutoscaler that owns the replicas. */
  autoscaler?: Autoscaler;
  /** Whether the API server does not let the agent see it. */
  hidden?: boolean;
}

export async function readAutoscaler(
  { kube, log }: Cluster,
  { resource, namespace, name }: Ref,
  options: RequestOptions,
): Promise<Scaling> {
  if (!kinds[resource].replicas) return {};
  try {
    const path = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`;
    const { items } = await kube.list<RawAutoscaler>(path, {}, options);
    const found = items.find(({ spec }) => {
      const target = spec?.scaleTargetRef;
      return (
        target?.kind === kinds[resource].kind && target.name === name && /^apps\//.test(target.apiVersion ?? "apps/")
      );
    });
    return found ? { autoscaler: autoscalerOf(found, kube.now()) } : {};
  } catch (cause) {
    if (!(cause instanceof StatusFailed) || (cause.status !== 403 && cause.status !== 404)) throw cause;
    log.debug("HorizontalPodAutoscalers may not be read", { namespace, error: cause });
    return { hidden: cause.status === 403 };
  }
}

/** What a person should know before scaling. */
export function notesOf({ hidden }: Scaling): Why[] {
  return hidden ? [whyOf("autoscaler.unreadable", {})] : [];
}

/** With the reason why it does not scale, if it does not: then what it wants is no wish. */
export function autoscalerOf({ metadata, spec, status }: RawAutoscaler, now: number): Autoscaler {
  const { name: autoscaler } = metadata;
  const broken = status?.conditions?.find(
    ({ type, status }) => (type === "ScalingActive" || type === "AbleToScale") && status === "False",
  );
  const at = { object: `horizontalpodautoscalers/${autoscaler}`, since: timeOf(broken?.lastTransitionTime) };
  const problem = broken?.message || broken?.reason || "";
  const why = !broken
    ? undefined
    : broken.reason === "ScalingDisabled"
      ? whyOf("autoscaler.off", { autoscaler }, at)
      : broken.type === "ScalingActive"
        ? whyOf("autoscaler.no_metrics", { autoscaler, problem }, at)
        : whyOf("autoscaler.cannot_scale", { autoscaler, problem }, at);
  return create(AutoscalerSchema, {
    name: autoscaler,
    min: spec?.minReplicas ?? 1,
    max: spec?.maxReplicas ?? 0,
    desired: status?.desiredReplicas ?? 0,
    reason: why && toReason(why, now),
  });
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

/** The last lines of a few that crash, the one that speaks for the workload among them. */
async function withLogs(
  kube: Kube,
  namespace: string,
  all: Judged[],
  diagnosis: Diagnosis,
  options: RequestOptions,
): Promise<{ verdicts: Judged[]; diagnosis: Diagnosis }> {
  const speaks = ({ verdict }: Judged) => verdict.why === diagnosis.why;
  const crashed = all
    .filter(({ verdict }) => verdict.crashed)
    .sort((a, b) => Number(speaks(b)) - Number(speaks(a)))
    .slice(0, logsRead);
  let said = diagnosis;
  await Promise.all(
    crashed.map(async (one) => {
      const spoke = speaks(one);
      const { verdict } = one;
      verdict.why = await withLastLine(kube, namespace, verdict.crashed!, verdict.why!, options);
      if (spoke) said = { ...diagnosis, why: verdict.why };
    }),
  );
  return { verdicts: all, diagnosis: said };
}

function podOf(kind: Kind, workload: string, { pod, verdict }: Judged, wanted: string, now: number): Pod {
  const { metadata, spec, status } = pod;
  const revision = kind.revisionOf(workload, pod);
  const containers = [
    ...(status?.containerStatuses ?? []).map((one) => containerOf(one, {}, now)),
    ...(status?.initContainerStatuses ?? []).map((one) => {
      const sidecar = isSidecar(spec?.initContainers?.find(({ name }) => name === one.name));
      return containerOf(one, sidecar ? { sidecar } : { init: true }, now);
    }),
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
  { init = false, sidecar = false }: { init?: boolean; sidecar?: boolean },
  now: number,
) {
  const { running, terminated, waiting } = state;
  const since = timeOf(running?.startedAt ?? terminated?.finishedAt);
  return {
    name,
    image,
    init,
    sidecar,
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
    message: bareMessage(event.message ?? ""),
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
