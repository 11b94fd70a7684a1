// Server-sent events with back-pressure: the next message is made when the browser has taken the last one.
import type { Failed } from "../contract/errors.ts";
import type { Following } from "./sessions.ts";

/** A message's data; htmx swaps the unnamed ones, and makes DOM events of the named. */
export type Message = string | { event: string; data: string };

/** The name of the last message of a stream that ends with its session; its data is a failure that says why. */
export const overEvent = "over";

const heartbeatMs = 15_000;
/** A reader who takes nothing for so long is cut off: a heartbeat at the latest would have been taken. */
export const stalledSeconds = 60;

export interface StreamOptions {
  request: Request;
  /** Aborted when the server stops. */
  stopping: AbortSignal;
  session: Following;
  /** What is said at the end, where the session is over. */
  last(why: Failed): Message;
  headers: Headers;
}

/**
 * @param messages each one's data, in order; ends or throws when the page is over. It is returned from (`finally` runs)
 *   when the reader goes away or the session ends.
 */
export function eventStream(
  messages: (signal: AbortSignal) => AsyncGenerator<Message>,
  { request, stopping, session, last, headers }: StreamOptions,
): Response {
  const over = new AbortController();
  const ended = new Promise<undefined>((resolve) => over.signal.addEventListener("abort", () => resolve(undefined)));
  const source = begun();
  const bytes = new TextEncoder();
  let reader: ReadableStreamDefaultController<Uint8Array>;
  let pending: Promise<IteratorResult<Message>> | undefined;

  const endQuietly = () => end();
  const endSaying = () => end(session.signal.reason as Failed);
  request.signal.addEventListener("abort", endQuietly);
  stopping.addEventListener("abort", endQuietly);
  session.signal.addEventListener("abort", endSaying);

  function begun(): AsyncGenerator<Message> {
    try {
      return messages(over.signal);
    } catch (cause) {
      session.close();
      throw cause;
    }
  }

  /** At once, whether or not the reader takes anything and the source listens. */
  function end(why?: Failed): void {
    if (over.signal.aborted) return;
    request.signal.removeEventListener("abort", endQuietly);
    stopping.removeEventListener("abort", endQuietly);
    session.signal.removeEventListener("abort", endSaying);
    session.close();
    over.abort();
    try {
      if (why) reader.enqueue(bytes.encode(framed(last(why))));
      reader.close();
    } catch (cause) {
      // The reader has gone: there is nobody to tell.
      if (!(cause instanceof TypeError)) throw cause;
    }
    // What the source was about to say, or to complain of, concerns nobody any more.
    pending?.catch(() => {});
    void source.return(undefined).catch(() => {});
  }

  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        reader = controller;
      },
      async pull(controller) {
        pending ??= source.next();
        const heartbeat = Symbol("heartbeat");
        let timer: ReturnType<typeof setTimeout> | undefined;
        const beat = new Promise<typeof heartbeat>((resolve) => {
          timer = setTimeout(() => resolve(heartbeat), heartbeatMs);
        });
        try {
          const one = await Promise.race([ended, pending, beat]);
          if (one === undefined || over.signal.aborted) return;
          if (one === heartbeat) return controller.enqueue(bytes.encode(": alive\n\n"));
          pending = undefined;
          if (one.done) return end();
          controller.enqueue(bytes.encode(framed(one.value)));
        } catch (cause) {
          if (over.signal.aborted) return;
          controller.error(cause);
          end();
        } finally {
          clearTimeout(timer);
        }
      },
      cancel: endQuietly,
    },
    { highWaterMark: 1 },
  );
  // Gone while it was looked up who asks: nothing would tell any more.
  if (request.signal.aborted || stopping.aborted) end();
  headers.set("content-type", "text/event-stream; charset=utf-8");
  headers.set("cache-control", "no-store");
  headers.set("x-accel-buffering", "no");
  return new Response(stream, { headers });
}

function framed(message: Message): string {
  const { event, data } = typeof message === "string" ? { event: undefined, data: message } : message;
  const name = event ? `event: ${event}\n` : "";
  // A page of many rows is one line: it is not taken apart and put together again for every reader.
  if (!/[\r\n]/.test(data)) return `${name}data: ${data}\n\n`;
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${name}${lines.join("")}\n`;
}
