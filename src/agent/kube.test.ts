import { afterEach, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fixed, sourceCredentials } from "./credentials.ts";
import { createKube, type Kube, linesOf } from "./kube.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function kubeOf(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Kube> {
  server = createServer(answer);
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return createKube({
    server: `http://127.0.0.1:${port}`,
    ...{ context: "c", clusterName: "c", namespace: "", insecure: false, headers: [] },
    credentials: sourceCredentials({ token: fixed("s3cret") }),
  });
}

const failureOf = (asked: Promise<unknown>) =>
  asked.then(
    () => undefined,
    (cause) => cause,
  );

test("lines survive however chunks and characters are cut", async () => {
  const text = '{"a":"ü€😀"}\n\n{"b":1}\n{"c":2}';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 2, 3, 5, 7, 100]) {
    const chunks = (async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })();
    const lines: string[] = [];
    for await (const line of linesOf(chunks)) lines.push(line);
    expect(lines).toEqual(['{"a":"ü€😀"}', '{"b":1}', '{"c":2}']);
  }
});

test("a request says who it is from and ends after its time", async () => {
  let agent = "";
  const kube = await kubeOf((request) => {
    agent = String(request.headers["user-agent"]);
  });
  const failed = await failureOf(kube.get("/hang", {}, { timeoutMs: 100 }));
  expect(failed).toMatchObject({ name: "Unanswered", timedOut: true, sent: true });
  expect(agent).toMatch(/^lizardcd-agent\/\d/);
});

test("a read that is cancelled ends with the reason of whoever cancelled it", async () => {
  const kube = await kubeOf(() => {});
  const stopping = new AbortController();
  const asked = failureOf(kube.get("/hang", {}, { signal: stopping.signal }));
  const reason = new Error("the caller went away");
  setTimeout(() => stopping.abort(reason), 20);
  expect(await asked).toBe(reason);
});

test("patience is limited to reads, to two tries and to short waits", async () => {
  const asked: Record<string, number> = {};
  const kube = await kubeOf((request, response) => {
    const key = `${request.method} ${request.url}`;
    asked[key] = (asked[key] ?? 0) + 1;
    response.writeHead(429, { "retry-after": request.url === "/long" ? "60" : "0" });
    response.end("slow down");
  });
  expect(await failureOf(kube.get("/short"))).toMatchObject({ status: 429 });
  expect(await failureOf(kube.get("/long"))).toMatchObject({ status: 429, retryAfter: 60 });
  expect(await failureOf(kube.patch("/write", {}))).toMatchObject({ status: 429 });
  expect(asked).toEqual({ "GET /short": 3, "GET /long": 1, "PATCH /write": 1 });
});

test("what stands before an API server may answer HTML; its text is the sentence", async () => {
  const kube = await kubeOf((_, response) => {
    response.writeHead(502, { "content-type": "text/html" });
    response.end("<html><h1>Bad Gateway</h1> nginx</html>");
  });
  expect(await failureOf(kube.get("/x"))).toMatchObject({ status: 502, message: "Bad Gateway nginx" });
});

test("a watch that is cut in the middle of an event is an error, not an event", async () => {
  const kube = await kubeOf((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n{"type":"ADD');
    setTimeout(() => response.destroy(), 50);
  });
  const seen: string[] = [];
  const reading = (async () => {
    const options = { resourceVersion: "1", timeoutSeconds: 5, signal: new AbortController().signal };
    for await (const event of kube.watch("/w", {}, options)) seen.push(event.type);
  })();
  expect(await failureOf(reading)).toMatchObject({ name: "Unanswered" });
  expect(seen).toEqual(["OPENED", "ADDED"]);
});

test("the clock is the API server's, finer than its Date header says", async () => {
  const offset = 3_600_000;
  const kube = await kubeOf((_, response) => {
    response.sendDate = false;
    response.writeHead(200, { date: new Date(Date.now() + offset).toUTCString(), "content-type": "application/json" });
    response.end("{}");
  });
  for (let index = 0; index < 12; index++) {
    await kube.get("/");
    await Bun.sleep(97);
  }
  expect(Math.abs(kube.now() - Date.now() - offset)).toBeLessThan(300);
});
