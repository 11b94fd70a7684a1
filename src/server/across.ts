// Workloads across clusters: the agents' sorted lists, asked for at once and merged, page by page.
import { create } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import type { CallOptions } from "../contract/grpc.ts";
import {
  type FleetWorkload,
  type ListFleetWorkloadsRequest,
  type ListFleetWorkloadsResponse,
  ListFleetWorkloadsResponseSchema,
  type Unanswered,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import type { ListWorkloadsResponse, WorkloadRow } from "../gen/lizardcd/v1/workload_pb.ts";
import { type FleetDeps, seenMs } from "./clusters.ts";
import { added, sum } from "./counted.ts";
import type { AgentEntry } from "./directory.ts";
import { compare } from "./page.ts";

/** One list to ask for: an agent, one of its namespaces or all, one kind or all. */
export interface Question {
  entry: AgentEntry;
  namespace: string;
  resource: string;
}

/** Where a question's list goes on: the agent's own cursor, and how many rows after it have been shown. */
interface Mark {
  from: string;
  skip: number;
}

interface Page {
  sort: string;
  /** By question; one that is absent is exhausted. */
  marks: Record<string, Mark>;
}

interface Answer {
  question: Question;
  mark: Mark;
  asked: number;
  response?: ListWorkloadsResponse;
  failed?: Failed;
}

const mostAtOnce = 64;
/** A list from memory takes milliseconds: who has not answered by then is named, and the others are shown. */
const patienceMs = 2_500;

/**
 * Clusters that fail are named in `unanswered`; the others' rows are not held up beyond the deadline.
 * @throws Failed where the question itself is wrong (selector, continue).
 */
export async function listAcross(
  deps: FleetDeps,
  request: ListFleetWorkloadsRequest,
  call: CallOptions,
): Promise<ListFleetWorkloadsResponse> {
  const limit = request.limit || 200;
  const page = request.continue ? readPage(request.continue, sortOf(request)) : undefined;
  const questions = questionsOf(deps, request).filter((question) => !page || name(question) in page.marks);
  const deadline = Math.min(call.deadline ?? Number.POSITIVE_INFINITY, Date.now() + patienceMs);
  const answers = await allAtOnce(questions, (question) => {
    const mark = page?.marks[name(question)] ?? { from: "", skip: 0 };
    return ask(deps, question, request, limit, mark, { ...call, deadline });
  });
  const { items, marks } = merge(answers, limit, sortOf(request));
  const absent = absentOf(deps, request);
  const answered = answers.flatMap(({ response }) => response ?? []);
  return create(ListFleetWorkloadsResponseSchema, {
    items,
    unanswered: [...unansweredOf(deps, answers), ...absent],
    continue: Object.keys(marks).length > 0 ? writePage({ sort: sortOf(request), marks }) : "",
    total: sum(answered, ({ total }) => total),
    states: added(answered.map((response) => response.states)),
    clusters: new Set([...questions.map(({ entry }) => entry.cluster), ...absent.map(({ cluster }) => cluster)]).size,
  });
}

/** What has to be asked so that together the answers hold all that matches, each row once. */
export function questionsOf({ pool }: Pick<FleetDeps, "pool">, request: ListFleetWorkloadsRequest): Question[] {
  const clusters = new Set(request.cluster);
  if (clusters.size === 0) for (const entry of pool.directory.entries()) clusters.add(entry.cluster);
  const resources = new Set(request.resource.length > 0 ? request.resource : ["workloads"]);
  const namespaces = new Set(request.namespace.length > 0 ? request.namespace : ["*"]);
  const questions = new Map<string, Question>();
  for (const cluster of clusters) {
    for (const namespace of namespaces) {
      for (const entry of pool.covering({ cluster, namespace })) {
        for (const resource of resources) {
          const question = { entry, namespace: namespace === "*" ? entry.namespace : namespace, resource };
          questions.set(name(question), question);
        }
      }
    }
  }
  return [...questions.values()];
}

async function ask(
  { pool }: FleetDeps,
  question: Question,
  request: ListFleetWorkloadsRequest,
  limit: number,
  mark: Mark,
  call: CallOptions,
): Promise<Answer> {
  const { entry, namespace, resource } = question;
  const asked = Math.min(limit + mark.skip, 5_000);
  try {
    const response = await pool.peers(entry).workload.list(
      {
        cluster: entry.cluster,
        namespace,
        resource,
        labelSelector: request.labelSelector,
        name: request.q,
        state: request.state,
        sort: sortOf(request) === "worst" ? "worst" : "name",
        limit: asked,
        continue: mark.from,
      },
      call,
    );
    return { question, mark, asked, response };
  } catch (cause) {
    if (!(cause instanceof Failed)) throw cause;
    // What is asked wrongly is wrong everywhere: say it once.
    if (cause.code === "selector.invalid" || cause.code === "continue.invalid") throw cause;
    return { question, mark, asked, failed: cause };
  }
}

/** Takes the smallest head again and again, so that what is shown of each list is always its beginning. */
function merge(answers: Answer[], limit: number, sort: string): { items: FleetWorkload[]; marks: Page["marks"] } {
  const lists = answers
    .filter((answer) => answer.response)
    .map((answer) => ({ answer, rows: answer.response!.items, at: answer.mark.skip }));
  const order = orders[sort as keyof typeof orders] ?? orders.worst;
  const items = [];
  while (items.length < limit) {
    let best: (typeof lists)[number] | undefined;
    for (const list of lists) {
      if (list.at >= list.rows.length) continue;
      if (!best || order(list.rows[list.at]!, best.rows[best.at]!) < 0) best = list;
    }
    if (!best) break;
    items.push({ row: best.rows[best.at++]!, ageMs: best.answer.response!.ageMs } as FleetWorkload);
  }
  const marks: Page["marks"] = {};
  for (const { answer, rows, at } of lists) {
    if (at < rows.length) marks[name(answer.question)] = { from: answer.mark.from, skip: at };
    else if (answer.response!.continue) marks[name(answer.question)] = { from: answer.response!.continue, skip: 0 };
  }
  return { items, marks };
}

const stateRank: Record<string, number> = { failed: 0, degraded: 1, run: 2, paused: 3, zero: 4, ok: 5 };

type Order = (a: WorkloadRow, b: WorkloadRow) => number;
const byCluster: Order = (a, b) =>
  compare(a.cluster, b.cluster) || compare(a.namespace, b.namespace) || compare(a.name, b.name);
const orders = {
  worst: (a, b) => (stateRank[a.state] ?? 9) - (stateRank[b.state] ?? 9) || byCluster(a, b),
  name: (a, b) => compare(a.name, b.name) || byCluster(a, b),
  cluster: byCluster,
} satisfies Record<string, Order>;

/** How the rows of an answer follow each other. */
export function orderOf(request: Pick<ListFleetWorkloadsRequest, "sort">): Order {
  return orders[sortOf(request) as keyof typeof orders] ?? orders.worst;
}

function unansweredOf(deps: FleetDeps, answers: Answer[]): Unanswered[] {
  const byName = new Map<string, Unanswered>();
  for (const { question, failed } of answers) {
    if (failed) byName.set(question.entry.cluster, unanswered(deps, question.entry.cluster, failed));
  }
  return [...byName.values()];
}

/** Clusters that match and have no agent now: named, so that a short list is not taken for a whole one. */
function absentOf(deps: FleetDeps, request: ListFleetWorkloadsRequest): Unanswered[] {
  const known = deps.summaries.clusters();
  const names = request.cluster.length > 0 ? request.cluster : [...known.keys()];
  return names.flatMap((cluster) => {
    try {
      deps.pool.on({ cluster });
      return [];
    } catch (cause) {
      if (!(cause instanceof Failed)) throw cause;
      // What is known of it, from before a restart too, says more than that nothing is announced.
      const [known] = [...(deps.summaries.clusters().get(cluster) ?? [])].filter(({ failure }) => failure);
      return [unanswered(deps, cluster, known?.failure ?? cause)];
    }
  });
}

function unanswered(
  deps: FleetDeps,
  cluster: string,
  { code, message }: Pick<Failed, "message"> & { code: string },
): Unanswered {
  return { cluster, code, message, ageMs: seenMs(deps, cluster) } as Unanswered;
}

async function allAtOnce(questions: Question[], one: (question: Question) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  let at = 0;
  const lane = async () => {
    while (at < questions.length) {
      const index = at++;
      answers[index] = await one(questions[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostAtOnce, questions.length) }, lane));
  return answers;
}

function name({ entry, namespace, resource }: Question): string {
  return `${entry.key} ${namespace} ${resource}`;
}

function sortOf(request: Pick<ListFleetWorkloadsRequest, "sort">): string {
  return request.sort || "worst";
}

function writePage(page: Page): string {
  return Buffer.from(JSON.stringify(page)).toString("base64url");
}

function readPage(text: string, sort: string): Page {
  try {
    const page = JSON.parse(Buffer.from(text, "base64url").toString()) as Page;
    if (page.sort === sort && Object.values(page.marks).every((mark) => isMark(mark))) return page;
  } catch (cause) {
    throw new Failed("continue.invalid", {}, { cause });
  }
  throw new Failed("continue.invalid", {});
}

function isMark(mark: Mark): boolean {
  return typeof mark.from === "string" && Number.isInteger(mark.skip) && mark.skip >= 0;
}
