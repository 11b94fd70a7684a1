// Reads the pods of unhealthy workloads, so that rows, lists and summaries carry the reason. Healthy ones cost nothing.
import { backoff, sleep } from "../process/backoff.ts";
import type { Log } from "../process/log.ts";
import { type Evidence, judge, needsEvents } from "./judgement.ts";
import { kinds, pathOf, type Resource } from "./kind.ts";
import { type Kube, type RequestOptions, StatusFailed } from "./kube.ts";
import type { Nodes } from "./nodes.ts";
import { controllerOf, type RawEvent, type RawPod, type RawRevision } from "./object.ts";
import { lastLine } from "./reason.ts";
import type { Row } from "./row.ts";
import type { Diagnosis } from "./state.ts";
import type { WorkloadStore } from "./store.ts";

export interface DiagnosisOptions {
  kube: Kube;
  nodes: Nodes;
  store: WorkloadStore;
  log: Log;
  signal: AbortSignal;
}

// Milliseconds after a change; then, growing, between looks while nothing changes.
const afterChangeMs = 250;
const firstAgainMs = 1_000;
const lastAgainMs = 10_000;
// What may change by itself at any moment is looked at this often.
const soonMs = 3_000;
// However many are not well, the API server is asked about this many a second.
const looksPerSecond = 20;

const concurrency = 4;
// Of many pods that fail, a few say why.
const podsLookedInto = 3;
const requestTimeoutMs = 5_000;

/** Looks after every row of the store that is not well, until the signal aborts. */
export function diagnose({ kube, nodes, store, log, signal }: DiagnosisOptions): void {
  /** Key -> when it is due, by the monotonic clock. */
  const due = new Map<string, number>();
  const waits = new Map<string, ReturnType<typeof backoff>>();
  const running = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const schedule = (key: string, inMs: number) => {
    const at = performance.now() + inMs;
    if ((due.get(key) ?? Number.POSITIVE_INFINITY) <= at) return;
    due.set(key, at);
    plan();
  };
  const forget = (key: string) => {
    due.delete(key);
    waits.delete(key);
  };

  const end = store.listen((key, row, before) => {
    if (!row?.unwell) return forget(key);
    // A diagnosis of ours changes the row too; that is no news.
    if (before?.unwell && before.unwell.progress === row.unwell.progress) return;
    waits.get(key)?.reset();
    schedule(key, afterChangeMs);
  });
  for (const [key, row] of store.entries()) if (row.unwell) schedule(key, 0);
  signal.addEventListener(
    "abort",
    () => {
      end();
      clearTimeout(timer);
    },
    { once: true },
  );

  function plan(): void {
    clearTimeout(timer);
    if (signal.aborted || running.size >= concurrency || due.size === 0) return;
    let first = Number.POSITIVE_INFINITY;
    for (const [key, at] of due) if (!running.has(key)) first = Math.min(first, at);
    if (first !== Number.POSITIVE_INFINITY) timer = setTimeout(start, Math.max(0, first - performance.now()));
  }

  function start(): void {
    const now = performance.now();
    for (const [key, at] of due) {
      if (running.size >= concurrency) break;
      if (at > now || running.has(key)) continue;
      due.delete(key);
      running.add(key);
      void look(key).finally(() => {
        running.delete(key);
        plan();
      });
    }
    plan();
  }

  async function look(key: string): Promise<void> {
    const row = store.get(key);
    if (!row?.unwell) return forget(key);
    const wait = waits.get(key) ?? backoff({ first: firstAgainMs, most: lastAgainMs });
    waits.set(key, wait);
    let soon = false;
    try {
      const diagnosis = await readDiagnosis(kube, nodes, row, signal);
      if (row.unwell.diagnosis?.why?.code !== diagnosis.why?.code) wait.reset();
      store.diagnose(key, diagnosis);
      soon = diagnosis.starting || (diagnosis.early ?? false);
    } catch (cause) {
      if (signal.aborted) return;
      log.debug("pods of a workload could not be read", { workload: key, error: cause });
      // An API server that does not answer is not asked for each workload in turn.
      await sleep(1_000, signal);
    }
    if (!store.get(key)?.unwell) return forget(key);
    const again = soon ? Math.min(wait.next(), soonMs) : wait.next();
    schedule(key, Math.max(again, (due.size / looksPerSecond) * 1_000));
  }
}

