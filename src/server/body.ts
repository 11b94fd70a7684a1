// What a request carries, as fields: JSON or a form, of bounded size.
import { Failed } from "../contract/errors.ts";

export type Body = Record<string, unknown>;

export const bodyLimit = 1024 * 1024;

/** Of a caller who has proved nothing: a request for a certificate or a long list of keys fits. */
export const unprovenBodyLimit = 64 * 1024;

/** A whole body takes no longer, however slowly it drips. */
const patienceMs = 30_000;

export interface BodyOptions {
  /** Bytes. */
  limit?: number;
  patienceMs?: number;
}

/** @throws Failed "request.too_large", "request.too_slow", "request.not_json" or "request.media_type". */
export async function readBody(request: Request, options: BodyOptions = {}): Promise<Body> {
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  const text = await textOf(request, options);
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

async function textOf(
  request: Request,
  { limit = bodyLimit, patienceMs: patience = patienceMs }: BodyOptions,
): Promise<string> {
  const tooLarge = () => new Failed("request.too_large", { limit });
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge();
  if (!request.body) return "";
  const reader = request.body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Failed("request.too_slow", { seconds: Math.round(patience / 1000) })),
      patience,
    );
  });
  const chunks: Uint8Array[] = [];
  try {
    for (let size = 0; ; ) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return Buffer.concat(chunks).toString("utf8");
      size += value.byteLength;
      if (size > limit) throw tooLarge();
      chunks.push(value);
    }
  } catch (cause) {
    // What has not come yet is not waited for.
    reader.cancel().catch(() => undefined);
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}
