// How long a program runs: until SIGTERM, SIGINT or, where asked, the end of its standard input.
import { SettingInvalid } from "./setting.ts";

export interface LifetimeOptions {
  /** Stop also when standard input closes: it is a pipe of whoever started this program. */
  endWithStdin?: boolean;
}

/** Why a program stops; what was waiting for something at its start rejects with it. */
class Stopped extends Error {}

/** Exit codes of the programs that run until they are stopped. */
export const exitCode = { done: 0, failed: 1, interrupted: 130 } as const;

/**
 * Aborted by the first request to stop, its reason in words; the second ends the process at once. Call once, early:
 * signals are taken from then on.
 */
export function lifetime({ endWithStdin = false }: LifetimeOptions = {}): AbortSignal {
  const stop = new AbortController();
  const ask = (reason: string) => {
    if (stop.signal.aborted) process.exit(exitCode.interrupted);
    stop.abort(new Stopped(reason));
  };
  process.on("SIGTERM", () => ask("SIGTERM"));
  process.on("SIGINT", () => ask("SIGINT"));
  if (endWithStdin) {
    const closed = () => {
      if (!stop.signal.aborted) ask("standard input has closed");
    };
    process.stdin.on("end", closed).on("error", closed).on("close", closed).resume();
  }
  return stop.signal;
}

interface HangupLog {
  info(sentence: string): void;
  error(sentence: string, fields: Record<string, unknown>): void;
}

/** On SIGHUP. What cannot be read anew is logged, what holds there stays as it is; the others are read all the same. */
export function onHangup(log: HangupLog, reads: readonly (() => Promise<void> | void)[]): void {
  process.on("SIGHUP", async () => {
    let failed = false;
    for (const read of reads) {
      try {
        await read();
      } catch (cause) {
        failed = true;
        log.error("not read again, the old ones hold", { problem: sentenceOf(cause) });
      }
    }
    if (!failed) log.info("log level and certificates read again");
  });
}

/** Resolves when the signal aborts. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** One sentence to standard error, no stack trace, exit code 1. Who was told to stop before it served has not failed. */
export function fatal(program: string, error: unknown): never {
  if (error instanceof Stopped) {
    process.stderr.write(`${program}: stopped before it served: ${error.message}\n`);
    process.exit(exitCode.done);
  }
  process.stderr.write(`${program}: ${sentenceOf(error)}\n`);
  process.exit(exitCode.failed);
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SettingInvalid || error.name === "Failed") return error.message;
  const { code, syscall, port, address, path } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === "EADDRINUSE") {
    const where = port === undefined ? "the address" : address ? `${address}:${port}` : `port ${port}`;
    return `${where} is in use by another program: choose another one, or stop that program`;
  }
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") {
    return `${path ?? syscall ?? "something"} cannot be used: permission denied (${error.message})`;
  }
  if (code === "ENOSPC") return `no space is left on the disk of ${path ?? "the data folder"} (${error.message})`;
  return error.message || error.name;
}
