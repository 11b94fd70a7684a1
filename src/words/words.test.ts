import { expect, test } from "bun:test";
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { Failed, failures } from "../contract/errors.ts";
import { type Operation, operations } from "../contract/operation.ts";
import { reasons } from "../contract/reasons.ts";
import { inputOf } from "../contract/request.ts";
import { problemOf, ruleOf } from "../contract/rules.ts";
import { en } from "./en.ts";
import { age, duration, languageOf, problemIn, say, sentence, sentencePieces, textOf } from "./words.ts";
import { sentences, zh } from "./zh.ts";

const places = (template: string) => [...template.matchAll(/\{(\w+)/g)].map((match) => match[1]!);

test("every Chinese sentence names only places that the English one has", () => {
  for (const [code, template] of Object.entries(en)) {
    const known = new Set(places(template));
    const unknown = places(zh[code as keyof typeof zh]).filter((name) => !known.has(name));
    expect({ code, unknown }).toEqual({ code, unknown: [] });
  }
});

test("every failure and reason has a Chinese sentence with the same places", () => {
  for (const [code, { message }] of Object.entries({ ...failures, ...reasons })) {
    const chinese = sentences[code as keyof typeof sentences];
    expect({ code, places: [...new Set(places(chinese))].sort() }).toEqual({
      code,
      places: [...new Set(places(message))].sort(),
    });
    expect(chinese).toMatch(/[\u4e00-\u9fff]/);
  }
});

test("numbers are grouped and words follow their number", () => {
  expect(say("en", "fleet.sums", { workloads: 1629, pods: 1 })).toBe("1,629 workloads · 1 pod");
  expect(say("en", "fleet.some", { n: 1, total: 3 })).toBe("1 of 3 clusters answers.");
  expect(say("zh", "fleet.some", { n: 1, total: 3 })).toBe("3 个集群中 1 个应答；");
});

test("a failure is one sentence in each language, what happened first", () => {
  const failure = { code: "agent.none", params: { where: "eu-1/shop", key: "lizardcd-agent.*.eu-1" }, message: "" };
  expect(sentence("en", failure)).toBe("No agent for eu-1/shop. Is one announced under lizardcd-agent.*.eu-1?");
  expect(sentence("zh", failure)).toBe("eu-1/shop 没有 Agent。是否有 Agent 以 lizardcd-agent.*.eu-1 登记？");
});

test("a colon inside a value does not cut the sentence", () => {
  const { head, rest } = sentencePieces("en", {
    code: "image.pull",
    params: { image: "registry: 5000/web:1", problem: "a: b. c" },
    message: "",
  });
  expect([textOf(head), textOf(rest)]).toEqual(["Image registry: 5000/web:1 cannot be pulled", "a: b. c"]);
});

test("a failure that came without its values is read from its sentence", () => {
  const message = "agent lizardcd-agent.*.eu-1 does not answer: it is no longer announced, since 12 s";
  const said = { code: "agent.unavailable", params: { cluster: "eu-1" }, message };
  expect(sentence("en", said)).toBe(
    "Agent lizardcd-agent.*.eu-1 does not answer: it is no longer announced, since 12 s",
  );
  expect(sentence("zh", said)).toBe("Agent lizardcd-agent.*.eu-1 无应答：已于 12 秒前停止登记");
});

test("details in our own words are Chinese on a Chinese page, those of others stay as they are", () => {
  const read = {
    "its certificate is for eu-2/shop": "其证书属于 eu-2/shop",
    "10.0.0.1:2379: connect ECONNREFUSED 10.0.0.1:2379": "10.0.0.1:2379：10.0.0.1:2379 拒绝连接",
    'must be a cluster name: lower case letters, digits, dots and dashes, not "A B"':
      '应为集群名称（小写字母、数字、点和连字符），而不是 "A B"',
    "manifest unknown": "manifest unknown",
    "not a word of ours: it is revoked, they say": "not a word of ours: it is revoked, they say",
  };
  for (const [problem, chinese] of Object.entries(read)) {
    expect(problemIn("zh", problem)).toBe(chinese);
    expect(problemIn("en", problem)).toBe(problem);
  }
  const none = { code: "agent.none", params: { where: "cluster eu-1, namespace shop", key: "a" }, message: "" };
  expect(sentence("zh", none)).toBe("集群 eu-1 的命名空间 shop 没有 Agent。是否有 Agent 以 a 登记？");
});

test("whatever the contract may find wrong with a field is said in Chinese, too", () => {
  const wrong = ["x y", "", "-5", "99999999999", "x".repeat(70_000), [1], true];
  const problems = new Set<string>();
  for (const operation of operations) {
    for (const field of operation.method.input.fields) {
      const rule = ruleOf(field);
      for (const value of wrong) {
        // What is of the wrong type, and what its rule does not allow.
        for (const found of [
          typeProblem(operation, field.name, value),
          rule && problemOf(rule, valueFor(field, value)),
        ]) {
          if (found) problems.add(found);
        }
      }
    }
  }
  expect(problems.size).toBeGreaterThan(30);
  expect([...problems].filter((problem) => !/\p{sc=Han}/u.test(problemIn("zh", problem)))).toEqual([]);
});

function typeProblem(operation: Operation, field: string, value: unknown): string | undefined {
  try {
    inputOf(operation, { [field]: value });
    return undefined;
  } catch (error) {
    if (error instanceof Failed) return String(error.params.problem);
    throw error;
  }
}

function valueFor({ scalar }: DescField, value: unknown): unknown {
  return scalar === ScalarType.STRING ? String(value) : Number(value);
}

test("an unknown code and a missing value fall back to the sentence that came along", () => {
  expect(sentence("zh", { code: "of.tomorrow", params: {}, message: "the moon is full" })).toBe("the moon is full");
  expect(sentence("en", { code: "image.pull", params: {}, message: "image gone" })).toBe("Image gone");
});

test("ages read as in the guide", () => {
  const ages = [0, 4_000, 59_999, 60_000, 12 * 60_000, 3 * 3_600_000, 47 * 3_600_000, 6 * 86_400_000].map((ms) =>
    age("en", ms),
  );
  expect(ages).toEqual(["0 s ago", "4 s ago", "59 s ago", "1 min ago", "12 min ago", "3 h ago", "47 h ago", "6 d ago"]);
  expect([age("en", -1), age("zh", -1), age("zh", 720_000), duration("zh", 7_200_000)]).toEqual([
    "never",
    "从未",
    "12 分钟前",
    "2 小时",
  ]);
});

test("the cookie wins over Accept-Language, and weights are kept", () => {
  expect(languageOf("zh-CN,zh;q=0.9", "en")).toBe("en");
  expect(languageOf("zh-CN,zh;q=0.9,en;q=0.8", undefined)).toBe("zh");
  expect(languageOf("fr, en;q=0.3, zh;q=0.7", "")).toBe("zh");
  expect(languageOf("zh;q=0, de", null)).toBe("en");
  expect(languageOf(null, "klingon")).toBe("en");
});
