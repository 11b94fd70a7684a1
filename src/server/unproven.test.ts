import { afterEach, beforeEach, expect, test } from "bun:test";
import { log } from "../process/log.ts";
import type { StoredAudit } from "./store/audit.ts";
import { openStore, type Store } from "./store/store.ts";
import { createUnproven, mostGroups, mostKept, type Unproven } from "./unproven.ts";

let store: Store;
let unproven: Unproven;
beforeEach(async () => {
  store = await openStore(":memory:");
  unproven = createUnproven({ store, log: log("test") });
});
afterEach(() => store.close());

const minute = 60_000;
const refused = (more: Partial<StoredAudit> = {}): StoredAudit => ({
  ...{ id: Bun.randomUUIDv7(), at: minute, actor: "", operation: "trust.enroll", cluster: "", namespace: "" },
  ...{ resource: "", name: "", outcome: "refused", failure: '{"code":"x"}', request: "", changes: "" },
  ...{ requestId: "r", door: "json", tookMs: 0, count: 1, address: "192.0.2.1", cut: false },
  ...more,
});
const all = () => store.audit.list({ limit: 100_000 });

test("calls of one network and operation are one entry a minute, with a count", async () => {
  for (let n = 0; n < 2_000; n++) await unproven.refused(refused());
  await unproven.refused(refused({ operation: "user.login" }));
  // The next minute writes down what the last one counted.
  await unproven.refused(refused({ at: 2 * minute }));
  expect((await all()).map(({ operation, count, at }) => [operation, count, at])).toEqual([
    ["trust.enroll", 1, 2 * minute],
    ["user.login", 1, minute],
    ["trust.enroll", 2_000, minute],
  ]);
});

test("names that were tried from one network stand for nobody, one name stands for itself", async () => {
  for (const actor of ["ada", "root"]) await unproven.refused(refused({ operation: "user.login", actor }));
  for (const actor of ["bob", "bob"])
    await unproven.refused(refused({ operation: "user.login", actor, address: "192.0.2.2" }));
  await unproven.refused(refused({ at: 2 * minute }));
  const logins = (await all()).filter(({ operation }) => operation === "user.login");
  expect(logins.map(({ actor, count }) => [actor, count])).toEqual([
    ["bob", 2],
    ["", 2],
  ]);
});

test("calls that come at once as a minute begins are one entry", async () => {
  await unproven.refused(refused());
  await unproven.refused(refused());
  await Promise.all(Array.from({ length: 50 }, () => unproven.refused(refused({ at: 2 * minute }))));
  await unproven.refused(refused({ at: 3 * minute }));
  expect((await all()).map(({ count, at }) => [count, at])).toEqual([
    [1, 3 * minute],
    [50, 2 * minute],
    [2, minute],
  ]);
});

test("however many networks come, a minute has so many entries, and one for the others", async () => {
  for (let n = 0; n < 3_000; n++) await unproven.refused(refused({ address: `192.0.${n >> 8}.${n & 255}` }));
  await unproven.refused(refused({ at: 2 * minute }));
  const first = (await all()).filter(({ at }) => at === minute);
  expect(first).toHaveLength(mostGroups + 1);
  expect(first.filter(({ address }) => address === "").map(({ count }) => count)).toEqual([3_000 - mostGroups]);
});

test("the newest of them are kept, and nothing of a known user goes for them", async () => {
  const known = refused({ actor: "ada", address: "" });
  await store.audit.open(known);
  const most = 50;
  for (let n = 0; n < 120; n++) await store.audit.open(refused({ name: `n${n}` }), true);
  await store.audit.keepUnproven(most);
  const names = (await all()).map(({ name }) => name);
  expect(names).toHaveLength(most + 1);
  expect([names[0], names[most - 1], names[most]]).toEqual(["n119", "n70", ""]);
  expect(mostKept).toBeLessThanOrEqual(10_000);
});

test("what is older than the audit is kept for goes a little at a time", async () => {
  for (let n = 0; n < 12; n++) await store.audit.open(refused({ at: n }));
  expect([await store.audit.removeBefore(10, 6), await store.audit.removeBefore(10, 6)]).toEqual([6, 4]);
  expect((await all()).map(({ at }) => at)).toEqual([11, 10]);
});
