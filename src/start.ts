// `npm start`: a server and three simulated clusters with an agent each; or, with --kubeconfig, one agent on a real
// cluster. Starts the mains and nothing else: what they do is theirs.
import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "./process/backoff.ts";
import { hold } from "./process/hold.ts";
import { fatal, lifetime, stopped } from "./process/lifetime.ts";
import { common, hostPort, programSettings, SettingInvalid, type Table } from "./process/settings.ts";
import { type Report, startSupervisor, watchParent } from "./process/supervisor.ts";
import { build } from "./process/version.ts";

/** What this program must know itself; every other flag goes to the server as it is. */
const table = {
  httpAddr: {
    flag: "http-addr",
    type: "address",
    default: "127.0.0.1:5117",
    help: "where the server serves pages and JSON",
  },
  metricsAddr: {
    flag: "metrics-addr",
    type: "address",
    help: "where it serves /metrics (127.0.0.1:15117, or any free)",
  },
  data: { flag: "data", type: "text", default: ".lizardcd", help: "the data folder: secrets, tokens, database, logs" },
  kubeconfig: { flag: "kubeconfig", type: "text", help: "simulate nothing: one agent on this file's current-context" },
  cluster: { flag: "cluster", type: "text", help: "with --kubeconfig: the cluster's name" },
  labels: { flag: "labels", type: "text", help: "with --kubeconfig: labels of the cluster, env=prod,region=eu" },
  namespaces: { flag: "namespaces", type: "text", help: "with --kubeconfig: serve these namespaces only" },
  endWithStdin: common.endWithStdin,
} as const satisfies Table;

/** What is simulated: one cluster that is well, one that is not, one whose agent comes and goes. */
const simulated = [
  { name: "eu-1", seed: "calm", labels: "env=prod,region=eu", comesAndGoes: false },
  { name: "us-1", seed: "stormy", labels: "env=prod,region=us", comesAndGoes: false },
  { name: "edge-1", seed: "roaming", labels: "env=edge,region=eu", comesAndGoes: true },
];
const here = { stays: 90_000, away: 30_000 };
const readyWithin = 60_000;

const began = performance.now() - process.uptime() * 1000;

try {
  process.exit(await main());
} catch (error) {
  fatal("npm start", error);
}

async function main(): Promise<number> {
  const { own, others } = split(process.argv.slice(2));
  const { values } = programSettings({
    name: "npm start --",
    summary: "A server with three simulated clusters, or with one agent on the cluster of --kubeconfig.",
    version: build,
    table,
    argv: own,
  });
  const signal = lifetime({ endWithStdin: values.endWithStdin });
  const metricsAddr = freeAddresses(values.httpAddr, values.metricsAddr);
  makeFolder(values.data);
  // Before anything is started: what the other one's programs read there would be written over.
  const held = await hold(values.data, { program: "npm start", file: "start" });
  const place: Place = { data: values.data, url: urlOf(values.httpAddr) };
  const starter = supervise(place, signal);
  // The demo's clusters are of no use to who has a real one.
  const demo = values.kubeconfig ? ["--forget-simulated"] : [];
  const flags = [...demo, "--data", values.data, "--http-addr", values.httpAddr, "--metrics-addr", metricsAddr];
  const server = starter.keep({ name: "server", command: mainOf("server", [...others, ...flags]), once: true });
  const agents = values.kubeconfig ? startReal(starter, place, own, signal) : startSimulated(starter, place, signal);
  const over = Promise.race([server, agents, starter.gone, stopped(signal)]);
  if (await Promise.race([ready(place.url, signal), over])) greet(place, values.kubeconfig);
  await over;
  await starter.end();
  held.release();
  if (starter.failure) process.stderr.write(`npm start: ${starter.failure}\n`);
  return starter.failure ? 1 : 0;
}

interface Place {
  /** The data folder. */
  data: string;
  /** The server's. */
  url: string;
}

interface Kept {
  name: string;
  command: string[];
  /** Ends everything when it ends by itself; others are started again. */
  once?: boolean;
}

interface Starter {
  /** Resolves when there is no going on: with `once`, as soon as the program ends by itself. */
  keep(program: Kept): Promise<void>;
  /** Starts, and resolves with the first line it prints. */
  firstLine(program: Kept): Promise<string>;
  /** Gone for a while, as if cut off. */
  interrupt(name: string, ms: number): Promise<void>;
  end(): Promise<void>;
  /** Resolves when everything has ended. */
  gone: Promise<void>;
  failure?: string;
}

