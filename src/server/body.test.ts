import { expect, test } from "bun:test";
import { readBody, unprovenBodyLimit } from "./body.ts";

/** A body whose parts come one by one, and which never ends where the last part is missing. */
function dripping(parts: string[], ends: boolean): Request {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      if (ends) controller.close();
    },
  });
  return new Request("http://localhost/", { method: "POST", body, headers: { "content-type": "application/json" } });
}

const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => "read",
    ({ code }: { code: string }) => code,
  );

test("a body comes in parts", async () => {
  expect(await readBody(dripping(['{"a":', "1}"], true))).toEqual({ a: 1 });
});

test("a body that never ends is given up after its time", async () => {
  expect(await codeOf(readBody(dripping(['{"a":'], false), { patienceMs: 50 }))).toBe("request.too_slow");
});

test("more than the limit is refused as soon as that is known, whether the length is told or not", async () => {
  expect(await codeOf(readBody(dripping(["x".repeat(70_000)], false), { limit: unprovenBodyLimit }))).toBe(
    "request.too_large",
  );
  const told = new Request("http://localhost/", { method: "POST", body: "y".repeat(70_000) });
  expect(await codeOf(readBody(told, { limit: unprovenBodyLimit }))).toBe("request.too_large");
});
