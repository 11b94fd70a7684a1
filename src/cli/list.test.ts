// Lists as people read them, and their names for scripts.
import { afterAll, expect, test } from "bun:test";
import { commands, listOf } from "./catalogue.ts";
import { startFake } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());

test("every list has columns and names of its own", async () => {
  const lists = commands.filter(({ operation, own }) => operation && !own && listOf(operation));
  expect(lists.length).toBeGreaterThanOrEqual(6);
  for (const { words, operation, positional } of lists) {
    const items = [{ name: "one", key: "one", id: "one", row: { name: "one" } }];
    fake.answers[`GET ${operation!.http!.path.replace("{cluster}", "eu-1")}`] = () =>
      Response.json({ [listOf(operation!)!]: items });
    const line = positional.some(({ required }) => required) ? `${words} eu-1` : words;
    expect([line, (await fake.cli(`${line} -o name`)).out]).toEqual([line, expect.stringMatching(/one\n$/)]);
    const heads = (await fake.cli(`${line} -o wide`)).out.split("\n")[0]!.split(/ {2,}/);
    expect([line, heads.length > 1, new Set(heads).size]).toEqual([line, true, heads.length]);
  }
});

const day = 86_400_000;

test("agents are listed with their instances, certificates and versions, in both languages", async () => {
  const agent = { cluster: "eu-1", namespace: "*", sources: ["etcd", "consul"], seenMs: 2_000, announcedMs: 3_000 };
  const two = [
    { address: "10.0.0.7:5017", answering: true },
    { address: "10.0.0.8:5017", answering: false },
  ];
  fake.answers["GET /agents"] = () =>
    Response.json({
      items: [
        {
          ...agent,
          key: "lizardcd-agent.*.eu-1",
          state: "ok",
          instances: two,
          version: "0.2.0",
          certificateMs: 5 * day,
        },
        { ...agent, key: "lizardcd-agent.*.us-1", state: "lost", instances: [two[0]], sources: [], seenMs: 600_000 },
      ],
    });
  expect((await fake.cli("agents list")).out).toBe(
    [
      "KEY                    STATE    INSTANCES  REGISTRIES         SEEN  CERTIFICATE ENDS IN  VERSION",
      "lizardcd-agent.*.eu-1  Healthy        1/2  etcd,consul     2 s ago                  5 d  0.2.0",
      "lizardcd-agent.*.us-1  Lost           0/1               10 min ago",
      "",
    ].join("\n"),
  );
  expect((await fake.cli("agents list -o wide")).out).toContain("10.0.0.7:5017,10.0.0.8:5017");
  expect((await fake.cli("agents list -o name")).out).toBe(
    "agent/lizardcd-agent.*.eu-1\nagent/lizardcd-agent.*.us-1\n",
  );
  const chinese = await fake.cli("agents list", { env: { LANG: "zh_CN.UTF-8" } });
  expect(chinese.out.split("\n")[0]).not.toMatch(/[A-Z]/);
});

test("a registry says what it fails with, or failed with last and when, and what in it is not ours", async () => {
  const bad = { ignored: 2, ignoredKey: "x", ignoredProblem: "no JSON", problem: "refused", lastProblem: "refused" };
  const once = { lastProblem: "connect ECONNREFUSED", lastProblemMs: 120_000 };
  fake.answers["GET /registries"] = () =>
    Response.json({
      items: [
        { name: "etcd", kind: "etcd", state: "ok", entries: 12, heardMs: 1_000, ...once },
        { name: "consul", kind: "consul", state: "stale", entries: 3, heardMs: 60_000, ...bad },
      ],
    });
  const { out } = await fake.cli("registries");
  const [head, etcd, consul] = out.split("\n").map((line) => line.split(/ {2,}/));
  expect(head).toEqual(["NAME", "KIND", "STATE", "ENTRIES", "HEARD", "LAST ERROR", "IGNORED"]);
  expect(etcd).toEqual(["etcd", "etcd", "Answers", "12", "1 s ago", "connect ECONNREFUSED (2 min ago)"]);
  expect(consul).toEqual(["consul", "consul", "Silent", "3", "1 min ago", "refused", "2; The last one, x: no JSON"]);
  expect((await fake.cli("registries -o name")).out).toBe("registry/etcd\nregistry/consul\n");
});
