// etcd as a registry, in the layout that installed agents and servers use: `<key>/<lease id>` holds "host:port".
// The client's own leases and watchers lose keys and changes over an outage, so its plain calls are used instead:
// a session reads the whole set, watches from the next revision, and whenever it breaks, a new one begins.
import type { Etcd3, IKeyValue, IResponseHeader, IWatchResponse } from "etcd3";
import { backoff, sleep } from "../process/backoff.ts";
import {
  type Announcer,
  type AnnounceState,
  type Entry,
  keyPrefix,
  type Registration,
  type Source,
} from "./discovery.ts";
import { createChanges } from "./entries.ts";
import { connectEtcd, type EtcdOptions, problemOf, standardTimeoutMs } from "./etcd-client.ts";
import { createTold, longestWaitMs, type Told } from "./told.ts";

export interface EtcdAnnouncerOptions extends EtcdOptions {
  /** Seconds that a key outlives its agent; 10 unless said otherwise. */
  leaseSeconds?: number;
}

export interface EtcdSourceOptions extends EtcdOptions {
  /** Begins every key. */
  prefix: string;
  /** As the agents'. */
  leaseSeconds?: number;
}

/** Installed agents have it too. */
const standardLeaseSeconds = 10;

export function etcdAnnouncer({ leaseSeconds = standardLeaseSeconds, ...options }: EtcdAnnouncerOptions): Announcer {
  return {
    name: `etcd ${options.hosts.join(",")}`,
    async announce(registration, signal, onState = () => {}) {
      if (!("address" in registration.via)) throw new Error("etcd can only be told an address");
      // An etcd that is back has its agents back within 5 s, and not ten thousand of them in the same moment.
      const waits = backoff({ first: 200, most: longestWaitMs });
      const held: Held = { leaseSeconds };
      for (let turn = 0; !signal.aborted; turn++) {
        const host = options.hosts[turn % options.hosts.length]!;
        try {
          const client = await connectEtcd(host, options);
          const announced = () => {
            waits.reset();
            onState({ announced: true });
          };
          await hold(client, held, registration, signal, announced).finally(() => client.close());
        } catch (cause) {
          if (signal.aborted) break;
          onState({ announced: false, problem: `${host}: ${problemOf(cause)}` });
          if (!(cause instanceof LeaseLost)) await sleep(waits.next(), signal);
        }
      }
      await withdraw(held, options, onState);
    },
  };
}

export function etcdSource({ leaseSeconds = standardLeaseSeconds, ...options }: EtcdSourceOptions): Source {
  return {
    name: "etcd",
    kind: "etcd",
    async *watch(signal) {
      const changes = createChanges(signal);
      const told = createTold({ push: changes.push });
      const following = follow({ leaseSeconds, ...options }, told, signal);
      yield* changes;
      await following;
      told.close();
    },
  };
}

// -- the agent's side --

interface Held {
  leaseSeconds: number;
  /** The lease's id, decimal, once granted. */
  lease?: string;
}

/** Resolves when the signal aborts; rejects when the session breaks. */
async function hold(
  client: Etcd3,
  held: Held,
  { keys, via }: Registration,
  signal: AbortSignal,
  announced: () => void,
): Promise<void> {
  const beatMs = (held.leaseSeconds * 1000) / 3;
  const beats = await client.leaseClient.leaseKeepAlive();
  const over = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      let heardAt = performance.now();
      const beat = () => {
        if (performance.now() - heardAt > beatMs * 2) reject(new Error("it does not answer"));
        else if (held.lease !== undefined) beats.write({ ID: held.lease });
      };
      const timer = setInterval(beat, beatMs);
      over.signal.addEventListener("abort", () => clearInterval(timer));
      signal.addEventListener("abort", () => resolve(), { once: true, signal: over.signal });
      beats.on("error", reject);
      beats.on("end", () => reject(new Error("it ended the stream")));
      beats.on("data", ({ TTL }) => {
        heardAt = performance.now();
        if (Number(TTL) > 0) return;
        held.lease = undefined;
        reject(new LeaseLost("the lease was lost"));
      });
      // A lease of an earlier session may still live: the first beat tells, before anything is put under it.
      const put = async () => {
        held.lease ??= (await client.leaseClient.leaseGrant({ TTL: held.leaseSeconds })).ID;
        const lease = held.lease;
        const address = Buffer.from("address" in via ? via.address : "");
        await client.kv.txn({
          success: keys.map((key) => ({
            request_put: { key: Buffer.from(`${key}/${lease}`), value: address, lease },
          })),
        });
        announced();
        beat();
      };
      put().catch((cause) => {
        if (!isLeaseUnknown(cause)) return reject(cause);
        held.lease = undefined;
        reject(new LeaseLost("the lease was lost", { cause }));
      });
      if (signal.aborted) resolve();
    });
  } finally {
    over.abort();
    beats.cancel();
  }
}

async function withdraw(held: Held, options: EtcdOptions, onState: (state: AnnounceState) => void): Promise<void> {
  if (held.lease === undefined) return;
  for (const host of options.hosts) {
    const client = await connectEtcd(host, { ...options, timeoutMs: 2_000 });
    try {
      await client.leaseClient.leaseRevoke({ ID: held.lease });
      return;
    } catch (cause) {
      if (isLeaseUnknown(cause)) return;
      // The lease ends by itself: nobody is routed here for longer than it lasts.
      onState({ announced: false, problem: `${host}: ${problemOf(cause)}` });
    } finally {
      client.close();
    }
  }
}

class LeaseLost extends Error {}

