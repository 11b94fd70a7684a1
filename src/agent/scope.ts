// What the API server lets this agent read, by its own word: the whole cluster, or some namespaces.
import { Failed } from "../contract/errors.ts";
import { type Resource, resources } from "./kind.ts";
import { type Kube, StatusFailed } from "./kube.ts";
import type { KubeObject } from "./object.ts";
import type { Target } from "./watch.ts";

export interface Scope {
  /** ["*"] for the whole cluster, else the namespaces by name; empty where nothing may be read. */
  namespaces: string[];
  /** What may be listed and watched within them. */
  targets: Target[];
  /** The namespaces that were asked about one by one; none where the whole cluster may be read. */
  asked: string[];
  /** Of those to look at alone, the ones that the cluster does not have. */
  missing: string[];
  /** Whether Namespace objects may be listed. */
  listsNamespaces: boolean;
}

export interface ScopeOptions {
  /** Asked about where the whole cluster may not be read; the context's own namespace is always asked about. */
  candidates: readonly string[];
  /** Look at these alone, though more might be allowed. */
  only?: readonly string[];
  /** Resources that are left out, though they might be read. */
  deny?: readonly string[];
  signal?: AbortSignal;
}

/**
 * The namespaces to look at alone: those that were asked for, else those of a certificate that is not for the whole
 * cluster, since an agent is believed about nothing else. @throws Error that names both where they do not agree
 */
export function onlyCertified(
  only: readonly string[] | undefined,
  certified: readonly string[],
  cluster: string,
): readonly string[] | undefined {
  if (certified.length === 0 || certified.includes("*")) return only;
  const beyond = only?.filter((namespace) => !certified.includes(namespace)) ?? [];
  if (beyond.length === 0) return only ?? certified;
  const wanted = [...certified, ...beyond].join(",");
  throw new Error(
    `--namespaces names ${beyond.join(", ")}, but the agent's certificate is for ${certified.join(", ")} of ${cluster}: ` +
      `give --namespaces ${certified.join(",")}, or a new token of \`lizardcd agents enroll --cluster ${cluster} --namespaces ${wanted}\``,
  );
}

interface AccessReview {
  status?: { allowed?: boolean };
}

interface RulesReview {
  status?: { incomplete?: boolean; resourceRules?: Rule[] };
}

interface Rule {
  verbs?: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
}

const verbs = ["list", "watch"] as const;
const concurrency = 8;

export async function readScope(kube: Kube, options: ScopeOptions): Promise<Scope> {
  const { targets, ...scope } = await allowed(kube, options);
  return { ...scope, targets: targets.filter(({ resource }) => !options.deny?.includes(resource)) };
}

/** Why nothing of this namespace ("*" for all) can be served; undefined where something can. */
export function unservedBecause(cluster: string, { namespaces, asked, missing }: Scope, namespace: string) {
  if (namespaces.includes("*") || namespaces.includes(namespace)) return undefined;
  if (missing.includes(namespace)) return new Failed("namespace.not_found", { cluster, namespace });
  if (namespace === "*" && namespaces.length > 0) return undefined;
  const [only] = missing;
  if (namespace === "*" && only !== undefined) return new Failed("namespace.not_found", { cluster, namespace: only });
  const where = namespace === "*" ? asked.join(", ") : namespace;
  const problem = where
    ? `its account may not list and watch workloads in the whole cluster, nor in ${where}: give it that right, or name other namespaces with --namespaces`
    : "its account may not list and watch workloads in the whole cluster: give it that right, or name namespaces with --namespaces";
  return new Failed("cluster.refused", { cluster, problem }, { object: cluster });
}

async function allowed(kube: Kube, { candidates, only, signal }: ScopeOptions): Promise<Scope> {
  const listsNamespaces = await may(kube, { verb: "list", group: "", resource: "namespaces" }, signal);
  if (!only) {
    const everywhere = await readable(kube, "*", signal);
    if (everywhere.some(({ resource }) => resource === "deployments")) {
      return { namespaces: ["*"], targets: everywhere, listsNamespaces, asked: [], missing: [] };
    }
  }
  const named = only ?? [kube.namespace, ...candidates].filter(Boolean);
  const asked = new Set(
    only || candidates.length > 0 || !listsNamespaces ? named : [...named, ...(await all(kube, signal))],
  );
  const missing = only ? await absent(kube, only, signal) : [];
  const there = [...asked].filter((namespace) => !missing.includes(namespace));
  const targets = (await inTurn(there, (namespace) => readableByRules(kube, namespace, signal))).flat();
  const namespaces = [...new Set(targets.map(({ namespace }) => namespace))].sort();
  return { namespaces, targets, listsNamespaces, asked: [...asked], missing };
}

/** Which of these the cluster does not have. An account that may not get a namespace is believed to have been told well. */
async function absent(kube: Kube, names: readonly string[], signal?: AbortSignal): Promise<string[]> {
  const found = await inTurn(names, async (name) => {
    try {
      await kube.get(`/api/v1/namespaces/${name}`, {}, { signal });
      return true;
    } catch (cause) {
      if (cause instanceof StatusFailed && cause.status === 404) return false;
      if (cause instanceof StatusFailed && cause.status === 403) return true;
      throw cause;
    }
  });
  return names.filter((_, index) => !found[index]);
}

async function readable(kube: Kube, namespace: string, signal?: AbortSignal): Promise<Target[]> {
  const answers = await Promise.all(
    resources.map(async (resource) => {
      const asked = verbs.map((verb) => may(kube, { verb, group: "apps", resource, namespace }, signal));
      return (await Promise.all(asked)).every(Boolean);
    }),
  );
  return resources.filter((_, index) => answers[index]).map((resource) => ({ resource, namespace }));
}

async function may(
  kube: Kube,
  about: { verb: string; group: string; resource: string; namespace?: string },
  signal?: AbortSignal,
): Promise<boolean> {
  const { namespace, ...attributes } = about;
  const review = await kube.post<AccessReview>(
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectAccessReview",
      spec: { resourceAttributes: { ...attributes, ...(namespace && namespace !== "*" ? { namespace } : {}) } },
    },
    {},
    { signal },
  );
  return review.status?.allowed === true;
}

/** One question a namespace; an authorizer that cannot list its rules (a webhook) is asked one by one. */
async function readableByRules(kube: Kube, namespace: string, signal?: AbortSignal): Promise<Target[]> {
  const review = await kube.post<RulesReview>(
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectRulesReview", spec: { namespace } },
    {},
    { signal },
  );
  const rules = review.status?.resourceRules ?? [];
  const allowed = resources.filter((resource) =>
    verbs.every((verb) => rules.some((rule) => allows(rule, verb, resource))),
  );
  if (allowed.length < resources.length && review.status?.incomplete) return readable(kube, namespace, signal);
  return allowed.map((resource) => ({ resource, namespace }));
}

function allows(rule: Rule, verb: string, resource: Resource): boolean {
  const has = (list: string[] | undefined, value: string) => list?.some((one) => one === "*" || one === value) ?? false;
  return (
    !rule.resourceNames?.length && has(rule.verbs, verb) && has(rule.apiGroups, "apps") && has(rule.resources, resource)
  );
}

async function all(kube: Kube, signal?: AbortSignal): Promise<string[]> {
  try {
    const { items } = await kube.list<KubeObject>("/api/v1/namespaces", {}, { signal });
    return items.map(({ metadata }) => metadata.name);
  } catch (cause) {
    if (cause instanceof StatusFailed && cause.status === 403) return [];
    throw cause;
  }
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]!);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return results;
}
