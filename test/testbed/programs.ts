// The programs as they are handed on, in a folder without anything else: compiled once for a run of tests.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPrograms, type ProgramName } from "../../scripts/build.ts";
import { withLock } from "./lock.ts";

/** Names the folder that the test files of a run share. */
export const programsVariable = "LIZARDCD_TEST_PROGRAMS";

const root = join(import.meta.dirname, "../..");
let built: Promise<Programs> | undefined;

/** Paths, by name. */
export type Programs = Record<ProgramName, string>;

export function compiledPrograms(): Promise<Programs> {
  built ??= provided();
  return built;
}

async function provided(): Promise<Programs> {
  const out = process.env[programsVariable] ?? ownFolder();
  const done = join(out, "done");
  return withLock(`${out}.lock`, async () => {
    const paths = (name: ProgramName) => join(out, name);
    if (!existsSync(done)) {
      await buildPrograms({ root, out });
      await Bun.write(done, "");
    }
    return {
      "lizardcd-server": paths("lizardcd-server"),
      "lizardcd-agent": paths("lizardcd-agent"),
      lizardcd: paths("lizardcd"),
    };
  });
}

/** Of a test file that runs by itself. */
function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lizardcd-programs-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "bin");
}
