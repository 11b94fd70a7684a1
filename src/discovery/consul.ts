// Consul as a registry, in the layout that installed agents and servers use: one service a key, one instance an agent,
// `<key>-<host>-<port>`, alive by a TTL check. The server follows all of them by one blocking query over their checks.
import { backoff, sleep } from "../process/backoff.ts";
import {
  type Answer,
  ask,
  baseOf,
  type ConsulOptions,
  connectConsul,
  holdSeconds,
  isUnknown,
  problemOf,
  standardTimeoutMs,
} from "./consul-client.ts";
import { type Announcer, type Entry, parseKey, type Registration, type Source } from "./discovery.ts";
import { createChanges } from "./entries.ts";
import { createTold, longestWaitMs, type Told } from "./told.ts";

export interface ConsulAnnouncerOptions extends ConsulOptions {
  /** "127.0.0.1:8500", "https://consul:8501": the agent of Consul that this agent belongs to. */
  host: string;
  /** Begins every key. */
  prefix: string;
  /** Seconds that a service stays passing after its agent's last word; 60 unless said otherwise. */
  ttlSeconds?: number;
  /** Goes along with the service's own. */
  meta?: Readonly<Record<string, string>>;
}

export interface ConsulSourceOptions extends ConsulOptions {
  /** As an announcer's; a session uses one, the next one another. */
  hosts: readonly string[];
  prefix: string;
  /** The datacenter to look in; else that of the Consul which is asked. */
  datacenter?: string;
}

/** Consul refuses to remove a critical service sooner. */
const leastDeregisterSeconds = 60;
/** Between two answers of a fleet of 10,000; a smaller one is asked about sooner. */
const mostPauseMs = 500;

export function consulAnnouncer({
  host,
  prefix,
  ttlSeconds = 60,
  meta,
  ...options
}: ConsulAnnouncerOptions): Announcer {
  return {
    name: `consul ${baseOf(host)}`,
    async announce(registration, signal, onState = () => {}) {
      const services = registration.keys.map((key) => serviceOf(key, registration, prefix, ttlSeconds, meta));
      const waits = backoff({ first: 100, most: longestWaitMs });
      let registered = false;
      while (!signal.aborted) {
        // Made anew each time: its authority may be another one by now.
        const { client, destroy } = await connectConsul(host, options);
        try {
          for (const service of services) await client.agent.service.register(service);
          registered = true;
          onState({ announced: true });
          waits.reset();
          await keep(services, { host, ttlSeconds, ...options }, signal);
        } catch (cause) {
          if (signal.aborted) break;
          onState({ announced: false, problem: `${baseOf(host)}: ${problemOf(cause)}` });
          await sleep(waits.next(), signal);
        } finally {
          destroy();
        }
      }
      if (!registered) return;
      const { client, destroy } = await connectConsul(host, options);
      for (const { id } of services) {
        await client.agent.service.deregister(id).catch((cause: unknown) => {
          // Its check ends by itself: nobody is routed here for longer than the TTL.
          if (!isUnknown(cause)) onState({ announced: false, problem: `${baseOf(host)}: ${problemOf(cause)}` });
        });
      }
      destroy();
    },
  };
}

export function consulSource({ hosts, prefix, ...options }: ConsulSourceOptions): Source {
  return {
    name: "consul",
    kind: "consul",
    async *watch(signal) {
      const changes = createChanges(signal);
      const told = createTold({ push: changes.push });
      const following = follow(hosts, prefix, options, told, signal);
      yield* changes;
      await following;
      told.close();
    },
  };
}

// -- the agent's side --

type Service = ReturnType<typeof serviceOf>;

