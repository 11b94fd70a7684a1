// What the fleet pages know: every agent is asked for its summary in turn, at bounded concurrency, and the last answer of
// each is kept. No page request makes a call for it.
import { create, toBinary } from "@bufbuild/protobuf";
import { Failed, toFailure } from "../contract/errors.ts";
import { formatKey } from "../discovery/discovery.ts";
import { type SummaryResponse, SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import type { Log } from "../process/log.ts";
import type { AgentIdentity } from "../trust/identity.ts";
import { type AgentEntry, announces, type GoneEntry } from "./directory.ts";
import { createKept } from "./kept.ts";
import type { Pool } from "./pool.ts";
import type { Remembered } from "./remembered.ts";

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
  /** Since when it is announced; before all time where it was so before the server's start. */
  since?: number;
  /** Since when it is announced no longer, and the running agent that announced it last. */
  goneAt?: number;
  goneInstance?: string;
  /** When it was last written down. */
  keptAt?: number;
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
  /** When the certificate that a cluster's agent enrolled with was made; undefined where it has none. */
  enrolledAt(cluster: string): number | undefined;
  enrolled(identity: AgentIdentity): void;
  /** Certificates of the cluster were revoked: without one that is left, what is not announced is forgotten. */
  revoked(cluster: string): Promise<void>;
  /**
   * Forgets what is announced no longer.
   * @returns how many keys; 0 where all that is known is announced. @throws Failed "cluster.unknown"
   */
  remove(cluster: string): Promise<number>;
  run(signal: AbortSignal): Promise<void>;
}

