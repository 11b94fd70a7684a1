// The server's doors over real HTTP, with stub agents behind real gRPC.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { client, endAll, eventually, login, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, type StubAgent, startStubAgent } from "../../test/stub-agent.ts";
import { Failed, type FailureCode, failures } from "../contract/errors.ts";
import { operations } from "../contract/operation.ts";
import { aboutAnswers } from "./about.ts";

let server: TestServer;
let eu: StubAgent;
let us: StubAgent;
const web = "/clusters/eu-1/namespaces/shop/deployments/web";

beforeAll(async () => {
  server = await startTestServer();
  eu = await startStubAgent({
    cluster: "eu-1",
    labels: { region: "eu" },
    rows: [row("eu-1", "web"), row("eu-1", "cart", { state: "failed", ready: 1 }), row("eu-1", "gone-one")],
  });
  us = await startStubAgent({
    cluster: "us-1",
    labels: { region: "us" },
    rows: [row("us-1", "api"), row("us-1", "web")],
  });
  onEnd(eu.stop);
  onEnd(us.stop);
  server.announce("eu-1", eu.address);
  server.announce("us-1", us.address);
  server.announce("dead-1", "127.0.0.1:1");
  await eventually(
    () => server.client.get("/fleet"),
    ({ body }) =>
      body.clusters.length === 3 && body.clusters.every((one: { state: string }) => one.state !== "unknown"),
  );
});
afterAll(endAll);

