// Server-sent events with back-pressure: the next message is made when the browser has taken the last one.

/** A message's data; htmx swaps the unnamed ones, and makes DOM events of the named. */
export type Message = string | { event: string; data: string };

const heartbeatMs = 15_000;

/**
 * @param messages each one's data, in order; ends or throws when the page is over. It is returned from (`finally` runs)
 *   when the reader goes away.
 */
export function eventStream(
  messages: (signal: AbortSignal) => AsyncGenerator<Message>,
  request: Request,
  stopping: AbortSignal,
): Response {
  const over = new AbortController();
  const end = () => over.abort();
  request.signal.addEventListener("abort", end, { once: true });
  stopping.addEventListener("abort", end, { once: true });
  over.signal.addEventListener("abort", () => stopping.removeEventListener("abort", end), { once: true });
  const source = messages(over.signal);
  const bytes = new TextEncoder();
  let pending: Promise<IteratorResult<Message>> | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        pending ??= source.next();
        const heartbeat = Symbol("heartbeat");
        let timer: ReturnType<typeof setTimeout> | undefined;
        const beat = new Promise<typeof heartbeat>((resolve) => {
          timer = setTimeout(() => resolve(heartbeat), heartbeatMs);
        });
        try {
          const one = await Promise.race([pending, beat]);
          if (over.signal.aborted) return controller.close();
          if (one === heartbeat) return controller.enqueue(bytes.encode(": alive\n\n"));
          pending = undefined;
          if (one.done) return controller.close();
          controller.enqueue(bytes.encode(framed(one.value)));
        } catch (cause) {
          if (over.signal.aborted) return controller.close();
          controller.error(cause);
        } finally {
          clearTimeout(timer);
        }
      },
      async cancel() {
        over.abort();
        await source.return(undefined);
      },
    },
    { highWaterMark: 1 },
  );
  return new Response(stream, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    },
  });
}

function framed(message: Message): string {
  const { event, data } = typeof message === "string" ? { event: undefined, data: message } : message;
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${event ? `event: ${event}\n` : ""}${lines.join("")}\n`;
}
