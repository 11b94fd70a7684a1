// Live streams: how long they go on, for whom, and how many there may be.
import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { type Client, endAll, eventually, login, onEnd, startTestServer, type TestServer } from "../../test/harness.ts";
import { row, type StubAgent, startStubAgent } from "../../test/stub-agent.ts";
import { run } from "../cli/run.ts";
import type { Failed } from "../contract/errors.ts";
import { createSessions } from "./sessions.ts";
import { eventStream } from "./sse.ts";

afterEach(endAll);

const web = "/clusters/eu-1/namespaces/shop/deployments/web";
const pages = ["/fleet/live", "/workloads/live", "/agents/live", "/registries/live", `${web}/live`];
const watches = ["/workloads?watch=1", "/clusters/eu-1/namespaces/shop/deployments?watch=1"];
const newPassword = "long enough as it is";

async function fleet(
  options: Parameters<typeof startTestServer>[0] = {},
): Promise<{ server: TestServer; agent: StubAgent }> {
  const server = await startTestServer(options);
  const agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web")] });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  const again = await login(server.url, "admin", server.password);
  await eventually(
    () => again.get("/workloads"),
    ({ body }) => body.items?.length === 1,
  );
  return { server, agent };
}

async function open(server: TestServer, path: string, { token }: Client, headers: Record<string, string> = {}) {
  const answer = await fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } });
  let text = "";
  const ended = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of answer.body!) text += decoder.decode(chunk, { stream: true });
    return performance.now();
  })();
  await eventually(
    () => text,
    (said) => said.includes("\n\n") || answer.status !== 200,
  );
  return { path, status: answer.status, headers: answer.headers, text: () => text, ended };
}

/** The last event as a reader takes it. */
const lastOf = (text: string) => /\nevent: over\ndata: (.*)\n\n$/.exec(text)?.[1];

describe("every stream ends with its session and says why", () => {
  const endings: [
    what: string,
    code: string,
    said: string,
    end: (server: TestServer, mine: Client) => Promise<unknown>,
  ][] = [
    ["logged out", "session.logged_out", "logged out", (_, mine) => mine.post("/logout", {})],
    [
      "ended by a new password",
      "session.password_changed",
      "password was changed",
      ({ client, password }) => client.post("/account/password", { oldPassword: password, newPassword }),
    ],
  ];
  for (const [what, code, said, end] of endings) {
    test(`when it is ${what}`, async () => {
      const { server } = await fleet();
      const mine = await login(server.url, "admin", server.password);
      const streams = await Promise.all([...pages, ...watches].map((path) => open(server, path, mine)));
      const other = await open(server, "/fleet/live", server.client);
      const answered = await end(server, mine);
      expect(answered).toMatchObject({ status: 200 });
      const at = performance.now();
      for (const { path, ended, text } of streams) {
        // A quarter of a second, and what a busy machine adds.
        expect([path, (await ended) - at < 5_000]).toEqual([path, true]);
        const last = lastOf(text()) ?? "";
        expect([path, last]).toEqual([path, expect.stringContaining(said)]);
        if (watches.includes(path))
          expect(JSON.parse(last)).toMatchObject({ code, requestId: expect.stringMatching(/./) });
      }
      expect(other.text()).not.toContain("event: over");
    });
  }

  test("when its time has passed", async () => {
    const { server } = await fleet({ expire: 8 });
    const mine = await login(server.url, "admin", server.password);
    const began = performance.now();
    const streams = await Promise.all([...pages, ...watches].map((path) => open(server, path, mine)));
    for (const { path, ended, text } of streams) {
      expect([path, (await ended) - began < 13_000]).toEqual([path, true]);
      expect([path, lastOf(text())]).toEqual([path, expect.stringContaining("session has ended")]);
    }
  }, 30_000);

  test("when nobody reads it, too: the agent is not watched any more", async () => {
    const { server, agent } = await fleet();
    const mine = await login(server.url, "admin", server.password);
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    onEnd(() => void socket.destroy());
    socket.pause();
    socket.write(`GET ${watches[0]} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${mine.token}\r\n\r\n`);
    await eventually(
      () => agent.watches(),
      (watching) => watching > 0,
    );
    await mine.post("/logout", {});
    await eventually(
      () => agent.watches(),
      (watching) => watching === 0,
    );
  });

  test("on the command line, which says so and ends as one that is not signed in", async () => {
    const { server, agent } = await fleet();
    const mine = await login(server.url, "admin", server.password);
    const printed = { out: "", err: "" };
    const write = (to: "out" | "err") => async (text: string) => {
      printed[to] += text;
    };
    const ended = run(["get", "deploy", "-w"], {
      env: { HOME: "/nowhere", LIZARDCD_SERVER: server.url, LIZARDCD_TOKEN: mine.token },
      version: "1.2.3",
      terminal: { out: write("out"), err: write("err"), readInput: async () => "" },
    });
    await eventually(
      () => printed.out,
      (out) => out.includes("web"),
    );
    // The stream is open once a change comes by itself.
    agent.put(row("eu-1", "cart"));
    await eventually(
      () => printed.out,
      (out) => out.includes("cart"),
    );
    await mine.post("/logout", {});
    expect(await ended).toBe(3);
    expect(printed.err).toContain("The session was logged out");
    expect(printed.err).toContain(`lizardcd login ${server.url}`);
    expect(printed.err).not.toContain("interrupted");
  });
});

