// What the fleet pages know: every agent is asked for its summary in turn, at bounded concurrency, and the last answer of
// each is kept. No page request makes a call for it.
import { toBinary } from "@bufbuild/protobuf";
import { Failed, toFailure } from "../contract/errors.ts";
import { type SummaryResponse, SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import type { Log } from "../process/log.ts";
import type { AgentEntry, GoneEntry } from "./directory.ts";
import { createKept } from "./kept.ts";
import type { Pool } from "./pool.ts";

/** The last that was heard of one key. */
export interface Known {
  readonly key: string;
  readonly namespace: string;
  readonly cluster: string;
  summary?: SummaryResponse;
  /** When that summary came; undefined for never. The monotonic clock's milliseconds, as all times here. */
  seenAt?: number;
  /** When its workloads were last known as a whole: what the summary counts is of then. */
  readAt?: number;
  /** Why the last question failed; undefined where it succeeded or none was asked yet. */
  failure?: Failure;
  askedAt?: number;
  /** Undefined once it is announced no longer. */
  entry?: AgentEntry;
}

export interface Summaries {
  /** Keys by cluster. */
  clusters(): ReadonlyMap<string, ReadonlySet<Known>>;
  /** Told which cluster has changed; returns how to stop being told. */
  onChange(tell: (cluster: string) => void): () => void;
  /** Milliseconds between two questions to the same agent, now. */
  intervalMs(): number;
  /** True while any agent known serves a simulated cluster. */
  simulated(): boolean;
  /** Asks one cluster at once, after a write. */
  refresh(cluster: string): void;
  run(signal: AbortSignal): Promise<void>;
}

export interface SummariesOptions {
  pool: Pool;
  /** The shortest time between two questions to one agent, milliseconds. */
  everyMs: number;
  /** Questions a second over the whole fleet. */
  perSecond: number;
  concurrency: number;
  timeoutMs: number;
  now: () => number;
  log: Log;
}

const tickMs = 200;

/** One of ours has 2 KB. The last of every agent is kept: what one may cost is bounded here, whoever it is. */
const mostSummaryBytes = 16 * 1024;

export function createSummaries({
  pool,
  everyMs,
  perSecond,
  concurrency,
  timeoutMs,
  now,
  log,
}: SummariesOptions): Summaries {
  const known = new Map<string, Known>();
  const clusters = new Map<string, Set<Known>>();
  const listeners = new Set<(cluster: string) => void>();
  const kept = createKept();
  /** Keys whose turn it is, oldest first; a new key goes to the front. */
  const due = new Set<string>();
  /** Keys that are announced; the one that was asked longest ago first. */
  const turns = new Set<string>();
  const simulated = new Set<string>();
  let wake = () => {};
  let forgotAt = now();
  /** Keys that have just stopped to answer, and when they are asked once more before their turn, oldest first. */
  const again = new Map<string, number>();

  function intervalMs(): number {
    return Math.max(everyMs, (known.size / perSecond) * 1000);
  }

  pool.directory.onChange((told) => ("entry" in told ? appeared(told.entry) : vanished(told.gone)));
  for (const entry of pool.directory.entries()) appeared(entry);

  function appeared(entry: AgentEntry): void {
    let one = known.get(entry.key);
    if (!one) {
      one = { key: entry.key, namespace: entry.namespace, cluster: entry.cluster };
      known.set(entry.key, one);
      const set = clusters.get(entry.cluster) ?? new Set();
      set.add(one);
      clusters.set(entry.cluster, set);
    }
    const fresh = one.entry !== entry || one.failure !== undefined;
    one.entry = entry;
    turns.add(entry.key);
    if (!fresh) return;
    due.add(entry.key);
    wake();
    tell(entry.cluster);
  }

  function vanished(left: GoneEntry): void {
    const one = known.get(left.key);
    if (!one) return;
    one.entry = undefined;
    one.failure = gone(left);
    turns.delete(left.key);
    tell(left.cluster);
  }

  function forget(): void {
    forgotAt = now();
    const remembered = new Set([...pool.directory.gone()].map((left) => left.key));
    for (const one of known.values()) {
      if (one.entry || remembered.has(one.key)) continue;
      known.delete(one.key);
      simulated.delete(one.key);
      const set = clusters.get(one.cluster);
      set?.delete(one);
      if (set?.size === 0) clusters.delete(one.cluster);
      tell(one.cluster);
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    const asking = new Set<Promise<void>>();
    const tick = setInterval(() => {
      schedule();
      wake();
    }, tickMs);
    signal.addEventListener("abort", () => wake(), { once: true });
    while (!signal.aborted) {
      for (const key of due) {
        if (asking.size >= concurrency) break;
        due.delete(key);
        const one = known.get(key);
        if (!one?.entry) continue;
        const question = ask(one, signal).finally(() => {
          asking.delete(question);
          wake();
        });
        asking.add(question);
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (signal.aborted) resolve();
      });
    }
    clearInterval(tick);
    await Promise.allSettled(asking);
  }

  /** Looks at no more keys than it may ask for: a large fleet costs no more than a small one, and has no rush hour. */
  function schedule(): void {
    const limit = now() - intervalMs();
    let left = Math.ceil((perSecond * tickMs) / 1000);
    for (const key of turns) {
      if (left-- === 0 || (known.get(key)?.askedAt ?? Number.NEGATIVE_INFINITY) > limit) break;
      due.add(key);
    }
    for (const [key, at] of again) {
      if (at > now()) break;
      again.delete(key);
      due.add(key);
    }
    if (now() - forgotAt > 5_000) forget();
  }

  async function ask(one: Known, signal: AbortSignal): Promise<void> {
    const entry = one.entry!;
    one.askedAt = now();
    turns.delete(one.key);
    turns.add(one.key);
    const wasLost = one.failure !== undefined;
    // A key that goes away while it is asked has its own failure; one that comes again meanwhile is asked for itself.
    try {
      const call = { deadline: Date.now() + timeoutMs, signal, actor: "server" };
      const summary = await pool
        .peers(entry)
        .agent.summary({ cluster: entry.cluster, namespace: entry.namespace }, call);
      if (toBinary(SummaryResponseSchema, summary).length > mostSummaryBytes) {
        const limit = `${mostSummaryBytes / 1024} KiB`;
        throw new Failed("agent.answer_too_large", { cluster: one.cluster, limit }, { object: one.cluster });
      }
      if (one.entry !== entry) return;
      one.seenAt = now();
      if (summary.synced) one.readAt = one.seenAt;
      one.summary = kept(one.readAt === undefined || summary.synced ? summary : withCounts(summary, one.summary!));
      one.failure = undefined;
      if (summary.info?.simulated) simulated.add(one.key);
      else simulated.delete(one.key);
      if (wasLost) log.info("agent answers again", { key: one.key });
    } catch (cause) {
      if (signal.aborted || one.entry !== entry) return;
      // It was not asked at all: what is known of it only grows older.
      if (cause instanceof Failed && cause.code === "connections.all_in_use") return;
      one.failure = failureOf(cause);
      if (!wasLost) {
        again.set(one.key, now() + everyMs);
        log.warn("agent does not answer", { key: one.key, problem: one.failure.message });
      }
    }
    tell(one.cluster);
  }

  function tell(cluster: string): void {
    for (const listener of listeners) listener(cluster);
  }

  return {
    clusters: () => clusters,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    intervalMs,
    simulated: () => simulated.size > 0,
    refresh(cluster) {
      for (const one of clusters.get(cluster) ?? []) if (one.entry) due.add(one.key);
      wake();
    },
    run,
  };
}

/** An agent that has begun to read anew: what it counts until it has read all is less than what was known before. */
function withCounts(now: SummaryResponse, before: SummaryResponse): SummaryResponse {
  const { states, workloads, namespaces, podsDesired, podsReady, worst } = before;
  return Object.assign(now, { states, workloads, namespaces, podsDesired, podsReady, worst });
}

function gone(left: GoneEntry): Failure {
  return toFailure(
    new Failed("agent.unavailable", { key: left.key, problem: "it is no longer announced" }, { object: left.cluster }),
  );
}

function failureOf(cause: unknown): Failure {
  return toFailure(cause instanceof Failed ? cause : new Failed("internal.error", { place: "server", requestId: "" }));
}
