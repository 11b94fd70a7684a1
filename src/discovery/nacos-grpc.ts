// One connection to a Nacos server as its own clients of version 2 and later make it: what is announced lives as long
// as the connection, and the server says what changes on it. docs/adr has why the `nacos` package does not serve.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { PayloadSchema } from "../gen/nacos/nacos_grpc_service_pb.ts";
import { sleep } from "../process/backoff.ts";
import { proxied } from "../process/proxy.ts";
import { redirectOf } from "../process/redirect.ts";
import { openWire } from "./nacos-wire.ts";
import type { Trust } from "./tls.ts";

export interface NacosOptions {
  username?: string;
  password?: string;
  /** Its authority; without one, https trusts those that Bun ships with. */
  tls?: Trust;
  /** Milliseconds without an answer after which a server counts as silent. */
  timeoutMs?: number;
}

export interface NacosConnection {
  /** @throws NacosRefused in the server's words; Error where it does not answer. */
  request<T = unknown>(type: string, body: object): Promise<T>;
  /** Keeps it alive until the signal aborts; rejects when it ends. `alive` is called whenever the server answers. */
  hold(signal: AbortSignal, alive?: () => void): Promise<void>;
  close(): void;
}

/** What the server says by itself: "NotifySubscriberRequest" and its JSON. */
export type OnPush = (type: string, body: Record<string, unknown>) => void;

export class NacosRefused extends Error {
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

const unregistered = 301;
const standardTimeoutMs = 3_000;
/** Clients find the gRPC port so; there is no other way to say it. */
const portOffset = 1_000;

/** "http://127.0.0.1:8848", without a slash at its end. */
export function baseOf(host: string): string {
  const url = new URL(/^https?:\/\//.test(host) ? host : `http://${host}`);
  if (!url.port && !/^https?:\/\//.test(host)) url.port = "8848";
  return url.origin;
}

/**
 * @param host "127.0.0.1:8848": the server's HTTP address.
 * @param signal breaks the connection, whatever is under way; left out where something is to be said after it
 */
export async function connectNacos(
  host: string,
  options: NacosOptions,
  onPush: OnPush,
  signal?: AbortSignal,
): Promise<NacosConnection> {
  const { timeoutMs = standardTimeoutMs } = options;
  const base = baseOf(host);
  const token = await createToken(base, options, signal);
  signal?.throwIfAborted();
  const wire = openWire(grpcOf(base), { ca: options.tls?.().ca, timeoutMs });
  const abort = () => wire.end(signal?.reason);
  signal?.addEventListener("abort", abort);
  const close = () => {
    signal?.removeEventListener("abort", abort);
    wire.end(new Error("the connection was closed"));
  };

  async function request<T>(type: string, body: object): Promise<T> {
    const answer = contentOf(await wire.unary("/Request/request", payloadOf(type, body, await token()))).body;
    const { resultCode, errorCode, message } = answer as { resultCode?: number; errorCode?: number; message?: string };
    if (resultCode === 200) return answer as T;
    throw new NacosRefused(message || `it answers ${type} with ${resultCode}`, errorCode ?? 0);
  }

  try {
    await request("ServerCheckRequest", {});
    const send = wire.open("/BiRequestStream/requestBiStream", (pushed) => {
      const { type, body } = contentOf(pushed);
      const reply = { requestId: body.requestId, resultCode: 200, success: true };
      send(payloadOf(type.replace(/Request$/, "Response"), reply));
      if (type === "ConnectResetRequest") wire.end(new Error("it asks to connect anew"));
      else onPush(type, body);
    });
    send(
      payloadOf("ConnectionSetupRequest", {
        clientVersion: "Lizardcd:v1",
        labels: { source: "sdk", module: "naming" },
        abilityTable: { fuzzyWatch: true },
      }),
    );
    await registered(request, timeoutMs);
  } catch (cause) {
    close();
    throw cause;
  }
  return {
    request,
    async hold(signal, alive = () => {}) {
      const beating = async () => {
        while (!signal.aborted) {
          await sleep(timeoutMs / 3, signal);
          if (signal.aborted) return;
          await request("HealthCheckRequest", {});
          alive();
        }
      };
      await Promise.race([beating(), wire.broken]);
    },
    close,
  };
}

/** The server takes requests once it has seen the set-up on the stream, which it does not answer in every version. */
async function registered(request: NacosConnection["request"], timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      await request("HealthCheckRequest", {});
      return;
    } catch (cause) {
      const notYet = cause instanceof NacosRefused && cause.code === unregistered && performance.now() < deadline;
      if (!notYet) throw cause;
      await sleep(10);
    }
  }
}

function grpcOf(base: string): string {
  const { hostname, port, protocol } = new URL(base);
  return `${protocol}//${hostname}:${Number(port || (protocol === "https:" ? 443 : 80)) + portOffset}`;
}

function payloadOf(type: string, body: object, accessToken?: string): Uint8Array {
  const payload = create(PayloadSchema, {
    metadata: { type, headers: accessToken ? { accessToken } : {} },
    body: { typeUrl: "", value: Buffer.from(JSON.stringify(body)) },
  });
  return toBinary(PayloadSchema, payload);
}

function contentOf(bytes: Uint8Array): { type: string; body: Record<string, unknown> } {
  const { metadata, body } = fromBinary(PayloadSchema, bytes);
  return { type: metadata?.type ?? "", body: JSON.parse(Buffer.from(body?.value ?? []).toString() || "{}") };
}

// -- credentials --

/** Logs in at once where there is somebody to log in, and again when four fifths of the token's life are over. */
async function createToken(
  base: string,
  options: NacosOptions,
  signal?: AbortSignal,
): Promise<() => Promise<string | undefined>> {
  if (!options.username) return async () => undefined;
  let token = await login(base, options, signal);
  return async () => {
    if (performance.now() > token.renewAt) token = await login(base, options, signal);
    return token.accessToken;
  };
}

async function login(
  base: string,
  { username = "", password = "", tls, timeoutMs = standardTimeoutMs }: NacosOptions,
  signal?: AbortSignal,
) {
  const ca = tls?.().ca;
  let problem = "it knows no way to log in";
  // Version 3, then 2. In the body: what stands in a URL stands in logs.
  for (const path of ["/nacos/v3/auth/user/login", "/nacos/v1/auth/login"]) {
    const answer = await fetch(base + path, {
      method: "POST",
      ...proxied(base),
      body: new URLSearchParams({ username, password }),
      redirect: "manual",
      signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]),
      ...(ca ? { tls: { ca } } : {}),
    });
    const text = await answer.text();
    const elsewhere = redirectOf(answer);
    if (elsewhere) throw new NacosRefused(elsewhere, answer.status);
    if (answer.ok) {
      const { accessToken, tokenTtl } = JSON.parse(text) as { accessToken: string; tokenTtl: number };
      return { accessToken, renewAt: performance.now() + tokenTtl * 800 };
    }
    if (answer.status === 404) continue;
    problem = `it refuses user ${username} with ${answer.status}: check user and password`;
    break;
  }
  throw new NacosRefused(problem, 403);
}
