// Protobuf JSON as our doors speak it: zeros are written, unknown fields are errors.
import {
  create,
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { Failed } from "./errors.ts";

export function encode<S extends DescMessage>(schema: S, message: MessageShape<S>): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}

/** @throws Failed "request.invalid" where the JSON is not this message. */
export function decode<S extends DescMessage>(schema: S, json: unknown): MessageShape<S> {
  try {
    return fromJson(schema, json as JsonValue);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    const field = /field (?:[\w.]+\.)?(\w+)/.exec(problem)?.[1] ?? "the body";
    throw new Failed("request.invalid", { field, problem: `is not as expected: ${problem}` }, { cause });
  }
}

export function make<S extends DescMessage>(schema: S, init?: MessageInitShape<S>): MessageShape<S> {
  return create(schema, init);
}