function supervise({ data }: Place, signal: AbortSignal): Starter {
  const programs = new Map<string, Kept & { failed: () => void; line: (text: string) => void; away: boolean }>();
  let ending = false;
  const supervisor = startSupervisor((report) => hear(report));
  const stop = () => {
    ending = true;
    return supervisor.end();
  };
  signal.addEventListener("abort", () => void stop(), { once: true });
  watchParent(() => {
    // A second signal would cut the end short.
    if (!signal.aborted) process.kill(process.pid, "SIGTERM");
  });

  const spawn = ({ name, command }: Kept) =>
    supervisor.start({ name, command, log: logOf(data, name), env: envOf(name) });

  function hear(report: Report): void {
    const program = programs.get(report.name);
    if ("out" in report) program?.line(report.out);
    else if ("error" in report) process.stderr.write(`${report.name}: ${report.error}\n`);
    else if (program && !ending && !program.away) ended(program, report);
  }

  function ended(program: Kept & { failed: () => void }, { exited, last }: Extract<Report, { last: string[] }>): void {
    const lines = last.filter((line) => line.trim() !== "");
    const said = lines.findLast((line) => /^(lizardcd-\w+|error): /.test(line)) ?? lines.at(-1) ?? "it said nothing";
    const what = `${program.name} ended (${exited}): ${said}`;
    if (program.once) {
      starter.failure ??= `${what}; its log is ${logOf(data, program.name)}`;
      program.failed();
      return;
    }
    process.stderr.write(`${what}; it is started again\n`);
    void sleep(2_000, signal).then(() => {
      if (!ending) spawn(program);
    });
  }

  const add = (program: Kept, failed: () => void, line: (text: string) => void) => {
    programs.set(program.name, { ...program, failed, line, away: false });
    spawn(program);
  };
  const starter: Starter = {
    keep: (program) => new Promise((resolve) => add(program, resolve, () => {})),
    firstLine: (program) =>
      new Promise((resolve, reject) => add(program, () => reject(new Error(program.name)), resolve)),
    async interrupt(name, ms) {
      const program = programs.get(name);
      if (!program) return;
      program.away = true;
      supervisor.signal(name, "SIGKILL");
      await sleep(ms, signal);
      program.away = false;
      if (!ending) spawn(program);
    },
    end: stop,
    gone: supervisor.gone.then(() => {
      if (!ending) starter.failure ??= "the process that owns all the others was killed";
    }),
  };
  return starter;
}

/** Each sandbox, then its agent as soon as kubeconfig and join token are there; does not resolve by itself. */
async function startSimulated(starter: Starter, place: Place, signal: AbortSignal): Promise<void> {
  await Promise.all(
    simulated.map(async ({ name, seed, labels, comesAndGoes }) => {
      const file = join(place.data, `${name}.kubeconfig`);
      await joinToken(place, signal);
      const flags = ["--name", name, "--seed", seed, "--port", "0", "--kubeconfig-out", file];
      await starter.firstLine({ name: `${name} sandbox`, command: mainOf("sandbox", flags) });
      const agent = `${name} agent`;
      const given = ["--kubeconfig", file, "--cluster", name, "--labels", labels];
      void starter.keep({ name: agent, command: agentCommand(place, given) });
      while (comesAndGoes && !signal.aborted) {
        await sleep(here.stays, signal);
        if (!signal.aborted) await starter.interrupt(agent, here.away);
      }
    }),
  );
  await stopped(signal);
}

async function startReal(starter: Starter, place: Place, own: readonly string[], signal: AbortSignal): Promise<void> {
  await joinToken(place, signal);
  const { own: flags } = split(own, ["kubeconfig", "cluster", "labels", "namespaces"]);
  await starter.keep({ name: "agent", command: agentCommand(place, flags), once: true });
}

/** The server makes it at its first start, before all else. */
async function joinToken({ data }: Place, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !read(join(data, "join-token"))) await sleep(10, signal);
}

function agentCommand({ data, url }: Place, flags: readonly string[]): string[] {
  const token = ["--join-token-file", join(data, "join-token")];
  const free = ["--grpc-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"];
  return mainOf("agent", [...flags, "--server", url, ...token, ...free]);
}

