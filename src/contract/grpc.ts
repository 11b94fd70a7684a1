// One service descriptor, both ends of the wire: `serve` for who implements it, `stub` for who calls it.
// grpc-js serves, a channel carries what is called; rules are checked again on arrival; failures cross as google.rpc.Status details.
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { type Failure, FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import { type Channel, detailsKey, WireFailed } from "./channel.ts";
import { Failed, fromFailure, grpcCode, toFailure } from "./errors.ts";
import { check } from "./rules.ts";

/** What a caller may say beside the message. */
export interface CallOptions {
  signal?: AbortSignal;
  /** Milliseconds since the epoch. */
  deadline?: number;
  requestId?: string;
  /** Who asks: the user's name, and role. */
  actor?: string;
  role?: string;
}

/** What an implementation is told beside the message. */
export interface Call {
  /** Aborted when the caller goes away or the deadline passes. */
  signal: AbortSignal;
  requestId: string;
  actor: string;
  role: string;
}

type Unary = { methodKind: "unary"; input: DescMessage; output: DescMessage };
type Stream = { methodKind: "server_streaming"; input: DescMessage; output: DescMessage };

/** The promise-returning shape of a service: what the pool hands out and a test fakes. */
export type Peer<S extends DescService> = {
  [M in keyof S["method"]]: S["method"][M] extends Unary
    ? (
        input: MessageInitShape<S["method"][M]["input"]>,
        call?: CallOptions,
      ) => Promise<MessageShape<S["method"][M]["output"]>>
    : S["method"][M] extends Stream
      ? (
          input: MessageInitShape<S["method"][M]["input"]>,
          call?: CallOptions,
        ) => AsyncIterable<MessageShape<S["method"][M]["output"]>>
      : never;
};

/** The same shape from inside: input decoded and checked, a call that can be cancelled. */
export type Handlers<S extends DescService> = {
  [M in keyof S["method"]]: S["method"][M] extends Unary
    ? (input: MessageShape<S["method"][M]["input"]>, call: Call) => Promise<MessageInitShape<S["method"][M]["output"]>>
    : S["method"][M] extends Stream
      ? (
          input: MessageShape<S["method"][M]["input"]>,
          call: Call,
        ) => AsyncIterable<MessageInitShape<S["method"][M]["output"]>>
      : never;
};

const requestIdKey = "x-request-id";
const actorKey = "x-lizardcd-actor";
const roleKey = "x-lizardcd-role";

/** What TLS knows of who calls. */
export type PeerAuth = ReturnType<grpc.ServerUnaryCall<unknown, unknown>["getAuthContext"]>;

export interface ServeOptions {
  /** Named in internal errors and logs: "agent". */
  place: string;
  /** Looks at the peer of each call; a problem refuses it. */
  allow?: (peer: PeerAuth) => string | undefined;
  /** What the implementer refuses whatever is asked. @throws Failed */
  guard?: (method: DescMethod, input: Message) => void;
  /** Runs each call in a context of its own. */
  within?: <T>(call: Call, run: () => T) => T;
  /** Told of every call as it begins. */
  onBegin?: () => void;
  /** Told of every finished call; `failed` is undefined for success. */
  onCall?: (path: string, call: Call, ms: number, failed?: unknown) => void;
}

/** Adds a service to a grpc-js server. */
export function serve<S extends DescService>(
  server: grpc.Server,
  service: S,
  handlers: Handlers<S>,
  options: ServeOptions,
): void {
  const implementation: Record<string, unknown> = {};
  for (const method of service.methods) {
    const handle = (handlers as unknown as Record<string, (input: Message, call: Call) => unknown>)[method.localName];
    if (!handle) throw new Error(`${service.typeName} lacks ${method.name}`);
    const bound = handle.bind(handlers);
    implementation[method.localName] =
      method.methodKind === "unary"
        ? unaryHandler(method, bound as never, options)
        : streamHandler(method, bound as never, options);
  }
  server.addService(definitionOf(service), implementation as grpc.UntypedServiceImplementation);
}

/** A typed client over a channel. Rejects with `Failed` where the peer said why, else with `WireFailed`. */
export function stub<S extends DescService>(channel: Channel, service: S): Peer<S> {
  const peer: Record<string, unknown> = {};
  for (const method of service.methods) {
    const path = `/${service.typeName}/${method.name}`;
    const bytesOf = (input: object) => toBinary(method.input, create(method.input, input as never));
    const wireCall = (call: CallOptions) => ({
      metadata: metadataOf(call),
      deadline: call.deadline,
      signal: call.signal,
    });
    peer[method.localName] =
      method.methodKind === "unary"
        ? async (input: object, call: CallOptions = {}) => {
            try {
              return decoded(method, await channel.unary(path, bytesOf(input), wireCall(call)));
            } catch (cause) {
              throw fromWire(cause);
            }
          }
        : async function* (input: object, call: CallOptions = {}) {
            try {
              for await (const bytes of channel.stream(path, bytesOf(input), wireCall(call))) {
                yield decoded(method, bytes);
              }
            } catch (cause) {
              throw fromWire(cause);
            }
          };
  }
  return peer as Peer<S>;
}

/** The grpc-js definition of a service. */
export function definitionOf(service: DescService): grpc.ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: bytesOf(method.input),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: bytesOf(method.output),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
}

