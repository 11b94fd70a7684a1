// Which sessions hold, in memory, and what goes on under them: a live stream ends with its session.
import { Failed } from "../contract/errors.ts";

export interface Session {
  userId: string;
  /** Milliseconds UTC. */
  expiresAt: number;
}

type Ending = "session.expired" | "session.logged_out" | "session.password_changed";

export interface Following {
  /** Aborted when the session ends; its reason is the Failed that says why. */
  signal: AbortSignal;
  close(): void;
}

export interface Sessions {
  add(id: string, session: Session): void;
  /** @throws Failed "session.expired" */
  hold(id: string, userId: string): void;
  end(id: string, why: Ending): void;
  /** The ids of a user's sessions. */
  of(userId: string): string[];
  /** Something that goes on as long as the session does. @throws Failed "stream.too_many", "stream.too_many_in_all" */
  follow(id: string): Following;
  /** Streams that are open. */
  readonly following: number;
}

export interface SessionOptions {
  /** Milliseconds UTC. */
  clock: () => number;
  /** Streams of one session, and of all. */
  mostEach?: number;
  most?: number;
}

/** How often the sessions of open streams are looked at: by the wall clock, which may be set. */
const lookMs = 250;

export function createSessions({ clock, mostEach = 64, most = 1_000 }: SessionOptions): Sessions {
  const sessions = new Map<string, Session>();
  const followed = new Map<string, Set<AbortController>>();
  let following = 0;
  let timer: ReturnType<typeof setInterval> | undefined;

  function end(id: string, why: Ending): void {
    sessions.delete(id);
    for (const one of followed.get(id) ?? []) one.abort(new Failed(why, {}));
  }

  function hold(id: string, userId?: string): void {
    const session = sessions.get(id);
    if (session && session.expiresAt > clock() && (userId ?? session.userId) === session.userId) return;
    if (session && session.expiresAt <= clock()) end(id, "session.expired");
    throw new Failed("session.expired", {});
  }

  function look(): void {
    for (const id of followed.keys()) if ((sessions.get(id)?.expiresAt ?? 0) <= clock()) end(id, "session.expired");
  }

  return {
    hold,
    end,
    add: (id, session) => void sessions.set(id, session),
    of: (userId) => [...sessions].filter(([, session]) => session.userId === userId).map(([id]) => id),
    follow(id) {
      hold(id);
      const open = followed.get(id) ?? new Set();
      if (open.size >= mostEach) throw new Failed("stream.too_many", { open: open.size, most: mostEach });
      if (following >= most) throw new Failed("stream.too_many_in_all", { most });
      const one = new AbortController();
      followed.set(id, open.add(one));
      following++;
      timer ??= setInterval(look, lookMs);
      return {
        signal: one.signal,
        close() {
          if (!open.delete(one)) return;
          following--;
          if (open.size === 0) followed.delete(id);
          if (followed.size > 0) return;
          clearInterval(timer);
          timer = undefined;
        },
      };
    },
    get following() {
      return following;
    },
  };
}
