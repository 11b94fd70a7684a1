/**
 * Has the parts of the testbed: builds what is missing from source, or installs it, and keeps it outside the checkout
 * (`$XDG_CACHE_HOME` or `~/.cache`, `lizardcd-testbed/`), so that the next clone on the machine finds it.
 *
 * On the command line: `bun test/testbed/build.ts kubernetes helm` builds these parts and prints where they are.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { withLock } from "./lock.ts";
import { processGroup } from "./processes.ts";
import { aptInstall, executable, go, PartMissing } from "./toolchain.ts";

export { PartMissing } from "./toolchain.ts";

const kubernetesVersion = "v1.36.3";

/** Go modules beside this file that hold nothing but versions; each of their tools becomes one binary. */
const modules = {
  kube: {
    // Without the version the API server reports none that clients accept.
    ldflags: ["gitVersion", "gitMajor", "gitMinor"]
      .map((key, i) => `-X k8s.io/component-base/version.${key}=${[kubernetesVersion, "1", "36"][i]}`)
      .join(" "),
    tools: {
      etcd: "go.etcd.io/etcd/server/v3",
      "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
      "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
      "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
      kubectl: "k8s.io/kubernetes/cmd/kubectl",
      kwok: "sigs.k8s.io/kwok/cmd/kwok",
      helm: "helm.sh/helm/v4/cmd/helm",
      toxiproxy: "github.com/Shopify/toxiproxy/v2/cmd/server",
    },
  },
  consul: { ldflags: "", tools: { consul: "github.com/hashicorp/consul" } },
} as const;

type ModuleName = keyof typeof modules;

/** How each part is had: binaries of a Go module, a Maven project, a Python package that is one, or programs of the operating system. */
const parts = {
  kubernetes: {
    module: "kube",
    tools: ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok"],
  },
  etcd: { module: "kube", tools: ["etcd"] },
  helm: { module: "kube", tools: ["helm"] },
  toxiproxy: { module: "kube", tools: ["toxiproxy"] },
  consul: { module: "consul", tools: ["consul"] },
  nacos2: { project: "nacos/v2", jar: "nacos2.jar" },
  nacos3: { project: "nacos/v3", jar: "nacos3.jar" },
  hadolint: { requirements: "hadolint", tools: ["hadolint"] },
  chromium: {
    programs: { chromium: ["chromium", "chromium-browser", "google-chrome"] },
    packages: ["chromium", "fonts-noto-cjk"],
  },
  postgres: { programs: { postgres: ["postgres"], initdb: ["initdb"] }, packages: ["postgresql"] },
  bash: { programs: { bash: ["bash"], script: ["script"] }, packages: ["bash", "bsdutils"] },
  zsh: { programs: { zsh: ["zsh"], script: ["script"] }, packages: ["zsh", "bsdutils"] },
  systemd: { programs: { "systemd-analyze": ["systemd-analyze"] }, packages: ["systemd"] },
  fish: { programs: { fish: ["fish"], script: ["script"] }, packages: ["fish", "bsdutils"] },
} as const;

export type Part = keyof typeof parts;
export const partNames = Object.keys(parts) as Part[];

/** Absolute paths by name: a tool's name, `java` and `jar` for Nacos, `chromium`, `postgres` and `initdb`. */
export type Paths<P extends Part = Part> = Record<
  (typeof parts)[P] extends { tools: readonly (infer T extends string)[] }
    ? T
    : (typeof parts)[P] extends { programs: infer T }
      ? keyof T & string
      : "java" | "jar",
  string
>;

/**
 * The paths of a part, built first when needed (minutes when nothing is cached).
 * @throws PartMissing with the reason when this machine cannot have it
 */
export async function provide<P extends Part>(part: P, log: (line: string) => void = console.error): Promise<Paths<P>> {
  const found = cached(part);
  if (found) return found;
  const how = parts[part];
  if ("module" in how) await buildTools(part, how.module, how.tools, log);
  else if ("project" in how) await buildNacos(part, how, log);
  else if ("requirements" in how) await installWheel(part, how.requirements, log);
  else await aptInstall(part, how.packages, log);
  const built = cached(part);
  if (!built) throw new PartMissing(part, "it was installed, but its programs are not found");
  return built;
}

/** The paths of a part if it is there already; builds nothing. */
export function cached<P extends Part>(part: P): Paths<P> | undefined {
  const paths = locate(part);
  if (Object.values(paths).some((path) => !path || !existsSync(path))) return undefined;
  return paths as Paths<P>;
}

function locate(part: Part): Record<string, string | undefined> {
  const how = parts[part];
  if ("module" in how) return Object.fromEntries(how.tools.map((tool) => [tool, toolPath(how.module, tool)]));
  if ("requirements" in how)
    return Object.fromEntries(how.tools.map((tool) => [tool, join(projectFolder(how.requirements), "bin", tool)]));
  if ("project" in how) return { java: executable("java"), jar: join(projectFolder(how.project), how.jar) };
  return Object.fromEntries(Object.entries(how.programs).map(([name, names]) => [name, program(name, names)]));
}

function program(name: string, names: readonly string[]): string | undefined {
  const chosen = process.env[`LIZARDCD_TESTBED_${name.toUpperCase()}`];
  if (chosen) return chosen;
  for (const candidate of names) {
    const path = executable(candidate) ?? debianPostgres(candidate);
    if (path) return path;
  }
}

