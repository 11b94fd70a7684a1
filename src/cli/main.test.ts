import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () =>
    Response.json({
      items: Array.from({ length: 5_000 }, (_, index) => ({
        row: { cluster: "eu-1", namespace: "shop", resource: "deployments", name: `web-${index}`, state: "ok" },
      })),
    }),
});
const main = join(import.meta.dir, "main.ts");
const home = mkdtempSync(join(tmpdir(), "lizardcd-cli-"));
const env = { PATH: process.env.PATH, HOME: home, LIZARDCD_SERVER: server.url.origin, LIZARDCD_TOKEN: "x" };

afterAll(async () => {
  rmSync(home, { recursive: true, force: true });
  await server.stop(true);
});

async function shell(line: string): Promise<{ code: number; out: string; err: string }> {
  const running = Bun.spawn(["bash", "-c", line, "bash", process.execPath, main], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(running.stdout).text(), new Response(running.stderr).text()]);
  return { code: await running.exited, out, err };
}

test("a reader who has seen enough ends the output quietly", async () => {
  const { code, out, err } = await shell('"$1" "$2" get workloads -o name | head -n 1; echo "$PIPESTATUS"');
  expect(err).toBe("");
  expect(out).toBe("eu-1/shop/deployments/web-0\n0\n");
  expect(code).toBe(0);
});

test("a pipe gets every row whole, however many", async () => {
  const { out } = await shell('"$1" "$2" get workloads --no-headers | tail -n 1');
  expect(out).toContain("deployments/web-4999");
  expect((await shell('"$1" "$2" get workloads -o name | wc -l')).out.trim()).toBe("5000");
});

test("the process ends with the code of what went wrong", async () => {
  expect((await shell('"$1" "$2" get nothing')).code).toBe(2);
  const away = await shell('LIZARDCD_SERVER=http://127.0.0.1:1 "$1" "$2" get clusters');
  expect(away.code).toBe(6);
  expect(away.out).toBe("");
});

test("neither gRPC nor the server's libraries are loaded", async () => {
  const built = await Bun.build({ entrypoints: [main], target: "bun", metafile: true });
  const inputs = Object.keys((built as { metafile?: { inputs: Record<string, unknown> } }).metafile?.inputs ?? {});
  expect(inputs.some((path) => path.endsWith("src/cli/run.ts"))).toBe(true);
  expect(inputs.filter((path) => /@grpc|elysia|preact|kubernetes/.test(path))).toEqual([]);
});
