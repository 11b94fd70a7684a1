// One cluster by its name: alone from the list of clusters, or as a page of facts with what in it needs somebody.
import type { Message } from "@bufbuild/protobuf";
import { operation } from "../contract/operation.ts";
import { inputOf } from "../contract/request.ts";
import {
  type ClusterRow,
  ClusterRowSchema,
  type Fleet,
  type ListFleetWorkloadsResponse,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import { nearest } from "../process/nearest.ts";
import { whyOfCluster } from "../words/silent.ts";
import { age, type Lang, say } from "../words/words.ts";
import { type CallOptions, call } from "./client.ts";
import { type Asked, type Command, inputFrom } from "./command.ts";
import { type Context, contextOf, namedIn } from "./context.ts";
import { CommandFailed, type Exit, exit } from "./exit.ts";
import { formatOf } from "./format.ts";
import { keepOnly, tellUnanswered } from "./list.ts";
import { clean, paint, pairs } from "./output.ts";
import { labelText, state, toneOf } from "./picture.ts";
import type { OwnCommand } from "./run.ts";
import { isRead, text } from "./show.ts";
import { tellUnknown } from "./unknown-field.ts";
import { tell } from "./words.ts";

/** At most so many workloads that need somebody are shown of one cluster. */
const mostShown = 20;

/** The name after `get clusters`. @throws CommandFailed (usage) for what narrows a list, beside a name. */
export function clusterNamed({ command, rest, flags }: Asked & { command: Command }, lang: Lang): string | undefined {
  if (command.operation?.id !== "fleet.get" || rest[0] === undefined) return undefined;
  const narrowing = command.flags.find(({ name, field }) => field && flags.has(name));
  if (!narrowing) return rest[0];
  const params = { command: `${command.words} ${rest[0]}`, flag: `--${narrowing.name}` };
  const next = tell(lang, "command.see", { command: command.words });
  throw new CommandFailed(exit.usage, tell(lang, "command.foreign", params), next);
}

/** @throws CommandFailed (not found) with the name that is nearest. */
export async function mustBeThere(message: Message, name: string, context: Context, options: CallOptions) {
  if ((message as Fleet).clusters.length > 0) return;
  const { lang } = options;
  const all = operation("fleet.get");
  const { clusters } = (await call(context, all, inputOf(all, {}), options)).message as Fleet;
  const names = clusters.map((row) => row.name);
  const near = nearest(name, names) ?? names.find((one) => one.startsWith(name.toLowerCase()));
  const next = near ? tell(lang, "cluster.near", { near }) : tell(lang, "agent.next");
  throw new CommandFailed(exit.notFound, tell(lang, "cluster.none", { name: JSON.stringify(name) }), next);
}

/** `describe cluster`. */
export async function describeCluster({ asked, env, terminal, options, defaults }: OwnCommand): Promise<Exit> {
  const { lang } = options;
  const { command, flags } = asked;
  const format = formatOf(flags.get("output")?.at(-1) ?? "table", lang);
  const name = asked.rest[0] ?? defaults.cluster;
  if (!name) {
    const said = tell(lang, "command.needs", { command: command.words, argument: "CLUSTER" });
    throw new CommandFailed(exit.usage, said, tell(lang, "command.place", { argument: "--cluster" }));
  }
  const input = inputFrom({ ...asked, rest: [name, ...asked.rest.slice(1)] }, lang);
  const context = contextOf(namedIn(flags), env, lang);
  const answer = await call(context, operation("fleet.get"), input, options);
  keepOnly(answer, name);
  await mustBeThere(answer.message, name, context, options);
  await tellUnknown(format, ClusterRowSchema, terminal, lang);
  if (format.as === "value") {
    await terminal.out(format.write((answer.json.clusters as unknown[])[0]));
    return exit.done;
  }
  const row = (answer.message as Fleet).clusters[0]!;
  if (format.as === "name") {
    await terminal.out(`${clean(row.name)}\n`);
    return exit.done;
  }
  const list = operation("fleet.listWorkloads");
  const bad = inputOf(list, { cluster: name, state: ["failed", "degraded"], limit: mostShown });
  const needy = (await call(context, list, bad, options)).message as ListFleetWorkloadsResponse;
  const { columns, color } = terminal;
  const rows = text(needy, lang, { columns, color, wide: format.as === "wide" });
  const stale = ["lost", "stale"].includes(row.state) ? pairs([["", say(lang, "stale.rest")]], columns) : "";
  await terminal.out([factsOf(row, lang, { columns, color }), stale, rows].filter(Boolean).join("\n"));
  const more = needy.total - needy.items.length;
  if (rows && more > 0) await terminal.out(`${say(lang, "attention.more", { n: more })}\n`);
  return tellUnanswered(needy, { terminal }, lang);
}

function factsOf(row: ClusterRow, lang: Lang, { columns, color }: { columns?: number; color?: boolean }): string {
  const health = state(lang, row.state);
  const states = Object.entries(row.states).filter(([, count]) => count > 0);
  const counts = states.map(([code, count]) => `${count} ${state(lang, code)}`).join(say(lang, "comma"));
  const whole = row.scope.includes("*");
  const of = (known: string) => (isRead(row) ? known : "?");
  const facts = pairs(
    [
      [say(lang, "name"), row.name],
      [say(lang, "health"), health],
      [tell(lang, "why"), whyOfCluster(lang, row)],
      ["Kubernetes", row.kubernetesVersion],
      [say(lang, "labels"), labelText(row.labels)],
      [say(lang, "scope"), whole ? say(lang, "scope.cluster") : row.scope.join(say(lang, "comma"))],
      [say(lang, "nav.workloads"), of(counts ? `${row.workloads} (${counts})` : String(row.workloads))],
      [say(lang, "pods"), of(`${row.podsReady}/${row.podsDesired}`)],
      [say(lang, "nav.agents"), `${row.agentsAnswering}/${row.agents}`],
      [tell(lang, "version"), row.agentVersion],
      [say(lang, "key"), row.keys.join(say(lang, "comma"))],
      [say(lang, "seen"), age(lang, row.seenMs)],
      [say(lang, "announced"), age(lang, row.announcedMs)],
      [say(lang, "simulated"), row.simulated ? say(lang, "simulated.long") : ""],
    ],
    columns,
  );
  return color ? facts.replace(health, paint(health, toneOf(row.state))) : facts;
}
