// For tests: a server that answers what a test says, and the CLI in this process against it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Exit } from "./exit.ts";
import { runOlder } from "./older.ts";
import { run } from "./run.ts";
import type { Env, Terminal } from "./terminal.ts";

export interface Seen {
  method: string;
  path: string;
  body?: unknown;
  token: string | null;
}

export type Answers = Record<string, (seen: Seen) => Response | Promise<Response>>;

export interface CliOptions {
  input?: string;
  env?: Env;
  terminal?: Partial<Terminal>;
}

export function startFake() {
  const seen: Seen[] = [];
  const answers: Answers = {};
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const text = await request.text();
      const body = text ? { body: JSON.parse(text) } : {};
      const token = request.headers.get("authorization");
      const one: Seen = { method: request.method, path: pathname + search, token, ...body };
      seen.push(one);
      const answer = answers[`${request.method} ${pathname}`];
      return answer ? answer(one) : failure(404, "request.no_such_path", { path: pathname });
    },
  });
  const home = mkdtempSync(join(tmpdir(), "lizardcd-cli-"));
  const url = server.url.origin;

  async function ran(
    program: typeof run,
    words: string | readonly string[],
    { input, env, terminal }: CliOptions,
  ): Promise<{ code: Exit; out: string; err: string }> {
    let [out, err] = ["", ""];
    const argv = typeof words === "string" ? words.split(" ").filter(Boolean) : words;
    const code = await program(argv, {
      env: { HOME: home, LIZARDCD_SERVER: url, LIZARDCD_TOKEN: "tok", ...env },
      version: "1.2.3",
      terminal: {
        out: async (text) => {
          out += text;
        },
        err: async (text) => {
          err += text;
        },
        readInput: async () => input ?? "",
        ...terminal,
      },
    });
    return { code, out, err };
  }

  return {
    url,
    home,
    seen,
    answers,
    cli: (words: string | readonly string[], options: CliOptions = {}) => ran(run, words, options),
    lzcli: (words: string | readonly string[], options: CliOptions = {}) => ran(runOlder, words, options),
    async stop() {
      rmSync(home, { recursive: true, force: true });
      await server.stop(true);
    },
  };
}

export function failure(status: number, code: string, params: Record<string, string> = {}, more: object = {}) {
  return Response.json({ code, params, message: `english of ${code}`, requestId: "r-1", ...more }, { status });
}

export function workloadRow(name: string, more: object = {}) {
  return {
    cluster: "eu-1",
    namespace: "shop",
    resource: "deployments",
    name,
    state: "ok",
    desired: 3,
    updated: 3,
    ready: 3,
    available: 3,
    current: 3,
    changedMs: 61_000,
    containers: [{ name: "web", image: "registry/web:1" }],
    ...more,
  };
}
