// Floods at the door and behind it: what people who sign in, guess or open streams can cost the server, a process of its
// own here. The bounds on memory are loose; what holds them is counted exactly.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type Client, client, endAll, eventually, login, onEnd } from "../harness.ts";
import { freePorts, processGroup } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";
import { figure, percentile, shownMs } from "./figure.ts";

const root = join(import.meta.dirname, "../..");

let url: string;
let pid: number;
let password: string;
let admin: Client;

beforeAll(async () => {
  const group = await processGroup({ name: "door", grace: 0 });
  onEnd(() => group.stop());
  const [port] = await freePorts(1);
  url = `http://127.0.0.1:${port}`;
  const data = join(group.folder, "data");
  const flags = {
    "http-addr": `127.0.0.1:${port}`,
    "metrics-addr": "127.0.0.1:0",
    "http.trusted-proxies": "127.0.0.0/8",
    data,
    // Nobody renews here.
    "lease-time": "10m",
  };
  const server = await group.start({
    name: "server",
    cwd: root,
    command: [
      process.execPath,
      "src/server/main.ts",
      ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    ],
  });
  pid = server.pid;
  await untilAlive(server, async () => (await fetch(`${url}/healthz`)).ok, { what: "the server to answer" });
  password = readFileSync(join(data, "first-password"), "utf8").trim();
  admin = await login(url, "admin", password);
  // A fleet page that is worth reading.
  const joinToken = readFileSync(join(data, "join-token"), "utf8").trim();
  for (let cluster = 0; cluster < 200; cluster++) {
    await fetch(`${url}/discovery/instances/${crypto.randomUUID()}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${joinToken}`, "content-type": "application/json" },
      body: JSON.stringify({ keys: [`lizardcd-agent.*.c-${cluster}`], address: "127.0.0.1:1" }),
    });
  }
}, 60_000);
afterAll(endAll);

const status = (field: string) =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
const signIn = (name: string, guess: string, from: string) =>
  client(url, "").post("/login", { username: name, password: guess }, { "x-forwarded-for": from });

/** MiB that the server came to hold beyond what it held before, and how its other callers fared. */
async function costOf<T>(flood: () => Promise<T>): Promise<{ answer: T; mib: number; p99: number }> {
  const before = status("VmRSS");
  let [over, peak] = [false, before];
  const times: number[] = [];
  const others = (async () => {
    while (!over) {
      const began = performance.now();
      await fetch(`${url}/healthz`);
      times.push(performance.now() - began);
      peak = Math.max(peak, status("VmRSS"));
      await Bun.sleep(5);
    }
  })();
  const answer = await flood();
  over = true;
  await others;
  return { answer, mib: peak - before, p99: percentile(times, 99) };
}

test("sixty-four who sign in at once, from as many addresses, all get in, two checks of 64 MiB at a time", async () => {
  const { answer, mib, p99 } = await costOf(() =>
    Promise.all(Array.from({ length: 64 }, (_, index) => signIn("admin", password, `198.51.100.${index}`))),
  );
  expect(new Set(answer.map(({ status }) => status))).toEqual(new Set([200]));
  figure("64 logins at once", `${Math.round(mib)} MiB more, p99 of /healthz ${shownMs(p99)}`, "≤ 256 MiB");
  expect(mib).toBeLessThan(256);
}, 120_000);

test("two hundred guesses at once are five, and the one administrator is let in from elsewhere meanwhile", async () => {
  const { answer, mib } = await costOf(async () => {
    const guesses = Array.from({ length: 200 }, (_, index) => signIn("admin", `guess-${index}`, "203.0.113.5"));
    const own = await signIn("admin", password, "203.0.113.6");
    return { own, guesses: await Promise.all(guesses) };
  });
  const codes = Object.groupBy(answer.guesses, ({ body }) => body.code);
  expect([codes["login.wrong"]?.length, codes["login.too_many"]?.length, answer.own.status]).toEqual([5, 195, 200]);
  figure("200 guesses at once", `5 checked, ${Math.round(mib)} MiB more`, "5 checked, ≤ 256 MiB");
  expect(mib).toBeLessThan(256);
}, 120_000);

test("fifteen hundred streams of one session that nobody reads are sixty-four; the others are refused by number", async () => {
  const { hostname, port } = new URL(url);
  const heads: string[] = [];
  const sockets = Array.from({ length: 1_500 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      heads.push(bytes.toString("latin1").slice(9, 12));
      socket.pause();
    });
    socket.write(`GET /fleet/live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${admin.token}\r\n\r\n`);
    return socket;
  });
  onEnd(() => {
    for (const socket of sockets) socket.destroy();
  });
  const { mib, p99 } = await costOf(() =>
    eventually(
      () => heads.length,
      (answered) => answered === 1_500,
      60_000,
    ),
  );
  const counts = Object.groupBy(heads, (head) => head);
  expect([counts["200"]?.length, counts["429"]?.length]).toEqual([64, 1_436]);
  figure("1,500 unread streams", `64 open, ${Math.round(mib)} MiB more, p99 of /healthz ${shownMs(p99)}`, "≤ 256 MiB");
  expect(mib).toBeLessThan(256);
  for (const socket of sockets) socket.destroy();
  await eventually(
    async () => {
      const answer = await fetch(`${url}/fleet/live`, { headers: { authorization: `Bearer ${admin.token}` } });
      await answer.body?.cancel();
      return answer.status;
    },
    (code) => code === 200,
  );
}, 120_000);
