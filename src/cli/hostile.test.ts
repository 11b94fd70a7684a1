// A server that means harm: what it answers is bounded, and what it says moves nothing.
import { afterAll, expect, test } from "bun:test";
import { mostOfAnswer, textOf } from "./request.ts";
import { startFake } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());

/** A body without an end, and how many bytes of it were asked for. */
function endless() {
  const told = { bytes: 0, ended: false };
  const chunk = new Uint8Array(1024 * 1024).fill(0x20);
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      told.bytes += chunk.length;
      controller.enqueue(chunk);
    },
    cancel() {
      told.ended = true;
    },
  });
  return { told, body };
}

test("an answer without an end is read up to its bound, and its connection is ended", async () => {
  const { told, body } = endless();
  expect(await textOf(new Response(body))).toBe("");
  expect(told.ended).toBe(true);
  expect(told.bytes).toBeGreaterThan(mostOfAnswer);
  expect(told.bytes).toBeLessThan(mostOfAnswer + 8 * 1024 * 1024);
});

test("an answer up to the bound is read whole, characters across chunks too", async () => {
  const bytes = new TextEncoder().encode("部署");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  expect(await textOf(new Response(body), bytes.length)).toBe("部署");
  expect(await textOf(new Response("12345"), 4)).toBe("");
});

test("a command whose server answers without an end says that it is no server of ours", async () => {
  for (const status of [200, 500]) {
    fake.answers["GET /workloads"] = () => new Response(endless().body, { status });
    const { code, err } = await fake.cli("get workloads");
    expect([code, err]).toEqual([
      6,
      expect.stringContaining(`does not answer as a Lizardcd server does (HTTP ${status})`),
    ]);
  }
});

test("the name that a server gives is one line when it is said", async () => {
  fake.answers["POST /login"] = () =>
    Response.json({ accessToken: "t", expiresIn: 60, user: { username: "\u001b[2Jeva\nlizardcd: all is well" } });
  const { out } = await fake.cli(`login ${fake.url} --password-stdin`, { input: "x" });
  expect(out).toContain("[2Jeva lizardcd: all is well");
  expect(out.trimEnd().split("\n")).toHaveLength(1);
});

test("a list whose page leads to itself is given up", async () => {
  let pages = 0;
  fake.answers["GET /workloads"] = () => {
    pages++;
    return Response.json({ items: [], continue: "again" });
  };
  const same = await fake.cli("get workloads");
  expect([same.code, pages <= 3]).toEqual([6, true]);
  expect(same.err).toContain("does not answer as a Lizardcd server does");
});

test("an event that never ends is read up to its bound, in a time that grows with its length alone", async () => {
  let sent = 0;
  let first = true;
  const chunk = new Uint8Array(256 * 1024).fill(0x61);
  fake.answers["GET /workloads"] = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          if (first) controller.enqueue(new TextEncoder().encode("data: "));
          first = false;
          sent += chunk.length;
          controller.enqueue(chunk);
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
  const { code } = await fake.cli("get workloads --watch");
  expect(code).not.toBe(0);
  expect(sent).toBeGreaterThan(mostOfAnswer);
  expect(sent).toBeLessThan(mostOfAnswer + 64 * 1024 * 1024);
}, 60_000);