function mainOf(program: "server" | "agent" | "sandbox", flags: string[]): string[] {
  return [process.execPath, join(import.meta.dir, program, "main.ts"), ...flags, "--end-with-stdin"];
}

/** The command line in two: flags of this program with their values, and all others. */
function split(argv: readonly string[], names?: readonly string[]): { own: string[]; others: string[] } {
  const keys = Object.values(table as Table).filter(({ flag }) => !names || names.includes(flag));
  const takesValue = new Map([
    ...keys.map(({ flag, type }) => [flag, type !== "boolean"] as const),
    ...(names ? [] : ["help", "h", "version", "print-config"].map((name) => [name, false] as const)),
  ]);
  const parts = { own: [] as string[], others: [] as string[] };
  for (let index = 0; index < argv.length; index++) {
    const [, name = "", value] = /^--?([^=]+)(=.*)?$/s.exec(argv[index]!) ?? [];
    const part = takesValue.has(name) ? parts.own : parts.others;
    part.push(argv[index]!);
    if (takesValue.get(name) && value === undefined && index + 1 < argv.length) part.push(argv[++index]!);
  }
  return parts;
}

/** What is set in the environment is meant for the server: an agent would take it for its own. */
function envOf(name: string): Record<string, undefined> {
  if (name === "server") return {};
  const settings = Object.keys(process.env).filter((variable) => /^LIZARDCD_(?!TEST_)/.test(variable));
  return Object.fromEntries(settings.map((variable) => [variable, undefined]));
}

/**
 * The server's address must be free; its metrics move to a free port where nobody asked for a certain one.
 * @returns the address for metrics. @throws SettingInvalid
 */
function freeAddresses(httpAddr: string, metricsAddr: string | undefined): string {
  if (!isFree(httpAddr)) {
    const { port } = hostPort(httpAddr);
    throw new SettingInvalid(
      `${httpAddr} is in use by another program (another npm start?): end it, or choose another address, ` +
        `npm start -- --http-addr 127.0.0.1:${port === 65_535 ? 5117 : port + 1}`,
    );
  }
  return metricsAddr ?? (isFree("127.0.0.1:15117") ? "127.0.0.1:15117" : "127.0.0.1:0");
}

function isFree(address: string): boolean {
  const { host: hostname, port } = hostPort(address);
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw new SettingInvalid(`${address} cannot be listened on: ${(cause as Error).message}`, { cause });
  }
}

/** True when the server answers; false where it does not in time, which is printed. */
async function ready(url: string, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + readyWithin;
  let problem = "";
  while (!signal.aborted && performance.now() < deadline) {
    try {
      const { ok, status } = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
      if (ok) return true;
      problem = `it answers ${status}`;
    } catch (cause) {
      // Not listening yet, most often: the last reason is told if it never does.
      problem = (cause as Error).message;
    }
    await sleep(20, signal);
  }
  const waited = `${url} has not answered for ${readyWithin / 1000} s`;
  if (!signal.aborted) process.stderr.write(`npm start: ${waited}: ${problem}\n`);
  return false;
}

function greet({ url, data }: Place, kubeconfig: string | undefined): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const what = kubeconfig
    ? `one agent on the current-context of ${kubeconfig}`
    : `${simulated.length} simulated clusters: ${simulated.map(({ name }) => name).join(", ")}`;
  process.stdout.write(`
Lizardcd is ready after ${seconds} s, with ${what}.

  Open      ${url}
  User      admin
  Password  ${read(join(data, "first-password")) ?? "the one you have set"}

  Command line
    npm run cli -- login ${url}
    npm run cli -- get workloads

Logs are in ${join(data, "logs")}. Ctrl-C ends everything.
`);
}

/** @throws SettingInvalid */
function makeFolder(path: string): void {
  try {
    mkdirSync(join(path, "logs"), { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK);
  } catch (cause) {
    const problem = (cause as Error).message;
    throw new SettingInvalid(`the data folder ${path} cannot be written: ${problem}; choose another with --data`, {
      cause,
    });
  }
}

/** Undefined where there is no such file, or nothing in it yet. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}

function logOf(data: string, name: string): string {
  return join(data, "logs", `${name.replaceAll(" ", "-")}.log`);
}

function urlOf(address: string): string {
  const { host, port } = hostPort(address);
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}
