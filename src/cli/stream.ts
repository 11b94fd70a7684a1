// The server's streams of events, as objects.
import { refusal } from "./client.ts";
import type { Context } from "./context.ts";
import { CommandFailed, Refused } from "./exit.ts";
import { type CallOptions, mostOfAnswer, request, textOf } from "./request.ts";
import { tell } from "./words.ts";

/** The stream has ended or fallen silent: it can be opened again. */
export class StreamOver extends Error {
  override readonly name = "StreamOver";
}

/** The server says something every 15 s at least. */
const silenceMs = 45_000;

/**
 * Undefined where the server answers with something else.
 * @throws Refused, or CommandFailed where it cannot be reached; while it is read StreamOver
 */
export async function openStream(
  context: Context,
  path: string,
  options: CallOptions,
): Promise<AsyncGenerator<unknown> | undefined> {
  const { server, token } = context;
  const end = new AbortController();
  let response: Response;
  const slow = setTimeout(() => end.abort(new DOMException("", "TimeoutError")), options.timeoutMs);
  try {
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    response = await request(context, path, options, { headers, signal: end.signal });
    if (response.status !== 200) throw refusal(server, response.status, await textOf(response), options.lang);
  } catch (cause) {
    if (cause instanceof Error && ["Refused", "CommandFailed"].includes(cause.name)) throw cause;
    const { unreachable } = await import("./unreachable.ts");
    throw await unreachable(context, false, cause, options);
  } finally {
    clearTimeout(slow);
  }
  if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
    end.abort();
    return undefined;
  }
  return messages(response.body, end, server, options);
}

async function* messages(
  body: ReadableStream<Uint8Array>,
  end: AbortController,
  server: string,
  { lang }: CallOptions,
): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  const silence = () => setTimeout(() => end.abort(), silenceMs);
  let timer = silence();
  /** Of the event that has not ended, as it came: joined once, however many chunks that takes. */
  let parts: string[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      clearTimeout(timer);
      const came = decoder.decode(chunk, { stream: true });
      const ends = `${parts.at(-1)?.slice(-1) ?? ""}${came}`.includes("\n\n");
      parts.push(came);
      length += came.length;
      if (!ends) {
        if (length > mostOfAnswer) throw refusal(server, 200, "", lang);
        timer = silence();
        continue;
      }
      const whole = parts.join("").split("\n\n");
      parts = [whole.pop()!].filter((rest) => rest !== "");
      length = parts[0]?.length ?? 0;
      for (const message of whole) {
        // The session is over, and its last event says why: it would be refused again.
        if (/^event: over$/m.test(message)) throw refusal(server, 401, dataOf(message) ?? "", lang);
        const data = dataOf(message);
        if (data !== undefined) yield JSON.parse(data);
      }
      timer = silence();
    }
  } catch (cause) {
    if (cause instanceof Refused || cause instanceof CommandFailed) throw cause;
    if (cause instanceof SyntaxError) throw new StreamOver(tell(lang, "watch.foreign"), { cause });
    throw new StreamOver(tell(lang, "watch.over"), { cause });
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}

function dataOf(message: string): string | undefined {
  return message
    .match(/^data: .*$/gm)
    ?.map((line) => line.slice("data: ".length))
    .join("\n");
}
