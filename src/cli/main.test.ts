import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { workloadRow } from "./testserver.ts";

const web = "/clusters/eu-1/namespaces/shop/deployments/web";
const restarts: string[] = [];
let asked = 0;
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === `${web}/restart`) restarts.push(pathname);
    if (pathname.startsWith(web)) return Response.json({ row: workloadRow("web", { ...failing[asked++] }) });
    if (pathname === "/fleet") return Response.json({ clusters: [{ name: "eu-1", state: "ok", workloads: asked++ }] });
    return Response.json({
      items: Array.from({ length: 5_000 }, (_, index) => ({
        row: { cluster: "eu-1", namespace: "shop", resource: "deployments", name: `web-${index}`, state: "ok" },
      })),
    });
  },
});
/** What a rollout looks like that goes a step and then no further. */
const failing = [
  { state: "run", updated: 1 },
  { state: "run", updated: 2 },
  { state: "failed", reason: { code: "rollout.deadline", params: {}, message: "" } },
];
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

/** Into a pipe that nobody reads any more when the program writes. */
const unread = (words: string) =>
  shell(`"$1" "$2" ${words} 2>&1 | true; echo "$PIPESTATUS"`).then(({ out }) => Number(out));

test("a command whose output nobody reads ends as it would have, and does what it was asked to", async () => {
  expect(await unread("nosuch")).toBe(2);
  expect(await unread("get clusters -s http://127.0.0.1:1")).toBe(6);
  expect(await unread("get clusters")).toBe(0);
  // The file's warning comes before the change is sent.
  mkdirSync(join(home, ".config/lizardcd"), { recursive: true });
  const kept = join(home, ".config/lizardcd/config.yaml");
  writeFileSync(kept, "contexts: {}", { mode: 0o644 });
  expect(await unread("restart web -c eu-1 -n shop")).toBe(0);
  expect(restarts).toHaveLength(1);
  rmSync(kept);
}, 30_000);

test("a rollout's end is told by the exit code, though nobody reads the way there", async () => {
  asked = 0;
  const { out } = await shell('"$1" "$2" rollout status web -c eu-1 -n shop 2>&1 | head -n 1; echo "$PIPESTATUS"');
  expect(out).toMatch(/^shop\/web \(eu-1\): .*\n7\n$/);
}, 30_000);

test("what is watched ends with the first change that nobody reads", async () => {
  expect(await shell('"$1" "$2" get clusters --watch | head -n 1; echo "$PIPESTATUS"')).toMatchObject({
    out: expect.stringMatching(/^CLUSTER .*\n0\n$/),
    err: "",
  });
}, 30_000);

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
