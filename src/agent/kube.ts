// One API server over HTTP: credentials, deadlines, patience, watches. It knows nothing of workloads.

import { version } from "../process/version.ts";
import { callerHeaders } from "./caller.ts";
import { CredentialsFailed, reasonOf } from "./credentials.ts";
import type { Access } from "./kubeconfig.ts";
import type { KubeList, KubeObject } from "./object.ts";
import { createTransport, type Transport } from "./transport.ts";

export interface RequestOptions {
  signal?: AbortSignal;
  /** Milliseconds for the whole request, its body included. */
  timeoutMs?: number;
}

export interface WatchOptions {
  /** From a list or an earlier event. */
  resourceVersion: string;
  /** The API server ends the watch after these; it counts as hung a little later. */
  timeoutSeconds: number;
  signal: AbortSignal;
}

export type WatchEvent<T> =
  /** The API server has accepted the watch; nothing else is said by it. */
  | { type: "OPENED" }
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T }
  /** Nothing changed up to the object's resourceVersion. */
  | { type: "BOOKMARK"; object: KubeObject };

export type Query = Record<string, string | number | boolean | undefined>;

export interface Kube {
  readonly server: string;
  /** The kubeconfig's names; "in-cluster" where there is none. */
  readonly context: string;
  readonly clusterName: string;
  /** The namespace of the context or the ServiceAccount; empty where neither says one. */
  readonly namespace: string;
  /** The API server's clock, milliseconds since the epoch; ours until it has answered once. */
  now(): number;
  get<T>(path: string, query?: Query, options?: RequestOptions): Promise<T>;
  /** All pages. */
  list<T>(path: string, query?: Query, options?: RequestOptions): Promise<KubeList<T>>;
  /** Pages as they come, so that raw objects need not be held together; the last one's resourceVersion counts. */
  pages<T>(path: string, query?: Query, options?: RequestOptions): AsyncIterable<KubeList<T>>;
  post<T>(path: string, body: object, query?: Query, options?: RequestOptions): Promise<T>;
  /** A strategic merge patch. */
  patch<T>(path: string, body: object, query?: Query, options?: RequestOptions): Promise<T>;
  /** A body that is no JSON: a pod's log. */
  text(path: string, query?: Query, options?: RequestOptions): Promise<string>;
  /** Ends when the API server ends it. @throws StatusFailed with status 410 where the resourceVersion is too old. */
  watch<T extends KubeObject>(path: string, query: Query, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  close(): void;
}

/** The API server answered, with a status that is no success. */
export class StatusFailed extends Error {
  override readonly name = "StatusFailed";
  constructor(
    readonly status: number,
    /** Kubernetes' word: "NotFound", "AlreadyExists", "Forbidden"; may be empty. */
    readonly reason: string,
    message: string,
    /** Seconds the API server asks us to wait. */
    readonly retryAfter: number | undefined,
    /** How often it was asked for the same before this was said. */
    readonly verb: string,
  ) {
    super(message);
  }
}

/** There was no answer. `sent`: a write may have been done all the same. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
  constructor(
    message: string,
    readonly sent: boolean,
    readonly timedOut: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface KubeOptions {
  /** Told of every finished request: verb, HTTP status ("none" without an answer), milliseconds. */
  onRequest?: (verb: string, status: string, ms: number) => void;
  /** Milliseconds for a request that says nothing itself; 10,000 unless told otherwise. */
  timeoutMs?: number;
  /** Ask as the user on whose behalf it is, whose own rights then hold. */
  impersonate?: boolean;
}

const defaultTimeoutMs = 10_000;
const pageSize = 500;
// A watch that the API server has not ended by then is on a connection that died, or the server hangs.
const watchGraceMs = 3_000;
const patientTries = 2;
const longestPatienceMs = 3_000;

