// The binaries as files: what is said of them, the names they go by, and the little they need to run.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { chmod, copyFile, link, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildRelease } from "../../scripts/build.ts";
import { runtimeFor, targets } from "../../scripts/runtime.ts";
import { endAll, onEnd } from "../harness.ts";
import { testUnless } from "../testbed/part.ts";
import { freePorts, processGroup } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";
import { temporaryFolder } from "./world.ts";

const root = join(import.meta.dirname, "../..");
let dist: string;

setDefaultTimeout(120_000);

beforeAll(async () => {
  dist = await temporaryFolder();
  await buildRelease({ root, out: dist, names: ["lizardcd", "lizardcd-server"] });
}, 120_000);
afterAll(endAll);

function ran(command: string[], cwd: string) {
  const env = { HOME: cwd, PATH: "/usr/bin:/bin" };
  const { stdout, stderr, exitCode } = Bun.spawnSync(command, { cwd, env, stdin: "ignore" });
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

test("each lies there with its sum and with what it is made of, and nothing else", async () => {
  const files = ["", ".cdx.json", ".sha256"].flatMap((ending) => [`lizardcd${ending}`, `lizardcd-server${ending}`]);
  expect((await readdir(dist)).sort()).toEqual(files.sort());
  const { name: _, version } = await Bun.file(join(root, "package.json")).json();
  const lock = (await Bun.file(join(root, "package-lock.json")).json()).packages;
  for (const name of ["lizardcd", "lizardcd-server"]) {
    const sum = createHash("sha256")
      .update(await readFile(join(dist, name)))
      .digest("hex");
    expect(await Bun.file(join(dist, `${name}.sha256`)).text()).toBe(`${sum}  ${name}\n`);
    const bom = await Bun.file(join(dist, `${name}.cdx.json`)).json();
    expect([bom.bomFormat, bom.metadata.component.name]).toEqual(["CycloneDX", name]);
    expect(bom.metadata.component.hashes).toEqual([{ alg: "SHA-256", content: sum }]);
    expect(JSON.stringify(bom)).not.toContain(root);
    const parts = bom.components.map((one: { name: string }) => one.name);
    expect(parts).toContain("@bufbuild/protobuf");
    expect(parts.some((part: string) => part.startsWith("@oven/bun-"))).toBe(true);
    // The server's alone, and what is for development in none.
    expect([name, parts.includes("elysia"), parts.includes("htmx.org")]).toEqual([
      name,
      ...Array(2).fill(name !== "lizardcd"),
    ]);
    expect(parts).not.toContain("typescript");
    for (const one of bom.components) {
      const paths = Object.keys(lock).filter((path) => path.endsWith(`node_modules/${one.name}`));
      expect([one.name, paths.map((path) => lock[path].version)]).toEqual([
        one.name,
        expect.arrayContaining([one.version]),
      ]);
    }
  }
  const said = ran([join(dist, "lizardcd"), "--version"], dist).out;
  expect(said).toMatch(new RegExp(`^lizardcd ${version}( \\([0-9a-f]{7,}(-changed)?\\))?\\n$`));
});

test("by the name lzcli, linked or copied, it takes the earlier tool's words; by its own name only its own", async () => {
  const folder = await temporaryFolder();
  const program = join(dist, "lizardcd");
  await symlink(program, join(folder, "lzcli"));
  await mkdir(join(folder, "hard"));
  await mkdir(join(folder, "copy"));
  await copyFile(program, join(folder, "copy/lzcli"));
  await link(join(folder, "copy/lzcli"), join(folder, "hard/lzcli"));
  for (const path of ["lzcli", "hard/lzcli", "copy/lzcli"]) {
    const { code, err } = ran([join(folder, path), "helm", "repo", "list"], folder);
    expect([path, code, err]).toEqual([path, 1, expect.stringContaining('"helm repo" is not in this version')]);
  }
  // Found in PATH, as scripts call it.
  expect(ran(["sh", "-c", `PATH="${folder}:$PATH"; lzcli deployment list`], folder).err).toContain("--cluster");
  expect(ran([program, "deployment", "list"], folder).code).toBe(2);
});

test("what lies in the folder where it is called does not change it", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, ".env"), "LIZARDCD_SERVER=http://127.0.0.1:1\n");
  await writeFile(join(folder, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  await writeFile(join(folder, "evil.ts"), 'console.log("evil");\n');
  const { code, out, err } = ran([join(dist, "lizardcd"), "get", "clusters"], folder);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain("No server is known");
});

const mounts =
  process.platform === "linux" && process.getuid?.() === 0 && ran(["unshare", "--mount", "true"], "/").code === 0;
const noMounts = { part: "mount namespaces", reason: "only root on Linux can make them" };

testUnless(
  mounts ? undefined : noMounts,
  "the server runs alone in an empty folder on a read-only root, with one folder to write to",
  async () => {
    const group = await processGroup({ name: "readonly" });
    onEnd(() => group.stop());
    const [port, metrics] = (await freePorts(2)) as [number, number];
    const folder = await temporaryFolder();
    await mkdir(join(folder, "data"));
    await mkdir(join(folder, "empty"));
    await copyFile(join(dist, "lizardcd-server"), join(folder, "server"));
    await chmod(join(folder, "server"), 0o755);
    const flags = `--data ${folder}/data --http-addr 127.0.0.1:${port} --metrics-addr 127.0.0.1:${metrics}`;
    const script = [
      "set -e",
      "mount --make-rprivate /",
      `mount --bind ${folder}/data ${folder}/data`,
      // The first line is every mount there is; those that cannot be made read-only are the kernel's own.
      `for at in $(awk '{print $5}' /proc/self/mountinfo); do`,
      `  [ "$at" = ${folder}/data ] || mount -o remount,bind,ro "$at" 2>/dev/null || true`,
      "done",
      `cd ${folder}/empty`,
      "if touch here 2>/dev/null || touch /tmp/here 2>/dev/null; then echo not read-only; exit 9; fi",
      `exec env -i ${folder}/server ${flags}`,
    ].join("\n");
    const server = await group.start({ name: "server", command: ["unshare", "--mount", "sh", "-c", script] });
    const url = `http://127.0.0.1:${port}`;
    await untilAlive(server, async () => (await fetch(`${url}/readyz`)).ok, { what: "the server to be ready" });
    expect((await readdir(join(folder, "data"))).sort()).toContain("lizardcd.db");
    const page = await (await fetch(`${url}/login`, { headers: { accept: "text/html" } })).text();
    const assets = [...page.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path!);
    expect(assets.length).toBeGreaterThan(1);
    for (const path of assets) expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
    expect(await readdir(join(folder, "empty"))).toEqual([]);
  },
  60_000,
);

test("a runtime that is not the one of package-lock.json is not used", async () => {
  const lock = (await Bun.file(join(root, "package-lock.json")).json()).packages;
  for (const target of targets) expect(lock[`node_modules/${target.package}`]?.integrity).toStartWith("sha512-");
  const folder = await temporaryFolder();
  const fake = join(folder, "npm");
  await writeFile(fake, '#!/bin/sh\nname=$(echo "$2" | sed "s/^@//; s#/#-#; s/@/-/")\necho evil > "$name.tgz"\n');
  await chmod(fake, 0o755);
  const fetched = runtimeFor(targets[1]!, { root, cache: join(folder, "cache"), npm: fake });
  expect(String(await fetched.catch((error) => error))).toContain("is not what package-lock.json says");
  expect(await readdir(join(folder, "cache"))).toEqual([]);
});
