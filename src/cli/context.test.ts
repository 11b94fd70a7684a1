import { afterAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { startFake, workloadRow } from "./testserver.ts";

const fake = startFake();
const file = join(fake.home, ".config/lizardcd/config.yaml");
const older = join(fake.home, ".lizardcd-cli.yaml");
const bare = { LIZARDCD_SERVER: undefined, LIZARDCD_TOKEN: undefined };
const root = process.getuid?.() === 0;

afterAll(() => fake.stop());
beforeEach(() => {
  fake.seen.length = 0;
  rmSync(dirname(file), { recursive: true, force: true });
  rmSync(older, { force: true });
  fake.answers["GET /workloads"] = () => Response.json({ items: [{ row: workloadRow("web") }] });
  fake.answers["GET /account"] = ({ token }) =>
    Response.json({ username: token === "Bearer a" ? "ada" : "bob", role: "admin" });
  fake.answers["POST /login"] = () => Response.json({ accessToken: "tok", expiresIn: 3600, user: { username: "eva" } });
});

function write(text: string, mode = 0o600) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

test("several servers are kept by name, each with its own token, and one is current", async () => {
  const other = fake.url.replace("127.0.0.1", "localhost");
  expect((await fake.cli(`login ${fake.url} --token a`, { env: bare })).code).toBe(0);
  expect((await fake.cli(`login ${other} --token b --context second`, { env: bare })).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const listed = await fake.cli("context list", { env: bare });
  expect(listed.out).toMatch(/^CURRENT +NAME +SERVER +USER\n +127\.0\.0\.1:\d+ .* ada\n\* +second .* bob\n$/);
  const json = await fake.cli("context list -o json", { env: bare });
  expect(JSON.parse(json.out)).toMatchObject({
    current: "second",
    contexts: [{ username: "ada", signedIn: true }, {}],
  });
  expect(json.out).not.toContain("token");
  await fake.cli("get workloads", { env: bare });
  expect(fake.seen.at(-1)!.token).toBe("Bearer b");
  await fake.cli(`context use ${new URL(fake.url).host}`, { env: bare });
  await fake.cli("get workloads", { env: bare });
  expect(fake.seen.at(-1)!.token).toBe("Bearer a");
  await fake.cli("get workloads --context second", { env: bare });
  expect(fake.seen.at(-1)!.token).toBe("Bearer b");
  const none = await fake.cli("context use third", { env: bare });
  expect([none.code, none.err]).toEqual([2, expect.stringContaining("second")]);
});

test("login to a context goes to its server, whatever the environment names", async () => {
  const elsewhere: string[] = [];
  const other = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      elsewhere.push(request.url);
      return new Response("", { status: 500 });
    },
  });
  try {
    await fake.cli(`context set prod --server ${fake.url}`, { env: bare });
    const env = { ...bare, LIZARDCD_SERVER: other.url.origin };
    const again = await fake.cli("login --context prod --password-stdin", { env, input: "right" });
    expect([again.code, elsewhere]).toEqual([0, []]);
    expect((await fake.cli("context list", { env: bare })).out).toContain(`prod  ${fake.url}`);
    // A new one is for the server that the environment names.
    await fake.cli("login --context fresh --password-stdin", { env, input: "right" });
    expect(elsewhere).toHaveLength(1);
  } finally {
    await other.stop(true);
  }
});

test("a context may be called what every object has", async () => {
  const none = await fake.cli("context set constructor", { env: bare });
  expect([none.code, none.out]).toEqual([2, ""]);
  expect((await fake.cli("get workloads --context constructor", { env: bare })).code).toBe(2);
  await fake.cli(`context set constructor --server ${fake.url}`, { env: bare });
  expect((await fake.cli("get workloads --context constructor", { env: { ...bare, LIZARDCD_TOKEN: "a" } })).code).toBe(
    0,
  );
});

test("a context's cluster and namespace are what commands mean that name none", async () => {
  await fake.cli(`context set home --server ${fake.url} -c eu-1 -n shop`, { env: bare });
  const asked = async (words: string) => {
    await fake.cli(words, { env: bare });
    const { pathname, searchParams } = new URL(fake.seen.at(-1)!.path, fake.url);
    return [pathname, searchParams.getAll("cluster"), searchParams.getAll("namespace")];
  };
  expect(await asked("get deploy")).toEqual(["/workloads", ["eu-1"], ["shop"]]);
  expect(await asked("get deploy -A")).toEqual(["/workloads", ["eu-1"], []]);
  expect(await asked("get deploy -n other -A")).toEqual(["/workloads", ["eu-1"], []]);
  expect(await asked("get deploy -c * -n other")).toEqual(["/workloads", [], ["other"]]);
  expect(await asked("restart web")).toEqual(["/clusters/eu-1/namespaces/shop/deployments/web/restart", [], []]);
  // What is not about workloads is never narrowed, and nothing is revoked by a default.
  expect(await asked("agents list")).toEqual(["/agents", [], []]);
  fake.seen.length = 0;
  expect((await fake.cli("agents revoke", { env: bare })).code).toBe(2);
  expect(fake.seen).toEqual([]);
});

test("a new address for a context takes its token away", async () => {
  await fake.cli(`login ${fake.url} --token a --context one`, { env: bare });
  await fake.cli("context set one --server https://elsewhere.example.com", { env: bare });
  expect(readFileSync(file, "utf8")).not.toContain("token: a");
});

