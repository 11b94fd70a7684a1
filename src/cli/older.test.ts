import { afterAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { startFake, workloadRow } from "./testserver.ts";

const fake = startFake();
const file = join(fake.home, ".lizardcd-cli.yaml");
const bare = { LIZARDCD_SERVER: undefined, LIZARDCD_TOKEN: undefined };
const lzcli = (words: string, env: object = bare) => fake.lzcli(words, { env: { ...env } });
const path = "/clusters/k1/namespaces/default/deployments";

afterAll(() => fake.stop());
beforeEach(async () => {
  rmSync(file, { force: true });
  fake.answers["POST /login"] = () => Response.json({ accessToken: "tok", expiresIn: 60, user: { username: "ada" } });
  fake.answers["GET /agents"] = () => Response.json({ items: [{ key: "lizardcd-agent.*.k1", cluster: "k1" }] });
  fake.answers[`GET ${path}`] = () =>
    Response.json({
      items: [
        workloadRow("web", { changedMs: 1000 }),
        workloadRow("cart", { changedMs: 9000, state: "run", ready: 1 }),
        workloadRow("old", { changedMs: 5000, state: "zero", desired: 0, ready: 0, current: 0 }),
      ],
    });
  fake.answers[`GET ${path}/web`] = () =>
    Response.json({
      row: workloadRow("web"),
      pods: [
        {
          name: "web-5d8-a",
          state: "ok",
          node: "n1",
          restarts: 5,
          ip: "10.1.0.7",
          hostIp: "192.168.1.4",
          containers: [
            { name: "web", image: "registry/web:1", state: "running", restarts: 2, sinceMs: 180_000, ready: true },
            { name: "side", image: "registry/side:1", state: "waiting", reason: "CrashLoopBackOff", restarts: 3 },
            { name: "init", init: true, state: "terminated", reason: "Completed", sinceMs: 190_000 },
          ],
        },
        {
          name: "web-5d8-b",
          state: "failed",
          node: "n2",
          containers: [{ name: "web", image: "a:1", state: "waiting", reason: "ImagePullBackOff" }],
          reason: { code: "image.pull", params: { image: "a:1", problem: "none" }, message: "" },
        },
      ],
      events: [
        { type: "Warning", reason: "Failed", message: "no such tag", object: "Pod/web-5d8-b", lastMs: 1000, count: 3 },
        { type: "Normal", reason: "Pulled", message: "pulled", object: "Pod/web-5d8-a", lastMs: 2000, count: 1 },
      ],
    });
  for (const verb of ["restart", "scale", "image"]) {
    fake.answers[`POST ${path}/web/${verb}`] = () => Response.json({ row: workloadRow("web") });
  }
  await lzcli(`config -s ${fake.url}`);
  await lzcli("login -u ada -p secret");
  fake.seen.length = 0;
});

test("config and login keep server and token in the earlier tool's own file and shape, and no password", async () => {
  expect(Bun.YAML.parse(readFileSync(file, "utf8"))).toEqual({
    lizardcd: { server: { url: fake.url }, auth: { access_token: "tok" } },
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const saved = await lzcli("login -u ada -p secret --save");
  expect([saved.code, saved.err]).toEqual([0, expect.stringContaining("password is not kept")]);
  expect(readFileSync(file, "utf8")).not.toContain("secret");
  const elsewhere = join(fake.home, "own.yaml");
  await lzcli(`-c ${elsewhere} config -s http://other:5117`);
  expect(readFileSync(elsewhere, "utf8")).toContain("http://other:5117");
  expect(readFileSync(file, "utf8")).toContain(fake.url);
});

test("lists are the bordered tables that scripts cut apart", async () => {
  expect((await lzcli("agent list")).out).toBe(
    "+---------------------+\n" +
      "| LIZARDCD AGENT      |\n" +
      "+---------------------+\n" +
      "| lizardcd-agent.*.k1 |\n" +
      "+---------------------+\n",
  );
  const rows = async (words: string) => {
    const { code, out } = await lzcli(words);
    expect(code).toBe(0);
    return out
      .split("\n")
      .flatMap((line) => (line.startsWith("| ") ? [line.split("|").map((cell) => cell.trim())] : []));
  };
  const listed = await rows("deployment list --cluster k1");
  expect(listed.map(([, name, state]) => `${name} ${state}`)).toEqual([
    "NAME STATE",
    "cart updating(1/3)",
    "old stopped(0/0)",
    "web running(3/3)",
  ]);
  expect(listed[1]![3]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  const byTime = await rows("deployment list --cluster k1 --sort-by lastUpdateTime --order desc");
  expect(byTime.slice(1).map(([, name]) => name)).toEqual(["web", "old", "cart"]);
  expect(fake.seen.every(({ token }) => token === "Bearer tok")).toBe(true);

  expect((await rows("deployment show pod --cluster k1 --name web")).map((cells) => cells.slice(1, -1))).toEqual([
    ["PODNAME", "PODIP", "NODENAME", "STATE", "MESSAGE"],
    ["web-5d8-a", "10.1.0.7", "n1(192.168.1.4)", "Created 3 minutes ago", ""],
    ["web-5d8-b", "", "n2", "ImagePullBackOff", expect.stringContaining("Image a:1 cannot be pulled")],
  ]);
  const ofPod = async (pod: string) =>
    (await rows(`deployment show container --cluster k1 --name web --pod ${pod}`)).map((cells) => cells.slice(1, -1));
  expect(await ofPod("web-5d8-a")).toEqual([
    ["CONTAINER", "STATUS", "STATE", "RESTART_COUNT"],
    ["web", "running", "registry/web:1", "2"],
    ["side", "waiting", "CrashLoopBackOff", "3"],
    ["init(initContainer)", "terminated", "Completed", "0"],
  ]);
  const events = await rows("deployment show event --cluster k1 --pod web-5d8-b");
  expect(events.slice(1).map(([, type, reason]) => [type, reason])).toEqual([["Warning", "Failed"]]);
});

test("restart, scale and set send what lizardcd sends", async () => {
  const cases: [words: string, verb: string, body: object][] = [
    ["restart", "restart", {}],
    ["scale --replicas 0", "scale", { replicas: 0 }],
    ["set --container web --image r/web:2", "image", { container: "web", image: "r/web:2" }],
  ];
  for (const [words, verb, body] of cases) {
    const { code, err } = await lzcli(`deployment ${words} --name web --cluster k1`);
    expect([words, code, err]).toEqual([words, 0, ""]);
    expect(fake.seen.at(-1)).toMatchObject({ method: "POST", path: `${path}/web/${verb}`, body });
  }
  fake.answers["POST /clusters/k1/namespaces/db/statefulsets/pg/restart"] = () => Response.json({});
  expect((await lzcli("statefulset restart --name pg --cluster k1 --namespace db")).code).toBe(0);
});

test("what has no counterpart is told as such, and what is missing by its flag", async () => {
  const cases: [words: string, code: number, said: string][] = [
    ["apply --cluster k1", 1, '"apply" is not in this version'],
    ["apply --cluster k1 -n shop -f web.yaml -v A=1", 1, '"apply" is not in this version'],
    ["task list", 1, '"task list" is not in this version'],
    ["helm repo list", 1, '"helm repo" is not in this version'],
    ["deployment destroy", 2, '"deployment destroy" is not a command of lzcli'],
    ["deployment list", 2, "required flag --cluster is not given"],
    ["deployment scale --cluster k1 --name web", 2, "required flag --replicas is not given"],
    ["deployment restart --cluster k1 --name nothing", 5, "nothing at"],
    ["deployment show event --cluster k1 --pod nowhere-1", 5, "no deployment of default in k1 has a pod nowhere-1"],
    ["get deploy", 2, "is not a command of lzcli"],
  ];
  for (const [words, code, said] of cases) {
    const answer = await lzcli(words);
    expect([words, answer.code, answer.err]).toEqual([words, code, expect.stringContaining(said)]);
    expect(answer.err).toStartWith("lzcli: ");
    expect(answer.out).toBe("");
  }
});

test("who is not signed in is told to sign in by it, for its session is its own", async () => {
  const failed = { code: "session.missing", params: {}, object: "", message: "", requestId: "" };
  fake.answers["GET /agents"] = () => Response.json(failed, { status: 401 });
  const { code, err } = await lzcli("agent list");
  expect([code, err]).toEqual([3, expect.stringContaining("Sign in: lzcli login -u USERNAME -p PASSWORD.")]);
});

test("a file that others may read is told, once a command", async () => {
  chmodSync(file, 0o644);
  const { code, out, err } = await lzcli("deployment restart --name web --cluster k1");
  expect([code, out]).toEqual([0, "restart deployment web: done\n"]);
  expect(err).toBe(
    `Warning: ${file} can be read by others, and it holds your token. Make it yours alone: chmod 600 ${file}\n`,
  );
  expect((await lzcli("version")).err).toBe("");
});

test("the token it keeps is shown to the server it was made by alone", async () => {
  const other = fake.url.replace("127.0.0.1", "localhost");
  for (const LIZARDCD_SERVER of [undefined, fake.url, `${fake.url}/`]) {
    await lzcli("agent list", { ...bare, LIZARDCD_SERVER });
    expect([LIZARDCD_SERVER, fake.seen.at(-1)!.token]).toEqual([LIZARDCD_SERVER, "Bearer tok"]);
  }
  await lzcli("agent list", { ...bare, LIZARDCD_SERVER: other });
  expect(fake.seen.at(-1)!.token).toBe(null);
  await lzcli("agent list", { LIZARDCD_SERVER: other, LIZARDCD_TOKEN: "given" });
  expect(fake.seen.at(-1)!.token).toBe("Bearer given");
});

test("its words and flags are nothing to lizardcd itself", async () => {
  for (const words of ["deployment list", "agent list", "config -s http://a", "login -p secret"]) {
    expect([words, (await fake.cli(words)).code]).toEqual([words, 2]);
  }
  expect((await lzcli("version")).out).toBe("1.2.3\n");
  expect((await lzcli("")).out).toContain("deployment|statefulset list");
});
