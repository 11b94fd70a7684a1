// What a request carries, as fields: JSON or a form, of bounded size.
import { Failed } from "../contract/errors.ts";

export type Body = Record<string, unknown>;

export const bodyLimit = 1024 * 1024;

/** @throws Failed "request.too_large", "request.not_json" or "request.media_type". */
export async function readBody(request: Request): Promise<Body> {
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  const text = await textOf(request);
  if (type === "application/x-www-form-urlencoded") return fromForm(text);
  if (type === "application/json" || type === "") return text.trim() === "" ? {} : fromJson(text);
  throw new Failed("request.media_type", { type });
}

function fromForm(text: string): Body {
  const body: Body = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const before = body[name];
    body[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return body;
}

function fromJson(text: string): Body {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : "it cannot be read";
    throw new Failed("request.not_json", { problem }, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Failed("request.not_json", { problem: "an object is expected" });
  }
  return value as Body;
}

async function textOf(request: Request): Promise<string> {
  const limit = () => new Failed("request.too_large", { limit: bodyLimit });
  if (Number(request.headers.get("content-length") ?? 0) > bodyLimit) throw limit();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > bodyLimit) throw limit();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
