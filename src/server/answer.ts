// The one door for what agents answer. An agent is believed about what it was asked for, within the key it was asked
// under, and about nothing else: whatever it says of another cluster, namespace, kind or name is refused, and so is a
// number that cannot be. The contract's descriptors say what there is to look at, so an operation that is added is held
// to this too.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import type { Operation } from "../contract/operation.ts";
import { ruleOf } from "../contract/rules.ts";
import { parseKey } from "../discovery/discovery.ts";
import { AgentInfoSchema, SummaryRequestSchema, SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import { NamespaceRowSchema } from "../gen/lizardcd/v1/namespace_pb.ts";
import { GetWorkloadRequestSchema, ListWorkloadsRequestSchema, PodSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import type { Log } from "../process/log.ts";
import type { AgentEntry, Directory } from "./directory.ts";

/** What one key has been refused. */
export interface Refusals {
  count: number;
  /** The last of it. */
  problem: string;
}

export interface Answers {
  /**
   * What is left of an answer, stamped with the question; undefined for an event that is refused.
   * @throws Failed "agent.answer_refused" where nothing of it can be believed
   */
  take<M extends object>(entry: AgentEntry, operation: Operation, question: object, answer: M): M | undefined;
  /** A failure that an agent answers with, as it may be shown. */
  failed(entry: AgentEntry, question: object, failed: Failed): Failed;
  refusals(key: string): Refusals | undefined;
  /** Of all keys, since the start. */
  readonly refused: number;
}

export interface AnswersOptions {
  prefix: string;
  directory: Pick<Directory, "find">;
  log?: Log;
}

/** Characters of one text; what is longer is cut. An event's message has 1,024, a condition's seldom more. */
export const mostText = 4_096;
/** Characters of a cursor: the rule of the question that brings it back. */
const mostCursor = 2_000;
/** Items of one list, and entries of one map. */
export const mostItems = 10_000;
export const mostEntries = 1_000;
/** A hundred years: an age beyond it, or below zero, is none. */
export const mostAgeMs = 100 * 365 * 86_400_000;
/** Keys whose refusals are remembered. */
const mostKeys = 10_000;

/** What may be said, and the sum of what was refused. */
interface Asked {
  entry: AgentEntry;
  cluster: string;
  /** Undefined for any. */
  namespace?: string;
  resource?: string;
  name?: string;
  states?: readonly string[];
  refuse(problem: string): void;
  /** True where the same running agent is announced for that namespace too. */
  serves(namespace: string): boolean;
  prefix: string;
}

/** Looks at one message and mends it. Gives why nothing of it can be believed, "" where it only is not asked for. */
type Look = (message: never, asked: Asked) => string | undefined;
type Fields = Record<string, unknown>;

export function createAnswers({ prefix, directory, log }: AnswersOptions): Answers {
  const byKey = new Map<string, Refusals>();
  let refused = 0;

  function refuse(entry: AgentEntry, problem: string): void {
    refused++;
    const known = byKey.get(entry.key);
    if (known) {
      known.count++;
      known.problem = problem;
      return;
    }
    if (byKey.size >= mostKeys) byKey.delete(byKey.keys().next().value!);
    byKey.set(entry.key, { count: 1, problem });
    log?.warn("an agent's answer is not believed", { key: entry.key, problem });
  }

  function serves(entry: AgentEntry, namespace: string): boolean {
    const other = directory.find(entry.cluster, namespace);
    if (other?.namespace !== namespace) return false;
    for (const address of other.endpoints.keys()) if (entry.endpoints.get(address)) return true;
    return false;
  }

  return {
    take(entry, operation, question, answer) {
      const problem = lookOf(operation.method.output)(answer as never, {
        ...wantedBy(entry, operation, question as Fields),
        entry,
        refuse: (problem) => refuse(entry, problem),
        serves: (namespace) => serves(entry, namespace),
        prefix,
      });
      if (problem === undefined) return answer;
      if (problem !== "") refuse(entry, problem);
      if (operation.streams && isOfOneRow(answer)) return undefined;
      throw new Failed("agent.answer_refused", { key: entry.key, problem }, { object: entry.cluster });
    },
    failed(entry, question, failed) {
      const { namespace, resource, name } = question as Fields;
      const object = resource && name ? `${resource}/${namespace}/${name} in ${entry.cluster}` : entry.cluster;
      const params = Object.fromEntries(
        Object.entries(failed.params).map(([key, value]) => [key, clean(String(value))]),
      );
      return new Failed(failed.code, params as never, { object, cause: failed });
    },
    refusals: (key) => byKey.get(key),
    get refused() {
      return refused;
    },
  };
}

function wantedBy(entry: AgentEntry, { method }: Operation, question: Fields) {
  const { cluster } = entry;
  const asked = question.namespace as string | undefined;
  const namespace = asked && asked !== "*" ? asked : entry.namespace === "*" ? undefined : entry.namespace;
  const { resource, state } = question as { resource?: string; state?: string[] };
  const states = state && state.length > 0 ? state : undefined;
  const kind = resource && resource !== "workloads" ? resource : undefined;
  return {
    cluster,
    namespace,
    resource: kind,
    name: namesOne(method.input) ? (question.name as string) : undefined,
    states,
  };
}

const namesOne = once((input: DescMessage) => {
  const name = input.fields.find((field) => field.localName === "name");
  return name !== undefined && ruleOf(name)?.required === true;
});

function isOfOneRow(answer: object): boolean {
  const { event } = answer as { event?: { case?: string } };
  return event?.case === "upsert" || event?.case === "removed";
}

// -- looking --

/** True for messages that name one object: their words are held against the question. */
export function namesObject(message: DescMessage): boolean {
  return ["namespace", "resource", "name"].every((name) => message.fields.some((field) => field.localName === name));
}

/** Messages that speak of a cluster or a namespace in a way of their own. */
const special = new Map<DescMessage, Look>([
  [AgentInfoSchema, lookAtInfo as Look],
  [SummaryResponseSchema, lookAtSummary as Look],
  [NamespaceRowSchema, lookAtNamespace as Look],
  [FailureSchema, lookAtFailure as Look],
  [PodSchema, lookAtPod as Look],
]);

/** Those, for the test that walks the contract. */
export const specialMessages: ReadonlySet<DescMessage> = new Set(special.keys());

const lookOf = once((schema: DescMessage): Look => {
  const looks: Look[] = [];
  const fields: Look[] = schema.fields.flatMap((field) => fieldLook(schema, field) ?? []);
  if (namesObject(schema)) looks.push(objectLook(schema));
  const own = special.get(schema);
  if (own) looks.push(own);
  looks.push(...fields);
  return (message, asked) => {
    for (const look of looks) {
      const problem = look(message, asked);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
});

function fieldLook(schema: DescMessage, field: DescField): Look | undefined {
  const { localName, fieldKind } = field;
  if (field.oneof) {
    // Of a oneof each case is looked at where it stands.
    const { oneof } = field;
    if (fieldKind !== "message") throw new Error(`${schema.name}.${localName}: a case of a oneof that is no message`);
    const { message: inner } = field;
    return (message: Fields, asked) => {
      const chosen = message[oneof.localName] as { case?: string; value?: never };
      return chosen.case === localName ? lookOf(inner)(chosen.value!, asked) : undefined;
    };
  }
  switch (fieldKind) {
    case "scalar": {
      if (isNumber(field.scalar)) return numberLook(localName, field.scalar);
      if (field.scalar !== ScalarType.STRING) return undefined;
      return localName === "continue" ? lookAtCursor : textLook(localName);
    }
    case "message":
      return messageLook(schema, field);
    case "list":
      return listLook(field);
    case "map":
      return mapLook(field);
    default:
      return undefined;
  }
}

function messageLook(schema: DescMessage, { localName, message: inner }: DescField & { fieldKind: "message" }): Look {
  const needed = namesObject(inner);
  return (message: Fields, asked) => {
    const value = message[localName] as never;
    if (value === undefined) return needed ? `${schema.name} has no ${localName}` : undefined;
    return lookOf(inner)(value, asked);
  };
}

/** What of a list is refused is left out, and the rest stands. */
function listLook(field: DescField & { fieldKind: "list" }): Look {
  const { localName } = field;
  if (field.listKind === "message") {
    const inner = field.message;
    return (message: Fields, asked) => {
      const items = bounded(message[localName] as never[], localName, asked);
      const look = lookOf(inner);
      let kept = 0;
      for (const item of items) {
        const problem = look(item, asked);
        if (problem === undefined) items[kept++] = item;
        else {
          if (problem !== "") asked.refuse(problem);
          uncount(message, item);
        }
      }
      items.length = kept;
      return undefined;
    };
  }
  if (field.listKind !== "scalar" || field.scalar !== ScalarType.STRING) {
    throw new Error(`${field.parent.name}.${localName}: a list of what the door does not know`);
  }
  return (message: Fields, asked) => {
    const items = bounded(message[localName] as string[], localName, asked);
    for (let at = 0; at < items.length; at++) items[at] = clean(items[at]!);
    return undefined;
  };
}

/** What is left out of a list is none of those that it says there are. */
function uncount(message: Fields, { state = "" }: { state?: string }): void {
  const { total, states } = message as { total?: number; states?: Record<string, number> };
  if (total !== undefined && total > 0) message.total = total - 1;
  if (states && Object.hasOwn(states, state) && states[state]! > 0) states[state]!--;
}

function bounded<T>(items: T[], name: string, asked: Asked): T[] {
  if (items.length > mostItems) {
    asked.refuse(`${name} has ${items.length} items, at most ${mostItems} are read`);
    items.length = mostItems;
  }
  return items;
}

function mapLook(field: DescField & { fieldKind: "map" }): Look {
  const { localName } = field;
  const isText = field.mapKind === "scalar" && field.scalar === ScalarType.STRING;
  const isCount = field.mapKind === "scalar" && field.scalar === ScalarType.INT32;
  if (!isText && !isCount) throw new Error(`${field.parent.name}.${localName}: a map of what the door does not know`);
  return (message: Fields, asked) => {
    const entries = Object.entries(message[localName] as Record<string, string | number>);
    if (entries.length === 0) return undefined;
    const problem = entries.length > mostEntries ? `${localName} has ${entries.length} entries` : undefined;
    if (problem) asked.refuse(`${problem}, at most ${mostEntries} are read`);
    const kept: [string, string | number][] = [];
    for (const [key, value] of entries.slice(0, mostEntries)) {
      if (typeof value === "string") kept.push([clean(key), clean(value)]);
      else if (isPossible(value, ScalarType.INT32)) kept.push([clean(key), value]);
      else return impossible(`${localName}.${clean(key)}`, value);
    }
    message[localName] = localName === "states" ? countedByState(kept as [string, number][]) : Object.fromEntries(kept);
    return undefined;
  };
}

/** What is in a state that is not known is counted as unknown. */
function countedByState(entries: [string, number][]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, count] of entries) {
    const state = known(name, workloadStates);
    counts[state] = Math.min(2 ** 31 - 1, (counts[state] ?? 0) + count);
  }
  return counts;
}

// -- numbers and texts --

function isNumber(scalar: ScalarType): boolean {
  return scalar !== ScalarType.STRING && scalar !== ScalarType.BOOL && scalar !== ScalarType.BYTES;
}

/** Counts are whole and not negative; a fraction is an age in milliseconds. */
function numberLook(name: string, scalar: ScalarType): Look {
  if (scalar !== ScalarType.INT32 && scalar !== ScalarType.DOUBLE) {
    throw new Error(`${name}: a number that the door does not know`);
  }
  return (message: Fields) => {
    const value = message[name] as number;
    return isPossible(value, scalar) ? undefined : impossible(name, value);
  };
}

function isPossible(value: number, scalar: ScalarType): boolean {
  // NaN is neither.
  return value >= 0 && (scalar === ScalarType.INT32 || value <= mostAgeMs);
}

function impossible(name: string, value: number): string {
  return `${name} is ${value}, which cannot be`;
}

function textLook(name: string): Look {
  return (message: Fields) => {
    const text = message[name] as string;
    if (text !== "" && (text.length > mostText || hidden.test(text))) message[name] = clean(text);
    return undefined;
  };
}

/** Given back as it came, or not at all. */
function lookAtCursor(message: Fields, asked: Asked): undefined {
  const text = message.continue as string;
  if (text.length <= mostCursor && !hidden.test(text)) return;
  message.continue = "";
  asked.refuse(`continue is no text of at most ${mostCursor} characters`);
}

/** Commands to terminals; characters that are not seen, or that turn the reading direction. New lines and tabs are text. */
const unseen =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff";
const hidden = new RegExp(`[${unseen}]`);
const hiddenAll = new RegExp(
  // The longest first: a command with what it says, then what is left of one, then single characters.
  `(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]|(?:\\u001b\\]|\\u009d)[^\\u0007\\u001b\\u009c]*(?:\\u0007|\\u001b\\\\|\\u009c)?|\\r(?=\\n)|[${unseen}]`,
  "g",
);

/** As people may be shown it. */
export function clean(text: string): string {
  const cut = text.length > mostText ? `${text.slice(0, mostText - 1)}…` : text;
  if (!hidden.test(cut)) return cut;
  return cut.replace(hiddenAll, (found) => (found.length > 1 || found === "\r" ? "" : "\ufffd"));
}

// -- what is named --

const workloadStates: ReadonlySet<string> = new Set(listRule("state").in);
const resources: ReadonlySet<string> = new Set(ruleOf(GetWorkloadRequestSchema.field.resource)!.in);
const podStates: ReadonlySet<string> = new Set(["ok", "run", "failed", "degraded", "wait", "gone"]);
const isNamespace = matcherOf(GetWorkloadRequestSchema.field.namespace);
const isObject = matcherOf(GetWorkloadRequestSchema.field.name);
const isScope = matcherOf(SummaryRequestSchema.field.namespace);

function listRule(name: "state") {
  return ruleOf(ListWorkloadsRequestSchema.field[name])!;
}

function matcherOf(field: DescField): (text: string) => boolean {
  const pattern = new RegExp(`^(?:${ruleOf(field)!.pattern})$`, "u");
  return (text) => pattern.test(text);
}

function known(state: string, states: ReadonlySet<string>): string {
  return states.has(state) ? state : "unknown";
}

interface Named {
  cluster?: string;
  namespace: string;
  resource: string;
  name: string;
  state?: string;
}

function objectLook(schema: DescMessage): Look {
  const has = (name: string) => schema.fields.some(({ localName }) => localName === name);
  const hasCluster = has("cluster");
  const hasState = has("state");
  return (message: Named, asked) => {
    if (hasCluster) {
      if (message.cluster !== asked.cluster) {
        if (message.cluster !== "") return other("cluster", message.cluster!, asked.cluster);
        message.cluster = asked.cluster;
      }
    }
    const { namespace, resource, name } = message;
    const outside = namespaceProblem(namespace, asked);
    if (outside !== undefined) return outside;
    if (asked.resource !== undefined && resource !== asked.resource) return other("resource", resource, asked.resource);
    if (!resources.has(resource)) return `resource is ${shown(resource)}, which is none`;
    if (asked.name !== undefined && name !== asked.name) return other("name", name, asked.name);
    if (!isObject(name)) return `name is ${shown(name)}, which is none`;
    if (!hasState) return undefined;
    message.state = known(message.state!, workloadStates);
    if (asked.states && !asked.states.includes(message.state))
      return other("state", message.state, asked.states.join(", "));
    return undefined;
  };
}

/** Refused where neither the question nor the key has it; only left out where another key of the same agent has. */
function namespaceProblem(namespace: string, asked: Asked): string | undefined {
  if (asked.namespace !== undefined) {
    if (namespace === asked.namespace && isWithin(namespace, asked.entry)) return undefined;
    return asked.name === undefined && asked.serves(namespace) ? "" : other("namespace", namespace, asked.namespace);
  }
  return isNamespace(namespace) ? undefined : `namespace is ${shown(namespace)}, which is none`;
}

function isWithin(namespace: string, entry: AgentEntry): boolean {
  return entry.namespace === "*" || entry.namespace === namespace;
}

function lookAtNamespace(row: { name: string }, asked: Asked): string | undefined {
  return namespaceProblem(row.name, asked);
}

function lookAtPod(pod: { state: string }): undefined {
  pod.state = known(pod.state, podStates);
}

/** The object is what was asked about, whatever the failure says. */
function lookAtFailure(failure: { object: string }, { cluster }: Asked): undefined {
  failure.object = cluster;
}

function lookAtInfo(info: { cluster: string; keys: string[]; scope: string[] }, asked: Asked): string | undefined {
  if (info.cluster !== "" && info.cluster !== asked.cluster) return other("cluster", info.cluster, asked.cluster);
  info.cluster = asked.cluster;
  const { entry, prefix } = asked;
  const isOwn = (namespace: string) => isWithin(namespace, entry) || asked.serves(namespace);
  info.keys = believed(info.keys, asked, "keys", (key) => {
    const parsed = parseKey(prefix, key);
    return "cluster" in parsed && parsed.cluster === asked.cluster && isOwn(parsed.namespace);
  });
  info.scope = believed(info.scope, asked, "scope", (namespace) => isScope(namespace) && isOwn(namespace));
  return undefined;
}

function believed(said: string[], asked: Asked, what: string, isOwn: (one: string) => boolean): string[] {
  return said.slice(0, mostItems).filter((one) => {
    const own = isOwn(one);
    if (!own) asked.refuse(`${what} has ${shown(one)}, which is outside of ${asked.entry.key}`);
    return own;
  });
}

function lookAtSummary(summary: { namespace: string }, asked: Asked): string | undefined {
  const { namespace } = summary;
  const wanted = asked.namespace ?? "*";
  // An agent of an earlier version does not say.
  if (namespace === "" || namespace === wanted) return undefined;
  return other("namespace", namespace, wanted);
}

function other(field: string, said: string, wanted: string): string {
  return `${field} is ${shown(said)}, and ${wanted} was asked for`;
}

function shown(text: string): string {
  const short = clean(text);
  return JSON.stringify(short.length > 80 ? `${short.slice(0, 79)}…` : short);
}

function once<T>(make: (schema: DescMessage) => T): (schema: DescMessage) => T {
  const made = new WeakMap<DescMessage, { value: T }>();
  return (schema) => {
    let one = made.get(schema);
    if (!one) {
      one = { value: make(schema) };
      made.set(schema, one);
    }
    return one.value;
  };
}

/** What an operation's answers are looked at with, made at once: a field that the door does not know fails at the start. */
export function prepareFor(output: DescMessage, seen = new Set<DescMessage>()): ReadonlySet<DescMessage> {
  if (seen.has(output)) return seen;
  seen.add(output);
  lookOf(output);
  for (const field of output.fields) if (field.message) prepareFor(field.message, seen);
  return seen;
}
