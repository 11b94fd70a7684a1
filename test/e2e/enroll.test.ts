// The lines that enroll an agent, run as they are printed: by programs as they are shipped, on a machine that knows nothing
// of the server's certificate.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { startSandbox } from "../../src/sandbox/cluster.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { type Client, endAll, eventually, login, onEnd } from "../harness.ts";
import {
  createAuthority,
  createIntermediate,
  createSelfSigned,
  createServerCertificate,
} from "../testbed/certificates.ts";
import { connectProxy } from "../testbed/connect-proxy.ts";
import { freePorts, type ProcessGroup, processGroup } from "../testbed/processes.ts";
import { compiledPrograms } from "../testbed/programs.ts";
import { untilAlive } from "../testbed/wait.ts";
import { newCli, temporaryFolder } from "./world.ts";

let group: ProcessGroup;
let bin: string;
let kubeconfig: string;

beforeAll(async () => {
  group = await processGroup({ name: "enroll" });
  onEnd(() => group.stop());
  bin = dirname((await compiledPrograms()).lizardcd);
  const sandbox = await startSandbox({ name: "sandbox", seed: calm });
  onEnd(() => sandbox.stop());
  kubeconfig = join(group.folder, "kubeconfig");
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
}, 180_000);
afterAll(endAll);

interface Files {
  cert: string;
  key: string;
  /** Given to the server as --http.tls.ca. */
  ca?: string;
}

/** @param trust whom this test trusts itself. */
async function started(files: Files, trust: string, flags: string[] = []) {
  const folder = await temporaryFolder();
  const given: string[] = [];
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    given.push(`--http.tls.${name}`, file);
  }
  const ca = join(folder, "trusted.pem");
  await writeFile(ca, trust);
  const [port] = await freePorts(1);
  const data = join(folder, "data");
  const url = `https://127.0.0.1:${port}`;
  const server = await group.start({
    name: "server",
    command: [
      join(bin, "lizardcd-server"),
      ...["--data", data, "--http-addr", `127.0.0.1:${port}`, "--metrics-addr", "127.0.0.1:0"],
      ...given,
      ...flags,
    ],
  });
  onEnd(() => server.stop());
  const healthy = async () => (await fetch(`${url}/readyz`, { tls: { ca: trust } })).ok;
  await untilAlive(server, healthy, { what: "the server to be ready" });
  const password = (await Bun.file(join(data, "first-password")).text()).trim();
  const cli = await newCli([join(bin, "lizardcd")]);
  expect((await cli(["login", url, "--server-ca", ca, "--password-stdin"], password)).code).toBe(0);
  const admin = await login(url, "admin", password, { ca: trust });
  const lineOfCli = async (cluster: string) => {
    const { out } = await cli(["agents", "enroll", "--cluster", cluster]);
    return /lizardcd-agent --server .*$/m.exec(out)![0];
  };
  return { url, admin, lineOfCli, server };
}

/** In a shell of a home of its own. Of it all, only the ports are another word: they are others on one machine. */
async function run(line: string, env: Record<string, string> = {}) {
  const home = await temporaryFolder();
  await mkdir(join(home, "tmp"));
  const agent = await group.start({
    name: "agent",
    command: ["sh", "-c", `exec ${line}`],
    cwd: home,
    env: {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: home,
      KUBECONFIG: kubeconfig,
      LIZARDCD_GRPC_ADDR: "127.0.0.1:0",
      LIZARDCD_METRICS_ADDR: "127.0.0.1:0",
      ...env,
    },
  });
  onEnd(() => agent.stop());
  return agent;
}

/** In the fleet, and answered, within the 10 s that are promised. */
async function joined(admin: Client, cluster: string, agent: { log(): string }): Promise<void> {
  await eventually(
    () => admin.get("/fleet"),
    ({ body }) =>
      body.clusters.some((one: { name: string; state: string }) => one.name === cluster && one.state === "ok"),
    10_000,
  ).catch((cause) => {
    throw new Error(`${cause.message}\nagent: ${agent.log()}`);
  });
}

/** What the button copies. */
async function lineOfPage(admin: Client, cluster: string): Promise<string> {
  const { body } = await admin.page("/agents/invitations", { form: { cluster } });
  return /data-copy="(lizardcd-agent [^"]+)"/.exec(body)![1]!;
}

const authority = createAuthority("company");
const issuing = createIntermediate(authority, "company issuing");
const own = createSelfSigned(["127.0.0.1", "cd.example.com"]);
const signed = createServerCertificate(issuing, ["127.0.0.1"]);
const stranger = createAuthority("stranger");

for (const [what, files, trust] of [
  ["signed itself", own, own.cert],
  ["was signed by a company's CA", { ...signed, cert: signed.cert + issuing.cert, ca: authority.cert }, authority.cert],
] as const) {
  test(`the lines of a server whose certificate ${what} bring a cluster into the fleet as they are printed`, async () => {
    const { cert, key } = files;
    const { url, admin, lineOfCli } = await started({ cert, key, ...("ca" in files ? { ca: files.ca } : {}) }, trust);
    const carried = Buffer.from(trust).toString("base64");
    const { command, helm } = (await admin.post("/agents/invitations", { cluster: "eu-9" })).body;
    expect(command).toEndWith(` --server-ca-data ${carried}`);
    expect(helm).toEndWith(` --set serverCa.data=${carried}`);

    const first = await run(await lineOfCli("eu-1"));
    await joined(admin, "eu-1", first);
    // By its address it announces itself over HTTPS, again and again, where the other one dials in.
    const second = await run(await lineOfPage(admin, "eu-2"), { LIZARDCD_REACH: "address" });
    await joined(admin, "eu-2", second);
    for (const { log } of [first, second]) {
      expect(log()).toContain(`enrolled server=${url}`);
      expect(log()).not.toContain("does not answer");
    }
  }, 60_000);
}

test("an agent enrolls and serves behind a proxy, also where it is named without a scheme", async () => {
  const { admin, lineOfCli, url } = await started({ cert: own.cert, key: own.key }, own.cert);
  const { proxy, asked, stop } = await connectProxy();
  onEnd(stop);
  // No proxy is asked to lead back to this machine, so that the server needs another name.
  const line = (await lineOfCli("eu-1")).replace("https://127.0.0.1:", "https://cd.example.com:");
  const agent = await run(line, { HTTPS_PROXY: proxy.replace("http://", "") });
  await joined(admin, "eu-1", agent);
  // To enroll, and for the tunnel.
  expect(
    asked.filter((line) => line === `CONNECT cd.example.com:${new URL(url).port} HTTP/1.1`).length,
  ).toBeGreaterThan(1);
}, 60_000);

test("a server that does not know its CA prints the line without one, and the agent asks for it", async () => {
  const { cert, key } = createServerCertificate(stranger, ["127.0.0.1"]);
  const folder = await temporaryFolder();
  // As a chart names it, whatever the Secret holds.
  const missing = ["--http.tls.ca", join(folder, "ca.crt")];
  const { admin, lineOfCli, server } = await started({ cert, key }, stranger.cert, missing);
  expect(server.log()).toContain("there is no file with the server's CA");
  const line = await lineOfCli("eu-1");
  expect(line).not.toContain("--server-ca-data");
  const agent = await run(line);
  await eventually(agent.log, (log) => log.includes("give its CA with --server-ca"));
  expect((await admin.get("/fleet")).body.clusters).toEqual([]);
}, 60_000);
