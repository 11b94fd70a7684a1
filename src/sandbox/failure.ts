import { qualified, type Resource } from "./resource.ts";

export interface Cause {
  reason: string;
  message: string;
  field: string;
}

/** A refusal in the words of the API server; `status()` is the body it sends. */
export class Failure extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
    readonly details?: Record<string, unknown>,
  ) {
    super(message);
  }

  status() {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      ...(this.reason && { reason: this.reason }),
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }
}

const about = ({ group, plural }: Resource, name: string) => ({ name, ...(group && { group }), kind: plural });

export const unauthorized = () => new Failure(401, "Unauthorized", "Unauthorized");

export function forbidden(user: string, verb: string, resource: Resource, namespace?: string, name = "", sub = "") {
  const what = sub ? `${resource.plural}/${sub}` : resource.plural;
  const where = namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const subject = `${qualified(resource)}${name ? ` "${name}"` : ""} is forbidden`;
  return new Failure(
    403,
    "Forbidden",
    `${subject}: User "${user}" cannot ${verb} resource "${what}" in API group "${resource.group}" ${where}`,
    { ...(name && { name }), ...(resource.group && { group: resource.group }), kind: resource.plural },
  );
}

export const refused = (resource: Resource, name: string, why: string) =>
  new Failure(403, "Forbidden", `${qualified(resource)} "${name}" is forbidden: ${why}`, about(resource, name));

export const unknownPath = () => new Failure(404, "NotFound", "the server could not find the requested resource", {});

export const notFound = (resource: Resource, name: string) =>
  new Failure(404, "NotFound", `${qualified(resource)} "${name}" not found`, about(resource, name));

export const alreadyExists = (resource: Resource, name: string) =>
  new Failure(409, "AlreadyExists", `${qualified(resource)} "${name}" already exists`, about(resource, name));

export const conflict = (resource: Resource, name: string, why: string) =>
  new Failure(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    about(resource, name),
  );

export const modified = (resource: Resource, name: string) =>
  conflict(
    resource,
    name,
    "the object has been modified; please apply your changes to the latest version and try again",
  );

export const applyConflict = (message: string, causes: Cause[]) => new Failure(409, "Conflict", message, { causes });

/** A 422 about an object of a kind written as `Deployment.apps`. */
export function invalid(kind: string, name: string, causes: Cause[]) {
  const lines = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const text = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
  const [head = "", ...group] = kind.split(".");
  return new Failure(422, "Invalid", `${kind} "${name}" is invalid: ${text}`, {
    ...(name && { name }),
    ...(group.length > 0 && { group: group.join(".") }),
    ...(head && { kind: head }),
    causes,
  });
}

export const badRequest = (message: string) => new Failure(400, "BadRequest", message);

export const methodNotAllowed = () =>
  new Failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});

export const unsupportedMediaType = () => new Failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});

export const expired = (message: string) => new Failure(410, "Expired", message);

export const tooManyRequests = () =>
  new Failure(429, "TooManyRequests", "the server has received too many requests and has asked us to try again later", {
    retryAfterSeconds: 1,
  });

export const internalError = (message: string) =>
  new Failure(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });
