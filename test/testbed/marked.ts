import { readdirSync, readFileSync } from "node:fs";

/** Living processes (Linux) that carry this variable with this value in their environment, by command line. */
export function markedProcesses(name: string, value: string): { pid: number; command: string }[] {
  const found = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!pid || pid === process.pid) continue;
    // A process that ended meanwhile, or is another user's, is none of ours.
    const environment = read(`/proc/${pid}/environ`);
    if (!environment?.split("\0").includes(`${name}=${value}`)) continue;
    found.push({ pid, command: (read(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim() });
  }
  return found;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
