// Times look-ups. Argument: { keys, rounds } as JSON. Prints a FindResult.
import type { Entry, Source } from "../../src/discovery/discovery.ts";
import { log } from "../../src/process/log.ts";
import { createDirectory } from "../../src/server/directory.ts";

export interface FindResult {
  /** One look-up, by round. */
  ns: number[];
  addMs: number;
}

const { keys, rounds } = JSON.parse(process.argv[2]!) as { keys: number; rounds: number };
const clusters = keys / 2;
const entries: Entry[] = Array.from({ length: keys }, (_, index) => ({
  key: `lizardcd-agent.${index < clusters ? "*" : "shop"}.cluster-${index % clusters}`,
  instance: String(index),
  via: { address: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}:5017` },
}));
const source: Source = {
  name: "memory",
  kind: "memory",
  async *watch() {
    yield { type: "set", entries };
  },
};
const options = { prefix: "", forgetMs: 1_000, onDropped() {}, now: () => performance.now(), log: log("bench") };
const directory = createDirectory(options);
const began = performance.now();
await directory.follow(source, new AbortController().signal);
const addMs = performance.now() - began;

const names = Array.from({ length: 100_000 }, () => `cluster-${Math.floor(Math.random() * clusters)}`);
const ns: number[] = [];
for (let round = -5; round < rounds; round++) {
  let found = 0;
  const start = Bun.nanoseconds();
  for (let index = 0; index < names.length; index++) {
    if (directory.find(names[index]!, index % 2 ? "shop" : "other")) found++;
  }
  const took = (Bun.nanoseconds() - start) / names.length;
  if (found !== names.length) throw new Error(`${found} of ${names.length} found`);
  if (round >= 0) ns.push(took);
}
console.log(JSON.stringify({ ns, addMs } satisfies FindResult));
