// Why nothing is known of a cluster or an agent, and since when it is enrolled: one sentence for pages and command line.
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import { age, type Lang, say, sentence } from "./words.ts";

interface Silent {
  state: string;
  failure?: Failure;
  /** -1 where it is not enrolled. */
  enrolledMs: number;
}

/** Empty where there is nothing to say. */
export function whySilent(lang: Lang, { state, failure, enrolledMs }: Silent): string {
  const why = failure?.code ? sentence(lang, failure) : "";
  if (state !== "unknown" || enrolledMs < 0) return why;
  const enrolled = say(lang, "enrolled.ago", { ago: age(lang, enrolledMs) });
  return `${enrolled}${say(lang, "semicolon")}${why || say(lang, "enrolled.waits")}`;
}
