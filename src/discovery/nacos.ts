// Nacos 2 and 3 as a registry, in the layout that installed agents and servers use: one service a key, one ephemeral
// instance an agent. An instance lives as long as the agent's connection to Nacos. The server subscribes to each
// service; it learns of new ones by the fuzzy watch of version 3, and by listing names at an interval from version 2.
import { backoff, sleep } from "../process/backoff.ts";
import { type Announcer, type Entry, keyPrefix, parseKey, type Registration, type Source } from "./discovery.ts";
import { createChanges } from "./entries.ts";
import { baseOf, connectNacos, type NacosConnection, type NacosOptions, NacosRefused } from "./nacos-grpc.ts";
import { trustProblemOf } from "./tls.ts";
import { createTold, longestWaitMs, type Told } from "./told.ts";

export interface NacosPlace {
  /** "10.0.0.1:8848", "http://10.0.0.1:8848": a session uses one, the next one another. gRPC is 1000 ports above. */
  hosts: readonly string[];
  /** Begins every key. */
  prefix: string;
  /** "public" unless said otherwise. */
  namespaceId?: string;
  /** "DEFAULT_GROUP" unless said otherwise. */
  group?: string;
}

export interface NacosAnnouncerOptions extends NacosPlace, NacosOptions {
  /** Goes along with the instance's own. */
  meta?: Readonly<Record<string, string>>;
}

export interface NacosSourceOptions extends NacosPlace, NacosOptions {
  /**
   * Milliseconds between two lists of names, a quarter more or less; 400 unless said otherwise. A list of more than
   * 4,000 names is asked for less often, and one that a fuzzy watch covers every 10 s.
   */
  pollMs?: number;
}

export function nacosAnnouncer({ meta, ...options }: NacosAnnouncerOptions): Announcer {
  return {
    name: `nacos ${options.hosts.map(baseOf).join(",")}`,
    async announce(registration, signal, onState = () => {}) {
      const requests = registration.keys.map((key) => instanceOf(key, registration, options, meta));
      const run = async (host: string, answered: () => void) => {
        const connection = await connectNacos(host, options, () => {});
        try {
          const ask = (type: string) =>
            Promise.all(requests.map((request) => connection.request("InstanceRequest", { ...request, type })));
          await ask("registerInstance");
          answered();
          onState({ announced: true });
          await connection.hold(signal);
          await ask("deregisterInstance");
        } finally {
          // Whatever was not withdrawn ends with the connection.
          connection.close();
        }
      };
      const onProblem = (problem: string) => onState({ announced: false, problem });
      await sessions(options.hosts, run, longestWaitMs, signal, onProblem);
    },
  };
}

export function nacosSource({ pollMs = 400, ...options }: NacosSourceOptions): Source {
  return {
    name: "nacos",
    kind: "nacos",
    async *watch(signal) {
      const changes = createChanges(signal);
      const told = createTold({ push: changes.push });
      const run = (host: string, answered: () => void) => session(host, { ...options, pollMs }, told, answered, signal);
      const following = sessions(options.hosts, run, 2_000, signal, told.silent);
      yield* changes;
      await following;
      told.close();
    },
  };
}

/** One after the other, each with the next host, until the signal aborts. */
async function sessions(
  hosts: readonly string[],
  run: (host: string, answered: () => void) => Promise<void>,
  mostMs: number,
  signal: AbortSignal,
  onProblem: (problem: string) => void,
): Promise<void> {
  const waits = backoff({ first: 100, most: mostMs });
  for (let turn = 0; !signal.aborted; turn++) {
    const host = hosts[turn % hosts.length]!;
    try {
      await run(host, waits.reset);
    } catch (cause) {
      if (signal.aborted) return;
      onProblem(`${baseOf(host)}: ${problemOf(cause)}`);
      await sleep(waits.next(), signal);
    }
  }
}

// -- the agent's side --

