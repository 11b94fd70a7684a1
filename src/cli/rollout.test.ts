import { afterAll, expect, test } from "bun:test";
import { failure, startFake, workloadRow } from "./testserver.ts";

const fake = startFake();
const path = "GET /clusters/eu-1/namespaces/shop/deployments/web";
const words = "rollout status deploy/web -c eu-1 -n shop";

afterAll(() => fake.stop());

/** Answers one after the other; the last one again and again. */
function steps(...all: (object | (() => Response))[]) {
  let at = 0;
  fake.answers[path] = () => {
    const step = all[Math.min(at++, all.length - 1)]!;
    return typeof step === "function" ? step() : Response.json({ row: workloadRow("web", step), pods: [] });
  };
}

const moving = {
  state: "run",
  updated: 1,
  ready: 3,
  current: 4,
  reason: { code: "rollout.moving", message: "moving" },
};
const pull = { code: "image.pull", params: { image: "a:1", problem: "no such tag" }, message: "" };

test("it waits, says each step once in a pipe, and ends with 0 when all is well", async () => {
  steps(moving, moving, { state: "run", updated: 3, ready: 2, current: 4 }, {});
  const { code, out, err } = await fake.cli(words);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toBe(
    "shop/web (eu-1): Rolling out, 1 of 3 updated, 3 ready, 3 old\n" +
      "shop/web (eu-1): Rolling out, 3 of 3 updated, 2 ready, 1 old\n" +
      "shop/web (eu-1): Healthy, 3 of 3 updated, 3 ready, 0 old\n" +
      "shop/web (eu-1): healthy, 3 of 3 pods are ready and of this revision.\n",
  );
}, 20_000);

test("past its deadline, failed for good or held back it ends with 7 and the reason", async () => {
  const deadline = { code: "rollout.deadline", params: { seconds: "600" }, message: "" };
  steps({ state: "degraded", updated: 1, reason: deadline });
  const late = await fake.cli(words);
  expect([late.code, late.err]).toEqual([7, expect.stringContaining("no progress for 600 s")]);
  expect(late.err).toContain("lizardcd describe deploy/web -c eu-1 -n shop");

  steps({ state: "failed", ready: 0, available: 0, reason: pull });
  const failed = await fake.cli(words);
  expect([failed.code, failed.err]).toEqual([7, expect.stringContaining("no such tag")]);

  steps({ state: "paused", updated: 0, reason: { code: "rollout.paused", params: {}, message: "" } });
  expect((await fake.cli(words)).code).toBe(7);
}, 30_000);

test("a failure that mends itself at once, and a pause with nothing held back, are no failures", async () => {
  steps({ state: "failed", ready: 0, reason: pull }, moving, {});
  expect((await fake.cli(words)).code).toBe(0);
  steps({ state: "paused" });
  expect((await fake.cli(words)).code).toBe(0);
  steps({ state: "zero", desired: 0, updated: 0, ready: 0, available: 0, current: 0 });
  const zero = await fake.cli(words);
  expect([zero.code, zero.out]).toEqual([0, expect.stringContaining("scaled to 0")]);
}, 20_000);

test("what a partition keeps, and what no node matches, is done and said; what is being deleted is not waited for", async () => {
  const kept = { code: "rollout.partition", params: { updated: "1", desired: "3" }, message: "" };
  steps({ state: "ok", updated: 1, reason: kept });
  const parted = await fake.cli(words);
  expect([parted.code, parted.out]).toEqual([0, expect.stringContaining("the partition keeps the others.")]);
  const none = { code: "daemonset.no_nodes", params: {}, message: "" };
  steps({ state: "zero", desired: 0, updated: 0, ready: 0, available: 0, current: 0, reason: none });
  const nowhere = await fake.cli(words);
  expect([nowhere.code, nowhere.out]).toEqual([0, expect.stringContaining("No node matches")]);
  steps({ state: "run", reason: { code: "deletion.under_way", params: { finalizers: "x/hold" }, message: "" } });
  const going = await fake.cli(words);
  expect([going.code, going.err]).toEqual([7, expect.stringContaining("being deleted, held by x/hold")]);
}, 20_000);

test("what is not healthy in time ends with 124 and the last reason", async () => {
  steps(moving);
  const { code, err } = await fake.cli(`${words} --timeout 1200ms`);
  expect([code, err]).toEqual([124, expect.stringContaining("within 1.2 s: ")]);
  expect(err).toContain("lizardcd rollout status deploy/web -c eu-1 -n shop");
}, 20_000);

test("an agent that is away for a moment is waited for; one that was never there is not", async () => {
  const away = () => failure(503, "agent.unavailable", { key: "k", problem: "refused" });
  steps(moving, away, {});
  const came = await fake.cli(words);
  expect([came.code, came.err]).toEqual([0, expect.stringContaining("trying again")]);
  steps(away);
  expect((await fake.cli(words)).code).toBe(6);
  steps(() =>
    failure(404, "workload.not_found", { kind: "Deployment", name: "web", cluster: "eu-1", namespace: "shop" }),
  );
  expect((await fake.cli(words)).code).toBe(5);
}, 20_000);

test("in a terminal it is one picture, drawn over itself, never wider or higher, with the cursor given back", async () => {
  const pods = Array.from({ length: 30 }, (_, at) => ({
    name: `web-${at}-${"x".repeat(40)}`,
    state: "run",
    updated: true,
  }));
  let at = 0;
  fake.answers[path] = () => {
    const row = workloadRow("web", at++ < 2 ? { ...moving, desired: 30 } : {});
    const revisions = [
      {
        revision: "new",
        current: true,
        ready: 1,
        desired: 3,
        pods: 1,
        containers: [{ name: "web", image: "r/web:2" }],
      },
      {
        revision: "old",
        current: false,
        ready: 3,
        desired: 3,
        pods: 3,
        containers: [{ name: "web", image: "r/web:1" }],
      },
    ];
    return Response.json({ row, revisions, pods: at < 3 ? pods : [] });
  };
  const terminal = { live: true, columns: 40, rows: 12, color: false };
  const { code, out } = await fake.cli(words, { terminal });
  expect(code).toBe(0);
  const [first = "", ...others] = out.split(/\u001b\[\d+A\u001b\[0J/);
  expect(others.length).toBe(2);
  expect(first).toStartWith("\u001b[?25l");
  const lines = first.replace("\u001b[?25l", "").trimEnd().split("\n");
  expect(lines.length).toBeLessThan(12);
  for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(40);
  expect(first).toContain("r/web:2");
  expect(first).toContain("1/30");
  expect(out).toContain("\u001b[?25h");
}, 20_000);

test("as JSON it prints the last answer alone", async () => {
  steps(moving, {});
  const { code, out } = await fake.cli(`${words} -o jsonpath={.row.state}`);
  expect([code, out]).toEqual([0, "ok\n"]);
}, 20_000);
