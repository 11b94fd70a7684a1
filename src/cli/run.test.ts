import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { operations } from "../contract/operation.ts";
import { ruleOf } from "../contract/rules.ts";
import { summaryOf } from "./catalogue.ts";
import { commands, everywhere } from "./command.ts";
import type { Exit } from "./exit.ts";
import { translated } from "./field-words.ts";
import { run } from "./run.ts";

interface Seen {
  method: string;
  path: string;
  body?: unknown;
  token: string | null;
}

const row = (name: string, more: object = {}) => ({
  cluster: "eu-1",
  namespace: "shop",
  resource: "deployments",
  name,
  state: "ok",
  desired: 3,
  ready: 3,
  changedMs: 61_000,
  containers: [{ name: "web", image: "registry/web:1" }],
  ...more,
});

let seen: Seen[] = [];
let answers: Record<string, (seen: Seen) => Response | Promise<Response>> = {};
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    const text = await request.text();
    const one: Seen = {
      method: request.method,
      path: pathname + search,
      token: request.headers.get("authorization"),
      ...(text ? { body: JSON.parse(text) } : {}),
    };
    seen.push(one);
    expect(request.headers.get("accept")).toBe("application/json");
    const answer = answers[`${request.method} ${pathname}`];
    if (answer) return answer(one);
    return failure(404, "request.no_such_path", { path: pathname });
  },
});
const home = mkdtempSync(join(tmpdir(), "lizardcd-cli-"));
const config = join(home, "lizardcd", "config.yaml");

afterAll(async () => {
  rmSync(home, { recursive: true, force: true });
  await server.stop(true);
});

beforeEach(() => {
  seen = [];
  answers = {
    "POST /login": ({ body }) =>
      (body as { password: string }).password === "right"
        ? Response.json({ accessToken: "tok", expiresIn: 86_400, user: { username: "admin", firstPassword: true } })
        : failure(401, "login.wrong"),
    "GET /workloads": () => Response.json({ items: [{ row: row("web"), ageMs: 10 }], total: 1 }),
  };
  rmSync(config, { force: true });
});

function failure(status: number, code: string, params: Record<string, string> = {}, more: object = {}) {
  return Response.json({ code, params, message: `english of ${code}`, requestId: "r-1", ...more }, { status });
}

async function cli(line: string, options: { input?: string; columns?: number; env?: object } = {}) {
  let [out, err] = ["", ""];
  const code = await run(line.split(" ").filter(Boolean), {
    env: { XDG_CONFIG_HOME: home, LIZARDCD_SERVER: server.url.origin, ...options.env },
    version: "1.2.3",
    terminal: {
      out: async (text) => {
        out += text;
      },
      err: async (text) => {
        err += text;
      },
      columns: options.columns,
      readInput: async () => options.input ?? "",
    },
  });
  return { code, out, err };
}

test("login keeps the token in a file that only its owner reads, and later commands show it to that server alone", async () => {
  const env = { LIZARDCD_SERVER: undefined };
  const login = await cli(`login ${server.url.origin}/ -u admin --password-stdin`, { input: "right\n", env });
  expect(login).toMatchObject({ code: 0, out: `Signed in to ${server.url.origin} as admin.\n` });
  expect(login.err).toContain("The first password still holds");
  expect(seen[0]).toMatchObject({ path: "/login", body: { username: "admin", password: "right" }, token: null });
  expect(statSync(config).mode & 0o777).toBe(0o600);
  expect(readFileSync(config, "utf8")).not.toContain("right");

  await cli("get workloads", { env });
  expect(seen.at(-1)!.token).toBe("Bearer tok");
  await cli(`get workloads --server http://localhost:${server.port}`, { env });
  expect(seen.at(-1)!.token).toBeNull();
  await cli("get workloads", { env: { ...env, LIZARDCD_TOKEN: "mine" } });
  expect(seen.at(-1)!.token).toBe("Bearer mine");

  answers["POST /logout"] = () => Response.json({});
  expect(await cli("logout", { env })).toMatchObject({ code: 0 });
  expect(readFileSync(config, "utf8")).toContain('token: ""');
  answers["GET /account"] = ({ token }) => (token ? Response.json({}) : failure(401, "session.missing"));
  const whoami = await cli("whoami", { env });
  expect(whoami.code).toBe(3);
  expect(whoami.err).toContain(`lizardcd login ${server.url.origin}`);
});

test("a wrong password keeps nothing and says so", async () => {
  const login = await cli("login --password-stdin", { input: "wrong" });
  expect(login).toEqual({ code: 3, out: "", err: "lizardcd: User name or password is wrong.\n" });
  expect(() => statSync(config)).toThrow();
});

