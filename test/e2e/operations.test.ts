// Every operation of the contract, one by one: who may, what it answers, and that every door says the same.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { href, type Operation, type OperationId, operation, operations } from "../../src/contract/operation.ts";
import { stormy } from "../../src/sandbox/seeds.ts";
import { newRequest } from "../../src/trust/request.ts";
import type { TestServer } from "../harness.ts";
import { type Answered, type Client, client, endAll, eventually, onEnd, startTestServer } from "../harness.ts";
import { mismatches, type Schemas } from "./shape.ts";
import { type Cli, newCli, readonlyUser, startSimulated } from "./world.ts";

const cluster = "storm-1";
const instance = "aaaaaaaa-0000-4000-8000-000000000001";
const workload = { cluster, namespace: "shop", resource: "deployments", name: "cart" };

interface Sample {
  /** Fields of the request, by their names in JSON. */
  given: Record<string, unknown>;
  /** The CLI's words and flags after the command, that mean the same. */
  words?: string[];
  /** What a person who asked must read on the page, and in the CLI's table unless `prints` says it otherwise. */
  // biome-ignore lint/suspicious/noExplicitAny: looks into any answer
  shows?: (body: any) => string[];
  // biome-ignore lint/suspicious/noExplicitAny: looks into any answer
  prints?: (body: any) => string[];
  /** True where the operation has a page of its own. */
  page?: boolean;
  /** What must be so each time before it is done. */
  before?: () => Promise<void>;
}

const at = ["--cluster", cluster, "--namespace", "shop"];

/** What the command line says of a write: the object by its name. */
const cart = () => ["cart"];

const samples: Partial<Record<OperationId, Sample>> = {
  "agent.info": {
    given: { cluster },
    words: [cluster],
    page: true,
    shows: (body) => [body.cluster, body.kubernetesVersion],
  },
  "agent.summary": { given: { cluster }, page: true, shows: ({ worst }) => worst.map(nameOf) },
  "namespace.list": { given: { cluster }, words: [cluster], page: true, shows: ({ items }) => items.map(nameOf) },
  "workload.list": { given: { cluster, namespace: "shop", resource: "workloads", state: ["failed", "ok"], limit: 50 } },
  "workload.get": {
    given: { ...workload, name: "web" },
    words: ["deploy/web", ...at],
    page: true,
    shows: ({ row, pods, revisions }) => [
      row.name,
      row.containers[0].image.split("/").at(-1).split(":")[1],
      ...pods.map((pod: { name: string }) => pod.name.split("-").at(-1)),
      revisions[0].revision,
    ],
  },
  "workload.restart": { given: workload, words: ["deploy/cart", ...at], prints: cart },
  "workload.scale": {
    given: { ...workload, replicas: 2 },
    words: ["deploy/cart", "--replicas", "2", ...at],
    prints: cart,
  },
  "workload.pause": { given: workload, words: ["deploy/cart", ...at], prints: cart },
  "workload.resume": { given: workload, words: ["deploy/cart", ...at], prints: cart },
  "workload.setImage": {
    given: { ...workload, container: "cart", image: "registry.example.com/shop/cart:2.0.8", dryRun: true },
    words: ["cart", "--container=cart", "--image=registry.example.com/shop/cart:2.0.8", "--dry-run", ...at],
    prints: cart,
  },
  "fleet.get": {
    given: { group: "region" },
    words: ["--group", "region"],
    page: true,
    shows: ({ clusters }) =>
      clusters.flatMap(({ name, states, workloads }: { name: string; states: { ok: number }; workloads: number }) => [
        name,
        `${states.ok}/${workloads}`,
      ]),
    prints: ({ clusters }) => clusters.map(nameOf),
  },
  "fleet.listWorkloads": {
    given: { cluster: [cluster], state: ["failed", "degraded", "ok", "run"], q: "o", limit: 100, sort: "name" },
    words: ["-c", cluster, "--state", "failed,degraded,ok,run", "--find", "o", "--limit=100", "--sort=name"],
    page: true,
    shows: ({ items }) =>
      items.flatMap(({ row }: { row: { name: string; ready: number; desired: number } }) => [
        row.name,
        `${row.ready}/${row.desired}`,
      ]),
  },
  "fleet.listAgents": {
    given: { cluster },
    words: ["--cluster", cluster],
    page: true,
    shows: ({ items }) => items.flatMap((row: { key: string; cluster: string }) => [row.key, row.cluster]),
    prints: ({ items }) => items.map((row: { cluster: string }) => row.cluster),
  },
  "fleet.removeCluster": {
    given: { cluster: "gone-1" },
    words: ["gone-1"],
    prints: () => ["Removed", "1"],
    async before() {
      await server.announce("gone-1", "127.0.0.1:1")();
      await eventually(
        () => server.client.get("/agents?cluster=gone-1"),
        ({ body }) => body.items[0]?.announcedMs === -1,
      );
    },
  },
  "fleet.listRegistries": { given: {}, page: true, shows: ({ items }) => items.map(nameOf) },
  "trust.invite": {
    given: { cluster: "new-1", namespaces: ["shop"], lifetime: 600 },
    words: ["--cluster", "new-1", "--namespaces", "shop", "--lifetime", "600"],
    shows: ({ token }) => [token],
  },
  "trust.enroll": { given: {} },
  "trust.renew": { given: {} },
  "trust.revoke": {
    given: { cluster: "new-1" },
    words: ["new-1"],
    prints: () => ["Revoked", "1"],
    async before() {
      const { request } = await newRequest();
      const { joinToken, client } = trusting.server;
      const body = { token: joinToken, cluster: "new-1", request };
      expect((await client.post("/agents/certificates", body)).status).toBe(200);
    },
  },
  "user.account": { given: {}, page: true, shows: ({ username }) => [username] },
  "audit.list": {
    given: { cluster, operation: "workload.restart", outcome: "done", limit: 5 },
    words: ["--cluster", cluster, "--operation=workload.restart", "--outcome", "done", "--limit", "5"],
    page: true,
    shows: ({ items }) => items.flatMap(({ actor, name }: { actor: string; name: string }) => [actor, name]),
  },
  "about.version": { given: {} },
  "user.login": { given: {} },
  "user.changePassword": { given: {} },
  "user.logout": { given: {} },
  "discovery.challenge": { given: { instance } },
  "discovery.announce": { given: { instance, keys: ["lizardcd-agent.*.walk-1"], address: "127.0.0.1:1" } },
  "discovery.withdraw": { given: { instance } },
};

