// Every failure that crosses a wire: its gRPC code, its HTTP status and its English sentence. Kinds differ by this
// table; `Failed` is the one class that carries them.
import { create } from "@bufbuild/protobuf";
import { type Failure, FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import { fill, type ParamsOf } from "./template.ts";

/** gRPC status codes, as numbers: the CLI needs them without loading grpc-js. */
export const grpcCode = {
  cancelled: 1,
  unknown: 2,
  invalid: 3,
  deadline: 4,
  notFound: 5,
  exists: 6,
  forbidden: 7,
  exhausted: 8,
  precondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

interface Kind {
  grpc: number;
  http: number;
  message: string;
}

/** `<noun>.<what>` -> how it crosses. Every `{param}` must be given by whoever throws it. */
export const failures = {
  "request.invalid": { grpc: grpcCode.invalid, http: 400, message: "{field} {problem}" },
  "request.not_json": { grpc: grpcCode.invalid, http: 400, message: "the body is not valid JSON: {problem}" },
  "request.media_type": {
    grpc: grpcCode.invalid,
    http: 415,
    message: "content type {type} is not understood: send application/json or a form",
  },
  "request.too_large": {
    grpc: grpcCode.exhausted,
    http: 413,
    message: "the body is larger than {limit} bytes: send less",
  },
  "request.too_slow": {
    grpc: grpcCode.deadline,
    http: 408,
    message: "the request's body was not whole within {seconds} s: send it again",
  },
  "request.no_such_path": {
    grpc: grpcCode.notFound,
    http: 404,
    message: "there is nothing at {path}: the operations are listed at /operations",
  },
  "request.wrong_method": {
    grpc: grpcCode.unimplemented,
    http: 405,
    message: "{path} does not take {method}: use {allowed}",
  },
  "request.cross_origin": {
    grpc: grpcCode.forbidden,
    http: 403,
    message:
      "writes are taken from the pages at {own} only, not from {origin}: where a proxy stands before the server, --public-url has to name the address that people use",
  },
  "request.host_unknown": {
    grpc: grpcCode.invalid,
    http: 421,
    message:
      "this server is not known as {host}: start it with --public-url, where people use that address, or add the name to --http.hosts",
  },
  "request.timed_out": {
    grpc: grpcCode.deadline,
    http: 504,
    message: "no answer from {cluster} in time: it may be slow or cut off; try again",
  },
  "request.outcome_unknown": {
    grpc: grpcCode.unknown,
    http: 504,
    message: "{cluster} did not answer in time, the change may or may not have been made: look before you repeat it",
  },
  "request.not_seen": {
    grpc: grpcCode.unknown,
    http: 504,
    message:
      "{cluster} did not answer in time, and the change was not there when it was read again: it may still come, look before you repeat it",
  },
  "request.cancelled": { grpc: grpcCode.cancelled, http: 499, message: "the caller went away" },
  "connections.all_in_use": {
    grpc: grpcCode.exhausted,
    http: 429,
    message:
      "all {most} connections that the server may have to agents are in use: try again, or allow more by --max-connections",
  },
  "request.busy": {
    grpc: grpcCode.exhausted,
    http: 429,
    message: "too many requests to {cluster}: wait a moment and try again",
  },
  "session.missing": { grpc: grpcCode.unauthenticated, http: 401, message: "not logged in: log in first" },
  "session.invalid": {
    grpc: grpcCode.unauthenticated,
    http: 401,
    message: "the token is not valid here: log in again",
  },
  "session.expired": { grpc: grpcCode.unauthenticated, http: 401, message: "the session has ended: log in again" },
  "session.logged_out": {
    grpc: grpcCode.unauthenticated,
    http: 401,
    message: "the session was logged out: log in again",
  },
  "session.password_changed": {
    grpc: grpcCode.unauthenticated,
    http: 401,
    message: "the password was changed, which ended the session: log in with the new one",
  },
  "login.wrong": { grpc: grpcCode.unauthenticated, http: 401, message: "user name or password is wrong" },
  "login.too_many": {
    grpc: grpcCode.exhausted,
    http: 429,
    message: "too many attempts: wait {seconds} s and try again",
  },
  "login.busy": {
    grpc: grpcCode.unavailable,
    http: 503,
    message: "too many people sign in at this moment: wait {seconds} s and try again",
  },
  "token.join_wrong": {
    grpc: grpcCode.unauthenticated,
    http: 401,
    message: "the join token is missing or wrong: it lies in the server's data folder, file join-token",
  },
  "token.enroll_wrong": {
    grpc: grpcCode.unauthenticated,
    http: 401,
    message:
      "the enrollment token is not valid for cluster {cluster}: {problem}; make one with `lizardcd agents enroll`",
  },
  "certificate.refused": {
    grpc: grpcCode.unauthenticated,
    http: 401,
    message:
      "the certificate is refused: {problem}; enroll the agent again, with a new token of `lizardcd agents enroll`",
  },
  "trust.off": {
    grpc: grpcCode.precondition,
    http: 409,
    message:
      "agents cannot be enrolled here: this server runs without its own authority; start them with --insecure and --join-token-file",
  },
  "challenge.unknown": {
    grpc: grpcCode.unauthenticated,
    http: 401,
    message: "the challenge is not open any more, or was never made for instance {instance}: ask for a new one",
  },
  "certificate.request_invalid": {
    grpc: grpcCode.invalid,
    http: 400,
    message: "the certificate request cannot be signed: {problem}",
  },
  "certificate.none": {
    grpc: grpcCode.notFound,
    http: 404,
    message: "no certificate of cluster {cluster} is left to revoke",
  },
  "agent.untrusted": {
    grpc: grpcCode.unavailable,
    http: 503,
    message: "agent {key} is not trusted: {problem}",
  },
  "agent.refuses": {
    grpc: grpcCode.forbidden,
    http: 403,
    message: "the agent of {cluster} refuses: {problem}",
  },
  "permission.denied": {
    grpc: grpcCode.forbidden,
    http: 403,
    message: "{actor} may not {operation}: the permission {permission} is needed",
  },
  "agent.none": {
    grpc: grpcCode.notFound,
    http: 404,
    message: "no agent for {where}: is one announced under {key}?",
  },
  "agent.unavailable": {
    grpc: grpcCode.unavailable,
    http: 503,
    message: "agent {key} does not answer: {problem}",
  },
  "agent.answer_too_large": {
    grpc: grpcCode.exhausted,
    http: 502,
    message: "the answer of {cluster} is larger than {limit}: ask for less at once, one namespace or one kind",
  },
  "agent.answer_refused": {
    grpc: grpcCode.internal,
    http: 502,
    message: "the answer of agent {key} is not believed: {problem}",
  },
  "agent.key_invalid": { grpc: grpcCode.invalid, http: 400, message: "key {key} is not one of ours: {problem}" },
  "cluster.unknown": {
    grpc: grpcCode.notFound,
    http: 404,
    message: "there is no cluster {cluster}: the fleet lists those that there are",
  },
  "cluster.announced": {
    grpc: grpcCode.precondition,
    http: 409,
    message:
      "agents of {cluster} are announced, so it cannot be removed: stop them, or revoke their certificates, first",
  },
  "cluster.unreachable": {
    grpc: grpcCode.unavailable,
    http: 503,
    message: "the API server of {cluster} does not answer its agent: {problem}",
  },
  "cluster.refused": {
    grpc: grpcCode.forbidden,
    http: 403,
    message: "the API server of {cluster} refuses the agent: {problem}",
  },
  "cluster.overloaded": {
    grpc: grpcCode.exhausted,
    http: 503,
    message: "the API server of {cluster} asks for patience: {problem}",
  },
  "cluster.failed": {
    grpc: grpcCode.internal,
    http: 502,
    message: "the API server of {cluster} failed: {problem}",
  },
  "watch.not_synced": {
    grpc: grpcCode.unavailable,
    http: 503,
    message: "the agent of {cluster} has not read its workloads yet: {problem}",
  },
  "watch.too_much": {
    grpc: grpcCode.exhausted,
    http: 502,
    message:
      "the agent of {cluster} sends more than one watch may hold, {limit}: look at one namespace, or ask who runs that agent",
  },
  "namespace.not_found": {
    grpc: grpcCode.notFound,
    http: 404,
    message: "namespace {namespace} not found in {cluster}",
  },
  "namespace.out_of_scope": {
    grpc: grpcCode.forbidden,
    http: 403,
    message: "the agent of {cluster} may not read namespace {namespace}: it may read {scope}",
  },
  "workload.not_found": {
    grpc: grpcCode.notFound,
    http: 404,
    message: "{kind} {name} not found in {cluster}/{namespace}",
  },
  "workload.deleting": {
    grpc: grpcCode.precondition,
    http: 409,
    message:
      "{kind} {name} is being deleted since {since}, held by {finalizers}: its controller does nothing about a change now",
  },
  "container.not_found": {
    grpc: grpcCode.notFound,
    http: 404,
    message: "{kind} {name} has no container {container}: it has {containers}",
  },
  "container.ambiguous": {
    grpc: grpcCode.invalid,
    http: 400,
    message: "{kind} {name} has several containers, name one of {containers}",
  },
  "scale.autoscaled": {
    grpc: grpcCode.precondition,
    http: 409,
    message:
      "the replicas of {name} belong to HorizontalPodAutoscaler {autoscaler} ({min} to {max}): change its bounds, or scale to 0, which switches it off",
  },
  "scale.no_replicas": {
    grpc: grpcCode.precondition,
    http: 409,
    message: "DaemonSet {name} has no replicas: it runs one pod on each node that matches",
  },
  "pause.unsupported": {
    grpc: grpcCode.precondition,
    http: 409,
    message: "{kind} {name} cannot be paused: Kubernetes pauses the rollouts of Deployments only",
  },
  "restart.paused": {
    grpc: grpcCode.precondition,
    http: 409,
    message: "the rollouts of {name} are paused, a restart would wait: resume them first",
  },
  "image.changed": {
    grpc: grpcCode.aborted,
    http: 409,
    message: "{container} runs {actual} by now, not {expected}: look again",
  },
  "object.conflict": {
    grpc: grpcCode.aborted,
    http: 409,
    message: "{kind} {name} was changed by somebody else meanwhile: look again ({problem})",
  },
  "object.invalid": {
    grpc: grpcCode.invalid,
    http: 422,
    message: "the API server of {cluster} does not accept {kind} {name}: {problem}",
  },
  "selector.invalid": {
    grpc: grpcCode.invalid,
    http: 400,
    message: "label selector {selector} cannot be read: {problem}",
  },
  "continue.invalid": {
    grpc: grpcCode.invalid,
    http: 400,
    message: "the continue value is not one of ours: begin without it",
  },
  "password.wrong": { grpc: grpcCode.invalid, http: 400, message: "the old password is wrong" },
  "password.same": { grpc: grpcCode.invalid, http: 400, message: "the new password is the old one: choose another" },
  "password.short": {
    grpc: grpcCode.invalid,
    http: 400,
    message: "the new password has {length} characters and needs {least}: several words in a row will do",
  },
  "password.blank": {
    grpc: grpcCode.invalid,
    http: 400,
    message: "the new password is nothing but blanks: choose another",
  },
  "password.common": {
    grpc: grpcCode.invalid,
    http: 400,
    message: "the new password is among those that are guessed first: choose another, several words in a row will do",
  },
  "password.repeated": {
    grpc: grpcCode.invalid,
    http: 400,
    message:
      "the new password is little more than repeated characters or keys in their order: choose another, several words in a row will do",
  },
  "password.expected": {
    grpc: grpcCode.invalid,
    http: 400,
    message:
      "the new password is made of names that are known, such as lizardcd and {username}: choose another, several words in a row will do",
  },
  "store.full": {
    grpc: grpcCode.exhausted,
    http: 507,
    message:
      "the server's disk is full and nothing was changed: free some space in its data folder; signing in and out, passwords and revocations still work",
  },
  "stream.too_many": {
    grpc: grpcCode.exhausted,
    http: 429,
    message: "{open} live streams of this session are open already, at most {most} can be: close some first",
  },
  "stream.too_many_in_all": {
    grpc: grpcCode.exhausted,
    http: 503,
    message: "{most} live streams are open at this server, and no more can be: try again later",
  },
  "internal.error": {
    grpc: grpcCode.internal,
    http: 500,
    message: "something went wrong in the {place}: the log has it under {requestId}",
  },
} as const satisfies Record<string, Kind>;

export type FailureCode = keyof typeof failures;
export type FailureParams<C extends FailureCode> = ParamsOf<(typeof failures)[C]["message"]>;

interface About {
  /** The object it concerns, "deployments/shop/web in eu-1". */
  object?: string;
  cause?: unknown;
}

/** A failure with a code. `message` is the English sentence. */
export class Failed<C extends FailureCode = FailureCode> extends Error {
  override readonly name = "Failed";
  readonly object: string;

  constructor(
    readonly code: C,
    readonly params: FailureParams<C>,
    { object = "", cause }: About = {},
  ) {
    super(fill(failures[code].message, params as Record<string, string>), cause === undefined ? undefined : { cause });
    this.object = object;
  }

  get grpc(): number {
    return failures[this.code].grpc;
  }

  get http(): number {
    return failures[this.code].http;
  }
}

/** The shape that crosses the wire. */
export function toFailure(failed: Failed, requestId = ""): Failure {
  return create(FailureSchema, {
    code: failed.code,
    params: Object.fromEntries(Object.entries(failed.params).map(([name, value]) => [name, String(value)])),
    object: failed.object,
    message: failed.message,
    requestId,
  });
}

/** The class that crossed the wire; a code of a newer version becomes `internal.error` with its sentence kept. */
export function fromFailure(failure: Failure, place: string): Failed {
  if (failure.code in failures) {
    return new Failed(failure.code as FailureCode, failure.params as never, { object: failure.object });
  }
  return new Failed("internal.error", { place, requestId: failure.requestId }, { cause: failure.message });
}