test("without a terminal login asks for --password-stdin instead of waiting", async () => {
  const login = await cli("login");
  expect(login.code).toBe(2);
  expect(login.err).toContain("--password-stdin");
});

test("flags become the fields of the contract, lists with commas or repeated", async () => {
  await cli("get workloads -c eu-1,us-1 -c edge-1 -n shop --state failed -l app=web -q nginx --limit 5");
  const query = new URLSearchParams(seen[0]!.path.split("?")[1]);
  expect(query.getAll("cluster")).toEqual(["eu-1", "us-1", "edge-1"]);
  expect(Object.fromEntries(query)).toMatchObject({
    namespace: "shop",
    state: "failed",
    labelSelector: "app=web",
    q: "nginx",
    limit: "5",
  });
});

test("a list is a table with headings, names, or the server's own JSON", async () => {
  expect((await cli("get workloads")).out).toBe(
    "CLUSTER  NAMESPACE  NAME             HEALTH   READY    CHANGED  IMAGE\n" +
      "eu-1     shop       deployments/web  Healthy    3/3  1 min ago  registry/web:1\n",
  );
  expect((await cli("get workloads --no-headers")).out).toStartWith("eu-1 ");
  expect((await cli("get workloads -o name")).out).toBe("eu-1/shop/deployments/web\n");
  expect(JSON.parse((await cli("get workloads -o json")).out).items[0].row.name).toBe("web");
});

test("every page of a set is read, unless a limit is named", async () => {
  answers["GET /workloads"] = ({ path }) => {
    const token = new URLSearchParams(path.split("?")[1]).get("continue");
    return token === "p2"
      ? Response.json({ items: [{ row: row("c") }], continue: "" })
      : Response.json({ items: [{ row: row("a") }, { row: row("b") }], continue: "p2" });
  };
  const names = "eu-1/shop/deployments/a\neu-1/shop/deployments/b\neu-1/shop/deployments/c\n";
  expect((await cli("get workloads -o name")).out).toBe(names);
  expect(JSON.parse((await cli("get workloads -o json")).out).items).toHaveLength(3);
  const limited = await cli("get workloads -o name --limit 2");
  expect(limited.out.split("\n")).toHaveLength(3);
  expect(limited.err).toContain("--continue p2");
});

test("clusters that did not answer are told, and the command does not count as done", async () => {
  answers["GET /workloads"] = () =>
    Response.json({
      items: [{ row: row("web") }],
      unanswered: [{ cluster: "edge-1", code: "agent.unavailable", message: "agent x does not answer" }],
    });
  const { code, out, err } = await cli("get workloads -o name");
  expect(code).toBe(6);
  expect(out).toBe("eu-1/shop/deployments/web\n");
  expect(err).toBe("lizardcd: edge-1 did not answer: Agent x does not answer\n");
});

test("a list of a cluster that nobody has heard of ends as a write to it does", async () => {
  answers["GET /workloads"] = () =>
    Response.json({
      items: [],
      unanswered: [
        { cluster: "zzz", code: "agent.none", message: "no agent for cluster zzz: is one announced under k?" },
      ],
    });
  const { code, err } = await cli("get workloads -c zzz -o name");
  expect([code, err]).toEqual([
    5,
    "lizardcd: zzz did not answer: No agent for cluster zzz. Is one announced under k?\n",
  ]);
  const chinese = await cli("get workloads -c zzz -o name", { env: { LANG: "zh_CN.UTF-8" } });
  expect(chinese.err).toBe("lizardcd: zzz 没有应答：集群 zzz 没有 Agent。是否有 Agent 以 k 登记？\n");
});

test("an empty fleet says what adds a cluster; a filter that finds nothing does not", async () => {
  answers["GET /fleet"] = () => Response.json({ clusters: [], total: 0 });
  expect((await cli("get clusters")).err).toContain("lizardcd agents enroll --cluster NAME");
  answers["GET /fleet"] = () => Response.json({ clusters: [], total: 3 });
  expect((await cli("get clusters --state lost")).err).toBe("Nothing found.\n");
});

test("a write sends its fields in the body and says what it did", async () => {
  answers["POST /clusters/eu-1/namespaces/shop/statefulsets/db/scale"] = () =>
    Response.json({
      row: row("db", { resource: "statefulsets" }),
      changes: [{ path: "spec.replicas", before: "3", after: "0" }],
    });
  const { code, out } = await cli("scale sts/db -c eu-1 -n shop --replicas 0");
  expect(code).toBe(0);
  expect(seen[0]!.body).toEqual({ replicas: 0 });
  expect(out).toBe("Scaled shop/db in eu-1.\n  spec.replicas: 3 → 0\n");
});

