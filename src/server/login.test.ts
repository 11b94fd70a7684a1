// Signing in as strangers try it: guesses at once, from behind a proxy, to pages elsewhere, under other names and cookies.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { client, endAll, login, startTestServer, type TestServer } from "../../test/harness.ts";
import { tunnelPath } from "../tunnel/frame.ts";
import { trustedProxies } from "./caller-address.ts";

const http = { host: "127.0.0.1", port: 0 };
const from = (address: string) => ({ "x-forwarded-for": address });
const signIn = (server: TestServer, password: string, headers = {}, username = "admin") =>
  client(server.url, "").post("/login", { username, password }, headers);

describe("guesses", () => {
  afterEach(endAll);

  test("two hundred at once are five; whoever comes from elsewhere with the right password is let in", async () => {
    const server = await startTestServer({
      // No wait passes while it is looked at.
      now: () => 0,
      http: { ...http, trustedProxies: trustedProxies(["127.0.0.0/8"]) },
    });
    const wrong = await Promise.all(
      Array.from({ length: 200 }, (_, index) => signIn(server, `wrong-${index}`, from("203.0.113.5"))),
    );
    const codes = Object.groupBy(wrong, ({ body }) => body.code);
    expect([codes["login.wrong"]?.length, codes["login.too_many"]?.length]).toEqual([5, 195]);
    for (const { headers } of codes["login.too_many"]!) expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await signIn(server, server.password, from("203.0.113.5"))).status).toBe(429);
    expect((await signIn(server, server.password, from("203.0.113.6"))).status).toBe(200);
    expect((await signIn(server, server.password, { forwarded: "for=203.0.113.7" })).status).toBe(200);
    expect((await signIn(server, server.password, from("1.1.1.1, 203.0.113.5"))).status).toBe(429);
  });

  test("come from the connection's own address where no proxy is named, whatever the headers say", async () => {
    const server = await startTestServer({ now: () => 0 });
    for (let attempt = 0; attempt < 5; attempt++) await signIn(server, "wrong", from(`203.0.113.${attempt}`));
    expect((await signIn(server, server.password, from("203.0.113.99"))).status).toBe(429);
  });

  test("of the old password count like those at the door, and the new one is no first or blank one", async () => {
    const server = await startTestServer({ now: () => 0 });
    const change = (oldPassword: string, newPassword: string) =>
      server.client.post("/account/password", { oldPassword, newPassword });
    const codes = async (...given: [string, string][]) => {
      const answers = [];
      for (const [old, next] of given) answers.push((await change(old, next)).body.code);
      return answers;
    };
    expect(
      await codes(
        [server.password, server.password],
        [server.password, " ".repeat(20)],
        [server.password, "fourteen chars"],
        [server.password, "lizardcd-lizardcd"],
      ),
    ).toEqual(["password.same", "password.blank", "password.short", "password.expected"]);
    const wrong: [string, string] = ["wrong", "long enough as it is"];
    expect(await codes(...Array<[string, string]>(6).fill(wrong))).toEqual([
      ...Array(5).fill("password.wrong"),
      "login.too_many",
    ]);
    const refused = await server.client.page("/account/password", {
      form: { oldPassword: server.password, newPassword: "long enough as it is" },
    });
    expect([refused.status, Number(refused.headers.get("retry-after"))]).toEqual([429, expect.any(Number)]);
    // It is one count: the door is shut as well.
    expect((await signIn(server, server.password)).status).toBe(429);
  });

  test("the page of the account says what is wrong with a new password", async () => {
    const server = await startTestServer({ now: () => 0 });
    const said = await server.client.page("/account/password", {
      form: { oldPassword: server.password, newPassword: "fourteen chars" },
    });
    expect(said.status).toBe(400);
    expect(said.body).toContain("14 characters and needs 15");
    expect(said.body).not.toContain("fourteen chars");
  });
});