function bytesOf(schema: DescMessage) {
  return (message: Message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function unaryHandler(
  method: DescMethod,
  handle: (input: Message, call: Call) => Promise<object>,
  options: ServeOptions,
): grpc.handleUnaryCall<Message, Message> {
  return (wire, answer) => {
    const { call, path, started } = begin(wire, method);
    options.onBegin?.();
    Promise.resolve()
      .then(() => admit(wire, options))
      .then(() => check(method.input, wire.request))
      .then(() => options.guard?.(method, wire.request))
      .then(() => inContext(options, call, () => handle(wire.request, call)))
      .then((output) => {
        answer(null, create(method.output, output as never));
        options.onCall?.(path, call, performance.now() - started);
      })
      .catch((cause) => {
        answer(toServiceError(cause, call, options));
        options.onCall?.(path, call, performance.now() - started, cause);
      });
  };
}

function streamHandler(
  method: DescMethod,
  handle: (input: Message, call: Call) => AsyncIterable<object>,
  options: ServeOptions,
): grpc.handleServerStreamingCall<Message, Message> {
  return async (wire) => {
    const { call, path, started } = begin(wire, method);
    options.onBegin?.();
    try {
      admit(wire, options);
      check(method.input, wire.request);
      options.guard?.(method, wire.request);
      await inContext(options, call, async () => {
        for await (const output of handle(wire.request, call)) {
          if (call.signal.aborted) break;
          if (!wire.write(create(method.output, output as never))) await drained(wire, call.signal);
        }
      });
      wire.end();
      options.onCall?.(path, call, performance.now() - started);
    } catch (cause) {
      wire.emit("error", toServiceError(cause, call, options));
      options.onCall?.(path, call, performance.now() - started, cause);
    }
  };
}

function inContext<T>({ within }: ServeOptions, call: Call, run: () => T): T {
  return within ? within(call, run) : run();
}

function admit(
  wire: grpc.ServerUnaryCall<Message, Message> | grpc.ServerWritableStream<Message, Message>,
  { allow }: ServeOptions,
): void {
  const problem = allow?.(wire.getAuthContext());
  if (problem !== undefined) throw new Failed("certificate.refused", { problem });
}

function begin(
  wire: grpc.ServerUnaryCall<Message, Message> | grpc.ServerWritableStream<Message, Message>,
  method: DescMethod,
) {
  const gone = new AbortController();
  wire.on("cancelled", () => gone.abort(new Failed("request.cancelled", {})));
  const call: Call = {
    signal: gone.signal,
    requestId: String(wire.metadata.get(requestIdKey)[0] ?? ""),
    actor: written(String(wire.metadata.get(actorKey)[0] ?? "")),
    role: String(wire.metadata.get(roleKey)[0] ?? ""),
  };
  return { call, path: `${method.parent.typeName}/${method.name}`, started: performance.now() };
}

/** Read before it is known who calls: a name that is not by the rule is taken as it came. */
function written(actor: string): string {
  try {
    return decodeURIComponent(actor);
  } catch {
    return actor;
  }
}

function drained(wire: grpc.ServerWritableStream<Message, Message>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      wire.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    wire.on("drain", done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}

function metadataOf(call: CallOptions): Record<string, string> {
  const metadata: Record<string, string> = {};
  if (call.requestId) metadata[requestIdKey] = call.requestId;
  // Header values are ASCII; names of people are not always.
  if (call.actor) metadata[actorKey] = encodeURIComponent(call.actor);
  if (call.role) metadata[roleKey] = call.role;
  return metadata;
}

function toServiceError(cause: unknown, call: Call, { place }: ServeOptions): Partial<grpc.ServiceError> {
  const failed =
    cause instanceof Failed ? cause : new Failed("internal.error", { place, requestId: call.requestId }, { cause });
  const failure = toFailure(failed, call.requestId);
  const status = create(StatusSchema, {
    code: failed.grpc,
    message: failed.message,
    details: [anyPack(FailureSchema, failure)],
  });
  const metadata = new grpc.Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, status)));
  return Object.assign(new Error(failed.message), { code: failed.grpc, details: failed.message, metadata });
}

function decoded(method: DescMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(method.output, bytes);
  } catch (cause) {
    throw new WireFailed(grpcCode.internal, `what the peer answered is no ${method.output.typeName}`, { cause });
  }
}

/** What the peer said, where it said why. */
function fromWire(cause: unknown): unknown {
  if (!(cause instanceof WireFailed) || !cause.details) return cause;
  const failure = failureIn(cause.details);
  // Who may come in is for the server's own doors to say: such a word from an agent would end the user's session.
  if (!failure || /^(session|login|permission|token)\./.test(failure.code)) return cause;
  return fromFailure(failure, "agent");
}

function failureIn(details: Uint8Array): Failure | undefined {
  try {
    const [packed] = fromBinary(StatusSchema, details).details;
    return packed && anyUnpack(packed, FailureSchema);
  } catch {
    // Not a status of ours: its code and message are what is known.
    return undefined;
  }
}
