import { afterEach, setDefaultTimeout } from "bun:test";
import { type Sandbox, type SandboxOptions, startSandbox } from "./cluster.ts";
import type { Json } from "./object.ts";
import { workload } from "./seeds.ts";

// A busy machine must not fail a test: what never comes ends after half of this.
setDefaultTimeout(60_000);

const running = new Set<Sandbox>();

afterEach(async () => {
  for (const sandbox of running) await sandbox.stop();
  running.clear();
});

/** A cluster with the namespace "shop", ten times as fast as real, stopped after the test. */
export async function cluster(options: Partial<SandboxOptions> = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ name: "test", seed: { namespaces: ["shop"] }, speed: 10, ...options });
  running.add(sandbox);
  return sandbox;
}

export interface Answer {
  status: number;
  body: Json;
  headers: Headers;
}

/** One request; a string body is sent as it is. */
export async function call(
  sandbox: Sandbox,
  method: string,
  path: string,
  body?: Json,
  {
    type = "application/json",
    token = sandbox.token,
    signal,
  }: { type?: string; token?: string; signal?: AbortSignal } = {},
): Promise<Answer> {
  const response = await fetch(sandbox.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": type, "user-agent": "tester/1.0" },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    signal: signal ?? null,
  });
  const text = await response.text();
  const json = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, body: json ? JSON.parse(text) : text, headers: response.headers };
}

export const deployments = "/apis/apps/v1/namespaces/shop/deployments";

export const strategic = { type: "application/strategic-merge-patch+json" };
export const merge = { type: "application/merge-patch+json" };
export const applyPatch = { type: "application/apply-patch+yaml" };

/** A deployment `web` in `shop` with the image's tag. */
export const web = (tag: string, replicas = 1, spec: Json = {}): Json =>
  workload("shop", "web", { image: `shop/web:${tag}`, replicas, spec });

/** Asks until it holds, and gives what was asked for; fails after half a minute with the last answer. */
export async function until<T>(ask: () => Promise<T> | T, holds: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 30_000;
  for (;;) {
    const value = await ask();
    if (holds(value)) return value;
    if (Date.now() > end) throw new Error(`never so; the last was ${JSON.stringify(value)}`);
    await Bun.sleep(10);
  }
}

export const condition = (object: Json, type: string): Json =>
  object?.status?.conditions?.find((one: Json) => one.type === type);

/** The lines of a watch, parsed, as they come. */
export async function* watch(sandbox: Sandbox, path: string, signal: AbortSignal): AsyncGenerator<Json> {
  const response = await fetch(sandbox.url + path, { headers: { authorization: `Bearer ${sandbox.token}` }, signal });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  let rest = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}
