// Why nothing is known of a cluster or an agent, and since when it is enrolled: one sentence for pages and command line.
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import { age, type Lang, say, sentence } from "./words.ts";

interface Silent {
  failure?: Failure;
  /** Absent where it is not enrolled. */
  enrolledMs?: number;
}

/** Empty where there is nothing to say. */
export function whyOfCluster(lang: Lang, { state, failure, enrolledMs }: Silent & { state: string }): string {
  return whySilent(lang, { failure, enrolledMs: state === "unknown" ? enrolledMs : undefined });
}

/** Empty where there is nothing to say. Of an agent that was ever read it is not told when it enrolled. */
export function whySilent(lang: Lang, { failure, enrolledMs }: Silent): string {
  const why = failure?.code ? sentence(lang, failure) : "";
  if (enrolledMs === undefined) return why;
  const enrolled = say(lang, "enrolled.ago", { ago: age(lang, enrolledMs) });
  return `${enrolled}${say(lang, "semicolon")}${lower(why) || say(lang, "enrolled.waits")}`;
}

/** Within a sentence; a name in capitals stays. */
function lower(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