test("a bare name is a Deployment, and --resource or a short form names another kind", async () => {
  const path = (resource: string) => `/clusters/eu-1/namespaces/shop/${resource}/x/restart`;
  await cli("restart x -c eu-1 -n shop");
  await cli("restart ds/x -c eu-1 -n shop");
  await cli("restart x -c eu-1 -n shop --resource sts");
  await cli("restart deployment/x -ceu-1 -nshop");
  expect(seen.map((one) => one.path)).toEqual(["deployments", "daemonsets", "statefulsets", "deployments"].map(path));
});

test("what kubectl get -o name prints is taken as a name, and kubectl's pair as a container and its image", async () => {
  const path = (resource: string) => `/clusters/eu-1/namespaces/shop/${resource}/x/restart`;
  const named = ["deployment.apps/x", "deployments.apps x", "deployments.v1.apps/x", "StatefulSet.apps/x"];
  for (const name of named) await cli(`restart ${name} -c eu-1 -n shop`);
  const kinds = ["deployments", "deployments", "deployments", "statefulsets"];
  expect(seen.splice(0).map((one) => one.path)).toEqual(kinds.map(path));
  await cli("get deployments.apps,sts --selector app=web");
  expect(seen.splice(0)[0]!.path).toMatch(
    /resource=deployments&resource=statefulsets.*labelSelector=app%3Dweb|labelSelector=app%3Dweb.*resource=deployments&resource=statefulsets/,
  );
  for (const words of ["deploy/x app=r/x:2", "deploy x app=r/x:2"]) await cli(`set image ${words} -c eu-1 -n shop`);
  await cli(`set image deploy/x *=r:5000/x@sha256:${"a".repeat(64)} -c eu-1 -n shop`);
  expect(seen.splice(0).map(({ body }) => body)).toEqual([
    { container: "app", image: "r/x:2" },
    { container: "app", image: "r/x:2" },
    { image: `r:5000/x@sha256:${"a".repeat(64)}` },
  ]);
  const two = await cli("set image deploy/x app=r/x:2 side=r/y:1 -c eu-1 -n shop");
  expect([two.code, two.err]).toEqual([2, expect.stringContaining('"side=r/y:1" is one argument too many')]);
  await cli("agents enroll eu-3");
  expect(seen.splice(0)[0]!.body).toMatchObject({ cluster: "eu-3" });
});

test("get deploy lists the workloads of that kind", async () => {
  await cli("get deploy -c eu-1");
  expect(seen[0]!.path).toContain("resource=deployments");
});

test("usage errors name the flag, send nothing and exit with 2", async () => {
  const cases: [line: string, said: string][] = [
    ["restart -c eu-1 -n shop", "restart needs NAME."],
    ["restart web -n shop", "restart needs --cluster."],
    [
      "restart web -c EU_1 -n shop",
      '--cluster must be a cluster name: lower case letters, digits, dots and dashes, not "EU_1".',
    ],
    ["scale web -c eu-1 -n shop --replicas -1", "--replicas must be at least 0, not -1."],
    ["scale web -c eu-1 -n shop --replicas many", '--replicas must be a whole number, not "many".'],
    ["restart web x -c eu-1 -n shop", '"x" is one argument too many.'],
    ["restart web --replicas 3", "restart takes no --replicas."],
    ["restart web --clustr eu-1", "unknown flag --clustr. Did you mean --cluster?"],
    ["restrat web", "did you mean lizardcd restart?"],
    ["get", "after get comes one of agent, "],
    ["get workloads -o xml", '--output must be table, wide, json, yaml, name or jsonpath=TEMPLATE, not "xml".'],
    ["get workloads -o jsonpath={.items", "is no JSONPath template"],
    ["get workloads --timeout soon", '--timeout must be a length of time such as 30s, 10m or 24h, not "soon".'],
    ["get pod/web", "is not a command"],
  ];
  for (const [line, said] of cases) {
    const { code, err } = await cli(line);
    expect({ line, code, said: err.toLowerCase().includes(said.toLowerCase()) ? said : err }).toEqual({
      line,
      code: 2,
      said,
    });
  }
  expect(seen).toEqual([]);
});

