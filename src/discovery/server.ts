// The embedded registry: agents announce themselves to the server over HTTP, by their certificate or under its join
// token, and renew a lease.

import { backoff, sleep } from "../process/backoff.ts";
import { proxied } from "../process/proxy.ts";
import { redirectOf } from "../process/redirect.ts";
import { unreachableServer } from "../process/unreachable.ts";
import type { Announcer, AnnounceState, Registration, Source } from "./discovery.ts";
import { createEntries } from "./entries.ts";

export interface ToServer {
  /** "http://127.0.0.1:5117". */
  server: string;
  /** PEM of the CA to trust at that address instead of the system's; asked for each connection. */
  serverCa?: () => string | undefined;
  /** The certificate, and a text signed with its key; an agent that has none shows the join token. */
  prove?(text: string): Promise<Proof>;
  joinToken?: string;
  /** Milliseconds one request may take. */
  timeoutMs?: number;
}

export interface Proof {
  certificate: string;
  proof: string;
}

/** What an agent signs: all that it asks for, so that no part of it can be another's. */
export function announcementText(
  challenge: string,
  instance: string,
  address: string,
  keys: readonly string[],
): string {
  return ["announce", challenge, instance, address, ...keys].join("\n");
}

export function withdrawalText(challenge: string, instance: string): string {
  return ["withdraw", challenge, instance].join("\n");
}

