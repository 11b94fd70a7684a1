// The audit noun: every write leaves an entry that is opened before it runs and closed after.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Failed, grpcCode, toFailure } from "../contract/errors.ts";
import type { Operation, OperationId } from "../contract/operation.ts";
import type { Given } from "../contract/request.ts";
import { ruleOf } from "../contract/rules.ts";
import { AuditEntrySchema, ListAuditResponseSchema } from "../gen/lizardcd/v1/audit_pb.ts";
import { FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import type { Log } from "../process/log.ts";
import { auditPage } from "../views/audit.tsx";
import { networkOf } from "./caller-address.ts";
import { doorName } from "./door.ts";
import { type KeptJson, keptJson, keptList } from "./kept-json.ts";
import { type AnyAnswer, type Asked, answer } from "./route.ts";
import type { Outcome, StoredAudit } from "./store/audit.ts";
import type { Store } from "./store/store.ts";
import { createUnproven } from "./unproven.ts";

export interface Audit {
  /** Runs a write between the opening and the closing of its entry. */
  around<T>(operation: Operation, given: Given, asked: Asked, run: () => Promise<T>): Promise<T>;
  /** The newest entries, for the fleet page. */
  recent(limit: number): Promise<AuditEntries>;
}

export type AuditEntries = MessageInitShape<typeof AuditEntrySchema>[];

/** What must work on a full disk: without it nobody could be shut out of a server in trouble. */
const vital: ReadonlySet<string> = new Set<OperationId>([
  "user.login",
  "user.logout",
  "user.changePassword",
  "trust.revoke",
]);

export function createAudit(store: Store, clock: () => number, log: Log): Audit {
  const unproven = createUnproven({ store, log });

  return {
    around: (operation, given, asked, run) =>
      asked.actor ? recorded(operation, given, asked, run) : proving(operation, given, asked, run),
    async recent(limit) {
      return (await store.audit.list({ limit })).map((entry) => toWire(entry, clock()));
    },
  };

  /** Of a known caller: the entry is there before anything is done. */
  async function recorded<T>(operation: Operation, given: Given, asked: Asked, run: () => Promise<T>): Promise<T> {
    const entry = opened(operation, given, asked, clock());
    await (vital.has(operation.id) ? store.vital : store.ordinary)(() => store.audit.open(entry));
    const started = performance.now();
    // What was done is on record, whatever else has to wait for space.
    const close = (outcome: Outcome, failure = "", { text: changes, cut }: KeptJson = nothing) =>
      store.vital(() =>
        store.audit.close(entry.id, {
          ...{ outcome, failure, changes, cut: cut || entry.cut },
          tookMs: Math.round(performance.now() - started),
        }),
      );
    try {
      const output = await run();
      await close("done", "", changesOf(output));
      log.info("done", fieldsOf(entry));
      return output;
    } catch (cause) {
      const failed = cause instanceof Failed ? cause : undefined;
      await close(outcomeOf(failed), failureOf(failed));
      log.warn("not done", { ...fieldsOf(entry), problem: failed?.message ?? String(cause) });
      throw cause;
    }
  }

  /** Of a caller who proves something by the operation itself: until then what is refused is counted, not listed. */
  async function proving<T>(operation: Operation, given: Given, asked: Asked, run: () => Promise<T>): Promise<T> {
    const entry = opened(operation, given, asked, clock());
    const keep = vital.has(operation.id) ? store.vital : store.ordinary;
    // Where nothing can be put on record, nothing is done.
    await keep(async () => {});
    const started = performance.now();
    let output: T;
    try {
      output = await run();
    } catch (cause) {
      await refused(entry, cause instanceof Failed ? cause : undefined);
      throw cause;
    }
    const { text: changes, cut } = changesOf(output);
    const tookMs = Math.round(performance.now() - started);
    await keep(() => store.audit.open({ ...entry, outcome: "done", changes, cut: cut || entry.cut, tookMs }));
    log.info("done", fieldsOf(entry));
    return output;
  }

  async function refused(entry: StoredAudit, failed: Failed | undefined): Promise<void> {
    const grouped = { ...entry, outcome: outcomeOf(failed), failure: failureOf(failed), request: "", cut: false };
    const first = await unproven.refused(grouped);
    if (first) log.warn("not done", { ...fieldsOf(entry), from: entry.address, problem: failed?.message ?? "" });
  }
}

const nothing: KeptJson = { text: "", cut: false };

function fieldsOf({ operation, actor, cluster, namespace, resource, name }: StoredAudit) {
  return { operation, actor, cluster, namespace, resource, name };
}

/** A parameter may repeat what the caller sent: it is shown, and no more than that. */
const mostParam = 300;

function failureOf(failed: Failed | undefined): string {
  if (!failed) return "";
  const { code, params, message } = toFailure(failed);
  const short = (text: string) => (text.length > mostParam ? `${text.slice(0, mostParam)}…` : text);
  const shown = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, short(String(value))]));
  return JSON.stringify({ code, params: shown, message: short(message) });
}

