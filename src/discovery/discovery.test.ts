import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatKey, isAddress, keyPrefix, parseKey } from "./discovery.ts";

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
const cluster = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?$/);
const namespace = fc.oneof(fc.constant("*"), label);
const prefix = fc.string({ maxLength: 12 });

test("every key that is formatted is parsed back, whatever the prefix", () => {
  fc.assert(
    fc.property(prefix, namespace, cluster, (prefix, namespace, cluster) => {
      expect(parseKey(prefix, formatKey(prefix, { namespace, cluster }))).toEqual({ namespace, cluster });
    }),
    { numRuns: 5_000 },
  );
});

test("any text is parsed without a crash, and what parses is formatted back to the same text", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.stringMatching(/^[*.a-z0-9-]{0,40}$/));
  fc.assert(
    fc.property(prefix, text, fc.boolean(), (prefix, text, ours) => {
      const key = ours ? keyPrefix(prefix) + text : text;
      const parsed = parseKey(prefix, key);
      if ("problem" in parsed) expect(parsed.problem.length).toBeGreaterThan(0);
      else expect(formatKey(prefix, parsed)).toBe(key);
    }),
    { numRuns: 10_000 },
  );
});

test("a key of another prefix or cluster never parses as ours", () => {
  fc.assert(
    fc.property(label, label, cluster, (prefix, namespace, cluster) => {
      expect(parseKey(`${prefix}.`, formatKey("", { namespace, cluster }))).toHaveProperty("problem");
    }),
    { numRuns: 2_000 },
  );
  expect(parseKey("", "lizardcd-agent.*.prod-eu")).toEqual({ namespace: "*", cluster: "prod-eu" });
  expect(parseKey("", "lizardcd-agent.sys.10.0.0.1")).toEqual({ namespace: "sys", cluster: "10.0.0.1" });
  expect(parseKey("", "lizardcd-agentX.*.prod")).toHaveProperty("problem");
  expect(parseKey("", "lizardcd-agent..prod")).toHaveProperty("problem");
  expect(parseKey("", "lizardcd-agent.*.prod\n")).toHaveProperty("problem");
});

test("an address has a host and a port that exists", () => {
  for (const good of ["127.0.0.1:1", "agent.example.com:65535", "[::1]:5017"]) expect(isAddress(good)).toBe(true);
  for (const bad of [
    "",
    ":1",
    "host",
    "host:0",
    "host:65536",
    "a b:1",
    "http://h:1",
    "::1:5017",
    "h:1\n",
    "u@h:1",
    "unix:80",
    "UNIX:80",
  ]) {
    expect(isAddress(bad)).toBe(false);
  }
});