test("the environment's token goes to the environment's server alone", async () => {
  const other = fake.url.replace("127.0.0.1", "localhost");
  await fake.cli(`login ${other} --token b --context second`, { env: bare });
  const shown = async (words: string, env: object) => {
    await fake.cli(words, { env: { ...bare, LIZARDCD_TOKEN: "env", ...env } });
    return fake.seen.at(-1)!.token;
  };
  expect(await shown("get workloads", { LIZARDCD_SERVER: fake.url })).toBe("Bearer env");
  expect(await shown("get workloads --context second", { LIZARDCD_SERVER: fake.url })).toBe("Bearer b");
  expect(await shown(`get workloads --server ${other}`, { LIZARDCD_SERVER: fake.url })).toBe("Bearer b");
  expect(await shown(`get workloads --server ${other}`, {})).toBe("Bearer env");
});

test("the earlier tool's file is read where ours is missing, and left as it is", async () => {
  const text = `lizardcd:\n  server:\n    url: ${fake.url}\n  auth:\n    access_token: old-token\n    username: ada\n`;
  writeFileSync(older, text, { mode: 0o600 });
  expect((await fake.cli("get workloads", { env: bare })).code).toBe(0);
  expect(fake.seen.at(-1)!.token).toBe("Bearer old-token");
  await fake.cli(`login ${fake.url} -u eva --password-stdin`, { env: bare, input: "x" });
  await fake.cli("get workloads", { env: bare });
  expect(fake.seen.at(-1)!.token).toBe("Bearer tok");
  expect(readFileSync(older, "utf8")).toBe(text);
});

test("a file that others may read is told, one that they may write or own is not used", async () => {
  const text = `current: a\ncontexts:\n  a: { server: "${fake.url}", token: t }\n`;
  write(text, 0o644);
  const read = await fake.cli("get workloads", { env: bare });
  expect([read.code, read.err]).toEqual([0, expect.stringContaining(`chmod 600 ${file}`)]);
  fake.seen.length = 0;
  write(text, 0o620);
  const written = await fake.cli("get workloads", { env: bare });
  expect([written.code, written.err]).toEqual([1, expect.stringContaining("can be written by others")]);
  if (root) {
    write(text);
    chownSync(file, 12345, 12345);
    const foreign = await fake.cli("get workloads", { env: bare });
    expect([foreign.code, foreign.err]).toEqual([1, expect.stringContaining("another user (12345)")]);
  }
  expect(fake.seen).toEqual([]);
});

test("a CA must be one", async () => {
  const wrong = join(fake.home, "wrong.pem");
  writeFileSync(wrong, "nothing");
  for (const words of [`get workloads --server-ca ${wrong}`, `context set x --server https://a --ca ${wrong}`]) {
    const { code, err } = await fake.cli(words);
    expect([code, err]).toEqual([2, expect.stringContaining("wrong.pem is no CA")]);
  }
});

test("a context that is deleted is gone with its token, and who had it as the current one is told", async () => {
  const other = fake.url.replace("127.0.0.1", "localhost");
  await fake.cli(`login ${fake.url} --token a --context one`, { env: bare });
  await fake.cli(`login ${other} --token b --context two`, { env: bare });
  await fake.cli(`context set three --server ${other} -n shop`, { env: bare });
  expect(await fake.cli("context delete one", { env: bare })).toEqual({
    code: 0,
    out: `Forgot one (${fake.url}).\n`,
    err: "",
  });
  expect(readFileSync(file, "utf8")).not.toContain("token: a");
  const current = await fake.cli("context delete two", { env: bare });
  expect([current.code, current.err]).toEqual([
    0,
    "No context is current: lizardcd context use chooses one of those there are, three.\n",
  ]);
  const none = await fake.cli("get workloads", { env: bare });
  expect([none.code, none.err]).toEqual([
    2,
    expect.stringContaining("context use chooses one of those there are, three"),
  ]);
  expect((await fake.cli("context delete two", { env: bare })).err).toContain("There are three");
  await fake.cli("context delete three", { env: bare });
  expect((await fake.cli("get workloads", { env: bare })).err).toContain("lizardcd login");
  expect(await fake.cli("context list", { env: bare })).toEqual({
    code: 0,
    out: "",
    err: "Sign in first: lizardcd login http://127.0.0.1:5117\n",
  });
  for (const words of ["context delete", "context delete a b", "context list x"]) {
    expect([words, (await fake.cli(words, { env: bare })).code]).toEqual([words, 2]);
  }
});

test("one server is kept once: again under its name it is changed, under a new one it is renamed", async () => {
  const named = async () => {
    const { current, contexts } = JSON.parse((await fake.cli("context list -o json", { env: bare })).out);
    return [current, contexts.map(({ name }: { name: string }) => name)];
  };
  await fake.cli(`login ${fake.url} --token a`, { env: bare });
  const host = new URL(fake.url).host;
  await fake.cli(`context set ${host} --server ${fake.url.toUpperCase()}/ -c eu-1`, { env: bare });
  await fake.cli(`context set ${host} --server ${host} --cluster=`, { env: bare });
  expect(await named()).toEqual([host, [host]]);
  const renamed = await fake.cli(`context set home --server ${fake.url}/`, { env: bare });
  expect(renamed.out).toBe(`Kept home (${fake.url}), which was ${host} until now.\n`);
  expect(await named()).toEqual(["home", ["home"]]);
  // For another namespace it is another one, and nobody has to sign in again.
  await fake.cli(`context set pay --server ${fake.url} -n pay`, { env: bare });
  expect(await named()).toEqual(["home", ["home", "pay"]]);
  await fake.cli("get workloads --context pay", { env: bare });
  expect(fake.seen.at(-1)!.token).toBe("Bearer a");
});