export interface SummariesOptions {
  pool: Pool;
  /** What was known before the start; nothing where it is left out. */
  remembered?: Remembered;
  prefix?: string;
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

/** After a start, so long every agent has to announce itself before it counts as lost. */
const graceMs = 30_000;
/** An agent that is replaced may be there for a while beside the one that comes. */
const overlapMs = 60_000;
/** Keys that are gone are remembered so long where their cluster has others. */
const forgetMs = 60 * 60_000;
/** Beyond so many keys only those of enrolled clusters are remembered. */
const mostRemembered = 20_000;

/** One of ours has 2 KB. The last of every agent is kept: what one may cost is bounded here, whoever it is. */
const mostSummaryBytes = 16 * 1024;

export function createSummaries({
  pool,
  remembered,
  prefix = "",
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

  /** Clusters whose last certificate was revoked here. */
  const revokedHere = new Set<string>();
  for (const { key, namespace, cluster, summary, seenAt, readAt } of remembered?.agents ?? []) {
    const one = add(key, namespace, cluster);
    Object.assign(one, { summary: kept(summary), seenAt, readAt, since: Number.NEGATIVE_INFINITY, goneAt: now() });
  }
  for (const cluster of remembered?.enrollments.keys() ?? []) expected(cluster);
  pool.directory.onChange((told) => ("entry" in told ? appeared(told.entry) : vanished(told.gone)));
  for (const entry of pool.directory.entries()) appeared(entry);

  function add(key: string, namespace: string, cluster: string): Known {
    const one: Known = { key, namespace, cluster };
    known.set(key, one);
    const set = clusters.get(cluster) ?? new Set();
    set.add(one);
    clusters.set(cluster, set);
    return one;
  }

  function drop(one: Known): void {
    known.delete(one.key);
    simulated.delete(one.key);
    turns.delete(one.key);
    const set = clusters.get(one.cluster);
    set?.delete(one);
    if (set?.size === 0) clusters.delete(one.cluster);
    if (one.seenAt !== undefined) remembered?.forget(one);
    tell(one.cluster);
  }

  /** A cluster that is enrolled and of which nothing is known yet has the keys of its certificate. */
  function expected(cluster: string): void {
    if (clusters.has(cluster)) return;
    for (const namespace of remembered?.enrollments.get(cluster)?.namespaces ?? []) {
      add(formatKey(prefix, { namespace, cluster }), namespace, cluster).goneAt = now();
    }
  }

  function appeared(entry: AgentEntry): void {
    const one = known.get(entry.key) ?? add(entry.key, entry.namespace, entry.cluster);
    const fresh = one.entry !== entry || one.failure !== undefined;
    one.entry = entry;
    one.since ??= now();
    one.goneAt = undefined;
    for (const other of clusters.get(entry.cluster)!) if (isReplaced(other)) drop(other);
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
    one.since = undefined;
    one.goneAt = now();
    one.goneInstance = left.instance;
    one.failure = unannounced(one, "it is no longer announced");
    turns.delete(left.key);
    if (isReplaced(one)) drop(one);
    else {
      note(one, true);
      tell(left.cluster);
    }
  }

  function note(one: Known, soon = false): void {
    if (!revokedHere.has(one.cluster)) remembered?.note(one, soon);
  }

  /** True for a key that is announced no longer where others of its cluster have taken its place. */
  function isReplaced(gone: Known): boolean {
    if (gone.entry) return false;
    const present = [...clusters.get(gone.cluster)!].filter(({ entry }) => entry);
    if (present.length === 0) return false;
    if (gone.seenAt === undefined && gone.failure === undefined) return true;
    const { goneAt = 0, goneInstance } = gone;
    const newer = ({ since = 0 }: Known) => since >= goneAt - overlapMs;
    // The whole cluster's agent serves each namespace that no other does.
    if (gone.namespace === "*" ? present.some(newer) : present.some(({ namespace }) => namespace === "*")) return true;
    return goneInstance !== undefined && present.some(({ entry }) => announces(entry!, goneInstance));
  }

  function forget(): void {
    forgotAt = now();
    const lately = new Set([...pool.directory.gone()].map(({ key }) => key));
    for (const one of known.values()) {
      if (one.entry) continue;
      if (!stays(one, lately)) drop(one);
      else if (one.summary && !one.failure && now() - one.goneAt! > graceMs) {
        one.failure = unannounced(one, "it has not announced itself since the server started");
        tell(one.cluster);
      }
    }
  }

  function stays({ key, cluster, goneAt = 0, seenAt }: Known, lately: ReadonlySet<string>): boolean {
    if (lately.has(key)) return true;
    const others = [...clusters.get(cluster)!].some(({ entry }) => entry);
    if (others) return now() - goneAt < forgetMs;
    if (revokedHere.has(cluster)) return false;
    if (remembered?.enrollments.has(cluster)) return true;
    return seenAt !== undefined && known.size <= mostRemembered;
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
      one.summary = kept(
        summary.synced ? summary : withCounts(summary, one.readAt === undefined ? none : one.summary!),
      );
      one.failure = undefined;
      const idle = one.readAt === undefined && summary.failure !== undefined;
      if (idle || entry.idle) entry.idle = idle;
      note(one);
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
        note(one, true);
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
    enrolledAt: (cluster) => remembered?.enrollments.get(cluster)?.since,
    enrolled(identity) {
      remembered?.enroll(identity);
      revokedHere.delete(identity.cluster);
      expected(identity.cluster);
      tell(identity.cluster);
    },
    async revoked(cluster) {
      await remembered?.lookAgain(cluster);
      if (remembered?.enrollments.has(cluster)) return;
      revokedHere.add(cluster);
      for (const one of clusters.get(cluster) ?? []) {
        if (!one.entry) drop(one);
        else remembered?.forget(one);
      }
    },
    async remove(cluster) {
      const set = clusters.get(cluster);
      if (!set) throw new Failed("cluster.unknown", { cluster }, { object: cluster });
      const left = [...set].filter(({ entry }) => !entry);
      if (left.length === set.size) await remembered?.remove(cluster);
      for (const one of left) drop(one);
      return left.length;
    },
    run,
  };
}

const none = create(SummaryResponseSchema);

/** What an agent counts until it has read all is less than there is: what was known before stands until then. */
function withCounts(now: SummaryResponse, before: SummaryResponse): SummaryResponse {
  const { states, workloads, namespaces, podsDesired, podsReady, worst } = before;
  return Object.assign(now, { states, workloads, namespaces, podsDesired, podsReady, worst });
}

function unannounced({ key, cluster }: Known, problem: string): Failure {
  return toFailure(new Failed("agent.unavailable", { key, problem }, { object: cluster }));
}

function failureOf(cause: unknown): Failure {
  return toFailure(cause instanceof Failed ? cause : new Failed("internal.error", { place: "server", requestId: "" }));
}
