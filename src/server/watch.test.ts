// The JSON watch of a list, over real HTTP from a stub agent.
import { afterAll, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer } from "../../test/harness.ts";
import { row, startStubAgent } from "../../test/stub-agent.ts";

afterAll(endAll);

test("a list with ?watch=1 is a stream: the whole set, that it is whole, then what changes", async () => {
  const server = await startTestServer();
  const agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web"), row("eu-1", "cart")] });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  await eventually(
    () => server.client.get("/clusters/eu-1/namespaces/shop/deployments"),
    ({ status }) => status === 200,
  );

  const end = new AbortController();
  const answer = await fetch(`${server.url}/clusters/eu-1/namespaces/shop/deployments?watch=1`, {
    headers: { authorization: `Bearer ${server.client.token}` },
    signal: end.signal,
  });
  expect(answer.headers.get("content-type")).toStartWith("text/event-stream");
  const heard: string[] = [];
  const reading = read(answer, heard);
  await eventually(
    () => heard,
    () => heard.some((one) => one.startsWith("synced")),
  );
  expect(heard.filter((one) => one.startsWith("upsert")).sort()).toEqual(["upsert cart", "upsert web"]);
  agent.remove(row("eu-1", "web"));
  await eventually(
    () => heard,
    () => heard.includes("removed web"),
  );
  end.abort();
  await expect(reading).rejects.toThrow();
});

async function read({ body }: Response, heard: string[]): Promise<void> {
  let text = "";
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      const [[kind, value]] = Object.entries(JSON.parse(line.slice(6))) as [[string, { name?: string }]];
      heard.push(`${kind} ${value.name ?? ""}`.trim());
    }
  }
}
