// How Consul is spoken to, and in words why it does not answer.
// Registering and deregistering go through the `consul` package. What is repeated or held is fetched: the package takes
// no signal, hides the index of a blocking query, does not know the agent's own one, and costs five times as much.

import { Agent } from "node:https";
import { proxied } from "../process/proxy.ts";
import { redirectOf } from "../process/redirect.ts";
import { type Trust, trustProblemOf } from "./tls.ts";

export interface ConsulOptions {
  /** ACL token. */
  token?: string;
  /** Its authority; without one, https trusts the system's. */
  tls?: Trust;
  /** Milliseconds without an answer after which a Consul counts as silent. */
  timeoutMs?: number;
}

export const standardTimeoutMs = 3_000;
/** Consul holds a blocking query for so long, and up to a sixteenth more. */
export const holdSeconds = 30;

/** "http://127.0.0.1:8500", without a slash at its end. */
export function baseOf(host: string): string {
  const url = new URL(/^https?:\/\//.test(host) ? host : `http://${host}`);
  if (!url.port && !/^https?:\/\//.test(host)) url.port = "8500";
  return url.origin;
}

export async function connectConsul(host: string, { token, tls, timeoutMs = standardTimeoutMs }: ConsulOptions) {
  // Loaded when configured only.
  const { default: Consul } = await import("consul");
  const { hostname, port, protocol } = new URL(baseOf(host));
  const secure = protocol === "https:";
  const ca = tls?.().ca;
  const agent = secure ? new Agent({ keepAlive: true, ...(ca ? { ca } : {}) }) : undefined;
  const options = {
    host: hostname,
    port: Number(port || (secure ? 443 : 80)),
    secure,
    defaults: token ? { token } : {},
    ...(agent ? { agent } : {}),
    // Known to the package, not to its types.
    timeout: timeoutMs,
  };
  const client = new Consul(options);
  return { client, destroy: () => client.destroy() };
}

export interface Answer {
  headers: Headers;
  /** Of its JSON; undefined where there is none. */
  body: unknown;
}

/** @throws Error in Consul's words where it does not answer 200, and where it takes longer than it was told to wait. */
export async function ask(
  host: string,
  path: string,
  query: Record<string, string>,
  { token, tls, timeoutMs = standardTimeoutMs }: ConsulOptions,
  signal: AbortSignal,
  method: "GET" | "PUT" = "GET",
): Promise<Answer> {
  const held = query.wait ? holdSeconds * 1000 * (1 + 1 / 16) : 0;
  const ca = tls?.().ca;
  const url = `${baseOf(host)}/v1${path}?${new URLSearchParams(query)}`;
  const answer = await fetch(url, {
    method,
    ...proxied(url),
    redirect: "manual",
    headers: token ? { "x-consul-token": token } : {},
    signal: AbortSignal.any([signal, AbortSignal.timeout(held + timeoutMs)]),
    ...(ca ? { tls: { ca } } : {}),
  });
  const text = await answer.text();
  const elsewhere = redirectOf(answer);
  if (elsewhere) throw new Refused(elsewhere, answer.status);
  if (!answer.ok) throw new Refused(text.slice(0, 200) || `it answers ${answer.status}`, answer.status);
  return { headers: answer.headers, body: text === "" ? undefined : JSON.parse(text) };
}

class Refused extends Error {
  constructor(
    message: string,
    readonly statusCode: number,
  ) {
    super(message);
  }
}

export function isUnknown(cause: unknown): boolean {
  return (cause as { statusCode?: number }).statusCode === 404;
}

export function problemOf(cause: unknown): string {
  const { name, message, isTimeout } = cause as Error & { isTimeout?: boolean };
  if (isTimeout || name === "TimeoutError") return "it does not answer";
  if (isUnknown(cause)) return "it has forgotten this agent";
  // "consul: agent.service.register: forbidden"
  const problem = message.replace(/^consul: [\w.]+: /, "");
  return trustProblemOf(problem, "consul") ?? problem;
}
