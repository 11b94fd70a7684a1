// Builds what the pages load into src/views/public, which is committed. With --check it builds elsewhere and fails when
// the committed files are stale.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const committed = join(root, "src/views/public");
const htmx = join(root, "node_modules/htmx.org");

const files = ["app.css", "client.min.js", "favicon.svg", "htmx.min.js", "hx-sse.min.js", "licences.txt"];

const favicon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="#1a211d"/><g fill="none" stroke="#a8cf45" stroke-linecap="round"><path d="M16.6 5.2c-3.2-.6-5.4 1-5.2 3.5.2 2.6 3.5 2.7 3.3 5.2-.2 2.6-3.6 3.3-5.2 1.9-1.3-1.1-.9-3 .7-3.2" stroke-width="2"/><path d="M11.8 7 9.2 5.7M14.6 12.3l2.7-.9M12.2 10.6l-2.5.7M14 15.9l1.7 2.2" stroke-width="1.5"/></g><circle cx="17" cy="5.5" r="1.7" fill="#a8cf45"/></svg>\n';

if (process.argv.includes("--check")) await check();
else {
  await build(committed);
  for (const name of files) console.log(name, await sizes(join(committed, name)));
}

async function build(into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  await css(join(into, "app.css"));
  await script(into);
  await writeFile(join(into, "htmx.min.js"), await bare(join(htmx, "dist/htmx.min.js")));
  await writeFile(join(into, "hx-sse.min.js"), await bare(join(htmx, "dist/ext/hx-sse.min.js")));
  await writeFile(join(into, "favicon.svg"), favicon);
  await writeFile(join(into, "licences.txt"), await licences());
}

async function css(out: string): Promise<void> {
  const source = join(root, "src/views/app.css");
  const command = [
    process.execPath,
    join(root, "node_modules/@tailwindcss/cli/dist/index.mjs"),
    "-i",
    source,
    "-o",
    out,
    "--minify",
  ];
  const child = Bun.spawn(command, { cwd: root, stdout: "ignore", stderr: "pipe" });
  const [said, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0) throw new Error(`tailwindcss failed on ${source}:\n${said}`);
}

async function script(into: string): Promise<void> {
  const built = await Bun.build({
    entrypoints: [join(root, "src/views/client.ts")],
    minify: true,
    target: "browser",
    format: "iife",
  });
  const [output] = built.outputs;
  if (!built.success || !output) throw new AggregateError(built.logs, "client.ts cannot be built");
  await writeFile(join(into, "client.min.js"), await output.text());
}

// Without the line that points to a source map we do not serve.
async function bare(path: string): Promise<string> {
  return (await readFile(path, "utf8")).replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");
}

async function licences(): Promise<string> {
  const parts = await Promise.all(
    ["htmx.org", "tailwindcss", "daisyui"].map(async (name) => {
      const { version } = JSON.parse(await readFile(join(root, "node_modules", name, "package.json"), "utf8"));
      return `${name} ${version}\n\n${(await readFile(join(root, "node_modules", name, "LICENSE"), "utf8")).trim()}\n`;
    }),
  );
  return parts.join("\n----\n\n");
}

async function check(): Promise<void> {
  const fresh = await mkdtemp(join(tmpdir(), "lizardcd-assets-"));
  try {
    await build(fresh);
    const stale: string[] = [];
    for (const name of files) {
      const [is, should] = await Promise.all(
        [committed, fresh].map((folder) => readFile(join(folder, name), "utf8").catch(() => "")),
      );
      if (is !== should) stale.push(name);
    }
    if (stale.length > 0) {
      console.error(`stale in src/views/public: ${stale.join(", ")}; run: bun scripts/assets.ts`);
      process.exitCode = 1;
    }
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

async function sizes(path: string): Promise<string> {
  const body = await readFile(path);
  return `${(body.length / 1024).toFixed(1)} KB, ${(gzipSync(body).length / 1024).toFixed(1)} KB gzip`;
}