test("a session has sixty-four streams at most; another one has its own, and one that closes makes room", async () => {
  const { server } = await fleet();
  const ends: AbortController[] = [];
  const ask = (client: Client) => {
    const end = new AbortController();
    ends.push(end);
    const headers = { authorization: `Bearer ${client.token}`, accept: "application/json" };
    return fetch(`${server.url}/registries/live`, { headers, signal: end.signal });
  };
  const first = await Promise.all(Array.from({ length: 64 }, () => ask(server.client)));
  expect(new Set(first.map(({ status }) => status))).toEqual(new Set([200]));
  const refused = await ask(server.client);
  expect([refused.status, await refused.json()]).toEqual([
    429,
    expect.objectContaining({ code: "stream.too_many", message: expect.stringContaining("at most 64") }),
  ]);
  const other = await login(server.url, "admin", server.password);
  expect((await ask(other)).status).toBe(200);
  ends[0]!.abort();
  await eventually(
    async () => (await ask(server.client)).status,
    (status) => status === 200,
  );
  for (const end of ends) end.abort();
});

test("a reader who takes nothing is cut off, and one who reads is not", async () => {
  // Longer than from one heartbeat to the next.
  const { server, agent } = await fleet({ stalledSeconds: 20 });
  // More than the buffers of the system hold.
  const image = (index: number) => `registry.example.com/${"deep/".repeat(1_000)}app-${index}:1`;
  for (let index = 0; index < 1_500; index++) {
    agent.put(row("eu-1", `app-${index}`, { containers: [{ name: "app", image: image(index) }] }));
  }
  const reading = await open(server, watches[0]!, server.client);
  const { hostname, port } = new URL(server.url);
  const stalled = connect(Number(port), hostname);
  onEnd(() => void stalled.destroy());
  const closed = new Promise((resolve) => stalled.once("close", resolve));
  stalled.pause();
  stalled.write(
    `GET ${watches[0]} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server.client.token}\r\n\r\n`,
  );
  await eventually(
    () => server.streams(),
    (streams) => streams === 2,
  );
  await eventually(
    () => server.streams(),
    (streams) => streams === 1,
    60_000,
  );
  agent.put(row("eu-1", "the-last-one"));
  await eventually(
    () => reading.text(),
    (text) => text.includes("the-last-one"),
  );
  stalled.resume();
  await closed;
}, 120_000);

test("readers who go at once leave no stream behind that would count", async () => {
  const { server, agent } = await fleet();
  const { hostname, port } = new URL(server.url);
  for (let round = 0; round < 10; round++) {
    const sockets = Array.from({ length: 30 }, (_, index) => {
      const socket = connect(Number(port), hostname);
      socket.on("error", () => {});
      const path = [...pages, ...watches][index % 7];
      const head = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server.client.token}\r\n\r\n`;
      // Some before they have asked, some while they are looked up, some with their first bytes on the way.
      socket.write(head, () => setTimeout(() => socket.destroy(), index % 5));
      return new Promise((resolve) => socket.once("close", resolve));
    });
    await Promise.all(sockets);
  }
  await eventually(
    () => [server.streams(), agent.watches()],
    ([streams, watching]) => streams === 0 && watching === 0,
  );
});

test("a reader who was gone before the stream began holds no place", async () => {
  const sessions = createSessions({ clock: () => 0 });
  sessions.add("a", { userId: "u", expiresAt: 1 });
  const gone = new AbortController();
  const request = new Request("http://localhost/fleet/live", { signal: gone.signal });
  gone.abort();
  let returned = false;
  async function* messages() {
    try {
      yield "never";
    } finally {
      returned = true;
    }
  }
  const session = sessions.follow("a");
  const stopping = new AbortController().signal;
  const answer = eventStream(messages, { request, stopping, session, last: () => "", headers: new Headers() });
  expect([await answer.text(), sessions.following, returned]).toEqual(["", 0, false]);
});

test("streams of all sessions together are bounded, and what is closed twice counts once", () => {
  const sessions = createSessions({ clock: () => 0, mostEach: 2, most: 3 });
  for (const id of ["a", "b"]) sessions.add(id, { userId: "u", expiresAt: 1 });
  const codeOf = (id: string) => {
    try {
      sessions.follow(id);
      return "open";
    } catch (cause) {
      return (cause as Failed).code;
    }
  };
  const one = sessions.follow("a");
  expect(["a", "a", "b", "b"].map(codeOf)).toEqual(["open", "stream.too_many", "open", "stream.too_many_in_all"]);
  one.close();
  one.close();
  expect([sessions.following, codeOf("b"), codeOf("b"), codeOf("nobody")]).toEqual([
    2,
    "open",
    "stream.too_many",
    "session.expired",
  ]);
  expect(sessions.following).toBe(3);
});

test("a live page asks agents as its reader: by name, with the role, under one request id that the answer tells", async () => {
  const { server, agent } = await fleet();
  for (const [path, method] of [
    [`${web}/live`, "Get"],
    ["/workloads/live", "List"],
  ] as const) {
    agent.callers.clear();
    const { headers } = await open(server, path, server.client, { "x-request-id": `mine-${method}` });
    const caller = [...agent.callers].find(([called]) => called.endsWith(`WorkloadService/${method}`))?.[1];
    expect(caller).toEqual({ actor: "admin", role: "admin", requestId: `mine-${method}` });
    expect(headers.get("x-request-id")).toBe(`mine-${method}`);
  }
});
