// How a command ends: one number per kind of failure, so that scripts need not read sentences.
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";

export const exit = {
  done: 0,
  failed: 1,
  usage: 2,
  notSignedIn: 3,
  forbidden: 4,
  notFound: 5,
  unreachable: 6,
  unhealthy: 7,
  timedOut: 124,
  interrupted: 130,
} as const;

export type Exit = (typeof exit)[keyof typeof exit];

/** A command that cannot be carried out; `message` is already in the reader's language, `next` is what to do. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  constructor(
    readonly exit: Exit,
    message: string,
    readonly next = "",
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The server answered with a failure. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(
    readonly failure: Failure,
    readonly status: number,
  ) {
    super(failure.message);
  }
}

export function exitOf({ failure: { code }, status }: Refused): Exit {
  if (["request.timed_out", "request.outcome_unknown", "request.not_seen"].includes(code)) return exit.timedOut;
  switch (status) {
    case 400:
    case 415:
      return exit.usage;
    case 401:
      return exit.notSignedIn;
    case 403:
      return exit.forbidden;
    case 404:
      return exit.notFound;
    case 502:
    case 503:
      return exit.unreachable;
    case 504:
      return exit.timedOut;
    default:
      return exit.failed;
  }
}
