// How agents are found: what an agent announces, what a registry tells the server. Each backend is one file beside this.

/** How the server reaches one running agent: it dials `address`, or the agent has dialled in under `tunnel`. */
export type Via = { address: string } | { tunnel: string };

/** What one running agent announces: all its keys under one lease. */
export interface Registration {
  /** "<prefix>lizardcd-agent.<namespace>.<cluster>" each. */
  keys: string[];
  via: Via;
  /** Names this one running agent among several with the same keys: a UUID made at start. */
  instance: string;
}

/** One running agent under one key, as a registry tells it. */
export interface Entry {
  key: string;
  /** Unique within its source and key: lease id, service id, ip:port, or the agent's own UUID. */
  instance: string;
  via: Via;
  /** What the source itself sees wrong with it; what else may be, `wrongWith` says. */
  problem?: string;
}

/** What a source tells, also of values that are not ours: whoever follows it asks `wrongWith`, counts and ignores them. After any gap it yields a whole `set` again; what is absent from a set is gone. */
export type Change =
  | { type: "set"; entries: Entry[] }
  | { type: "put"; entry: Entry }
  | { type: "removed"; key: string; instance: string }
  /** The registry does not answer: its entries are kept, and are stale from here until the next other change. */
  | { type: "silent"; problem: string }
  /** Nothing changed, and the registry has just said so. */
  | { type: "alive" };

/** An agent's side of a registry. */
export interface Announcer {
  /** "etcd http://127.0.0.1:2379", for logs. */
  readonly name: string;
  /**
   * Announces and keeps announced until the signal aborts; then withdraws and resolves. Never rejects for a registry
   * that is away: it tries again with backoff and tells `onState`.
   */
  announce(registration: Registration, signal: AbortSignal, onState?: (state: AnnounceState) => void): Promise<void>;
  /** Where calls come by way of the announcement: ends that way, once what is under way has gone out. */
  close?(): Promise<void>;
}

export type AnnounceState = { announced: true } | { announced: false; problem: string };

/** The server's side of a registry. */
export interface Source {
  /** Shown on pages: "etcd", "embedded"; unique among a server's sources. */
  readonly name: string;
  readonly kind: "etcd" | "consul" | "nacos" | "embedded" | "memory";
  /** Yields the whole current set first, then changes. Ends when the signal aborts; never throws for an absent registry. */
  watch(signal: AbortSignal): AsyncIterable<Change>;
}

export interface AgentKey {
  /** "*" for the whole cluster. */
  namespace: string;
  cluster: string;
}

const service = "lizardcd-agent";
const namespacePattern = /^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/;
const clusterPattern = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;

/** Every key of ours begins so. */
export function keyPrefix(prefix: string): string {
  return `${prefix}${service}.`;
}

export function formatKey(prefix: string, { namespace, cluster }: AgentKey): string {
  return `${keyPrefix(prefix)}${namespace}.${cluster}`;
}

/**
 * Parsed, never matched as a pattern: the namespace ends at the first dot, the cluster is all that follows.
 * @returns the parts, or in words why the key is not one of ours.
 */
export function parseKey(prefix: string, key: string): AgentKey | { problem: string } {
  const head = keyPrefix(prefix);
  if (!key.startsWith(head)) return { problem: `it does not begin with ${head}` };
  const rest = key.slice(head.length);
  const dot = rest.indexOf(".");
  if (dot < 0) return { problem: "it has no cluster: expected <namespace>.<cluster>" };
  const namespace = rest.slice(0, dot);
  const cluster = rest.slice(dot + 1);
  if (!namespacePattern.test(namespace)) return { problem: `${JSON.stringify(namespace)} is not a namespace name` };
  if (!clusterPattern.test(cluster)) return { problem: `${JSON.stringify(cluster)} is not a cluster name` };
  return { namespace, cluster };
}

/** In words why an entry is not one of ours, or nothing where it is. */
export function wrongWith(prefix: string, { key, via, problem }: Entry): string | undefined {
  const parsed = parseKey(prefix, key);
  if ("problem" in parsed) return parsed.problem;
  if (problem !== undefined) return problem;
  if ("tunnel" in via || isAddress(via.address)) return undefined;
  return `its address ${JSON.stringify(via.address.slice(0, 80))} is not host:port`;
}

/** "host:port" with a port that exists; IPv6 in brackets. "unix:80" would be a file, and is none. */
export function isAddress(text: string): boolean {
  const match = /^(\[[0-9a-fA-F:]+\]|[^\s:/@[\]]{1,253}):(\d{1,5})$/.exec(text);
  return match !== null && match[1]!.toLowerCase() !== "unix" && Number(match[2]) >= 1 && Number(match[2]) <= 65_535;
}
