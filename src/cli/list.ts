// An answer asked for whole, sorted, and printed as wanted.
import type { Message } from "@bufbuild/protobuf";
import type { Operation } from "../contract/operation.ts";
import { ruleOf } from "../contract/rules.ts";
import type { Fleet, Unanswered } from "../gen/lizardcd/v1/fleet_pb.ts";
import { type Lang, sentence } from "../words/words.ts";
import { listOf } from "./catalogue.ts";
import { type Answer, type CallOptions, call, refusal } from "./client.ts";
import type { Context } from "./context.ts";
import { CommandFailed, type Exit, exit } from "./exit.ts";
import { type Format, parsed } from "./format.ts";
import { find } from "./jsonpath.ts";
import { clean } from "./output.ts";
import { done, names, rowsOf, text, unansweredIn, wholeSets } from "./show.ts";
import type { Terminal } from "./terminal.ts";
import { rowSchema, tellUnknown } from "./unknown-field.ts";
import { tell } from "./words.ts";

export interface Wanted {
  operation: Operation;
  words: string;
  format: Format;
  headers: boolean;
  sortBy?: string;
  /** One page was asked for. */
  limited: boolean;
  asRow?: boolean;
  /** The name of one cluster, alone of all. */
  only?: string;
}

type Out = { terminal: Terminal };

/** Of one set: ten times what ten thousand clusters need. */
const mostPages = 10_000;

/** All pages of a set, unless a limit was named. */
export async function wholeAnswer(
  context: Context,
  input: Message,
  { operation, limited, sortBy, only }: Wanted,
  options: CallOptions,
): Promise<Answer> {
  const whole = wholeSets.has(operation.method.output.typeName) && !limited;
  const limit = operation.method.input.fields.find(({ name }) => name === "limit");
  const first = { ...input, ...(whole && limit ? { limit: Number(ruleOf(limit)?.max ?? 0) } : {}) };
  const answer = await call(context, operation, first as Message, options);
  let token = nextOf(answer);
  // A server that means harm could go on for ever, with one token or with new ones.
  const tokens = new Set<string>();
  while (whole && token) {
    if (tokens.has(token) || tokens.size >= mostPages) throw refusal(context.server, 200, "", options.lang);
    tokens.add(token);
    const page = await call(context, operation, { ...first, continue: token } as unknown as Message, options);
    (answer.json.items as unknown[]).push(...(page.json.items as unknown[]));
    (answer.message as unknown as { items: unknown[] }).items.push(
      ...((page.message as unknown as { items: unknown[] }).items ?? []),
    );
    token = nextOf(page);
  }
  if (whole) answer.json.continue = "";
  if (only !== undefined) keepOnly(answer, only);
  if (sortBy) sort(answer, operation, sortBy, options.lang);
  return answer;
}

/** The server finds parts of names, and labels: only the cluster of this name is left. */
export function keepOnly({ json, message }: Answer, name: string): void {
  const fleet = message as Fleet;
  json.clusters = (json.clusters as { name: string }[]).filter((row) => row.name === name);
  fleet.clusters = fleet.clusters.filter((row) => row.name === name);
}

export async function printed(
  { json, message }: Answer,
  { operation, words, format, headers, asRow, limited, only }: Wanted,
  { terminal }: Out,
  lang: Lang,
): Promise<Exit> {
  const { columns, color } = terminal;
  const options = { columns, color, headers, wide: format.as === "wide" };
  const one = only === undefined ? json : (json[listOf(operation)!] as unknown[])[0];
  await tellUnknown(format, only === undefined ? operation.method.output : rowSchema(operation), terminal, lang);
  if (format.as === "value") await terminal.out(format.write(one));
  else if (format.as === "name") await terminal.out(namesIn(message, words, lang));
  else if (operation.audited) await terminal.out(done(message, operation.verb, lang));
  else {
    await terminal.out(text(message, lang, { ...options, asRow }));
    if (rowsOf(message)?.length === 0) await terminal.err(`${tell(lang, emptyWord(operation, message))}\n`);
  }
  const left = nextOf({ message });
  if (limited && left) await terminal.err(`${tell(lang, "list.more", { token: left })}\n`);
  return tellUnanswered(message, { terminal }, lang);
}

/** An empty fleet is where everybody begins; a filter that finds nothing is another thing. */
function emptyWord({ id }: Operation, message: Message): "list.none" | "list.noClusters" {
  const fleet = id === "fleet.get" ? (message as unknown as { total?: number }) : undefined;
  return fleet?.total === 0 ? "list.noClusters" : "list.none";
}

function sort({ json, message }: Answer, operation: Operation, field: string, lang: Lang): void {
  const key = listOf(operation)!;
  // kubectl's path: name and namespace are fields of the row itself.
  const path = field.replace(/^\{|\}$/g, "").replace(/^\.?metadata\.(?=name(space)?$)/, "");
  // A template that cannot be read is refused as such.
  parsed(`{${path.startsWith(".") ? path : `.${path}`}}`, lang);
  const value = find(path);
  const rows = json[key] as unknown[];
  const values = rows.map((row) => value(row)[0]);
  if (rows.length > 0 && values.every((value) => value === undefined)) {
    throw new CommandFailed(exit.usage, tell(lang, "sort.none", { field: JSON.stringify(field) }));
  }
  const order = [...rows.keys()].sort((a, b) => compare(values[a], values[b]) || a - b);
  const all = message as unknown as Record<string, unknown[]>;
  json[key] = order.map((index) => rows[index]);
  all[key] = order.map((index) => all[key]![index]);
}

function compare(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

function namesIn(message: Message, words: string, lang: Lang): string {
  const lines = names(message);
  if (lines !== undefined) return lines;
  throw new CommandFailed(exit.usage, tell(lang, "output.noName", { command: words }));
}

export async function tellUnanswered(message: Message, { terminal }: Out, lang: Lang): Promise<Exit> {
  const unanswered = unansweredIn(message);
  for (const one of unanswered) await terminal.err(`lizardcd: ${clean(unansweredText(one, lang))}\n`);
  if (unanswered.length === 0) return exit.done;
  // As a write to a cluster of that name ends: nobody has ever heard of it.
  return unanswered.every(({ code }) => code === "agent.none") ? exit.notFound : exit.unreachable;
}

/** A failure that travels as code and English sentence, in the reader's language. */
export function unansweredText(
  { cluster, code, message }: Pick<Unanswered, "cluster" | "code" | "message">,
  lang: Lang,
) {
  const said = sentence(lang, { code, params: { cluster }, message });
  return tell(lang, "list.unanswered", { cluster, message: said });
}

function nextOf({ message }: Pick<Answer, "message">): string {
  return (message as { continue?: string }).continue ?? "";
}