describe("the fleet", () => {
  test("says what answers, what needs somebody and what is lost, without a call in its request", async () => {
    const before = eu.calls.get("lizardcd.v1.AgentService/Summary");
    const answers = await Promise.all(Array.from({ length: 40 }, () => server.client.get("/fleet?group=region")));
    const { body } = answers[0]!;
    expect(body.clusters.map((one: { name: string; state: string }) => [one.name, one.state])).toEqual([
      ["dead-1", "lost"],
      ["eu-1", "degraded"],
      ["us-1", "ok"],
    ]);
    expect(body.answering).toBe(2);
    expect(body.attention[0]).toMatchObject({ cluster: "dead-1", failure: { code: "agent.unavailable" } });
    expect(body.attention[1]).toMatchObject({ cluster: "eu-1", trouble: { name: "cart" } });
    // The background goes on asking in turn; forty requests do not add forty calls.
    expect(eu.calls.get("lizardcd.v1.AgentService/Summary")! - before!).toBeLessThan(20);
  });

  test("is a whole page for a browser and a fragment for htmx alone", async () => {
    const page = await server.client.page("/fleet");
    expect(page.body).toStartWith("<!doctype html>");
    expect(page.body).toContain("eu-1");
    const fragment = await server.client.page("/fleet", {
      headers: { "hx-request": "true", "hx-request-type": "partial" },
    });
    expect(fragment.body).not.toContain("<!doctype");
    const history = await server.client.page("/fleet", {
      headers: { "hx-request": "true", "hx-request-type": "full" },
    });
    expect(history.body).toStartWith("<!doctype html>");
    expect(page.headers.get("vary")).toContain("HX-Request-Type");
  });

  test("carries a policy that allows no inline script and no other origin", async () => {
    const { headers, body } = await server.client.page("/fleet");
    const policy = headers.get("content-security-policy")!;
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain("unsafe");
    expect(body).not.toMatch(/(?:src|href|action)="(?:https?:)?\/\//);
    expect(body).not.toMatch(/\son[a-z]+=|style="/);
  });
});

describe("workloads across clusters", () => {
  test("are merged worst first; who did not answer is named", async () => {
    const { body } = await server.client.get("/workloads");
    expect(
      body.items.map(({ row }: { row: { cluster: string; name: string } }) => `${row.cluster}/${row.name}`),
    ).toEqual(["eu-1/cart", "eu-1/gone-one", "eu-1/web", "us-1/api", "us-1/web"]);
    expect(body.unanswered).toMatchObject([{ cluster: "dead-1", code: "agent.unavailable" }]);
    expect(body.total).toBe(5);
  });

  test("of a cluster that hangs are missing, by name, while the others are shown", async () => {
    us.delayMs = 60_000;
    const { status, body } = await server.client.get("/workloads");
    us.delayMs = 0;
    expect(status).toBe(200);
    expect(body.unanswered.map((one: { cluster: string; code: string }) => [one.cluster, one.code])).toContainEqual([
      "us-1",
      "request.timed_out",
    ]);
    expect(body.items.every(({ row }: { row: { cluster: string } }) => row.cluster === "eu-1")).toBe(true);
    await eventually(
      () => server.client.get("/workloads?cluster=us-1"),
      ({ body }) => body.items.length === 2,
    );
  });

  test("come page by page, each row once", async () => {
    const seen: string[] = [];
    let next = "";
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await server.client.get(`/workloads?limit=2&cluster=eu-1&cluster=us-1&continue=${next}`);
      seen.push(
        ...body.items.map(({ row }: { row: { cluster: string; name: string } }) => `${row.cluster}/${row.name}`),
      );
      next = body.continue;
      if (!next) break;
    }
    expect(seen.toSorted()).toEqual(["eu-1/cart", "eu-1/gone-one", "eu-1/web", "us-1/api", "us-1/web"]);
  });

  test("a continue value of somebody else's making is refused", async () => {
    expect((await server.client.get("/workloads?continue=abc")).body.code).toBe("continue.invalid");
    expect((await server.client.get("/workloads?continue=e30")).status).toBe(400);
  });
});

describe("one workload", () => {
  test("is a page and JSON at one path", async () => {
    expect((await server.client.get(web)).body.row).toMatchObject({ name: "web", desired: 3 });
    expect((await server.client.page(web)).body).toContain("registry.example.com/shop/");
  });

  test("restart, scale and set image reach the agent with the actor, and are audited with what they changed", async () => {
    expect((await server.client.post(`${web}/restart`, {})).body.row.state).toBe("run");
    expect((await server.client.post(`${web}/scale`, { replicas: 0 })).body.row.desired).toBe(0);
    expect((await server.client.post(`${web}/image`, { image: "web:2" })).body.row.containers[0].image).toBe("web:2");
    expect(eu.actors).toContain("admin");
    const { body } = await server.client.get("/audit?cluster=eu-1&q=web&outcome=done");
    expect(body.items.slice(0, 3).map((one: { operation: string }) => one.operation)).toEqual([
      "workload.setImage",
      "workload.scale",
      "workload.restart",
    ]);
    expect(JSON.parse(body.items[1].changes)).toEqual([{ path: "spec.replicas", before: "3", after: "0" }]);
    expect(body.items[0]).toMatchObject({ actor: "admin", outcome: "done", door: "json" });
  });

  test("pause and resume reach the agent, are audited, and lead a browser without scripts back to the page", async () => {
    expect((await server.client.post(`${web}/pause`, {})).body).toMatchObject({
      paused: true,
      row: { state: "paused" },
    });
    const resumed = await server.client.page(`${web}/resume`, { form: {} });
    expect([resumed.status, resumed.headers.get("location")]).toEqual([303, `${web}?done=resume`]);
    expect((await server.client.page(`${web}?done=resume`)).body).toContain("Resumed the rollouts of shop/web in eu-1");
    const { body } = await server.client.get("/audit?cluster=eu-1&q=web&limit=2");
    expect(body.items).toMatchObject([
      { operation: "workload.resume", outcome: "done", door: "browser" },
      { operation: "workload.pause", outcome: "done", door: "json" },
    ]);
  });

  test("anybody is told the version, and who shows a token that is none is told no more", async () => {
    for (const token of ["", "nonsense"]) {
      const { status, body } = await client(server.url, token).get("/version");
      expect([status, body]).toEqual([200, { version: expect.stringMatching(/^\d+\.\d+\.\d+/), commit: "" }]);
    }
  });

  test("which build answers is for who is signed in", async () => {
    const actorIfAny = async ({ headers }: Request) => (headers.has("authorization") ? ({} as never) : undefined);
    const [version] = aboutAnswers({ version: "1.0.0", commit: "3f1c2ab", actorIfAny });
    const asked = (headers: Record<string, string>) =>
      version!.run({} as never, { request: new Request(server.url, { headers }) } as never);
    expect(await asked({ authorization: "Bearer tok" })).toMatchObject({ commit: "3f1c2ab" });
    expect(await asked({})).toMatchObject({ version: "1.0.0", commit: "" });
  });

  test("a dry run changes nothing and leaves no entry", async () => {
    const count = async () => (await server.client.get("/audit?operation=workload.setImage")).body.items.length;
    const before = await count();
    const { body } = await server.client.post(`${web}/image`, { image: "web:3", dryRun: true });
    expect(body.changes[0].after).toBe('"web:3"');
    expect(await count()).toBe(before);
    expect(eu.rows.get("shop/deployments/web")!.containers[0]!.image).toBe("web:2");
  });

  test("a dry run of every write changes nothing, whatever the door, and says what would change", async () => {
    const count = async () => (await server.client.get("/audit?limit=500")).body.items.length;
    const before = [await count(), JSON.stringify([...eu.rows.values()])];
    const verbs: [verb: string, given: object][] = [
      ["restart", {}],
      ["scale", { replicas: 9 }],
      ["pause", {}],
      ["resume", {}],
    ];
    for (const [verb, given] of verbs) {
      for (const dry of [{ dryRun: true }, { dry_run: "1" }]) {
        const { status, body } = await server.client.post(`${web}/${verb}`, { ...given, ...dry });
        expect([verb, status, body.dryRun, body.changes.length]).toEqual([verb, 200, true, 1]);
      }
      const form = { ...given, dryRun: "true" } as Record<string, string>;
      const page = await server.client.page(`${web}/${verb}`, { form });
      expect([verb, page.status, page.body.includes("nothing was changed")]).toEqual([verb, 200, true]);
      const partial = { "hx-request": "true", "hx-request-type": "partial" };
      const toast = await server.client.page(`${web}/${verb}`, { form, headers: partial });
      expect([verb, toast.status, toast.body.includes("nothing was changed")]).toEqual([verb, 200, true]);
      expect(toast.body).not.toContain("<form");
    }
    expect([await count(), JSON.stringify([...eu.rows.values()])]).toEqual(before);
  });

  test("what only looks like a dry run is on record as the write that it is", async () => {
    const count = async () => (await server.client.get("/audit?operation=workload.scale")).body.items.length;
    const before = await count();
    const { desired } = eu.rows.get("shop/deployments/web")!;
    await server.client.post(`${web}/scale`, { dryRun: true, dry_run: false, replicas: desired });
    expect(await count()).toBe(before + 1);
  });

  test("a form without scripts goes back to the page; htmx gets a toast", async () => {
    const plain = await server.client.page(`${web}/scale`, { form: { replicas: "4" } });
    expect(plain.status).toBe(303);
    expect(plain.headers.get("location")).toBe(`${web}?done=scale`);
    const after = await server.client.page(`${web}?done=scale`);
    expect(after.status).toBe(200);
    expect(after.body).toContain('data-s="ok"');
    const partial = await server.client.page(`${web}/scale`, {
      form: { replicas: "5" },
      headers: { "hx-request-type": "partial" },
    });
    expect(partial.status).toBe(200);
    expect(partial.body).toContain("toast-note");
  });

  test("a write through a lost agent answers 503, names its key and is audited as failed", async () => {
    const answer = await server.client.post("/clusters/dead-1/namespaces/shop/deployments/web/restart", {});
    expect(answer.status).toBe(503);
    expect(answer.body.message).toContain("lizardcd-agent.*.dead-1");
    const { body } = await server.client.get("/audit?cluster=dead-1");
    expect(body.items[0]).toMatchObject({ operation: "workload.restart", outcome: "failed" });
  });
});

describe("bad input is an error that names the object", () => {
  const cases: [
    what: string,
    method: "GET" | "POST",
    path: string,
    body: unknown,
    status: number,
    code: string,
    says: string,
  ][] = [
    [
      "unknown cluster",
      "GET",
      "/clusters/nope/namespaces/shop/deployments/web",
      "",
      404,
      "agent.none",
      "lizardcd-agent.*.nope",
    ],
    [
      "unknown kind",
      "GET",
      "/clusters/eu-1/namespaces/shop/pods/web",
      "",
      400,
      "request.invalid",
      "deployments, statefulsets",
    ],
    ["unknown name", "GET", "/clusters/eu-1/namespaces/shop/deployments/nope", "", 404, "workload.not_found", "nope"],
    ["malformed name", "GET", "/clusters/eu-1/namespaces/shop/deployments/A_B", "", 400, "request.invalid", "name"],
    [
      "malformed namespace",
      "GET",
      "/clusters/eu-1/namespaces/a.b/deployments/web",
      "",
      400,
      "request.invalid",
      "namespace",
    ],
    [
      "unknown container",
      "POST",
      `${web}/image`,
      { container: "nope", image: "a:1" },
      404,
      "container.not_found",
      "it has web",
    ],
    ["malformed image", "POST", `${web}/image`, { image: "Not An Image" }, 400, "request.invalid", "image reference"],
    ["no image", "POST", `${web}/image`, {}, 400, "request.invalid", "image is required"],
    ["negative replicas", "POST", `${web}/scale`, { replicas: -1 }, 400, "request.invalid", "at least 0"],
    ["huge replicas", "POST", `${web}/scale`, { replicas: 10_001 }, 400, "request.invalid", "at most 10000"],
    ["overflowing replicas", "POST", `${web}/scale`, { replicas: 1e15 }, 400, "request.invalid", "replicas"],
    ["no replicas", "POST", `${web}/scale`, {}, 400, "request.invalid", "replicas is required"],
    ["misspelt field", "POST", `${web}/scale`, { replica: 1 }, 400, "request.invalid", "did you mean replicas"],
    ["fraction", "POST", `${web}/scale`, { replicas: 1.5 }, 400, "request.invalid", "whole number"],
    ["wrong type", "POST", `${web}/scale`, { replicas: [1] }, 400, "request.invalid", "whole number"],
    ["not JSON", "POST", `${web}/scale`, "{replicas", 400, "request.not_json", "not valid JSON"],
    ["not an object", "POST", `${web}/scale`, "[1]", 400, "request.not_json", "object"],
    ["unknown path", "GET", "/nope", "", 404, "request.no_such_path", "/nope"],
    ["wrong method", "POST", "/fleet", {}, 405, "request.wrong_method", "GET"],
    ["unknown state", "GET", "/workloads?state=purple", "", 400, "request.invalid", "purple"],
    ["huge limit", "GET", "/workloads?limit=100000", "", 400, "request.invalid", "limit"],
  ];
  for (const [what, method, path, body, status, code, says] of cases) {
    test(what, async () => {
      const answer = method === "GET" ? await server.client.get(path) : await server.client.post(path, body);
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      expect(answer.body.message).toContain(says);
      expect(answer.body.requestId).not.toBe("");
      expect(JSON.stringify(answer.body)).not.toMatch(/at .*\.tsx?:\d+|node_modules/);
    });
  }

  test("too large", async () => {
    const answer = await server.client.post(`${web}/image`, { image: "a".repeat(1_100_000) });
    expect([answer.status, answer.body.code]).toEqual([413, "request.too_large"]);
  });

  test("another media type", async () => {
    const answer = await server.client.post(`${web}/scale`, "replicas: 1", { "content-type": "application/yaml" });
    expect([answer.status, answer.body.code]).toEqual([415, "request.media_type"]);
  });

  test("a page shows the same failure in words, with its status", async () => {
    const { status, body } = await server.client.page("/clusters/nope/namespaces/shop/deployments/web");
    expect(status).toBe(404);
    expect(body).toStartWith("<!doctype html>");
    expect(body).toContain("nope");
  });

  test("an agent that speaks of sessions does not end the user's", async () => {
    eu.failWith = new Failed("session.expired", {}) as never;
    const { status } = await server.client.get(web);
    eu.failWith = undefined;
    expect(status).toBe(503);
  });

  test("an agent's own panic is not shown, and is named by its request", async () => {
    eu.failWith = new Error("secret detail of the program") as never;
    const { status, body } = await server.client.get(web);
    eu.failWith = undefined;
    expect([status, body.code]).toEqual([500, "internal.error"]);
    expect(JSON.stringify(body)).not.toContain("secret detail");
  });
});

describe("sessions", () => {
  const nobody = () => client(server.url, "");

  test("that have ended are said to have, where one logs in again", async () => {
    const mine = await login(server.url, "admin", server.password);
    await mine.page("/logout", { method: "POST" });
    expect((await mine.page("/login?next=%2Ffleet")).body).toContain("The session has ended");
    expect((await nobody().page("/login")).body).not.toContain("The session has ended");
  });

  test("are needed everywhere but at the door", async () => {
    for (const path of ["/fleet", "/workloads", web, "/audit", "/account", "/clusters/eu-1/namespaces"]) {
      const answer = await nobody().get(path);
      expect([path, answer.status, answer.body.code]).toEqual([path, 401, "session.missing"]);
    }
    const page = await nobody().page("/fleet?group=region");
    expect([page.status, page.headers.get("location")]).toEqual([303, "/login?next=%2Ffleet%3Fgroup%3Dregion"]);
    for (const stream of ["/fleet/live", "/workloads/live", `${web}/live`]) {
      expect((await nobody().get(stream)).status).toBe(401);
    }
  });

  test("a token of another secret, of algorithm none, expired or of an ended session is refused", async () => {
    const claims = JSON.parse(Buffer.from(server.client.token.split(".")[1]!, "base64url").toString());
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const none = `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`;
    const forged = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}.${sign(part({ alg: "HS256", typ: "JWT" }), part(claims), "other")}`;
    for (const token of [none, forged, "garbage", `${server.client.token}x`]) {
      const answer = await client(server.url, token).get("/fleet");
      expect([answer.status, answer.body.code]).toEqual([401, "session.invalid"]);
    }
    const other = await login(server.url, "admin", server.password);
    expect((await other.get("/account")).status).toBe(200);
    expect((await other.post("/logout", {})).status).toBe(200);
    expect((await other.get("/account")).body.code).toBe("session.expired");
  });

  test("in a browser live in a cookie that scripts cannot read and other sites do not send", async () => {
    const answer = await nobody().page("/login", {
      form: { username: "admin", password: server.password, next: "/workloads" },
    });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/workloads"]);
    const cookie = answer.headers.get("set-cookie")!;
    for (const word of ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=86400"]) expect(cookie).toContain(word);
  });

  test("login never leads to another site", async () => {
    const answer = await nobody().page("/login", {
      form: { username: "admin", password: server.password, next: "//evil.example" },
    });
    expect(answer.status).toBe(400);
    expect(answer.headers.get("location")).toBeNull();
  });

  test("a wrong password says so on the page, and is on record without the password", async () => {
    const answer = await nobody().page("/login", { form: { username: "admin", password: "guess-what" } });
    expect(answer.status).toBe(401);
    expect(answer.body).toContain("aria-invalid");
    const { body } = await server.client.get("/audit?operation=user.login&outcome=refused");
    expect(body.items[0].actor).toBe("admin");
    expect(JSON.stringify(body)).not.toContain("guess-what");
  });

  test("too many attempts are slowed down, for that name alone", async () => {
    const answers = [];
    for (let attempt = 0; attempt < 7; attempt++) {
      answers.push(await nobody().post("/login", { username: "mallory", password: "x" }));
    }
    expect(answers[0]!.body.code).toBe("login.wrong");
    expect(answers.at(-1)!.status).toBe(429);
    expect(Number(answers.at(-1)!.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await login(server.url, "admin", server.password)).token).not.toBe("");
  });

  test("a write from another site is refused, with a cookie that would be right", async () => {
    for (const headers of [
      { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
      { "sec-fetch-site": "", origin: "https://evil.example" },
      { "sec-fetch-site": "same-site", origin: "http://127.0.0.2:1" },
    ] as Record<string, string>[]) {
      const answer = await server.client.page(`${web}/restart`, { form: {}, headers });
      expect(answer.status).toBe(403);
    }
  });

  test("secrets lie in the data folder for their owner alone", async () => {
    for (const file of ["session-secret", "join-token", "first-password"]) {
      expect((await stat(join(server.data, file))).mode & 0o777).toBe(0o600);
    }
  });

  test("a new password ends the other sessions and the file with the first one", async () => {
    const own = await startTestServer();
    const other = await login(own.url, "admin", own.password);
    expect(
      (await own.client.post("/account/password", { oldPassword: "wrong", newPassword: "long enough as it is" })).body
        .code,
    ).toBe("password.wrong");
    const changed = await own.client.post("/account/password", {
      oldPassword: own.password,
      newPassword: "long enough as it is",
    });
    expect(changed.body.firstPassword).toBe(false);
    expect((await other.get("/account")).status).toBe(401);
    expect((await own.client.get("/account")).status).toBe(200);
    expect(await Bun.file(join(own.data, "first-password")).exists()).toBe(false);
  });
});

describe("announcing to the server", () => {
  const instance = "aaaaaaaa-0000-4000-8000-000000000000";
  const put = (token: string, body: unknown) =>
    fetch(`${server.url}/discovery/instances/${instance}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });

  test("needs the join token; a user's session is none", async () => {
    const body = { keys: ["lizardcd-agent.*.new-1"], address: "127.0.0.1:2" };
    for (const token of ["", "wrong", server.client.token]) {
      const answer = await put(token, body);
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([401, "token.join_wrong"]);
    }
    const right = await put(server.joinToken, body);
    expect([right.status, await right.json()]).toEqual([200, { leaseMs: 10_000 }]);
    await eventually(
      () => server.pool.directory.find("new-1"),
      (entry) => entry !== undefined,
    );
    await fetch(`${server.url}/discovery/instances/${instance}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${server.joinToken}` },
    });
    await eventually(
      () => server.pool.directory.find("new-1"),
      (entry) => entry === undefined,
    );
  });

  test("a key that is not ours is refused by name", async () => {
    const answer = await put(server.joinToken, { keys: ["lizardcd-agent..*"], address: "127.0.0.1:2" });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { message: string }).message).toContain("lizardcd-agent..*");
  });
});

