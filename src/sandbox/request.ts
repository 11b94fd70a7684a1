import type { IncomingMessage } from "node:http";
import { badRequest, Failure, methodNotAllowed, unknownPath, unsupportedMediaType } from "./failure.ts";
import { isObject, type Json } from "./object.ts";
import { allResources, apiVersion, findResource, type Resource } from "./resource.ts";

/** A request to one kind: what is asked for where. */
export interface Target {
  resource: Resource;
  namespace?: string;
  name?: string;
  subresource?: string;
}

const maximumBody = 3 * 1024 * 1024;

/** Is the path in a group and version that is served? Any other has no Status, but a bare 404. */
export const isServed = (path: string): boolean =>
  allResources.some((resource) => path.startsWith(`/${resource.group ? "apis" : "api"}/${apiVersion(resource)}/`));

/** `/apis/apps/v1/namespaces/shop/deployments/web/scale`; throws the 404 for what is not served. */
export function targetOf(path: string): Target {
  const parts = path.split("/").slice(1).map(decodeURIComponent);
  const core = parts[0] === "api";
  const [group, version] = core ? ["", parts[1]] : [parts[1], parts[2]];
  const rest = parts.slice(core ? 2 : 3);
  if (parts[0] !== "api" && parts[0] !== "apis") throw unknownPath();
  const inNamespace = rest[0] === "namespaces" && rest.length >= 3 && rest[2] !== "status" && rest[2] !== "finalize";
  const [plural = "", name, subresource, more] = inNamespace ? rest.slice(2) : rest;
  const resource = findResource(group ?? "", version ?? "", plural);
  if (!resource || more !== undefined) throw unknownPath();
  if (inNamespace !== resource.namespaced && (inNamespace || name)) throw unknownPath();
  if (subresource && !offers(resource, subresource)) throw unknownPath();
  return {
    resource,
    ...(inNamespace && { namespace: rest[1] }),
    ...(name && { name }),
    ...(subresource && { subresource }),
  };
}

function offers(resource: Resource, subresource: string): boolean {
  if (subresource === "status") return resource.status;
  if (subresource === "scale") return resource.scale;
  return subresource === "log" && resource.kind === "Pod";
}

/** The verb RBAC knows the request by. */
export function verbOf(method: string, target: Target, watching: boolean): string {
  if (method === "GET") return target.name ? "get" : watching ? "watch" : "list";
  const verb = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" }[method];
  if (!verb || (method === "POST") === (target.name !== undefined)) throw methodNotAllowed();
  return verb;
}

export interface Body {
  type: string;
  value: Json;
}

const patchTypes = [
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];

/** The parsed body; JSON and YAML alike. Throws 400, 413 or 415. */
export async function bodyOf(request: IncomingMessage, kind?: string): Promise<Body> {
  const type = (request.headers["content-type"] ?? "application/json").split(";")[0]!.trim().toLowerCase();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maximumBody) {
      throw new Failure(413, "RequestEntityTooLarge", `Request entity too large: limit is ${maximumBody}`);
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  if (request.method === "PATCH" && !patchTypes.includes(type)) {
    throw unsupportedMediaType();
  }
  if (text.trim() === "") return { type, value: {} };
  const unreadable = (why: string) =>
    badRequest(
      `${kind ? `the object provided is unrecognized (must be of type ${kind}): ` : ""}` +
        `couldn't get version/kind; json parse error: ${why}`,
    );
  let value: Json;
  try {
    value = type.endsWith("yaml") ? Bun.YAML.parse(text) : JSON.parse(text);
  } catch (cause) {
    throw unreadable((cause as Error).message);
  }
  if (!isObject(value)) throw unreadable("json: cannot unmarshal into an object");
  return { type, value };
}

/** The field manager: as asked for, else the first word of the user agent. */
export const managerOf = (request: IncomingMessage, query: URLSearchParams): string =>
  query.get("fieldManager") || (request.headers["user-agent"] ?? "").split("/")[0]!.slice(0, 128) || "unknown";
