// The server's memory on disk: SQLite through Bun.SQL. SQL stays in this folder; ids are UUIDv7 text, times are integer
// milliseconds UTC, JSON is text. One file a noun.
import { SQL } from "bun";
import { type AuditStore, auditStore } from "./audit.ts";
import { type FleetStore, fleetStore } from "./fleet.ts";
import { migrate } from "./migrations.ts";
import { createReserve } from "./reserve.ts";
import { type SessionStore, sessionStore } from "./sessions.ts";
import { type TrustStore, trustStore } from "./trust.ts";
import { type UserStore, userStore } from "./users.ts";

export interface Store {
  users: UserStore;
  sessions: SessionStore;
  audit: AuditStore;
  trust: TrustStore;
  fleet: FleetStore;
  /** Rejects when the file cannot be read or takes no write. */
  ping(): Promise<void>;
  /** A write that must pass on a full disk too. @throws Failed "store.full" */
  vital<T>(write: () => Promise<T>): Promise<T>;
  /** Any other write. @throws Failed "store.full", before it where the disk is known to be full */
  ordinary<T>(write: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** @param file a path, or ":memory:". @param reserveBytes of the space kept for what must pass on a full disk. @throws Error naming the file when it cannot be opened or migrated. */
export async function openStore(file: string, reserveBytes?: number): Promise<Store> {
  const sql = new SQL({ adapter: "sqlite", filename: file });
  try {
    await sql`PRAGMA journal_mode = WAL`;
    await sql`PRAGMA synchronous = FULL`;
    await sql`PRAGMA foreign_keys = ON`;
    await sql`PRAGMA busy_timeout = 5000`;
    await migrate(sql);
  } catch (cause) {
    await sql.close();
    const problem = cause instanceof Error ? cause.message : String(cause);
    const next = "it has to be a database of Lizardcd, with space on its disk; --data or --db names another";
    throw new Error(`the store ${file} cannot be opened: ${problem}: ${next}`, { cause });
  }
  const reserve = createReserve(file === ":memory:" ? undefined : `${file}.reserve`, reserveBytes);
  const [users, sessions, trust] = [userStore(sql), sessionStore(sql), trustStore(sql)];
  return {
    users: { ...users, setPassword: (...given) => reserve.vital(() => users.setPassword(...given)) },
    sessions: {
      ...sessions,
      add: (session) => reserve.vital(() => sessions.add(session)),
      end: (id) => reserve.vital(() => sessions.end(id)),
    },
    audit: auditStore(sql),
    trust: { ...trust, revoke: (...given) => reserve.vital(() => trust.revoke(...given)) },
    fleet: fleetStore(sql),
    vital: reserve.vital,
    ordinary: reserve.ordinary,
    async ping() {
      const problem = reserve.problem();
      if (problem) throw new Error(problem);
      await reserve.ordinary(() => sql`INSERT OR REPLACE INTO probe (id, at) VALUES (1, ${Date.now()})`);
    },
    close: () => sql.close(),
  };
}