/** Of all permissions, those of somebody who may look and not touch. */
const readonlyMay = new Set(
  "agents.read namespaces.read workloads.read fleet.read registries.read audit.read account.read account.write".split(
    " ",
  ),
);

const walked = operations.filter(({ http, id }) => http && samples[id]);

interface Place {
  server: TestServer;
  reader: Client;
}
let server: TestServer;
/** With a simulated cluster; its agent is called in plaintext, as no server does that asks agents for certificates. */
let plain: Place;
let trusting: Place;
const placeOf = ({ noun }: Operation) => (noun === "trust" ? trusting : plain);
let schemas: Schemas;
let document: { paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>> };

beforeAll(async () => {
  server = await startTestServer();
  await startSimulated(server, cluster, {
    seed: { ...stormy, traffic: undefined },
    speed: 20,
    labels: { region: "us" },
  });
  plain = { server, reader: (await readonlyUser(server)).client };
  const other = await startTestServer({ trust: { lifeMs: 86_400_000 } });
  trusting = { server: other, reader: (await readonlyUser(other)).client };
  document = (await client(server.url, "").get("/openapi.json")).body;
  schemas = (document as unknown as { components: { schemas: Schemas } }).components.schemas;
  // Something of every kind to look at: a crash, an image that is not there, an entry in the audit.
  await eventually(
    () => server.client.get(`/clusters/${cluster}/namespaces/shop/deployments/checkout`),
    ({ body }) => body.row?.reason?.code === "container.crash_loop" && body.events.length > 0,
  );
  await server.client.post(href("workload.restart", workload), {});
});
afterAll(endAll);

const send = (who: Client, { id, http }: Operation, given: Record<string, unknown>): Promise<Answered> => {
  const { path, body } = asJson(id, given);
  return http!.method === "GET" ? who.get(path) : who.post(path, body ?? {});
};

test("every operation has a sample here", () => {
  const missing = operations.filter(({ http, id }) => http && !samples[id]);
  expect(missing.map(({ id }) => id)).toEqual([]);
});

