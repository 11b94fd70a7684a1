/** What building needs from the machine: a Go that is new enough, and packages of the operating system. */
import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** This machine cannot have a part of the testbed; `reason` says why and what would help. */
export class PartMissing extends Error {
  override name = "PartMissing";
  constructor(
    readonly part: string,
    readonly reason: string,
  ) {
    super(`the testbed's part ${part} is missing: ${reason}`);
  }
}

/** Names the file into which a run collects the parts that were asked for and are missing, one JSON a line. */
export const missingPartsVariable = "LIZARDCD_TESTBED_MISSING";

export interface MissingPart {
  part: string;
  reason: string;
}

/** Fetched as a Go module when the Go at hand is too old to fetch it by itself. */
const toolchain = "v0.0.1-go1.26.7";

/** Program in PATH, or where installers put it that do not change PATH. */
export function executable(name: string): string | undefined {
  const folders = ["/usr/local/go/bin", "/usr/local/bin", join(homedir(), "go/bin"), join(homedir(), ".local/bin")];
  return Bun.which(name) ?? folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? undefined;
}

/**
 * Path of a go command that can build the module in `folder`: the one at hand if it is 1.21 or newer (it fetches the
 * toolchain that go.mod asks for), else a newer one brought as a module by the old one.
 */
export async function go(part: string, folder: string, log: (line: string) => void): Promise<string> {
  if (!executable("go")) await aptInstall(part, ["golang-go"], log);
  const command = executable("go");
  if (!command) throw new PartMissing(part, "there is no Go; install Go 1.21 or newer from https://go.dev/dl");
  const minor = Number(/go1\.(\d+)/.exec(await output(part, [command, "version"], folder))?.[1]);
  if (minor >= 21) return command;

  log(`testbed: Go 1.${minor} is too old; fetching ${toolchain}`);
  const cpu = process.arch === "x64" ? "amd64" : process.arch;
  const version = `golang.org/toolchain@${toolchain}.${process.platform}-${cpu}`;
  // Outside of any module, so that the old Go does not have to read our go.mod.
  const described = await output(part, [command, "mod", "download", "-json", version], homedir());
  const root = (JSON.parse(described) as { Dir: string }).Dir;
  markExecutable(root);
  return join(root, "bin", "go");
}

/**
 * Installs Debian packages when this is root on a machine with apt-get.
 * @throws PartMissing when it is not, naming the packages to install
 */
export async function aptInstall(part: string, packages: readonly string[], log: (line: string) => void) {
  const names = packages.join(" ");
  if (process.getuid?.() !== 0 || !Bun.which("apt-get")) {
    throw new PartMissing(part, `not installed, and only root can with apt-get: apt-get install ${names}`);
  }
  log(`testbed: installing ${names} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", ...packages];
  let last = "";
  // The package lists of a fresh machine may be missing or too old to install from.
  for (const command of [install, ["apt-get", "update", "-q"], install]) {
    const result = await run(command, { env });
    if (result.code === 0 && command === install) return;
    last = result.text;
  }
  throw new PartMissing(part, `apt-get install ${names} failed:\n${last.trim().split("\n").slice(-5).join("\n")}`);
}

async function output(part: string, command: string[], cwd: string): Promise<string> {
  const { code, text } = await run(command, { cwd, env: process.env });
  if (code !== 0) throw new PartMissing(part, `${command.join(" ")} ended with ${code}:\n${text.trim()}`);
  return text;
}

async function run(command: string[], options: { cwd?: string; env: Record<string, string | undefined> }) {
  const child = Bun.spawn(command, { ...options, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const code = await child.exited;
  return { code, text: code === 0 ? out : out + errors };
}

/** Module files are not executable; a Go that knows toolchains would have marked them itself. */
function markExecutable(root: string) {
  for (const folder of ["bin", "pkg/tool"]) {
    const path = join(root, folder);
    mkdirSync(path, { recursive: true });
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) chmodSync(join(entry.parentPath, entry.name), 0o755);
    }
  }
}
