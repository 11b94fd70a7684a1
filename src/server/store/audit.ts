import type { SQL } from "bun";

export type Outcome = "done" | "refused" | "failed" | "unknown";

export interface StoredAudit {
  /** UUIDv7: its order is the order of time. */
  id: string;
  /** Milliseconds UTC. */
  at: number;
  actor: string;
  operation: string;
  cluster: string;
  namespace: string;
  resource: string;
  name: string;
  outcome: Outcome;
  /** JSON of a Failure, or "". */
  failure: string;
  /** JSON without secrets. */
  request: string;
  /** JSON of Change[], or "". */
  changes: string;
  requestId: string;
  door: string;
  tookMs: number;
}

export interface AuditFilter {
  actor?: string;
  operation?: string;
  cluster?: string;
  outcome?: string;
  q?: string;
  limit: number;
  /** Entries older than this id. */
  before?: string;
}

export interface AuditStore {
  /** Written before the operation runs, as "unknown": a crash in between is not silence. */
  open(entry: StoredAudit): Promise<void>;
  close(id: string, end: Pick<StoredAudit, "outcome" | "failure" | "changes" | "tookMs">): Promise<void>;
  /** Newest first. */
  list(filter: AuditFilter): Promise<StoredAudit[]>;
}

type Row = Omit<StoredAudit, "requestId" | "tookMs"> & { request_id: string; took_ms: number };

export function auditStore(sql: SQL): AuditStore {
  return {
    async open(e) {
      await sql`INSERT INTO audit (id, at, actor, operation, cluster, namespace, resource, name, outcome, failure,
          request, changes, request_id, door, took_ms)
        VALUES (${e.id}, ${e.at}, ${e.actor}, ${e.operation}, ${e.cluster}, ${e.namespace}, ${e.resource}, ${e.name},
          ${e.outcome}, ${e.failure}, ${e.request}, ${e.changes}, ${e.requestId}, ${e.door}, ${e.tookMs})`;
    },
    async close(id, { outcome, failure, changes, tookMs }) {
      await sql`UPDATE audit SET outcome = ${outcome}, failure = ${failure}, changes = ${changes},
        took_ms = ${tookMs} WHERE id = ${id}`;
    },
    async list({ actor = "", operation = "", cluster = "", outcome = "", q = "", limit, before = "" }) {
      const rows = await sql<Row[]>`SELECT * FROM audit
        WHERE (${actor} = '' OR actor = ${actor})
          AND (${operation} = '' OR operation = ${operation})
          AND (${cluster} = '' OR cluster = ${cluster})
          AND (${outcome} = '' OR outcome = ${outcome})
          AND (${q} = '' OR instr(name, ${q}) > 0 OR instr(namespace, ${q}) > 0)
          AND (${before} = '' OR id < ${before})
        ORDER BY id DESC LIMIT ${limit}`;
      return rows.map(({ request_id, took_ms, ...row }) => ({
        ...row,
        at: Number(row.at),
        requestId: request_id,
        tookMs: Number(took_ms),
      }));
    },
  };
}
