// The programs' settings, as whoever installs them meets them: --check, SIGHUP, and what is wrong at a start.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { startSandbox } from "../../src/sandbox/cluster.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { endAll, eventually, onEnd } from "../harness.ts";
import { type Certificate, createAuthority, createServerCertificate } from "../testbed/certificates.ts";
import { testUnless } from "../testbed/part.ts";
import { freePorts, type ProcessGroup, processGroup } from "../testbed/processes.ts";
import { compiledPrograms, type Programs } from "../testbed/programs.ts";
import { untilAlive } from "../testbed/wait.ts";
import { temporaryFolder } from "./world.ts";

let group: ProcessGroup;
let programs: Programs;

beforeAll(async () => {
  group = await processGroup({ name: "settings" });
  onEnd(() => group.stop());
  programs = await compiledPrograms();
}, 120_000);
afterAll(endAll);

/** Until it ends by itself. */
async function ran(program: "server" | "agent", flags: string[]) {
  const env = { PATH: process.env.PATH, HOME: await temporaryFolder() };
  const command = [programs[`lizardcd-${program}`], ...flags];
  const child = Bun.spawn(command, { env, cwd: env.HOME, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

test("--check of the server says of each thing whether it is well, makes nothing and ends with 1 where one is not", async () => {
  const folder = await temporaryFolder();
  const busy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
  onEnd(() => busy.stop(true));
  const data = join(folder, "data");
  const [metrics] = await freePorts(1);
  const flags = ["--check", "--data", data, "--metrics-addr", `127.0.0.1:${metrics}`];
  const wrong = await ran("server", [
    ...[...flags, "--http-addr", `127.0.0.1:${busy.port}`, "--etcd-addr", "127.0.0.1:1"],
    ...["--consul-addr", "127.0.0.1:1"],
  ]);
  expect([wrong.code, wrong.err]).toEqual([1, "lizardcd-server: 3 of 7 checks failed\n"]);
  expect(wrong.out).toMatch(/^ok {6}the data folder .*: will be made/m);
  expect(wrong.out).toMatch(/^failed {2}--http-addr .* in use by another program/m);
  expect(wrong.out).toMatch(
    /^failed {2}the registry etcd: it does not answer: .*refused.* is --etcd-addr its address\?/m,
  );
  expect(wrong.out).toMatch(
    /^failed {2}the registry consul: it does not answer: .*refused.* is --consul-addr its address\?/m,
  );
  const right = await ran("server", [...flags, "--http-addr", "127.0.0.1:0"]);
  expect([right.code, right.err]).toEqual([0, ""]);
  expect(await readdir(folder)).toEqual([]);
}, 60_000);

test("--check of the server says whether agents are told of its CA; a CA of nothing is refused", async () => {
  const folder = await temporaryFolder();
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const authority = createAuthority("settings CA");
  const { cert, key } = createServerCertificate(authority, ["127.0.0.1"]);
  const tls = ["--http.tls.cert", await write("tls.crt", cert), "--http.tls.key", await write("tls.key", key)];
  const anywhere = ["--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--data", join(folder, "data")];
  const checked = async (...flags: string[]) => {
    const { code, out, err } = await ran("server", ["--check", ...anywhere, ...flags]);
    return { code, said: out.split("\n").find((line) => line.includes("the CA ")) ?? err };
  };
  const own = await write("ca.crt", authority.cert);
  expect(await checked(...tls, "--http.tls.ca", own)).toEqual({
    code: 0,
    said: `ok      the CA ${own}: agents are told to trust it`,
  });
  const none = join(folder, "none.crt");
  expect(await checked(...tls, "--http.tls.ca", none)).toEqual({
    code: 0,
    said: `ok      the CA ${none}: there is no such file: agents are told none`,
  });
  const other = await checked(...tls, "--http.tls.ca", await write("other.crt", createAuthority("another").cert));
  expect(other).toEqual({ code: 1, said: expect.stringContaining("other.crt did not sign --http.tls.cert") });
  const alone = await checked("--http.tls.ca", own);
  expect(alone).toEqual({
    code: 1,
    said: expect.stringContaining("or of the proxy at --public-url https://…: give one"),
  });
  const proxied = await checked("--http.tls.ca", own, "--public-url", "https://lizardcd.example.com");
  expect(proxied).toMatchObject({ code: 0, said: expect.stringContaining("agents are told to trust it") });
}, 60_000);

test("a first start says where the first password lies, and not the password", async () => {
  const data = join(await temporaryFolder(), "data");
  const anywhere = ["--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"];
  const { code, err } = await ran("server", ["--data", data, ...anywhere, "--end-with-stdin"]);
  expect(code).toBe(0);
  const file = join(data, "first-password");
  expect(err).toContain(`the first password of admin still holds file=${file}`);
  expect(err).not.toContain((await Bun.file(file).text()).trim());
}, 60_000);

test("--check of the agent reaches its API server and its server, and announces nothing", async () => {
  const sandbox = await startSandbox({ name: "check-1", seed: calm });
  onEnd(() => sandbox.stop());
  const folder = await temporaryFolder();
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) => {
      asked.push(new URL(url).pathname);
      return new Response("ok\n");
    },
  });
  onEnd(() => server.stop(true));
  const [grpc, metrics] = await freePorts(2);
  const flags = [
    ...["--check", "--kubeconfig", kubeconfig, "--token", "t", "--identity", join(folder, "identity.pem")],
    ...["--grpc-addr", `127.0.0.1:${grpc}`, "--metrics-addr", `127.0.0.1:${metrics}`],
  ];
  const right = await ran("agent", [...flags, "--server", server.url.origin]);
  expect([right.code, right.err, right.out]).toEqual([0, "", expect.stringContaining("ok      the API server")]);
  expect(right.out).toContain("cluster check-1");
  expect(right.out).toContain("will be enrolled at the first start");
  expect(right.out).toContain("ok      what may be read: the whole cluster");
  expect(asked).toEqual(["/healthz"]);
  await sandbox.stop();
  const wrong = await ran("agent", [...flags, "--server", "http://127.0.0.1:1"]);
  expect([wrong.code, wrong.err]).toEqual([1, "lizardcd-agent: 3 of 8 checks failed\n"]);
  expect(wrong.out).toMatch(/^failed {2}the API server /m);
  expect(wrong.out).toMatch(/^failed {2}the server http:\/\/127\.0\.0\.1:1/m);
}, 90_000);

