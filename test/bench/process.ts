// What Linux says of a running process. Other systems have no /proc: there the benchmark does not run.
import { readdirSync, readFileSync } from "node:fs";
import { median } from "./figure.ts";

/** Resident memory, MB of 1,000,000 bytes. */
export function residentMb(pid: number): number {
  return statusKb(pid, "VmRSS") * 1.024e-3;
}

/** The largest it has been, MB; undefined once the process has ended. */
export function mostResidentMb(pid: number): number | undefined {
  try {
    const kb = statusKb(pid, "VmHWM");
    return Number.isNaN(kb) ? undefined : kb * 1.024e-3;
  } catch {
    // No such process, or one that nobody has waited for yet.
    return undefined;
  }
}

/** The part of it that is the process's own, not pages of its program file, MB. */
export function ownMb(pid: number): number {
  return statusKb(pid, "RssAnon") * 1.024e-3;
}

/** Median of the resident memory over some seconds, after it has been left alone for some. */
export async function settledMb(pid: number, { restMs = 3_000, overMs = 2_000 } = {}): Promise<number> {
  await Bun.sleep(restMs);
  const samples: number[] = [];
  const end = performance.now() + overMs;
  while (performance.now() < end) {
    samples.push(residentMb(pid));
    await Bun.sleep(100);
  }
  return median(samples);
}

/** Processor time it has used, user and system, seconds. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  // USER_HZ is 100 on every Linux that Bun runs on.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function statusKb(pid: number, field: string): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]);
}
