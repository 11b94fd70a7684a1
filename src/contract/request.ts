// What arrives at a door (path, query, form, JSON body, CLI flags) becomes one checked message.
import { type DescField, type Message, ScalarType } from "@bufbuild/protobuf";
import { nearest } from "../process/nearest.ts";
import { Failed } from "./errors.ts";
import { decode } from "./json.ts";
import type { Operation } from "./operation.ts";
import { check, ruleOf } from "./rules.ts";

export type Given = Record<string, unknown>;

/**
 * Values may be of their JSON type or text (queries, forms and flags are text). Both spellings of a name are taken,
 * `labelSelector` and `label_selector`.
 * @throws Failed "request.invalid": unknown name (with the nearest one), wrong type, or a rule of the contract.
 */
export function inputOf(operation: Operation, given: Given): Message {
  const fields = new Map<string, DescField>();
  for (const field of operation.method.input.fields) {
    fields.set(field.jsonName, field);
    fields.set(field.name, field);
  }
  const json: Given = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const field = fields.get(name);
    if (!field) throw unknown(name, operation);
    if (value === null) continue;
    // A form sends "" for what was left empty.
    if (value === "" && !ruleOf(field)?.required) continue;
    json[field.jsonName] = field.fieldKind === "list" ? listOf(field, value) : scalarOf(field, value);
  }
  const message = decode(operation.method.input, json);
  check(operation.method.input, message);
  return message;
}

function listOf(field: DescField, value: unknown): unknown[] {
  const values = Array.isArray(value) ? value : [value];
  return values.filter((one) => one !== "").map((one) => scalarOf(field, one));
}

function scalarOf(field: DescField, value: unknown): unknown {
  switch (field.scalar) {
    case ScalarType.BOOL:
      if (value === true || value === "true" || value === "1" || value === "on") return true;
      if (value === false || value === "false" || value === "0") return false;
      throw wrong(field, "true or false", value);
    case ScalarType.INT32:
    case ScalarType.UINT32: {
      const number = typeof value === "string" && /^-?\d+$/.test(value.trim()) ? Number(value) : value;
      if (typeof number !== "number" || !Number.isInteger(number)) throw wrong(field, "a whole number", value);
      if (Math.abs(number) > 2 ** 31 - 1) throw wrong(field, "a number of at most 32 bits", value);
      return number;
    }
    case ScalarType.STRING:
      if (typeof value !== "string") throw wrong(field, "text", value);
      return value;
    default:
      return value;
  }
}

function wrong(field: DescField, expected: string, value: unknown): Failed {
  const shown = ruleOf(field)?.secret ? "this" : (JSON.stringify(value) ?? String(value));
  return new Failed("request.invalid", {
    field: field.jsonName,
    problem: `must be ${expected}, not ${shown.length > 80 ? `${shown.slice(0, 77)}…` : shown}`,
  });
}

function unknown(name: string, { id, method }: Operation): Failed {
  const names = method.input.fields.map((field) => field.jsonName);
  const near = nearest(name, names);
  const problem = near
    ? `is not known, did you mean ${near}?`
    : `is not known, ${id} takes ${names.join(", ") || "nothing"}`;
  return new Failed("request.invalid", { field: name.slice(0, 80), problem });
}