test("SIGHUP reads the log level and the certificate again; a file that has become wrong changes nothing", async () => {
  const folder = await temporaryFolder();
  const authority = createAuthority("settings CA");
  const put = async ({ cert, key }: Certificate) => {
    await writeFile(join(folder, "tls.crt"), cert);
    await writeFile(join(folder, "tls.key"), key, { mode: 0o600 });
  };
  await put(createServerCertificate(authority, ["127.0.0.1"]));
  const [port, metrics] = (await freePorts(2)) as [number, number];
  const file = join(folder, "server.yaml");
  const settings = (level: string) =>
    writeFile(
      file,
      `log: { level: ${level} }\nhttp-addr: 127.0.0.1:${port}\nmetrics-addr: 127.0.0.1:${metrics}\n` +
        `data: ${join(folder, "data")}\nhttp: { tls: { cert: ${folder}/tls.crt, key: ${folder}/tls.key } }\n`,
    );
  await settings("error");
  const command = [programs["lizardcd-server"]!, "--config", file];
  const server = await group.start({ name: "hangup", command });
  const first = await untilAlive(server, () => fingerprint(port), { what: "the server to show a certificate" });
  expect(server.log()).not.toContain("info");

  await settings("info");
  await put(createServerCertificate(authority, ["127.0.0.1"]));
  process.kill(server.pid, "SIGHUP");
  await eventually(
    () => server.log(),
    (log) => log.includes("read again"),
  );
  expect(
    await eventually(
      () => fingerprint(port),
      (shown) => shown !== first,
    ),
  ).not.toBe(first);

  await settings("loud");
  process.kill(server.pid, "SIGHUP");
  await eventually(
    () => server.log(),
    (log) => log.includes("log.level of"),
  );
  expect(server.log()).toContain("the old ones hold");
  expect(await fingerprint(port)).not.toBe(first);

  // Named, and not said to be read.
  await settings("info");
  await writeFile(join(folder, "tls.crt"), "half a certif");
  process.kill(server.pid, "SIGHUP");
  await eventually(
    () => server.log(),
    (log) => log.includes(`--http.tls.cert ${folder}/tls.crt`),
  );
  await Bun.sleep(50);
  expect(server.log().match(/certificates read again/g)).toHaveLength(1);
}, 60_000);

