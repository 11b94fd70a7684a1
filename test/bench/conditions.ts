// Under which conditions a run was made.
import { readFileSync } from "node:fs";
import { cpus, getPriority, loadavg, release, totalmem } from "node:os";

export function conditions(): string[] {
  const { model } = cpus()[0] ?? { model: "unknown" };
  const load = loadavg()
    .map((value) => value.toFixed(2))
    .join(", ");
  return [
    `${cpus().length} cores (${model.trim()}), ${Math.round(totalmem() / 1e9)} GB, ${system()}, Linux ${release()}`,
    `Bun ${Bun.version}; server and agent compiled by scripts/build.ts, all else from source; all on 127.0.0.1`,
    `commit ${commit()}, ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    `nice value ${getPriority()}, load average before the run ${load}`,
  ];
}

function commit(): string {
  const git = (...args: string[]) =>
    Bun.spawnSync(["git", ...args], { cwd: import.meta.dir })
      .stdout.toString()
      .trim();
  const changed = git("status", "--porcelain", "--", "../../src", "../../package.json").length > 0;
  return `${git("rev-parse", "--short", "HEAD") || "unknown"}${changed ? " with changes that are not committed" : ""}`;
}

function system(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  } catch {
    // A system without that file has no name to show.
    return "Linux";
  }
}