export function createKube(access: Access, options: KubeOptions = {}): Kube {
  const { onRequest, timeoutMs: standardTimeoutMs = defaultTimeoutMs } = options;
  const clock = new ServerClock();
  const connection = connectionTo(access, options.impersonate ?? false);

  async function send(verb: string, url: string, body: object | undefined, signal: AbortSignal): Promise<Response> {
    const write = verb === "post" || verb === "patch";
    for (let tries = 0; ; tries++) {
      const started = performance.now();
      let response: Response;
      try {
        const { transport, headers } = await connection.open(signal);
        if (body) headers.set("content-type", verb === "patch" ? patchType : "application/json");
        headers.set("accept", verb === "text" ? "*/*" : "application/json");
        response = await transport.send(access.server + url, {
          method: verb === "patch" ? "PATCH" : verb === "post" ? "POST" : "GET",
          headers,
          body: body && JSON.stringify(body),
          signal,
        });
      } catch (cause) {
        onRequest?.(verb, "none", performance.now() - started);
        if (signal.aborted || cause instanceof CredentialsFailed) throw cause;
        throw unanswered(cause, access.server);
      }
      onRequest?.(verb, String(response.status), performance.now() - started);
      clock.told(response.headers.get("date"), started);
      if (response.ok) return response;

      const failed = await statusOf(response, verb);
      if (failed.status === 401 && tries === 0) {
        connection.refused();
        continue;
      }
      const patience = Math.max(failed.retryAfter ?? 1, 0.1) * 1000;
      if (failed.status !== 429 || write || tries >= patientTries || patience > longestPatienceMs) throw failed;
      await pause(patience, signal);
    }
  }

  async function request<R>(
    verb: string,
    url: string,
    body: object | undefined,
    { signal, timeoutMs = standardTimeoutMs }: RequestOptions,
    read: (response: Response) => Promise<R>,
  ): Promise<R> {
    const limit = limited(signal, timeoutMs);
    try {
      return await read(await send(verb, url, body, limit.signal));
    } catch (cause) {
      if (limit.late()) {
        throw new Unanswered(`${access.server} did not answer within ${timeoutMs / 1000} s`, true, true, { cause });
      }
      if (signal?.aborted) throw signal.reason;
      if (cause instanceof StatusFailed || cause instanceof CredentialsFailed || cause instanceof Unanswered)
        throw cause;
      throw unanswered(cause, access.server);
    } finally {
      limit.end();
    }
  }

  const json = (response: Response) => response.json();

  const kube: Kube = {
    server: access.server,
    context: access.context,
    clusterName: access.clusterName,
    namespace: access.namespace,
    now: () => clock.now(),
    get: <T>(path: string, query: Query = {}, options: RequestOptions = {}) =>
      request("get", path + search(query), undefined, options, json) as Promise<T>,
    post: <T>(path: string, body: object, query: Query = {}, options: RequestOptions = {}) =>
      request("post", path + search(query), body, options, json) as Promise<T>,
    patch: <T>(path: string, body: object, query: Query = {}, options: RequestOptions = {}) =>
      request("patch", path + search(query), body, options, json) as Promise<T>,
    text: (path, query = {}, options = {}) =>
      request("text", path + search(query), undefined, options, (response) => response.text()),

    async list<T>(path: string, query: Query = {}, options: RequestOptions = {}) {
      const items: T[] = [];
      let metadata: KubeList<T>["metadata"] = {};
      for await (const page of kube.pages<T>(path, query, options)) {
        for (const item of page.items) items.push(item);
        metadata = page.metadata;
      }
      return { metadata, items };
    },

    // No resourceVersion is asked for: 0 would ignore the limit, answer all at once, and might answer an older state
    // than what we have already shown. Since Kubernetes 1.31 such a list is served from the API server's cache too.
    async *pages<T>(path: string, query: Query = {}, options: RequestOptions = {}) {
      let next: string | undefined;
      do {
        const asked = search({ ...query, limit: pageSize, continue: next });
        const page = (await request("list", path + asked, undefined, options, json)) as KubeList<T>;
        next = page.metadata?.continue || undefined;
        yield { metadata: page.metadata ?? {}, items: page.items ?? [] };
      } while (next);
    },

    async *watch<T extends KubeObject>(
      path: string,
      query: Query,
      { resourceVersion, timeoutSeconds, signal }: WatchOptions,
    ) {
      const asked = search({ ...query, watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds });
      const limit = limited(signal, timeoutSeconds * 1000 + watchGraceMs);
      try {
        const response = await send("watch", path + asked, undefined, limit.signal);
        yield { type: "OPENED" } as const;
        for await (const line of linesOf(response.body)) {
          const event = JSON.parse(line) as WatchEvent<T> | { type: "ERROR"; object: StatusBody };
          if (event.type === "ERROR") throw toStatusFailed(event.object.code ?? 500, event.object, undefined, "watch");
          yield event;
        }
      } catch (cause) {
        if (limit.late()) {
          throw new Unanswered(`${access.server} went silent on a watch`, true, true, { cause });
        }
        if (signal.aborted) throw signal.reason;
        if (cause instanceof StatusFailed || cause instanceof CredentialsFailed || cause instanceof Unanswered)
          throw cause;
        throw unanswered(cause, access.server);
      } finally {
        limit.end(true);
      }
    },

    close: () => connection.close(),
  };
  return kube;
}

const patchType = "application/strategic-merge-patch+json";

/** `?a=1&b=x`; undefined values are left out. */
export function search(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, String(value));
  const text = params.toString();
  return text && `?${text}`;
}