/** The agent's side. */
export function announceToServer({ server, serverCa, prove, joinToken, timeoutMs = 5_000 }: ToServer): Announcer {
  const base = server.replace(/\/+$/, "");

  async function ask<T>(method: "GET" | "PUT" | "DELETE", path: string, body: object | undefined, signal: AbortSignal) {
    const ca = serverCa?.();
    const answer = await fetch(`${base}/discovery/instances/${path}`, {
      method,
      ...proxied(base),
      headers: {
        accept: "application/json",
        "content-type": "application/json",
        ...(prove ? {} : { authorization: `Bearer ${joinToken}` }),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      redirect: "manual",
      ...(ca ? { tls: { ca } } : {}),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    } as RequestInit);
    const text = await answer.text();
    const elsewhere = redirectOf(answer);
    if (elsewhere) throw new Refused(`${base}: ${elsewhere}`);
    if (!answer.ok) throw new Refused(`${base} answers ${answer.status}: ${messageOf(text)}`);
    return JSON.parse(text) as T;
  }

  /** One agent's conversation: each answer brings the challenge for the next announcement. */
  function conversation({ instance, keys, via }: Registration) {
    if (!("address" in via)) throw new Error("the server can only be told an address");
    const { address } = via;
    const path = encodeURIComponent(instance);
    let next: string | undefined;

    async function challenge(signal: AbortSignal): Promise<string> {
      const known = next ?? (await ask<Answered>("GET", `${path}/challenge`, undefined, signal)).challenge;
      // Good once: what comes of this one, the next is another.
      next = undefined;
      // Nothing is signed that could be more than a challenge: a request for a certificate, for one.
      if (!known || !/^[\w.-]{1,200}$/.test(known))
        throw new Refused(`${base} answers without a challenge: is it a Lizardcd server?`);
      return known;
    }

    async function proven(text: (challenge: string) => string, signal: AbortSignal) {
      if (!prove) return {};
      const answered = await challenge(signal);
      return { challenge: answered, ...(await prove(text(answered))) };
    }

    async function announce(signal: AbortSignal): Promise<number> {
      // A server that was restarted, or that this agent left waiting, no longer knows what it asked.
      const kept = next !== undefined;
      try {
        const proof = await proven((asked) => announcementText(asked, instance, address, keys), signal);
        const { leaseMs, challenge } = await ask<Answered>("PUT", path, { keys, address, ...proof }, signal);
        if (!leaseMs || leaseMs < 0) throw new Refused(`${base} answers without a lease: is it a Lizardcd server?`);
        next = challenge;
        return leaseMs;
      } catch (cause) {
        if (kept && cause instanceof Refused) return announce(signal);
        throw cause;
      }
    }

    return {
      announce,
      async withdraw(signal: AbortSignal): Promise<void> {
        const proof = await proven((asked) => withdrawalText(asked, instance), signal);
        const query = prove ? `?${new URLSearchParams(proof)}` : "";
        await ask("DELETE", `${path}${query}`, undefined, signal);
      },
    };
  }

  return {
    name: `server ${base}`,
    async announce(registration, signal, onState) {
      const tell = onChange(onState);
      const { announce, withdraw } = conversation(registration);
      // Quick at first: a server that restarts is back within seconds, and wants its agents back as soon.
      const away = backoff({ first: 100, most: 3_000 });
      const refused = backoff({ first: 1_000, most: 10_000 });
      let announced = false;
      while (!signal.aborted) {
        let wait: number;
        try {
          const leaseMs = await announce(signal);
          announced = true;
          tell({ announced: true });
          away.reset();
          refused.reset();
          wait = leaseMs / 3;
        } catch (cause) {
          if (signal.aborted) break;
          tell({ announced: false, problem: await problemOf(cause, base, timeoutMs) });
          wait = cause instanceof Refused ? refused.next() : away.next();
        }
        await sleep(wait, signal);
      }
      if (!announced) return;
      // A server that is away forgets us by itself when the lease ends.
      await withdraw(AbortSignal.timeout(2_000)).catch(async (cause) =>
        tell({ announced: false, problem: await problemOf(cause, base, 2_000) }),
      );
    },
  };
}

export interface EmbeddedOptions {
  /** Milliseconds an instance counts after its last word; longer where more would renew than is good for a server. */
  leaseMs: number;
  /** Monotonic milliseconds. */
  now?: () => number;
}

/** The server's side: what the announcing requests call, and what the pool follows. */
export interface EmbeddedRegistry extends Source {
  /** Announces or renews, with all the keys it now has. */
  put(instance: string, keys: readonly string[], address: string): { leaseMs: number };
  remove(instance: string): void;
  close(): void;
}

/** Ten thousand agents with leases of 10 s would be three thousand requests a second, which is a core of its own. */
const renewalsPerSecond = 500;

export function embeddedRegistry({ leaseMs, now = () => performance.now() }: EmbeddedOptions): EmbeddedRegistry {
  const entries = createEntries();
  const leases = new Map<string, { keys: readonly string[]; ends: number }>();
  let sweeping: ReturnType<typeof setTimeout> | undefined;

  /** Each instance renews three times in it. */
  const lease = () => Math.max(leaseMs, Math.ceil((leases.size / renewalsPerSecond) * 3_000));

  function sweepAt(planned: number): void {
    sweeping = setTimeout(() => sweep(planned), Math.max(0, planned - now()));
    sweeping.unref?.();
  }

  function sweep(planned: number): void {
    // Where this process itself stood still, it could hear nobody: all get a whole lease to speak up.
    if (now() - planned > leaseMs / 4) for (const one of leases.values()) one.ends = now() + lease();
    let next = Number.POSITIVE_INFINITY;
    for (const [instance, { ends }] of leases) {
      if (ends <= now()) remove(instance);
      else next = Math.min(next, ends);
    }
    sweeping = undefined;
    if (leases.size > 0) sweepAt(next);
  }

  function remove(instance: string): void {
    for (const key of leases.get(instance)?.keys ?? []) entries.remove(key, instance);
    leases.delete(instance);
  }

  return {
    name: "embedded",
    kind: "embedded",
    put(instance, keys, address) {
      for (const key of leases.get(instance)?.keys ?? []) if (!keys.includes(key)) entries.remove(key, instance);
      for (const key of keys) entries.put({ key, instance, via: { address } });
      const given = lease();
      leases.set(instance, { keys, ends: now() + given });
      if (!sweeping) sweepAt(now() + given);
      return { leaseMs: given };
    },
    remove,
    watch: entries.watch,
    close() {
      clearTimeout(sweeping);
    },
  };
}

interface Answered {
  leaseMs?: number;
  challenge?: string;
}

/** The server is there and does not want us: hurrying does not help. */
class Refused extends Error {}

function onChange(tell: ((state: AnnounceState) => void) | undefined): (state: AnnounceState) => void {
  let last = "";
  return (state) => {
    const now = JSON.stringify(state);
    if (now !== last) tell?.(state);
    last = now;
  };
}

async function problemOf(cause: unknown, base: string, timeoutMs: number): Promise<string> {
  if (cause instanceof Refused) return cause.message;
  const { name, message } = cause as Error;
  if (name === "TimeoutError") return `${base} did not answer within ${timeoutMs / 1000} s`;
  return `${base} cannot be reached: ${await unreachableServer(base, message)}`;
}

function messageOf(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    if (typeof message === "string") return message;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  return "it does not say why; is it a Lizardcd server?";
}