function serviceOf(
  key: string,
  { via }: Registration,
  prefix: string,
  ttlSeconds: number,
  meta: Readonly<Record<string, string>> | undefined,
) {
  if (!("address" in via)) throw new Error("Consul can only be told an address");
  const colon = via.address.lastIndexOf(":");
  const [address, port] = [via.address.slice(0, colon).replace(/^\[|\]$/g, ""), Number(via.address.slice(colon + 1))];
  const id = `${key}-${address}-${port}`;
  const parsed = parseKey(prefix, key);
  const place: Record<string, string> =
    "problem" in parsed ? {} : { Namespace: parsed.namespace, Cluster: parsed.cluster };
  const check = {
    name: `TTL of ${key}`,
    checkid: id,
    ttl: `${ttlSeconds}s`,
    // Without it the service would be critical until its first beat.
    status: "passing",
    deregistercriticalserviceafter: `${Math.max(ttlSeconds * 3, leastDeregisterSeconds)}s`,
  };
  return {
    name: key,
    id,
    address,
    port,
    meta: { ...meta, Protocol: "grpc", Service: `${prefix}lizardcd-agent`, ...place },
    // The package's types want the timeout of checks that Consul makes itself.
    check: check as typeof check & { timeout: string },
  };
}

/** Resolves when the signal aborts; rejects when a beat fails, or when Consul has forgotten one of them. */
async function keep(
  services: readonly Service[],
  options: ConsulOptions & { host: string; ttlSeconds: number },
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const beat = async () => {
    while (!either.aborted) {
      // At once, too: what a Consul kept over its restart is critical there, and stays so however it is registered anew.
      for (const { id } of services) {
        await ask(options.host, `/agent/check/pass/${encodeURIComponent(id)}`, {}, options, either, "PUT");
      }
      await sleep((options.ttlSeconds / 3) * 1000, either);
    }
  };
  try {
    // What forgets one of them forgets all; one alone that somebody takes away is missed by the next beat.
    await Promise.all([beat(), ...services.slice(0, 1).map(({ id }) => unchanged(id, options, either))]);
  } finally {
    over.abort();
  }
}

/**
 * Waits at the agent of Consul for as long as it has the service: when it restarts or somebody deregisters us, this is
 * known at once, not at the next beat.
 */
async function unchanged(id: string, options: ConsulOptions & { host: string }, signal: AbortSignal): Promise<void> {
  let hash = "";
  while (!signal.aborted) {
    const path = `/agent/service/${encodeURIComponent(id)}`;
    const answer = await ask(options.host, path, { hash, wait: `${holdSeconds}s` }, options, signal).catch((cause) => {
      if (!signal.aborted) throw cause;
    });
    const now = answer?.headers.get("x-consul-contenthash") ?? "";
    // An answer at once, again and again, would mean that this Consul does not hold the query.
    if (now === "" || now !== hash) await sleep(20, signal);
    hash = now;
  }
}

// -- the server's side --

interface Check {
  Node: string;
  CheckID: string;
  Status: string;
  ServiceID: string;
  ServiceName: string;
}

type SourceConnection = ConsulOptions & { datacenter?: string };

async function follow(
  hosts: readonly string[],
  prefix: string,
  options: SourceConnection,
  told: Told,
  signal: AbortSignal,
): Promise<void> {
  const waits = backoff({ first: 100, most: 2_000 });
  for (let turn = 0; !signal.aborted; turn++) {
    const host = hosts[turn % hosts.length]!;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.all([
        session(host, prefix, options, told, waits.reset, either),
        pulse(host, options, told, either),
      ]);
    } catch (cause) {
      if (signal.aborted) return;
      told.silent(`${baseOf(host)}: ${problemOf(cause)}`);
      await sleep(waits.next(), signal);
    } finally {
      over.abort();
    }
  }
}

/** Each answer is the whole view; Consul holds the next one back until something in it may have changed. */
async function session(
  host: string,
  prefix: string,
  options: SourceConnection,
  told: Told,
  answered: () => void,
  signal: AbortSignal,
): Promise<void> {
  let index = 0n;
  let seen = false;
  while (!signal.aborted) {
    const query = {
      ...(index > 0n ? { index: String(index), wait: `${holdSeconds}s` } : {}),
      ...(options.datacenter ? { dc: options.datacenter } : {}),
      filter: filterOf(prefix),
    };
    const asked = performance.now();
    const answer = await ask(host, "/health/state/any", query, options, signal);
    const heldMs = performance.now() - asked;
    const checks = answer.body as Check[];
    seen ||= checks.length > 0;
    if (!seen) await refuseBlindness(answer, prefix, host, options, signal);
    if (signal.aborted) return;
    answered();
    told.all(...entriesOf(checks));
    index = next(index, heldMs, answer.headers.get("x-consul-index"));
    // Every answer holds all checks: where many change at once, they are worth one answer, not one each.
    await sleep(Math.min(checks.length / 20, mostPauseMs), signal);
  }
}

