// What a program is made of, as CycloneDX: of npm's list for the checkout, the packages that were bundled into it.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

interface Component {
  "bom-ref": string;
  name: string;
  version: string;
  [more: string]: unknown;
}

interface Bom {
  metadata: Record<string, unknown>;
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
  [more: string]: unknown;
}

/** All packages of the checkout, those for development among them. */
export async function packagesOf(root: string): Promise<Bom> {
  const command = ["npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const child = Bun.spawn(command, { cwd: root, stdout: "pipe", stderr: "pipe" });
  const [text, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`npm sbom failed: ${said.trim()}`);
  return JSON.parse(text) as Bom;
}

interface Lock {
  packages: Record<string, { version: string }>;
}

export interface Program {
  name: string;
  version: string;
  commit: string;
  /** Of the file. */
  sha256: string;
  /** Files that were bundled. */
  inputs: readonly string[];
  /** The npm package of the runtime inside, "@oven/bun-linux-x64". */
  runtime: string;
}

export async function sbomOf(
  all: Bom,
  { name, version, commit, sha256, inputs, runtime }: Program,
  root: string,
): Promise<Bom> {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Lock;
  const bundled = new Set(
    [...inputs.map(packageOf), ...inputs.flatMap(packedInto), `node_modules/${runtime}`].flatMap((path) => {
      const one = packages[path];
      return one ? [`${path.split("node_modules/").at(-1)}@${one.version}`] : [];
    }),
  );
  const components = all.components.filter((one) => bundled.has(`${one.name}@${one.version}`));
  const refs = new Set(components.map((one) => one["bom-ref"]));
  const self = `${name}@${version}`;
  return {
    ...all,
    metadata: {
      ...all.metadata,
      component: {
        "bom-ref": self,
        type: "application",
        name,
        version: commit ? `${version}+${commit}` : version,
        licenses: [{ license: { id: "Apache-2.0" } }],
        hashes: [{ alg: "SHA-256", content: sha256 }],
      },
    },
    components,
    dependencies: [
      { ref: self, dependsOn: [...refs] },
      ...all.dependencies
        .filter(({ ref }) => refs.has(ref))
        .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) })),
    ],
  };
}

/** "node_modules/a/node_modules/@b/c/index.js" -> "node_modules/a/node_modules/@b/c"; "" for what is ours. */
function packageOf(path: string): string {
  return /^((?:node_modules\/(?:@[^/]+\/)?[^/]+\/)+)/.exec(path.replaceAll("\\", "/"))?.[1]?.slice(0, -1) ?? "";
}

/** What the committed files of the pages were built from. */
function packedInto(path: string): string[] {
  if (/^src\/views\/public\/htmx/.test(path)) return ["node_modules/htmx.org"];
  return /^src\/views\/public\/.*\.css$/.test(path) ? ["node_modules/daisyui", "node_modules/tailwindcss"] : [];
}
