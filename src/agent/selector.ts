// Label selectors, read and written as Kubernetes does.
import { Failed } from "../contract/errors.ts";
import type { LabelSelector } from "./object.ts";

/** `labels` alternate keys and values. */
export type Matches = (labels: readonly string[]) => boolean;

type Requirement =
  | { key: string; operator: "in" | "notin"; values: string[] }
  | { key: string; operator: "exists" | "absent" };

const keyPattern = /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const valuePattern = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** "app=web,tier in (a,b),!legacy"; an empty text matches all. @throws Failed "selector.invalid" */
export function parseSelector(selector: string): Matches {
  const requirements = split(selector).map((part) => requirement(part, selector));
  return (labels) => requirements.every((one) => fulfilled(one, labelOf(labels, one.key)));
}

/** The text of an object's own selector, for a request. */
export function selectorText(selector: LabelSelector | undefined): string {
  const parts = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    if (operator === "In") parts.push(`${key} in (${values.join(",")})`);
    if (operator === "NotIn") parts.push(`${key} notin (${values.join(",")})`);
    if (operator === "Exists") parts.push(key);
    if (operator === "DoesNotExist") parts.push(`!${key}`);
  }
  return parts.join(",");
}

/** At commas that are not in parentheses. */
function split(selector: string): string[] {
  const parts = selector.match(/(?:\([^)]*\)|[^,(]|\()+/g) ?? [];
  return parts.map((part) => part.trim()).filter(Boolean);
}

function requirement(part: string, selector: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part);
  if (set) {
    const values = set[3]!.split(",").map((value) => checkedValue(value.trim(), selector));
    return { key: checkedKey(set[1]!, selector), operator: set[2] as "in" | "notin", values };
  }
  const equal = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(part);
  if (equal) {
    const operator = equal[2] === "!=" ? "notin" : "in";
    return { key: checkedKey(equal[1]!, selector), operator, values: [checkedValue(equal[3]!, selector)] };
  }
  if (part.startsWith("!")) return { key: checkedKey(part.slice(1).trim(), selector), operator: "absent" };
  return { key: checkedKey(part, selector), operator: "exists" };
}

function fulfilled(one: Requirement, value: string | undefined): boolean {
  switch (one.operator) {
    case "in":
      return value !== undefined && one.values.includes(value);
    case "notin":
      return value === undefined || !one.values.includes(value);
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
  }
}

function labelOf(labels: readonly string[], key: string): string | undefined {
  for (let index = 0; index < labels.length; index += 2) if (labels[index] === key) return labels[index + 1];
  return undefined;
}

function checkedKey(key: string, selector: string): string {
  if (keyPattern.test(key)) return key;
  throw new Failed("selector.invalid", { selector, problem: `${JSON.stringify(key)} is not a label's name` });
}

function checkedValue(value: string, selector: string): string {
  if (valuePattern.test(value)) return value;
  throw new Failed("selector.invalid", { selector, problem: `${JSON.stringify(value)} is not a label's value` });
}
