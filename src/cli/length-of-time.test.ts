import { afterAll, beforeEach, expect, test } from "bun:test";
import { startFake } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());
beforeEach(() => {
  fake.seen.length = 0;
  fake.answers["POST /agents/invitations"] = () => Response.json({ token: "lz1.a", cluster: "eu-1", expiresIn: 3600 });
  fake.answers["GET /workloads"] = () => Response.json({ items: [] });
});

test("a token's lifetime is written as people write lengths of time, or in seconds", async () => {
  const cases: [written: string, seconds: number][] = [
    ["600", 600],
    ["90s", 90],
    ["10m", 600],
    ["24h", 86_400],
    ["7d", 604_800],
    ["1h30m", 5_400],
    ["1.5h", 5_400],
    ["1500ms", 2],
  ];
  for (const [written, seconds] of cases) {
    await fake.cli(`agents enroll -c eu-1 --lifetime ${written}`);
    expect([written, fake.seen.at(-1)!.body]).toEqual([written, { cluster: "eu-1", lifetime: seconds }]);
  }
});

test("a wait is written the same way, and both refuse what is none or too long before anything is sent", async () => {
  for (const written of ["5", "0.5", "90s", "1m30s", "24h"]) {
    expect([written, (await fake.cli(`get deploy --timeout ${written}`)).code]).toEqual([written, 0]);
  }
  fake.seen.length = 0;
  const wrong = (flag: string, value: string) =>
    `lizardcd: ${flag} must be a length of time such as 30s, 10m or 24h, not "${value}".`;
  const cases: [words: string, said: string][] = [
    ["get deploy --timeout soon", wrong("--timeout", "soon")],
    ["get deploy --timeout 0", wrong("--timeout", "0")],
    ["get deploy --timeout 5x", wrong("--timeout", "5x")],
    ["get deploy --timeout 48h", 'lizardcd: --timeout must be at most 24 h, not "48h".'],
    ["agents enroll -c eu-1 --lifetime 10min", wrong("--lifetime", "10min")],
    ["agents enroll -c eu-1 --lifetime=-5", wrong("--lifetime", "-5")],
    ["agents enroll -c eu-1 --lifetime 0", wrong("--lifetime", "0")],
    ["agents enroll -c eu-1 --lifetime 10d", 'lizardcd: --lifetime must be at most 7 d, not "10d".'],
  ];
  for (const [words, said] of cases) {
    const { code, err } = await fake.cli(words);
    expect([words, code, err]).toEqual([words, 2, expect.stringContaining(said)]);
  }
  expect(fake.seen).toEqual([]);
});

test("help says the unit", async () => {
  const { out } = await fake.cli("agents enroll --help");
  expect(out).toMatch(/--lifetime .* seconds .* 90s, 10m, 24h/);
  expect(out).toMatch(/--timeout .* a bare number is seconds/);
});
