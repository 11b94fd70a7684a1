// gRPC over HTTP/2, as the side that calls sees it: headers, messages in their frames, and what an end means.
import { constants, type IncomingHttpHeaders } from "node:http2";
import { frames } from "../wire/frames.ts";
import { said } from "../wire/status.ts";
import { detailsKey, type WireCall, WireFailed } from "./channel.ts";
import { grpcCode } from "./errors.ts";

export function headersOf(path: string, { metadata, deadline }: WireCall): Record<string, string> {
  return {
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    "user-agent": "lizardcd",
    ...(deadline === undefined ? {} : { "grpc-timeout": timeout(deadline) }),
    ...metadata,
  };
}

/** At most eight digits, milliseconds. */
function timeout(deadline: number): string {
  return `${Math.min(99_999_999, Math.max(1, Math.ceil(deadline - Date.now())))}m`;
}

/** Cuts what arrives into messages. @throws WireFailed for one that is too large, or compressed. */
export function messagesOf(most: number): (chunk: Buffer) => Generator<Uint8Array> {
  return frames(most, {
    compressed: () => new WireFailed(grpcCode.internal, "the peer compressed its answer without being asked"),
    tooLarge: (bytes) =>
      new WireFailed(grpcCode.exhausted, `a message of ${bytes} bytes, more than ${most}`, { tooLarge: true }),
  });
}

export function failureOf(headers: IncomingHttpHeaders): WireFailed | undefined {
  const code = Number(headers["grpc-status"]);
  if (code === 0) return undefined;
  const details = headers[detailsKey];
  return new WireFailed(Number.isInteger(code) ? code : grpcCode.unknown, said(headers["grpc-message"]), {
    details: typeof details === "string" ? Buffer.from(details, "base64") : undefined,
  });
}

/** A stream that ended without a status. */
export function lostStream(reset: number, problem: unknown): WireFailed {
  if (reset === constants.NGHTTP2_REFUSED_STREAM) return notLookedAt();
  if (reset === constants.NGHTTP2_CANCEL) return new WireFailed(grpcCode.cancelled, "the peer cancelled the call");
  if (reset === constants.NGHTTP2_ENHANCE_YOUR_CALM) return new WireFailed(grpcCode.exhausted, "the peer is too busy");
  const message = problem === undefined ? "the call ended without a status" : messageOf(problem);
  return new WireFailed(grpcCode.unavailable, message, { cause: problem });
}

export function notLookedAt(): WireFailed {
  return new WireFailed(grpcCode.unavailable, "the peer did not look at the call", { unsent: true });
}

/** As gRPC maps answers of proxies. */
export function codeOfHttp(status: number): number {
  if (status === 401) return grpcCode.unauthenticated;
  if (status === 403) return grpcCode.forbidden;
  if (status === 404) return grpcCode.unimplemented;
  if ([429, 502, 503, 504].includes(status)) return grpcCode.unavailable;
  return grpcCode.unknown;
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
