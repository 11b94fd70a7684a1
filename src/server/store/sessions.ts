import type { SQL } from "bun";

export interface StoredSession {
  id: string;
  userId: string;
  /** "browser", "json" or "cli". */
  door: string;
  /** Milliseconds UTC. */
  createdAt: number;
  expiresAt: number;
}

export interface SessionStore {
  /** All that have not expired at `now`; the expired ones are removed. */
  alive(now: number): Promise<StoredSession[]>;
  add(session: StoredSession): Promise<void>;
  end(id: string): Promise<void>;
}

interface Row {
  id: string;
  user_id: string;
  door: string;
  created_at: number;
  expires_at: number;
}

export function sessionStore(sql: SQL): SessionStore {
  return {
    async alive(now) {
      await sql`DELETE FROM sessions WHERE expires_at <= ${now}`;
      return (await sql<Row[]>`SELECT * FROM sessions`).map((row) => ({
        id: row.id,
        userId: row.user_id,
        door: row.door,
        createdAt: Number(row.created_at),
        expiresAt: Number(row.expires_at),
      }));
    },
    async add({ id, userId, door, createdAt, expiresAt }) {
      await sql`INSERT INTO sessions (id, user_id, door, created_at, expires_at)
        VALUES (${id}, ${userId}, ${door}, ${createdAt}, ${expiresAt})`;
    },
    async end(id) {
      await sql`DELETE FROM sessions WHERE id = ${id}`;
    },
  };
}
