// Runs before `npm start`, `npm test` and `npm run bench`, on plain Node: installs the dependencies when they are
// missing or not those of package-lock.json, and mends Bun where npm ran without install scripts.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const marker = join(modules, ".lizardcd-lock");

const lock = readFileSync(join(root, "package-lock.json"));
const wanted = createHash("sha256").update(lock).digest("hex");

if (textOf(marker) !== wanted) {
  if (!isInstalled()) install();
  writeFileSync(marker, wanted);
}
if (!bunRuns()) mendBun();

/** Whether a plain `npm install` has brought already what the lock file says. */
function isInstalled() {
  const installed = textOf(join(modules, ".package-lock.json"));
  if (!installed) return false;
  const have = JSON.parse(installed).packages;
  const want = JSON.parse(lock.toString()).packages;
  return Object.entries(want).every(([path, { version, optional, peer }]) => {
    // Optional ones are for other machines; the empty path is this project.
    if (path === "" || (optional && !have[path])) return true;
    return have[path] ? have[path].version === version : peer === true;
  });
}

function install() {
  console.log("installing dependencies (npm install)");
  // Not `npm ci`: it refuses a lock file without the optional packages of other operating systems, which some
  // registries do not carry. This one takes the versions of the lock file too, and does not write it.
  const flags = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  // The npm that runs this script; without one, the npm in PATH.
  const npm = process.env.npm_execpath;
  const windows = process.platform === "win32";
  const result = npm
    ? spawnSync(process.execPath, [npm, ...flags], { cwd: root, stdio: "inherit" })
    : spawnSync(windows ? "npm.cmd" : "npm", flags, { cwd: root, stdio: "inherit", shell: windows });
  if (result.status !== 0) stop("npm install failed: is the registry reachable? (npm config get registry)");
}

/** The package comes with a small file in place of the program; its install script puts the program there. */
function bunRuns() {
  const program = statSync(join(modules, "bun", "bin", "bun.exe"), { throwIfNoEntry: false });
  return program !== undefined && program.size > 1_000_000;
}

function mendBun() {
  console.log("installing Bun (node node_modules/bun/install.js)");
  const script = join(modules, "bun", "install.js");
  const result = spawnSync(process.execPath, [script], { cwd: join(modules, "bun"), stdio: "inherit" });
  if (result.status !== 0 || !bunRuns()) stop("Bun could not be installed: see https://bun.com/docs/installation");
}

function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause.code === "ENOENT") return undefined;
    throw cause;
  }
}

function stop(reason) {
  console.error(reason);
  process.exit(1);
}
