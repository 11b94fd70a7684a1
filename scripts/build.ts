// Compiles the three programs, one binary each: `npm run build`. What they need at run time travels inside.
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { BunPlugin } from "bun";
import { Root } from "protobufjs";

const programs = {
  "lizardcd-server": "src/server/main.ts",
  "lizardcd-agent": "src/agent/main.ts",
  lizardcd: "src/cli/main.ts",
} as const;

export type ProgramName = keyof typeof programs;

export interface BuildOptions {
  /** The checkout to build; the current folder where left out. */
  root?: string;
  /** Where the binaries go. */
  out?: string;
  names?: readonly ProgramName[];
}

/** @returns the paths of the binaries. @throws Error with what Bun says when one cannot be built. */
export async function buildPrograms({
  root = process.cwd(),
  out = join(root, "dist"),
  names = Object.keys(programs) as ProgramName[],
}: BuildOptions = {}): Promise<Record<string, string>> {
  await mkdir(out, { recursive: true });
  const built: Record<string, string> = {};
  for (const name of names) {
    const outfile = join(out, name);
    const result = await Bun.build({
      entrypoints: [resolve(root, programs[name])],
      compile: { outfile },
      target: "bun",
      minify: true,
      bytecode: true,
      format: "esm",
      define: { LIZARDCD_COMMIT: JSON.stringify(await commit(root)) },
      plugins: [protoInside()],
      // Optional parts of libraries that are not installed; their absence is met at run time, where they are asked for.
      external: ["proxy-agent"],
    });
    if (!result.success) throw new AggregateError(result.logs, `${name} cannot be built`);
    built[name] = outfile;
  }
  return built;
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

async function commit(root: string): Promise<string> {
  // Where the source came without its history, whoever builds may say it: an image, for one.
  if (process.env.LIZARDCD_COMMIT !== undefined) return process.env.LIZARDCD_COMMIT;
  if (!Bun.which("git")) return "";
  const { stdout, exitCode } = Bun.spawnSync(["git", "-C", root, "rev-parse", "--short", "HEAD"]);
  return exitCode === 0 ? stdout.toString().trim() : "";
}

if (import.meta.main) {
  for (const [name, path] of Object.entries(await buildPrograms())) {
    console.log(`${name}  ${path}  ${(Bun.file(path).size / 1024 / 1024).toFixed(1)} MB`);
  }
}
