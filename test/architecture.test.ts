// The house's one direction of imports, and the places where certain things alone may stand.
import { expect, test } from "bun:test";
import { homedir } from "node:os";
import { Glob } from "bun";

const root = new URL("..", import.meta.url).pathname;

/** Who may import what of ours. A room may always import itself. */
const mayImport: Record<string, readonly string[]> = {
  gen: [],
  process: [],
  wire: [],
  trust: [],
  tunnel: [],
  discovery: ["gen", "process", "wire"],
  sandbox: ["process"],
  contract: ["gen", "process", "wire"],
  words: ["gen", "contract"],
  views: ["gen", "contract", "words"],
  cli: ["gen", "contract", "words", "process"],
  agent: ["gen", "contract", "discovery", "process", "trust", "tunnel"],
  server: ["gen", "contract", "discovery", "process", "trust", "tunnel", "views", "words"],
  start: ["process"],
};

interface Import {
  from: string;
  to: string;
  file: string;
}

async function sources(pattern = "src/**/*.{ts,tsx}"): Promise<{ file: string; text: string }[]> {
  const files: { file: string; text: string }[] = [];
  for await (const file of new Glob(pattern).scan({ cwd: root })) {
    files.push({ file, text: await Bun.file(`${root}/${file}`).text() });
  }
  return files;
}

function room(path: string): string {
  return path
    .replace(/^src\//, "")
    .split("/")[0]!
    .replace(/\.tsx?$/, "");
}

async function imports(): Promise<Import[]> {
  const found: Import[] = [];
  for (const { file, text } of await sources()) {
    if (/\.test\.tsx?$/.test(file)) continue;
    for (const [, path] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      const to = new URL(path!, `file:///${file}`).pathname.slice(1);
      if (to.startsWith("src/")) found.push({ from: room(file), to: room(to), file });
    }
  }
  return found;
}

test("imports run one way", async () => {
  const all = await imports();
  expect(all.length).toBeGreaterThan(100);
  const wrong = all.filter(({ from, to }) => from !== to && !mayImport[from]?.includes(to));
  expect(wrong.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
});

test("every room of src is in the table", async () => {
  const rooms = new Set((await sources()).map(({ file }) => room(file)));
  expect([...rooms].filter((one) => !(one in mayImport))).toEqual([]);
});

// credentials.ts hands the environment on to exec plugins, as kubectl does.
test("flags, files and environment are read by config.ts and the process room alone", async () => {
  const readers = (await sources()).filter(
    ({ file, text }) =>
      /process\.(env|argv)/.test(text) &&
      !/(^|\/)config\.ts$|^src\/process\/|^src\/sandbox\/main\.ts$|^src\/start\.ts$|^src\/start\/|^src\/cli\/|\.test\.tsx?$|^src\/agent\/credentials\.ts$/.test(
        file,
      ),
  );
  expect(readers.map(({ file }) => file)).toEqual([]);
});

test("SQL stands in the store alone", async () => {
  const elsewhere = (await sources()).filter(
    ({ file, text }) =>
      !file.startsWith("src/server/store/") && /\b(SELECT .* FROM|INSERT INTO|DELETE FROM)\b/.test(text),
  );
  expect(elsewhere.map(({ file }) => file)).toEqual([]);
});

test("registry clients are loaded when configured, not at start", async () => {
  const early = (await sources()).filter(
    ({ file, text }) => !file.includes(".test.") && /^import (?!type)[^;]*from "(etcd3|consul|nacos)"/m.test(text),
  );
  expect(early.map(({ file }) => file)).toEqual([]);
});

test("no file records a path of the machine it was written on, or a registry's address", async () => {
  const lock = await Bun.file(`${root}/package-lock.json`).text();
  expect(lock).not.toMatch(/"resolved": *"https?:/);
  const wrong = [];
  for (const pattern of ["src/**/*", "test/**/*", "scripts/**/*", "proto/**/*", "*.{md,json,toml,yaml}", "docs/**/*"]) {
    for (const { file, text } of await sources(pattern)) {
      if (text.includes(root) || text.includes(`${homedir()}/`)) wrong.push(file);
    }
  }
  expect(wrong).toEqual([]);
});
