// `npm start`: a server and three simulated clusters with an agent each; or, with --kubeconfig, one agent on a real
// cluster. Starts the mains and nothing else: what they do is theirs.
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { agentSettings } from "./agent/settings.ts";
import { sleep } from "./process/backoff.ts";
import { type FlagShape, parseFlags } from "./process/flags.ts";
import { fatal, lifetime, stopped } from "./process/lifetime.ts";
import { hostPort, programSettings, SettingInvalid, type Table, type Values } from "./process/settings.ts";
import { type Program, type Report, startSupervisor, watchParent } from "./process/supervisor.ts";
import { build } from "./process/version.ts";
import { type DataFolder, openDataFolder } from "./server/data.ts";
import { serverSettings } from "./server/settings.ts";

const { kubeconfig, cluster, labels, namespaces } = agentSettings;
const agentFlags = { kubeconfig, cluster, labels, namespaces };
const table = {
  ...serverSettings,
  data: { ...serverSettings.data, default: ".lizardcd", help: "the data folder: secrets, tokens, the database, logs" },
  ...agentFlags,
} as const satisfies Table;

/** What is simulated: one cluster that is well, one that is not, one whose agent comes and goes. */
const simulated = [
  { name: "eu-1", seed: "calm", labels: "env=prod,region=eu", comesAndGoes: false },
  { name: "us-1", seed: "stormy", labels: "env=prod,region=us", comesAndGoes: false },
  { name: "edge-1", seed: "roaming", labels: "env=edge,region=eu", comesAndGoes: true },
];
const here = { stays: 90_000, away: 30_000 };
const readyWithin = 30_000;

const began = performance.now() - process.uptime() * 1000;

try {
  process.exit(await main());
} catch (error) {
  fatal("npm start", error);
}

async function main(): Promise<number> {
  const { values } = programSettings({
    name: "npm start --",
    summary: "A server with three simulated clusters, or with one agent on the cluster of --kubeconfig.",
    version: build,
    table,
  });
  const signal = lifetime({ endWithStdin: values.endWithStdin });
  const metricsAddr = await freeAddresses(values);
  const data = await openDataFolder(values.data);
  await mkdir(join(data.path, "run"), { recursive: true, mode: 0o700 });
  await data.joinToken();
  const url = urlOf(values.httpAddr);
  const starter = supervise(data, signal);
  const failed = starter.keep({ name: "server", command: serverCommand(values, metricsAddr), once: true });
  const agents = values.kubeconfig
    ? starter.keep({ name: "agent", command: agentCommand(data, url, flagsFor(agentFlags)), once: true })
    : startSimulated(starter, data, url, signal);
  const over = Promise.race([failed, agents, stopped(signal)]);
  await Promise.race([ready(url, signal), over]);
  if (!signal.aborted && !starter.failure) await greet(url, data, values.kubeconfig);
  await over;
  await starter.end();
  if (starter.failure) process.stderr.write(`npm start: ${starter.failure}\n`);
  return starter.failure ? 1 : 0;
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
  failure?: string;
}

