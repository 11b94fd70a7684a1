/**
 * Owns a group of processes and a folder for as long as its standard input is open. Whoever started it holds the
 * other end of that pipe, so the group ends with its owner however that dies, kill -9 included.
 *
 * Standard input, one JSON a line: { id, command, env?, cwd?, log? }: start a process.
 * Standard output, one JSON a line: { id, pid } | { id, error } | { id, exited: code or signal name }.
 * Arguments: the folder to remove in the end ("" for none), milliseconds between SIGTERM and SIGKILL.
 *
 * The reaper runs in a session of its own: a signal sent to the owner's group does not reach it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";

export interface StartLine {
  id: number;
  command: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** File that takes standard output and error; without it they go where the owner's go. */
  log?: string;
}

export type ReaperLine = { id: number; pid: number } | { id: number; error: string } | { id: number; exited: string };

if (import.meta.main) run(process.argv[2] ?? "", Number(process.argv[3] ?? "2000"));

function run(folder: string, grace: number) {
  const living = new Set<ChildProcess>();
  // Linux kills the children even when the reaper itself is killed with -9.
  const withParentsDeath = Bun.which("setpriv") ? ["setpriv", "--pdeathsig", "KILL", "--"] : [];
  // Only the owner's end counts. Bun, for one, sends SIGTERM to every process that it started when a test times out,
  // and the next test may need what runs here.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  // The owner may be gone when something is said: that is no reason to stop reaping.
  process.stdout.on("error", () => end());

  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => start(JSON.parse(line)));
  lines.on("close", () => end());

  function start({ id, command, env, cwd, log }: StartLine) {
    const [file, ...args] = [...withParentsDeath, ...command] as [string, ...string[]];
    // Descriptor 3 is the owner's standard output; ours is the protocol.
    const out = log ? openSync(log, "a") : 3;
    const child = spawn(file, args, { cwd, env, stdio: ["ignore", out, log ? out : 2] });
    child.on("spawn", () => {
      living.add(child);
      say({ id, pid: child.pid! });
    });
    child.on("error", (error) => say({ id, error: error.message }));
    child.on("exit", (code, signal) => {
      living.delete(child);
      say({ id, exited: String(signal ?? code) });
    });
  }

  let ending = false;
  function end() {
    if (ending) return;
    ending = true;
    for (const child of living) child.kill(grace > 0 ? "SIGTERM" : "SIGKILL");
    const killAt = Date.now() + grace;
    const timer = setInterval(() => {
      if (living.size > 0 && Date.now() < killAt + 5000) {
        if (Date.now() > killAt) for (const child of living) child.kill("SIGKILL");
        return;
      }
      clearInterval(timer);
      // Processes that write while they die may put a file back: try a few times.
      if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      // Ends grandchildren and, last, the reaper itself.
      process.kill(-process.pid, "SIGKILL");
    }, 20);
  }

  function say(line: ReaperLine) {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}
