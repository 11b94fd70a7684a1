// Guesses of passwords: how many a caller has, and whose turn it is. An attempt counts before it is checked, and one
// network is checked one attempt at a time, so that guesses sent at once are no more than guesses sent one by one.
import { Failed } from "../contract/errors.ts";
import { networkOf } from "./caller-address.ts";

export interface Attempts {
  /**
   * Checks a password when it is this caller's turn.
   * @param from the caller's address.
   * @throws Failed "login.too_many" or "login.busy" without a check
   */
  check(username: string, from: string, isRight: () => Promise<boolean>): Promise<boolean>;
}

export interface AttemptOptions {
  /** Monotonic milliseconds: a clock set back by a day would shut people out for a day. */
  now: () => number;
  /** Checks under way at once: each takes 64 MiB and every core for a while. */
  atOnce?: number;
  /** Attempts that wait for their turn, in all and of one network. */
  mostWaiting?: number;
  mostWaitingEach?: number;
}

interface Limit {
  /** Failures without a wait; each one from then on doubles it, from a second to the longest. */
  free: number;
  longestMs: number;
}

/** Of one network for one name. */
const pairLimit: Limit = { free: 5, longestMs: 15 * 60_000 };
/** Of one network for all names together. */
const networkLimit: Limit = { free: 20, longestMs: 15 * 60_000 };
/** Of everybody for one name. It holds for networks that have failed there, never for one that has failed nothing. */
const nameLimit: Limit = { free: 20, longestMs: 60_000 };
/** A network or name without a failure for so long begins anew. */
const forgetMs = 60 * 60_000;
const mostRemembered = 10_000;

export function createAttempts(options: AttemptOptions): Attempts {
  const { now, atOnce = 2, mostWaiting = 64, mostWaitingEach = 16 } = options;
  const turns = createTurns({ atOnce, mostWaiting, mostWaitingEach });
  const pairs = failures(pairLimit, now);
  const networks = failures(networkLimit, now);
  const names = failures(nameLimit, now);

  return {
    check(username, from, isRight) {
      const network = networkOf(from);
      const pair = `${network} ${username}`;
      return turns.take(network, async () => {
        const hasFailed = pairs.has(pair);
        const wait = Math.max(pairs.wait(pair), networks.wait(network), hasFailed ? names.wait(username) : 0);
        if (wait > 0) throw new Failed("login.too_many", { seconds: Math.ceil(wait / 1000) }, { object: username });
        const counted = [pairs.add(pair), networks.add(network), names.add(username)];
        let right = false;
        try {
          right = await isRight();
        } catch (cause) {
          // Nothing was guessed: the store did not answer.
          for (const one of counted) one.takeBack();
          throw cause;
        }
        // The wait begins with the answer: a slow check takes nothing off it.
        for (const one of counted) right ? one.takeBack() : one.renew();
        if (right) pairs.forget(pair);
        return right;
      });
    },
  };
}

interface Failure {
  count: number;
  at: number;
}

function failures({ free, longestMs }: Limit, now: () => number) {
  const known = new Map<string, Failure>();
  const get = (key: string): Failure | undefined => {
    const failure = known.get(key);
    return failure && now() - failure.at < forgetMs ? failure : undefined;
  };
  const put = (key: string, failure: Failure) => {
    known.delete(key);
    if (failure.count > 0) known.set(key, failure);
    if (known.size > mostRemembered) known.delete(known.keys().next().value!);
  };
  return {
    has: (key: string) => get(key) !== undefined,
    forget: (key: string) => known.delete(key),
    /** Milliseconds that are left to wait. */
    wait(key: string): number {
      const failure = get(key);
      if (!failure || failure.count < free) return 0;
      return failure.at + Math.min(longestMs, 1000 * 2 ** (failure.count - free)) - now();
    },
    /** Counts one. */
    add(key: string) {
      const before = get(key);
      put(key, { count: (before?.count ?? 0) + 1, at: now() });
      return {
        takeBack: () => put(key, { count: (get(key)?.count ?? 1) - 1, at: before?.at ?? now() }),
        renew: () => put(key, { count: get(key)?.count ?? 1, at: now() }),
      };
    },
  };
}

interface TurnOptions {
  atOnce: number;
  mostWaiting: number;
  mostWaitingEach: number;
}

interface Waiter {
  resolve(): void;
  reject(cause: Failed): void;
}

const busy = () => new Failed("login.busy", { seconds: 1 });

/** One turn at a time for each network, the networks one after the other. */
function createTurns({ atOnce, mostWaiting, mostWaitingEach }: TurnOptions) {
  /** By network, in the order in which they have their turn. */
  const queues = new Map<string, Waiter[]>();
  const running = new Set<string>();
  let waiting = 0;

  function serve(): void {
    for (const [network, queue] of queues) {
      if (running.size >= atOnce) return;
      if (running.has(network)) continue;
      const go = queue.shift()!;
      waiting--;
      // Behind the others, whoever has more to ask.
      queues.delete(network);
      if (queue.length > 0) queues.set(network, queue);
      running.add(network);
      go.resolve();
    }
  }

  /** The network that waits for most gives up its last place to one that waits for less. */
  function makeRoom(network: string): void {
    const least = (queues.get(network)?.length ?? 0) + 1;
    let longest: Waiter[] | undefined;
    for (const queue of queues.values()) if (queue.length > (longest?.length ?? least)) longest = queue;
    const last = longest?.pop();
    if (!last) throw busy();
    waiting--;
    last.reject(busy());
  }

  return {
    async take<T>(network: string, run: () => Promise<T>): Promise<T> {
      const queue = queues.get(network) ?? [];
      if (queue.length >= mostWaitingEach) throw new Failed("login.too_many", { seconds: 1 });
      if (waiting >= mostWaiting) makeRoom(network);
      await new Promise<void>((resolve, reject) => {
        queue.push({ resolve, reject });
        queues.set(network, queue);
        waiting++;
        serve();
      });
      try {
        return await run();
      } finally {
        running.delete(network);
        serve();
      }
    },
  };
}
