// Append-only: a migration that has run anywhere is never edited, the next one changes what it made.
import type { SQL } from "bun";

const migrations: { name: string; statements: string[] }[] = [
  {
    name: "0001 users, sessions, audit",
    statements: [
      `CREATE TABLE users (
        id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, password TEXT NOT NULL, role TEXT NOT NULL,
        first_password INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL)`,
      `CREATE TABLE sessions (
        id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE, door TEXT NOT NULL,
        created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL)`,
      `CREATE INDEX sessions_by_expiry ON sessions(expires_at)`,
      `CREATE TABLE audit (
        id TEXT PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, operation TEXT NOT NULL,
        cluster TEXT NOT NULL, namespace TEXT NOT NULL, resource TEXT NOT NULL, name TEXT NOT NULL,
        outcome TEXT NOT NULL, failure TEXT NOT NULL, request TEXT NOT NULL, changes TEXT NOT NULL,
        request_id TEXT NOT NULL, door TEXT NOT NULL, took_ms INTEGER NOT NULL)`,
      `CREATE INDEX audit_by_actor ON audit(actor, id)`,
      `CREATE INDEX audit_by_object ON audit(cluster, namespace, resource, name, id)`,
    ],
  },
  {
    name: "0002 invitations and certificates of agents",
    statements: [
      `CREATE TABLE invitations (
        id TEXT PRIMARY KEY, hash TEXT NOT NULL, cluster TEXT NOT NULL, namespaces TEXT NOT NULL,
        expires_at INTEGER NOT NULL, used_at INTEGER)`,
      `CREATE TABLE certificates (
        serial TEXT PRIMARY KEY, cluster TEXT NOT NULL, namespaces TEXT NOT NULL, issued_at INTEGER NOT NULL,
        not_after INTEGER NOT NULL, revoked_at INTEGER)`,
      `CREATE INDEX certificates_by_cluster ON certificates(cluster, not_after)`,
    ],
  },
  {
    name: "0003 what was last known of agents, and clusters that were removed",
    statements: [
      `CREATE TABLE agents (
        key TEXT PRIMARY KEY, cluster TEXT NOT NULL, namespace TEXT NOT NULL, seen_at INTEGER NOT NULL,
        read_at INTEGER, summary TEXT NOT NULL)`,
      `CREATE INDEX agents_by_cluster ON agents(cluster)`,
      `CREATE TABLE removed_clusters (name TEXT PRIMARY KEY, at INTEGER NOT NULL)`,
    ],
  },
  {
    name: "0004 counts in the audit, and a row that shows whether the store takes writes",
    statements: [
      `ALTER TABLE audit ADD COLUMN count INTEGER NOT NULL DEFAULT 1`,
      `ALTER TABLE audit ADD COLUMN address TEXT NOT NULL DEFAULT ''`,
      `ALTER TABLE audit ADD COLUMN unproven INTEGER NOT NULL DEFAULT 0`,
      `ALTER TABLE audit ADD COLUMN cut INTEGER NOT NULL DEFAULT 0`,
      `CREATE INDEX audit_unproven ON audit(id) WHERE unproven = 1`,
      `CREATE INDEX audit_by_time ON audit(at)`,
      `CREATE TABLE probe (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)`,
    ],
  },
];

export async function migrate(sql: SQL): Promise<void> {
  await sql`CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, at INTEGER NOT NULL)`;
  const done = new Set((await sql<{ name: string }[]>`SELECT name FROM migrations`).map((row) => row.name));
  const newer = [...done].find((name) => !migrations.some((migration) => migration.name === name));
  if (newer) throw new Error(`it was written by a newer version (migration "${newer}"): start that version`);
  for (const { name, statements } of migrations) {
    if (done.has(name)) continue;
    await sql.begin(async (transaction) => {
      for (const statement of statements) await transaction.unsafe(statement);
      await transaction`INSERT INTO migrations (name, at) VALUES (${name}, ${Date.now()})`;
    });
  }
}
