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
  /** How often it happened within the minute, where calls of one network are counted together; else 1. */
  count: number;
  /** The network of a caller who has proved nothing; "" for others. */
  address: string;
  /** True where request or changes do not hold all. */
  cut: boolean;
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
  /** @param unproven who did it has proved nothing. */
  open(entry: StoredAudit, unproven?: boolean): Promise<void>;
  close(id: string, end: Pick<StoredAudit, "outcome" | "failure" | "changes" | "tookMs" | "cut">): Promise<void>;
  /** How often it has happened now, when last, and by whom where that is one. */
  count(id: string, count: number, at: number, actor: string): Promise<void>;
  /** Of what nobody known did, the newest so many are kept. */
  keepUnproven(most: number): Promise<void>;
  /** Removes some of what is older, oldest first. @returns how many */
  removeBefore(at: number, most: number): Promise<number>;
  /** Newest first. */
  list(filter: AuditFilter): Promise<StoredAudit[]>;
}

type Row = Omit<StoredAudit, "requestId" | "tookMs" | "cut"> & { request_id: string; took_ms: number; cut: number };

export function auditStore(sql: SQL): AuditStore {
  return {
    async open(e, unproven = false) {
      await sql`INSERT INTO audit (id, at, actor, operation, cluster, namespace, resource, name, outcome, failure,
          request, changes, request_id, door, took_ms, count, address, unproven, cut)
        VALUES (${e.id}, ${e.at}, ${e.actor}, ${e.operation}, ${e.cluster}, ${e.namespace}, ${e.resource}, ${e.name},
          ${e.outcome}, ${e.failure}, ${e.request}, ${e.changes}, ${e.requestId}, ${e.door}, ${e.tookMs},
          ${e.count}, ${e.address}, ${unproven ? 1 : 0}, ${e.cut ? 1 : 0})`;
    },
    async close(id, { outcome, failure, changes, tookMs, cut }) {
      await sql`UPDATE audit SET outcome = ${outcome}, failure = ${failure}, changes = ${changes},
        took_ms = ${tookMs}, cut = ${cut ? 1 : 0} WHERE id = ${id}`;
    },
    async count(id, count, at, actor) {
      await sql`UPDATE audit SET count = ${count}, at = ${at}, actor = ${actor} WHERE id = ${id}`;
    },
    async keepUnproven(most) {
      await sql`DELETE FROM audit WHERE unproven = 1 AND id <= (
        SELECT id FROM audit WHERE unproven = 1 ORDER BY id DESC LIMIT 1 OFFSET ${most})`;
    },
    async removeBefore(at, most) {
      const rows = await sql<{ id: string }[]>`DELETE FROM audit WHERE id IN (
        SELECT id FROM audit WHERE at < ${at} ORDER BY id LIMIT ${most}) RETURNING id`;
      return rows.length;
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
        count: Number(row.count),
        cut: Number(row.cut) === 1,
        requestId: request_id,
        tookMs: Number(took_ms),
      }));
    },
  };
}
