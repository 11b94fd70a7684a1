// Workloads as a grown cluster has them: names, images and states that do not repeat, since what repeats compresses.
import { reason } from "../../src/contract/reasons.ts";
import type { WorkloadRow } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { row } from "../stub-agent.ts";

const teams = ["shop", "billing", "search", "ledger", "media", "risk", "growth", "edge", "data", "platform"];
const first = ["cart", "price", "stock", "order", "user", "mail", "audit", "image", "token", "quote", "route", "event"];
const second = ["api", "worker", "cache", "sync", "gateway", "index", "export", "import", "cron", "web", "proxy"];

const rank = ["failed", "degraded", "ok"];

/** The same rows for the same count, in an agent's order (worst first, then by namespace and name); nine in ten are well. */
export function manyRows(cluster: string, count: number): WorkloadRow[] {
  const next = numbers(20_250_601);
  const one = (words: readonly string[]) => words[Math.floor(next() * words.length)]!;
  const rows = Array.from({ length: count }, (_, index) => {
    const team = one(teams);
    const name = `${one(first)}-${one(second)}-${index.toString(36)}`;
    const desired = 1 + Math.floor(next() * 8);
    const age = Math.floor(next() * 9e9);
    const image = `registry.example.com/${team}/${name}:${Math.floor(next() * 9)}.${Math.floor(next() * 60)}.${index % 9}`;
    const base = { namespace: `${team}-${1 + Math.floor(next() * 4)}`, desired, containers: [{ name, image }] };
    const times = { changedMs: age / 7, createdMs: age };
    if (next() < 0.9) return row(cluster, name, { ...base, ...times, ...pods(desired) });
    const ready = Math.floor(next() * desired);
    const object = `${name}-7d9f8b6c5-${index.toString(36)}`;
    const sinceMs = age / 9;
    const crashes = {
      container: name,
      exitCode: "137",
      restarts: 1 + (index % 40),
      line: `cannot reach ${one(first)}`,
    };
    return row(cluster, name, {
      ...base,
      ...times,
      ...pods(ready),
      state: next() < 0.5 ? "failed" : "degraded",
      reason:
        next() < 0.5
          ? reason("image.pull", { image, problem: "manifest unknown" }, { object, sinceMs })
          : reason("container.crash_loop", crashes, { object, sinceMs }),
    });
  });
  const place = (one: WorkloadRow) => `${rank.indexOf(one.state)} ${one.namespace} ${one.name}`;
  return rows.sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

function pods(ready: number) {
  return { updated: ready, ready, available: ready, current: ready };
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
