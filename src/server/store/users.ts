import type { SQL } from "bun";

export type Role = "admin" | "readwrite" | "readonly";

export interface StoredUser {
  id: string;
  username: string;
  /** argon2id, in its own text form. */
  password: string;
  role: Role;
  /** True while the password made at first start holds. */
  firstPassword: boolean;
}

export interface UserStore {
  byName(username: string): Promise<StoredUser | undefined>;
  byId(id: string): Promise<StoredUser | undefined>;
  add(user: Omit<StoredUser, "id">): Promise<StoredUser>;
  setPassword(id: string, password: string): Promise<void>;
  count(): Promise<number>;
}

interface Row {
  id: string;
  username: string;
  password: string;
  role: Role;
  first_password: number;
}

export function userStore(sql: SQL): UserStore {
  return {
    async byName(username) {
      return read((await sql<Row[]>`SELECT * FROM users WHERE username = ${username}`)[0]);
    },
    async byId(id) {
      return read((await sql<Row[]>`SELECT * FROM users WHERE id = ${id}`)[0]);
    },
    async add(user) {
      const id = Bun.randomUUIDv7();
      await sql`INSERT INTO users (id, username, password, role, first_password, created_at)
        VALUES (${id}, ${user.username}, ${user.password}, ${user.role}, ${user.firstPassword ? 1 : 0}, ${Date.now()})`;
      return { id, ...user };
    },
    async setPassword(id, password) {
      await sql`UPDATE users SET password = ${password}, first_password = 0 WHERE id = ${id}`;
    },
    async count() {
      return Number((await sql<{ n: number }[]>`SELECT count(*) AS n FROM users`)[0]?.n ?? 0);
    },
  };
}

function read(row: Row | undefined): StoredUser | undefined {
  if (!row) return undefined;
  const { id, username, password, role } = row;
  return { id, username, password, role, firstPassword: Number(row.first_password) === 1 };
}