test("how long a token can be used is said with its unit", async () => {
  answers["POST /agents/invitations"] = () => Response.json({ token: "lz1.a", cluster: "eu-1", expiresIn: 3600 });
  const { out } = await cli("agents enroll -c eu-1");
  expect(out).toMatch(/^Expires in +(1 h|60 min)$/m);
});

test("an agent that answers and refuses is not looked for", async () => {
  answers["POST /clusters/eu-1/namespaces/shop/deployments/web/restart"] = () =>
    failure(403, "agent.refuses", { cluster: "eu-1", problem: "it is read-only (--read-only)" }, { object: "eu-1" });
  const { code, err } = await cli("restart web -c eu-1 -n shop");
  expect([code, err]).toEqual([4, expect.stringMatching(/read-only \(--read-only\)\.\n$/)]);
});

test("each failure of the server has its exit code, its sentence, its object and what to do next", async () => {
  const cases: [status: number, code: string, params: Record<string, string>, exit: Exit, said: string][] = [
    [401, "session.expired", {}, 3, "lizardcd login http://127.0.0.1"],
    [
      403,
      "permission.denied",
      { actor: "kim", operation: "restart", permission: "workloads.restart" },
      4,
      "workloads.restart",
    ],
    [
      404,
      "workload.not_found",
      { kind: "Deployment", name: "web", cluster: "eu-1", namespace: "shop" },
      5,
      "web not found in eu-1/shop",
    ],
    [404, "agent.none", { where: "cluster eu-9", key: "k" }, 5, "lizardcd get clusters shows"],
    [503, "agent.unavailable", { key: "k", problem: "refused" }, 6, "request r-1"],
    [504, "request.timed_out", { cluster: "eu-1", seconds: "10" }, 124, "no answer from eu-1"],
    [504, "request.outcome_unknown", { cluster: "eu-1" }, 124, "look before you repeat it"],
    [409, "scale.autoscaled", { name: "web", autoscaler: "hpa", min: "1", max: "3" }, 1, "HorizontalPodAutoscaler hpa"],
    [422, "object.invalid", { cluster: "eu-1", kind: "Deployment", name: "web", problem: "no" }, 1, "does not accept"],
    [500, "newer.code", {}, 1, "English of newer.code"],
  ];
  for (const [status, failed, params, exit, said] of cases) {
    answers["POST /clusters/eu-1/namespaces/shop/deployments/web/restart"] = () =>
      failure(status, failed, params, { object: "deployments/shop/web in eu-1" });
    const { code, err, out } = await cli("restart web -c eu-1 -n shop");
    const shown = err.toLowerCase().includes(said.toLowerCase()) ? said : err;
    expect({ failed, code, said: shown, out }).toEqual({ failed, code: exit, said, out: "" });
    expect(err).toStartWith("lizardcd: ");
    expect(err).toContain("eu-1");
    expect(err.trimEnd()).not.toContain("\n");
  }
});

test("a server that is away, silent or something else is told apart", async () => {
  const away = await cli("get workloads", { env: { LIZARDCD_SERVER: "http://127.0.0.1:1" } });
  expect(away.code).toBe(6);
  expect(away.err).toContain("http://127.0.0.1:1 cannot be reached");
  answers["POST /clusters/eu-1/namespaces/shop/deployments/web/restart"] = async () => {
    await Bun.sleep(400);
    return Response.json({});
  };
  const silent = await cli("restart web -c eu-1 -n shop --timeout 0.1");
  expect(silent.code).toBe(124);
  expect(silent.err).toContain("may or may not have been made");
  answers["GET /workloads"] = () => new Response("<html>", { status: 200 });
  const foreign = await cli("get workloads");
  expect(foreign.code).toBe(6);
  expect(foreign.err).toContain("does not answer as a Lizardcd server does (HTTP 200)");
  const none = await cli("get workloads", { env: { LIZARDCD_SERVER: undefined } });
  expect(none.code).toBe(2);
  expect(none.err).toContain("lizardcd login");
});

test("what a cluster writes cannot move the cursor, begin a line or turn the text", async () => {
  const evil = "\u001b[2J\u0007a\nb\u202e\u009b31mc\u200b";
  answers["GET /workloads"] = () =>
    Response.json({
      items: [{ row: row(evil, { cluster: evil, reason: { code: "x.y", message: evil } }) }],
      unanswered: [{ cluster: evil, message: evil }],
    });
  for (const format of ["table", "name", "json"]) {
    const { out, err } = await cli(`get workloads -o ${format}`);
    for (const text of [out, err])
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e]/);
    if (format !== "json") expect(out.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
  }
});

