// Deployments, StatefulSets and DaemonSets: lists and live rows from the watch, one workload read through, and writes.
import { Failed } from "../contract/errors.ts";
import type { Call, Handlers } from "../contract/grpc.ts";
import type { Autoscaler, WorkloadService } from "../gen/lizardcd/v1/workload_pb.ts";
import { type Changed, type ChangeOptions, change } from "./change.ts";
import type { Cluster } from "./cluster.ts";
import { describe, notesOf, type Ref, readAutoscaler, readDetail, type WorkloadInit } from "./detail.ts";
import { translated } from "./failure.ts";
import { feed } from "./feed.ts";
import { kinds, type Resource } from "./kind.ts";
import { listing } from "./listing.ts";
import type { ContainerSpec, RawWorkload } from "./object.ts";
import { toReason, toWorkloadRow } from "./row.ts";
import { type Why, why } from "./state.ts";

const restartedAtKey = "kubectl.kubernetes.io/restartedAt";

interface Writing {
  call: Call;
  /** The API server is asked what would change, and changes nothing. */
  dryRun: boolean;
  /** What the log says once it is done. */
  done: string;
  /** What a person should know of what this write does, and does not. */
  notes?: (workload: RawWorkload) => Why[];
}

/** @param stopping ends the streams of live rows, so that the agent can end */
export function workloadHandlers(cluster: Cluster, stopping: AbortSignal): Handlers<typeof WorkloadService> {
  const { kube, store, watcher, log } = cluster;

  /** Reads or writes one workload; what goes wrong is told in the contract's words. */
  function on<T>(
    input: { resource: string; namespace: string; name: string },
    write: boolean,
    work: (ref: Ref) => Promise<T>,
  ) {
    const ref: Ref = { resource: input.resource as Resource, namespace: input.namespace, name: input.name };
    cluster.allow(ref.namespace);
    const { kind } = kinds[ref.resource];
    return translated({ cluster: cluster.name, kind, ...ref, write }, () => work(ref));
  }

  async function write(
    ref: Ref,
    { call, dryRun, done, notes }: Writing,
    patch: (workload: RawWorkload) => object,
  ): Promise<WorkloadInit> {
    const { signal, actor, requestId } = call;
    const options: ChangeOptions = { signal, actor, requestId, dryRun };
    const changed = await change(kube, ref, options, (workload) => {
      refuseDeleted(ref, workload);
      return patch(workload);
    });
    if (!dryRun) {
      log.info(done, {
        cluster: cluster.name,
        ...ref,
        actor: call.actor || undefined,
        role: call.role || undefined,
        requestId: call.requestId || undefined,
      });
    }
    const said = notes?.(changed.workload) ?? [];
    return { ...answer(ref, changed, dryRun), notes: said.map((one) => toReason(one, kube.now())) };
  }

  function hold(ref: Ref, paused: boolean, writing: Writing): Promise<WorkloadInit> {
    const { kind } = kinds[ref.resource];
    if (kind !== "Deployment") throw new Failed("pause.unsupported", { kind, name: ref.name });
    // Nothing stands where nothing is paused: kubectl leaves it so too.
    return write(ref, writing, () => ({ spec: { paused: paused || null } }));
  }

  function answer(ref: Ref, { workload, changes }: Changed, dryRun: boolean): WorkloadInit {
    return { ...describe(workload, ref, kinds[ref.resource], cluster, kube.now()), changes, dryRun };
  }

  return {
    async list(input, { signal }) {
      cluster.allow(input.namespace);
      await cluster.synced(signal);
      const { rows, next, total, states } = listing(store.rows(), input);
      const now = kube.now();
      return {
        items: rows.map((row) => toWorkloadRow(row, cluster.name, now)),
        continue: next,
        total,
        states,
        ageMs: watcher.ageMs(),
      };
    },

    get: (input, { signal }) => on(input, false, (ref) => readDetail(cluster, ref, { signal })),

    restart: (input, call) =>
      on(input, true, (ref) =>
        write(ref, { call, dryRun: input.dryRun, done: "workload restarted", notes: onDelete }, (workload) => {
          if (workload.spec?.paused) throw new Failed("restart.paused", { name: ref.name });
          // With milliseconds: two restarts within a second are two.
          const annotations = { [restartedAtKey]: new Date(kube.now()).toISOString() };
          return { spec: { template: { metadata: { annotations } } } };
        }),
      ),

    scale: (input, call) =>
      on(input, true, async (ref) => {
        if (!kinds[ref.resource].replicas) throw new Failed("scale.no_replicas", { name: ref.name });
        const scaling = await readAutoscaler(cluster, ref, { signal: call.signal });
        let before = 0;
        const notes = () => [...notesOf(scaling), ...switched(scaling.autoscaler, before, input.replicas ?? 0)];
        const writing = { call, dryRun: input.dryRun, done: "workload scaled", notes };
        return write(ref, writing, ({ spec }) => {
          before = spec?.replicas ?? 1;
          refuseUndone(ref, scaling.autoscaler, before, input.replicas ?? 0);
          return { spec: { replicas: input.replicas } };
        });
      }),

    setImage: (input, call) =>
      on(input, true, (ref) =>
        write(ref, { call, dryRun: input.dryRun, done: "image set", notes: onDelete }, (workload) => {
          const { container, list } = chosen(workload, ref, input.container);
          if (input.expect && container.image !== input.expect) {
            const { name, image = "" } = container;
            throw new Failed("image.changed", { container: name, actual: image, expected: input.expect });
          }
          return { spec: { template: { spec: { [list]: [{ name: container.name, image: input.image }] } } } };
        }),
      ),

    pause: (input, call) =>
      on(input, true, (ref) => hold(ref, true, { call, dryRun: input.dryRun, done: "workload paused" })),

    resume: (input, call) =>
      on(input, true, (ref) => hold(ref, false, { call, dryRun: input.dryRun, done: "workload resumed" })),

    async *watch(input, { signal }) {
      cluster.allow(input.namespace);
      yield* feed(cluster, input, AbortSignal.any([signal, stopping]));
    },
  };
}

