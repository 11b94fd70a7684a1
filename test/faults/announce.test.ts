// Who may say to the server that it is there: by certificate for its own keys alone, once for each proof, and no longer
// than the certificate holds.
import { afterEach, describe, expect, test } from "bun:test";
import { enrolledIdentity, type Identity } from "../../src/agent/identity.ts";
import { announcementText, announceToServer, withdrawalText } from "../../src/discovery/server.ts";
import { log } from "../../src/process/log.ts";
import { client, endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { agentFleet } from "./agent-process.ts";

afterEach(endAll);

const day = 86_400_000;
const trusting = (leaseMs = 10_000) => startTestServer({ trust: { lifeMs: day }, embedded: { leaseMs } });

async function enrolled(server: TestServer, cluster: string, namespaces: string[] = []): Promise<Identity> {
  const { body } = await server.client.post("/agents/invitations", { cluster, namespaces });
  const stop = new AbortController();
  onEnd(() => stop.abort());
  return enrolledIdentity({ server: server.url, cluster, token: body.token, log: log("agent"), signal: stop.signal });
}

const instance = "aaaaaaaa-0000-4000-8000-000000000000";
const address = "127.0.0.1:9";
const keyOf = (cluster: string, namespace = "*") => `lizardcd-agent.${namespace}.${cluster}`;

/** One announcement as it goes over the wire, sent as often as one likes. */
async function announcement(server: TestServer, identity: Identity, keys: string[], said = { address }) {
  const nobody = client(server.url, "");
  const { challenge } = (await nobody.get(`/discovery/instances/${instance}/challenge`)).body;
  const proof = await identity.proof(announcementText(challenge, instance, address, keys));
  const body = JSON.stringify({ keys, address: said.address, challenge, ...proof });
  return async () => {
    const answer = await fetch(`${server.url}/discovery/instances/${instance}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body,
    });
    return { status: answer.status, body: (await answer.json()) as { code?: string; message?: string } };
  };
}

const found = (server: TestServer, cluster: string, is: boolean) =>
  eventually(
    () => server.pool.directory.find(cluster) !== undefined,
    (known) => known === is,
  );

describe("an agent with a certificate", () => {
  test("announces its address without the join token, is called there, and withdraws when it stops", async () => {
    const server = await trusting();
    const { body } = await server.client.post("/agents/invitations", { cluster: "eu-1" });
    const fleet = await agentFleet(server, "eu-1");
    const agent = await fleet.start({ token: body.token });
    await eventually(
      () => server.client.get("/clusters/eu-1/agent"),
      ({ status }) => status === 200,
    );
    expect(agent.log()).not.toContain("not announced");
    await agent.stop("SIGTERM");
    await found(server, "eu-1", false);
  });

  test("goes on renewing, each time by another proof, also with a server that has forgotten what it asked", async () => {
    const server = await trusting(900);
    const identity = await enrolled(server, "eu-1");
    const proofs = new Set<string>();
    const stop = new AbortController();
    const problems: string[] = [];
    let spoil = false;
    const announcing = announceToServer({
      server: server.url,
      async prove(text) {
        const { certificate, proof } = await identity.proof(spoil ? "what another server asked" : text);
        spoil = false;
        proofs.add(proof);
        return { certificate, proof };
      },
    }).announce({ keys: [keyOf("eu-1")], via: { address }, instance }, stop.signal, (state) => {
      if (!state.announced) problems.push(state.problem);
    });
    await eventually(
      () => proofs.size,
      (count) => count >= 4,
    );
    spoil = true;
    await eventually(
      () => [spoil, proofs.size],
      ([waiting, count]) => !waiting && Number(count) >= 7,
    );
    expect(problems).toEqual([]);
    await found(server, "eu-1", true);
    stop.abort();
    await announcing;
    await found(server, "eu-1", false);
  });
});

describe("the server refuses", () => {
  test("a key that the certificate does not cover: another cluster's, another namespace's, the whole cluster's", async () => {
    const server = await trusting();
    const identity = await enrolled(server, "eu-1", ["shop"]);
    for (const keys of [
      [keyOf("prod")],
      [keyOf("eu-1", "pay")],
      [keyOf("eu-1")],
      [keyOf("eu-1", "shop"), keyOf("prod")],
    ]) {
      const send = await announcement(server, identity, keys);
      const { status, body } = await send();
      expect([keys, status, body.code]).toEqual([keys, 401, "certificate.refused"]);
      expect(body.message).toContain(`it is for shop.eu-1, not for ${keys.at(-1)}`);
    }
    expect([...server.pool.directory.entries()]).toEqual([]);
    expect((await (await announcement(server, identity, [keyOf("eu-1", "shop")]))()).status).toBe(200);
  });

  test("a proof that was used, and one over something else than is said", async () => {
    const server = await trusting();
    const identity = await enrolled(server, "eu-1");
    const send = await announcement(server, identity, [keyOf("eu-1")]);
    expect((await send()).status).toBe(200);
    const again = await send();
    expect([again.status, again.body.code]).toEqual([401, "challenge.unknown"]);
    const elsewhere = await announcement(server, identity, [keyOf("eu-1")], { address: "127.0.0.1:10" });
    const moved = await elsewhere();
    expect([moved.status, moved.body.code]).toEqual([401, "certificate.refused"]);
    await eventually(
      () => [...(server.pool.directory.find("eu-1")?.endpoints.keys() ?? [])],
      (addresses) => addresses.join() === address,
    );
  });

  test("to withdraw what another has announced, by certificate or by join token", async () => {
    const server = await trusting();
    const [owner, other] = [await enrolled(server, "eu-1"), await enrolled(server, "us-1")];
    expect((await (await announcement(server, owner, [keyOf("eu-1")]))()).status).toBe(200);
    await found(server, "eu-1", true);
    const at = `${server.url}/discovery/instances/${instance}`;
    const withdraw = async (identity: Identity) => {
      const { challenge } = (await client(server.url, "").get(`/discovery/instances/${instance}/challenge`)).body;
      const proof = await identity.proof(withdrawalText(challenge, instance));
      return fetch(`${at}?${new URLSearchParams({ challenge, ...proof })}`, { method: "DELETE" });
    };
    const byToken = { method: "DELETE", headers: { authorization: `Bearer ${server.joinToken}` } };
    expect([(await withdraw(other)).status, (await fetch(at, byToken)).status]).toEqual([200, 200]);
    await Bun.sleep(100);
    await found(server, "eu-1", true);
    expect((await withdraw(owner)).status).toBe(200);
    await found(server, "eu-1", false);
  });

  test("a certificate that is revoked: no announcement, no renewal, and the lease it has ends", async () => {
    const server = await trusting(600);
    const identity = await enrolled(server, "eu-1");
    const stop = new AbortController();
    onEnd(() => stop.abort());
    let problem = "";
    void announceToServer({ server: server.url, prove: identity.proof }).announce(
      { keys: [keyOf("eu-1")], via: { address }, instance },
      stop.signal,
      (state) => {
        problem = state.announced ? "" : state.problem;
      },
    );
    await found(server, "eu-1", true);
    expect((await server.client.post("/agents/revocations", { cluster: "eu-1" })).body.revoked).toBe(1);
    await found(server, "eu-1", false);
    expect(problem).toContain("the certificate is refused: it is revoked");
    const fresh = await (await announcement(server, identity, [keyOf("eu-1")]))();
    expect([fresh.status, fresh.body.code]).toEqual([401, "certificate.refused"]);
  });

  test("a certificate where it runs without its own authority, and no token at all", async () => {
    const [trusted, plain] = [await trusting(), await startTestServer()];
    const identity = await enrolled(trusted, "eu-1");
    const answer = await (await announcement(plain, identity, [keyOf("eu-1")]))();
    expect([answer.status, answer.body.code]).toEqual([401, "token.join_wrong"]);
  });
});

test("the join token is still taken from agents that have nothing else", async () => {
  const server = await trusting();
  const stop = new AbortController();
  const announcing = announceToServer({ server: server.url, joinToken: server.joinToken }).announce(
    { keys: [keyOf("old-1")], via: { address }, instance },
    stop.signal,
  );
  await found(server, "old-1", true);
  stop.abort();
  await announcing;
  await found(server, "old-1", false);
});
