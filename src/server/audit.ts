// The audit noun: every write leaves an entry that is opened before it runs and closed after.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Failed, grpcCode, toFailure } from "../contract/errors.ts";
import type { Operation } from "../contract/operation.ts";
import type { Given } from "../contract/request.ts";
import { ruleOf } from "../contract/rules.ts";
import { AuditEntrySchema, ListAuditResponseSchema } from "../gen/lizardcd/v1/audit_pb.ts";
import { FailureSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import type { Log } from "../process/log.ts";
import { auditPage } from "../views/audit.tsx";
import { doorName } from "./door.ts";
import { type AnyAnswer, type Asked, answer } from "./route.ts";
import type { Outcome, StoredAudit } from "./store/audit.ts";
import type { Store } from "./store/store.ts";

export interface Audit {
  /** Runs a write between the opening and the closing of its entry. */
  around<T>(operation: Operation, given: Given, asked: Asked, run: () => Promise<T>): Promise<T>;
  /** The newest entries, for the fleet page. */
  recent(limit: number): Promise<AuditEntries>;
}

export type AuditEntries = MessageInitShape<typeof AuditEntrySchema>[];

export function createAudit(store: Store, clock: () => number, log: Log): Audit {
  return {
    async around(operation, given, asked, run) {
      const entry = opened(operation, given, asked, clock());
      await store.audit.open(entry);
      const started = performance.now();
      const close = (outcome: Outcome, failure = "", changes = "") =>
        store.audit.close(entry.id, { outcome, failure, changes, tookMs: Math.round(performance.now() - started) });
      const { actor, cluster, namespace, resource, name } = entry;
      const fields = { operation: operation.id, actor, cluster, namespace, resource, name };
      try {
        const output = await run();
        await close("done", "", changesOf(output));
        log.info("done", fields);
        return output;
      } catch (cause) {
        const failed = cause instanceof Failed ? cause : undefined;
        const body = failed && toFailure(failed);
        await close(
          outcomeOf(failed),
          body ? JSON.stringify({ code: body.code, params: body.params, message: body.message }) : "",
        );
        log.warn("not done", { ...fields, problem: failed?.message ?? String(cause) });
        throw cause;
      }
    },
    async recent(limit) {
      return (await store.audit.list({ limit })).map((entry) => toWire(entry, clock()));
    },
  };
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
    request: JSON.stringify(withoutSecrets(operation, given)).slice(0, 4_000),
    changes: "",
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

function changesOf(output: unknown): string {
  const changes = (output as { changes?: { path: string; before: string; after: string }[] } | undefined)?.changes;
  if (!Array.isArray(changes) || changes.length === 0) return "";
  return JSON.stringify(changes.map(({ path, before, after }) => ({ path, before, after }))).slice(0, 16_000);
}

function toWire({ at, failure, ...entry }: StoredAudit, now: number) {
  return create(AuditEntrySchema, {
    ...entry,
    agoMs: Math.max(0, now - at),
    failure: failure ? create(FailureSchema, JSON.parse(failure)) : undefined,
  });
}
