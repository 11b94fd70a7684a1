// The JSON watch of a list of workloads: WorkloadEvent messages, the whole current set first, then what changes. It
// follows every agent that the list asks, also those that come later.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import { encode } from "../contract/json.ts";
import { WorkloadEventSchema, type WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { type Question, questionsOf } from "./across.ts";
import type { Pool } from "./pool.ts";
import type { Summaries } from "./summaries.ts";
import { type RowChange, rowKey, type Subscription, type Watches } from "./watches.ts";

export interface WorkloadWatchDeps {
  pool: Pool;
  summaries: Pick<Summaries, "clusters" | "onChange">;
  watches: Pick<Watches, "subscribe">;
}

/** As the list across clusters is asked; empty is all. */
export interface Wanted {
  cluster: readonly string[];
  namespace: readonly string[];
  resource: readonly string[];
  labelSelector: string;
  state: readonly string[];
  q: string;
}

type Event = NonNullable<MessageInitShape<typeof WorkloadEventSchema>["event"]>;

interface Followed {
  key: string;
  question: Question;
  subscription: Subscription;
  end: AbortController;
  /** Its set is whole, or it has said why not. */
  told: boolean;
}

/** Agents that one watch follows at most. */
const mostFollowed = 256;
const beatMs = 4_000;

/** @throws Failed "request.invalid" where too many agents would have to be followed */
export function workloadWatch(deps: WorkloadWatchDeps, wanted: Wanted, signal: AbortSignal): AsyncGenerator<string> {
  questionsFor(deps, wanted);
  return encoded(events(deps, wanted, signal));
}

async function* encoded(events: AsyncGenerator<Event>): AsyncGenerator<string> {
  for await (const event of events) {
    yield JSON.stringify(encode(WorkloadEventSchema, create(WorkloadEventSchema, { event })));
  }
}

async function* events(deps: WorkloadWatchDeps, wanted: Wanted, signal: AbortSignal): AsyncGenerator<Event> {
  const { pool, summaries, watches } = deps;
  const matches = rowFilter(wanted);
  const followed = new Map<string, Followed>();
  const sent = new Set<string>();
  /** By cluster, which of its agents do not answer; the cluster itself where it is not announced. */
  const lost = new Map<string, Set<string>>();
  // One answer of each subscription at a time: what comes meanwhile waits there, as the last word on each row.
  const answers: { one: Followed; changes: RowChange[] }[] = [];
  let moved = true;
  let whole = false;
  let beatAt = 0;
  let wake = () => {};
  const stop = summaries.onChange(() => {
    moved = true;
    wake();
  });
  signal.addEventListener("abort", () => wake(), { once: true });

  async function listen(one: Followed): Promise<void> {
    const changes = await one.subscription.next(one.end.signal);
    if (one.end.signal.aborted) return;
    answers.push({ one, changes });
    wake();
  }

  try {
    while (!signal.aborted) {
      if (moved) {
        moved = false;
        yield* follow();
      }
      for (const { one, changes } of answers.splice(0)) {
        if (one.end.signal.aborted) continue;
        for (const change of changes) yield* told(one, change);
        void listen(one);
      }
      if (!whole && [...followed.values()].every(({ told }) => told)) {
        whole = true;
        yield synced(0);
      }
      if (moved || answers.length > 0 || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    stop();
    for (const one of followed.values()) close(one);
  }

  /** Agents may have come or gone since the last time. */
  function* follow(): Generator<Event> {
    const questions = questionsFor(deps, wanted);
    const left = [...followed.values()].filter(({ key }) => !questions.has(key));
    for (const one of left) {
      followed.delete(one.key);
      close(one);
    }
    for (const [key, question] of questions) {
      if (followed.has(key)) continue;
      const { labelSelector } = wanted;
      const subscription = watches.subscribe({ ...question, labelSelector });
      const one = { key, question, subscription, end: new AbortController(), told: subscription.synced };
      followed.set(key, one);
      for (const { row } of subscription.rows()) yield* rowOf(row);
      void listen(one);
    }
    const clusters = wanted.cluster.length > 0 ? wanted.cluster : summaries.clusters().keys();
    for (const cluster of clusters) {
      const problem = absence(pool, cluster);
      if (problem) yield* away(cluster, cluster, problem);
      else back(cluster, cluster);
    }
    // After that: a cluster whose last agent is not announced any more was lost before, and still is.
    for (const { key, question } of left) back(question.entry.cluster, key);
  }

  function* told(one: Followed, change: RowChange): Generator<Event> {
    switch (change.type) {
      case "upsert":
        return yield* rowOf(change.live.row);
      case "removed":
        return yield* gone(change.row);
      case "broken":
        one.told = true;
        return yield* away(change.cluster, one.key, change.failed);
      case "synced":
        one.told = true;
        back(one.question.entry.cluster, one.key);
        if (whole) yield synced(0);
        return;
      case "beat":
        back(change.cluster, one.key);
        if (whole && performance.now() >= beatAt) yield synced(change.ageMs);
    }
  }

  function* rowOf(row: WorkloadRow): Generator<Event> {
    if (!matches(row)) return yield* gone(row);
    sent.add(keyOf(row));
    yield { case: "upsert", value: row };
  }

  /** Also what still is, and is no longer asked for. */
  function* gone(row: WorkloadRow): Generator<Event> {
    if (!sent.delete(keyOf(row))) return;
    const { cluster, namespace, resource, name } = row;
    yield { case: "removed", value: { cluster, namespace, resource, name } };
  }

  /** Said once, until all of it is back: its rows stay, and get old. */
  function* away(cluster: string, who: string, { code, message }: Failed): Generator<Event> {
    const before = lost.get(cluster);
    lost.set(cluster, new Set(before).add(who));
    if (before) return;
    yield { case: "lost", value: { cluster, code, message } };
  }

  function back(cluster: string, who: string): void {
    const left = lost.get(cluster);
    left?.delete(who);
    if (left?.size === 0) lost.delete(cluster);
  }

  function synced(ageMs: number): Event {
    beatAt = performance.now() + beatMs;
    return { case: "synced", value: { ageMs } };
  }
}

function questionsFor(deps: WorkloadWatchDeps, wanted: Wanted): Map<string, Question> {
  const { cluster, namespace, resource } = wanted;
  const questions = questionsOf(deps, { cluster, namespace, resource } as never);
  if (questions.length > mostFollowed) {
    const problem = `must name fewer clusters: ${questions.length} agents would be watched, at most ${mostFollowed} can be`;
    throw new Failed("request.invalid", { field: "cluster", problem });
  }
  return new Map(questions.map((one) => [`${one.entry.key} ${one.namespace} ${one.resource}`, one]));
}

function absence(pool: Pool, cluster: string): Failed | undefined {
  try {
    pool.on({ cluster });
    return undefined;
  } catch (cause) {
    if (cause instanceof Failed) return cause;
    throw cause;
  }
}

/** As the agent filters its lists. */
function rowFilter({ state, q }: Wanted): (row: WorkloadRow) => boolean {
  const text = q.toLowerCase();
  return (row) =>
    (state.length === 0 || state.includes(row.state)) &&
    (text === "" ||
      row.name.includes(text) ||
      row.namespace.includes(text) ||
      row.containers.some(({ image }) => image.toLowerCase().includes(text)));
}

function close({ end, subscription }: Followed): void {
  end.abort();
  subscription.close();
}

function keyOf(row: WorkloadRow): string {
  return `${row.cluster}/${rowKey(row)}`;
}