export function auditAnswers({ store, clock }: { store: Store; clock: () => number }): AnyAnswer[] {
  return [
    answer("audit.list", {
      async run({ limit, continue: before, ...filter }) {
        const most = limit || 100;
        const rows = await store.audit.list({ ...filter, before, limit: most + 1 });
        const items = rows.slice(0, most);
        return create(ListAuditResponseSchema, {
          items: items.map((entry) => toWire(entry, clock())),
          continue: rows.length > most ? items.at(-1)!.id : "",
        });
      },
      page: (output, input, { context }) => auditPage(context, output, input),
    }),
  ];
}

function opened(operation: Operation, given: Given, asked: Asked, at: number): StoredAudit {
  const { text: request, cut } = keptJson(withoutSecrets(operation, given), mostRequest);
  const text = (name: string) => (typeof given[name] === "string" ? (given[name] as string).slice(0, 253) : "");
  return {
    id: Bun.randomUUIDv7(),
    at,
    actor: asked.actor?.username ?? text("username").slice(0, 64),
    operation: operation.id,
    cluster: text("cluster"),
    namespace: text("namespace"),
    resource: text("resource"),
    name: text("name"),
    outcome: "unknown",
    failure: "",
    request,
    cut,
    changes: "",
    count: 1,
    // A caller who is known is known by name.
    address: asked.actor ? "" : networkOf(asked.from),
    requestId: asked.call.requestId ?? "",
    door: doorName(asked.request, asked.door),
    tookMs: 0,
  };
}

/** Fields that the contract does not know may be misspelt secrets: their names are kept alone. */
function withoutSecrets({ method }: Operation, given: Given): Given {
  const fields = new Map(
    method.input.fields.flatMap(
      (field) =>
        [
          [field.jsonName, field],
          [field.name, field],
        ] as const,
    ),
  );
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const field = fields.get(name);
      return [name, !field || ruleOf(field)?.secret ? "(not kept)" : value];
    }),
  );
}

/** Refused: nothing was done. Unknown: it may have been. */
function outcomeOf(failed: Failed | undefined): Outcome {
  if (!failed) return "unknown";
  if (["request.outcome_unknown", "request.not_seen", "request.cancelled"].includes(failed.code)) return "unknown";
  const refusals: number[] = [
    grpcCode.invalid,
    grpcCode.notFound,
    grpcCode.forbidden,
    grpcCode.precondition,
    grpcCode.aborted,
    grpcCode.unauthenticated,
    grpcCode.exhausted,
  ];
  return refusals.includes(failed.grpc) ? "refused" : "failed";
}

const mostRequest = 4_000;
const mostChanges = 16_000;

function changesOf(output: unknown): KeptJson {
  const changes = (output as { changes?: { path: string; before: string; after: string }[] } | undefined)?.changes;
  if (!Array.isArray(changes) || changes.length === 0) return nothing;
  const plain = changes.map(({ path, before, after }) => ({ path, before, after }));
  return keptList(plain, mostChanges);
}

function toWire({ at, failure, ...entry }: StoredAudit, now: number) {
  return create(AuditEntrySchema, {
    ...entry,
    agoMs: Math.max(0, now - at),
    failure: failure ? create(FailureSchema, JSON.parse(failure)) : undefined,
  });
}
