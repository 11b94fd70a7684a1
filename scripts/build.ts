// Compiles the three programs, one binary each: `npm run build` for this machine, `npm run build -- --all` for every one
// in the table of targets. What they need at run time travels inside; beside each lie its sum and what it is made of.
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { BunPlugin } from "bun";
import { Root } from "protobufjs";
import { version } from "../package.json";
import { runtimeFor, type Target, targets } from "./runtime.ts";
import { packagesOf, sbomOf } from "./sbom.ts";

const programs = {
  "lizardcd-server": "src/server/main.ts",
  "lizardcd-agent": "src/agent/main.ts",
  lizardcd: "src/cli/main.ts",
} as const;

/**
 * How reluctant the runtime is to compile while the program runs. Of what the command line does nothing is done often:
 * machine code is made for nothing, and takes half of the time of a short command. A list of 10,000 rows is as fast.
 */
const jitPolicies: Partial<Record<ProgramName, number>> = { lizardcd: 1_000 };

export type ProgramName = keyof typeof programs;

export interface BuildOptions {
  /** The checkout to build; the current folder where left out. */
  root?: string;
  /** Where the binaries go. */
  out?: string;
  names?: readonly ProgramName[];
  /** Another machine than this one, and the file of its runtime. */
  target?: Target;
  runtime?: string;
}

/** @returns the paths of the binaries. @throws Error with what Bun says when one cannot be built. */
export async function buildPrograms(options: BuildOptions = {}): Promise<Record<string, string>> {
  const built = await compile(options);
  return Object.fromEntries(built.map(({ name, path }) => [name, path]));
}

interface Built {
  name: ProgramName;
  path: string;
  /** Files that were bundled, relative to the checkout. */
  inputs: string[];
}

async function compile({
  root = process.cwd(),
  out = join(root, "dist"),
  names = Object.keys(programs) as ProgramName[],
  target,
  runtime,
}: BuildOptions): Promise<Built[]> {
  await mkdir(out, { recursive: true });
  const built: Built[] = [];
  for (const name of names) {
    const path = join(out, `${name}${target?.ending ?? ""}`);
    const result = await Bun.build({
      entrypoints: [resolve(root, programs[name])],
      compile: {
        outfile: path,
        ...(target ? { target: target.bun as Bun.Build.CompileTarget, executablePath: runtime } : {}),
        // A program reads what it is told to read, and nothing that lies in the folder where it is called.
        autoloadDotenv: false,
        autoloadBunfig: false,
        jitPolicy: jitPolicies[name] ?? 1,
      },
      target: "bun",
      minify: true,
      bytecode: true,
      format: "esm",
      metafile: true,
      define: { LIZARDCD_COMMIT: JSON.stringify(commitOf(root)) },
      plugins: [protoInside()],
      // Optional parts of libraries that are not installed; their absence is met at run time, where they are asked for.
      external: ["proxy-agent"],
    });
    if (!result.success) throw new AggregateError(result.logs, `${name} cannot be built`);
    const inputs = Object.keys(result.metafile?.inputs ?? {});
    built.push({ name, path, inputs: inputs.map((one) => relative(root, resolve(process.cwd(), one))) });
  }
  return built;
}

/**
 * Binaries as they are handed on: beside each `<name>.sha256`, as sha256sum reads it, and `<name>.cdx.json`.
 * @returns a line about each.
 */
export async function buildRelease(options: BuildOptions = {}): Promise<string[]> {
  const { root = process.cwd(), target } = options;
  const built = await compile(options);
  const here = `@oven/bun-${process.platform}-${process.arch === "arm64" ? "aarch64" : process.arch}`;
  const runtime = target?.package ?? here;
  const all = await packagesOf(root);
  const lines: string[] = [];
  for (const { name, path, inputs } of built) {
    const content = await Bun.file(path).bytes();
    const sha256 = createHash("sha256").update(content).digest("hex");
    const sbom = await sbomOf(all, { name, version, commit: commitOf(root), sha256, inputs, runtime }, root);
    await writeFile(`${path}.sha256`, `${sha256}  ${basename(path)}\n`);
    await writeFile(`${path}.cdx.json`, `${JSON.stringify(sbom, null, 2)}\n`);
    const size = (content.length / 1024 / 1024).toFixed(1);
    lines.push(`${relative(root, path).padEnd(40)} ${size.padStart(6)} MB  sha256 ${sha256}`);
  }
  return lines;
}

/**
 * etcd3 reads its .proto from beside its source at run time, where a binary has none: its text is read now, and travels
 * along as protobufjs JSON.
 */
function protoInside(): BunPlugin {
  return {
    name: "proto inside",
    setup(build) {
      build.onLoad({ filter: /etcd3[\\/]lib[\\/]connection-pool\.js$/ }, async ({ path }) => {
        const proto = await new Root().load(join(dirname(path), "../proto/rpc.proto"), { keepCase: true });
        const json = JSON.stringify(proto.toJSON({ keepComments: false }));
        const source = await Bun.file(path).text();
        const contents = source.replace(/loadSync\)\(`[^`]*rpc\.proto`/, () => `fromJSON)(${json}`);
        if (contents === source) throw new Error(`${path} no longer loads its proto the way scripts/build.ts knows`);
        return { contents, loader: "js" };
      });
    },
  };
}

/** "3f1c2ab", with "-changed" where the checkout is not as that commit; empty outside of git. */
function commitOf(root: string): string {
  // Where the source came without its history, whoever builds may say it: an image, for one.
  if (process.env.LIZARDCD_COMMIT !== undefined) return process.env.LIZARDCD_COMMIT;
  if (!Bun.which("git")) return "";
  const git = (...words: string[]) => Bun.spawnSync(["git", "-C", root, ...words]);
  const { stdout, exitCode } = git("rev-parse", "--short", "HEAD");
  if (exitCode !== 0) return "";
  const changed = git("status", "--porcelain", "--", "src", "package-lock.json").stdout.length > 0;
  return `${stdout.toString().trim()}${changed ? "-changed" : ""}`;
}

async function main(args: readonly string[]): Promise<void> {
  const root = process.cwd();
  const dist = join(root, "dist");
  const wrong = args.find((one) => one !== "--all" && !targets.some(({ name }) => name === one));
  if (wrong !== undefined) {
    console.error(`${wrong} is no target: --all, or some of ${targets.map(({ name }) => name).join(", ")}`);
    process.exitCode = 2;
    return;
  }
  if (args.length === 0) {
    for (const line of await buildRelease({ root })) console.log(line);
    return;
  }
  for (const target of targets.filter(({ name }) => args.includes("--all") || args.includes(name))) {
    const runtime = await runtimeFor(target, { root, cache: join(dist, ".runtime") });
    for (const line of await buildRelease({ root, out: join(dist, target.name), target, runtime })) console.log(line);
  }
}

if (import.meta.main) await main(process.argv.slice(2));