describe("permission:", () => {
  for (const op of walked) {
    const { id, permission, caller } = op;
    if (caller === "anyone") continue;
    test(`${id} is for ${caller === "agent" ? "agents" : permission}`, async () => {
      const given = samples[id]!.given;
      const { server, reader } = placeOf(op);
      const nobody = await ask(client(server.url, ""), op, given);
      expect([nobody.status, nobody.body.code]).toEqual([
        401,
        caller === "agent" ? "token.join_wrong" : "session.missing",
      ]);
      if (caller === "agent") {
        expect((await ask(server.client, op, given)).body.code).toBe("token.join_wrong");
        return;
      }
      const answer = await ask(reader, op, id === "user.logout" ? { nothing: "" } : given);
      if (readonlyMay.has(permission)) {
        expect([id, answer.body.code]).not.toEqual([id, "permission.denied"]);
        expect([id, answer.status < 500]).toEqual([id, true]);
      } else {
        expect([answer.status, answer.body.code]).toEqual([403, "permission.denied"]);
        expect(answer.body.params).toEqual({ actor: "reader", operation: id, permission });
      }
    });
  }

  test("what was refused is on record, and was not done", async () => {
    const image = { container: "cart", image: "registry.example.com/shop/cart:9.9.9" };
    await plain.reader.post(href("workload.setImage", workload), image);
    expect(JSON.stringify((await server.client.get(href("workload.get", workload))).body.row)).not.toContain("9.9.9");
    const { body } = await server.client.get("/audit?actor=reader&outcome=refused");
    const refused = body.items.map((entry: { operation: string }) => entry.operation);
    for (const verb of ["restart", "scale", "setImage"]) expect(refused).toContain(`workload.${verb}`);
  });

  // Leaves the session as it is where the operation would end it.
  const ask = (who: Client, op: Operation, given: Record<string, unknown>) => {
    const { method } = op.http!;
    return method === "GET" || method === "POST" ? send(who, op, given) : raw(who, method, asJson(op.id, given));
  };
});

describe("the OpenAPI document", () => {
  test("names every operation once, and every reference in it resolves", () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map((one) => one.operationId),
    );
    expect(ids.toSorted()).toEqual(
      operations
        .filter(({ http }) => http)
        .map(({ id }) => id as string)
        .toSorted(),
    );
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to!);
    expect(references.length).toBeGreaterThan(20);
    for (const to of references) {
      expect([to, schemas[to.replace("#/components/schemas/", "")] !== undefined]).toEqual([to, true]);
    }
  });

  for (const op of walked.filter(({ caller, verb }) => caller === "user" && verb !== "logout")) {
    test(`${op.id} answers as it says`, async () => {
      const { given, before } = samples[op.id]!;
      const { server } = placeOf(op);
      await before?.();
      const newPassword = "another one, as long as it has to be";
      const answer =
        op.id === "user.changePassword"
          ? await server.client.post("/account/password", { oldPassword: server.password, newPassword })
          : await send(server.client, op, given);
      if (op.id === "user.changePassword") server.password = newPassword;
      expect([answer.status, answer.body.code]).toEqual([200, undefined]);
      const { responses } = document.paths[op.http!.path]![op.http!.method.toLowerCase()]!;
      expect(mismatches(schemaOf(responses, "200"), answer.body, schemas)).toEqual([]);
      const failed = await send(client(server.url, "x"), op, given);
      expect(mismatches(schemaOf(responses, "default"), failed.body, schemas)).toEqual([]);
    });
  }

  test("an answer that is not as it says would be seen", () => {
    const row = { $ref: "#/components/schemas/Container" };
    expect(mismatches(row, { name: "a", image: "b", init: false }, schemas)).toEqual([]);
    expect(mismatches(row, { name: "a", image: 1, init: false }, schemas)).toHaveLength(1);
    expect(mismatches(row, { name: "a", init: false }, schemas)).toHaveLength(1);
    expect(mismatches(row, { name: "a", image: "b", init: false, more: 1 }, schemas)).toHaveLength(1);
  });
});

describe("page and JSON agree:", () => {
  for (const { id } of walked.filter(({ id }) => samples[id]!.page)) {
    test(id, async () => {
      const { given, shows } = samples[id]!;
      const path = href(id, given);
      const { body } = await server.client.get(path);
      const wanted = shows!(body);
      expect(wanted.length).toBeGreaterThan(0);
      for (const headers of [undefined, { "hx-request": "true", "hx-request-type": "partial" }]) {
        const page = await server.client.page(path, { headers });
        expect(page.status).toBe(200);
        const text = await textOf(page.body);
        for (const one of wanted) expect(text).toContain(one);
      }
    });
  }

  test("the page's forms post to where JSON does, under the same names", async () => {
    const { body } = await server.client.page(href("workload.get", workload));
    for (const id of ["workload.restart", "workload.scale", "workload.pause", "workload.setImage"] as const) {
      const form = new RegExp(`<form[^>]*action="${href(id, workload)}"[^>]*>(.*?)</form>`, "s").exec(body);
      expect([id, form !== null]).toEqual([id, true]);
      const names = [...form![1]!.matchAll(/name="([^"]+)"/g)].map(([, name]) => name!);
      const fields = operation(id).method.input.fields.map(({ jsonName }) => jsonName);
      expect(names.filter((name) => !fields.includes(name))).toEqual([]);
    }
  });
});

