// Who asks: sessions by JWT whose session row is checked in memory, passwords by argon2id, a limit on attempts.
import { timingSafeEqual } from "node:crypto";
import { jwt } from "@elysiajs/jwt";
import { Elysia } from "elysia";
import { Failed } from "../contract/errors.ts";
import type { Store } from "./store/store.ts";
import type { Role, StoredUser } from "./store/users.ts";

export interface Actor {
  userId: string;
  username: string;
  role: Role;
  sessionId: string;
  firstPassword: boolean;
}

export interface NewSession {
  token: string;
  /** Seconds. */
  expiresIn: number;
  actor: Actor;
}

export interface Auth {
  /** @throws Failed "login.wrong" or "login.too_many". @param from the address that asks. */
  login(username: string, password: string, from: string, door: string): Promise<NewSession>;
  /** @throws Failed "session.missing", "session.invalid" or "session.expired". */
  actorOf(request: Request): Promise<Actor>;
  /** @throws Failed "permission.denied". */
  allow(actor: Actor, permission: string, operation: string): void;
  logout(actor: Actor): Promise<void>;
  /** Ends the user's other sessions. @throws Failed "password.wrong". */
  changePassword(actor: Actor, oldPassword: string, newPassword: string): Promise<void>;
}

export interface AuthOptions {
  store: Store;
  secret: string;
  /** Seconds a session lives. */
  expire: number;
  /** Milliseconds UTC. */
  clock: () => number;
  onPasswordChanged: () => Promise<void>;
}

export const cookieName = "lizardcd_session";

/** What each role may do; "*" is all. A permission is "<noun>.<verb>". */
const roles: Record<Role, (permission: string) => boolean> = {
  admin: () => true,
  readwrite: () => true,
  readonly: (permission) => permission.endsWith(".read") || permission.startsWith("account."),
};

interface Live {
  userId: string;
  expiresAt: number;
}

interface Claims {
  sid: string;
  sub: string;
  /** Seconds UTC. */
  exp: number;
}

export async function createAuth({ store, secret, expire, clock, onPasswordChanged }: AuthOptions): Promise<Auth> {
  const tokens = new Elysia().use(jwt({ name: "tokens", secret, alg: "HS256" })).decorator.tokens;
  const sessions = new Map<string, Live>();
  const users = new Map<string, StoredUser>();
  const verified = new Map<string, Claims>();
  // Not by the wall clock: set back by a day, it would shut people out for a day.
  const attempts = attemptLimit(() => performance.now());
  for (const { id, userId, expiresAt } of await store.sessions.alive(clock())) sessions.set(id, { userId, expiresAt });
  // Checked when no user has that name, so that the time to answer does not tell which names exist.
  const nobody = await Bun.password.hash(crypto.randomUUID(), "argon2id");

  async function login(username: string, password: string, from: string, door: string): Promise<NewSession> {
    attempts.check(username, from);
    const user = await store.users.byName(username);
    const right = await Bun.password.verify(password, user?.password ?? nobody);
    if (!user || !right) {
      attempts.failed(username, from);
      throw new Failed("login.wrong", {}, { object: username });
    }
    attempts.succeeded(username, from);
    const now = clock();
    const session = { id: Bun.randomUUIDv7(), userId: user.id, door, createdAt: now, expiresAt: now + expire * 1000 };
    await store.sessions.add(session);
    sessions.set(session.id, { userId: user.id, expiresAt: session.expiresAt });
    users.set(user.id, user);
    const seconds = Math.floor(now / 1000);
    const token = await tokens.sign({ sid: session.id, sub: user.id, iat: seconds, exp: seconds + expire } as never);
    return { token, expiresIn: expire, actor: actor(user, session.id) };
  }

  async function actorOf(request: Request): Promise<Actor> {
    const token = tokenOf(request);
    if (!token) throw new Failed("session.missing", {});
    const claims = await claimsOf(token);
    const session = sessions.get(claims.sid);
    if (!session || session.userId !== claims.sub) throw new Failed("session.expired", {});
    if (session.expiresAt <= clock()) {
      sessions.delete(claims.sid);
      throw new Failed("session.expired", {});
    }
    let user = users.get(session.userId);
    if (!user) {
      user = await store.users.byId(session.userId);
      if (!user) throw new Failed("session.expired", {});
      users.set(user.id, user);
    }
    return actor(user, claims.sid);
  }

  /** A signature that was right stays right; whether the session still holds is asked each time. */
  async function claimsOf(token: string): Promise<Claims> {
    const known = verified.get(token);
    if (known && known.exp * 1000 > clock()) return known;
    verified.delete(token);
    const claims = (await tokens.verify(token)) as false | Partial<Claims>;
    if (!claims || typeof claims.sid !== "string") throw expired(token) ?? new Failed("session.invalid", {});
    if (verified.size >= mostRemembered) verified.delete(verified.keys().next().value!);
    verified.set(token, claims as Claims);
    return claims as Claims;
  }

  return {
    login,
    actorOf,
    allow({ role, username }, permission, operation) {
      if (!roles[role]?.(permission)) {
        throw new Failed("permission.denied", { actor: username, operation, permission });
      }
    },
    async logout({ sessionId }) {
      sessions.delete(sessionId);
      await store.sessions.end(sessionId);
    },
    async changePassword({ userId, sessionId }, oldPassword, newPassword) {
      const user = await store.users.byId(userId);
      if (!user || !(await Bun.password.verify(oldPassword, user.password))) throw new Failed("password.wrong", {});
      await store.users.setPassword(userId, await Bun.password.hash(newPassword, "argon2id"));
      users.delete(userId);
      for (const [id, session] of sessions) {
        if (session.userId !== userId || id === sessionId) continue;
        sessions.delete(id);
        await store.sessions.end(id);
      }
      await onPasswordChanged();
    },
  };
}

