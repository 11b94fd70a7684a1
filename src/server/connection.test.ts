// Which connections are open, and who waits for one: nothing is dialled before something is sent.
import { afterEach, expect, test } from "bun:test";
import { Failed } from "../contract/errors.ts";
import { type Connection, type Connections, connections, type Use } from "./connection.ts";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Connections by a letter each, on a clock that moves with each look at it. */
function world(most: number) {
  let time = 0;
  const all: Connections = connections({ most, idleMs: 60_000, now: () => ++time });
  ends.push(all.close);
  const placeOf = (name: string) => [`127.0.0.1:${name.charCodeAt(0)}`, { namespace: "*", cluster: name }] as const;
  return {
    all,
    acquire: (name: string, use?: Use) => all.acquire(...placeOf(name), undefined, use),
    turn: (name: string, { ms = 5_000, use = "call", signal }: Waiting = {}) =>
      all.turn(...placeOf(name), undefined, use, { deadline: Date.now() + ms, signal }),
  };
}

interface Waiting {
  ms?: number;
  use?: Use;
  signal?: AbortSignal;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const cause = await promise.then(
    () => undefined,
    (failed: unknown) => failed,
  );
  return cause instanceof Failed ? cause.code : String(cause);
}

/** In the order in which they were given a connection. */
function noted(order: string[], name: string, turn: Promise<Connection>): Promise<Connection> {
  void turn.then(() => order.push(name));
  return turn;
}

test("the one closed for another is the least recently used, and never one in use", () => {
  const { all, acquire } = world(3);
  const [a, b, c] = [acquire("a")!, acquire("b")!, acquire("c")!];
  for (const each of [a, b, c]) all.release(each);
  all.release(acquire("a")!);
  const held = acquire("b")!;
  expect(held).toBe(b);
  expect(acquire("d")).toBeDefined();
  expect([a.ended, b.ended, c.ended]).toEqual([false, false, true]);
  expect(acquire("e")).toBeDefined();
  expect([a.ended, b.ended]).toEqual([true, false]);
  expect(all.open).toBe(3);
});

test("with all in use the next ones wait, and are served the oldest first", async () => {
  const { all, acquire, turn } = world(2);
  const [a, b] = [acquire("a")!, acquire("b")!];
  expect(acquire("c")).toBeUndefined();
  const order: string[] = [];
  const waiting = ["c", "d", "e", "f"].map((name) => noted(order, name, turn(name)));
  all.release(a);
  all.release(b);
  for (const next of waiting) {
    const connection = await next;
    expect(all.open).toBe(2);
    all.release(connection);
  }
  expect(order).toEqual(["c", "d", "e", "f"]);
});

test("calls that overlap hold no place for good: who waits comes between them, and those behind come again after", async () => {
  const { all, acquire, turn } = world(2);
  const [a, b] = [acquire("a")!, acquire("b")!];
  all.release(acquire("b")!);
  const order: string[] = [];
  const c = noted(order, "c", turn("c"));
  expect(acquire("b")).toBe(b);
  all.release(b);
  expect(acquire("a")).toBeUndefined();
  const again = noted(order, "a", turn("a"));
  all.release(a);
  all.release(await c);
  expect((await again).ended).toBe(false);
  expect([order, a.ended]).toEqual([["c", "a"], true]);
});

test("one that makes room takes calls again where nobody waits any more", async () => {
  const { acquire, turn } = world(1);
  const a = acquire("a")!;
  const late = turn("b", { ms: 20 });
  expect(acquire("a")).toBeUndefined();
  const behind = turn("a");
  expect(await codeOf(late)).toBe("connections.all_in_use");
  expect(await behind).toBe(a);
  expect(acquire("a")).toBe(a);
});

test("a stream keeps its place, and calls beside it go on", async () => {
  const { all, acquire, turn } = world(1);
  const a = acquire("a", "stream")!;
  const waiting = turn("b");
  expect(acquire("a")).toBe(a);
  all.release(a);
  expect(a.ended).toBe(false);
  all.release(a, "stream");
  expect((await waiting).address).toBe("127.0.0.1:98");
});