/** Debian keeps the programs of PostgreSQL out of PATH, one folder for each major version. */
function debianPostgres(name: string): string | undefined {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return undefined;
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(root, version, "bin", name)).find((path) => existsSync(path));
}

async function buildTools(part: Part, name: ModuleName, tools: readonly string[], log: (line: string) => void) {
  const { ldflags, tools: packages } = modules[name];
  const source = join(import.meta.dirname, name);
  const command = await go(part, source, log);
  await withLock(join(cacheRoot(), `${name}.lock`), async () => {
    for (const tool of tools) {
      const path = toolPath(name, tool);
      if (existsSync(path)) continue;
      const started = performance.now();
      log(`testbed: building ${tool}`);
      mkdirSync(join(path, ".."), { recursive: true });
      const unfinished = `${path}.${process.pid}`;
      const target = (packages as Record<string, string>)[tool]!;
      await runBuild(part, [command, "build", "-ldflags", `-s -w ${ldflags}`, "-o", unfinished, target], source);
      renameSync(unfinished, path);
      log(`testbed: built ${tool} in ${seconds(started)} s`);
    }
  });
}

async function buildNacos(part: Part, { project, jar }: { project: string; jar: string }, log: (line: string) => void) {
  if (!executable("java") || !executable("javac") || !executable("mvn"))
    await aptInstall(part, ["openjdk-17-jdk-headless", "maven"], log);
  const folder = projectFolder(project);
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(join(folder, jar))) return;
    const started = performance.now();
    log(`testbed: building ${part}`);
    const work = `${folder}.${process.pid}`;
    cpSync(join(import.meta.dirname, project), work, { recursive: true });
    try {
      await runBuild(part, [executable("mvn")!, "-q", "-B", "package"], work);
      checkSums(part, join(work, "target", "lib"), readFileSync(join(work, "nacos-jars.sha256"), "utf8"));
      renameSync(join(work, "target"), folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    log(`testbed: built ${part} in ${seconds(started)} s`);
  });
}

/** Its file is the one that requirements.txt has the sum of, or it is not installed. */
async function installWheel(part: Part, project: string, log: (line: string) => void) {
  if (!hasPip()) await aptInstall(part, ["python3-pip"], log);
  const folder = projectFolder(project);
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(folder)) return;
    log(`testbed: installing ${part}`);
    const source = join(import.meta.dirname, project);
    const unfinished = `${folder}.${process.pid}`;
    const words = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    try {
      await runBuild(
        part,
        [executable("python3")!, ...words, "--target", unfinished, "-r", "requirements.txt"],
        source,
      );
      renameSync(unfinished, folder);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  });
}

function hasPip(): boolean {
  const python = executable("python3");
  return python !== undefined && Bun.spawnSync([python, "-m", "pip", "--version"]).success;
}

/** The jars come from a small publisher: they are what was compared with the official source, or they do not run. */
function checkSums(part: Part, folder: string, sums: string) {
  for (const line of sums.trim().split("\n")) {
    const [sum, file] = line.split(/\s+/) as [string, string];
    const found = createHash("sha256")
      .update(readFileSync(join(folder, file)))
      .digest("hex");
    if (found !== sum) throw new PartMissing(part, `${file} is not the file that was checked: sha256 ${found}`);
  }
}

async function runBuild(part: Part, command: string[], cwd: string) {
  const group = await processGroup({ name: "build" });
  try {
    // A Go that is older than go.mod asks for fetches the right one, also where that is switched off.
    const env = { ...process.env, GOTOOLCHAIN: "auto" };
    const build = await group.start({ name: "build", command, cwd, env });
    const code = await build.exited;
    if (code !== "0") throw new PartMissing(part, `${command[0]} ended with ${code}:\n${tail(build.log())}`);
  } finally {
    await group.stop();
  }
}

function cacheRoot(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lizardcd-testbed");
}

function toolPath(module: ModuleName, tool: string): string {
  const source = join(import.meta.dirname, module);
  const recipe = [modules[module].ldflags, process.platform, process.arch];
  return join(cacheRoot(), `${module}-${digest([join(source, "go.mod"), join(source, "go.sum")], recipe)}`, tool);
}

function projectFolder(project: string): string {
  const source = join(import.meta.dirname, project);
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return join(cacheRoot(), `${project.replace("/", "-")}-${digest(files, [])}`);
}

function digest(files: string[], more: string[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  for (const text of more) hash.update(text);
  return hash.digest("hex").slice(0, 12);
}

const seconds = (started: number) => ((performance.now() - started) / 1000).toFixed(1);
const tail = (text: string) => text.trim().split("\n").slice(-20).join("\n");

if (import.meta.main) {
  let failed = false;
  for (const name of process.argv.slice(2)) {
    if (!partNames.includes(name as Part)) {
      console.error(`no part "${name}" in the testbed; there are ${partNames.join(", ")}`);
      process.exit(2);
    }
    try {
      console.log(JSON.stringify({ part: name, paths: await provide(name as Part) }));
    } catch (error) {
      if (!(error instanceof PartMissing)) throw error;
      console.log(JSON.stringify({ part: name, missing: error.reason }));
      failed = true;
    }
  }
  process.exit(failed ? 1 : 0);
}