test("an agent that still waits for its server stays on SIGHUP, and takes the log level", async () => {
  const folder = await temporaryFolder();
  const kubeconfig = join(folder, "kubeconfig");
  const sandbox = await startSandbox({ name: "waits-1", seed: calm });
  onEnd(() => sandbox.stop());
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  const file = join(folder, "agent.yaml");
  const settings = (level: string) =>
    writeFile(
      file,
      `log: { level: ${level} }\nkubeconfig: ${kubeconfig}\nserver: http://127.0.0.1:1\ntoken: t\n` +
        `identity: ${folder}/identity.pem\nmetrics-addr: 127.0.0.1:0\ngrpc-addr: 127.0.0.1:0\n`,
    );
  await settings("warn");
  const agent = await group.start({ name: "waits", command: [programs["lizardcd-agent"]!, "--config", file] });
  const logged = (words: string) => untilAlive(agent, async () => agent.log().includes(words), { what: words });
  await logged("the server does not answer yet");
  await settings("info");
  process.kill(agent.pid, "SIGHUP");
  await logged("read again");
  await agent.stop();
}, 60_000);

test("SIGHUP has the agent read again whom it trusts; a file that has become wrong is named, and the old one holds", async () => {
  const folder = await temporaryFolder();
  const sandbox = await startSandbox({ name: "trusts-1", seed: calm });
  onEnd(() => sandbox.stop());
  const authority = createAuthority("the server's CA");
  const certificate = createServerCertificate(authority, ["127.0.0.1"]);
  const wrong = createAuthority("another CA").cert;
  let asked = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: certificate,
    fetch: () => {
      asked++;
      return new Response("", { status: 503 });
    },
  });
  onEnd(() => server.stop(true));
  const [kubeconfig, serverCa] = [join(folder, "kubeconfig"), join(folder, "server.crt")];
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  await writeFile(serverCa, wrong);
  const where = ["--server", server.url.origin, "--server-ca", serverCa, "--metrics-addr", "127.0.0.1:0"];
  const who = ["--kubeconfig", kubeconfig, "--token", "t", "--identity", join(folder, "identity.pem")];
  const command = [programs["lizardcd-agent"]!, ...where, ...who, "--grpc-addr", "127.0.0.1:0"];
  const agent = await group.start({ name: "trusts", command });
  const said = (words: string) => agent.log().split(words).length - 1;
  const logged = (words: string, times = 1) =>
    untilAlive(agent, async () => said(words) >= times, { what: `${words} for the time ${times}` });
  await logged("the server does not answer yet");
  expect(asked).toBe(0);
  const shown = `SHA-256 ${new X509Certificate(certificate.cert).fingerprint256}`;
  expect(agent.log()).toContain(shown);
  expect((await ran("agent", [...command.slice(1), "--check"])).out).toMatch(
    new RegExp(`^failed {2}the server .*${shown}.* give its CA with --server-ca`, "m"),
  );

  await writeFile(serverCa, authority.cert);
  process.kill(agent.pid, "SIGHUP");
  await logged("read again");
  await logged("answered 503");

  await writeFile(serverCa, "half a certif");
  process.kill(agent.pid, "SIGHUP");
  await logged("the old ones hold");
  expect(agent.log()).toContain(`--server-ca ${serverCa} cannot be used`);
  expect(said("certificates read again")).toBe(1);
  const before = asked;
  await untilAlive(agent, async () => asked > before, { what: "the agent to ask by the CA that it has" });
  await agent.stop();
}, 60_000);

