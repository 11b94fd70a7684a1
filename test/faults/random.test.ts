// A million keys and values that nobody meant: none crashes anything, none of them is believed that is not ours.
import { expect, test } from "bun:test";
import { type Change, formatKey, isAddress, parseKey } from "../../src/discovery/discovery.ts";
import { embeddedRegistry } from "../../src/discovery/server.ts";
import { createTold } from "../../src/discovery/told.ts";
import { log } from "../../src/process/log.ts";
import { createDirectory } from "../../src/server/directory.ts";
import { figure, shownMs } from "./figure.ts";

/** The same numbers for the same seed: what failed can be tried again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// What keys and addresses are made of, what breaks programs, and anything else.
const pieces = [
  ..."abz019-._*/:@[]|\\^$(){}?+ \n\t\0%\"'<>&;,#=~`",
  "lizardcd-agent.",
  "lizardcd-agent",
  "shop",
  "prod",
  "*.eu-1",
  "127.0.0.1",
  "[::1]",
  ":5017",
  ":0",
  ":99999",
  "__proto__",
  "constructor",
  "toString",
  "../",
  "http://",
  "é",
  "集群",
  "\u202e",
  "\ud800",
  "😀",
  "\uffff",
  "a".repeat(70),
  "0".repeat(40),
];

test("a million random keys and values crash nothing, and only what is ours is kept", async () => {
  const seed = Number(process.env.LIZARDCD_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const random = randomFrom(seed);
  const upTo = (most: number) => Math.floor(random() * most);
  const text = (most: number) => {
    let made = "";
    for (let left = upTo(most); left > 0; left--) made += pieces[upTo(pieces.length)];
    return made;
  };
  // Half of them begin as ours do.
  const key = () => (random() < 0.5 ? `lizardcd-agent.${text(6)}` : text(8));
  const address = () => (random() < 0.5 ? `127.0.0.1:${upTo(70_000)}` : text(6));

  const stop = new AbortController();
  const directory = createDirectory({
    prefix: "",
    forgetMs: 60_000,
    onDropped: () => {},
    now: () => performance.now(),
    log: { ...log("test"), warn: () => {} },
  });
  const embedded = embeddedRegistry({ leaseMs: 60_000 });
  const told: Change[] = [];
  const backend = createTold({ push: (change) => told.push(change), graceMs: 1 });
  backend.all([]);
  const queue: Change[] = [{ type: "set", entries: [] }];
  let wake = () => {};
  const following = directory.follow(
    {
      name: "random",
      kind: "memory",
      async *watch(signal) {
        while (!signal.aborted) {
          yield* queue.splice(0);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
    },
    stop.signal,
  );

  const began = performance.now();
  let ours = 0;
  for (let one = 0; one < 1_000_000; one++) {
    const entry = { key: key(), instance: String(upTo(1_000)), via: { address: address() } };
    const parsed = parseKey("", entry.key);
    const good = !("problem" in parsed) && isAddress(entry.via.address);
    if (good) {
      ours++;
      expect(formatKey("", parsed)).toBe(entry.key);
    }
    if (random() < 0.2) queue.push({ type: "removed", key: entry.key, instance: entry.instance });
    else queue.push({ type: "put", entry });
    if (one % 4 === 0) embedded.put(entry.instance, [entry.key, key()], entry.via.address);
    if (one % 4 === 1) backend.of(entry.key, [entry]);
    if (one % 1_000 === 0) {
      told.length = 0;
      wake();
      await Bun.sleep(0);
    }
  }
  wake();
  await Bun.sleep(1);
  const [source] = directory.sources();
  figure(
    `a million random keys and values (LIZARDCD_TEST_SEED=${seed})`,
    `0 crashes, ${ours} of them ours, ${source!.ignored} ignored, ${shownMs(performance.now() - began)}`,
    "0 crashes",
  );
  expect(ours).toBeGreaterThan(100);
  // Of what is not ours so many are counted one by one, and no more.
  expect(source!.ignored).toBe(65_536);
  expect(source!.problem).toBeUndefined();
  for (const { key, namespace, cluster, endpoints } of directory.entries()) {
    expect(formatKey("", { namespace, cluster })).toBe(key);
    expect(directory.find(cluster, namespace)?.key).toBe(key);
    expect([...endpoints.keys()].every(isAddress)).toBe(true);
  }
  stop.abort();
  wake();
  await following;
  embedded.close();
  backend.close();
});
