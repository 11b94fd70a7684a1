/** Processes that never outlive whoever started them: see reaper.ts. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { ReaperLine, StartLine } from "./reaper.ts";

export interface ProcessSpec {
  /** Names the process in errors and its log file (`<folder>/<name>.log`). */
  name: string;
  command: string[];
  /** Whole environment; the owner's own when left out. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** "file" (default): into the log file; "inherit": where the owner's output goes. */
  output?: "file" | "inherit";
}

/** One process. `exited` resolves with its exit code or signal name, as text. */
export interface RunningProcess {
  name: string;
  pid: number;
  exited: Promise<string>;
  /** What it has written so far; empty when its output is inherited. */
  log(): string;
  /** SIGTERM by default; resolves when it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ProcessGroup {
  /** Temporary folder, removed with the group. */
  folder: string;
  start(spec: ProcessSpec): Promise<RunningProcess>;
  /** Ends every process and removes the folder; resolves when both are gone. */
  stop(): Promise<void>;
}

/**
 * @param options.grace milliseconds between SIGTERM and SIGKILL when the group ends; 0 kills at once.
 */
export async function processGroup(options: { name?: string; grace?: number } = {}): Promise<ProcessGroup> {
  const folder = mkdtempSync(join(tmpdir(), `lizardcd-${options.name ?? "test"}-`));
  const reaper = spawn(
    process.execPath,
    [join(import.meta.dirname, "reaper.ts"), folder, String(options.grace ?? 2000)],
    { detached: true, stdio: ["pipe", "pipe", "inherit", 1], cwd: tmpdir() },
  );
  const gone = new Promise<void>((resolve) => reaper.on("exit", () => resolve()));
  const processes = new Map<
    number,
    { pid: (pid: number) => void; fail: (e: Error) => void; exit: (how: string) => void }
  >();
  let last = 0;

  createInterface({ input: reaper.stdout as Readable }).on("line", (text) => {
    const line = JSON.parse(text) as ReaperLine;
    const entry = processes.get(line.id);
    if ("pid" in line) entry?.pid(line.pid);
    else if ("error" in line) entry?.fail(new Error(line.error));
    else entry?.exit(line.exited);
  });
  // A group must not keep its owner alive.
  reaper.unref();
  for (const pipe of [reaper.stdin, reaper.stdout]) (pipe as unknown as Socket).unref?.();

  return {
    folder,
    async start({ name, command, env = process.env, cwd = folder, output = "file" }) {
      if (!Bun.which(command[0]!)) throw new Error(`cannot start ${name}: there is no program ${command[0]}`);
      const id = ++last;
      const log = output === "file" ? join(folder, `${name}.log`) : undefined;
      const { promise: exited, resolve: exit } = Promise.withResolvers<string>();
      const started = Promise.withResolvers<number>();
      processes.set(id, { pid: started.resolve, fail: started.reject, exit });
      void gone.then(() => {
        started.reject(new Error(`cannot start ${name}: its process group has ended`));
        exit("SIGKILL");
      });
      const line: StartLine = { id, command, env: defined(env), cwd, log };
      (reaper.stdin as Writable).write(`${JSON.stringify(line)}\n`);
      const pid = await started.promise;
      return {
        name,
        pid,
        exited,
        log: () => (log && existsSync(log) ? readFileSync(log, "utf8") : ""),
        async stop(signal = "SIGTERM") {
          signalProcess(pid, signal);
          await exited;
        },
      };
    },
    async stop() {
      reaper.ref();
      (reaper.stdin as Writable).end();
      await gone;
    },
  };
}

/** Sends a signal; a process that is already gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ESRCH") throw cause;
  }
}

/**
 * Free TCP ports on 127.0.0.1, below the range from which the kernel takes ports for outgoing connections: between
 * this look and the bind, no client can take one.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 18000 + Math.floor(Math.random() * 14000);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

function defined(env: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
