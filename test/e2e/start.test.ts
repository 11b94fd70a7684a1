// `npm start` as a new user runs it: one command to three managed clusters, and nothing left when it ends.
import { afterAll, afterEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedCluster } from "../testbed/kubernetes.ts";
import { markedProcesses } from "../testbed/marked.ts";
import { describePart } from "../testbed/part.ts";
import { freePorts } from "../testbed/processes.ts";
import { until } from "../testbed/wait.ts";

const root = join(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "lizardcd-start-"));
const mark = { name: "LIZARDCD_TEST_START", value: crypto.randomUUID() };
const left = () => markedProcesses(mark.name, mark.value);

afterEach(() => {
  for (const { pid } of left()) process.kill(pid, "SIGKILL");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Started {
  npm: ChildProcess;
  url: string;
  /** Everything printed so far. */
  printed: () => string;
  exited: Promise<number | null>;
}

async function start(data: string, more: string[] = [], env: Record<string, string> = {}): Promise<Started> {
  const [http, metrics] = (await freePorts(2)) as [number, number];
  const flags = ["--data", join(folder, data), "--metrics-addr", `127.0.0.1:${metrics}`];
  const address = ["--http-addr", `127.0.0.1:${http}`];
  const npm = spawn("npm", ["start", "--", ...flags, ...(more.includes("--http-addr") ? [] : address), ...more], {
    cwd: root,
    env: { ...process.env, [mark.name]: mark.value, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, as a terminal gives it.
    detached: true,
  });
  let printed = "";
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      printed += bytes;
    });
  }
  const exited = new Promise<number | null>((resolve) => npm.on("close", resolve));
  return { npm, url: `http://127.0.0.1:${http}`, printed: () => printed, exited };
}

async function ready({ printed }: Started): Promise<string> {
  await until(() => /Password\s+\S/.test(printed()), { what: "npm start to print the password", timeout: 60_000 });
  return /Password\s+(\S+)/.exec(printed())![1]!;
}

async function fleet(
  url: string,
  password: string,
  count = 3,
): Promise<{ name: string; state: string; simulated: boolean }[]> {
  const headers = { accept: "application/json", "content-type": "application/json" };
  const body = JSON.stringify({ username: "admin", password });
  const login = await fetch(`${url}/login`, { method: "POST", headers, body });
  expect(login.status).toBe(200);
  const { accessToken } = (await login.json()) as { accessToken: string };
  const authorized = { ...headers, authorization: `Bearer ${accessToken}` };
  let clusters: { name: string; state: string; simulated: boolean }[] = [];
  await until(
    async () => {
      const answer = await fetch(`${url}/fleet`, { headers: authorized });
      ({ clusters } = (await answer.json()) as { clusters: typeof clusters });
      return clusters.length === count && clusters.every(({ state }) => state === "ok" || state === "degraded");
    },
    { what: `${count} clusters to answer`, timeout: 60_000 },
  );
  return clusters;
}

test("npm start brings three clusters up; killing npm or the starter outright leaves no process behind", async () => {
  const first = await start("kept");
  const password = await ready(first);
  const clusters = await fleet(first.url, password);
  expect(clusters.map(({ name }) => name).sort()).toEqual(["edge-1", "eu-1", "us-1"]);
  expect(clusters.every(({ simulated }) => simulated)).toBe(true);
  expect(first.printed()).toContain(`npm run cli -- login ${first.url}`);
  const file = join(folder, "kept", "first-password");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8").trim()).toBe(password);
  expect(left().length).toBeGreaterThanOrEqual(8);
  first.npm.kill("SIGKILL");
  await until(() => left().length === 0, { what: "every process to end with npm", timeout: 30_000 });

  // The same folder: the same password, and the starter itself is killed.
  const second = await start("kept");
  expect(await ready(second)).toBe(password);
  await fleet(second.url, password);
  const starter = left().find(({ command }) => command.includes("src/start.ts") && !command.startsWith("sh "))!;
  process.kill(starter.pid, "SIGKILL");
  await until(() => left().length === 0, { what: "every process to end with the starter", timeout: 30_000 });

  // The supervisor dies: its children end by their standard input, and the starter says so.
  const third = await start("kept");
  await ready(third);
  const supervisor = left().find(({ command }) => command.includes("supervisor-main.ts"))!;
  process.kill(supervisor.pid, "SIGKILL");
  await until(() => left().length === 0, { what: "every process to end with the supervisor", timeout: 30_000 });
  expect(await third.exited).not.toBe(0);
}, 240_000);

test("Ctrl-C ends everything in order", async () => {
  const started = await start("interrupted");
  await ready(started);
  // A terminal sends it to the whole group.
  process.kill(-started.npm.pid!, "SIGINT");
  await until(() => left().length === 0, { what: "every process to end", timeout: 30_000 });
  const log = readFileSync(join(folder, "interrupted", "logs", "server.log"), "utf8");
  expect(log).toContain("server stops");
}, 180_000);

test("settings of the environment reach the server alone", async () => {
  const started = await start("environment", [], { LIZARDCD_LOG_ENCODING: "json", LIZARDCD_CLUSTER: "Not Valid" });
  const password = await ready(started);
  await fleet(started.url, password);
  expect(readFileSync(join(folder, "environment", "logs", "server.log"), "utf8")).toStartWith("{");
  started.npm.kill("SIGTERM");
  await until(() => left().length === 0, { what: "every process to end", timeout: 30_000 });
}, 180_000);

test("a port in use, a wrong flag, a folder that cannot be and a kubeconfig that is not are told in one sentence", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { port: number };
  const cases: [flags: string[], said: string][] = [
    [["--http-addr", `127.0.0.1:${port}`], `127.0.0.1:${port} is in use by another program`],
    [["--frobnicate=1"], "unknown flag --frobnicate"],
    [["--data", join("/proc", "nowhere")], `the data folder ${join("/proc", "nowhere")} cannot be written`],
    [["--kubeconfig", join(folder, "missing")], join(folder, "missing")],
  ];
  for (const [flags, said] of cases) {
    const started = await start("wrong", flags);
    expect(await started.exited).toBe(1);
    expect(started.printed()).toContain(said);
    expect(started.printed()).not.toMatch(/\n\s+at .*:\d+:\d+/);
    await until(() => left().length === 0, { what: `nothing to be left after ${flags.join(" ")}`, timeout: 30_000 });
  }
  other.close();
}, 180_000);

describePart("kubernetes", "npm start with a kubeconfig", () => {
  test("serves that cluster alone, the real one, with nothing simulated", async () => {
    const cluster = await sharedCluster();
    const kubeconfig = await cluster.kubeconfig("client-certificate");
    const started = await start("real", ["--kubeconfig", kubeconfig]);
    const clusters = await fleet(started.url, await ready(started), 1);
    expect(clusters[0]).toMatchObject({ simulated: false, state: "ok" });
    started.npm.kill("SIGTERM");
    await started.exited;
    await until(() => left().length === 0, { what: "every process to end", timeout: 20_000 });
  });
});