function isLeaseUnknown(cause: unknown): boolean {
  return /requested lease not found|EtcdLeaseInvalid/.test(`${(cause as Error).name} ${(cause as Error).message}`);
}

// -- the server's side --

type SourceOptions = EtcdSourceOptions & { leaseSeconds: number };

async function follow(options: SourceOptions, told: Told, signal: AbortSignal): Promise<void> {
  const waits = backoff({ first: 200, most: 2_000 });
  const last: Heard = { at: performance.now(), revision: 0n };
  for (let turn = 0; !signal.aborted; turn++) {
    const host = options.hosts[turn % options.hosts.length]!;
    try {
      const client = await connectEtcd(host, options);
      await session(client, options, last, told, waits.reset, signal).finally(() => client.close());
    } catch (cause) {
      if (signal.aborted) return;
      if (cause instanceof Compacted) {
        told.missed();
        continue;
      }
      told.silent(`${host}: ${problemOf(cause)}`);
      await sleep(waits.next(), signal);
    }
  }
}

/** What etcd said last, over all sessions. */
interface Heard {
  /** On the monotonic clock. */
  at: number;
  cluster?: string;
  revision: bigint;
}

/**
 * Whether keys may be missing whose agents live: etcd went on from an older state, or with none; or nobody could renew a
 * lease for so long that one ran out. Otherwise, what is missing was withdrawn: leases live through a restart of etcd.
 */
function mayHaveForgotten({ cluster_id, revision }: IResponseHeader, last: Heard, leaseSeconds: number): boolean {
  if (last.cluster !== undefined && cluster_id !== last.cluster) return true;
  // Agents renew at a third of the lease.
  return BigInt(revision) < last.revision || performance.now() - last.at > (leaseSeconds * 1000 * 2) / 3;
}

function heard({ cluster_id, revision }: IResponseHeader, last: Heard): void {
  last.at = performance.now();
  last.cluster = cluster_id;
  last.revision = BigInt(revision);
}

/** The whole set, then what changes from its revision on: nothing between them is lost. */
async function session(
  client: Etcd3,
  { prefix, leaseSeconds, timeoutMs = standardTimeoutMs }: SourceOptions,
  last: Heard,
  told: Told,
  answered: () => void,
  signal: AbortSignal,
): Promise<void> {
  const range = { key: Buffer.from(keyPrefix(prefix)), range_end: endOf(keyPrefix(prefix)) };
  const { header, kvs } = await client.kv.range(range);
  if (signal.aborted) return;
  answered();
  const entries = kvs.map(entryOf);
  if (mayHaveForgotten(header, last, leaseSeconds)) told.all(entries);
  else told.allCertainly(entries);
  heard(header, last);
  const stream = await client.watchClient.watch();
  const over = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      let heardAt = performance.now();
      let readAt = heardAt;
      let reading = false;
      // How far the watch has come proves that this very stream still delivers. A read proves that the member is not cut
      // off from the others: a watch on one that is goes on as if nothing changed any more.
      const asking = setInterval(() => {
        if (performance.now() - Math.min(heardAt, readAt) > timeoutMs) {
          reject(new Error(`it has not answered for ${timeoutMs / 1000} s`));
          return;
        }
        stream.write({ progress_request: {} });
        if (reading) return;
        reading = true;
        const read = () => {
          readAt = performance.now();
          reading = false;
        };
        client.kv.range({ key: range.key, count_only: true }).then(read, reject);
      }, timeoutMs / 3);
      over.signal.addEventListener("abort", () => clearInterval(asking));
      signal.addEventListener("abort", () => resolve(), { once: true, signal: over.signal });
      stream.on("error", reject);
      stream.on("end", () => reject(new Error("it ended the watch")));
      stream.on("data", (response) => {
        heardAt = performance.now();
        heard(response.header, last);
        const ended = endOfWatch(response);
        if (ended) return reject(ended);
        if (response.events.length === 0) return told.alive();
        for (const { type, kv } of response.events) {
          if (type === "Delete") removed(kv, told);
          else told.put(entryOf(kv));
        }
      });
      // From the revision that was read, not the one after: etcd tells no progress of a watch that begins in its future,
      // so one in which nothing changes would pass for silent. What comes twice for it is the same twice.
      stream.write({ create_request: { ...range, start_revision: header.revision } });
      if (signal.aborted) resolve();
    });
  } finally {
    over.abort();
    stream.cancel();
  }
}

/** The revision to watch from is no longer kept: read the whole set again, at once. */
class Compacted extends Error {}

function endOfWatch({ canceled, compact_revision, cancel_reason }: IWatchResponse): Error | undefined {
  if (compact_revision && compact_revision !== "0") return new Compacted(`compacted at ${compact_revision}`);
  return canceled ? new Error(cancel_reason || "it cancelled the watch") : undefined;
}

function removed(kv: IKeyValue, told: Told): void {
  const { key, instance } = split(kv.key.toString());
  told.removed(key, instance);
}

/** No host and port are longer; a value that is not ours may have any length. */
const mostValue = 300;

function entryOf(kv: IKeyValue): Entry {
  const { key, instance } = split(kv.key.toString());
  const via = { address: kv.value.toString().slice(0, mostValue) };
  return /^\d+$/.test(instance)
    ? { key, instance, via }
    : { key, instance, via, problem: "it does not end in /<lease id>" };
}

function split(path: string): { key: string; instance: string } {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? { key: path, instance: "" } : { key: path.slice(0, slash), instance: path.slice(slash + 1) };
}

/** The first key after all that begin so. */
function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  return end;
}
