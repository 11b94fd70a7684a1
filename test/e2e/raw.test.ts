// What no client of HTTP would send, byte by byte, to the compiled programs: answered shortly or not at all, without a word
// of source, and logged as lines of ours alone.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { endAll, onEnd } from "../harness.ts";
import { freePorts, processGroup, type RunningProcess } from "../testbed/processes.ts";
import { compiledPrograms } from "../testbed/programs.ts";
import { untilAlive } from "../testbed/wait.ts";
import { temporaryFolder } from "./world.ts";

let server: RunningProcess;
let ports: number[];

beforeAll(async () => {
  const programs = await compiledPrograms();
  const group = await processGroup({ name: "raw" });
  onEnd(() => group.stop());
  ports = await freePorts(2);
  const [http, metrics] = ports;
  server = await group.start({
    name: "server",
    command: [
      programs["lizardcd-server"],
      ...["--data", await temporaryFolder(), "--log.encoding", "json"],
      ...["--http-addr", `127.0.0.1:${http}`, "--metrics-addr", `127.0.0.1:${metrics}`],
    ],
    cwd: await temporaryFolder(),
  });
  await untilAlive(server, async () => (await fetch(`http://127.0.0.1:${http}/readyz`)).ok, { what: "the server" });
}, 300_000);
afterAll(endAll);

/** The first answer, or "" where the connection is closed without one. */
function answerTo(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
    const end = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      // The rest of an answer follows its head at once.
      setTimeout(end, 100);
    });
    socket.on("close", end);
    socket.on("error", end);
  });
}

const own = "Host: 127.0.0.1\r\n";
const inputs: Record<string, string> = {
  "CONNECT to elsewhere": "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
  "CONNECT to itself": `CONNECT 127.0.0.1:1 HTTP/1.1\r\n${own}\r\n`,
  "a Host that opens a bracket": "GET /fleet HTTP/1.1\r\nHost: [\r\n\r\n",
  "a Host with a space": "GET /fleet HTTP/1.1\r\nHost: a b\r\n\r\n",
  "a Host of another port's notation": "GET /fleet HTTP/1.1\r\nHost: 127.0.0.1:x\r\n\r\n",
  "no Host": "GET /fleet HTTP/1.1\r\n\r\n",
  "per cent signs that are none": `GET /%zz HTTP/1.1\r\n${own}\r\n`,
  "bytes that are no text": `GET /clusters/%ff%fe/agent HTTP/1.1\r\n${own}\r\n`,
  "a NUL in the path": `GET /a\0b HTTP/1.1\r\n${own}\r\n`,
  "no HTTP at all": "\0\u0001\u0002 garbage\r\n\r\n",
  "no version": "GET /\r\n\r\n",
  "a header of 200 KB": `GET / HTTP/1.1\r\n${own}X: ${"a".repeat(200_000)}\r\n\r\n`,
  "a chunk without a length": `POST /login HTTP/1.1\r\n${own}Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n`,
  "a length below nothing": `POST /login HTTP/1.1\r\n${own}Content-Length: -5\r\n\r\n`,
  "half an upgrade": `GET /tunnel HTTP/1.1\r\n${own}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
};

for (const [what, bytes] of Object.entries(inputs)) {
  test(what, async () => {
    for (const port of ports) {
      const answer = await answerTo(port, bytes);
      expect(answer).toMatch(/^(HTTP\/1\.1 [345]\d\d |$)/);
      expect(answer).not.toMatch(/^HTTP\/1\.1 500/);
      // No page of the runtime's, no file of ours, no frame of a stack.
      expect(answer).not.toMatch(/<!doctype html>[\s\S]*bun|\.tsx?\b|\bat (async )?[\w.<]+ \(|node_modules/i);
    }
  });
}

test("every line of the log is one of ours", async () => {
  const lines = server.log().trim().split("\n");
  expect(lines.length).toBeGreaterThan(1);
  for (const line of lines) expect([line, typeof JSON.parse(line)]).toEqual([line, "object"]);
  expect((await fetch(`http://127.0.0.1:${ports[0]}/readyz`)).status).toBe(200);
});
