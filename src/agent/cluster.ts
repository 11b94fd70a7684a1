// One cluster as its agent sees it: what every handler needs, kept up to date in the background.
import { Failed, toFailure } from "../contract/errors.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import { backoff, sleep } from "../process/backoff.ts";
import type { Log } from "../process/log.ts";
import { diagnose } from "./diagnosis.ts";
import { toFailed } from "./failure.ts";
import type { Kube } from "./kube.ts";
import { createNodes, type Nodes } from "./nodes.ts";
import { readScope, type Scope, unservedBecause } from "./scope.ts";
import { WorkloadStore } from "./store.ts";
import { createWatcher, type Watcher } from "./watch.ts";

export interface Cluster {
  readonly name: string;
  readonly kube: Kube;
  readonly store: WorkloadStore;
  readonly watcher: Watcher;
  readonly nodes: Nodes;
  readonly log: Log;
  /** Undefined until the API server has said it once. */
  scope(): Scope | undefined;
  /** "v1.36.3"; empty until the API server has said it. */
  version(): string;
  /** Why nothing is known of a namespace ("*" for all) now; undefined where something is. */
  failure(namespace?: string): Failure | undefined;
  /** @throws Failed "namespace.out_of_scope" */
  allow(namespace: string): void;
  /** Resolves once the rows are whole. @throws Failed "watch.not_synced" after a short while */
  synced(signal: AbortSignal): Promise<void>;
}

export interface ClusterOptions {
  name: string;
  kube: Kube;
  log: Log;
  signal: AbortSignal;
  /** Namespaces to ask about where the whole cluster may not be read. */
  candidates?: readonly string[];
  /** Look at these alone. */
  only?: readonly string[];
  /** Resources that are not looked at. */
  deny?: readonly string[];
  /** Told when the scope is known, and again when it has changed. */
  onScope: (scope: Scope) => void;
  /** Told when the scope cannot be read; it is tried again. */
  onProblem?: () => void;
  /** Milliseconds between looks at the scope. */
  scopeEvery?: number;
  watchPeriodSeconds?: number;
}

const standardScopeEvery = 180_000;
// Rights that are not there yet are often about to be given.
const emptyScopeEvery = 15_000;
const syncPatienceMs = 5_000;

export function createCluster(options: ClusterOptions): Cluster {
  const { name, kube, log, signal, watchPeriodSeconds } = options;
  const store = new WorkloadStore();
  const nodes = createNodes(kube);
  const watcher = createWatcher({ kube, store, log, periodSeconds: watchPeriodSeconds });
  let scope: Scope | undefined;
  let version = "";
  let problem: unknown;

  async function look(): Promise<void> {
    const [read, said] = await Promise.all([
      readScope(kube, { candidates: options.candidates ?? [], only: options.only, deny: options.deny, signal }),
      kube.get<{ gitVersion?: string }>("/version", {}, { signal }),
    ]);
    version = said.gitVersion ?? "";
    problem = undefined;
    const changed = JSON.stringify(read) !== JSON.stringify(scope);
    scope = read;
    if (!changed) return;
    log.info("scope read", { cluster: name, namespaces: read.namespaces.join(",") || "none" });
    watcher.retarget(read.targets);
    options.onScope(read);
  }

  async function keepLooking(): Promise<void> {
    const waits = backoff({ first: 500, most: 15_000 });
    while (!signal.aborted) {
      try {
        await look();
        waits.reset();
        const every = options.scopeEvery ?? standardScopeEvery;
        await sleep(isWhole(options, scope) ? every : Math.min(every, emptyScopeEvery), signal);
      } catch (cause) {
        if (signal.aborted) return;
        if (problem === undefined)
          log.warn("the API server does not say what may be read", { cluster: name, error: cause });
        problem = cause;
        options.onProblem?.();
        await sleep(waits.next(), signal);
      }
    }
  }

  void keepLooking();
  diagnose({ kube, nodes, store, log, signal });
  signal.addEventListener("abort", () => watcher.stop(), { once: true });

  const failed = (cause: unknown) => {
    const translated = toFailed(cause, { cluster: name });
    return translated instanceof Failed
      ? translated
      : new Failed("cluster.failed", { cluster: name, problem: String(cause) }, { cause });
  };

  return {
    name,
    kube,
    store,
    watcher,
    nodes,
    log,
    scope: () => scope,
    version: () => version,
    failure(namespace = "*") {
      const cause = watcher.of(namespace).problem ?? problem ?? (scope && unservedBecause(name, scope, namespace));
      return cause === undefined ? undefined : toFailure(failed(cause));
    },
    allow(namespace) {
      // Before the scope is known the API server itself decides.
      if (!scope || scope.namespaces.includes("*") || scope.namespaces.includes(namespace)) return;
      if (namespace === "*" && scope.namespaces.length > 0) return;
      const said = scope.namespaces.join(", ") || "none";
      throw new Failed("namespace.out_of_scope", { cluster: name, namespace, scope: said });
    },
    async synced(callSignal) {
      if (watcher.synced) return;
      const empty = scope !== undefined && scope.targets.length === 0;
      if (watcher.problem === undefined && problem === undefined && !empty)
        await watcher.settled(syncPatienceMs, callSignal);
      if (watcher.synced) return;
      const cause = watcher.problem ?? problem ?? (scope && unservedBecause(name, scope, "*"));
      const words = cause === undefined ? "the first list is under way" : failed(cause).message;
      throw new Failed("watch.not_synced", { cluster: name, problem: words });
    },
  };
}

/** False while rights or namespaces that were asked for are not there. */
function isWhole({ only = [] }: Pick<ClusterOptions, "only">, scope: Scope | undefined): boolean {
  if (!scope?.targets.length) return false;
  return only.every((namespace) => scope.namespaces.includes(namespace));
}