test("a request's id is taken as its sender gave it, where it can go along to an agent; else it gets another", async () => {
  const idOf = async (given: string) => {
    const { status, headers } = await server.client.get(`${web}`, { "x-request-id": given });
    return [status, headers.get("x-request-id")];
  };
  expect(await idOf("from-the-gateway:7")).toEqual([200, "from-the-gateway:7"]);
  const [status, id] = await idOf("z\u00e9ro");
  expect([status, id]).toEqual([200, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
});

test("every operation of the contract that has a path is mounted", async () => {
  const whole = await startTestServer({ trust: { lifeMs: 86_400_000 } });
  for (const { id, http } of operations) {
    if (!http) continue;
    const path = http.path.replace(/\{(\w+)\}/g, (_, name: string) => ({ resource: "deployments" })[name] ?? "x");
    const answer = await fetch(`${whole.url}${path}`, {
      method: http.method,
      headers: { accept: "application/json" },
    });
    const { code } = (await answer.json()) as { code?: string };
    // Who is nobody is told so, unless anybody may ask; what is not mounted would answer that there is nothing.
    const mounted = ["session.missing", "token.join_wrong", "request.invalid", undefined];
    expect([id, mounted.includes(code) ? "mounted" : code]).toEqual([id, "mounted"]);
  }
});

test("a form that fails leads back to the page it stands on", async () => {
  const answer = await server.client.page("/clusters/dead-1/namespaces/shop/deployments/web/restart", {
    form: {},
    headers: { referer: `${server.url}/workloads?cluster=dead-1` },
  });
  expect(answer.status).toBe(503);
  expect(answer.body).toContain('href="/workloads?cluster=dead-1"');
  expect(answer.body).not.toContain('href="/clusters/dead-1/namespaces/shop/deployments/web/restart"');
});

describe("the rest of the doors", () => {
  test("health, readiness, assets and the OpenAPI document answer without a session", async () => {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    const css = await fetch(`${server.url}/assets/app.css`);
    expect([css.status, css.headers.get("content-type")]).toEqual([200, "text/css; charset=utf-8"]);
    expect((await fetch(`${server.url}/assets/..%2fmain.ts`)).status).toBe(404);
    const { body } = await client(server.url, "").get("/openapi.json");
    expect(body.openapi).toBe("3.1.0");
    expect(Object.keys(body.components.schemas)).toContain("Workload");
    expect(Object.keys(body.components.schemas)).toContain("Failure");
  });

  test("every failure has a sentence whose places are filled", () => {
    for (const [code, { message, http }] of Object.entries(failures)) {
      const names = [...message.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      const given = Object.fromEntries(names.map((name) => [name, `<${name}>`]));
      const said = new Failed(code as FailureCode, given as never).message;
      expect([code, names.filter((name) => !said.includes(`<${name}>`))]).toEqual([code, []]);
      expect([code, /[{}]/.test(said)]).toEqual([code, false]);
      expect([code, http >= 400]).toEqual([code, true]);
    }
  });

  test("theme and language are kept by a plain form", async () => {
    const answer = await server.client.page("/preferences", { form: { theme: "dark", lang: "zh", next: "/audit" } });
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/audit"]);
    const page = await server.client.page("/fleet", {
      headers: { cookie: `lizardcd_session=${server.client.token}; lang=zh; theme=dark` },
    });
    expect(page.body).toContain('lang="zh-CN"');
    expect(page.body).toContain('data-theme="dark"');
  });

  test("answers are compressed where the client takes it", async () => {
    const answer = await fetch(`${server.url}/openapi.json`, {
      headers: { "accept-encoding": "gzip" },
      decompress: false,
    } as RequestInit);
    expect(answer.headers.get("content-encoding")).toBe("gzip");
  });
});

function sign(header: string, payload: string, secret: string): string {
  return new Bun.CryptoHasher("sha256", secret).update(`${header}.${payload}`).digest("base64url");
}
