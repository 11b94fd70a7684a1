import { afterAll, beforeEach, expect, test } from "bun:test";
import { type Command, commands } from "./catalogue.ts";
import { failure, startFake, workloadRow } from "./testserver.ts";
import { areFar } from "./version.ts";

const fake = startFake();
afterAll(() => fake.stop());

const rows = [
  workloadRow("web", { ready: 2 }),
  workloadRow("cart", { ready: 0, state: "failed" }),
  workloadRow("部署", { ready: 1 }),
];
beforeEach(() => {
  for (const path of Object.keys(fake.answers)) delete fake.answers[path];
  fake.answers["GET /workloads"] = () => Response.json({ items: rows.map((row) => ({ row })) });
  fake.answers["GET /version"] = ({ token }) => Response.json({ version: "1.2.0", commit: token ? "3f1c2ab" : "" });
  fake.answers["GET /clusters/eu-1/namespaces/shop/deployments/web"] = () =>
    Response.json({
      row: workloadRow("web", { reason: { code: "rollout.paused", params: {}, message: "" } }),
      pods: [{ name: "web-1", state: "ok", restarts: 3, revision: "5d8", node: "n1" }],
      revisions: [
        { revision: "5d8", current: true, ready: 3, desired: 3, pods: 3, containers: [{ image: "r/web:1" }] },
      ],
      conditions: [{ type: "Available", status: "True", reason: "MinimumReplicasAvailable" }],
      events: [{ type: "Warning", reason: "BackOff", message: "restarting", object: "Pod/web-1", count: 7 }],
    });
});

const names = async (words: string) =>
  (await fake.cli(`${words} -o jsonpath={.items[*].row.name}`)).out.trim().split(" ");

test("rows are sorted by a field's value, by its name or its path", async () => {
  expect(await names("get deploy --sort-by name")).toEqual(["cart", "web", "部署"]);
  expect(await names("get deploy --sort-by=.metadata.name")).toEqual(["cart", "web", "部署"]);
  expect(await names("get deploy --sort-by={.metadata.name}")).toEqual(["cart", "web", "部署"]);
  expect(await names("get deploy --sort-by .row.ready")).toEqual(["cart", "部署", "web"]);
  expect(await names("get deploy --sort-by {.row.ready}")).toEqual(["cart", "部署", "web"]);
  expect((await fake.cli("get deploy --sort-by colour")).code).toBe(2);
});

test("a table has no more columns than asked for, and one row for one object", async () => {
  const wide = await fake.cli("get deploy -o wide");
  expect(wide.out.split("\n")[0]).toMatch(/UPDATED +AVAILABLE/);
  expect((await fake.cli("get deploy")).out).not.toContain("UPDATED");
  for (const words of ["get deploy web", "get deploy/web", "get deployments web"]) {
    const { out } = await fake.cli(`${words} -c eu-1 -n shop --no-headers`);
    expect(out).toMatch(/^eu-1 +shop +deployments\/web .*\n$/);
  }
  expect((await fake.cli("get deploy,sts")).code).toBe(0);
  expect(fake.seen.at(-1)!.path).toContain("resource=deployments&resource=statefulsets");
});

test("YAML and JSON say the same", async () => {
  const json = JSON.parse((await fake.cli("get deploy -o json")).out);
  expect(Bun.YAML.parse((await fake.cli("get deploy -o yaml")).out)).toEqual(json);
});

test("describe shows state, reason, rollout, pods, conditions and events", async () => {
  for (const words of [
    "describe deploy/web",
    "describe deploy web",
    "describe workloads deploy/web",
    "get workload web",
  ]) {
    const { code, out } = await fake.cli(`${words} -c eu-1 -n shop`);
    expect([words, code]).toEqual([words, 0]);
    for (const said of ["Healthy", "rollout is paused", "r/web:1", "web-1", "Available", "BackOff", "7"]) {
      expect(out).toContain(said);
    }
  }
});