function instanceOf(
  key: string,
  { via }: Registration,
  { prefix, ...place }: NacosPlace,
  meta: Readonly<Record<string, string>> | undefined,
): object {
  if (!("address" in via)) throw new Error("Nacos can only be told an address");
  const colon = via.address.lastIndexOf(":");
  const parsed = parseKey(prefix, key);
  const where = "problem" in parsed ? {} : { Namespace: parsed.namespace, Cluster: parsed.cluster };
  return {
    ...serviceOf(place, key),
    instance: {
      ip: via.address.slice(0, colon).replace(/^\[|\]$/g, ""),
      port: Number(via.address.slice(colon + 1)),
      weight: 1,
      healthy: true,
      enabled: true,
      ephemeral: true,
      clusterName: "DEFAULT",
      metadata: { ...meta, Protocol: "grpc", Service: `${prefix}lizardcd-agent`, ...where },
    },
  };
}

// -- the server's side --

interface ServiceInfo {
  name: string;
  /** Milliseconds on the server's clock. */
  lastRefTime?: number;
  hosts?: { ip: string; port: number; healthy?: boolean; enabled?: boolean }[];
}

interface Known {
  /** Of the newest word about it. */
  at: number;
  entries: Entry[];
  subscribed: boolean;
}

/**
 * Reads all that there is and tells it as a whole, then subscribes to it and follows what comes and goes. To ask costs
 * both sides half of what a subscription does, which is answered twice; what has changed in between, its answer says.
 */
