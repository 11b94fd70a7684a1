// The agent's own limits: what it refuses whatever the server asks.
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import { operations } from "../contract/operation.ts";

export interface Limits {
  /** These namespaces alone; none named is all that the cluster allows. */
  allowNamespaces: readonly string[];
  /** Resources, "secrets" or "daemonsets", that are neither shown nor changed. */
  denyKinds: readonly string[];
  /** Nothing is changed. */
  readOnly: boolean;
}

export const noLimits: Limits = { allowNamespaces: [], denyKinds: [], readOnly: false };

type Named = Message & { namespace?: string; resource?: string; dryRun?: boolean };

const writes = new Map(operations.map((operation) => [operation.method, operation.audited]));

/** @throws Failed "agent.refuses" that names the limit. */
export function holdTo(limits: Limits, cluster: string, method: DescMethod, input: Named): void {
  const refuse = (problem: string) => new Failed("agent.refuses", { cluster, problem }, { object: cluster });
  if (limits.readOnly && writes.get(method) && !input.dryRun) {
    throw refuse("it is read-only (--read-only)");
  }
  // What it does not know may be what makes the change harmless: a dry run, a condition.
  if (writes.get(method) && input.$unknown?.length) {
    throw refuse("the change says more than this version of the agent understands, nothing was changed: upgrade it");
  }
  const { namespace, resource } = input;
  const { allowNamespaces, denyKinds } = limits;
  if (namespace && namespace !== "*" && allowNamespaces.length > 0 && !allowNamespaces.includes(namespace)) {
    throw refuse(`namespace ${namespace} is not among ${allowNamespaces.join(", ")} (--allow-namespaces)`);
  }
  if (resource && denyKinds.includes(resource)) throw refuse(`it keeps ${resource} to itself (--deny-kinds)`);
}
