// The live stream of the workloads page, over real HTTP from a stub agent.
import { afterAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer } from "../../test/harness.ts";
import { row, startStubAgent } from "../../test/stub-agent.ts";

afterAll(endAll);

test("the workloads page is told the whole table once, then the rows that moved, and all again when one has gone", async () => {
  const server = await startTestServer();
  const rows = ["web", "cart", "mail", "search"].map((name) => row("eu-1", name));
  const agent = await startStubAgent({ cluster: "eu-1", rows });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  await eventually(
    () => server.client.get("/clusters/eu-1/namespaces/shop/deployments"),
    ({ status }) => status === 200,
  );

  const end = new AbortController();
  const answer = await fetch(`${server.url}/workloads/live`, {
    headers: { authorization: `Bearer ${server.client.token}` },
    signal: end.signal,
  });
  const told: string[][] = [];
  const reading = read(answer, told);
  const heard = (count: number) =>
    eventually(
      () => told.length,
      (length) => length >= count,
    );
  await heard(1);
  expect(told[0]!.sort()).toEqual(["cart", "mail", "search", "web"]);
  await eventually(
    () => agent.watches(),
    (open) => open === 1,
  );
  // Longer than what comes together is gathered: what the watch begins with is no news.
  await Bun.sleep(1_000);
  expect(told.length).toBe(1);
  agent.put(row("eu-1", "web", { state: "failed", ready: 1 }));
  await heard(2);
  expect(told[1]).toEqual(["web"]);
  agent.remove(row("eu-1", "mail"));
  await heard(3);
  expect(told[2]!.sort()).toEqual(["cart", "search", "web"]);
  end.abort();
  await expect(reading).rejects.toThrow();
});

/** Keeps the names of the rows that each message of markup brings. */
async function read({ body }: Response, told: string[][]): Promise<void> {
  let text = "";
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const messages = text.split("\n\n");
    text = messages.pop()!;
    for (const message of messages) {
      const names = [...message.matchAll(/deployments\/([a-z]+)"/g)].map((match) => match[1]!);
      if (names.length > 0) told.push([...new Set(names)]);
    }
  }
}
