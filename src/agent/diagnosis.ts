// Reads the pods of unhealthy workloads, so that rows, lists and summaries carry the reason. Healthy ones cost nothing.
import { backoff, sleep } from "../process/backoff.ts";
import type { Log } from "../process/log.ts";
import { kinds } from "./kind.ts";
import { type Kube, StatusFailed } from "./kube.ts";
import { type RawEvent, type RawPod, timeOf } from "./object.ts";
import { creationFailure, lastLine, type PodVerdict, podVerdict, worstOf } from "./reason.ts";
import type { Row } from "./row.ts";
import { type Diagnosis, worse } from "./state.ts";
import type { WorkloadStore } from "./store.ts";

export interface DiagnosisOptions {
  kube: Kube;
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
export function diagnose({ kube, store, log, signal }: DiagnosisOptions): void {
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
      const diagnosis = await readDiagnosis(kube, row, signal);
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
export async function readDiagnosis(kube: Kube, row: Row, signal: AbortSignal): Promise<Diagnosis> {
  const { resource, namespace, name, unwell } = row;
  const kind = kinds[resource];
  const options = { signal, timeoutMs: requestTimeoutMs };
  const base = `/api/v1/namespaces/${namespace}`;
  const { items } = await kube.list<RawPod>(`${base}/pods`, { labelSelector: unwell?.selector }, options);
  const now = kube.now();
  const own = items.filter((pod) => kind.owns(name, pod));
  const verdicts = own.map((pod) => ({ pod, verdict: podVerdict(pod, [], now) }));

  const unclear = verdicts.filter(({ pod, verdict }) => needsEvents(pod, verdict)).slice(0, podsLookedInto);
  await Promise.all(
    unclear.map(async (one) => {
      const events = await readEvents(kube, namespace, "Pod", one.pod.metadata.name, options);
      one.verdict = podVerdict(one.pod, events, now);
    }),
  );
  const worst = worstOf(verdicts.map(({ verdict }) => verdict));
  let found = worst?.why;
  if (worst?.crashed && found) found = await withLastLine(kube, namespace, worst.crashed, found, options);

  const alive = own.filter(({ metadata }) => !metadata.deletionTimestamp).length;
  if (alive < row.desired && !found && resource !== "deployments") {
    found = worse(found, creationFailure(await readEvents(kube, namespace, kind.kind, name, options)));
  }
  const limit = (unwell?.deadlineSeconds ?? 600) * 1000;
  const starting = verdicts.some(({ pod, verdict }) => {
    const age = now - (timeOf(pod.metadata.creationTimestamp) ?? now);
    return (verdict.state === "run" || verdict.state === "wait") && !verdict.why && age < limit;
  });
  return { why: found, early: worst?.early, starting: starting || alive < row.desired };
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

function needsEvents(pod: RawPod, { state, why }: PodVerdict): boolean {
  if (state === "ok" || state === "gone" || state === "wait") return false;
  if (!why) return pod.status?.containerStatuses?.some(({ ready, state }) => !ready && state?.running) ?? false;
  const { exitCode, problem = "" } = why.params;
  if (why.code === "image.pull") return /^Back-off pulling/.test(String(problem));
  return why.code === "container.crash_loop" && (exitCode === 137 || exitCode === 143);
}