test("sentences, states and headings are Chinese where the locale is", async () => {
  const env = { LANG: "zh_CN.UTF-8" };
  const { out } = await cli("get workloads", { env });
  expect(out).toMatch(/[\u4e00-\u9fff]/);
  answers["GET /workloads"] = () => failure(401, "session.missing");
  expect((await cli("get workloads", { env })).err).toContain("lizardcd login");
  expect((await cli("get workloads", { env })).err).toMatch(/[\u4e00-\u9fff]/);
});

test("a dry run is asked for as with kubectl, and printed as one", async () => {
  const path = "POST /clusters/eu-1/namespaces/shop/deployments/web/scale";
  answers[path] = ({ body }) =>
    Response.json({
      row: row("web"),
      dryRun: (body as { dryRun?: boolean }).dryRun ?? false,
      changes: [{ path: "spec.replicas", before: "3", after: "5" }],
    });
  const scale = "scale web -c eu-1 -n shop --replicas 5";
  for (const flag of ["--dry-run", "--dry-run=server", "--dry-run=true"]) {
    const { out } = await cli(`${scale} ${flag}`);
    expect(out).toBe("Scaled shop/web in eu-1 (dry run).\n  spec.replicas: 3 → 5\n");
  }
  for (const flag of ["", "--dry-run=none", "--no-dry-run"]) {
    expect((await cli(`${scale} ${flag}`)).out).toStartWith("Scaled shop/web in eu-1.\n");
  }
  expect(await cli(`${scale} --dry-run=client`)).toMatchObject({
    code: 2,
    err: expect.stringContaining("--dry-run=server"),
  });
  answers[path] = () => Response.json({ row: row("web"), dryRun: true });
  expect((await cli(`${scale} --dry-run`)).out).toBe("Nothing to change in shop/web in eu-1 (dry run).\n");
});

test("a broken configuration file is named, not overwritten", async () => {
  await cli("login --password-stdin", { input: "right" });
  writeFileSync(config, "server: [");
  const { code, err } = await cli("get workloads");
  expect(code).toBe(1);
  expect(err).toContain(config);
  expect(readFileSync(config, "utf8")).toBe("server: [");
});

test("every operation with words has a command, and its help names each of its flags", async () => {
  for (const { command } of operations.filter((operation) => operation.command)) {
    expect(commands.map(({ words }) => words)).toContain(command);
    const { code, out } = await cli(`${command} --help`);
    expect(code).toBe(0);
    for (const { name } of commands.find(({ words }) => words === command)!.flags) {
      expect(out.toLowerCase()).toContain(name);
    }
  }
  expect((await cli("")).out).toContain("get workloads");
  expect((await cli("version --client")).out).toBe("Client: 1.2.3\n");
  expect((await cli("--version")).out).toBe("lizardcd 1.2.3\n");
});

test("nothing found is nothing on standard output", async () => {
  answers["GET /workloads"] = () => Response.json({ items: [] });
  expect(await cli("get deploy")).toEqual({ code: 0, out: "", err: "Nothing found.\n" });
});

test("a field that the server does not know is a server of another version", async () => {
  const params = { field: "dryRun", problem: "is not known, workload.restart takes cluster, name" };
  answers["POST /clusters/eu-1/namespaces/shop/deployments/web/restart"] = () =>
    failure(400, "request.invalid", params);
  const { code, err } = await cli("restart web -c eu-1 -n shop --dry-run");
  expect([code, err]).toEqual([2, expect.stringMatching(/--dry-run is not known.*another version/)]);
});

test("every command, and each of its flags and arguments, says what it is for, in both languages", () => {
  const said = new Set<string>();
  for (const command of commands) {
    expect([command.words, summaryOf(command, "en")]).toEqual([command.words, expect.stringMatching(/^[A-Z]\w+ \S/)]);
    expect([command.words, summaryOf(command, "zh")]).toEqual([command.words, expect.stringMatching(/\p{sc=Han}/u)]);
    said.add(command.summary);
  }
  for (const { words, flags, positional } of [...commands, { words: "all", flags: everywhere, positional: [] }]) {
    for (const { name, help, field } of [...flags, ...positional]) {
      expect([words, name, help("en")]).toEqual([words, name, expect.stringMatching(/^[a-z]\S* \S/)]);
      // What the shells are called is the same in all languages.
      if (name !== "shell")
        expect([words, name, help("zh")]).toEqual([words, name, expect.stringMatching(/\p{sc=Han}/u)]);
      if (field) said.add(ruleOf(field)?.help ?? "");
    }
  }
  expect(translated.filter((sentence) => !said.has(sentence))).toEqual([]);
});