/** Whatever one asks for that is there. */
const args: Record<string, string> = { cluster: "eu-1", namespace: "shop", name: "web" };
const reading = commands.filter(({ operation }) => operation && !operation.audited);
const linesOf = ({ words, positional, flags }: Command) => {
  const places = positional.map(({ name }) => args[name]!);
  const needed = flags.filter(({ name, required }) => required && !positional.some((one) => one.name === name));
  return [words, ...places, ...needed.flatMap(({ name }) => [`--${name}`, args[name]!])].join(" ");
};
const everywhereRead = [...reading.map(linesOf), "get deploy", "get deploy web -c eu-1 -n shop", "version"];

test("a terminal of 20 columns gets no line that is wider, whatever is read", async () => {
  const name = "a-name-that-is-longer-than-the-terminal-is-wide";
  const row = {
    name,
    cluster: name,
    namespace: "*",
    key: `lizardcd-agent.*.${name}`,
    keys: [name],
    labels: { region: name },
  };
  const instances = [{ address: "192.168.100.200:5017", answering: true }];
  const more = {
    ...row,
    username: name,
    role: "readonly",
    kubernetesVersion: "v1.36.3+sandbox",
    state: "ok",
    instances,
  };
  for (const path of ["/clusters/eu-1/agent", "/account"]) fake.answers[`GET ${path}`] = () => Response.json(more);
  for (const path of ["/agents", "/registries", "/audit", "/clusters/eu-1/namespaces"])
    fake.answers[`GET ${path}`] = () => Response.json({ items: [more] });
  fake.answers["GET /fleet"] = () => Response.json({ clusters: [{ ...more, name: "eu-1" }, more] });
  // A live picture ends with the rollout; an address is there to be copied.
  const terminal = { columns: 20, live: true };
  const shown = everywhereRead.filter((words) => !words.startsWith("open"));
  expect(shown.length).toBeGreaterThanOrEqual(14);
  for (const words of [...shown, "context list", "get deploy --no-headers"]) {
    if (words === "context list") await fake.cli(`context set ${name} --server ${fake.url}`);
    const { code, out, err } = await fake.cli(words, { terminal });
    expect([words, code, err]).toEqual([words, 0, ""]);
    for (const line of Bun.stripANSI(out).split("\n"))
      expect([words, line, Bun.stringWidth(line) <= 20]).toEqual([words, line, true]);
    expect([words, out === ""]).toEqual([words, false]);
  }
});

test("the lines that enroll an agent are whole in every terminal, to be copied", async () => {
  const command = "lizardcd-agent --server http://127.0.0.1:5117 --token lz1.5kV0o2Xw9dQa";
  fake.answers["POST /agents/invitations"] = () => Response.json({ cluster: "eu-1", command });
  expect((await fake.cli("agents enroll -c eu-1", { terminal: { columns: 20 } })).out).toContain(command);
});

test("colours are shown where they may be, and change no width", async () => {
  const plain = await fake.cli("get deploy");
  const coloured = await fake.cli("get deploy", { terminal: { color: true } });
  expect(plain.out).not.toContain("\u001b");
  expect(coloured.out).toContain("\u001b[31mFailed\u001b[0m");
  expect(Bun.stripANSI(coloured.out)).toBe(plain.out);
});

test("watching prints the list, then what changes and what goes", async () => {
  let asked = 0;
  const stop = new Error("seen enough");
  fake.answers["GET /workloads"] = () => {
    asked++;
    if (asked === 2) return failure(503, "agent.unavailable", { key: "k", problem: "gone" });
    const changed = asked < 3 ? rows : [{ ...rows[0]!, ready: 3 }, rows[1]!];
    return Response.json({ items: changed.map((row) => ({ row: { ...row, changedMs: asked * 1000 } })) });
  };
  let [out, err] = ["", ""];
  const watch = fake.cli("get deploy -w", {
    terminal: {
      out: async (text) => {
        out += text;
      },
      err: async (text) => {
        err += text;
        if (text.includes("gone\n")) throw stop;
      },
    },
  });
  expect(await watch.catch((error) => error)).toBe(stop);
  expect(out.match(/deployments\/\S+ +\S+ +\d\/\d/g)?.map((line) => line.replace(/ +/g, " "))).toEqual([
    "deployments/web Healthy 2/3",
    "deployments/cart Failed 0/3",
    "deployments/部署 Healthy 1/3",
    "deployments/web Healthy 3/3",
  ]);
  expect(err).toContain("trying again");
  expect(err).toContain("eu-1/shop/deployments/部署: gone");
}, 30_000);