/** Controllers leave alone what is being deleted: a write would be answered and do nothing. @throws Failed */
function refuseDeleted({ resource, name }: Ref, { metadata }: RawWorkload): void {
  const { deletionTimestamp: since, finalizers = [] } = metadata;
  if (!since) return;
  const { kind } = kinds[resource];
  throw new Failed("workload.deleting", { kind, name, since, finalizers: finalizers.join(", ") || "its pods" });
}

/**
 * An autoscaler sets its number back within seconds, unless there are 0 replicas before or after: 0 switches it off,
 * where its own minimum is more.
 * @throws Failed "scale.autoscaled"
 */
function refuseUndone({ name }: Ref, autoscaler: Autoscaler | undefined, before: number, wanted: number): void {
  if (!autoscaler) return;
  const { name: owner, min, max } = autoscaler;
  if (min > 0 && (before === 0 || wanted === 0)) return;
  throw new Failed("scale.autoscaled", { name, autoscaler: owner, min, max });
}

function switched(owner: Autoscaler | undefined, before: number, wanted: number): Why[] {
  if (!owner || owner.min === 0) return [];
  const { name: autoscaler, min, max } = owner;
  if (wanted === 0) return [why("autoscaler.off", { autoscaler })];
  return before === 0 ? [why("autoscaler.on", { autoscaler, min, max })] : [];
}

function onDelete({ spec }: RawWorkload): Why[] {
  return spec?.updateStrategy?.type === "OnDelete" ? [why("rollout.by_delete", {})] : [];
}

/** @throws Failed "container.not_found", "container.ambiguous" */
function chosen(workload: RawWorkload, { resource, name }: Ref, wanted: string) {
  const spec = workload.spec?.template?.spec;
  const lists = { containers: spec?.containers ?? [], initContainers: spec?.initContainers ?? [] };
  const all: ContainerSpec[] = [...lists.containers, ...lists.initContainers];
  const { kind } = kinds[resource];
  const containers = all.map(({ name }) => name).join(", ");
  if (!wanted && lists.containers.length !== 1) throw new Failed("container.ambiguous", { kind, name, containers });
  const container = wanted ? all.find(({ name }) => name === wanted) : lists.containers[0];
  if (!container) throw new Failed("container.not_found", { kind, name, container: wanted, containers });
  return { container, list: lists.initContainers.includes(container) ? "initContainers" : "containers" } as const;
}
