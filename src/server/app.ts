// Mounts the nouns, top to bottom: every door of the server is visible here.
import { toJson } from "@bufbuild/protobuf";
import { Elysia } from "elysia";
import { Failed, toFailure } from "../contract/errors.ts";
import { openApi, type watched } from "../contract/openapi.ts";
import { type Operation, type OperationId, operation, operations } from "../contract/operation.ts";
import { inputOf } from "../contract/request.ts";
import type { EmbeddedRegistry } from "../discovery/server.ts";
import { type Failure, FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import type { KnownHosts } from "../process/known-hosts.ts";
import type { Log } from "../process/log.ts";
import { commit } from "../process/version.ts";
import { silenceMs, slowestMs } from "../tunnel/beat.ts";
import { mostMessageBytes, tunnelPath } from "../tunnel/frame.ts";
import { assets } from "../views/assets.ts";
import { contentSecurityPolicy } from "../views/layout.tsx";
import { loginPage } from "../views/login.tsx";
import { operationsPage } from "../views/operations.tsx";
import { type PageContext, sentenceOf } from "../views/parts.tsx";
import { aboutAnswers } from "./about.ts";
import type { Admit } from "./admission.ts";
import { agentAnswers } from "./agent.ts";
import { type Audit, auditAnswers } from "./audit.ts";
import type { Actor, Auth } from "./auth.ts";
import { callerAddress, namesCaller, networkOf, plainAddress, type TrustedProxies } from "./caller-address.ts";
import { compressed } from "./compress.ts";
import { discoveryAnswers } from "./discovery.ts";
import { contextOf, doorOf, type PageSettings } from "./door.ts";
import { fleetAnswers } from "./fleet.ts";
import type { HttpCa } from "./http-ca.ts";
import { fleetStream, type LiveDeps, workloadsStream } from "./live.ts";
import { namespaceAnswers } from "./namespace.ts";
import { ownPath } from "./own-path.ts";
import type { Pool } from "./pool.ts";
import { preferences } from "./preferences.ts";
import { agentsStream, registriesStream, withRegistries } from "./registered-live.ts";
import {
  type AnyAnswer,
  baseHeaders,
  failedOf,
  failure,
  type InputOf,
  markup,
  queryOf,
  type RouteDeps,
  redirect,
  requestIdOf,
  respond,
} from "./route.ts";
import type { SessionCookie } from "./session-cookie.ts";
import { eventStream, type Message, overEvent, stalledSeconds } from "./sse.ts";
import type { Store } from "./store/store.ts";
import type { Summaries } from "./summaries.ts";
import { type Trust, trustAnswers } from "./trust.ts";
import type { Tunnels } from "./tunnel.ts";
import { userAnswers } from "./user.ts";
import type { Watches } from "./watches.ts";
import { workloadAnswers, workloadStream } from "./workload.ts";
import { workloadWatch } from "./workload-watch.ts";

export interface AppDeps {
  pool: Pool;
  summaries: Summaries;
  watches: Watches;
  store: Store;
  auth: Auth;
  audit: Audit;
  embedded?: EmbeddedRegistry;
  admit: Admit;
  trust?: Trust;
  httpCa: HttpCa;
  tunnels?: Tunnels;
  log: Log;
  pages: PageSettings;
  prefix: string;
  /** Milliseconds an operation may take. */
  timeoutMs: number;
  publicUrl?: string;
  now: () => number;
  /** Aborted when the server stops: streams end then. */
  stopping: AbortSignal;
  /** A stream's reader who takes nothing for so long is cut off; a minute unless told otherwise. */
  stalledSeconds?: number;
  cookie: SessionCookie;
  hosts: KnownHosts;
  proxies: TrustedProxies;
  onAnswer: RouteDeps["onAnswer"];
}

/** Seconds in which something of a request has to come, beside what the operation itself may take. */
const idleSeconds = 30;

/** Whoever asks whether the server is ready costs a write no more often. */
const probeEveryMs = 2_000;

export function createApp(deps: AppDeps) {
  const { pages, auth, publicUrl } = deps;
  const liveDeps: LiveDeps = deps;
  const { cookie, hosts, proxies } = deps;
  let toldOfProxy = false;
  let probed = Number.NEGATIVE_INFINITY;
  let probe: Promise<void> = Promise.resolve();
  const app = new Elysia({ serve: { development: false, idleTimeout: 0, maxRequestBodySize: 2 * 1024 * 1024 } });

  const answers: AnyAnswer[] = [
    ...fleetAnswers(liveDeps),
    ...workloadAnswers(deps),
    ...namespaceAnswers(deps),
    ...agentAnswers(deps),
    ...auditAnswers({ store: deps.store, clock: pages.clock }),
    ...userAnswers({ auth, cookie }),
    ...discoveryAnswers(deps),
    ...trustAnswers(deps),
    ...aboutAnswers({ version: pages.version, commit, actorIfAny }),
  ];
  type Watch = (arrived: Streaming) => Promise<Response>;
  const watches: Record<(typeof watched)[number], Watch> = {
    "workload.list": watchCluster,
    "fleet.listWorkloads": watchFleet,
  };
  app.onRequest(({ request }) => {
    // A Host header that makes no address: nothing below could be asked about it.
    if (!URL.canParse(request.url)) return new Response("the Host header is no host\n", { status: 400 });
    const host = request.headers.get("host");
    // Probes come by whatever name, and are told nothing but that.
    if (hosts(host) || ["/healthz", "/readyz"].includes(new URL(request.url).pathname)) return;
    return finish(request, answerFailure(request, unknownHost(host)));
  });
  for (const one of answers) mount(one);

  app.get("/", ({ request }) => redirect("/fleet", plain(request)));
  app.get("/login", ({ request }) => showLogin(request));
  app.get("/operations", ({ request }) => showOperations(request));
  app.get("/openapi.json", ({ request }) => json(openApi(pages.version), request));
  app.post("/preferences", ({ request }) => preferences(request, { secure: cookie.secure, publicUrl }));
  app.get("/assets/*", ({ request, params }) => asset(request, `/assets/${params["*"]}`));
  app.get("/healthz", () => new Response("ok\n"));
  app.get("/readyz", () => readiness());

  live("/fleet/live", "fleet.get", (input, { context }, signal) => fleetStream(liveDeps, input, context, signal));
  live("/workloads/live", "fleet.listWorkloads", (input, { context, call }, signal) =>
    workloadsStream(liveDeps, input, context, call, signal),
  );
  live("/agents/live", "fleet.listAgents", (input, { context }, signal) => agentsStream(deps, input, context, signal));
  live("/registries/live", "fleet.listRegistries", (_, { context }, signal) => registriesStream(deps, context, signal));
  live(`${elysiaPath(operation("workload.get"))}/live`, "workload.get", (input, { context, call }, signal) =>
    workloadStream(deps, input, { call, context }, signal),
  );

  const { tunnels } = deps;
  if (tunnels) {
    app.ws(tunnelPath, {
      maxPayloadLength: mostMessageBytes,
      backpressureLimit: 1024 * 1024,
      perMessageDeflate: false,
      // Longer than the beat lets anybody be silent: who is gone is told by that.
      idleTimeout: Math.ceil((2 * silenceMs(slowestMs)) / 1000),
      // Elysia makes a new wrapper for each event; what stays the same is the socket inside.
      open: ({ raw }) => tunnels.open(raw.data as object, raw, networkOf(plainAddress(raw.remoteAddress))),
      message: ({ raw }, data) => tunnels.arrived(raw.data as object, wordOrBytes(data)),
      drain: ({ raw }) => tunnels.drain(raw.data as object),
      close: ({ raw }) => tunnels.closed(raw.data as object),
    });
  }

  app.onError(({ request, error, code, set }) => {
    const failed = code === "NOT_FOUND" ? nothingAt(request) : failedOf(error, { call: callOf() }, deps.log);
    set.status = failed.http;
    return finish(request, answerFailure(request, failed));
  });
  return app;

  // -- doors --

  function mount(one: AnyAnswer): void {
    const op = operation(one.id);
    // Bodies are read by the route itself: its errors are ours, and it knows what the operation takes.
    app.route(
      op.http!.method,
      elysiaPath(op),
      async ({ request, params, server }) => {
        const watch = (watches as Partial<Record<OperationId, Watch>>)[one.id];
        if (watch && new URL(request.url).searchParams.get("watch") === "1") return watch({ request, params, server });
        const from = callerOf(request, server?.requestIP(request)?.address ?? "local");
        // The timeout of an idle socket holds for what is still being sent; streams have none.
        server?.timeout(request, idleSeconds + Math.ceil(deps.timeoutMs / 1000));
        return finish(request, respond(deps, one, { request, params, from }));
      },
      { parse: "none" } as never,
    );
  }

  function callerOf({ headers }: Request, peer: string): string {
    if (proxies.none && !toldOfProxy && namesCaller(headers)) {
      toldOfProxy = true;
      const problem = "it is not believed: all who come through a proxy count as one for the limit on logins";
      const next = "where that is a proxy of yours, name its network by --http.trusted-proxies";
      deps.log.warn("a request says in X-Forwarded-For or Forwarded whose it is", { peer, problem, next });
    }
    return callerAddress(headers, peer, proxies);
  }

  /** The stream of a page. */
  function live<I extends Streamed>(path: string, id: I, messages: Messages<I>): void {
    app.get(path, (arrived) =>
      stream(arrived, id, {
        messages: (input, asked, signal) => withRegistries(messages(input, asked, signal), asked.context),
        last: (why, { context, call }) => sentenceOf(context(), toFailure(why, call.requestId)),
      }),
    );
  }

  function watchCluster(arrived: Streaming): Promise<Response> {
    return stream({ ...arrived, params: { ...arrived.params, watch: undefined } }, "workload.list", {
      messages({ cluster, namespace, resource, labelSelector, name: q, state }, _, signal) {
        deps.pool.on({ cluster, namespace });
        const all = { cluster: [cluster], namespace: namespace === "*" ? [] : [namespace], resource: [resource] };
        return workloadWatch(deps, { ...all, labelSelector, q, state }, signal);
      },
      last: failureJson,
    });
  }

  function watchFleet(arrived: Streaming): Promise<Response> {
    return stream({ ...arrived, params: { watch: undefined } }, "fleet.listWorkloads", {
      messages: (input, _, signal) => workloadWatch(deps, input, signal),
      last: failureJson,
    });
  }

  /** A stream for a page or a client: the same checks as its operation, then messages until the reader or session goes. */
  async function stream<I extends Streamed>(
    { request, params, server }: Streaming,
    id: I,
    { messages, last }: { messages: Messages<I>; last(why: Failed, asked: StreamAsked): string },
    op: Operation = operation(id),
  ): Promise<Response> {
    const requestId = requestIdOf(request);
    try {
      const actor = await auth.actorOf(request);
      auth.allow(actor, op.permission, op.id);
      const input = inputOf(op, { ...queryOf(request), ...params }) as InputOf<I>;
      const asked = { call: callOf(actor, requestId), context: () => contextOf(request, pages, actor) };
      server?.timeout(request, deps.stalledSeconds ?? stalledSeconds);
      return eventStream((signal) => messages(input, asked, signal), {
        request,
        stopping: deps.stopping,
        session: auth.follow(actor),
        last: (why) => ({ event: overEvent, data: last(why, asked) }),
        headers: baseHeaders(requestId),
      });
    } catch (cause) {
      const call = callOf(undefined, requestId);
      return finish(request, answerFailure(request, failedOf(cause, { call }, deps.log), call));
    }
  }

  async function actorIfAny(request: Request): Promise<Actor | undefined> {
    try {
      return await auth.actorOf(request);
    } catch (cause) {
      if (cause instanceof Failed) return undefined;
      throw cause;
    }
  }

  async function showLogin(request: Request): Promise<Response> {
    const next = ownPath(new URL(request.url).searchParams.get("next"));
    let failure: Failure | undefined;
    try {
      await auth.actorOf(request);
      return redirect(next ?? "/fleet", plain(request));
    } catch (cause) {
      if (!(cause instanceof Failed)) throw cause;
      // Whoever was logged in is told why that is over.
      if (cause.code !== "session.missing") failure = toFailure(cause, callOf().requestId);
    }
    return finish(request, markup(loginPage(contextOf(request, pages), { next, failure }), plain(request)));
  }

  async function showOperations(request: Request): Promise<Response> {
    const actor = await actorIfAny(request);
    return finish(request, markup(operationsPage(contextOf(request, pages, actor), operations), plain(request)));
  }

  /** One write in some seconds, however often one asks. */
  function storeTakesWrites(): Promise<void> {
    if (performance.now() - probed > probeEveryMs) {
      probed = performance.now();
      probe = deps.store.ping();
    }
    return probe;
  }

  async function readiness(): Promise<Response> {
    if (deps.stopping.aborted) return new Response("stopping\n", { status: 503 });
    try {
      await storeTakesWrites();
      return new Response("ok\n");
    } catch (cause) {
      const problem = cause instanceof Failed ? "the disk of the data folder is full" : String(cause);
      deps.log.error("store takes no writes", { problem });
      return new Response(`the store takes no writes: ${problem}\n`, { status: 503 });
    }
  }

  function nothingAt(request: Request): Failed {
    const { pathname } = new URL(request.url);
    const allowed = operations.filter((op) => op.http && matches(op, pathname)).map((op) => op.http!.method);
    if (allowed.length === 0) return new Failed("request.no_such_path", { path: pathname.slice(0, 200) });
    return new Failed("request.wrong_method", {
      path: pathname,
      method: request.method,
      allowed: [...new Set(allowed)].join(", "),
    });
  }

  async function answerFailure(request: Request, failed: Failed, call = callOf()): Promise<Response> {
    const actor = await actorIfAny(request);
    const context = contextOf(request, pages, actor);
    return failure(failed, { request, door: doorOf(request), context, call, headers: baseHeaders(call.requestId) });
  }
}

/** Elysia reads JSON out of text on its own; a tunnel's first words are taken as they came. */
function wordOrBytes(data: unknown): string | Uint8Array {
  if (typeof data === "string") return data;
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return JSON.stringify(data);
}

/** What a page or a client follows live. */
type Streamed =
  | "fleet.get"
  | "fleet.listWorkloads"
  | "fleet.listAgents"
  | "fleet.listRegistries"
  | "workload.get"
  | "workload.list";

/** What a stream's messages know of who asks. */
interface StreamAsked {
  call: ReturnType<typeof callOf>;
  context(): PageContext;
}

type Messages<I extends Streamed> = (
  input: InputOf<I>,
  asked: StreamAsked,
  signal: AbortSignal,
) => AsyncGenerator<Message>;

interface Streaming {
  request: Request;
  params: Record<string, unknown>;
  server: { timeout(request: Request, seconds: number): void } | null;
}

export type App = ReturnType<typeof createApp>;

export function unknownHost(host: string | null): Failed {
  return new Failed("request.host_unknown", { host: (host ?? "").slice(0, 260) });
}

/** Headers that hold on every answer, and compression. */
async function finish(request: Request, answered: Response | Promise<Response>): Promise<Response> {
  const response = await compressed(await answered, request);
  response.headers.set("content-security-policy", contentSecurityPolicy);
  response.headers.set("x-content-type-options", "nosniff");
  response.headers.set("referrer-policy", "same-origin");
  return response;
}

function asset(request: Request, path: string): Promise<Response> | Response {
  const found = Object.hasOwn(assets, path) ? assets[path] : undefined;
  if (!found) return new Response("no such asset\n", { status: 404 });
  const versioned = new URL(request.url).searchParams.get("v") === found.hash;
  const headers = {
    "content-type": found.type,
    etag: `"${found.hash}"`,
    vary: "Accept-Encoding",
    "cache-control": versioned ? "public, max-age=31536000, immutable" : "no-cache",
  };
  if (request.headers.get("if-none-match") === `"${found.hash}"`) return new Response(null, { status: 304, headers });
  return finish(request, new Response(found.body as string, { headers }));
}

function json(value: unknown, request: Request): Promise<Response> {
  const headers = plain(request);
  headers.set("content-type", "application/json; charset=utf-8");
  return finish(request, new Response(JSON.stringify(value), { headers }));
}

function failureJson(why: Failed, { call }: StreamAsked): string {
  return JSON.stringify(toJson(FailureSchema, toFailure(why, call.requestId), { alwaysEmitImplicit: true }));
}

function plain(request: Request): Headers {
  return baseHeaders(requestIdOf(request));
}

function callOf(actor?: Actor, requestId: string = Bun.randomUUIDv7()) {
  return {
    requestId,
    actor: actor?.username,
    role: actor?.role,
    deadline: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
  };
}

/** "/clusters/{cluster}" -> "/clusters/:cluster". */
function elysiaPath({ http }: Operation): string {
  return http!.path.replace(/\{(\w+)\}/g, ":$1");
}

function matches({ http }: Operation, path: string): boolean {
  const want = http!.path.split("/");
  const have = path.split("/");
  return want.length === have.length && want.every((part, index) => part.startsWith("{") || part === have[index]);
}
