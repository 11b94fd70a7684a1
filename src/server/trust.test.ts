// A server that runs without its own authority says so, at each of its doors.
import { afterEach, describe, expect, test } from "bun:test";
import { client, endAll, startTestServer } from "../../test/harness.ts";
import { createAuthority, openAuthority } from "../trust/authority.ts";

afterEach(endAll);

describe("a server without its own authority", () => {
  test("says that nobody can enroll here, and what to do, whichever way it is asked", async () => {
    const server = await startTestServer();
    const asked = {
      "/agents/invitations": { cluster: "eu-1" },
      "/agents/certificates": { cluster: "eu-1", token: server.joinToken, request: "x" },
      "/agents/certificates/renew": { certificate: "x", request: "x", proof: "x" },
      "/agents/revocations": { cluster: "eu-1" },
    };
    for (const [path, body] of Object.entries(asked)) {
      const answer = await server.client.post(path, body);
      expect([path, answer.status, answer.body.code]).toEqual([path, 409, "trust.off"]);
      expect(answer.body.message).toContain("--insecure and --join-token-file");
    }
    const page = await server.client.page("/agents/invitations", { form: { cluster: "eu-1" } });
    expect([page.status, page.body.includes("runs without its own authority")]).toEqual([409, true]);
    expect((await client(server.url, "").post("/agents/invitations", { cluster: "eu-1" })).status).toBe(401);
  });

  test("does not offer a token on the page of an empty fleet, and names the command that works", async () => {
    const server = await startTestServer();
    const { body } = await server.client.page("/fleet");
    expect(body).toContain("--join-token-file .lizardcd/join-token --insecure");
    expect(body).toContain("calls its agents without certificates");
    expect(body).not.toContain("#enroll");
  });
});

test("a server with an authority offers a token there, one that was given its certificates does not", async () => {
  const own = await startTestServer({ trust: { lifeMs: 86_400_000 } });
  const { body } = await own.client.page("/fleet");
  expect([body.includes("#enroll"), body.includes("--insecure")]).toEqual([true, false]);
  const kept = await createAuthority();
  const pair = await openAuthority(kept).own(86_400_000);
  const trust = { lifeMs: 86_400_000, given: () => ({ ca: kept.certificate, ...pair }) };
  const given = await startTestServer({ trust });
  const page = (await given.client.page("/fleet")).body;
  expect([page.includes("#enroll"), page.includes("signs none")]).toEqual([false, true]);
});
