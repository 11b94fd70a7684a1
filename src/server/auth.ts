// Who asks: sessions by JWT whose session row is checked in memory, and what a role may do.
import { timingSafeEqual } from "node:crypto";
import { jwt } from "@elysiajs/jwt";
import { Elysia } from "elysia";
import { Failed } from "../contract/errors.ts";
import { createAttempts } from "./attempts.ts";
import { checkNewPassword } from "./password-rules.ts";
import { hashPassword, isPassword, nobodysHash } from "./passwords.ts";
import type { SessionCookie } from "./session-cookie.ts";
import { createSessions, type Following } from "./sessions.ts";
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
  /** @throws Failed "login.wrong", "login.too_many" or "login.busy". @param from the address that asks. */
  login(username: string, password: string, from: string, door: string): Promise<NewSession>;
  /** @throws Failed "session.missing", "session.invalid" or "session.expired". */
  actorOf(request: Request): Promise<Actor>;
  /** @throws Failed "permission.denied". */
  allow(actor: Actor, permission: string, operation: string): void;
  logout(actor: Actor): Promise<void>;
  /** Ends the user's other sessions. @throws Failed "password.…", "login.too_many" or "login.busy". */
  changePassword(actor: Actor, oldPassword: string, newPassword: string, from: string): Promise<void>;
  /** Something that goes on as long as the session does. @throws Failed "session.expired", "stream.too_many…" */
  follow(actor: Actor): Following;
  /** Those that go on now. */
  readonly streams: number;
}

export interface AuthOptions {
  store: Store;
  secret: string;
  /** Seconds a session lives. */
  expire: number;
  cookie: SessionCookie;
  /** Milliseconds UTC. */
  clock: () => number;
  /** Monotonic milliseconds. */
  now: () => number;
  onPasswordChanged: () => Promise<void>;
}

/** What each role may do; "*" is all. A permission is "<noun>.<verb>". */
const roles: Record<Role, (permission: string) => boolean> = {
  admin: () => true,
  readwrite: () => true,
  readonly: (permission) => permission.endsWith(".read") || permission.startsWith("account."),
};

interface Claims {
  sid: string;
  sub: string;
  /** Seconds UTC. */
  exp: number;
}

export async function createAuth(options: AuthOptions): Promise<Auth> {
  const { store, secret, expire, cookie, clock, now, onPasswordChanged } = options;
  const tokens = new Elysia().use(jwt({ name: "tokens", secret, alg: "HS256" })).decorator.tokens;
  const sessions = createSessions({ clock });
  const users = new Map<string, StoredUser>();
  const verified = new Map<string, Claims>();
  const attempts = createAttempts({ now });
  for (const { id, userId, expiresAt } of await store.sessions.alive(clock())) sessions.add(id, { userId, expiresAt });

  async function login(username: string, password: string, from: string, door: string): Promise<NewSession> {
    let user: StoredUser | undefined;
    const right = await attempts.check(username, from, async () => {
      user = await store.users.byName(username);
      return (await isPassword(password, user?.password ?? nobodysHash)) && user !== undefined;
    });
    if (!user || !right) throw new Failed("login.wrong", {}, { object: username });
    const createdAt = clock();
    const session = { id: Bun.randomUUIDv7(), userId: user.id, door, createdAt, expiresAt: createdAt + expire * 1000 };
    await store.sessions.add(session);
    sessions.add(session.id, { userId: user.id, expiresAt: session.expiresAt });
    users.set(user.id, user);
    const seconds = Math.floor(createdAt / 1000);
    const token = await tokens.sign({ sid: session.id, sub: user.id, iat: seconds, exp: seconds + expire } as never);
    return { token, expiresIn: expire, actor: actor(user, session.id) };
  }

  async function actorOf(request: Request): Promise<Actor> {
    const bearer = bearerOf(request);
    const [first, ...others] = bearer === undefined ? cookie.all(request) : [bearer];
    if (first === undefined) throw new Failed("session.missing", {});
    try {
      return await actorBy(first);
    } catch (cause) {
      if (!(cause instanceof Failed)) throw cause;
      // Somebody else at this host may have set a cookie of the same name: the first that is valid counts.
      for (const other of others) {
        const found = await actorBy(other).catch(unlessRefused);
        if (found) return found;
      }
      throw cause;
    }
  }

  async function actorBy(token: string): Promise<Actor> {
    const claims = await claimsOf(token);
    sessions.hold(claims.sid, claims.sub);
    let user = users.get(claims.sub);
    if (!user) {
      user = await store.users.byId(claims.sub);
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
      sessions.end(sessionId, "session.logged_out");
      await store.sessions.end(sessionId);
    },
    async changePassword({ userId, username, sessionId }, oldPassword, newPassword, from) {
      let hash = "";
      const right = await attempts.check(username, from, async () => {
        const user = await store.users.byId(userId);
        if (!user || !(await isPassword(oldPassword, user.password))) return false;
        checkNewPassword(newPassword, { username, oldPassword });
        hash = await hashPassword(newPassword);
        return true;
      });
      if (!right) throw new Failed("password.wrong", {});
      await store.users.setPassword(userId, hash);
      users.delete(userId);
      for (const id of sessions.of(userId)) {
        if (id === sessionId) continue;
        sessions.end(id, "session.password_changed");
        await store.sessions.end(id);
      }
      await onPasswordChanged();
    },
    follow: ({ sessionId }) => sessions.follow(sessionId),
    get streams() {
      return sessions.following;
    },
  };
}

function actor({ id, username, role, firstPassword }: StoredUser, sessionId: string): Actor {
  return { userId: id, username, role, sessionId, firstPassword };
}

function unlessRefused(cause: unknown): undefined {
  if (!(cause instanceof Failed)) throw cause;
}

export function bearerOf(request: Request): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
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

const mostRemembered = 10_000;
