// The live stream of the workloads page, over real HTTP from a stub agent.
import { afterAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer } from "../../test/harness.ts";
import { row, startStubAgent } from "../../test/stub-agent.ts";

afterAll(endAll);

/** Each message of markup: the workloads whose rows it brings, and all of it. */
interface Told {
  names: string[];
  text: string;
}

test("the workloads page is told the whole table once, then the rows that moved, came or went", async () => {
  const { agent, told, heard } = await watched("/workloads/live", ["web", "cart", "mail", "search"]);
  expect(told[0]!.names.sort()).toEqual(["cart", "mail", "search", "web"]);
  agent.put(row("eu-1", "web", { state: "failed", ready: 1 }));
  await heard(2);
  expect(told[1]!.names).toEqual(["web"]);
  expect(told[1]!.text).toMatch(/id="wl-states"[\s\S]*Failed <b>1<\/b>/);
  agent.remove(row("eu-1", "mail"));
  await heard(3);
  expect(told[2]!.text).toContain('hx-target="#workload-eu-1_shop_deployments_mail" hx-swap="delete"');
  expect([told[2]!.names, told[2]!.text.includes("3 of 3 shown")]).toEqual([[], true]);
  agent.put(row("eu-1", "newcomer"));
  await heard(4);
  expect([told[3]!.names, told[3]!.text.includes("4 of 4 shown")]).toEqual([["newcomer"], true]);
});

test("a row that is not on the page moves counts alone, and comes in when it stands before what is", async () => {
  const { agent, told, heard } = await watched("/workloads/live?limit=2", ["a", "b", "c", "d"]);
  expect(told[0]!.names.sort()).toEqual(["a", "b"]);
  agent.put(row("eu-1", "d", { image: "registry.example.com/shop/d:2" } as never));
  agent.put(row("eu-1", "c", { state: "zero", desired: 0, ready: 0 }));
  await heard(2);
  // Scaled to zero stands before what is healthy.
  expect(told[1]!.names).toEqual(["c"]);
  agent.put(row("eu-1", "e"));
  await heard(3);
  expect([told[2]!.names, told[2]!.text.includes("3 of 5 shown")]).toEqual([[], true]);
  agent.remove(row("eu-1", "d"));
  await heard(4);
  expect([told[3]!.names, told[3]!.text.includes("3 of 4 shown")]).toEqual([[], true]);
  expect(told.every(({ text }, index) => index === 0 || !text.includes('hx-target="#rows"'))).toBe(true);
});

/** A page that follows one agent's rows. */
async function watched(path: string, names: string[]) {
  const server = await startTestServer();
  const agent = await startStubAgent({ cluster: "eu-1", rows: names.map((name) => row("eu-1", name)) });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  await eventually(
    () => server.client.get("/clusters/eu-1/namespaces/shop/deployments"),
    ({ status }) => status === 200,
  );
  const end = new AbortController();
  const answer = await fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${server.client.token}` },
    signal: end.signal,
  });
  const told: Told[] = [];
  const reading = read(answer, told).catch(() => {});
  onEnd(async () => {
    end.abort();
    await reading;
  });
  const heard = (count: number) =>
    eventually(
      () => told.length,
      (length) => length >= count,
    );
  await heard(1);
  await eventually(
    () => agent.watches(),
    (open) => open === 1,
  );
  // Longer than what comes together is gathered: what the watch begins with is no news.
  await Bun.sleep(1_000);
  expect(told.length).toBe(1);
  return { agent, told, heard };
}

/** Keeps each message of rows, counts or both. */
async function read({ body }: Response, told: Told[]): Promise<void> {
  let text = "";
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const messages = text.split("\n\n");
    text = messages.pop()!;
    for (const message of messages) {
      if (!/hx-target="#(rows|workload-)|id="wl-/.test(message)) continue;
      const names = [...message.matchAll(/deployments\/([a-z]+)"/g)].map((match) => match[1]!);
      told.push({ names: [...new Set(names)], text: message });
    }
  }
}
