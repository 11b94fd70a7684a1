import { mkdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";

/** A holder touches its lock every 2 s; one that was not touched for this long has no holder any more. */
const abandonedAfter = 15_000;

/** Runs `work` while no other process on this machine holds the same lock (a folder); waits for it without end. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  while (!take(path)) await Bun.sleep(200);
  const heartbeat = setInterval(() => utimesSync(path, new Date(), new Date()), 2000);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(path, { recursive: true, force: true });
  }
}

function take(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
  }
  const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (touched !== undefined && Date.now() - touched > abandonedAfter) rmSync(path, { recursive: true, force: true });
  return false;
}