function actor({ id, username, role, firstPassword }: StoredUser, sessionId: string): Actor {
  return { userId: id, username, role, sessionId, firstPassword };
}

/** The bearer token, else the cookie. */
function tokenOf(request: Request): string | undefined {
  return bearerOf(request) ?? cookieOf(request, cookieName);
}

export function bearerOf(request: Request): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

export function cookieOf(request: Request, name: string): string | undefined {
  for (const part of (request.headers.get("cookie") ?? "").split(";")) {
    const [key, ...value] = part.trim().split("=");
    if (key === name) return value.join("=") || undefined;
  }
  return undefined;
}

/** A token that says of itself that it is over gets the sentence that helps; its signature no longer matters. */
function expired(token: string): Failed | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { exp?: number };
    return typeof claims.exp === "number" && claims.exp * 1000 < Date.now()
      ? new Failed("session.expired", {})
      : undefined;
  } catch {
    // Not a JWT at all: the caller says "not valid".
    return undefined;
  }
}

/** Compared by their hashes, in constant time. */
export function sameText(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => new Bun.CryptoHasher("sha256").update(text).digest());
  return timingSafeEqual(left!, right!);
}

const freeAttempts = 5;
const mostWaitMs = 15 * 60_000;
const mostRemembered = 10_000;

/** After five failures each next one doubles the wait, for the name and for the address by themselves. */
/** @param now monotonic milliseconds. */
function attemptLimit(now: () => number) {
  const failures = new Map<string, { count: number; until: number }>();
  const keys = (username: string, from: string) => [`name ${username}`, `from ${from}`];
  return {
    check(username: string, from: string) {
      for (const key of keys(username, from)) {
        const wait = (failures.get(key)?.until ?? 0) - now();
        if (wait > 0) throw new Failed("login.too_many", { seconds: Math.ceil(wait / 1000) }, { object: username });
      }
    },
    failed(username: string, from: string) {
      for (const key of keys(username, from)) {
        const count = (failures.get(key)?.count ?? 0) + 1;
        const free = key.startsWith("from ") ? freeAttempts * 4 : freeAttempts;
        const wait = count < free ? 0 : Math.min(mostWaitMs, 1000 * 2 ** (count - free));
        failures.delete(key);
        failures.set(key, { count, until: now() + wait });
        if (failures.size > mostRemembered) failures.delete(failures.keys().next().value!);
      }
    },
    succeeded(username: string, from: string) {
      for (const key of keys(username, from)) failures.delete(key);
    },
  };
}
