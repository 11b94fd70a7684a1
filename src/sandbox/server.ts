import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Access, accessReview, rulesReview, type User } from "./access.ts";
import type { Api, Removal } from "./api.ts";
import { catalogue } from "./catalogue.ts";
import { encode } from "./encoding.ts";
import { Failure, internalError, invalid } from "./failure.ts";
import { type FaultRequest, type Faults, faultOf } from "./faults.ts";
import type { Lists } from "./list.ts";
import { podLog } from "./logs.ts";
import type { Json, Stored } from "./object.ts";
import type { Writer } from "./ownership.ts";
import { mergePatch, strategicMerge } from "./patch.ts";
import { bodyOf, isServed, managerOf, type Target, targetOf, verbOf } from "./request.ts";
import { type Resource, resources } from "./resource.ts";
import { scaleOf } from "./scale.ts";
import { checkTypes, negativeReplicas } from "./validation.ts";
import { isTrue, type Watches } from "./watch.ts";

const version = {
  major: "1",
  minor: "36",
  emulationMajor: "1",
  emulationMinor: "36",
  minCompatibilityMajor: "1",
  minCompatibilityMinor: "35",
  gitVersion: "v1.36.3+sandbox",
  gitCommit: "0000000000000000000000000000000000000000",
  gitTreeState: "clean",
  buildDate: "2026-01-01T00:00:00Z",
  goVersion: "none",
  compiler: "none",
  platform: "linux/amd64",
};

/** Bytes a watch may be behind. */
const maximumBacklog = 32 * 1024 * 1024;

export interface Parts {
  api: Api;
  lists: Lists;
  watches: Watches;
  access: Access;
  faults: Faults;
  /** Orders to the cluster as a whole, from POST /sandbox/faults. */
  order(request: FaultRequest): void;
  /** "http" answers an expired watch with the status 410, "event" (as the real server) with an ERROR event. */
  expiry(): "http" | "event";
}

/**
 * The API over HTTP. Not Bun.serve: that keeps the headers of a response back until its first byte, so that a quiet
 * watch would look as if it had not been answered.
 */
export function createApiServer(parts: Parts): Server {
  const server = createServer((request, response) => {
    answer(request, response, parts).catch((cause) => fail(response, cause));
  });
  // A real API server closes neither idle connections nor long watches within minutes.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.timeout = 0;
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, parts: Parts): Promise<void> {
  const url = new URL(request.url ?? "/", "http://sandbox");
  const method = request.method ?? "GET";
  if (url.pathname === "/sandbox/faults" && method === "POST") {
    parts.access.user(request.headers.authorization);
    const { value } = await bodyOf(request);
    if (value.clear) parts.faults.clear();
    else parts.faults.set(faultOf(value));
    parts.order(value);
    return json(response, 200, { status: "Success" });
  }
  if ((await parts.faults.meet(`${method} ${url.pathname}`)) === "hang") return;
  if (["/healthz", "/readyz", "/livez"].includes(url.pathname)) return text(response, "ok");
  if (url.pathname === "/version") return json(response, 200, version);
  const user = parts.access.user(request.headers.authorization);
  const reviews: Record<string, (user: User, review: Json) => Json> = {
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": accessReview,
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews": rulesReview,
  };
  const review = reviews[url.pathname];
  if (review && method === "POST") return json(response, 201, review(user, (await bodyOf(request)).value));
  const found = method === "GET" && catalogue(url.pathname);
  if (found) return json(response, 200, found);
  if (!isServed(url.pathname)) return text(response, "404 page not found\n", 404);
  const target = targetOf(url.pathname);
  const query = url.searchParams;
  const watching = isTrue(query.get("watch"));
  const verb = verbOf(method, target, watching);
  parts.access.check(user, verb, target.resource, target.namespace, target.name, target.subresource);
  await verbs[verb as keyof typeof verbs]({ request, response, target, query, parts });
}

interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  target: Target;
  query: URLSearchParams;
  parts: Parts;
}

