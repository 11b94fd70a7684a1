// Who is being served: carried beside the call, so that each request to the API server can say on whose behalf it is.
import { AsyncLocalStorage } from "node:async_hooks";

export interface Caller {
  /** The user's name; empty for the server itself. */
  actor: string;
  role: string;
  requestId: string;
}

const current = new AsyncLocalStorage<Caller>();

export function asCaller<T>(caller: Caller, run: () => T): T {
  return current.run(caller, run);
}

/**
 * What a request to the API server says of its caller: always in the user agent, which the audit log keeps; with
 * `impersonate` as a user of Kubernetes, whose own rights then hold.
 */
export function callerHeaders(agent: string, impersonate: boolean): Record<string, string> {
  const caller = current.getStore();
  if (!caller?.actor) return { "user-agent": agent };
  const shown = (text: string) => text.replace(/[^\x21-\x7e]|[()]/g, "?").slice(0, 100);
  const role = caller.role ? `, ${shown(caller.role)}` : "";
  const userAgent = `${agent} (for ${shown(caller.actor)}${role}; request ${shown(caller.requestId || "unknown")})`;
  if (!impersonate) return { "user-agent": userAgent };
  return {
    "user-agent": userAgent,
    "impersonate-user": encodeURIComponent(caller.actor),
    ...(caller.role ? { "impersonate-group": `lizardcd:${caller.role}` } : {}),
  };
}
