// The process that owns the others: it has a session and group of its own, starts what it is told to over standard
// input, and ends everything when that closes, however its starter died. Started by supervisor.ts alone.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Order, Report } from "./supervisor.ts";

const patienceMs = 4_000;
const keptLines = 20;
const running = new Map<string, ChildProcess>();
let ending = false;

createInterface({ input: process.stdin })
  .on("line", (line) => obey(JSON.parse(line) as Order))
  .on("close", () => void end());
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => void end());
// A starter that is gone reads no reports.
process.stdout.on("error", () => void end());

function obey(order: Order): void {
  if ("signal" in order) running.get(order.name)?.kill(order.signal);
  else if (!ending) start(order);
}

function start({ name, command, log, env }: Extract<Order, { command: string[] }>): void {
  mkdirSync(dirname(log), { recursive: true });
  const [program, ...args] = command as [string, ...string[]];
  // Its standard input is a pipe of ours: it ends with us even where we are killed.
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  running.set(name, child);
  // Nothing is written to it: it is there to be closed, and breaks when the child goes first.
  child.stdin.on("error", () => {});
  const last: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    appendFileSync(log, `${line}\n`);
    report({ name, out: line });
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    appendFileSync(log, `${line}\n`);
    last.push(line);
    if (last.length > keptLines) last.shift();
    if (/^\S+ error /.test(line)) report({ name, error: line });
  });
  let told = false;
  const gone = (how: number | string) => {
    if (told) return;
    told = true;
    if (running.get(name) === child) running.delete(name);
    report({ name, exited: how, last });
  };
  child.on("error", (error) => gone(error.message));
  child.on("close", (code, signal) => gone(code ?? signal ?? "for no known reason"));
}

function report(what: Report): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  for (const child of running.values()) child.kill("SIGTERM");
  const deadline = performance.now() + patienceMs;
  while (running.size > 0 && performance.now() < deadline) await Bun.sleep(20);
  // What is left in the group: children that hang, and what they had started. This process is one of them.
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ESRCH") throw cause;
  }
  process.exit(0);
}