/**
 * A token that may see nothing gets an empty answer, not a refusal: it must not pass for an empty fleet. Every Consul
 * has a node, so that none at all is as much a sign as its own word.
 */
async function refuseBlindness(
  answer: Answer,
  prefix: string,
  host: string,
  options: SourceConnection,
  signal: AbortSignal,
): Promise<void> {
  const dc: Record<string, string> = options.datacenter ? { dc: options.datacenter } : {};
  const hides = answer.headers.get("x-consul-results-filtered-by-acls") === "true";
  const nodes = hides ? [] : ((await ask(host, "/catalog/nodes", dc, options, signal)).body as unknown[]);
  if (nodes.length > 0) return;
  const services = `${prefix}lizardcd-agent`;
  throw new Error(`it hides what its token may not read: the token must read nodes, and services from ${services} on`);
}

/**
 * The index to ask with next; none, from the beginning, where it went back, as Consul itself advises. A query that it let
 * go before its time with nothing new was held on a store that is no more, as after a restored snapshot: that answer is
 * the old one, and with its index the next would be held for nothing.
 */
function next(index: bigint, heldMs: number, header: string | null): bigint {
  const now = /^\d+$/.test(header ?? "") ? BigInt(header!) : 0n;
  if (now === index && heldMs < holdSeconds * 1000) return 0n;
  return now < index ? 0n : now;
}

/**
 * A query that is held and a Consul that hangs look the same: a small question beside it tells them apart, without
 * asking for all the checks again and again.
 */
async function pulse(host: string, options: SourceConnection, told: Told, signal: AbortSignal): Promise<void> {
  const { timeoutMs = standardTimeoutMs } = options;
  while (!signal.aborted) {
    await sleep(timeoutMs / 3, signal);
    if (signal.aborted) return;
    const answer = await ask(host, "/status/leader", {}, options, signal).catch((cause) => {
      if (!signal.aborted) throw cause;
    });
    if (answer?.body === "") throw new Error("it has no leader");
    told.alive();
  }
}

/** The checks of our services, and those that make a whole node critical. */
function filterOf(prefix: string): string {
  // Consul knows no "begins with": a pattern, then, of which every sign is written by its number.
  const literal = `${prefix}lizardcd-agent.`.replace(
    /[^A-Za-z0-9_-]/gu,
    (sign) => `\\x{${sign.codePointAt(0)!.toString(16)}}`,
  );
  return `ServiceName matches \`^${literal}\` or (ServiceName == "" and Status == "critical")`;
}

/**
 * An instance is there while none of its checks is critical. A warning is not: Consul itself goes on naming such an
 * instance. The same id on two nodes is one agent that has moved from one agent of Consul to another. A Consul that has
 * just started may take for critical what it has not heard of since.
 */
function entriesOf(checks: readonly Check[]): [living: Entry[], critical: Entry[]] {
  const placeOf = ({ Node, ServiceID }: Check) => `${Node}\n${ServiceID}`;
  const critical = checks.filter(({ Status }) => Status === "critical");
  const lostNodes = new Set(critical.filter(({ ServiceName }) => ServiceName === "").map(({ Node }) => Node));
  const lostServices = new Set(critical.map(placeOf));
  const living = new Map<string, Entry>();
  const doubted: Entry[] = [];
  for (const check of checks) {
    const { ServiceName: key, ServiceID: instance } = check;
    if (key === "") continue;
    const entry = { key, instance, via: { address: addressOf(key, instance) } };
    if (lostNodes.has(check.Node) || lostServices.has(placeOf(check))) doubted.push(entry);
    else living.set(`${key}\n${instance}`, entry);
  }
  return [[...living.values()], doubted];
}

/** What follows the key is "-<host>-<port>"; the checks name no address, and so need no look into the catalogue. */
function addressOf(key: string, id: string): string {
  const rest = id.startsWith(`${key}-`) ? id.slice(key.length + 1) : id;
  const dash = rest.lastIndexOf("-");
  const [host, port] = [rest.slice(0, dash), rest.slice(dash + 1)];
  return dash < 0 ? rest : `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