function supervise(data: DataFolder, signal: AbortSignal): Starter {
  const programs = new Map<string, Kept & { failed: () => void; line: (text: string) => void; away: boolean }>();
  let ending = false;
  const supervisor = startSupervisor((report) => hear(report));
  const stop = () => {
    ending = true;
    return supervisor.end();
  };
  signal.addEventListener("abort", () => void stop(), { once: true });
  watchParent(() => process.kill(process.pid, "SIGTERM"));

  const spawn = ({ name, command }: Kept) => {
    const isServer = name === "server";
    // What is set in the environment is meant for the server.
    const env = isServer ? {} : Object.fromEntries(ours().map((variable) => [variable, undefined]));
    supervisor.start({ name, command, env, log: logOf(data, name) } satisfies Program);
  };

  function hear(report: Report): void {
    const program = programs.get(report.name);
    if ("out" in report) program?.line(report.out);
    else if ("error" in report) process.stderr.write(`${report.name}: ${report.error}\n`);
    else if (program && !ending && !program.away) ended(program, report);
  }

  function ended(program: Kept & { failed: () => void }, { exited, last }: Extract<Report, { last: string[] }>): void {
    const said = last.filter(Boolean).at(-1) ?? "it said nothing";
    const what = `${program.name} ended (${exited}): ${said}`;
    if (program.once) {
      starter.failure ??= `${what}; its log is ${relative(".", logOf(data, program.name))}`;
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
  };
  return starter;
}

/** Each sandbox, then its agent as soon as the kubeconfig is there; never resolves by itself. */
async function startSimulated(starter: Starter, data: DataFolder, url: string, signal: AbortSignal): Promise<void> {
  await Promise.all(
    simulated.map(async ({ name, seed, labels, comesAndGoes }) => {
      const file = join(data.path, "run", `${name}.kubeconfig`);
      const flags = ["--name", name, "--seed", seed, "--port", "0", "--kubeconfig-out", file, "--end-with-stdin"];
      await starter.firstLine({ name: `${name} sandbox`, command: mainOf("sandbox", flags) });
      const agent = `${name} agent`;
      const given = ["--kubeconfig", file, "--cluster", name, "--labels", labels];
      void starter.keep({ name: agent, command: agentCommand(data, url, given) });
      while (comesAndGoes && !signal.aborted) {
        await sleep(here.stays, signal);
        if (!signal.aborted) await starter.interrupt(agent, here.away);
      }
    }),
  );
  await stopped(signal);
}

function serverCommand(values: Values<typeof table>, metricsAddr: string): string[] {
  const own = new Set(["data", "http-addr", "metrics-addr", ...Object.values(agentFlags).map(({ flag }) => flag)]);
  const forwarded = given().flatMap(({ name, value }) => (own.has(name) ? [] : [`--${name}=${value}`]));
  const set = ["--data", values.data, "--http-addr", values.httpAddr, "--metrics-addr", metricsAddr];
  return mainOf("server", [...forwarded, ...set, "--end-with-stdin"]);
}

function agentCommand(data: DataFolder, url: string, flags: string[]): string[] {
  const token = ["--join-token-file", join(data.path, "join-token")];
  const free = ["--grpc-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"];
  return mainOf("agent", [...flags, "--server", url, ...token, ...free, "--end-with-stdin"]);
}

function mainOf(program: "server" | "agent" | "sandbox", flags: string[]): string[] {
  return [process.execPath, join(import.meta.dir, program, "main.ts"), ...flags];
}

/** The flags of this command line that belong to these keys. */
function flagsFor(keys: Table): string[] {
  const flags = new Set(Object.values(keys).map(({ flag }) => flag));
  return given().flatMap(({ name, value }) => (flags.has(name) ? [`--${name}=${value}`] : []));
}

function given() {
  const shapes: FlagShape[] = Object.values(table as Table).flatMap(({ flag, short, type }) => [
    { name: flag, short, boolean: type === "boolean" },
    ...(type === "secret" ? [{ name: `${flag}-file` }] : []),
  ]);
  return parseFlags(process.argv.slice(2), shapes).flags;
}

function ours(): string[] {
  return Object.keys(process.env).filter((name) => name.startsWith("LIZARDCD_"));
}

/**
 * The server's address must be free; its metrics move to a free port where nobody asked for a certain one.
 * @returns the address for metrics. @throws SettingInvalid
 */
async function freeAddresses({ httpAddr, metricsAddr }: Values<typeof table>): Promise<string> {
  const { port } = hostPort(httpAddr);
  if (!isFree(httpAddr)) {
    throw new SettingInvalid(
      `${httpAddr} is in use by another program (another npm start?): end it, or choose another address, ` +
        `npm start -- --http-addr 127.0.0.1:${port + 1}`,
    );
  }
  const asked = given().some(({ name }) => name === "metrics-addr") || process.env.LIZARDCD_METRICS_ADDR;
  return asked || isFree(metricsAddr) ? metricsAddr : "127.0.0.1:0";
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

/** Resolves when the server answers; prints why where it does not in time. */
async function ready(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + readyWithin;
  while (!signal.aborted && performance.now() < deadline) {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(20, signal);
  }
  if (!signal.aborted) process.stderr.write(`npm start: ${url} has not answered for ${readyWithin / 1000} s\n`);
}

async function greet(url: string, data: DataFolder, kubeconfig: string | undefined): Promise<void> {
  const password = await data.firstPassword();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const what = kubeconfig
    ? `one agent on the current-context of ${kubeconfig}`
    : `${simulated.length} simulated clusters: ${simulated.map(({ name }) => name).join(", ")}`;
  process.stdout.write(`
Lizardcd is ready after ${seconds} s, with ${what}.

  Open      ${url}
  User      admin
  Password  ${password ?? "the one you have set"}

  Command line
    npm run cli -- login ${url}
    npm run cli -- get workloads

Logs are in ${relative(".", join(data.path, "logs")) || "logs"}. Ctrl-C ends everything.
`);
}

function logOf(data: DataFolder, name: string): string {
  return join(data.path, "logs", `${name.replaceAll(" ", "-")}.log`);
}

function urlOf(address: string): string {
  const { host, port } = hostPort(address);
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}