test("open prints the page's address, and opens nothing where there is no terminal", async () => {
  expect(await fake.cli("open sts/db -c eu-1 -n shop")).toEqual({
    code: 0,
    out: `${fake.url}/clusters/eu-1/namespaces/shop/statefulsets/db\n`,
    err: "",
  });
  expect((await fake.cli("open")).out).toBe(`${fake.url}/fleet\n`);
  expect((await fake.cli("open -c eu-1")).out).toBe(`${fake.url}/clusters/eu-1/summary\n`);
  expect((await fake.cli("open -c eu-1 -n shop")).out).toBe(`${fake.url}/workloads?cluster=eu-1&namespace=shop\n`);
  expect((await fake.cli("open -c eu/1")).code).toBe(2);
  expect((await fake.cli("open web -c eu-1")).code).toBe(2);
  const broken = await fake.cli("open", { terminal: { live: true }, env: { BROWSER: "/nowhere/browser" } });
  expect([broken.code, broken.err]).toEqual([0, expect.stringContaining("No browser could be started")]);
});

test("version says both versions and builds, and warns where they are far apart", async () => {
  expect(await fake.cli("version")).toEqual({
    code: 0,
    out: `Client: 1.2.3\nServer: 1.2.0 (3f1c2ab) at ${fake.url}\n`,
    err: "",
  });
  expect(fake.seen.at(-1)!.path).toBe("/version");
  const anybody = await fake.cli("version", { env: { LIZARDCD_TOKEN: undefined } });
  expect(anybody.out).toBe(`Client: 1.2.3\nServer: 1.2.0 at ${fake.url}\n`);
  fake.answers["GET /version"] = () => failure(404, "request.no_such_path", { path: "/version" });
  fake.answers["GET /openapi.json"] = () => Response.json({ info: { version: "3.0.0" } });
  expect((await fake.cli("version")).err).toContain("far apart");
  expect(JSON.parse((await fake.cli("version -o json")).out)).toEqual({ client: "1.2.3", server: "3.0.0" });
  const away = await fake.cli("version", { env: { LIZARDCD_SERVER: "http://127.0.0.1:1" } });
  expect(away).toMatchObject({ code: 0, out: "Client: 1.2.3\n", err: expect.stringContaining("127.0.0.1:1") });
  expect(areFar("0.1.0", "0.2.0")).toBe(true);
  expect(areFar("1.2.0", "1.3.4 (abc)")).toBe(false);
  expect(areFar("1.2.0", "1.4.0")).toBe(true);
});

test("a server that does not know an operation may be of another version, and says so", async () => {
  const { code, err } = await fake.cli("registries");
  expect([code, err]).toEqual([5, expect.stringContaining("lizardcd version shows both")]);
});

test("an argument too many is refused by every command before anything is asked for", async () => {
  for (const command of commands) {
    const places = command.positional.map(({ name }) => args[name] ?? name);
    const before = fake.seen.length;
    const { code, out, err } = await fake.cli([...command.words.split(" "), ...places, "--server", fake.url, "extra"]);
    expect([command.words, code, out, err]).toEqual([command.words, 2, "", expect.stringContaining('"extra" is one')]);
    expect([command.words, fake.seen.length]).toEqual([command.words, before]);
  }
});

test("other words for the same command", async () => {
  fake.answers["GET /fleet"] = () => Response.json({ clusters: [{ name: "eu-1", state: "ok" }] });
  expect((await fake.cli("clusters -o name")).out).toBe("eu-1\n");
  expect((await fake.cli("get clusters --help")).out).toContain("lizardcd clusters");
  await fake.cli("rollout restart deploy/web -c eu-1 -n shop");
  expect(fake.seen.at(-1)!.path).toBe("/clusters/eu-1/namespaces/shop/deployments/web/restart");
});
