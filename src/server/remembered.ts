// What a restart must not forget: the last answer of each agent, and which clusters are enrolled. It is written in the
// background, a bounded number at a time, so that a fleet of thousands does not keep the disk busy.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { parseKey } from "../discovery/discovery.ts";
import { type SummaryResponse, SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import type { Log } from "../process/log.ts";
import type { AgentIdentity } from "../trust/identity.ts";
import type { FleetStore } from "./store/fleet.ts";
import type { Known } from "./summaries.ts";

export interface Enrollment {
  namespaces: readonly string[];
  /** On the monotonic clock. */
  since: number;
}

export interface Remembered {
  /** As they were at the last stop. */
  readonly agents: readonly (Pick<Known, "key" | "namespace" | "cluster" | "readAt"> & {
    summary: SummaryResponse;
    seenAt: number;
  })[];
  readonly enrollments: ReadonlyMap<string, Enrollment>;
  /** Has it written in its turn; `soon` for what must not wait, such as that it does not answer. */
  note(one: Known, soon?: boolean): void;
  forget(one: Known): void;
  enroll(identity: AgentIdentity): void;
  /** Reads again whether a cluster is enrolled. */
  lookAgain(cluster: string): Promise<void>;
  remove(cluster: string): Promise<void>;
  /** Writes what is left. */
  close(): Promise<void>;
}

export interface RememberedOptions {
  store: FleetStore;
  prefix: string;
  forgetSimulated?: boolean;
  /** Monotonic milliseconds, and those of the calendar. */
  now: () => number;
  clock: () => number;
  /** Milliseconds between two writes. */
  everyMs?: number;
  log: Log;
}

/** So often, so many are written: 50 a second at most, and each agent once a minute where there are fewer. */
const standardMs = 2_000;
const mostAtOnce = 100;
const freshMs = 60_000;

export async function openRemembered(options: RememberedOptions): Promise<Remembered> {
  const { store, prefix, now, clock, everyMs = standardMs, log } = options;
  if (options.forgetSimulated) await removeSimulated(store, clock());
  const here = (at: number) => now() - Math.max(0, clock() - at);
  const calendar = (at: number) => Math.round(clock() - (now() - at));
  const agents = (await store.agents())
    // Under another prefix than today's they would never be announced again.
    .filter(({ key }) => !("problem" in parseKey(prefix, key)))
    .map(({ summary, seenAt, readAt, ...rest }) => ({
      ...rest,
      seenAt: here(seenAt),
      readAt: readAt === undefined ? undefined : here(readAt),
      summary: fromBinary(SummaryResponseSchema, summary),
    }));
  const enrollments = new Map<string, Enrollment>();
  for (const { cluster, namespaces, since } of await store.enrolled(clock())) {
    enrollments.set(cluster, { namespaces: shared(namespaces), since: here(since) });
  }
  /** What has changed since it was written, longest ago first. */
  const changed = new Set<Known>();
  const forgotten = new Set<string>();
  let writing: Promise<void> = Promise.resolve();
  let problem: string | undefined;

  const timer = setInterval(() => {
    writing = writing.then(async () => void (await write(mostAtOnce)));
  }, everyMs);
  timer.unref();

  function due(most: number, fresh: number): Known[] {
    const some: Known[] = [];
    for (const one of changed) {
      if (some.length === most) break;
      if (one.keptAt !== undefined && now() - one.keptAt < fresh) continue;
      changed.delete(one);
      one.keptAt = now();
      if (one.summary && one.seenAt !== undefined) some.push(one);
    }
    return some;
  }

  /** @returns how many were written. */
  async function write(most: number, fresh = freshMs): Promise<number> {
    const keys = [...forgotten];
    const some = due(most, fresh);
    try {
      if (keys.length > 0) await store.forget(keys);
      for (const key of keys) forgotten.delete(key);
      if (some.length > 0) await store.keep(some.map(stored));
      if (problem !== undefined) log.info("what is known of agents is written again");
      problem = undefined;
    } catch (cause) {
      for (const one of some) {
        one.keptAt = undefined;
        changed.add(one);
      }
      const said = cause instanceof Error ? cause.message : String(cause);
      if (said !== problem)
        log.error("what is known of agents cannot be written, it is tried again", { problem: said });
      problem = said;
      return 0;
    }
    return some.length;
  }

  const stored = ({ key, cluster, namespace, seenAt, readAt, summary }: Known) => ({
    key,
    cluster,
    namespace,
    seenAt: calendar(seenAt!),
    readAt: readAt === undefined ? undefined : calendar(readAt),
    summary: toBinary(SummaryResponseSchema, summary!),
  });

  return {
    agents,
    enrollments,
    note(one, soon = false) {
      if (soon) one.keptAt = undefined;
      changed.add(one);
    },
    forget(one) {
      changed.delete(one);
      forgotten.add(one.key);
    },
    enroll({ cluster, namespaces }) {
      if (!enrollments.has(cluster)) enrollments.set(cluster, { namespaces: shared(namespaces), since: now() });
    },
    async lookAgain(cluster) {
      const left = (await store.enrolled(clock())).some((one) => one.cluster === cluster);
      if (!left) enrollments.delete(cluster);
    },
    async remove(cluster) {
      enrollments.delete(cluster);
      await store.remove(cluster, clock());
    },
    async close() {
      clearInterval(timer);
      await writing;
      while ((await write(mostAtOnce, 0)) > 0);
    },
  };
}

/** Nearly every certificate is for the whole cluster. */
function shared(namespaces: readonly string[]): readonly string[] {
  return namespaces.length === 1 && namespaces[0] === "*" ? whole : namespaces;
}

const whole: readonly string[] = ["*"];

async function removeSimulated(store: FleetStore, at: number): Promise<void> {
  const simulated = (await store.agents()).filter(
    ({ summary }) => fromBinary(SummaryResponseSchema, summary).info?.simulated,
  );
  for (const cluster of new Set(simulated.map((agent) => agent.cluster))) await store.remove(cluster, at);
}
