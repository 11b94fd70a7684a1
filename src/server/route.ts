// One operation of the contract as one route: checked input, permission, audit, and the same answer as a page, a fragment
// or JSON. `app.ts` mounts what the nouns list.
import type { DescMessage, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { Failed, toFailure } from "../contract/errors.ts";
import type { CallOptions } from "../contract/grpc.ts";
import { encode } from "../contract/json.ts";
import { type Noun, type Operation, type OperationId, operation, type services } from "../contract/operation.ts";
import { type Given, inputOf } from "../contract/request.ts";
import type { Log } from "../process/log.ts";
import { errorFragment, errorPage } from "../views/error.tsx";
import type { PageContext } from "../views/parts.tsx";
import type { Audit } from "./audit.ts";
import type { Actor, Auth } from "./auth.ts";
import { bearerOf } from "./auth.ts";
import { type Body, readBody, unprovenBodyLimit } from "./body.ts";
import { contextOf, type Door, doorOf, type PageSettings } from "./door.ts";
import { ownPath } from "./own-path.ts";

type MethodOf<I extends OperationId> = I extends `${infer N extends Noun}.${infer V}`
  ? (typeof services)[N]["method"][V & keyof (typeof services)[N]["method"]]
  : never;
export type InputOf<I extends OperationId> =
  MethodOf<I> extends { input: infer S extends DescMessage } ? MessageShape<S> : never;
export type OutputOf<I extends OperationId> =
  MethodOf<I> extends { output: infer S extends DescMessage } ? MessageShape<S> : never;
type AnswerOf<I extends OperationId> =
  MethodOf<I> extends { output: infer S extends DescMessage } ? MessageInitShape<S> : never;

/** What a noun's method knows of who asks. */
export interface Asked {
  request: Request;
  call: CallOptions & { deadline: number; signal: AbortSignal };
  /** Missing where the operation's caller is not a user. */
  actor?: Actor;
  /** The caller's address. */
  from: string;
  door: Door;
  readonly context: PageContext;
  /** Headers of the answer, to add to. */
  headers: Headers;
}

/** One line of a noun's list. */
export interface Answer<I extends OperationId> {
  id: I;
  run(input: InputOf<I>, asked: Asked): Promise<AnswerOf<I>>;
  /** A whole page; without it a browser is shown JSON. */
  page?(output: OutputOf<I>, input: InputOf<I>, asked: Asked): string | Promise<string>;
  /** The answer to htmx; without it the page. */
  fragment?(output: OutputOf<I>, input: InputOf<I>, asked: Asked): string | Promise<string>;
  /** Where a browser without scripts goes after a write. */
  goTo?(output: OutputOf<I>, input: InputOf<I>, asked: Asked): string | undefined;
  /** A page that says the failure in its own words, the login form for example. */
  failed?(failed: Failed, input: Given, asked: Asked): string | Promise<string>;
}

export type AnyAnswer = Answer<OperationId>;

/** Keeps the types of one answer together. */
export function answer<I extends OperationId>(id: I, rest: Omit<Answer<I>, "id">): AnyAnswer {
  return { id, ...rest } as unknown as AnyAnswer;
}

export interface RouteDeps {
  auth: Auth;
  audit: Audit;
  log: Log;
  pages: PageSettings;
  /** Milliseconds an operation may take. */
  timeoutMs: number;
  /** The origin people use, where a proxy stands before the server. */
  publicUrl?: string;
  /** Told of every answer, for metrics. */
  onAnswer(operation: string, door: Door, status: number, ms: number): void;
}

export interface Arrived {
  request: Request;
  params: Record<string, string>;
  from: string;
}

/** Answers one request for an operation; never throws. */
export async function respond(deps: RouteDeps, one: AnyAnswer, arrived: Arrived): Promise<Response> {
  const { request } = arrived;
  const started = performance.now();
  const asked = ask(deps, one, arrived);
  let given: Given = { ...arrived.params };
  let response: Response;
  try {
    // Whoever has to be known is known before anything of theirs is taken in.
    await authenticate(deps, operation(one.id), asked);
    given = { ...given, ...(await givenBy(operation(one.id), request, asked)) };
    response = await perform(deps, one, asked, given);
  } catch (cause) {
    response = await fail(deps, one, asked, given, cause);
  }
  deps.onAnswer(one.id, asked.door, response.status, performance.now() - started);
  return response;
}

async function perform(deps: RouteDeps, one: AnyAnswer, asked: Asked, given: Given): Promise<Response> {
  const op = operation(one.id);
  let input = undefined as never;
  const run = async () => {
    // Inside the audit entry: what is refused or asked wrongly is on record too.
    if (asked.actor) deps.auth.allow(asked.actor, op.permission, op.id);
    input = inputOf(op, given) as never;
    return one.run(input, asked);
  };
  const writes = op.audited && !isDryRun(op, given);
  const answered = writes ? await deps.audit.around(op, given, asked, run) : await run();
  return shape(op, one, create(op.method.output, answered as never) as never, input, asked);
}

/**
 * Changes nothing, so there is nothing to put on record. The message that will be sent says so, however it was written;
 * what makes no message is on record as refused.
 */
function isDryRun(op: Operation, given: Given): boolean {
  try {
    return (inputOf(op, given) as Message & { dryRun?: boolean }).dryRun === true;
  } catch (cause) {
    if (cause instanceof Failed) return false;
    throw cause;
  }
}

async function authenticate({ auth, publicUrl }: RouteDeps, op: Operation, asked: Asked): Promise<void> {
  const { request } = asked;
  // Agents prove who they are in the operation itself, by certificate or join token: discovery.ts.
  if (op.caller === "agent") return;
  if (op.http?.method !== "GET" && !bearerOf(request)) sameOrigin(request, publicUrl);
  if (op.caller === "anyone") return;
  const actor = await auth.actorOf(request);
  asked.actor = actor;
  asked.call.actor = actor.username;
  asked.call.role = actor.role;
}

async function shape(
  op: Operation,
  { page, fragment, goTo }: AnyAnswer,
  output: never,
  input: never,
  asked: Asked,
): Promise<Response> {
  const { door, headers } = asked;
  if (door === "json" || (!page && !fragment && !goTo)) {
    headers.set("content-type", "application/json; charset=utf-8");
    return new Response(JSON.stringify(encode(op.method.output, output as Message)), { headers });
  }
  if (door === "fragment" && fragment) return markup(await fragment(output, input, asked), headers);
  const to = goTo?.(output, input, asked);
  if (to !== undefined) {
    const next = ownPath(to) ?? "/fleet";
    // htmx follows this one by itself, as a whole page.
    if (door === "fragment") headers.set("hx-redirect", next);
    else headers.set("location", next);
    return new Response(null, { status: door === "fragment" ? 204 : 303, headers });
  }
  return markup(await (page ?? fragment)!(output, input, asked), headers);
}

async function fail(deps: RouteDeps, one: AnyAnswer, asked: Asked, given: Given, cause: unknown): Promise<Response> {
  const failed = failedOf(cause, asked, deps.log);
  const { door, headers } = asked;
  if ("seconds" in failed.params) headers.set("retry-after", String(failed.params.seconds));
  if (failed.http === 401 && operation(one.id).caller === "user") {
    const login = `/login?next=${encodeURIComponent(asked.context.path)}`;
    if (door === "page" && asked.request.method === "GET") return redirect(login, headers);
    if (door === "fragment") headers.set("hx-redirect", login);
  }
  return failure(failed, asked, one.failed ? () => one.failed!(failed, given, asked) : undefined);
}

/** The answer that says a failure, in the shape the caller reads. */
export async function failure(
  failed: Failed,
  { request, door, context, call, headers }: Pick<Asked, "request" | "door" | "context" | "call" | "headers">,
  own?: () => string | Promise<string>,
): Promise<Response> {
  const body = toFailure(failed, call.requestId);
  if (door === "json") {
    const { $typeName: _, ...json } = body;
    headers.set("content-type", "application/json; charset=utf-8");
    return new Response(JSON.stringify(json), { status: failed.http, headers });
  }
  if (own) return markup(await own(), headers, failed.http);
  return markup(
    door === "fragment"
      ? errorFragment(context, body, failed.http, request.headers.get("hx-target") ?? "")
      : errorPage(context, body, failed.http),
    headers,
    failed.http,
  );
}

export function failedOf(cause: unknown, { call }: Pick<Asked, "call">, log: Log): Failed {
  if (cause instanceof Failed) return cause;
  const requestId = call.requestId ?? "";
  log.error("operation failed unexpectedly", { requestId, problem: cause instanceof Error ? cause.stack : cause });
  return new Failed("internal.error", { place: "server", requestId }, { cause });
}

function ask(deps: RouteDeps, one: AnyAnswer, { request, from }: Arrived): Asked {
  const requestId = requestIdOf(request);
  let context: PageContext | undefined;
  return {
    request,
    from,
    door: doorOf(request, operation(one.id)),
    // Made for pages alone, once it is known who asks.
    get context() {
      context ??= contextOf(request, deps.pages, this.actor);
      return context;
    },
    call: { signal: request.signal, deadline: Date.now() + deps.timeoutMs, requestId },
    headers: baseHeaders(requestId),
  };
}

/** As its sender gave it. It goes along to agents, and gRPC takes ASCII alone. */
export function requestIdOf({ headers }: Request): string {
  const given = headers.get("x-request-id")?.slice(0, 64) ?? "";
  return /^[\x21-\x7e]+$/.test(given) ? given : Bun.randomUUIDv7();
}

export function baseHeaders(requestId: string): Headers {
  return new Headers({
    "x-request-id": requestId,
    "cache-control": "no-store",
    vary: "Accept, Accept-Language, Cookie, HX-Request-Type",
  });
}

export function markup(text: string, headers: Headers, status = 200): Response {
  headers.set("content-type", "text/html; charset=utf-8");
  return new Response(text, { status, headers });
}

export function redirect(to: string, headers: Headers): Response {
  headers.set("location", to);
  return new Response(null, { status: 303, headers });
}

async function givenBy(op: Operation, request: Request, { actor }: Asked): Promise<Given> {
  if (op.http!.body) return (await readBody(request, actor ? {} : { limit: unprovenBodyLimit })) satisfies Body;
  // A page that a write led to is told what was done: it is no field of the operation.
  const { done: _, ...given } = queryOf(request);
  return given;
}

/** A name given twice is a list. */
export function queryOf(request: Request): Given {
  const given: Record<string, string | string[]> = {};
  for (const [name, value] of new URL(request.url).searchParams) {
    const before = given[name];
    given[name] = before === undefined ? value : [before, value].flat();
  }
  return given;
}

/** Writes that carry the browser's cookie come from our own pages, or they are not done. */
export function sameOrigin(request: Request, publicUrl: string | undefined): void {
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  if (site === "same-origin" || site === "none") return;
  if (!site && !origin) return;
  const own = publicUrl ? new URL(publicUrl).host : request.headers.get("host");
  if (origin && URL.canParse(origin) && new URL(origin).host === own && site !== "cross-site") return;
  throw new Failed("request.cross_origin", { origin: origin ?? site ?? "elsewhere", own: own ?? "this address" });
}
