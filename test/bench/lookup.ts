// Finding an agent among very many.
import type { Bench } from "./bench.ts";
import { type Part, quantile, repeated, shown } from "./figure.ts";
import type { FindResult } from "./find.ts";

export const lookup: Part<Bench> = {
  name: "lookup",
  title: "Look-up",
  conditions:
    "directory.find among 100,000 keys of 50,000 clusters, for clusters in random order: half are found under their own " +
    "namespace, half under `*`. From source, in a process of its own.",
  async run(bench) {
    const { ns, addMs } = await bench.script<FindResult>("find.ts", { keys: 100_000, rounds: 15 });
    const us = ns.map((value) => value / 1000);
    return [
      {
        ...repeated("one look-up", us, "µs", "100,000 look-ups", { atMost: 1 }),
        spread: `min ${shown(Math.min(...us))}, p95 ${shown(quantile(us, 0.95))}`,
      },
      { what: "100,000 keys taken in", value: addMs, unit: "ms", runs: "1 set" },
    ];
  },
};
