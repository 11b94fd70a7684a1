// The one evaluator of field rules: held at the HTTP door and again in the agent.
import { type DescField, type DescMessage, getOption, hasOption, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { type Rule, rule as ruleOption } from "../gen/lizardcd/v1/options_pb.ts";
import { Failed } from "./errors.ts";

const patterns = new Map<string, RegExp>();
const ruled = new WeakMap<DescMessage, ReadonlyMap<DescField, Rule>>();

export function ruleOf(field: DescField): Rule | undefined {
  return rulesOf(field.parent).get(field);
}

/** Decoded from the descriptor once: that takes far longer than checking a message. */
function rulesOf(schema: DescMessage): ReadonlyMap<DescField, Rule> {
  let rules = ruled.get(schema);
  if (!rules) {
    const fields = schema.fields.filter((field) => hasOption(field, ruleOption));
    rules = new Map(fields.map((field) => [field, getOption(field, ruleOption)]));
    ruled.set(schema, rules);
  }
  return rules;
}

/** @throws Failed "request.invalid" naming the first field whose value its rule does not allow. */
export function check(schema: DescMessage, message: Message): void {
  const read = reflect(schema, message as never);
  for (const [field, rule] of rulesOf(schema)) {
    const value = read.get(field);
    const values: unknown[] = field.fieldKind === "list" ? [...(value as Iterable<unknown>)] : [value];
    const given = field.fieldKind === "list" ? values.length > 0 : read.isSet(field);
    if (!given) {
      if (rule.required) throw invalid(field, "is required");
      continue;
    }
    for (const one of values) {
      const problem = problemOf(rule, one);
      if (problem) throw invalid(field, problem);
    }
  }
}

/** What is wrong with one value, in words; undefined when nothing is. */
export function problemOf(rule: Rule, value: unknown): string | undefined {
  if (typeof value === "string") {
    if (rule.maxLen !== undefined && value.length > rule.maxLen) {
      return `is longer than ${rule.maxLen} characters`;
    }
    if (rule.in.length > 0 && !rule.in.includes(value)) {
      return `must be one of ${rule.in.join(", ")}, not ${shown(rule, value)}`;
    }
    if (rule.pattern && !patternOf(rule).test(value)) {
      return `must be ${rule.means || `text that matches ${rule.pattern}`}, not ${shown(rule, value)}`;
    }
  }
  if (typeof value === "number" || typeof value === "bigint") {
    if (rule.min !== undefined && value < rule.min) return `must be at least ${rule.min}, not ${value}`;
    if (rule.max !== undefined && value > rule.max) return `must be at most ${rule.max}, not ${value}`;
  }
  return undefined;
}

function patternOf(rule: Rule): RegExp {
  let pattern = patterns.get(rule.pattern);
  if (!pattern) {
    pattern = new RegExp(`^(?:${rule.pattern})$`, "u");
    patterns.set(rule.pattern, pattern);
  }
  return pattern;
}

function shown(rule: Rule, value: string): string {
  if (rule.secret) return "this";
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
}

function invalid(field: DescField, problem: string): Failed {
  return new Failed("request.invalid", { field: field.jsonName, problem });
}