/** What the pods of one workload say now. */
export async function readDiagnosis(kube: Kube, nodes: Nodes, row: Row, signal: AbortSignal): Promise<Diagnosis> {
  const { resource, namespace, name, unwell } = row;
  const options = { signal, timeoutMs: requestTimeoutMs };
  const [pods, revisions] = await readPods(kube, row, unwell?.selector ?? "", options);
  const now = kube.now();
  const workload = { ...row, ...whatToKnow(row) };
  const evidence: Evidence = {
    ...{ resource, workload, pods, events: [], nodes: new Map(), now },
    revisions: revisions?.map(({ metadata }) => metadata),
  };
  const first = judge(evidence);

  const unclear = first.pods.filter(needsEvents).slice(0, podsLookedInto);
  const unready = first.pods.filter(({ verdict }) => verdict.state !== "ok" && verdict.state !== "over");
  const asked: Promise<RawEvent[]>[] = unclear.map(({ pod }) =>
    readEvents(kube, namespace, "Pod", pod.metadata.name, options),
  );
  const missing = pods.filter(({ metadata }) => !metadata.deletionTimestamp).length < row.desired;
  // A Deployment's condition says why no pod is made.
  if (missing && resource !== "deployments")
    asked.push(readEvents(kube, namespace, kinds[resource].kind, name, options));
  const [events, known] = await Promise.all([
    Promise.all(asked).then((all) => all.flat()),
    nodes.read(
      unready.map(({ pod }) => pod.spec?.nodeName ?? ""),
      options,
    ),
  ]);
  const judged = events.length > 0 || known.size > 0 ? judge({ ...evidence, events, nodes: known }) : first;
  const { why } = judged.diagnosis;
  const crashed = why && judged.pods.find(({ verdict }) => verdict.why === why && verdict.crashed)?.verdict.crashed;
  if (!crashed) return judged.diagnosis;
  return { ...judged.diagnosis, why: await withLastLine(kube, namespace, crashed, why, options) };
}

function whatToKnow({ unwell }: Row) {
  return {
    deadlineSeconds: unwell?.deadlineSeconds ?? 600,
    wanted: unwell?.wanted,
    inOrder: unwell?.progress.inOrder,
  };
}

/** A workload's own pods, and the ReplicaSets by which a Deployment knows them where these may be read. */
export async function readPods(
  kube: Kube,
  owner: { resource: Resource; namespace: string; name: string; uid: string },
  labelSelector: string,
  options: RequestOptions,
): Promise<[RawPod[], RawRevision[] | undefined]> {
  const { resource, namespace } = owner;
  const kind = kinds[resource];
  const revisions = (): Promise<RawRevision[] | undefined> =>
    permitted(
      kube
        .list<RawRevision>(pathOf(kind.revisions, namespace), { labelSelector }, options)
        .then(({ items }) => items.filter(({ metadata }) => controllerOf(metadata)?.uid === owner.uid)),
      undefined,
    );
  const [{ items }, own] = await Promise.all([
    kube.list<RawPod>(`/api/v1/namespaces/${namespace}/pods`, { labelSelector }, options),
    resource === "deployments" ? revisions() : undefined,
  ]);
  return [items.filter((pod) => kind.owns(owner, pod, own)), own];
}

/** Events of one object; none where the agent may not read them. */
export async function readEvents(
  kube: Kube,
  namespace: string,
  kind: string,
  name: string,
  options: { signal?: AbortSignal; timeoutMs?: number },
): Promise<RawEvent[]> {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
  return permitted(
    kube
      .list<RawEvent>(`/api/v1/namespaces/${namespace}/events`, { fieldSelector }, options)
      .then(({ items }) => items),
    [],
  );
}

/** The reason with the last line its container wrote before it ended, where there is one to be had. */
export async function withLastLine(
  kube: Kube,
  namespace: string,
  container: string,
  found: NonNullable<Diagnosis["why"]>,
  options: { signal?: AbortSignal; timeoutMs?: number },
): Promise<NonNullable<Diagnosis["why"]>> {
  const path = `/api/v1/namespaces/${namespace}/${found.object}/log`;
  const query = { container, tailLines: 1, limitBytes: 4096 };
  const text =
    (await permitted(kube.text(path, { ...query, previous: true }, options), "")) ||
    (await permitted(kube.text(path, query, options), ""));
  const line = lastLine(text) || String(found.params.line || "");
  return { ...found, params: { ...found.params, line: line || "(none)" } };
}

/** A container that is gone, or a right that we lack, is no failure of what we were asked. */
async function permitted<T>(asked: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await asked;
  } catch (cause) {
    if (cause instanceof StatusFailed && [400, 403, 404].includes(cause.status)) return otherwise;
    throw cause;
  }
}
