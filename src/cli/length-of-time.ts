// Lengths of time as they are written after a flag: 90s, 10m, 1h30m; a bare number is seconds.
import { duration, type Lang } from "../words/words.ts";
import { CommandFailed, exit } from "./exit.ts";
import { tell } from "./words.ts";

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface Flag {
  /** As written, "--timeout". */
  flag: string;
  /** True where none at all makes no sense. */
  some?: boolean;
  mostMs: number;
  /** What to do next. */
  next?: string;
}

/** Milliseconds. @throws CommandFailed (usage) */
export function lengthOfTime(text: string, { flag, some, mostMs, next }: Flag, lang: Lang): number {
  const wrong = (message: string) => new CommandFailed(exit.usage, message, next);
  const value = JSON.stringify(text);
  const ms = read(text);
  if (ms === undefined || (some && ms === 0)) throw wrong(tell(lang, "duration.wrong", { flag, value }));
  if (ms > mostMs) throw wrong(tell(lang, "duration.most", { flag, value, most: duration(lang, mostMs) }));
  return ms;
}

function read(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g);
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit!]!, 0);
}
