// One process at a time on a folder. The lock is SQLite's, so it ends with its process however that ended: nobody has to
// guess whether a process id that somebody wrote down is still the same program.
import { Database } from "bun:sqlite";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { sleep } from "./backoff.ts";

export interface Hold {
  release(): void;
}

/** One that was killed may still be ending while its successor starts. */
const patienceMs = 3_000;

export interface Holder {
  /** For sentences: "npm start". */
  program: string;
  /** Names two files in the folder, <file>.lock and <file>.pid. */
  file: string;
  /** Milliseconds to wait for one that is ending. */
  patience?: number;
}

/**
 * Holds the data folder until it is released or this process ends.
 * @throws Error that names the folder and the process that has it.
 */
export async function hold(folder: string, holder: Holder): Promise<Hold> {
  const lock = await locked(folder, holder);
  writeFileSync(join(folder, `${holder.file}.pid`), `${process.pid} ${hostname()}\n`, { mode: 0o600 });
  return { release: () => lock.close() };
}

async function locked(folder: string, { program, file, patience = patienceMs }: Holder): Promise<Database> {
  const end = performance.now() + patience;
  const lock = new Database(join(folder, `${file}.lock`), { create: true });
  const pid = join(folder, `${file}.pid`);
  for (;;) {
    try {
      lock.run("BEGIN EXCLUSIVE");
      return lock;
    } catch (cause) {
      if ((cause as { code?: string }).code !== "SQLITE_BUSY") {
        lock.close();
        const next = "free its disk, or choose another folder with --data";
        throw new Error(`the data folder ${folder} cannot be locked: ${(cause as Error).message}: ${next}`, { cause });
      }
      if (performance.now() >= end) {
        lock.close();
        const whose = `another ${program}${holder(pid)}`;
        const what = `the data folder ${folder} is in use by ${whose}`;
        throw new Error(`${what}: end that one, or choose another folder with --data`, { cause });
      }
      await sleep(50);
    }
  }
}

/** @throws Error as `hold` where somebody has the folder now; changes nothing. */
export async function free(folder: string, holder: Holder): Promise<void> {
  if (!existsSync(join(folder, `${holder.file}.lock`))) return;
  const lock = await locked(folder, { ...holder, patience: 0 });
  lock.close();
}

/** ", process 123", and where it is if that is not here. */
function holder(file: string): string {
  try {
    const [pid, host] = readFileSync(file, "utf8").trim().split(" ");
    if (!pid || !host) return "";
    return `, process ${pid}${host === hostname() ? "" : ` on ${host}`}`;
  } catch (cause) {
    // It has the lock, and has not said yet who it is.
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw cause;
  }
}
