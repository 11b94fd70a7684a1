// The one evaluator of field rules: held at the HTTP door and again in the agent.
import {
  create,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { type Rule, RuleSchema, rule as ruleOption } from "../gen/lizardcd/v1/options_pb.ts";
import { Failed } from "./errors.ts";

const patterns = new Map<string, RegExp>();
const ruled = new WeakMap<DescMessage, ReadonlyMap<DescField, Rule>>();

/** What many fields demand, by the name that `as` gives it. */
const shared: Record<string, MessageInitShape<typeof RuleSchema>> = {
  cluster: {
    pattern: "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?",
    means: "a cluster name: lower case letters, digits, dots and dashes",
    help: "the cluster",
  },
  namespace: {
    pattern: "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
    means: "a namespace name: at most 63 lower case letters, digits and dashes",
    help: "the namespace",
  },
  "namespace or all": {
    pattern: "[*]|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
    means: "a namespace name, or * for all: at most 63 lower case letters, digits and dashes",
    help: "the namespace, or * for all",
  },
  resource: { in: ["deployments", "statefulsets", "daemonsets"], help: "the kind of workload" },
  object: {
    pattern: "[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
    means: "an object name: lower case letters, digits, dots and dashes",
    help: "the workload's name",
  },
  container: {
    pattern: "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
    means: "a container name: lower case letters, digits and dashes",
    help: "the container; it may be left out where the workload has one alone",
  },
  image: {
    maxLen: 1000,
    pattern: imagePattern(),
    means: "an image reference such as registry.example.com/shop/web:1.4.2",
    help: "the image to set, such as registry.example.com/shop/web:1.4.2",
  },
  "dry run": { help: "ask the API server what would change, and change nothing" },
};

/**
 * The grammar of github.com/distribution/reference, by which the kubelet reads an image: a host is one that has a dot,
 * a port or an upper case letter, or is localhost or an address; 64 hexadecimal digits alone are an id and no name.
 */
function imagePattern(): string {
  const label = "[a-zA-Z0-9](?:[a-zA-Z0-9\\-]*[a-zA-Z0-9])?";
  const host = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
  const part = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
  const name = `(?:(?=[^\\/]*[.:A-Z]|localhost\\/)${host}\\/)?(?=[^:@]{1,255}(?:[:@]|$))${part}(?:\\/${part})*`;
  const digest = "@(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})";
  return `(?![a-f0-9]{64}$)${name}(?::[a-zA-Z0-9_][a-zA-Z0-9_.\\-]{0,127})?(?:${digest})?`;
}

/** A field's rule, with what it shares with others filled in. */
export function ruleOf(field: DescField): Rule | undefined {
  return rulesOf(field.parent).get(field);
}

/** Options are read from the descriptor's bytes each time they are asked for: once for each message is enough. */
function rulesOf(schema: DescMessage): ReadonlyMap<DescField, Rule> {
  let rules = ruled.get(schema);
  if (!rules) {
    const fields = schema.fields.filter((field) => hasOption(field, ruleOption));
    rules = new Map(fields.map((field) => [field, whole(field)]));
    ruled.set(schema, rules);
  }
  return rules;
}

/** @throws Error for a name that is not in the table */
function whole(field: DescField): Rule {
  const own = getOption(field, ruleOption);
  if (own.as === "") return own;
  const named = shared[own.as];
  if (!named)
    throw new Error(`${field.parent.name}.${field.name} is as ${JSON.stringify(own.as)}, which no rule is called`);
  const { required, secret, help } = own;
  return create(RuleSchema, { ...named, required, secret, help: help || (named.help ?? "") });
}

/** @throws Failed "request.invalid" naming the first field whose value its rule does not allow. */
export function check(schema: DescMessage, message: Message): void {
  const reflected = reflect(schema, message as never);
  for (const [field, rule] of rulesOf(schema)) {
    const value = reflected.get(field);
    const values: unknown[] = field.fieldKind === "list" ? [...(value as Iterable<unknown>)] : [value];
    const given = field.fieldKind === "list" ? values.length > 0 : reflected.isSet(field);
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
