// Called by the name lzcli: the grammar of the tool before this one, for everything that has a counterpart here.
import { operation } from "../contract/operation.ts";
import { type Given, inputOf } from "../contract/request.ts";
import type { ListAgentsResponse } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { Session } from "../gen/lizardcd/v1/user_pb.ts";
import type { ListWorkloadsResponse, Pod, Workload, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { type FlagShape, type Parsed, parseFlags, UsageInvalid } from "../process/flags.ts";
import { type Lang, sentence } from "../words/words.ts";
import { bordered } from "./bordered.ts";
import { type CallOptions, call } from "./client.ts";
import { flagFailed } from "./command.ts";
import { type Context, olderPath, readCa, readOlder, serverOf, writePrivate } from "./context.ts";
import { CommandFailed, type Exit, exit, exitOf, Refused } from "./exit.ts";
import { reasonOf } from "./picture.ts";
import { describe, type World } from "./run.ts";
import { isPlain } from "./session.ts";
import { langOf, tell } from "./words.ts";

const shapes: readonly FlagShape[] = [
  { name: "config", short: "c" },
  { name: "log.level", short: "l" },
  { name: "nocolor", boolean: true },
  { name: "server", short: "s" },
  { name: "username", short: "u" },
  { name: "password", short: "p" },
  { name: "token", short: "t" },
  { name: "save", boolean: true },
  { name: "cluster" },
  { name: "namespace", short: "n" },
  { name: "name" },
  { name: "pod" },
  { name: "container" },
  { name: "image" },
  { name: "replicas" },
  { name: "sort-by" },
  { name: "order" },
  { name: "help", short: "h", boolean: true },
];

/** Its commands that have no counterpart. */
const missing = new Set(["apply", "application", "app", "task", "helm", "database", "tkn"]);

export const olderHelp = `lzcli: the grammar of earlier scripts. New ones use lizardcd, see lizardcd --help.

  lzcli config -s URL
  lzcli login -u USERNAME -p PASSWORD [--save]
  lzcli login -t TOKEN
  lzcli agent list
  lzcli deployment|statefulset list --cluster C [-n NS] [--sort-by name|lastUpdateTime] [--order asc|desc]
  lzcli deployment|statefulset restart --cluster C [-n NS] --name NAME
  lzcli deployment|statefulset scale --cluster C [-n NS] --name NAME --replicas N
  lzcli deployment|statefulset set --cluster C [-n NS] --name NAME --container CONTAINER --image IMAGE
  lzcli deployment|statefulset show pod --cluster C [-n NS] --name NAME
  lzcli deployment|statefulset show container --cluster C [-n NS] --name NAME --pod POD
  lzcli deployment|statefulset show event --cluster C [-n NS] --pod POD
  lzcli version

  -c, --config FILE   where server and token are kept (default ~/.lizardcd-cli.yaml)

  LIZARDCD_SERVER and LIZARDCD_TOKEN win over that file; LIZARDCD_SERVER_CA names the CA of the server's certificate.
`;

interface Older extends World {
  lang: Lang;
  options: CallOptions;
  /** Its value, else undefined. */
  flag(name: string): string | undefined;
  /** @throws CommandFailed (usage) */
  needed(name: string): string;
  /** The file of server and token. */
  path: string;
  context(): Context;
}

/** @param argv without the program's name. Never rejects for what a person can do wrong. */
export async function runOlder(argv: readonly string[], world: World): Promise<Exit> {
  const { env, terminal, version } = world;
  const lang = langOf(env);
  try {
    const { flags, rest } = parse(argv, lang);
    const flag = (name: string) => flags.findLast((one) => one.name === name)?.value;
    const path = flag("config")?.replace(/^~(?=\/)/, env.HOME ?? "~") ?? olderPath(env);
    const older: Older = {
      ...world,
      lang,
      path,
      flag,
      options: { lang, version, timeoutMs: 30_000, terminal, older: true },
      needed(name) {
        const value = flag(name);
        if (value) return value;
        throw new CommandFailed(exit.usage, tell(lang, "old.needs", { flag: name }), tell(lang, "old.missingNext"));
      },
      context: () => {
        const own = kept(older);
        const server = env.LIZARDCD_SERVER ? serverOf(env.LIZARDCD_SERVER, lang) : own.server;
        // A token is for the server that made it.
        const token = env.LIZARDCD_TOKEN || (server === own.server ? own.token : "");
        return { server, token, ca: env.LIZARDCD_SERVER_CA ? readCa(env.LIZARDCD_SERVER_CA, lang) : undefined };
      },
    };
    if (flag("help") || rest.length === 0) await terminal.out(olderHelp);
    else await runWords(rest, older);
    return exit.done;
  } catch (error) {
    const { message, code } = describe(ofOlder(error, lang), undefined, env, lang);
    await terminal.err(`lzcli: ${message}\n`);
    return code;
  }
}

async function runWords(words: readonly string[], older: Older): Promise<void> {
  const { terminal, version, lang } = older;
  const [noun = "", ...rest] = words;
  const verb = rest.join(" ");
  if (noun === "version") return terminal.out(`${version}\n`);
  for (const warning of readOlder(older.env, lang, older.path).warnings) await terminal.err(`${warning}\n`);
  if (noun === "config") return config(older);
  if (noun === "login") return login(older);
  if (noun === "agent" && verb === "list") return agents(older);
  if (noun === "deployment" || noun === "statefulset") {
    const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
    if (run) return run(older, `${noun}s`);
  }
  const written = words.slice(0, 2).join(" ");
  if (missing.has(noun)) throw notHere(written, lang);
  const said = tell(lang, "old.unknown", { words: JSON.stringify(written) });
  throw new CommandFailed(exit.usage, said, tell(lang, "old.missingNext"));
}

function notHere(words: string, lang: Lang): CommandFailed {
  const said = tell(lang, "old.missing", { words: JSON.stringify(words) });
  return new CommandFailed(exit.failed, said, tell(lang, "old.missingNext"));
}

const verbs: Record<string, (older: Older, resource: string) => Promise<void>> = {
  list,
  restart: (older, resource) => write(older, resource, "restart", {}),
  scale: (older, resource) => write(older, resource, "scale", { replicas: older.needed("replicas") }),
  set: (older, resource) =>
    write(older, resource, "setImage", { container: older.needed("container"), image: older.needed("image") }),
  "show pod": pods,
  "show container": containers,
  "show event": events,
  event: events,
};

async function config(older: Older): Promise<void> {
  const { terminal, lang } = older;
  const address = older.flag("server");
  if (address) {
    const server = serverOf(address, lang);
    // A token is for the server that made it.
    save(older, kept(older).server === server ? kept(older) : { server, token: "", username: "" });
  }
  await terminal.out(`${kept(older).server}\n`);
}

async function login(older: Older): Promise<void> {
  const { terminal, lang, options } = older;
  const { server, ca } = older.context();
  if (isPlain(server)) await terminal.err(`${tell(lang, "server.plain", { server })}\n`);
  const token = older.flag("token");
  if (token) return save(older, { server, token, username: "" });
  const username = older.needed("username");
  const sign = operation("user.login");
  const input = inputOf(sign, { username, password: older.needed("password") });
  const { accessToken } = (await call({ server, token: "", ca }, sign, input, options)).message as Session;
  save(older, { server, token: accessToken, username: older.flag("save") ? username : "" });
  if (older.flag("save")) await terminal.err(`${tell(lang, "old.save")}\n`);
}

async function agents(older: Older): Promise<void> {
  const { items } = (await ask(older, "fleet.listAgents", {})) as unknown as ListAgentsResponse;
  const keys = items.map(({ key }) => [key]);
  await older.terminal.out(bordered(["lizardcd agent"], keys));
}

async function list(older: Older, resource: string): Promise<void> {
  const rows = await rowsOf(older, resource);
  const byTime = older.flag("sort-by") === "lastUpdateTime";
  const lines = rows
    .sort((a, b) => (byTime ? b.changedMs - a.changedMs : a.name < b.name ? -1 : 1))
    .map((row) => [row.name, stateOf(row), timeOf(row)]);
  if (older.flag("order") === "desc") lines.reverse();
  await older.terminal.out(bordered(["name", "state", "lastupdate"], lines));
}

async function write(older: Older, resource: string, verb: "restart" | "scale" | "setImage", more: Given) {
  const name = older.needed("name");
  await ask(older, `workload.${verb}`, { ...where(older), resource, name, ...more });
  const kind = resource.slice(0, -1);
  const words = { restart: "restart", scale: "scale", setImage: "set image of" };
  await older.terminal.out(`${tell(older.lang, "old.done", { verb: words[verb], kind, name })}\n`);
}

async function pods(older: Older, resource: string): Promise<void> {
  const { pods } = await get(older, resource, older.needed("name"));
  const lines = pods.map((pod) => {
    const node = pod.hostIp ? `${pod.node}(${pod.hostIp})` : pod.node;
    return [pod.name, pod.ip, node, stateOfPod(pod), reasonOf(older.lang, pod.reason)];
  });
  await older.terminal.out(bordered(["podname", "podip", "nodename", "state", "message"], lines));
}

async function containers(older: Older, resource: string): Promise<void> {
  const { row, pods } = await get(older, resource, older.needed("name"));
  const wanted = older.needed("pod");
  const pod = pods.find(({ name }) => name === wanted);
  if (!pod) throw noPod(older, resource, wanted);
  // A pod that no node has taken yet has none of its own.
  const all = pod.containers.length > 0 ? pod.containers : row!.containers.map((one) => ({ ...one, ...notYet }));
  const lines = all.map(({ name, init, state, reason, image, restarts }) => [
    init ? `${name}(initContainer)` : name,
    state,
    state === "running" ? image : reason,
    restarts === undefined ? "" : String(restarts),
  ]);
  await older.terminal.out(bordered(["container", "status", "state", "restart_count"], lines));
}

const notYet = { state: "waiting", reason: "", restarts: undefined };

async function events(older: Older, resource: string): Promise<void> {
  const wanted = older.needed("pod");
  const owner = (await rowsOf(older, resource))
    .filter(({ name }) => wanted.startsWith(`${name}-`))
    .sort((a, b) => b.name.length - a.name.length)[0];
  if (!owner) throw noPod(older, resource, wanted);
  const { events } = await get(older, resource, owner.name);
  const lines = events
    .filter(({ object }) => object.includes(wanted))
    .map(({ type, reason, lastMs, object, message }) => [type, reason, stamp(lastMs), object, message]);
  await older.terminal.out(bordered(["type", "reason", "age", "from", "message"], lines));
}

async function rowsOf(older: Older, resource: string): Promise<WorkloadRow[]> {
  const rows: WorkloadRow[] = [];
  for (let token: string | undefined = ""; token !== undefined; ) {
    const given = { ...where(older), resource, limit: 5000, continue: token };
    const page = (await ask(older, "workload.list", given)) as unknown as ListWorkloadsResponse;
    rows.push(...page.items);
    token = page.continue || undefined;
  }
  return rows;
}

async function get(older: Older, resource: string, name: string): Promise<Workload> {
  return (await ask(older, "workload.get", { ...where(older), resource, name })) as unknown as Workload;
}

type Called = "fleet.listAgents" | "workload.list" | "workload.get" | `workload.${"restart" | "scale" | "setImage"}`;

async function ask(older: Older, id: Called, given: Given) {
  const op = operation(id);
  return (await call(older.context(), op, inputOf(op, given), older.options)).message;
}

function where(older: Older): { cluster: string; namespace: string } {
  return { cluster: older.needed("cluster"), namespace: older.flag("namespace") || "default" };
}

function noPod({ lang, ...older }: Older, resource: string, pod: string): CommandFailed {
  const { cluster, namespace } = where({ lang, ...older });
  return new CommandFailed(
    exit.notFound,
    tell(lang, "old.podNone", { resource: resource.slice(0, -1), pod, cluster, namespace }),
  );
}

interface Kept {
  server: string;
  token: string;
  username: string;
}

function kept({ env, lang, path }: Older): Kept {
  return readOlder(env, lang, path).contexts.lzcli ?? { server: "http://localhost:5117", token: "", username: "" };
}

/** In the shape that the tool before this one reads too. */
function save({ lang, path }: Older, { server, token, username }: Kept): void {
  const auth = { ...(token ? { access_token: token } : {}), ...(username ? { username } : {}) };
  writePrivate(path, { lizardcd: { server: { url: server }, auth } }, lang);
}

function stateOf({ state, ready, current, desired }: WorkloadRow): string {
  const all = Math.max(current, desired);
  const word = all === 0 ? "stopped" : state === "ok" || state === "paused" ? "running" : "updating";
  return `${word}(${ready}/${all})`;
}

/** How its first container is: since when it runs, or why it does not. */
function stateOfPod({ containers }: Pod): string {
  const [first] = containers;
  if (!first) return "";
  return first.state === "running" ? `Created ${longAgo(first.sinceMs)}` : first.reason;
}

/** "3 minutes ago", in English in every language: scripts look at it. */
function longAgo(ms: number): string {
  const units = [
    ["day", 86_400_000],
    ["hour", 3_600_000],
    ["minute", 60_000],
    ["second", 1_000],
  ] as const;
  for (const [unit, length] of units) {
    const n = Math.floor(ms / length);
    if (n > 0) return `${n} ${unit}${n === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

function timeOf({ changedMs }: WorkloadRow): string {
  return changedMs < 0 ? "" : stamp(changedMs);
}

/** "2026-11-23 16:02:10", in this machine's time. */
function stamp(agoMs: number): string {
  const then = new Date(Date.now() - agoMs);
  const local = new Date(then.getTime() - then.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace("T", " ");
}

/** Its session is kept in its own file: signing in to the other one would not help. */
function ofOlder(error: unknown, lang: Lang): unknown {
  if (!(error instanceof Refused) || !/^session\./.test(error.failure.code)) return error;
  return new CommandFailed(exitOf(error), sentence(lang, error.failure), tell(lang, "old.signIn"), { cause: error });
}

function parse(argv: readonly string[], lang: Lang): Parsed {
  try {
    return parseFlags(argv, shapes);
  } catch (cause) {
    if (!(cause instanceof UsageInvalid)) throw cause;
    const noun = argv.find((word) => !word.startsWith("-")) ?? "";
    // Of its flags nothing is known here: that the command is missing says more.
    if (missing.has(noun)) throw notHere(noun, lang);
    const { near } = cause.wrong;
    throw flagFailed(
      cause,
      lang,
      near ? tell(lang, "flag.near", { near: `--${near}` }) : tell(lang, "old.missingNext"),
    );
  }
}
