import { afterAll, beforeAll, expect, test } from "bun:test";
import { type RealEtcd, startEtcd } from "./etcd.ts";
import { describePart } from "./part.ts";

describePart("etcd", "the real etcd", () => {
  let etcd: RealEtcd;
  beforeAll(async () => {
    etcd = await startEtcd({ fsync: true });
  });
  afterAll(() => etcd.stop());

  test("keeps what it stored when it is killed and comes back", async () => {
    await call("put", { key: btoa("lizard"), value: btoa("green") });
    await etcd.kill();
    await expect(call("range", { key: btoa("lizard") })).rejects.toThrow();
    await etcd.restart();
    const { kvs } = (await call("range", { key: btoa("lizard") })) as { kvs: { value: string }[] };
    expect(atob(kvs[0]!.value)).toBe("green");
  });

  test("answers nothing while it is paused", async () => {
    etcd.pause();
    await expect(call("range", { key: btoa("lizard") }, 300)).rejects.toThrow("timed out");
    etcd.resume();
    await call("range", { key: btoa("lizard") });
  });

  async function call(method: "put" | "range", body: object, timeout = 10_000): Promise<unknown> {
    const signal = AbortSignal.timeout(timeout);
    const answer = await fetch(`${etcd.endpoint}/v3/kv/${method}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal,
    });
    return answer.json();
  }
});