describe("one server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(endAll);

  const odd = [
    "/\t/evil.example",
    "/\n/evil.example",
    "/.//evil.example",
    "/\\evil.example",
    "//evil.example",
    "/\u0000",
  ];

  test("leads nowhere else after signing in, and makes no session for what it then refuses", async () => {
    for (const next of [...odd, "/workloads?q=\u00e9", "/\ud83e\udd8e"]) {
      const { status, headers } = await client(server.url, "").page("/login", {
        form: { username: "admin", password: server.password, next },
      });
      expect([next, [303, 400].includes(status)]).toEqual([next, true]);
      const to = headers.get("location") ?? "/";
      expect([next, new URL(to, "https://own.example/login").origin]).toEqual([next, "https://own.example"]);
      expect([next, status === 303]).toEqual([next, headers.has("set-cookie")]);
    }
  });

  test("leads nowhere else from /login, /preferences, a page or a form", async () => {
    for (const next of odd) {
      const there = `/login?next=${encodeURIComponent(next)}`;
      const at = await server.client.page(there);
      expect([next, at.status, at.headers.get("location")]).toEqual([next, 303, "/fleet"]);
      const [form] = (await client(server.url, "").page(there)).body.split('action="/preferences"');
      expect(form.includes("evil.example")).toBe(false);
      const kept = await server.client.page("/preferences", { form: { theme: "dark", next } });
      expect([next, kept.status, kept.headers.get("location")]).toEqual([next, 303, "/fleet"]);
    }
    const { hostname, port } = new URL(server.url);
    const raw = await fetch(`http://${hostname}:${port}//evil.example/x`, { headers: { accept: "text/html" } });
    expect((await raw.text()).includes('="//evil.example')).toBe(false);
    const form = await server.client.page("/clusters/x/namespaces/shop/deployments/web/restart", {
      form: {},
      headers: { referer: `${server.url}//evil.example/` },
    });
    expect(form.body.includes('href="//evil.example')).toBe(false);
  });

  test("takes the first session that is valid among cookies of one name", async () => {
    const with_ = (...cookies: string[]) => server.client.page("/account", { headers: { cookie: cookies.join("; ") } });
    const valid = `lizardcd_session=${server.client.token}`;
    expect((await with_("lizardcd_session=of-another-port", valid)).status).toBe(200);
    expect((await with_(valid, "lizardcd_session=of-another-port")).status).toBe(200);
    expect((await with_("lizardcd_session=", "x=1", valid)).status).toBe(200);
    expect((await with_("lizardcd_session=a", "lizardcd_session=b")).status).toBe(303);
    // Each one is a signature to check: a flood of them is not looked through.
    expect((await with_(...Array<string>(8).fill("lizardcd_session=a"), valid)).status).toBe(303);
  });

  test("on a loopback address answers to the names of this machine alone", async () => {
    const as = async (host: string, path = "/login") => {
      const answer = await fetch(`${server.url}${path}`, { headers: { host, accept: "application/json" } });
      return [answer.status, await answer.text()] as const;
    };
    for (const host of [
      "localhost",
      "LOCALHOST:1",
      "127.0.0.1",
      "127.0.0.2:80",
      "[::1]:5117",
      "app.localhost",
      "localhost.",
    ]) {
      expect([host, (await as(host))[0]]).toEqual([host, 200]);
    }
    for (const host of [
      "evil.example",
      "evil.example:5117",
      "localhost.evil.example",
      "10.0.0.7",
      "127.0.0.1.nip.io",
    ]) {
      for (const path of ["/login", "/fleet", "/assets/app.css", "/nowhere", "/fleet?q=/healthz"]) {
        const [status, text] = await as(host, path);
        expect([host, path, status]).toEqual([host, path, 421]);
        expect(text).toContain("--http.hosts");
        expect(text).toContain("--public-url");
      }
    }
    // Nor does it take a tunnel under another name.
    const tunnel = { upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13" };
    const key = { "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    const refused = await fetch(server.url + tunnelPath, { headers: { ...tunnel, ...key, host: "evil.example" } });
    expect(refused.status).toBe(421);
    // Probes come by whatever address a load balancer has.
    for (const path of ["/healthz", "/readyz"]) expect((await as("10.0.0.7", path))[0]).toBe(200);
  });

  test("says which setting is missing where a proxy rewrites the name", async () => {
    const { status, body } = await server.client.page("/preferences", {
      form: { theme: "dark" },
      headers: { origin: "https://cd.example.com", "sec-fetch-site": "" },
    });
    expect(status).toBe(403);
    expect(body).toContain("--public-url");
    expect(body).toContain("https://cd.example.com");
  });
});

describe("behind a proxy with TLS", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({
      publicUrl: "https://cd.example.com",
      http: { ...http, hosts: ["lizardcd.shop.svc", "*.internal"] },
      metrics: http,
    });
  });
  afterAll(endAll);

  test("the cookie is one that no other port and no plain page can set", async () => {
    const { headers } = await client(server.url, "").page("/login", {
      form: { username: "admin", password: server.password },
    });
    const set = headers.get("set-cookie")!;
    expect(set).toStartWith("__Host-lizardcd_session=");
    for (const word of ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]) expect(set).toContain(word);
    expect(set).not.toContain("Domain");
    const account = (cookie: string) => server.client.page("/account", { headers: { cookie } });
    expect((await account(`__Host-lizardcd_session=${server.client.token}`)).status).toBe(200);
    expect((await account(`lizardcd_session=${server.client.token}`)).status).toBe(303);
  });

  test("pages and figures are served under the known names alone", async () => {
    const status = async (url: string, host: string) => (await fetch(url, { headers: { host } })).status;
    for (const url of [`${server.url}/login`, `${server.metricsUrl}/metrics`]) {
      for (const host of [
        "cd.example.com",
        "cd.example.com:443",
        "lizardcd.shop.svc:5117",
        "eu.internal",
        "127.0.0.1",
      ]) {
        expect([url, host, await status(url, host)]).toEqual([url, host, 200]);
      }
      for (const host of ["evil.example", "internal", "cd.example.com.evil.example", "192.0.2.7"]) {
        expect([url, host, await status(url, host)]).toEqual([url, host, 421]);
      }
    }
  });

  test("a session of the command line works as ever", async () => {
    const { client: own } = server;
    expect((await own.get("/account")).status).toBe(200);
    expect((await login(server.url, "admin", server.password)).token).not.toBe("");
  });
});