/** Whole lines of a body, however its chunks and characters are cut; empty lines are skipped. */
export async function* linesOf(body: AsyncIterable<Uint8Array> | null): AsyncGenerator<string> {
  if (!body) return;
  const decoder = new TextDecoder();
  let parts: string[] = [];
  for await (const chunk of body) {
    const [first = "", ...lines] = decoder.decode(chunk, { stream: true }).split("\n");
    parts.push(first);
    for (const line of lines) {
      const whole = parts.join("");
      parts = [line];
      if (whole.trim()) yield whole;
    }
  }
  const rest = parts.join("") + decoder.decode();
  if (rest.trim()) yield rest;
}

/** A connection lasts until a certificate is replaced. */
function connectionTo(access: Access, impersonate: boolean) {
  let transport: Transport | undefined;
  let made = "";
  return {
    async open(signal: AbortSignal) {
      const [ca, credential] = await Promise.all([access.ca?.text(), access.credentials.current(signal)]);
      const { authorization, cert, key } = credential;
      const wanted = JSON.stringify([ca, cert, key]);
      if (!transport || wanted !== made) {
        transport?.close();
        made = wanted;
        transport = createTransport({ ...access, ca, cert, key });
      }
      const headers = new Headers(callerHeaders(`lizardcd-agent/${version}`, impersonate));
      if (authorization) headers.set("authorization", authorization);
      return { transport, headers };
    },
    refused() {
      access.credentials.refused();
      access.ca?.forget();
    },
    close: () => transport?.close(),
  };
}

/**
 * The API server's clock by its Date headers, which are cut to seconds: each answer says that its time at some moment
 * between asking and receiving lay in [date, date + 1 s). What all of them say together is narrower than a second.
 */
class ServerClock {
  #low = Number.NEGATIVE_INFINITY;
  #high = Number.POSITIVE_INFINITY;

  told(date: string | null, sentAt: number): void {
    const at = date ? Date.parse(date) : Number.NaN;
    if (Number.isNaN(at)) return;
    const low = at - performance.now();
    const high = at + 1000 - sentAt;
    this.#low = Math.max(this.#low, low);
    this.#high = Math.min(this.#high, high);
    // One of the two clocks was set, or they drift: begin again.
    if (this.#low > this.#high) [this.#low, this.#high] = [low, high];
  }

  now(): number {
    if (this.#low === Number.NEGATIVE_INFINITY) return Date.now();
    return performance.now() + (this.#low + this.#high) / 2;
  }
}

interface StatusBody {
  message?: string;
  reason?: string;
  code?: number;
}

async function statusOf(response: Response, verb: string): Promise<StatusFailed> {
  const body = await response.text();
  const after = Number(response.headers.get("retry-after") ?? Number.NaN);
  return toStatusFailed(response.status, parsed(body), Number.isNaN(after) ? undefined : after, verb);
}

function parsed(body: string): StatusBody {
  try {
    const status: unknown = JSON.parse(body);
    if (status && typeof status === "object") return status as StatusBody;
  } catch {
    // What stands in front of an API server answers HTML or text.
  }
  return {
    message: body
      .replace(/<[^>]*>/g, " ")
      .replace(/\s+/g, " ")
      .trim()
      .slice(0, 200),
  };
}

function toStatusFailed(status: number, body: StatusBody, retryAfter: number | undefined, verb: string): StatusFailed {
  return new StatusFailed(status, body.reason ?? "", body.message || `HTTP ${status}`, retryAfter, verb);
}

function unanswered(cause: unknown, server: string): Unanswered {
  const code = (cause as { code?: string })?.code ?? "";
  const sent = !/ConnectionRefused|ECONNREFUSED|ENOTFOUND|FailedToOpenSocket|CERT|UNABLE_TO|SELF_SIGNED|EAI_/i.test(
    code,
  );
  return new Unanswered(`${server}: ${sentences[code] ?? reasonOf(cause)}`, sent, false, { cause });
}

const sentences: Record<string, string> = {
  ConnectionRefused: "connection refused",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  FailedToOpenSocket: "cannot connect",
};

/** A signal that ends with the caller's, or late. */
function limited(signal: AbortSignal | undefined, ms: number) {
  const own = new AbortController();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    own.abort(new DOMException("timed out", "TimeoutError"));
  }, ms);
  const follow = () => own.abort(signal?.reason);
  if (signal?.aborted) follow();
  else signal?.addEventListener("abort", follow, { once: true });
  return {
    signal: own.signal,
    late: () => late,
    /** @param cut ends the body too, where it is not read to its end. */
    end(cut = false) {
      clearTimeout(timer);
      signal?.removeEventListener("abort", follow);
      if (cut) own.abort();
    },
  };
}

/** @throws the signal's reason when it aborts first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms);
    function done() {
      signal.removeEventListener("abort", gone);
      resolve();
    }
    function gone() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal.addEventListener("abort", gone, { once: true });
  });
}
