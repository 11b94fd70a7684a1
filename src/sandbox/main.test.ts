import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "sandbox-"));
afterAll(() => rmSync(folder, { recursive: true }));

const started = new Set<ReturnType<typeof start>>();

afterEach(async () => {
  for (const process of started) process.kill("SIGKILL");
  started.clear();
});

test("the process says where it serves, writes a kubeconfig for its owner only, and ends with its stdin", async () => {
  const file = join(folder, "kubeconfig");
  writeFileSync(file, "old", { mode: 0o644 });
  const process = start(["--name", "eu1", "--seed", "roaming", "--kubeconfig-out", file, "--end-with-stdin"]);
  const ready = await firstLine(process);
  expect(ready).toEqual({ ready: true, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), name: "eu1" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const kubeconfig = Bun.YAML.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  expect(kubeconfig["current-context"]).toBe("eu1");
  process.stdin.end();
  expect(await process.exited).toBe(0);
});

test("SIGTERM ends the process at once, watches or not", async () => {
  const process = start(["--seed", "many:5", "--token", "t"]);
  const { url } = await firstLine(process);
  const watch = await fetch(`${url}/api/v1/pods?watch=1`, { headers: { authorization: "Bearer t" } });
  process.kill("SIGTERM");
  expect(await process.exited).toBe(0);
  await watch.text();
});

test("an unknown seed is an error that names those there are", async () => {
  const process = start(["--seed", "sunny"]);
  expect(await process.exited).toBe(2);
  expect(await new Response(process.stderr).text()).toBe("no seed named sunny: use calm, stormy, roaming or many:N\n");
});

function start(args: string[]) {
  const main = join(import.meta.dir, "main.ts");
  const child = Bun.spawn([process.execPath, main, ...args], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  started.add(child);
  return child;
}

async function firstLine({ stdout }: ReturnType<typeof start>) {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return JSON.parse(text);
}
