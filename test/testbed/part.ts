/** How a test file asks for a part of the testbed. */
import { describe, setDefaultTimeout, test } from "bun:test";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { cached, type Part, type Paths } from "./build.ts";
import { type MissingPart, missingPartsVariable } from "./toolchain.ts";

/**
 * `describe` for tests that need parts of the testbed; builds what is not there yet. When this machine cannot have
 * one, the tests are skipped and the run reports the part by name; with CI=true that is a failed test.
 * @param define gets the paths of all these parts' programs
 */
export function describePart<P extends Part>(parts: P | P[], title: string, define: (paths: Paths<P>) => void): void {
  // Real components on a busy machine: a test that hangs is ended, a slow one is not.
  setDefaultTimeout(120_000);
  const outcomes = [parts].flat().map((part) => obtain(part as P));
  const missing = outcomes.filter((outcome) => "reason" in outcome);
  if (missing.length === 0) {
    const paths = Object.assign({}, ...outcomes.map((outcome) => "paths" in outcome && outcome.paths)) as Paths<P>;
    return void describe(title, () => define(paths));
  }
  report(missing, title);
  if (process.env.CI !== "true") return void describe.skip(title, () => define({} as Paths<P>));
  test(`${title}: the testbed has ${missing.map(({ part }) => part).join(" and ")}`, () => {
    throw new Error(missing.map(({ reason }) => reason).join("\n"));
  });
}

/**
 * `test` for what needs something of the machine that no part brings: Linux, the right to mount. Where that is missing the
 * test is skipped and the run names what is missing; with CI=true the test fails.
 * @param lacking what is missing here and why; undefined where nothing is
 */
export function testUnless(
  lacking: MissingPart | undefined,
  title: string,
  body: () => void | Promise<void>,
  timeoutMs?: number,
): void {
  if (!lacking) return void test(title, body, timeoutMs);
  report([lacking], title);
  if (process.env.CI !== "true") return void test.skip(title, body);
  test(title, () => {
    throw new Error(`${lacking.part}: ${lacking.reason}`);
  });
}

/** Names what is missing, here or at the end of the run. */
export function report(missing: MissingPart[], title: string): void {
  const variable = process.env[missingPartsVariable];
  for (const found of missing) {
    if (variable) appendFileSync(variable, `${JSON.stringify(found)}\n`);
    else console.error(`skipped "${title}": ${found.part} is missing: ${found.reason}`);
  }
}

type Outcome<P extends Part> = { paths: Paths<P> } | MissingPart;
const outcomes = new Map<Part, Outcome<Part>>();

/** In a process of its own, since tests are collected synchronously and a build takes minutes. */
function obtain<P extends Part>(part: P): Outcome<P> {
  let outcome = outcomes.get(part);
  if (!outcome) {
    const there = cached(part);
    outcome = there ? { paths: there } : build(part);
    outcomes.set(part, outcome);
  }
  return outcome as Outcome<P>;
}

function build(part: Part): Outcome<Part> {
  const command = [process.execPath, join(import.meta.dirname, "build.ts"), part];
  const { stdout, exitCode } = Bun.spawnSync(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const line = stdout.toString().trim().split("\n").at(-1);
  const answer = line ? JSON.parse(line) : {};
  if (answer.paths) return { paths: answer.paths };
  return { part, reason: answer.missing ?? `building it ended with ${exitCode}` };
}
