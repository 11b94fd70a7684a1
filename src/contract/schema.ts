// Message descriptors and their field rules as JSON Schema, in the dialect of OpenAPI 3.1.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence as FieldPresence } from "@bufbuild/protobuf/wkt";
import { ruleOf } from "./rules.ts";

export interface JsonSchema {
  type?: string;
  title?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  enum?: string[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  format?: string;
  $ref?: string;
}

/** Fields of a request: unknown ones are refused. Nested messages become `$ref`s. */
export function requestSchema(fields: readonly DescField[]): JsonSchema {
  const required = fields.filter((field) => ruleOf(field)?.required).map((field) => field.jsonName);
  return {
    type: "object",
    properties: Object.fromEntries(fields.map((field) => [field.jsonName, fieldSchema(field)])),
    ...(required.length ? { required } : {}),
    additionalProperties: false,
  };
}

/** A message of an answer. All fields but messages and optional ones are always there: zeros are written. */
export function messageSchema(message: DescMessage): JsonSchema {
  const required = message.fields.filter(
    ({ fieldKind, oneof, presence }) => fieldKind !== "message" && !oneof && presence !== FieldPresence.EXPLICIT,
  );
  return {
    type: "object",
    title: message.name,
    properties: Object.fromEntries(message.fields.map((field) => [field.jsonName, fieldSchema(field)])),
    ...(required.length ? { required: required.map((field) => field.jsonName) } : {}),
  };
}

/** Every message reachable from this one, itself included. */
export function reachable(message: DescMessage, found = new Map<string, DescMessage>()): Map<string, DescMessage> {
  if (found.has(message.name)) return found;
  found.set(message.name, message);
  for (const field of message.fields) if (field.message) reachable(field.message, found);
  return found;
}

export function fieldSchema(field: DescField): JsonSchema {
  const { help = "", means = "" } = ruleOf(field) ?? {};
  const description = [help, means].filter(Boolean).join("; ");
  return { ...typeOf(field), ...(description ? { description } : {}) };
}

function typeOf(field: DescField): JsonSchema {
  if (field.fieldKind === "list") return { type: "array", items: one(field) };
  if (field.fieldKind === "map") return { type: "object", additionalProperties: one(field) };
  return one(field);
}

function one(field: DescField): JsonSchema {
  if (field.message) return { $ref: `#/components/schemas/${field.message.name}` };
  const rule = ruleOf(field);
  switch (field.scalar) {
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.INT32:
    case ScalarType.UINT32:
      return {
        type: "integer",
        format: "int32",
        ...(rule?.min === undefined ? {} : { minimum: Number(rule.min) }),
        ...(rule?.max === undefined ? {} : { maximum: Number(rule.max) }),
      };
    case ScalarType.DOUBLE:
      return { type: "number" };
    default:
      return {
        type: "string",
        ...(rule?.in.length ? { enum: [...rule.in] } : {}),
        ...(rule?.maxLen === undefined ? {} : { maxLength: rule.maxLen }),
        ...(rule?.pattern ? { pattern: `^(?:${rule.pattern})$` } : {}),
        ...(rule?.secret ? { format: "password" } : {}),
      };
  }
}