async function session(
  host: string,
  options: NacosPlace & NacosOptions & { pollMs: number },
  told: Told,
  answered: () => void,
  signal: AbortSignal,
): Promise<void> {
  const services = new Map<string, Known>();
  let whole = false;
  const failed = Promise.withResolvers<never>();
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const isOurs = (name: string) => name.startsWith(keyPrefix(options.prefix));

  const onPush = (type: string, body: Record<string, unknown>) => {
    if (type === "NotifySubscriberRequest") hear(body.serviceInfo as ServiceInfo);
    const appeared =
      type === "NamingFuzzyWatchChangeNotifyRequest"
        ? [body as unknown as Appeared]
        : type === "NamingFuzzyWatchSyncRequest"
          ? ((body.contexts ?? []) as Appeared[])
          : [];
    for (const { serviceKey, changedType } of appeared) {
      // Its own disappearance is left to the list: an empty service is told by its subscription. What appears before the
      // whole is told stands in the list that follows it.
      if (whole && changedType !== "DELETE_SERVICE") subscribe(nameOf(serviceKey)).catch(failed.reject);
    }
  };

  function hear({ name, lastRefTime = 0, hosts = [] }: ServiceInfo): void {
    const key = nameOf(name);
    const known = services.get(key);
    // A push may overtake the answer to the subscription.
    if (!known || lastRefTime < known.at) return;
    known.at = lastRefTime;
    known.entries = hosts.flatMap(({ ip, port, healthy = true, enabled = true }) => {
      const address = `${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
      return healthy && enabled ? [{ key, instance: `${ip}:${port}`, via: { address } }] : [];
    });
    if (whole) told.of(key, known.entries);
  }

  const know = (name: string): Known => {
    const known = services.get(name) ?? { at: 0, entries: [], subscribed: false };
    services.set(name, known);
    return known;
  };

  async function ask(name: string): Promise<void> {
    know(name);
    const request = { ...serviceOf(options, name), cluster: "", healthyOnly: false };
    const { serviceInfo } = await connection.request<{ serviceInfo: ServiceInfo }>("ServiceQueryRequest", request);
    hear({ ...serviceInfo, name });
  }

  async function subscribe(name: string): Promise<void> {
    if (!isOurs(name)) return;
    const known = know(name);
    if (known.subscribed) return;
    known.subscribed = true;
    const request = { ...serviceOf(options, name), subscribe: true, clusters: "" };
    const { serviceInfo } = await connection.request<{ serviceInfo: ServiceInfo }>("SubscribeServiceRequest", request);
    hear({ ...serviceInfo, name });
  }

  async function unsubscribe(name: string): Promise<void> {
    const known = services.get(name);
    services.delete(name);
    told.of(name, []);
    if (!known?.subscribed) return;
    const request = { ...serviceOf(options, name), subscribe: false, clusters: "" };
    await connection.request("SubscribeServiceRequest", request);
  }

  /** Whatever the pushes say, the list is what there is. @returns how many names it held */
  async function list(): Promise<number> {
    const names = await namesOf(connection, options);
    const ours = new Set(names.filter(isOurs));
    const vanished = [...services.keys()].filter((name) => !ours.has(name));
    await each(
      [...ours].filter((name) => !services.get(name)?.subscribed),
      subscribe,
    );
    await each(vanished, unsubscribe);
    return names.length;
  }

  const connection = await connectNacos(host, options, onPush, signal);
  try {
    const watched = await fuzzyWatch(connection, options);
    await each((await namesOf(connection, options)).filter(isOurs), ask);
    whole = true;
    answered();
    told.all([...services.values()].flatMap(({ entries }) => entries));
    const listing = async () => {
      while (!either.aborted) {
        const length = await list();
        const covered = watched && services.size < mostFuzzyWatched;
        const pause = covered ? 10_000 : Math.max(options.pollMs, length / 10);
        await sleep(pause * (0.75 + Math.random() / 2), either);
      }
    };
    await Promise.race([connection.hold(either, told.alive), listing(), failed.promise]);
  } finally {
    over.abort();
    connection.close();
  }
}

interface Appeared {
  /** "public@@DEFAULT_GROUP@@lizardcd-agent.*.k1" */
  serviceKey: string;
  changedType: string;
}

/** The server keeps 500 services of a pattern in view unless it is configured otherwise. */
const mostFuzzyWatched = 400;

/** @returns whether the server will say which services appear */
async function fuzzyWatch(connection: NacosConnection, { prefix, ...place }: NacosPlace): Promise<boolean> {
  const { namespace, groupName } = serviceOf(place, "");
  const literal = `${keyPrefix(prefix)}`;
  // Stars and separators in a prefix would be part of the pattern.
  if (/\*|>>/.test(literal)) return false;
  const groupKeyPattern = [namespace, groupName, `${literal}*`].join(">>");
  try {
    await connection.request("NamingFuzzyWatchRequest", {
      namespace,
      groupKeyPattern,
      watchType: "WATCH",
      initializing: true,
      receivedGroupKeys: [],
    });
    return true;
  } catch (cause) {
    // Version 2 knows no such request; a server at its limit refuses it. The list has it all, only later.
    if (cause instanceof NacosRefused) return false;
    throw cause;
  }
}

const pageSize = 10_000;

async function namesOf(connection: NacosConnection, place: Omit<NacosPlace, "prefix">): Promise<string[]> {
  const names: string[] = [];
  for (let pageNo = 1; ; pageNo++) {
    const request = { ...serviceOf(place, ""), pageNo, pageSize };
    const page = await connection.request<{ serviceNames?: string[] }>("ServiceListRequest", request);
    names.push(...(page.serviceNames ?? []).map(nameOf));
    if ((page.serviceNames ?? []).length < pageSize) return names;
  }
}

/** So many at once that ten thousand take seconds, and so few that the server answers others meanwhile. */
async function each(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  const left = names.values();
  const worker = async () => {
    for (const name of left) await work(name);
  };
  await Promise.all(Array.from({ length: 64 }, worker));
}

// -- both --

function serviceOf({ namespaceId, group }: Omit<NacosPlace, "prefix">, serviceName: string) {
  return { namespace: namespaceId || "public", groupName: group || "DEFAULT_GROUP", serviceName };
}

/** What comes last of "namespace@@group@@name". */
function nameOf(name: string): string {
  return name.split("@@").at(-1)!;
}

function problemOf(cause: unknown): string {
  const { name, message } = cause as Error;
  if (name === "TimeoutError") return "it does not answer";
  return trustProblemOf(message, "nacos") ?? message;
}
