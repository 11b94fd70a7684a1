import { badRequest } from "./failure.ts";
import type { Json, Stored } from "./object.ts";
import { type Resource, resources } from "./resource.ts";

export type Matcher = (object: Stored) => boolean;

const requirement = /^\s*(!?)\s*([\w./-]+)\s*(?:(==|=|!=|\s+in\s+|\s+notin\s+|>|<)\s*(.*?))?\s*$/s;

/** `a=b,c!=d,e in (f,g),!h`; throws a 400 that quotes what cannot be read. */
export function labelMatcher(selector: string | null | undefined): Matcher | undefined {
  if (!selector?.trim()) return undefined;
  const tests = splitOutsideParentheses(selector).map(parseRequirement);
  return (object) => tests.every((test) => test(object.metadata.labels ?? {}));
}

/** The selector of a workload: matchLabels and matchExpressions. */
export function selectorMatches(selector: Json, labels: Record<string, string> = {}): boolean {
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) if (labels[key] !== value) return false;
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    const has = key in labels;
    if (operator === "In" && !(has && values.includes(labels[key]))) return false;
    if (operator === "NotIn" && has && values.includes(labels[key])) return false;
    if (operator === "Exists" && !has) return false;
    if (operator === "DoesNotExist" && has) return false;
  }
  return true;
}

/** `metadata.name=web,status.phase!=Running`; a field the kind cannot be selected by is a 400, as on the real server. */
export function fieldMatcher(resource: Resource, selector: string | null | undefined): Matcher | undefined {
  if (!selector?.trim()) return undefined;
  const allowed = selectable(resource);
  const tests = selector.split(",").map((part) => {
    const [, field = "", operator, value = ""] = /^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part) ?? [];
    if (!operator) throw badRequest(`invalid selector: '${selector}'; can't understand '${part}'`);
    if (!allowed.includes(field)) {
      const names = allowed.map((name) => `"${name}"`).join(", ");
      throw badRequest(`"${field}" is not a known field selector: only ${names}`);
    }
    return (object: Stored) => (valueAt(object, field) === value) === (operator !== "!=");
  });
  return (object) => tests.every((test) => test(object));
}

function selectable(resource: Resource): string[] {
  const own: Json = {
    [resources.pods.kind]: [
      "spec.nodeName",
      "spec.restartPolicy",
      "spec.schedulerName",
      "spec.serviceAccountName",
      "spec.hostNetwork",
      "status.phase",
      "status.podIP",
      "status.nominatedNodeName",
    ],
    [resources.events.kind]: [
      ...["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map(
        (f) => `involvedObject.${f}`,
      ),
      "reason",
      "reportingComponent",
      "source",
      "type",
    ],
    [resources.namespaces.kind]: ["status.phase"],
    [resources.nodes.kind]: ["spec.unschedulable"],
    [resources.secrets.kind]: ["type"],
    [resources.replicasets.kind]: ["status.replicas"],
  };
  return ["metadata.name", "metadata.namespace", ...(own[resource.kind] ?? [])];
}

function valueAt(object: Stored, path: string): string {
  if (path === "source") return object.source?.component ?? "";
  const value = path.split(".").reduce<Json>((at, key) => at?.[key], object);
  return value === undefined ? (path === "spec.unschedulable" ? "false" : "") : String(value);
}

function parseRequirement(text: string): (labels: Record<string, string>) => boolean {
  const [, not, key = "", operator, value = ""] = requirement.exec(text) ?? [];
  if (!key) throw badRequest(`found '${text.trim()}', expected: !, identifier, or 'end of string'`);
  switch (operator?.trim()) {
    case undefined:
      return not ? (labels) => !(key in labels) : (labels) => key in labels;
    case "=":
    case "==":
      return (labels) => labels[key] === value;
    case "!=":
      return (labels) => labels[key] !== value;
    case ">":
      return (labels) => Number(labels[key]) > Number(value);
    case "<":
      return (labels) => Number(labels[key]) < Number(value);
    default: {
      const [, inside] = /^\((.*)\)$/s.exec(value) ?? [];
      if (inside === undefined) throw badRequest(`unable to parse requirement: found '${value}' expected: '('`);
      const values = inside.split(",").map((item) => item.trim());
      if (operator!.trim() === "in") return (labels) => key in labels && values.includes(labels[key]!);
      return (labels) => !(key in labels) || !values.includes(labels[key]!);
    }
  }
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}
