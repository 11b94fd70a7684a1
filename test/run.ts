/**
 * `npm test`: types, lint, generated files, then every test under src/ and test/. `npm test -- pool` runs only the
 * test files whose path contains "pool". The last line is `N passed, N failed` and, where tests were skipped,
 * `, N skipped`; the line before it names the parts of the testbed that this machine cannot have. With CI=true such a
 * part is a failure.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join, relative } from "node:path";
import { type Part, partNames, provide } from "./testbed/build.ts";
import { markedProcesses } from "./testbed/marked.ts";
import { processGroup } from "./testbed/processes.ts";
import { compiledPrograms, programsVariable } from "./testbed/programs.ts";
import { type MissingPart, missingPartsVariable, PartMissing } from "./testbed/toolchain.ts";
import { until } from "./testbed/wait.ts";

const root = join(import.meta.dirname, "..");
const binaries = join(root, "node_modules/.bin");
/** Ends with this process, however that ends: so do the tests, and the folder of what they report. */
const group = await processGroup({ name: "run" });
const work = group.folder;
const missingFile = join(work, "missing.jsonl");
/** Marks every process of this run, so that the ones left behind can be found. */
const mark = { name: "LIZARDCD_TEST_RUN", value: crypto.randomUUID() };
const env = {
  ...process.env,
  PATH: `${binaries}${delimiter}${process.env.PATH}`,
  [mark.name]: mark.value,
  [missingPartsVariable]: missingFile,
  [programsVariable]: join(work, "programs"),
};

const total = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
/** Tests that failed among the others and passed alone: each is named at the end. */
const secondTries: string[] = [];

/** The tests that may need a second try, each with its reason. */
const reasons: { file: string; title: string; reason: string }[] = await Bun.file(
  join(root, "test/second-tries.json"),
).json();

const filters = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
process.exit(await run().finally(() => group.stop()));

async function run(): Promise<number> {
  const started = performance.now();
  const files = testFiles();
  if (filters.length === 0) {
    await check("types", () => command(["tsc", "--noEmit", "-p", "."]));
    await check("lint and format", () => command(["biome", "check", "--max-diagnostics=40", "."]));
    await check("generated code is fresh", generatedCodeIsFresh);
    await check("built assets are fresh", () => command([process.execPath, "scripts/assets.ts", "--check"]));
    await check("reference pages are fresh", () => command([process.execPath, "scripts/docs.ts", "--check"]));
  }
  await buildParts(files);
  if (files.some((file) => /^test\/(e2e|charts|faults)\//.test(file))) await check("programs compile", compile);
  for (const [name, shard] of shards(files)) await test(name, shard);
  if (files.length === 0) fail(`no test file matches ${filters.join(", ") || "src/ and test/"}`);
  if (process.platform === "linux") await check("no process is left behind", nothingIsLeft);

  console.log(`\n${Math.round((performance.now() - started) / 1000)} s`);
  for (const failure of failures) console.log(`failed: ${failure}`);
  for (const again of secondTries) console.log(`passed at the second try only: ${again}`);
  for (const one of unusedReasons()) console.log(`listed in test/second-tries.json, passed at the first try: ${one}`);
  for (const [part, reason] of missingParts()) console.log(`skipped, not on this machine: ${part} (${reason})`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed > 0 ? 1 : 0;
}

function unusedReasons(): string[] {
  if (filters.length > 0) return [];
  return reasons.map(({ file, title }) => `${file}: ${title}`).filter((one) => !secondTries.includes(one));
}

function testFiles(): string[] {
  return ["src", "test"]
    .flatMap((folder) => [...new Bun.Glob(`${folder}/**/*.test.{ts,tsx}`).scanSync({ cwd: root })])
    .filter((file) => !file.startsWith("test/bench/"))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
}

/** One check counts as one test. `look` answers what is wrong, or nothing. */
async function check(name: string, look: () => Promise<string | undefined>) {
  const started = performance.now();
  const wrong = await look().catch((error: unknown) => String(error));
  console.log(`(${wrong ? "fail" : "pass"}) ${name} [${Math.round(performance.now() - started)}ms]`);
  if (!wrong) {
    total.passed++;
    return;
  }
  console.log(wrong.trimEnd());
  fail(name);
}

function fail(what: string) {
  total.failed++;
  failures.push(what);
}

/** @returns what the command printed if it failed */
async function command(command: string[]): Promise<string | undefined> {
  const child = Bun.spawn(command, { cwd: root, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const printed = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return (await child.exited) === 0 ? undefined : printed.join("") || `${command.join(" ")} failed`;
}

/** Before the tests: the seconds it takes are no test's. */
async function compile(): Promise<undefined> {
  process.env[programsVariable] = env[programsVariable];
  await compiledPrograms();
}

async function generatedCodeIsFresh(): Promise<string | undefined> {
  const fresh = join(work, "generated");
  const wrong = await command(["buf", "generate", "-o", fresh]);
  if (wrong) return wrong;
  const [want, have] = [contents(join(fresh, "src/gen")), contents(join(root, "src/gen"))];
  const stale = [...new Set([...want.keys(), ...have.keys()])].filter((file) => want.get(file) !== have.get(file));
  if (stale.length > 0) return `stale: ${stale.map((file) => `src/gen/${file}`).join(", ")}: run \`npm run generate\``;
}

function contents(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [relative(folder, path), readFileSync(path, "utf8")]));
}

/** Builds before the tests what they ask for, so that the minutes it takes are seen and are no test's. */
async function buildParts(files: string[]) {
  const wanted = new Set<Part>();
  for (const file of files) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, names] of text.matchAll(/\bdescribePart\(\s*("\w+"|\[[^\]]*\])/g))
      for (const part of partNames) if (names!.includes(`"${part}"`)) wanted.add(part);
  }
  for (const part of wanted) {
    // The test file that asks for it reports the part that cannot be had.
    await provide(part, console.log).catch((error: unknown) => {
      if (!(error instanceof PartMissing)) throw error;
      console.log(error.message);
    });
  }
}

