// The workload noun: its operations, its pages, its streams.
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import type { CallOptions } from "../contract/grpc.ts";
import { href, operations } from "../contract/operation.ts";
import { ListFleetWorkloadsRequestSchema } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { ListWorkloadsRequest, Workload, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { sleep } from "../process/backoff.ts";
import {
  dryRunPage,
  dryRunToast,
  imagePage,
  imagePreview,
  type WorkloadWrite,
  workloadBody,
  workloadLive,
  workloadPage,
  writeDone,
} from "../views/workload.tsx";
import { agesEvent } from "../views/workloads.tsx";
import { listAcross } from "./across.ts";
import { clusterRow } from "./clusters.ts";
import type { Pool } from "./pool.ts";
import { type AnyAnswer, type Asked, answer } from "./route.ts";
import type { Message } from "./sse.ts";
import type { Summaries } from "./summaries.ts";
import type { Subscription, Watches } from "./watches.ts";

export interface WorkloadDeps {
  pool: Pool;
  summaries: Summaries;
  watches: Watches;
  now: () => number;
}

type Key = Pick<WorkloadRow, "cluster" | "namespace" | "resource" | "name">;

export function workloadAnswers(deps: WorkloadDeps): AnyAnswer[] {
  const { pool, summaries } = deps;

  /** A write tells the fleet to look again, so that its tile moves at once. One without an answer is read back. */
  async function write(key: Key, call: CallOptions, run: (call: CallOptions) => Promise<Workload>): Promise<Workload> {
    // A caller may name two requests alike; this is one write.
    const once = { ...call, requestId: `${call.requestId}.${randomBytes(4).toString("hex")}` };
    try {
      return await run(once);
    } catch (cause) {
      if (!(cause instanceof Failed) || cause.code !== "request.outcome_unknown") throw cause;
      return await readBack(pool, key, once, cause);
    } finally {
      summaries.refresh(key.cluster);
    }
  }

  /**
   * A write that needs nothing but its call: a toast where scripts run, else the workload's page. A dry run shows what
   * would change.
   */
  const written = (verb: Exclude<WorkloadWrite, "setImage">): AnyAnswer =>
    answer<`workload.${WorkloadWrite}`>(`workload.${verb}`, {
      run: (input, { call }) => {
        const run = (call: CallOptions) => pool.on(input).workload[verb](input as never, call);
        return input.dryRun ? run(call) : write(input, call, run);
      },
      fragment: (workload, { dryRun }, { context }) =>
        dryRun ? dryRunToast(context, workload) : writeDone(context, { operation: `workload.${verb}`, workload }),
      page: (workload, _, { context }) => dryRunPage(context, verb, workload),
      goTo: (_, input, { door }) => (door === "page" && !input.dryRun ? pageOf(input, verb) : undefined),
    });

  return [
    answer("workload.list", {
      run: (input, { call }) => list(deps, input, call),
      // The page of a namespace is the list across clusters, filtered.
      goTo: (_, { cluster, namespace, resource }, { request }) =>
        request.headers.get("accept")?.includes("text/html")
          ? href("fleet.listWorkloads", {
              cluster,
              namespace: namespace === "*" ? "" : namespace,
              resource: resource === "workloads" ? "" : resource,
            })
          : undefined,
    }),
    answer("workload.get", {
      run: (input, { call }) => pool.on(input).workload.get(input, call),
      page: (workload, _, { context, request }) =>
        workloadPage(context, workload, { ...stateOf(deps, workload), done: doneIn(request) }),
      fragment: (workload, _, { context }) => workloadBody(context, workload, stateOf(deps, workload)),
    }),
    written("restart"),
    written("scale"),
    written("pause"),
    written("resume"),
    answer("workload.setImage", {
      run: (input, { call }) => {
        const run = (call: CallOptions) => pool.on(input).workload.setImage(input, call);
        return input.dryRun ? run(call) : write(input, call, run);
      },
      fragment: (workload, input, { context }) =>
        input.dryRun
          ? imagePreview(context, workload, input)
          : writeDone(context, { operation: "workload.setImage", workload }),
      goTo: (_, input, { door }) => (door === "page" && !input.dryRun ? pageOf(input, "setImage") : undefined),
      page: (workload, request, { context }) => imagePage(context, { workload, request }),
    }),
  ];
}

/** Where no agent has the whole cluster, each of them is asked for its own part. */
async function list(deps: WorkloadDeps, input: ListWorkloadsRequest, call: CallOptions) {
  const { cluster, namespace, resource } = input;
  const [one, ...others] = deps.pool.covering(input);
  if (!one) return deps.pool.on(input).workload.list(input, call);
  if (others.length === 0) {
    const within = namespace === "*" ? one.namespace : namespace;
    return deps.pool.peers(one).workload.list({ ...input, namespace: within }, call);
  }
  const asked = create(ListFleetWorkloadsRequestSchema, {
    cluster: [cluster],
    resource: resource === "workloads" ? [] : [resource],
    state: input.state,
    q: input.name,
    labelSelector: input.labelSelector,
    sort: input.sort,
    limit: input.limit || standardLimit,
    continue: input.continue,
  });
  const { items, unanswered, ...rest } = await listAcross(deps, asked, call);
  const [silent] = unanswered;
  // A list of one cluster is whole, or it fails.
  if (silent) throw new Failed("agent.unavailable", { key: cluster, problem: silent.message }, { object: cluster });
  const ageMs = items.reduce((oldest, item) => Math.max(oldest, item.ageMs), 0);
  return {
    items: items.map(({ row }) => row!),
    continue: rest.continue,
    total: rest.total,
    states: rest.states,
    ageMs,
  };
}

/** Rows of a list that says no limit, as its contract has it. */
const standardLimit = 500;

/** When a write without an answer is looked for, milliseconds after that. */
const readBackAfter = [0, 500, 1_500];
const readBackMs = 2_000;

/**
 * The workload where the write turns out to have been made.
 * @throws Failed "request.not_seen" where it was read and the write was not there; `unknown` where it could not be read
 */
async function readBack(pool: Pool, key: Key, { requestId, actor, role, signal }: CallOptions, unknown: Failed) {
  const { cluster, namespace, resource, name } = key;
  let seen = false;
  for (const after of readBackAfter) {
    await sleep(after, signal);
    if (signal?.aborted) throw unknown;
    try {
      const call = { requestId, actor, role, signal, deadline: Date.now() + readBackMs };
      const workload = await pool.on(key).workload.get({ cluster, namespace, resource, name }, call);
      if (workload.changedRequest === requestId) return workload;
      seen = true;
    } catch (cause) {
      // That it cannot be read either is no news to whoever asked for the write.
      if (!(cause instanceof Failed)) throw cause;
    }
  }
  if (!seen) throw unknown;
  throw new Failed("request.not_seen", { cluster }, { object: unknown.object, cause: unknown });
}

function pageOf({ cluster, namespace, resource, name }: Key, done: WorkloadWrite): string {
  return `${href("workload.get", { cluster, namespace, resource, name })}?done=${done}`;
}

function doneIn(request: Request): WorkloadWrite | undefined {
  const done = new URL(request.url).searchParams.get("done");
  const known = operations.some(({ noun, verb, audited }) => noun === "workload" && audited && verb === done);
  return known ? (done as WorkloadWrite) : undefined;
}

/** Read through just now, so it is neither; kept for a cluster whose agent's own watch is old. */
function stateOf({ summaries, now }: WorkloadDeps, { row }: Workload): { state?: "stale" } {
  const known = summaries.clusters().get(row!.cluster);
  if (!known) return {};
  const { failure } = clusterRow(row!.cluster, known, summaries, now());
  return failure?.code === "cluster.unreachable" ? { state: "stale" } : {};
}

/** How often a workload that is not settled is read again: its pods move without its row moving. */
const unsettledMs = 3_000;
/** Changes that come together are shown together. */
const gatherMs = 150;

/** The stream of one workload's page: the whole body first, then again whenever it has changed. */
export async function* workloadStream(
  { pool, watches }: WorkloadDeps,
  key: Key,
  asked: Pick<Asked, "call"> & { context: () => Asked["context"] },
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const [entry] = pool.covering(key);
  if (!entry) pool.on(key);
  const subscription = watches.subscribe({ entry: entry!, namespace: key.namespace, resource: key.resource });
  let last: Workload | undefined;
  try {
    while (!signal.aborted) {
      let options: { state?: "lost"; failure?: never } = {};
      try {
        const call = { ...asked.call, signal, deadline: Date.now() + 10_000 };
        last = await pool.on(key).workload.get(key, call);
      } catch (cause) {
        if (!(cause instanceof Failed) || signal.aborted) throw cause;
        if (!last) throw cause;
        options = { state: "lost" };
      }
      yield workloadLive(asked.context(), last, options);
      const settled = last.row!.state === "ok" || last.row!.state === "zero" || last.row!.state === "paused";
      for (;;) {
        const ageMs = await changed(subscription, key, signal, options.state || !settled ? unsettledMs : undefined);
        if (ageMs === undefined) break;
        yield { event: "ages", data: agesEvent(asked.context(), [[key.cluster, ageMs]]) };
      }
      await Bun.sleep(gatherMs);
    }
  } finally {
    subscription.close();
  }
}

/**
 * Resolves when this workload's row has changed, or after the pause; with a number when its cluster said that nothing
 * has, confirmed so many milliseconds ago.
 */
async function changed(
  subscription: Subscription,
  key: Key,
  signal: AbortSignal,
  pauseMs: number | undefined,
): Promise<number | undefined> {
  const pause = pauseMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(pauseMs)]);
  while (!pause.aborted) {
    let beat: number | undefined;
    for (const change of await subscription.next(pause)) {
      if (change.type === "beat") beat = change.ageMs;
      if (change.type === "broken" || change.type === "synced") return undefined;
      if (change.type !== "upsert" && change.type !== "removed") continue;
      const row = change.type === "upsert" ? change.live.row : change.row;
      if (row.name === key.name && row.resource === key.resource && row.namespace === key.namespace) return undefined;
    }
    if (beat !== undefined) return beat;
  }
  return undefined;
}
