// One request to the server: the operation's path, the bearer token, an answer or the failure it tells.
import {
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { type Operation, pathFields, search } from "../contract/operation.ts";
import { type Failure, FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import type { Lang } from "../words/words.ts";
import type { Context } from "./context.ts";
import { CommandFailed, exit, Refused } from "./exit.ts";
import { type CallOptions, request, textOf } from "./request.ts";
import { tell } from "./words.ts";

export type { CallOptions } from "./request.ts";

export interface Answer {
  /** As the server sent it. */
  json: Record<string, unknown>;
  message: Message;
}

/** @throws Refused with the server's failure; CommandFailed where it cannot be reached or is no server of ours. */
export async function call(
  context: Context,
  operation: Operation,
  input: Message,
  options: CallOptions,
): Promise<Answer> {
  const { server, token } = context;
  const { path, body } = requestOf(operation, input);
  const { lang, terminal = {} } = options;
  let status: number;
  let text: string;
  const writes = operation.audited && !(input as { dryRun?: boolean }).dryRun;
  if (writes) terminal.onInterrupt = tell(lang, "server.outcomeUnknownNext");
  try {
    const response = await request(context, path, options, {
      method: operation.http!.method,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body,
    });
    status = response.status;
    text = await textOf(response);
  } catch (cause) {
    const { unreachable } = await import("./unreachable.ts");
    throw await unreachable(context, writes, cause, options);
  } finally {
    terminal.onInterrupt = undefined;
  }
  const json = parse(text);
  if (status === 200 && json) return { json, message: read(operation.method.output, json) };
  throw refusal(server, status, text, lang);
}

/** What an answer says that is none. */
export function refusal(server: string, status: number, text: string, lang: Lang): Refused | CommandFailed {
  const json = parse(text);
  const failure = json && failureOf(json);
  if (failure) return new Refused(failure, status);
  return new CommandFailed(
    exit.unreachable,
    tell(lang, "server.foreign", { server, status }),
    tell(lang, "server.unreachableNext"),
  );
}

/** What travels where: the path's fields in the path, the others in the body or the query. */
export function requestOf(operation: Operation, input: Message): { path: string; body?: string } {
  const { http, method } = operation;
  if (!http) throw new Error(`operation ${operation.id} has no path`);
  const values = toJson(method.input, input as MessageShape<DescMessage>) as Record<string, unknown>;
  const left = { ...values };
  let path = http.path;
  for (const name of pathFields(http)) {
    const { jsonName } = method.input.fields.find((field) => field.name === name || field.localName === name)!;
    path = path.replace(`{${name}}`, encodeURIComponent(String(values[jsonName] ?? "")));
    delete left[jsonName];
  }
  if (http.body) return { path, body: JSON.stringify(left) };
  const query = search(Object.entries(left));
  return { path: query ? `${path}?${query}` : path };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

/** A newer server may say more than this version knows. */
function read(schema: DescMessage, json: Record<string, unknown>): Message {
  return fromJson(schema, json as JsonValue, { ignoreUnknownFields: true });
}

function failureOf(json: Record<string, unknown>): Failure | undefined {
  if (typeof json.code !== "string" || typeof json.message !== "string") return undefined;
  return read(FailureSchema, json) as Failure;
}
