// A list that goes on: printed once, then each row as it changes, until it is interrupted. Workloads come as the server's
// stream of events; what the server has no stream for is asked for again and again.
import { create, type DescMessage, fromJson, type JsonValue, type Message } from "@bufbuild/protobuf";
import { type Operation, operation } from "../contract/operation.ts";
import { type GetWorkloadRequest, WorkloadEventSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import { listOf } from "./catalogue.ts";
import { type Answer, type CallOptions, requestOf } from "./client.ts";
import { mustBeThere } from "./cluster.ts";
import type { Context } from "./context.ts";
import { CommandFailed, type Exit, exit, Refused } from "./exit.ts";
import { tellUnanswered, unansweredText, type Wanted, wholeAnswer } from "./list.ts";
import { clean } from "./output.ts";
import { names, rowsOf, text, unansweredIn } from "./show.ts";
import { openStream, StreamOver } from "./stream.ts";
import type { Terminal } from "./terminal.ts";
import { rowSchema, tellUnknown } from "./unknown-field.ts";
import { tell } from "./words.ts";

/** Between two questions, where there is no stream. */
const everyMs = 2_000;
const firstRetryMs = 500;
const mostRetryMs = 10_000;

type Json = Record<string, unknown>;

/** Whoever read has seen enough: nothing is left to be done. */
class Unread extends Error {
  override readonly name = "Unread";
}

interface Watching {
  context: Context;
  operation: Operation;
  input: Message;
  wanted: Wanted;
  terminal: Terminal;
  options: CallOptions;
  /** Prints what is new among these rows. */
  show(items: readonly Json[]): Promise<void>;
  /** What was printed last of each row, by its name. */
  shown: Map<string, string>;
}

/** @throws Refused, CommandFailed where the first answer is none; later ones are waited for. */
export async function watched(
  context: Context,
  asked: Message,
  wanted: Wanted,
  { terminal }: { terminal: Terminal },
  options: CallOptions,
): Promise<Exit> {
  const { operation: op, input, answer } = await begin(context, asked, wanted, options);
  const key = listOf(op)!;
  const shown = new Map<string, string>();
  const layout: number[] = [];
  let first = true;
  await tellUnknown(wanted.format, rowSchema(op), terminal, options.lang);
  const one: Watching = { context, operation: op, input, wanted, terminal, options, shown, show };
  try {
    await show(answer.json[key] as Json[]);
    if (shown.size === 0) await terminal.err(`${tell(options.lang, "list.none")}\n`);
    await tellUnanswered(answer.message, { terminal }, options.lang);
    const away = new Set(unansweredIn(answer.message).map(({ cluster }) => cluster));
    // A page of a list is no set that could be followed.
    const streamed = op.id === "fleet.listWorkloads" && !wanted.limited;
    if (!streamed || !(await followed(one, away))) await polled(one, key);
  } catch (error) {
    if (!(error instanceof Unread)) throw error;
  }
  return exit.done;

  async function show(items: readonly Json[]): Promise<void> {
    const news = items.filter((item) => {
      const [name, word] = [nameOf(op, key, item), wordOf(item)];
      if (shown.get(name) === word) return false;
      shown.set(name, word);
      return true;
    });
    if (news.length === 0) return;
    await print(news);
    if (terminal.unread) throw new Unread();
    first = false;
  }

  async function print(items: readonly Json[]): Promise<void> {
    const { format } = wanted;
    const { lang } = options;
    if (format.as === "value") {
      for (const item of items) await terminal.out((format.line ?? format.write)(item));
      return;
    }
    const message = messageOf(op, key, items);
    if (format.as === "name") return terminal.out(names(message) ?? "");
    const { columns, color } = terminal;
    const headers = first && wanted.headers;
    await terminal.out(text(message, lang, { columns, color, headers, wide: format.as === "wide", layout }));
  }
}

interface Begun {
  operation: Operation;
  input: Message;
  answer: Answer;
}

/** One workload is watched as a list of one. */
async function begin(context: Context, asked: Message, wanted: Wanted, options: CallOptions): Promise<Begun> {
  const answer = await wholeAnswer(context, asked, wanted, options);
  if (wanted.only !== undefined) await mustBeThere(answer.message, wanted.only, context, options);
  if (wanted.operation.id !== "workload.get") return { operation: wanted.operation, input: asked, answer };
  const { cluster, namespace, resource, name } = asked as GetWorkloadRequest;
  const list = operation("fleet.listWorkloads");
  const { row, ageMs } = answer.json;
  const input = { cluster: [cluster], namespace: [namespace], resource: [resource], q: name };
  return {
    operation: list,
    input: create(list.method.input, input as never),
    answer: { json: { items: [{ row, ageMs }] }, message: messageOf(list, "items", [{ row, ageMs }]) },
  };
}

/** False where the server has no such stream: it is an older one, or it would have to follow too many agents. */
async function followed(one: Watching, away: Set<string>): Promise<boolean> {
  const { context, terminal, options } = one;
  const { lang } = options;
  const path = streamPath(one);
  let retryMs = firstRetryMs;
  let lost = "";
  for (;;) {
    try {
      const messages = await openStream(context, path, options);
      if (!messages) return false;
      const seen = new Set<string>();
      let whole = false;
      for await (const data of messages) {
        if (lost) await terminal.err(`${tell(lang, "watch.back")}\n`);
        lost = "";
        retryMs = firstRetryMs;
        const { event } = fromJson(WorkloadEventSchema, data as JsonValue, { ignoreUnknownFields: true });
        if (event.case === "upsert") {
          if (!isAsked(one, event.value.name)) continue;
          away.delete(event.value.cluster);
          const item = { row: (data as { upsert: Json }).upsert, ageMs: 0 };
          seen.add(nameOf(one.operation, "items", item));
          await one.show([item]);
        } else if (event.case === "removed") {
          await tellGone(one, nameOf(one.operation, "items", { row: (data as { removed: Json }).removed }));
        } else if (event.case === "synced" && !whole) {
          // Before it the stream told all that is there now.
          whole = true;
          for (const name of one.shown.keys()) if (!seen.has(name) && !isAway(name, away)) await tellGone(one, name);
        } else if (event.case === "lost" && !away.has(event.value.cluster)) {
          away.add(event.value.cluster);
          await terminal.err(`lizardcd: ${clean(unansweredText(event.value, lang))}\n`);
        }
      }
      throw new StreamOver(tell(lang, "watch.over"));
    } catch (error) {
      if (error instanceof Refused && [400, 404, 405].includes(error.status) && !lost) return false;
      if (!passes(error)) throw error;
      if (lost !== error.message)
        await terminal.err(`${tell(lang, "watch.lost", { problem: clean(error.message) })}\n`);
      lost = error.message;
    }
    await Bun.sleep(retryMs * (0.75 + Math.random() / 2));
    retryMs = Math.min(2 * retryMs, mostRetryMs);
  }
}

function streamPath({ operation, input }: Watching): string {
  const { path } = requestOf(operation, { ...input, limit: 0, sort: "" } as Message);
  return `${path}${path.includes("?") ? "&" : "?"}watch=1`;
}

/** The server takes a part of a name, too. */
function isAsked({ wanted, input }: Watching, name: string): boolean {
  return wanted.operation.id !== "workload.get" || name === (input as Message & { q: string }).q;
}

function isAway(name: string, away: ReadonlySet<string>): boolean {
  return away.has(name.split("/")[0]!);
}

async function polled(one: Watching, key: string): Promise<never> {
  const { context, input, wanted, terminal, options } = one;
  const { lang } = options;
  let lost = "";
  for (;;) {
    const began = performance.now();
    await Bun.sleep(everyMs);
    try {
      const { json } = await wholeAnswer(context, input, { ...wanted, operation: one.operation }, options);
      if (lost) await terminal.err(`${tell(lang, "watch.back")}\n`);
      lost = "";
      const items = json[key] as Json[];
      await one.show(items);
      const now = new Set(items.map((item) => nameOf(one.operation, key, item)));
      for (const name of one.shown.keys()) if (!now.has(name)) await tellGone(one, name);
    } catch (error) {
      if (!passes(error)) throw error;
      if (lost !== error.message)
        await terminal.err(`${tell(lang, "watch.lost", { problem: clean(error.message) })}\n`);
      lost = error.message;
    }
    // A server that takes long to answer is asked less often.
    await Bun.sleep(Math.max(0, 4 * (performance.now() - began - everyMs) - everyMs));
  }
}

async function tellGone({ shown, terminal, options }: Watching, name: string): Promise<void> {
  if (shown.delete(name)) await terminal.err(`${clean(name)}: ${tell(options.lang, "list.gone")}\n`);
}

/** A server that is away for a moment comes back. */
function passes(error: unknown): error is CommandFailed | Refused | StreamOver {
  if (error instanceof StreamOver) return true;
  if (error instanceof CommandFailed) return error.exit === exit.unreachable || error.exit === exit.timedOut;
  return error instanceof Refused && error.status >= 500;
}

/** All that a row says but its ages, which move by themselves. */
function wordOf(item: Json): string {
  return JSON.stringify(item.row ?? item, (field, value) => (/(Ms|^outstanding)$/.test(field) ? undefined : value));
}

function nameOf(operation: Operation, key: string, item: Json): string {
  const message = messageOf(operation, key, [item]);
  return names(message)?.trimEnd() ?? JSON.stringify(rowsOf(message)?.[0]);
}

function messageOf({ method }: Operation, key: string, items: readonly Json[]): Message {
  return fromJson(method.output as DescMessage, { [key]: items } as JsonValue, { ignoreUnknownFields: true });
}
