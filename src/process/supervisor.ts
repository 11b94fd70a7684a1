// The starter's hand on the process that owns its children (supervisor-main.ts).
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Program {
  /** "us-1 agent": unique among those that run. */
  name: string;
  command: string[];
  /** Beside the starter's own environment; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** The file its output goes to. */
  log: string;
}

export type Order = Program | { name: string; signal: "SIGTERM" | "SIGKILL" };

export type Report =
  /** A line of standard output. */
  | { name: string; out: string }
  /** A line that it logged as an error. */
  | { name: string; error: string }
  /** Its exit code or signal, and the last lines it wrote to standard error. */
  | { name: string; exited: number | string; last: string[] };

export interface Supervisor {
  start(program: Program): void;
  signal(name: string, signal: "SIGTERM" | "SIGKILL"): void;
  /** Ends all, within seconds. */
  end(): Promise<void>;
  /** Resolves when the supervisor itself is gone. */
  readonly gone: Promise<void>;
}

export function startSupervisor(tell: (report: Report) => void): Supervisor {
  const child = spawn(process.execPath, [join(import.meta.dir, "supervisor-main.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
    // A session of its own: Ctrl-C in the terminal reaches the starter, which ends the rest in order.
    detached: true,
  });
  const gone = new Promise<void>((resolve, reject) => {
    child.on("exit", () => resolve());
    child.on("error", reject);
  });
  createInterface({ input: child.stdout }).on("line", (line) => tell(JSON.parse(line) as Report));
  // Orders to a supervisor that has just gone are orders to nobody.
  child.stdin.on("error", () => {});
  const order = (what: Order) => void child.stdin.write(`${JSON.stringify(what)}\n`);
  return {
    start: order,
    signal: (name, signal) => order({ name, signal }),
    end() {
      child.stdin.end();
      return gone;
    },
    gone,
  };
}

/**
 * Calls back when the program that started this one is gone. Looks at the shell between too: npm starts one, and
 * where npm is killed the shell lives on.
 */
export function watchParent(gone: () => void): void {
  const first = process.ppid;
  const shell = parentOf(first);
  const second = shell && /^(da|ba|z|k)?sh$/.test(shell.command) && process.env.npm_lifecycle_event ? shell.parent : 0;
  const timer = setInterval(() => {
    const now = process.ppid !== first ? undefined : second === 0 ? { parent: 0 } : parentOf(first);
    if (now && now.parent === second) return;
    clearInterval(timer);
    gone();
  }, 500);
  timer.unref();
}

function parentOf(pid: number): { parent: number; command: string } | undefined {
  const [parent, command] = process.platform === "linux" ? fromProc(pid) : fromPs(pid);
  return parent === undefined ? undefined : { parent: Number(parent), command: command ?? "" };
}

function fromProc(pid: number): (string | undefined)[] {
  try {
    // "123 (sh) S 122 …": the name may hold anything, also brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const close = stat.lastIndexOf(")");
    return [stat.slice(close + 4).split(" ")[0], stat.slice(stat.indexOf("(") + 1, close)];
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
}

function fromPs(pid: number): (string | undefined)[] {
  const { stdout } = Bun.spawnSync(["ps", "-o", "ppid=,comm=", "-p", String(pid)]);
  const [parent, path] = stdout.toString().trim().split(/\s+/);
  return parent ? [parent, path?.split("/").at(-1)] : [];
}
