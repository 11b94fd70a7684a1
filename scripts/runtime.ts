// Bun for other machines, which a compiled program carries inside: from the npm packages that package-lock.json names,
// checked against its sums.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

export interface Target {
  /** "linux-x64-musl": a folder of dist. */
  name: string;
  /** As Bun calls it. */
  bun: `bun-${string}`;
  /** The npm package that holds its runtime. */
  package: string;
  /** What a program's file name ends with. */
  ending: "" | ".exe";
}

export const targets: readonly Target[] = [
  { name: "linux-x64", bun: "bun-linux-x64", package: "@oven/bun-linux-x64", ending: "" },
  { name: "linux-arm64", bun: "bun-linux-arm64", package: "@oven/bun-linux-aarch64", ending: "" },
  { name: "linux-x64-musl", bun: "bun-linux-x64-musl", package: "@oven/bun-linux-x64-musl", ending: "" },
  { name: "linux-arm64-musl", bun: "bun-linux-arm64-musl", package: "@oven/bun-linux-aarch64-musl", ending: "" },
  { name: "darwin-arm64", bun: "bun-darwin-arm64", package: "@oven/bun-darwin-aarch64", ending: "" },
  { name: "darwin-x64", bun: "bun-darwin-x64", package: "@oven/bun-darwin-x64", ending: "" },
  { name: "windows-x64", bun: "bun-windows-x64", package: "@oven/bun-windows-x64", ending: ".exe" },
];

export interface RuntimeOptions {
  /** The checkout. */
  root: string;
  /** The folder in which runtimes are kept from one build to the next. */
  cache: string;
  /** The program that fetches. */
  npm?: string;
}

/** @returns the path of the runtime. @throws Error where it cannot be fetched, or is not the one of package-lock.json. */
export async function runtimeFor(target: Target, { root, cache, npm = "npm" }: RuntimeOptions): Promise<string> {
  const { version, integrity } = await locked(root, target.package);
  const runtime = join(cache, `${target.name}-${version}${target.ending}`);
  if (existsSync(runtime)) return runtime;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "fetch-"));
  try {
    await run([npm, "pack", `${target.package}@${version}`, "--silent", "--cache", join(work, "npm")], work);
    const archive = join(work, `${target.package.slice(1).replace("/", "-")}-${version}.tgz`);
    const sum = `sha512-${createHash("sha512")
      .update(await readFile(archive))
      .digest("base64")}`;
    if (sum !== integrity) throw new Error(`${target.package} ${version} is not what package-lock.json says: ${sum}`);
    const file = `package/bin/bun${target.ending}`;
    await run(["tar", "-xzf", archive, file], work);
    await chmod(join(work, file), 0o755);
    await rename(join(work, file), runtime);
    return runtime;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function locked(root: string, name: string): Promise<{ version: string; integrity: string }> {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  const entry = packages[`node_modules/${name}`];
  if (!entry?.integrity) throw new Error(`package-lock.json names no sum for ${name}`);
  return entry;
}

async function run(command: string[], cwd: string): Promise<void> {
  const child = Bun.spawn(command, { cwd, stdout: "ignore", stderr: "pipe" });
  const [code, said] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${said.trim()}`);
}
