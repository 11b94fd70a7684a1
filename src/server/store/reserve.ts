// Space kept aside for the writes that a full disk must not stop: who signs in or out, a changed password, a revoked
// certificate. When the disk is full the file goes, those writes take its place, and all others are refused before
// anything is done, until there is space for the file again.
import { existsSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Failed } from "../../contract/errors.ts";

export interface Reserve {
  /** A write that must pass: it is tried again with the reserve given up. @throws Failed "store.full" */
  vital<T>(write: () => Promise<T>): Promise<T>;
  /** Any other write. @throws Failed "store.full" before it where the reserve is given up */
  ordinary<T>(write: () => Promise<T>): Promise<T>;
  /** Why ordinary writes are refused now; undefined where they are not. */
  problem(): string | undefined;
}

/** Some hundreds of signings in: each writes a few pages of 4 KB. */
const standardBytes = 8 * 1024 * 1024;
const lookEveryMs = 1_000;

/** @param file of the reserve; undefined for a store in memory. */
export function createReserve(file: string | undefined, bytes = standardBytes): Reserve {
  let kept = file !== undefined && make();
  /** Given up on a full disk, and not yet made again. */
  let released = false;
  let looked = Number.NEGATIVE_INFINITY;

  /** With as much beside it: a reserve that fills the disk would be none. */
  function make(): boolean {
    if (existsSync(file!)) return true;
    const { bavail, bsize } = statfsSync(dirname(file!));
    if (bavail * bsize < 2 * bytes) return false;
    try {
      // Written, not only made long: a file with holes keeps no space.
      writeFileSync(file!, Buffer.alloc(bytes, 1), { mode: 0o600, flag: "wx", flush: true });
      return true;
    } catch (cause) {
      rmSync(file!, { force: true });
      if (isFull(cause)) return false;
      throw cause;
    }
  }

  function release(): void {
    if (!kept) return;
    rmSync(file!, { force: true });
    kept = false;
    released = true;
  }

  /** Looks now and then whether there is space again. */
  function recovered(): boolean {
    if (kept || file === undefined) return true;
    // Also after a start without space for it: the next full disk must find it.
    if (performance.now() - looked >= lookEveryMs) {
      looked = performance.now();
      kept = make();
      if (kept) released = false;
    }
    return !released;
  }

  const refuse = (cause?: unknown) => new Failed("store.full", {}, { cause });

  return {
    async vital(write) {
      try {
        return await write();
      } catch (cause) {
        if (!isFull(cause)) throw cause;
        if (!kept) throw refuse(cause);
      }
      release();
      try {
        return await write();
      } catch (cause) {
        throw isFull(cause) ? refuse(cause) : cause;
      }
    },
    async ordinary(write) {
      if (!recovered()) throw refuse();
      try {
        return await write();
      } catch (cause) {
        throw isFull(cause) ? refuse(cause) : cause;
      }
    },
    problem: () => (recovered() ? undefined : "the disk of the data folder is full"),
  };
}

/** SQLite's words, and the system's. An error of reading is no full disk. */
export function isFull(cause: unknown): boolean {
  const { code, message } = cause as { code?: string; message?: string };
  if (/disk is full/i.test(message ?? "")) return true;
  return /^(SQLITE_FULL|SQLITE_IOERR_(WRITE|FSYNC|TRUNCATE|SHMSIZE|SHMMAP)|ENOSPC|EDQUOT)$/.test(code ?? "");
}
