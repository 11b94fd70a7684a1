// One behaviour suite for the store; SQLite in memory and in a file run it.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import type { StoredAudit } from "./audit.ts";
import { openStore, type Store } from "./store.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function file(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lizardcd-store-"));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "lizardcd.db");
}

async function opened(path: string): Promise<Store> {
  const store = await openStore(path);
  let open = true;
  const { close } = store;
  store.close = async () => {
    if (open) await close();
    open = false;
  };
  ends.push(() => store.close());
  return store;
}

const entry = (more: Partial<StoredAudit> = {}): StoredAudit => ({
  id: Bun.randomUUIDv7(),
  at: Date.now(),
  actor: "ada",
  operation: "workload.restart",
  cluster: "eu-1",
  namespace: "shop",
  resource: "deployments",
  name: "web",
  outcome: "unknown",
  failure: "",
  request: "{}",
  changes: "",
  requestId: "r1",
  door: "json",
  tookMs: 0,
  count: 1,
  address: "",
  cut: false,
  ...more,
});

const ada = { username: "ada", password: "hash", role: "admin", firstPassword: true } as const;

const beds: Record<string, () => Promise<string>> = { "in memory": async () => ":memory:", "in a file": file };

for (const [name, path] of Object.entries(beds)) {
  describe(`a store ${name}`, () => {
    test("keeps users, one for each name, and their first password as such until it is changed", async () => {
      const store = await opened(await path());
      const { id } = await store.users.add(ada);
      expect(await store.users.byName("ada")).toEqual({ id, ...ada });
      expect(await store.users.byId(id)).toEqual({ id, ...ada });
      await expect(store.users.add(ada)).rejects.toThrow();
      await store.users.setPassword(id, "other");
      expect(await store.users.byName("ada")).toMatchObject({ password: "other", firstPassword: false });
      expect(await store.users.count()).toBe(1);
      expect(await store.users.byName("nobody' OR '1'='1")).toBeUndefined();
    });

    test("keeps sessions until they end or expire", async () => {
      const store = await opened(await path());
      const { id: userId } = await store.users.add(ada);
      const session = (id: string, expiresAt: number) => ({ id, userId, door: "json", createdAt: 1, expiresAt });
      for (const one of [session("a", 100), session("b", 200), session("c", 300)]) await store.sessions.add(one);
      await store.sessions.end("c");
      expect(await store.sessions.alive(150)).toEqual([session("b", 200)]);
      expect(await store.sessions.alive(200)).toEqual([]);
    });

    test("opens an audit entry as unknown, closes it, and lists newest first, filtered and page by page", async () => {
      const store = await opened(await path());
      const entries = Array.from({ length: 5 }, (_, n) => entry({ name: `web-${n}`, actor: n % 2 ? "bob" : "ada" }));
      for (const one of entries) await store.audit.open(one);
      await store.audit.close(entries[4]!.id, { outcome: "done", failure: "", changes: "[]", tookMs: 7, cut: false });
      const names = async (filter: object) => (await store.audit.list({ limit: 10, ...filter })).map((one) => one.name);
      expect(await names({})).toEqual(["web-4", "web-3", "web-2", "web-1", "web-0"]);
      expect(await names({ limit: 2 })).toEqual(["web-4", "web-3"]);
      expect(await names({ before: entries[3]!.id, limit: 2 })).toEqual(["web-2", "web-1"]);
      expect(await names({ actor: "bob" })).toEqual(["web-3", "web-1"]);
      expect(await names({ outcome: "done" })).toEqual(["web-4"]);
      expect(await names({ q: "b-2" })).toEqual(["web-2"]);
      expect(await names({ q: "%" })).toEqual([]);
      expect((await store.audit.list({ limit: 1 }))[0]).toMatchObject({ outcome: "done", tookMs: 7, changes: "[]" });
    });

    test("lets an invitation be used once, and a revoked certificate stay revoked until it ends", async () => {
      const store = await opened(await path());
      await store.trust.invite({ id: "i", hash: "h", cluster: "eu-1", namespaces: ["*"], expiresAt: 100 });
      expect(await store.trust.invitation("i")).toMatchObject({
        cluster: "eu-1",
        namespaces: ["*"],
        usedAt: undefined,
      });
      const used = await Promise.all(Array.from({ length: 5 }, () => store.trust.use("i", 50)));
      expect(used.filter(Boolean)).toHaveLength(1);
      const certificate = (serial: string, cluster: string) => ({
        serial,
        cluster,
        namespaces: ["*"],
        issuedAt: 1,
        notAfter: 1_000,
      });
      for (const one of [certificate("A", "eu-1"), certificate("B", "eu-1"), certificate("C", "us-1")]) {
        await store.trust.addCertificate(one);
      }
      expect(await store.trust.revoke("eu-1", "B", 10)).toEqual(["B"]);
      expect(await store.trust.revoke("eu-1", "", 11)).toEqual(["A"]);
      expect(await store.trust.revoke("eu-1", "", 12)).toEqual([]);
      expect((await store.trust.revoked(500)).toSorted()).toEqual(["A", "B"]);
      expect(await store.trust.revoked(1_000)).toEqual([]);
    });

    test("keeps the last that was known of each agent, and forgets it by key or by cluster", async () => {
      const store = await opened(await path());
      const agent = (key: string, cluster: string, seenAt: number, readAt?: number) => ({
        key,
        cluster,
        namespace: "*",
        seenAt,
        readAt,
        summary: Uint8Array.of(1, 0, 255, seenAt),
      });
      await store.fleet.keep([agent("a", "eu-1", 5, 4), agent("b", "eu-1", 6), agent("c", "us-1", 7)]);
      await store.fleet.keep([agent("b", "eu-1", 9, 8)]);
      await store.fleet.keep([]);
      const kept = async () =>
        (await store.fleet.agents())
          .map(({ key, seenAt, readAt, summary }) => [key, seenAt, readAt, ...summary])
          .toSorted();
      expect(await kept()).toEqual([
        ["a", 5, 4, 1, 0, 255, 5],
        ["b", 9, 8, 1, 0, 255, 9],
        ["c", 7, undefined, 1, 0, 255, 7],
      ]);
      await store.fleet.forget(["a", "nobody"]);
      expect((await kept()).map(([key]) => key)).toEqual(["b", "c"]);
      await store.fleet.remove("eu-1", 10);
      expect((await kept()).map(([key]) => key)).toEqual(["c"]);
    });

    test("knows which clusters are enrolled: a certificate that holds, of a cluster that was not removed since", async () => {
      const store = await opened(await path());
      const certificate = (serial: string, cluster: string, issuedAt: number, notAfter = 1_000) =>
        store.trust.addCertificate({ serial, cluster, namespaces: ["shop"], issuedAt, notAfter });
      await certificate("A", "eu-1", 20);
      await certificate("B", "eu-1", 10);
      await certificate("C", "ended", 10, 40);
      await certificate("D", "revoked", 10);
      await store.trust.revoke("revoked", "D", 30);
      const enrolled = async () => (await store.fleet.enrolled(50)).map(({ cluster, since }) => `${cluster} ${since}`);
      expect(await enrolled()).toEqual(["eu-1 10"]);
      expect((await store.fleet.enrolled(50))[0]!.namespaces).toEqual(["shop"]);
      await store.fleet.remove("eu-1", 60);
      expect(await enrolled()).toEqual([]);
      await certificate("E", "eu-1", 70);
      expect(await enrolled()).toEqual(["eu-1 70"]);
    });
  });
}

describe("a store in a file", () => {
  test("has at the next start what it had at the last, and runs no migration twice", async () => {
    const path = await file();
    const first = await opened(path);
    await first.users.add(ada);
    await first.close();
    const second = await opened(path);
    expect(await second.users.byName("ada")).toMatchObject({ role: "admin" });
  });

  test("of a newer version is refused, and nothing in it is changed", async () => {
    const path = await file();
    await (await opened(path)).close();
    const sql = new SQL({ adapter: "sqlite", filename: path });
    await sql`INSERT INTO migrations (name, at) VALUES ('9999 from the future', 1)`;
    await sql.close();
    await expect(openStore(path)).rejects.toThrow("written by a newer version");
  });

  test("that cannot be opened is named", async () => {
    await expect(openStore("/nowhere/at/all.db")).rejects.toThrow("/nowhere/at/all.db cannot be opened");
  });
});
