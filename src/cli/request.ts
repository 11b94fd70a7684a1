// One HTTP request to the server, of whatever kind.
import type { Lang } from "../words/words.ts";
import type { Context } from "./context.ts";
import type { Terminal } from "./terminal.ts";

export interface CallOptions {
  timeoutMs: number;
  lang: Lang;
  version: string;
  /** Asked by lzcli, which has no flags of ours that could be advised. */
  older?: boolean;
  /** Told what Ctrl-C would mean while a change is under way. */
  terminal?: Pick<Terminal, "onInterrupt">;
}

/** No answer of a server of ours is longer, in bytes; neither is one event of a stream, in characters. */
export const mostOfAnswer = 64 * 1024 * 1024;

/** The whole body; empty where it is longer than an answer may be, so that it is taken for no server of ours. */
export async function textOf(response: Response, most = mostOfAnswer): Promise<string> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let read = 0;
  for await (const chunk of response.body ?? []) {
    read += chunk.length;
    // Leaving the loop ends the connection.
    if (read > most) return "";
    parts.push(decoder.decode(chunk, { stream: true }));
  }
  return parts.join("") + decoder.decode();
}

/** Any path of the server; rejects as fetch does. Without a signal it must have answered whole within the time. */
export function request(
  { server, ca }: Pick<Context, "server" | "ca">,
  path: string,
  { version, timeoutMs }: Pick<CallOptions, "version" | "timeoutMs">,
  init: { method?: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(server + path, {
    ...init,
    headers: { accept: "application/json", "user-agent": `lizardcd-cli/${version}`, ...init.headers },
    redirect: "manual",
    signal: init.signal ?? AbortSignal.timeout(timeoutMs),
    ...(ca ? { tls: { ca } } : {}),
  });
}
