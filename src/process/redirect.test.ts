// No client of ours takes a credential along to where an answer leads.
import { afterEach, expect, test } from "bun:test";
import { endAll, onEnd } from "../../test/harness.ts";
import { enrolledIdentity } from "../agent/identity.ts";
import { request } from "../cli/request.ts";
import { ask } from "../discovery/consul-client.ts";
import { connectNacos } from "../discovery/nacos-grpc.ts";
import { announceToServer } from "../discovery/server.ts";
import { log } from "./log.ts";
import { redirectOf } from "./redirect.ts";

afterEach(endAll);

/** One server that leads to another, which must hear of nobody. */
function leading(status: number) {
  const strangers: string[] = [];
  const serve = (fetch: (request: Request) => Response) => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
    onEnd(() => server.stop(true));
    return server.url.origin;
  };
  const stranger = serve((asked) => {
    strangers.push(asked.url);
    return Response.json({});
  });
  const location = ({ url }: Request) => `${stranger}${new URL(url).pathname}?secret=1`;
  const url = serve((asked) => new Response(null, { status, headers: { location: location(asked) } }));
  return { url, stranger, strangers };
}

const signal = new AbortController().signal;

for (const status of [301, 302, 303, 307, 308]) {
  test(`a server that answers ${status} is not followed by agent, command line, Consul's or Nacos' client`, async () => {
    const { url, stranger, strangers } = leading(status);
    const enrolling = enrolledIdentity({ server: url, cluster: "eu-1", token: "join", log: log("trust"), signal });
    await expect(enrolling).rejects.toThrow(`it answers ${status} and leads to ${stranger}/agents/certificates`);
    const stop = new AbortController();
    let problem = "";
    const registration = { keys: ["lizardcd-agent.*.eu-1"], via: { address: "127.0.0.1:1" }, instance: "one" };
    await announceToServer({ server: url, joinToken: "join" }).announce(registration, stop.signal, (state) => {
      if (!state.announced) problem = state.problem;
      stop.abort();
    });
    expect(problem).toContain(`leads to ${stranger}/discovery/instances/one, where no credential is sent`);
    await expect(ask(url, "/agent/self", {}, { token: "secret" }, signal)).rejects.toThrow(`leads to ${stranger}`);
    const nacos = connectNacos(url, { username: "me", password: "secret" }, () => {}, signal);
    await expect(nacos).rejects.toThrow(`leads to ${stranger}`);
    const answer = await request({ server: url }, "/fleet", { version: "0", timeoutMs: 5_000 });
    expect(answer.status).toBe(status);
    expect(strangers).toEqual([]);
  });
}

test("what is shown of the other address is no secret of it", () => {
  const headers = (location: string) => ({ status: 302, headers: new Headers({ location }) });
  expect(redirectOf(headers("https://me:pw@x.example/a?token=1#b"))).toContain("leads to https://x.example/a, where");
  expect(redirectOf(headers("/login"))).toContain("leads elsewhere, where");
  expect(redirectOf({ status: 304, headers: new Headers() })).toBeUndefined();
  expect(redirectOf({ status: 200, headers: new Headers() })).toBeUndefined();
});
