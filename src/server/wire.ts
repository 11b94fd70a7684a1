// What it means when a call to an agent fails on the wire: what the user is told, and whether anything was sent.
import type { WireFailed } from "../contract/channel.ts";
import { Failed, grpcCode } from "../contract/errors.ts";
import type { Operation } from "../contract/operation.ts";
import { mostAnswerBytes } from "./connection.ts";
import type { AgentEntry } from "./directory.ts";

export function fromWire(entry: AgentEntry, operation: Operation, cause: WireFailed): Failed {
  const about = { object: entry.cluster, cause };
  switch (cause.code) {
    case grpcCode.cancelled:
      return new Failed("request.cancelled", {}, about);
    case grpcCode.deadline:
      if (operation.audited) return outcomeUnknown(entry, cause);
      return new Failed("request.timed_out", { cluster: entry.cluster }, about);
    case grpcCode.exhausted:
      if (cause.tooLarge) {
        const limit = `${mostAnswerBytes / 1024 ** 2} MiB`;
        return new Failed("agent.answer_too_large", { cluster: entry.cluster, limit }, about);
      }
      return new Failed("request.busy", { cluster: entry.cluster }, about);
    default:
      return new Failed("agent.unavailable", { key: entry.key, problem: shortened(cause.message) }, about);
  }
}

export function outcomeUnknown(entry: AgentEntry, cause: Error): Failed {
  return new Failed("request.outcome_unknown", { cluster: entry.cluster }, { object: entry.cluster, cause });
}

/** A write for which no connection was made in time: it has not been made. */
export function unconnected(entry: AgentEntry, cause: WireFailed): Failed {
  const problem = "no connection to it could be made in time, and nothing was sent";
  return new Failed("agent.unavailable", { key: entry.key, problem }, { object: entry.cluster, cause });
}

export function shortened(message: string): string {
  return message.length > 160 ? `${message.slice(0, 157)}…` : message;
}