test("SIGHUP has agent and server read again whom they trust at a registry", async () => {
  const folder = await temporaryFolder();
  const sandbox = await startSandbox({ name: "looks-1", seed: calm });
  onEnd(() => sandbox.stop());
  const authority = createAuthority("the registry's CA");
  const asked: string[] = [];
  const consul = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: createServerCertificate(authority, ["127.0.0.1"]),
    fetch: ({ url }) => {
      asked.push(new URL(url).pathname);
      return new Response("", { status: 503 });
    },
  });
  onEnd(() => consul.stop(true));
  const [kubeconfig, ca] = [join(folder, "kubeconfig"), join(folder, "consul.crt")];
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  const own = ["--consul-ca", ca, "--metrics-addr", "127.0.0.1:0"];
  for (const [program, path, flags] of [
    [
      "lizardcd-agent",
      "/v1/agent/service/register",
      ["--consul-host", consul.url.origin, "--kubeconfig", kubeconfig, "--insecure", "--grpc-addr", "127.0.0.1:0"],
    ],
    [
      "lizardcd-server",
      "/v1/health/state/any",
      ["--consul-addr", consul.url.origin, "--data", join(folder, "data"), "--http-addr", "127.0.0.1:0"],
    ],
  ] as const) {
    await writeFile(ca, createAuthority("another CA").cert);
    asked.length = 0;
    const running = await group.start({ name: `looks-${program}`, command: [programs[program]!, ...flags, ...own] });
    const logged = (words: string) =>
      untilAlive(running, async () => running.log().includes(words), { what: `${program} to log "${words}"` });
    await logged("not signed by an authority");
    expect(asked).toEqual([]);
    await writeFile(ca, authority.cert);
    process.kill(running.pid, "SIGHUP");
    await logged("read again");
    await untilAlive(running, async () => asked.includes(path), { what: `${program} to be answered by its registry` });
    await running.stop();
  }
}, 60_000);

test("--print-config says which keys of an old file mean nothing here, beside what is in force", async () => {
  const file = join(await temporaryFolder(), "old.yaml");
  await writeFile(file, "Name: lizardcd\nMode: pro\nEtcd: { Hosts: ['http://u:hush@10.0.0.1:2379'] }\n");
  const { code, out, err } = await ran("agent", ["-f", file, "--print-config"]);
  expect(code).toBe(0);
  expect(err).toMatch(/^lizardcd-agent: the key Name of .* means nothing to this version and is ignored$/m);
  expect(err).toContain("the key Mode of");
  expect(out).toContain('etcd-host: ["http://u:***@10.0.0.1:2379"]');
}, 60_000);

test("two registries on an agent, a data folder that cannot be and a full disk are one sentence each", async () => {
  const two = await ran("agent", ["--etcd-host", "127.0.0.1:1", "--consul-host", "127.0.0.1:2", "--cluster", "a"]);
  expect([two.code, two.out]).toEqual([1, ""]);
  expect(two.err).toBe(
    "lizardcd-agent: --etcd-host and --consul-host are 2 registries: an agent announces itself in one, give one of them\n",
  );
  const where = ["--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"];
  const folder = await temporaryFolder();
  await writeFile(join(folder, "file"), "");
  const none = await ran("server", [...where, "--data", join(folder, "file")]);
  expect([none.code, none.err.split("\n").length]).toEqual([1, 2]);
  expect(none.err).toContain(`the data folder ${join(folder, "file")} cannot be written`);
  const typo = await ran("server", ["--config", join(folder, "file"), "--htp-addr", "x"]);
  expect([typo.code, typo.err]).toEqual([1, expect.stringContaining("did you mean --http-addr?")]);
}, 60_000);

const full = "a disk of 64 KB is told as full, in one sentence";
const small = mountedSmall();

testUnless(
  "reason" in small ? { part: "mount", reason: small.reason } : undefined,
  full,
  async () => {
    const { disk = "" } = small as { disk?: string };
    const flags = ["--data", join(disk, "data"), "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"];
    const { code, err } = await ran("server", flags);
    expect([code, err.trim().split("\n").length]).toEqual([1, 1]);
    expect(err).toMatch(/lizardcd-server: .*(full|space)/);
    expect((await ran("server", [...flags, "--check"])).out).toMatch(
      /^failed {2}the data folder .* MB are left on its disk: free some/m,
    );
  },
  60_000,
);

/** A disk of 64 KB until all tests have ended, or why this machine lets nobody have one. */
function mountedSmall(): { disk: string } | { reason: string } {
  if (process.platform !== "linux") return { reason: `this is ${process.platform}` };
  const disk = mkdtempSync(join(tmpdir(), "lizardcd-small-"));
  const { exitCode, stderr } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
  onEnd(() => rmSync(disk, { recursive: true }));
  if (exitCode === 0) onEnd(() => void Bun.spawnSync(["umount", disk]));
  return exitCode === 0 ? { disk } : { reason: stderr.toString().trim() };
}

function fingerprint(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}
