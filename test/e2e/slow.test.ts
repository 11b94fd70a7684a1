// A browser that does not read its stream: it costs itself its own rows, and delays nobody.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, type StubAgent, startStubAgent } from "../stub-agent.ts";

const many = 1000;
const rounds = 12;
// Long enough that the buffers of the system do not hold every round.
const image = (version: number) => `registry.example.com/${"deep/".repeat(300)}app:1.0.${version}`;
const app = (index: number, version: number) =>
  row("eu-1", `app-${index}`, { containers: [{ name: "app", image: image(version) }] });

let server: TestServer;
let agent: StubAgent;

beforeAll(async () => {
  server = await startTestServer();
  agent = await startStubAgent({ cluster: "eu-1", rows: Array.from({ length: many }, (_, index) => app(index, 0)) });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  await eventually(
    () => server.client.get("/workloads?limit=1"),
    ({ body }) => body.total === many,
  );
});
afterAll(endAll);

test("whoever does not read delays nobody, and gets the last word on each row, not every word", async () => {
  const slow = await reader("/workloads/live?limit=1000");
  const quick = await reader("/workloads/live?limit=1000");
  quick.resume();
  slow.resume();
  const seen = (one: typeof slow, version: number, index: number) =>
    one.text().includes(`app-${index}</a>`) && one.text().split(`app:<b>1.0.${version}</b>`).length > 1;
  await eventually(
    () => [slow, quick],
    (both) => both.every((one) => seen(one, 0, many - 1)),
  );
  slow.pause();
  slow.forget();
  expect(agent.watches()).toBeLessThanOrEqual(3);

  for (let version = 1; version <= rounds; version++) {
    quick.forget();
    for (let index = 0; index < many; index++) agent.put(app(index, version));
    // Each round arrives while the other one holds its hands over its ears.
    await eventually(
      () => quick,
      (one) => seen(one, version, 0) && seen(one, version, many - 1),
    );
  }
  const page = await server.client.page("/workloads?q=app-7");
  expect(page.status).toBe(200);

  slow.resume();
  await eventually(
    () => slow,
    (one) => seen(one, rounds, many - 1),
  );
  const versions = Array.from({ length: rounds }, (_, index) => index + 1).filter((version) => seen(slow, version, 0));
  // What the system's own buffers held, and then the last.
  expect(versions.length).toBeLessThan((2 * rounds) / 3);
  expect(versions).toContain(rounds);
});

test("when the readers have gone, so have their watches", async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await eventually(
    () => agent.watches(),
    (open) => open === 0,
  );
});

const sockets: Socket[] = [];

/** A stream over a bare socket, so that not reading is what the server meets and not a buffer of a client's. */
async function reader(path: string) {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  onEnd(() => {
    socket.destroy();
  });
  let text = "";
  socket.setEncoding("utf8");
  socket.on("data", (piece: string) => {
    text += piece;
  });
  socket.pause();
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept: text/html, text/event-stream\r\n` +
      `Cookie: lizardcd_session=${server.client.token}\r\n\r\n`,
  );
  return {
    text: () => text,
    forget: () => {
      text = "";
    },
    resume: () => socket.resume(),
    pause: () => socket.pause(),
  };
}