describe("the CLI sends what a JSON client sends, and prints what it gets:", () => {
  let proxy: ReturnType<typeof recorder>;
  let other: ReturnType<typeof recorder>;
  let cli: Cli;
  beforeAll(async () => {
    proxy = recorder(server.url);
    other = recorder(trusting.server.url);
    cli = await newCli();
    const { code } = await cli(["login", proxy.url, "-u", "admin", "--password-stdin"], server.password);
    expect(code).toBe(0);
    expect(proxy.seen.at(-1)).toMatchObject({ method: "POST", path: "/login" });
    expect(proxy.seen.at(-1)!.body).toEqual({ username: "admin", password: server.password });
  });

  for (const { id, noun, command } of walked.filter(({ command, caller }) => command !== "" && caller === "user")) {
    if (id === "user.logout") continue;
    test(command, async () => {
      const { given, words = [], shows, prints = shows, before } = samples[id]!;
      const elsewhere = noun === "trust" ? ["--server", other.url, "--token", trusting.server.client.token] : [];
      const { seen } = noun === "trust" ? other : proxy;
      const run = [...command.split(" "), ...words, ...elsewhere];
      await before?.();
      const printed = await cli([...run, "-o", "json"]);
      expect([printed.code, printed.err]).toEqual([0, ""]);
      const sent = seen.at(-1)!;
      const { path, body } = asJson(id, given);
      expect({ method: sent.method, path: ordered(sent.path), body: sent.body }).toEqual({
        method: operation(id).http!.method,
        path: ordered(path),
        body,
      });
      expect(JSON.parse(printed.out)).toEqual(sent.answer);
      await before?.();
      const table = await cli(run);
      expect(table.code).toBe(0);
      const printedWords = prints?.(seen.at(-1)!.answer) ?? [];
      expect([id, printedWords.length > 0]).toEqual([id, true]);
      for (const one of printedWords) expect(table.out).toContain(one);
    });
  }

  test("logout ends the session it was given", async () => {
    const { code } = await cli(["logout"]);
    expect([code, proxy.seen.at(-1)!.path]).toEqual([0, "/logout"]);
    expect((await cli(["whoami"])).code).toBe(3);
  });
});

interface Seen {
  method: string;
  path: string;
  body: unknown;
  answer: unknown;
}

/** Hands requests on to the server and remembers them. */
function recorder(to: string) {
  const seen: Seen[] = [];
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const text = await request.text();
      const headers = new Headers(request.headers);
      headers.delete("host");
      headers.delete("accept-encoding");
      const answer = await fetch(`${to}${pathname}${search}`, {
        method: request.method,
        headers,
        body: request.method === "GET" ? undefined : text,
      });
      const body = await answer.text();
      seen.push({
        method: request.method,
        path: pathname + search,
        body: text === "" ? undefined : JSON.parse(text),
        answer: JSON.parse(body),
      });
      return new Response(body, { status: answer.status, headers: { "content-type": "application/json" } });
    },
  });
  onEnd(() => proxy.stop(true));
  return { url: proxy.url.origin, seen };
}

/** The request as somebody would write it by hand who has read the OpenAPI document. */
function asJson(id: OperationId, given: Record<string, unknown>): { path: string; body?: Record<string, unknown> } {
  const { http } = operation(id);
  if (!http!.body) return { path: href(id, given) };
  const rest = Object.entries(given).filter(([name]) => !http!.path.includes(`{${name}}`));
  return { path: href(id, given), body: Object.fromEntries(rest) };
}

async function raw(who: Client, method: string, { path, body }: ReturnType<typeof asJson>): Promise<Answered> {
  const answer = await fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${who.token}`, accept: "application/json", "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

function ordered(path: string): string {
  const [before, query = ""] = path.split("?");
  return `${before}?${query.split("&").toSorted().join("&")}`;
}

function schemaOf(responses: Record<string, unknown>, status: string): Record<string, unknown> {
  type Response = { content: { "application/json": { schema: Record<string, unknown> } } };
  return (responses[status] as Response).content["application/json"].schema;
}

async function textOf(html: string): Promise<string> {
  const pieces: string[] = [];
  await new HTMLRewriter()
    .onDocument({ text: ({ text }) => void pieces.push(text) })
    .transform(new Response(html))
    .text();
  return pieces
    .join("")
    .replaceAll("&amp;", "&")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"');
}

const nameOf = ({ name }: { name: string }) => name;
