// The contract as an OpenAPI 3.1 document.
import { FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import { WorkloadEventSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import { type Operation, type OperationId, operations, pathFields } from "./operation.ts";
import { ruleOf } from "./rules.ts";
import { fieldSchema, type JsonSchema, messageSchema, reachable, requestSchema } from "./schema.ts";

export interface OpenApi {
  openapi: "3.1.0";
  info: { title: string; version: string; description: string };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, JsonSchema>; securitySchemes: Record<string, unknown> };
}

/** Lists that with ?watch=1 go on as a stream of their changes. */
export const watched = ["workload.list", "fleet.listWorkloads"] as const satisfies readonly OperationId[];

/** @param version the product's. */
export function openApi(version: string): OpenApi {
  const messages = reachable(WorkloadEventSchema, reachable(FailureSchema));
  const paths: OpenApi["paths"] = {};
  for (const operation of operations) {
    if (!operation.http) continue;
    reachable(operation.method.output, messages);
    paths[operation.http.path] ??= {};
    paths[operation.http.path]![operation.http.method.toLowerCase()] = describe(operation);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Lizardcd",
      version,
      description:
        "The same paths answer pages to browsers: ask for application/json. POST /login answers an accessToken: show it " +
        "as a bearer token.",
    },
    paths,
    components: {
      schemas: Object.fromEntries([...messages].map(([name, message]) => [name, messageSchema(message)])),
      securitySchemes: {
        session: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        joinToken: { type: "http", scheme: "bearer" },
      },
    },
  };
}

const watchParameter = {
  name: "watch",
  in: "query",
  required: false,
  description: "what there is, then every change, each as the data of a server-sent event",
  schema: { type: "string", enum: ["1"] },
};

const security = { user: [{ session: [] }], agent: [{ joinToken: [] }], anyone: [] };

function describe(operation: Operation) {
  const http = operation.http!;
  const inPath = new Set(pathFields(http));
  const fields = operation.method.input.fields;
  const rest = fields.filter((field) => !inPath.has(field.localName));
  const streams = (watched as readonly OperationId[]).includes(operation.id);
  return {
    operationId: operation.id,
    summary: operation.summary,
    tags: [operation.noun],
    security: security[operation.caller],
    ...(operation.permission ? { "x-permission": operation.permission } : {}),
    parameters: [
      ...fields
        .filter((field) => inPath.has(field.localName))
        .map((field) => ({ name: field.jsonName, in: "path", required: true, schema: fieldSchema(field) })),
      ...(http.body ? [] : rest).map((field) => ({
        name: field.jsonName,
        in: "query",
        required: ruleOf(field)?.required ?? false,
        schema: fieldSchema(field),
        ...(field.fieldKind === "list" ? { explode: true } : {}),
      })),
      ...(streams ? [watchParameter] : []),
    ],
    ...(http.body
      ? { requestBody: { required: true, content: { "application/json": { schema: requestSchema(rest) } } } }
      : {}),
    responses: {
      200: {
        description: "done",
        content: {
          "application/json": { schema: { $ref: `#/components/schemas/${operation.method.output.name}` } },
          ...(streams ? { "text/event-stream": { schema: { $ref: "#/components/schemas/WorkloadEvent" } } } : {}),
        },
      },
      default: {
        description: "failed: a code, its parameters and an English sentence",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Failure" } } },
      },
    },
  };
}
