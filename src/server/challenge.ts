// What an agent signs when it announces itself: made for one instance, good once, and nothing is kept of those that are
// never answered.
import { createHmac, randomBytes } from "node:crypto";
import { sameText } from "./auth.ts";

export interface Challenges {
  make(instance: string): string;
  /** True once for each: it was made here, for this instance, not long ago, and none made later has been answered. */
  use(who: string, instance: string, challenge: string): boolean;
}

/** @param lifeMs longer than agents take from one announcement to the next. */
export function createChallenges(lifeMs: number, now: () => number): Challenges {
  // Of this process alone: what an earlier one asked is not open any more.
  const secret = randomBytes(32);
  /** The last one that each has answered, those answered longest ago first. */
  const answered = new Map<string, { number: number; madeAt: number }>();
  let count = 0;

  const seal = (instance: string, number: number, madeAt: number) =>
    createHmac("sha256", secret).update(`${instance} ${number} ${madeAt}`).digest("base64url");

  /** Whatever is older could not be answered again anyway. */
  function forget(): void {
    for (const [who, { madeAt }] of answered) {
      if (now() - madeAt < lifeMs) return;
      answered.delete(who);
    }
  }

  return {
    make(instance) {
      const [number, madeAt] = [++count, Math.floor(now())];
      return `${number}.${madeAt}.${seal(instance, number, madeAt)}`;
    },
    use(who, instance, challenge) {
      const [number, madeAt] = challenge.split(".", 2).map(Number) as [number, number];
      if (!sameText(challenge, `${number}.${madeAt}.${seal(instance, number, madeAt)}`)) return false;
      if (now() - madeAt >= lifeMs) return false;
      if (number <= (answered.get(who)?.number ?? 0)) return false;
      forget();
      answered.delete(who);
      answered.set(who, { number, madeAt });
      return true;
    },
  };
}