test("streams hold three quarters of the places at most: calls always come between each other", () => {
  const { all, acquire } = world(4);
  const streams = ["a", "b", "c"].map((name) => acquire(name, "stream")!);
  expect(() => acquire("d", "stream")).toThrow("--max-connections");
  expect(acquire("a", "stream")).toBe(streams[0]!);
  const call = acquire("d")!;
  expect(() => acquire("d", "stream")).toThrow("--max-connections");
  all.release(call);
  expect(acquire("e")).toBeDefined();
  all.release(streams[1]!, "stream");
  expect(acquire("f", "stream")).toBeDefined();
});

test("of more that wait than there are connections each has its turn, though calls overlap on whatever is open", async () => {
  const { all, acquire, turn } = world(1);
  let current = acquire("a")!;
  const waiting = ["b", "c", "d"].map((name) => turn(name));
  for (const [index, next] of waiting.entries()) {
    const name = "abc"[index]!;
    expect([name, acquire(name)]).toEqual([name, undefined]);
    all.release(current);
    current = await next;
    // One call more at any time, as long as it is let in.
    if (acquire("bcd"[index]!)) all.release(current);
  }
  expect(current.address).toBe("127.0.0.1:100");
});

test("who waits for a connection that takes calls again is not held up by who still waits for a place", async () => {
  const { all, acquire, turn } = world(3);
  const held = ["x", "p", "q"].map((name) => acquire(name)!);
  all.release(acquire("p")!);
  all.release(acquire("q")!);
  const y = turn("y");
  const w = turn("w");
  const again = turn("x");
  all.release(held[1]!);
  await y;
  expect(await again).toBe(held[0]!);
  all.release(held[2]!);
  expect((await w).address).toBe("127.0.0.1:119");
});

test("one place serves all who wait for the same agent", async () => {
  const { all, acquire, turn } = world(1);
  const a = acquire("a")!;
  const waiting = [turn("b"), turn("c"), turn("b")];
  all.release(a);
  const [first, third] = [await waiting[0]!, await waiting[2]!];
  expect(third).toBe(first);
  all.release(first);
  all.release(third);
  all.release(await waiting[1]!);
});

test("who waits fails at the deadline with what can be done about it, or leaves, and then holds nobody up", async () => {
  const { all, acquire, turn } = world(1);
  const a = acquire("a")!;
  const leave = new AbortController();
  const [late, gone, last] = [turn("b", { ms: 20 }), turn("c", { signal: leave.signal }), turn("d")];
  leave.abort();
  expect(await codeOf(gone)).toBe("request.cancelled");
  expect(await codeOf(late)).toBe("connections.all_in_use");
  expect(await codeOf(turn("e", { signal: AbortSignal.abort() }))).toBe("request.cancelled");
  all.release(a);
  expect((await last).address).toBe("127.0.0.1:100");
});

test("people come before the server's own questions, of which half of the places are free", async () => {
  const { all, acquire, turn } = world(2);
  const own = acquire("a", "own")!;
  expect(acquire("b", "own")).toBeUndefined();
  const person = acquire("b")!;
  const order: string[] = [];
  const [second, third] = [
    noted(order, "the server's own", turn("c", { use: "own" })),
    noted(order, "a person's", turn("d")),
  ];
  all.release(own, "own");
  const served = await third;
  all.release(person);
  all.release(await second, "own");
  all.release(served);
  expect(order).toEqual(["a person's", "the server's own"]);
});

test("one that is closed under a call holds its place until the call has ended", () => {
  const { all, acquire } = world(1);
  const a = acquire("a")!;
  all.drop(a.address);
  expect([a.ended, all.open]).toEqual([true, 1]);
  expect(acquire("b")).toBeUndefined();
  all.release(a);
  expect(all.open).toBe(0);
  expect(acquire("b")).toBeDefined();
});
