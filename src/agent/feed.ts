// The stream of one watcher of rows: the whole set, then changes. What is waiting to be sent is a set of keys, so a slow
// reader costs no more than the set itself, gets each row in its newest state, and delays nobody.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WatchWorkloadsRequest, WorkloadEventSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import type { Cluster } from "./cluster.ts";
import { rowFilter } from "./listing.ts";
import { toWorkloadRow } from "./row.ts";

type Event = MessageInitShape<typeof WorkloadEventSchema>;

const heartbeatMs = 5_000;

/** @throws Failed "watch.not_synced" where there is no whole set yet */
export async function* feed(
  cluster: Cluster,
  wanted: WatchWorkloadsRequest,
  signal: AbortSignal,
  beat = heartbeatMs,
): AsyncGenerator<Event> {
  const { store, watcher, kube } = cluster;
  const matches = rowFilter(wanted);
  await cluster.synced(signal);

  const waiting = new Set<string>();
  const shown = new Set<string>();
  let wake = () => {};
  const end = store.listen((key) => {
    waiting.add(key);
    wake();
  });
  const synced = (): Event => ({ event: { case: "synced", value: { ageMs: watcher.ageMs() } } });

  function next(key: string): Event | undefined {
    const row = store.get(key);
    if (row && matches(row)) {
      shown.add(key);
      return { event: { case: "upsert", value: toWorkloadRow(row, cluster.name, kube.now()) } };
    }
    if (!shown.delete(key)) return undefined;
    const [resource, namespace, name] = key.split("/");
    return { event: { case: "removed", value: { cluster: cluster.name, resource, namespace, name } } };
  }

  try {
    for (const [key, row] of store.entries()) if (matches(row)) waiting.add(key);
    let beatAt = 0;
    while (!signal.aborted) {
      // A steady flow of changes must not keep back the heartbeat, nor the first word that the set is whole.
      for (const key of [...waiting]) {
        waiting.delete(key);
        const event = next(key);
        if (event) yield event;
        if (signal.aborted) return;
      }
      if (performance.now() >= beatAt) {
        yield synced();
        beatAt = performance.now() + beat;
      }
      if (waiting.size > 0) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, Math.max(0, beatAt - performance.now()));
        function done() {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          wake = () => {};
          resolve();
        }
        wake = done;
        signal.addEventListener("abort", done, { once: true });
      });
    }
  } finally {
    end();
  }
}
