// The server's memory on disk: SQLite through Bun.SQL. SQL stays in this folder; ids are UUIDv7 text, times are integer
// milliseconds UTC, JSON is text. One file a noun.
import { SQL } from "bun";
import { type AuditStore, auditStore } from "./audit.ts";
import { type FleetStore, fleetStore } from "./fleet.ts";
import { migrate } from "./migrations.ts";
import { type SessionStore, sessionStore } from "./sessions.ts";
import { type TrustStore, trustStore } from "./trust.ts";
import { type UserStore, userStore } from "./users.ts";

export interface Store {
  users: UserStore;
  sessions: SessionStore;
  audit: AuditStore;
  trust: TrustStore;
  fleet: FleetStore;
  /** Rejects when the file cannot be read. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** @param file a path, or ":memory:". @throws Error naming the file when it cannot be opened or migrated. */
export async function openStore(file: string): Promise<Store> {
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
  return {
    users: userStore(sql),
    sessions: sessionStore(sql),
    audit: auditStore(sql),
    trust: trustStore(sql),
    fleet: fleetStore(sql),
    async ping() {
      await sql`SELECT 1`;
    },
    close: () => sql.close(),
  };
}
