/**
 * `npm run test:mutate -- src/contract/rules.ts …`: puts faults into these files one at a time and runs the tests that
 * should notice (Stryker with its command runner); without a file, into every file of the table. Prints each survivor and
 * the score. Takes hours for all: it is no part of `npm test`.
 *
 * Stryker is brought by npm when it is asked for: its 166 packages are nothing that a user of `npm start` should wait for.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const stryker = "@stryker-mutator/core@9.6.1";
const root = join(import.meta.dirname, "..");

/** The tests that should notice a fault in a file: those beside it, and these. */
const tests: Record<string, string[]> = {
  "src/contract/rules.ts": ["src/contract/contract.test.ts"],
  "src/contract/request.ts": ["src/contract/contract.test.ts"],
  "src/contract/operation.ts": ["src/contract/contract.test.ts"],
  "src/contract/schema.ts": ["src/contract/contract.test.ts"],
  "src/server/attempts.ts": [],
  "src/server/caller-address.ts": [],
  "src/process/known-hosts.ts": [],
  "src/server/own-path.ts": [],
  "src/server/password-rules.ts": [],
  "src/server/auth.ts": ["src/server/login.test.ts"],
  "src/server/audit.ts": ["src/server/app.test.ts"],
  "src/server/admission.ts": ["src/server/registered.test.ts", "src/server/trust.test.ts"],
  "src/server/trust.ts": ["src/server/trust.test.ts"],
  "src/server/challenge.ts": [],
  "src/server/gate.ts": [],
  "src/server/turn.ts": ["src/server/pool.test.ts", "src/server/connection.test.ts"],
  "src/server/share.ts": [],
  "src/server/pool.ts": [],
  "src/server/watches.ts": ["src/server/watch.test.ts"],
  "src/discovery/discovery.ts": [],
  "src/discovery/told.ts": [],
  "src/discovery/few.ts": [],
  "src/agent/state.ts": [],
  "src/agent/reason.ts": [],
  "src/agent/kind.ts": ["src/agent/state.test.ts", "src/agent/row.test.ts"],
  "src/agent/limits.ts": [],
  "src/agent/selector.ts": [],
  "src/agent/credentials.ts": ["src/agent/kubeconfig.test.ts"],
  "src/agent/kubeconfig.ts": ["test/suites/kubeconfig-oracle.test.ts"],
  "src/agent/kubeconfig-file.ts": ["src/agent/kubeconfig.test.ts", "test/suites/kubeconfig-oracle.test.ts"],
  "src/process/proxy.ts": ["src/agent/config.test.ts"],
  "src/tunnel/frame.ts": ["src/server/tunnel.test.ts"],
  "src/cli/command.ts": ["src/cli/commands.test.ts"],
  "src/cli/exit.ts": ["src/cli/run.test.ts"],
};

interface Report {
  files: Record<string, { mutants: Mutant[] }>;
}

interface Mutant {
  mutatorName: string;
  replacement?: string;
  status: "Killed" | "Survived" | "Timeout" | "NoCoverage" | "CompileError" | "RuntimeError" | "Ignored";
  location: { start: { line: number; column: number } };
}

const asked = process.argv.slice(2);
const unknown = asked.filter((file) => !existsSync(join(root, file.split(":")[0]!)));
if (unknown.length > 0) {
  console.error(`no such file: ${unknown.join(", ")}: name files of this checkout, such as src/contract/rules.ts`);
  process.exit(1);
}
for (const file of asked.length > 0 ? asked : Object.keys(tests)) await mutate(file);

/** @param asked a path, or a path and lines: `src/contract/rules.ts:10-40` */
async function mutate(asked: string): Promise<void> {
  const [path = ""] = asked.split(":");
  const beside = path.replace(/\.tsx?$/, ".test.ts");
  const run = [...new Set([...(existsSync(join(root, beside)) ? [beside] : []), ...(tests[path] ?? [])])];
  if (run.length === 0) {
    console.error(`${path}: no test lies beside it, and the table in scripts/mutate.ts names none`);
    process.exitCode = 1;
    return;
  }
  const reportFile = join(tmpdir(), `lizardcd-mutation-${process.pid}.json`);
  const config = join(tmpdir(), `lizardcd-mutation-${process.pid}.conf.json`);
  const settings = {
    testRunner: "command",
    // The shell's own time is small beside that of starting Bun.
    commandRunner: { command: `node_modules/.bin/bun test --bail --timeout=20000 ${run.join(" ")}` },
    mutate: [asked],
    coverageAnalysis: "off",
    concurrency: 2,
    reporters: ["json"],
    jsonReporter: { fileName: reportFile },
    // The types that a mutant breaks are no test's concern.
    disableTypeChecks: true,
    tsconfigFile: "none",
    ignorePatterns: ["helm", "docs", "dist", ".lizardcd"],
    // Sentences and log lines: what they say is for people to judge.
    mutator: { excludedMutations: ["StringLiteral"] },
    timeoutMS: 20_000,
    tempDirName: join(tmpdir(), `lizardcd-mutation-${process.pid}`),
    cleanTempDir: "always",
  };
  writeFileSync(config, JSON.stringify(settings));
  const npm = Bun.spawn(["npm", "exec", "--yes", `--package=${stryker}`, "--", "stryker", "run", config], {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = await new Response(npm.stdout).text();
  const code = await npm.exited;
  rmSync(config, { force: true });
  if (code !== 0 || !existsSync(reportFile)) {
    console.error(`${asked}: Stryker ended with ${code}\n${said.slice(-2_000)}`);
    process.exitCode = 1;
    return;
  }
  const { files } = JSON.parse(readFileSync(reportFile, "utf8")) as Report;
  rmSync(reportFile, { force: true });
  for (const { mutants } of Object.values(files)) tell(asked, run, mutants);
}

function tell(asked: string, run: string[], mutants: Mutant[]): void {
  const source = readFileSync(join(root, asked.split(":")[0]!), "utf8").split("\n");
  const survivors = mutants.filter(({ status }) => status === "Survived" || status === "NoCoverage");
  const noticed = mutants.filter(({ status }) => status === "Killed" || status === "Timeout").length;
  for (const { location, mutatorName, replacement = "" } of survivors) {
    const { line, column } = location.start;
    console.log(`  ${asked.split(":")[0]}:${line}:${column} ${mutatorName}: ${source[line - 1]!.trim().slice(0, 100)}`);
    console.log(`    -> ${replacement.replace(/\s+/g, " ").slice(0, 120)}`);
  }
  const score = (100 * noticed) / Math.max(1, noticed + survivors.length);
  console.log(
    `${asked}: ${noticed} of ${noticed + survivors.length} noticed, ${score.toFixed(1)} % (${run.join(", ")})`,
  );
}
