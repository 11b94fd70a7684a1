// What the pages load, as text inside the program: a compiled binary carries them along. Built by scripts/assets.ts.
import { createHash } from "node:crypto";
import css from "./public/app.css" with { type: "text" };
import client from "./public/client.min.js" with { type: "text" };
import favicon from "./public/favicon.svg" with { type: "text" };
import htmx from "./public/htmx.min.js" with { type: "text" };
import sse from "./public/hx-sse.min.js" with { type: "text" };
import licences from "./public/licences.txt" with { type: "text" };

export interface Asset {
  body: string;
  /** Content-Type. */
  type: string;
  /** Changes with the body: `?v=<hash>` may be cached for ever. */
  hash: string;
}

/** By path, "/assets/app.css". */
export const assets: Record<string, Asset> = {
  "/assets/app.css": asset(css, "text/css; charset=utf-8"),
  "/assets/htmx.js": asset(htmx, "text/javascript; charset=utf-8"),
  "/assets/hx-sse.js": asset(sse, "text/javascript; charset=utf-8"),
  "/assets/client.js": asset(client, "text/javascript; charset=utf-8"),
  "/assets/favicon.svg": asset(favicon, "image/svg+xml"),
  "/assets/licences.txt": asset(licences, "text/plain; charset=utf-8"),
};

/** The path with its version. @throws Error for an asset that does not exist. */
export function assetHref(path: string): string {
  const found = assets[path];
  if (!found) throw new Error(`no asset ${path}`);
  return `${path}?v=${found.hash}`;
}

function asset(body: string, type: string): Asset {
  return { body, type, hash: createHash("sha256").update(body).digest("base64url").slice(0, 10) };
}
