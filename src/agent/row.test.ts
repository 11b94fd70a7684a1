import { expect, test } from "bun:test";
import { listing, rowFilter } from "./listing.ts";
import type { RawWorkload } from "./object.ts";
import { changedAt, keyOf, rowOf, Texts, toWorkloadRow } from "./row.ts";
import { WorkloadStore } from "./store.ts";

const wanted = {
  namespace: "*",
  resource: "workloads",
  labelSelector: "",
  name: "",
  state: [],
  sort: "",
  limit: 0,
  continue: "",
};

test("what only the status was written by does not count as a change", () => {
  const object = {
    metadata: {
      name: "web",
      creationTimestamp: "2026-01-01T00:00:00Z",
      managedFields: [
        { manager: "kubectl", time: "2026-01-02T00:00:00Z" },
        { manager: "hpa", subresource: "scale", time: "2026-01-03T00:00:00Z" },
        { manager: "kcm", subresource: "status", time: "2026-01-04T00:00:00Z" },
      ],
    },
  };
  expect(changedAt(object)).toBe(Date.parse("2026-01-03T00:00:00Z"));
});

test("ages are never negative", () => {
  const row = rowOf("deployments", raw(1), new Texts());
  expect(toWorkloadRow(row, "c", row.created - 5_000)).toMatchObject({ createdMs: 0, changedMs: 0 });
});

test("a page begins after the last row of the one before, also when that row is gone", () => {
  const store = storeOf(25);
  const first = listing(store.rows(), { ...wanted, limit: 10 });
  store.remove(keyOf(first.rows.at(-1)!));
  const rest = listing(store.rows(), { ...wanted, limit: 100, continue: first.next });
  expect(rest.next).toBe("");
  expect(new Set([...first.rows, ...rest.rows].map(keyOf)).size).toBe(25);
});

test("listeners hear of what a reader would see, and of nothing else", () => {
  const store = storeOf(2);
  const heard: string[] = [];
  store.listen((key, row) => heard.push(`${key} ${row ? row.desired : "gone"}`));
  store.put("deployments", raw(1));
  expect(heard).toEqual([]);
  const scaled = raw(1);
  scaled.spec!.replicas = 9;
  store.put("deployments", scaled);
  store.keepOnly("deployments", "*", new Set(["deployments/shop-1/web-1"]));
  expect(heard).toEqual(["deployments/shop-1/web-1 9", "deployments/shop-0/web-0 gone"]);
});

test("a row of ten thousand takes less than 2 KB", () => {
  const count = 10_000;
  const before = heap();
  const store = storeOf(count);
  const each = (heap() - before) / count;
  expect(store.size).toBe(count);
  expect(each).toBeGreaterThan(0);
  expect(each).toBeLessThan(2_048);
  expect([...store.rows()].filter(rowFilter(wanted))).toHaveLength(count);
});

function heap(): number {
  for (let round = 0; round < 3; round++) Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

/** As from the wire: every text its own. */
function storeOf(count: number): WorkloadStore {
  const store = new WorkloadStore();
  for (let index = 0; index < count; index++) {
    store.put("deployments", JSON.parse(JSON.stringify(raw(index))) as RawWorkload);
  }
  return store;
}

function raw(index: number): RawWorkload {
  const labels = {
    app: `web-${index}`,
    "app.kubernetes.io/name": `web-${index}`,
    "app.kubernetes.io/part-of": "shop",
    team: `team-${index % 20}`,
  };
  // Every fifth is not well, which is more than a healthy fleet has.
  const ready = index % 5 === 0 ? 1 : 3;
  return {
    metadata: {
      name: `web-${index}`,
      namespace: `shop-${index % 100}`,
      uid: `00000000-0000-0000-0000-${String(index).padStart(12, "0")}`,
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels,
      managedFields: [{ manager: "kubectl", time: "2026-01-02T00:00:00Z" }],
    },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: `web-${index}` } },
      template: {
        spec: { containers: [{ name: "app", image: `registry.example.com/shop/web-${index}:1.${index}.0` }] },
      },
    },
    status: { observedGeneration: 1, replicas: 3, updatedReplicas: 3, readyReplicas: ready, availableReplicas: ready },
  };
}