const verbs = {
  get({ response, target, query, parts }: Call) {
    const object = find(target, parts);
    if (target.subresource === "log") return text(response, podLog(object, query));
    if (target.subresource === "scale") return json(response, 200, scaleOf(object));
    raw(response, 200, encode(target.resource, object));
  },

  list({ response, target, query, parts }: Call) {
    raw(response, 200, parts.lists.list(target.resource, target.namespace, query));
  },

  watch({ response, target, query, parts }: Call) {
    const expiry = parts.expiry() === "http" && parts.watches.expiry(query);
    if (expiry) throw expiry;
    const sink = {
      write(line: string) {
        // Who reads too slowly is cut off, as by the real server, and lists again.
        if (!response.write(line) && response.writableLength > maximumBacklog) response.destroy();
      },
      end: () => void response.end(),
    };
    const lines: string[] = [];
    let live = false;
    // A selector that cannot be read must still be a 400, so nothing is sent before the watch is open.
    const watch = parts.watches.open(target.resource, target.namespace, query, {
      write: (line) => (live ? sink.write(line) : void lines.push(line)),
      end: () => (live ? sink.end() : void queueMicrotask(sink.end)),
    });
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (lines.length > 0) response.write(lines.join(""));
    live = true;
    response.on("close", () => watch.stop());
  },

  async create({ request, response, target, query, parts }: Call): Promise<void> {
    const { value } = await bodyOf(request, target.resource.kind);
    const object = parts.api.create(target.resource, target.namespace, value, writerOf(request, query));
    raw(response, 201, encode(target.resource, object));
  },

  async update({ request, response, target, query, parts }: Call): Promise<void> {
    const { value } = await bodyOf(request, target.resource.kind);
    const writer = writerOf(request, query, target.subresource);
    const object = find(target, parts);
    if (target.subresource === "scale") return scale(response, target, object, value, writer, parts);
    const updated = parts.api.update(target.resource, object, value, writer);
    raw(response, 200, encode(target.resource, updated));
  },

  async patch({ request, response, target, query, parts }: Call): Promise<void> {
    const { type, value } = await bodyOf(request);
    const writer = writerOf(request, query, target.subresource);
    if (type === "application/apply-patch+yaml") {
      if (!query.get("fieldManager")) throw managerRequired();
      const { resource, namespace, name } = target;
      const applier: Writer = { ...writer, operation: "Apply" };
      const applied = parts.api.apply(resource, namespace, name!, value, applier, isTrue(query.get("force")));
      return raw(response, applied.created ? 201 : 200, encode(resource, applied.object));
    }
    const merge = type === "application/merge-patch+json" ? mergePatch : strategicMerge;
    const object = find(target, parts);
    if (target.subresource === "scale") {
      return scale(response, target, object, merge(scaleOf(object), value), writer, parts);
    }
    const { resourceVersion: _, uid: __, ...metadata } = object.metadata;
    const patched = merge({ ...object, metadata }, value);
    checkPatched(target.resource, patched, value);
    raw(response, 200, encode(target.resource, parts.api.update(target.resource, object, patched, writer)));
  },

  async delete({ request, response, target, query, parts }: Call): Promise<void> {
    const { value } = await bodyOf(request);
    const object = find(target, parts);
    const { resource } = target;
    const deleted = parts.api.delete(resource, object, removalOf(value, query));
    if (!deleted.gone || resource === resources.pods) return raw(response, 200, encode(resource, deleted.object));
    const { name, uid } = object.metadata;
    const details = { name, ...(resource.group && { group: resource.group }), kind: resource.plural, uid };
    json(response, 200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
  },
};

const find = ({ resource, namespace, name }: Target, { api }: Parts): Stored => api.get(resource, namespace, name!);

function scale(response: ServerResponse, target: Target, object: Stored, wanted: Json, writer: Writer, { api }: Parts) {
  const replicas = wanted.spec?.replicas ?? 0;
  negativeReplicas(object.metadata.name, replicas);
  const { resourceVersion } = wanted.metadata ?? {};
  const next = { ...object, metadata: { ...object.metadata, resourceVersion }, spec: { ...object.spec, replicas } };
  json(response, 200, scaleOf(api.update(target.resource, object, next, writer)));
}

function writerOf(request: IncomingMessage, query: URLSearchParams, subresource?: string): Writer {
  const dryRun = query.getAll("dryRun");
  if (dryRun.some((value) => value !== "All")) {
    const message = `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`;
    throw invalid(optionsOf[request.method!]!, "", [{ reason: "FieldValueNotSupported", message, field: "dryRun" }]);
  }
  return { manager: managerOf(request, query), ...(subresource && { subresource }), dryRun: dryRun.length > 0 };
}

const optionsOf: Record<string, string> = {
  POST: "CreateOptions.meta.k8s.io",
  PUT: "UpdateOptions.meta.k8s.io",
  PATCH: "PatchOptions.meta.k8s.io",
  DELETE: "DeleteOptions.meta.k8s.io",
};

function removalOf(options: Json, query: URLSearchParams): Removal {
  const grace = options.gracePeriodSeconds ?? query.get("gracePeriodSeconds");
  return {
    ...(grace !== undefined && grace !== null && { grace: Number(grace) }),
    orphan: (options.propagationPolicy ?? query.get("propagationPolicy")) === "Orphan",
    dryRun: (options.dryRun ?? query.getAll("dryRun")).includes("All"),
    ...options.preconditions,
  };
}

const managerRequired = () =>
  invalid("PatchOptions.meta.k8s.io", "", [
    { reason: "FieldValueRequired", message: "Required value: is required for apply patch", field: "fieldManager" },
  ]);

/** What a patch has made unreadable is a 422 about the patch, where the same body in a PUT is a 400. */
function checkPatched(resource: Resource, patched: Json, shown: Json): void {
  try {
    checkTypes(resource, patched);
  } catch (cause) {
    const [, why] = /(json: .*)$/.exec((cause as Error).message) ?? [];
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(shown))}: ${why ?? (cause as Error).message}`;
    throw invalid("", "", [{ reason: "FieldValueInvalid", message, field: "patch" }]);
  }
}

function fail(response: ServerResponse, cause: unknown): void {
  const failure = cause instanceof Failure ? cause : internalError(String(cause));
  if (!(cause instanceof Failure)) console.error("sandbox: a request failed unexpectedly", cause);
  if (response.headersSent || response.destroyed) return void response.end();
  const { retryAfterSeconds } = failure.details ?? {};
  if (retryAfterSeconds) response.setHeader("retry-after", String(retryAfterSeconds));
  json(response, failure.code, failure.status());
}

const json = (response: ServerResponse, status: number, value: object): void =>
  raw(response, status, JSON.stringify(value));

function raw(response: ServerResponse, status: number, body: string, type = "application/json"): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { "content-type": type, "content-length": bytes.length });
  response.end(bytes);
}

const text = (response: ServerResponse, body: string, status = 200): void =>
  raw(response, status, body, status === 200 ? "text/plain" : "text/plain; charset=utf-8");