/** One process of Bun for each: what one leaves in its memory, or a crash, is no other's. */
function shards(files: string[]): Map<string, string[]> {
  const shards = new Map<string, string[]>();
  for (const file of files) {
    const [top, folder] = file.split("/");
    const name = top === "src" ? "unit" : file.split("/").length > 2 ? folder! : "house";
    shards.set(name, [...(shards.get(name) ?? []), file]);
  }
  return shards;
}

/** What one file's tests came to. */
interface Outcome {
  passed: number;
  skipped: number;
  /** Titles; "" where the file itself failed. */
  failed: string[];
}

/** Files that failed are run once more, alone: a machine that was too busy for them is told from what is broken. */
async function test(name: string, files: string[]) {
  console.log(`\n${name} tests`);
  const outcomes = await runFiles(name, files);
  const again = files.filter((file) => outcomes.get(file)!.failed.length > 0);
  for (const file of again) {
    const second = (await runFiles(`${name}-again`, [file])).get(file)!;
    if (second.failed.length === 0) {
      const titles = outcomes.get(file)!.failed;
      for (const title of titles) secondTries.push(`${file}: ${title || "the file"}`);
      // In CI a second try is for what is known to need one; it turns nothing else green.
      const unexplained = titles.filter((title) => !reasons.some((one) => one.file === file && one.title === title));
      if (process.env.CI === "true")
        second.failed.push(...unexplained.map((title) => `${title} (passed at the second try only)`));
    }
    outcomes.set(file, second);
  }
  for (const [file, { passed, skipped, failed }] of outcomes) {
    total.passed += passed;
    total.skipped += skipped;
    for (const title of failed)
      fail(title ? `${file}: ${title}` : `${file}: it ran no test, or its process ended early`);
  }
}

async function runFiles(name: string, files: string[]): Promise<Map<string, Outcome>> {
  const report = join(work, `${name}-${crypto.randomUUID()}.xml`);
  const running = await group.start({
    name,
    command: [
      process.execPath,
      "test",
      "--timeout=120000",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...files.map((file) => `./${file}`),
    ],
    cwd: root,
    env,
    output: "inherit",
  });
  const deadline = setTimeout(() => void running.stop("SIGKILL"), 20 * 60_000);
  const ended = await running.exited;
  clearTimeout(deadline);
  return outcomesOf(files, ended, existsSync(report) ? readFileSync(report, "utf8") : "");
}

function outcomesOf(files: string[], ended: string, report: string): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>(files.map((file) => [file, { passed: 0, skipped: 0, failed: [] }]));
  for (const [, title, file, rest] of report.matchAll(
    /<testcase name="([^"]*)" [^>]*?file="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    const outcome = outcomes.get(file!.replace(/^\.\//, ""));
    if (!outcome) continue;
    if (/<(failure|error)\b/.test(rest ?? "")) outcome.failed.push(plainText(title!));
    else if (/<skipped\b/.test(rest ?? "")) outcome.skipped++;
    else outcome.passed++;
  }
  // A file that cannot be loaded, or whose process died, is not in the report.
  for (const outcome of outcomes.values()) {
    if (outcome.passed + outcome.skipped + outcome.failed.length === 0) outcome.failed.push("");
  }
  const some = [...outcomes.values()].some(({ failed }) => failed.length > 0);
  // An error between tests belongs to no test: the last file is held for it.
  if (ended !== "0" && !some) outcomes.get(files.at(-1)!)!.failed.push("");
  return outcomes;
}

function plainText(text: string): string {
  const marks: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => marks[name]!);
}

async function nothingIsLeft(): Promise<string | undefined> {
  const left = () => markedProcesses(mark.name, mark.value);
  await until(() => left().length === 0, { what: "all processes to end", timeout: 15_000 }).catch(() => undefined);
  const found = left();
  for (const { pid } of found) process.kill(pid, "SIGKILL");
  return found.map(({ pid, command }) => `${pid} ${command}`).join("\n") || undefined;
}

/** Reason by part. */
function missingParts(): Map<string, string> {
  if (!existsSync(missingFile)) return new Map();
  const lines = readFileSync(missingFile, "utf8").trim().split("\n");
  return new Map(lines.map((line) => JSON.parse(line) as MissingPart).map(({ part, reason }) => [part, reason]));
}
