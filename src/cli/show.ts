// An answer as people read it: a table for a list, a page of facts for one object, a sentence after a write.
import type { Message } from "@bufbuild/protobuf";
import type { AuditEntry } from "../gen/lizardcd/v1/audit_pb.ts";
import type { Reason } from "../gen/lizardcd/v1/failure_pb.ts";
import type { AgentRow, ClusterRow, RegistryRow, Unanswered } from "../gen/lizardcd/v1/fleet_pb.ts";
import type { NamespaceRow } from "../gen/lizardcd/v1/namespace_pb.ts";
import type { Change, Workload, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { whyOfCluster, whySilent } from "../words/silent.ts";
import { age, duration, type Lang, problemIn, say, sentence, stopped } from "../words/words.ts";
import { type Column, clean, pairs, type TableOptions, table } from "./output.ts";
import { labelText, picture, reasonOf, state, toneOf, wordOf } from "./picture.ts";
import { tell } from "./words.ts";

type Columns<Row> = (lang: Lang) => Column<Row>[];

/** Columns and names by the type of a list's rows. */
interface View<Row = never> {
  columns: Columns<Row>;
  name: (row: Row) => string;
}

const where = ({ cluster, namespace, resource, name }: WorkloadRow) => `${cluster}/${namespace}/${resource}/${name}`;
const images = ({ containers }: WorkloadRow) =>
  containers
    .filter(({ init }) => !init)
    .map(({ image }) => image)
    .join(",");

const containers = ({ containers: all }: WorkloadRow) => all.map(({ name }) => name).join(",");

const workloads: View<WorkloadRow> = {
  name: where,
  columns: (lang) => [
    { head: say(lang, "cluster"), value: ({ cluster }) => cluster },
    { head: say(lang, "namespace"), value: ({ namespace }) => namespace },
    { head: say(lang, "name"), value: ({ resource, name }) => `${resource}/${name}`, flexible: true },
    { head: say(lang, "health"), value: (row) => state(lang, row.state), tone: (row) => toneOf(row.state) },
    { head: say(lang, "ready"), value: ({ ready, desired }) => `${ready}/${desired}`, right: true },
    { head: tell(lang, "updated"), value: ({ updated }) => String(updated), right: true, wide: true },
    { head: tell(lang, "available"), value: ({ available }) => String(available), right: true, wide: true },
    { head: say(lang, "changed"), value: ({ changedMs }) => age(lang, changedMs), right: true },
    { head: tell(lang, "made"), value: ({ createdMs }) => age(lang, createdMs), right: true, wide: true },
    { head: say(lang, "containers"), value: containers, wide: true },
    { head: say(lang, "image"), value: images, flexible: true },
    { head: tell(lang, "why"), value: ({ reason }) => reasonOf(lang, reason), flexible: true },
  ],
};

const clusters: View<ClusterRow> = {
  name: ({ name }) => name,
  columns: (lang) => [
    { head: say(lang, "cluster"), value: ({ name }) => name },
    { head: say(lang, "health"), value: (row) => state(lang, row.state), tone: (row) => toneOf(row.state) },
    { head: say(lang, "nav.workloads"), value: (row) => counts(lang, row), right: true },
    {
      head: say(lang, "pods"),
      value: (row) => (isRead(row) ? `${row.podsReady}/${row.podsDesired}` : "?"),
      right: true,
    },
    { head: "Kubernetes", value: ({ kubernetesVersion }) => kubernetesVersion },
    { head: say(lang, "seen"), value: ({ seenMs }) => age(lang, seenMs), right: true },
    { head: say(lang, "labels"), value: ({ labels }) => labelText(labels), flexible: true },
    { head: say(lang, "nav.agents"), value: (row) => `${row.agentsAnswering}/${row.agents}`, right: true, wide: true },
    { head: tell(lang, "version"), value: ({ agentVersion }) => agentVersion, wide: true },
    { head: tell(lang, "why"), value: (row) => whyOfCluster(lang, row), flexible: true },
  ],
};

const audit: View<AuditEntry> = {
  name: ({ id }) => id,
  columns: (lang) => [
    { head: say(lang, "ageOf"), value: ({ agoMs }) => age(lang, agoMs), right: true },
    { head: say(lang, "audit.actor"), value: ({ actor }) => actor },
    { head: say(lang, "audit.operation"), value: ({ operation }) => operation },
    {
      head: say(lang, "name"),
      value: ({ cluster, namespace, resource, name }) => [cluster, namespace, resource, name].filter(Boolean).join("/"),
      flexible: true,
    },
    {
      head: say(lang, "audit.outcome"),
      value: ({ outcome, count }) => {
        const word = wordOf(lang, `outcome.${outcome}`) ?? outcome;
        return count > 1 ? `${word} ×${count}` : word;
      },
    },
    { head: say(lang, "audit.door"), value: ({ door }) => door },
    { head: say(lang, "audit.address"), value: ({ address }) => address, wide: true },
    {
      head: tell(lang, "why"),
      value: ({ failure }) => (failure?.code ? sentence(lang, failure) : ""),
      flexible: true,
    },
  ],
};

const namespaces: View<NamespaceRow> = {
  name: ({ name }) => name,
  columns: (lang) => [
    { head: say(lang, "namespace"), value: ({ name }) => name },
    { head: say(lang, "state"), value: ({ phase }) => phase },
    { head: say(lang, "nav.workloads"), value: ({ workloads }) => String(workloads), right: true },
  ],
};

const agents: View<AgentRow> = {
  name: ({ key }) => `agent/${key}`,
  columns: (lang) => [
    { head: say(lang, "key"), value: ({ key }) => key },
    { head: say(lang, "state"), value: (row) => state(lang, row.state), tone: (row) => toneOf(row.state) },
    { head: say(lang, "instances"), value: answering, right: true },
    { head: tell(lang, "addresses"), value: addresses, flexible: true, wide: true },
    { head: say(lang, "registries"), value: ({ sources }) => sources.join(","), flexible: true },
    { head: say(lang, "announced"), value: ({ announcedMs }) => age(lang, announcedMs), right: true, wide: true },
    { head: say(lang, "seen"), value: ({ seenMs }) => age(lang, seenMs), right: true },
    { head: tell(lang, "certificateEnds"), value: (row) => certificateLeft(lang, row), right: true },
    { head: say(lang, "version"), value: ({ version }) => version },
    { head: "Kubernetes", value: ({ kubernetesVersion }) => kubernetesVersion, wide: true },
    { head: tell(lang, "why"), value: (row) => whyAgent(lang, row), flexible: true },
  ],
};

/** Why it is silent, and what of its answers was not believed. */
function whyAgent(lang: Lang, row: AgentRow): string {
  const { refused: n, refusedProblem: problem } = row;
  const silent = whySilent(lang, row);
  if (n === 0) return silent;
  const refused = say(lang, "agent.refused", { n, problem: problemIn(lang, problem) });
  return silent === "" ? refused : `${silent}${say(lang, "semicolon")}${refused}`;
}

const registries: View<RegistryRow> = {
  name: ({ name }) => `registry/${name}`,
  columns: (lang) => [
    { head: say(lang, "name"), value: ({ name }) => name },
    { head: say(lang, "kind"), value: ({ kind }) => kind },
    { head: say(lang, "state"), value: (row) => registryState(lang, row), tone: (row) => toneOf(row.state) },
    { head: say(lang, "entries"), value: ({ entries }) => String(entries), right: true },
    { head: say(lang, "heard"), value: ({ heardMs }) => age(lang, heardMs), right: true },
    { head: say(lang, "registry.lastProblem"), value: (row) => lastProblem(lang, row), flexible: true },
    { head: say(lang, "ignored"), value: (row) => ignored(lang, row), flexible: true },
  ],
};

/** Of those that there are. */
function answering({ instances, state }: AgentRow): string {
  const n = state === "lost" ? 0 : instances.filter((one) => one.answering).length;
  return instances.length === 0 ? "0" : `${n}/${instances.length}`;
}

function addresses({ instances }: AgentRow): string {
  return instances.map(({ address }) => address).join(",");
}

function certificateLeft(lang: Lang, { certificateMs }: AgentRow): string {
  return certificateMs <= 0 ? "" : duration(lang, certificateMs);
}

function registryState(lang: Lang, row: RegistryRow): string {
  return wordOf(lang, `registry.${row.state}`) ?? row.state;
}

/** What it fails with now, else what it failed with last. */
function lastProblem(lang: Lang, { problem, lastProblem: last, lastProblemMs }: RegistryRow): string {
  if (problem) return problemIn(lang, problem);
  return last ? `${problemIn(lang, last)} (${age(lang, lastProblemMs)})` : "";
}

function ignored(lang: Lang, { ignored: n, ignoredKey: key, ignoredProblem: problem }: RegistryRow): string {
  if (n === 0) return "";
  return key ? `${n}; ${say(lang, "ignored.last", { key, problem: problemIn(lang, problem) })}` : String(n);
}

const views: Record<string, View<never>> = {
  "lizardcd.v1.AgentRow": agents,
  "lizardcd.v1.RegistryRow": registries,
  "lizardcd.v1.WorkloadRow": workloads,
  "lizardcd.v1.ClusterRow": clusters,
  "lizardcd.v1.AuditEntry": audit,
  "lizardcd.v1.NamespaceRow": namespaces,
};

/** Answers that hold a whole set: a command that names no limit wants all of its pages. */
export const wholeSets: ReadonlySet<string> = new Set(["lizardcd.v1.ListFleetWorkloadsResponse"]);

/** The rows of a list, each as its view knows it; undefined where the answer is no list. */
export function rowsOf(message: Message): readonly Message[] | undefined {
  const { items, clusters: all } = message as { items?: readonly Message[]; clusters?: readonly Message[] | number };
  const rows = items ?? (Array.isArray(all) ? all : undefined);
  // A row that arrives wrapped together with its age.
  return rows?.map((row) => (row as { row?: Message }).row ?? row);
}

/** Clusters that were asked and did not answer: the list lacks their rows. */
export function unansweredIn(message: Message): readonly Unanswered[] {
  return (message as { unanswered?: readonly Unanswered[] }).unanswered ?? [];
}

/** What `-o name` prints, one a line; undefined where the answer has no names. */
export function names(message: Message): string | undefined {
  const rows = rowsOf(message) ?? [(message as Partial<Workload>).row ?? message];
  const lines: string[] = [];
  for (const row of rows) {
    const view = views[row.$typeName];
    if (!view) return undefined;
    lines.push(`${clean(view.name(row as never))}\n`);
  }
  return lines.join("");
}

export function text(message: Message, lang: Lang, { asRow, ...options }: TableOptions & { asRow?: boolean }): string {
  const row = asRow ? (message as Partial<Workload>).row : undefined;
  const rows = row ? [row] : rowsOf(message);
  // Headings of nothing are nothing.
  if (rows?.length === 0) return "";
  if (rows) {
    const [{ $typeName }] = rows as [Message];
    const view = views[$typeName];
    if (!view) throw new Error(`rows of type ${$typeName} have no view`);
    return table(rows as never[], view.columns(lang), options);
  }
  if (message.$typeName === "lizardcd.v1.Workload") return picture(message as Workload, lang, options);
  return facts(message, lang, options.columns);
}

/** After a write: what was done to which object, and what it changed. */
export function done(message: Message, verb: string, lang: Lang): string {
  const { row, changes = [], notes = [], dryRun } = message as Partial<Workload>;
  // A token, and the lines that use it.
  if (!row) return facts(message, lang);
  const lines = changes.map((change) => `  ${changeText(change)}\n`).join("");
  const said = notes.map((note) => `${clean(stopped(lang, sentence(lang, note)))}\n`).join("");
  const params = { name: `${row.namespace}/${row.name}`, cluster: row.cluster };
  if (dryRun && !lines) return `${clean(tell(lang, "dryRun.same", params))}\n${said}`;
  const did = wordOf(lang, `done.${verb}`, params) ?? verb;
  const head = dryRun ? tell(lang, "dryRun", { did }) : did;
  return `${clean(head)}${lang === "en" ? "." : "。"}\n${lines}${said}`;
}

/** Any other message: its plain fields by name. Without a width nothing is broken, for who copies a command whole. */
function facts(message: Message, lang: Lang, width?: number): string {
  const entries = Object.entries(message).filter(([name]) => !name.startsWith("$"));
  return pairs(
    entries.map(([name, value]) => [titleOf(name, lang), plain(name, value, lang)] as const),
    width,
  );
}

/** Fields that pages have a word for, too. */
const worded = new Set(["cluster", "namespace", "labels", "username", "role", "simulated", "created", "name", "state"]);

function titleOf(name: string, lang: Lang): string {
  const bare = name.replace(/Ms$/, "");
  const word = worded.has(bare) ? wordOf(lang, bare) : undefined;
  if (word) return word;
  const words = bare.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function plain(name: string, value: unknown, lang: Lang): string {
  if (name === "expiresIn" && typeof value === "number") return duration(lang, value * 1000);
  if (name.endsWith("Ms") && typeof value === "number") return age(lang, value);
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "true" : "";
  if (Array.isArray(value)) return value.filter((one) => typeof one === "string").join(", ");
  if (typeof value !== "object" || value === null) return "";
  if (!("$typeName" in value)) return labelText(value as Record<string, string>);
  // A failure or a reason.
  return "code" in value && value.code ? sentence(lang, value as unknown as Reason) : "";
}

/** False where nothing was counted yet: 0 would be taken for a count. */
export function isRead({ state: code, workloads: total }: Pick<ClusterRow, "state" | "workloads">): boolean {
  return total > 0 || !["unknown", "reading"].includes(code);
}

function counts(lang: Lang, row: ClusterRow): string {
  if (!isRead(row)) return "?";
  const { states, workloads: total } = row;
  const bad = (states.failed ?? 0) + (states.degraded ?? 0);
  return bad === 0 ? String(total) : `${total} (${bad} ${state(lang, "degraded").toLowerCase()})`;
}

function changeText({ path, before, after }: Change): string {
  return clean(`${path}: ${before || "–"} → ${after || "–"}`);
}
