// What goes wrong between agent and API server, as failures of the contract. Kubernetes' own sentences are kept; tokens
// never are in them.
import { Failed } from "../contract/errors.ts";
import { CredentialsFailed } from "./credentials.ts";
import { StatusFailed, Unanswered } from "./kube.ts";

export interface About {
  cluster: string;
  /** "Deployment". */
  kind?: string;
  namespace?: string;
  name?: string;
  /** True where no answer may mean that it was done. */
  write?: boolean;
}

/** @returns the cause itself where it is a failure of ours already, or none of the API server's. */
export function toFailed(cause: unknown, about: About): unknown {
  const { cluster, kind = "object", namespace = "", name = "", write = false } = about;
  const object = name
    ? `${kind} ${namespace}/${name} in ${cluster}`
    : namespace
      ? `${namespace} in ${cluster}`
      : cluster;
  const more = { object, cause };
  if (cause instanceof CredentialsFailed) {
    return new Failed("cluster.refused", { cluster, problem: cause.message }, more);
  }
  if (cause instanceof Unanswered) {
    if (write && cause.sent) return new Failed("request.outcome_unknown", { cluster }, more);
    return new Failed("cluster.unreachable", { cluster, problem: cause.message }, more);
  }
  if (!(cause instanceof StatusFailed)) return cause;
  const problem = cause.message;
  switch (cause.status) {
    case 401:
    case 403:
      return new Failed("cluster.refused", { cluster, problem }, more);
    case 404:
      return name
        ? new Failed("workload.not_found", { kind, name, cluster, namespace }, more)
        : new Failed("cluster.failed", { cluster, problem }, more);
    case 409:
      return new Failed("object.conflict", { kind, name, problem }, more);
    case 400:
    case 422:
      return new Failed("object.invalid", { cluster, kind, name, problem }, more);
    case 429:
      return new Failed("cluster.overloaded", { cluster, problem }, more);
    case 504:
      if (write) return new Failed("request.outcome_unknown", { cluster }, more);
      return new Failed("cluster.unreachable", { cluster, problem }, more);
    case 502:
    case 503:
      return new Failed("cluster.unreachable", { cluster, problem: `HTTP ${cause.status}: ${problem}` }, more);
    default:
      return new Failed("cluster.failed", { cluster, problem: `HTTP ${cause.status}: ${problem}` }, more);
  }
}

/** Runs it, and throws what it throws as a failure of the contract. */
export async function translated<T>(about: About, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw toFailed(cause, about);
  }
}
