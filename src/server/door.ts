// Who stands at the door: a browser that wants a page, htmx that wants a fragment, or a client that wants JSON; and in
// which language, theme and at what time.
import type { Operation } from "../contract/operation.ts";
import type { PageContext } from "../views/parts.tsx";
import { languageOf } from "../words/words.ts";
import type { Actor } from "./auth.ts";
import { ownPath } from "./own-path.ts";
import { cookieOf } from "./session-cookie.ts";

export type Door = "page" | "fragment" | "json";

export interface PageSettings {
  version: string;
  /** True where the server listens beyond this machine without TLS. */
  insecure: boolean;
  /** True while any cluster shown is simulated. */
  simulated(): boolean;
  /** True where agents that do not speak TLS are called without it. */
  plaintext: boolean;
  /** The registries outside of this server. */
  registries?(): NonNullable<PageContext["registries"]>;
  /** Whether this server makes tokens for agents. */
  enrolls?: PageContext["enrolls"];
  /** The origin people use, where a proxy stands before the server. */
  publicUrl?: string;
  clock: () => number;
}

/** htmx asks for `partial` itself; when it restores history it wants the whole page. */
export function doorOf(request: Request, operation?: Pick<Operation, "caller">): Door {
  if (operation?.caller === "agent") return "json";
  if (request.headers.get("hx-request-type") === "partial") return "fragment";
  return /\btext\/html\b/.test(request.headers.get("accept") ?? "") ? "page" : "json";
}

/** For the audit: the CLI says who it is. */
export function doorName(request: Request, door: Door): "browser" | "json" | "cli" {
  if (door !== "json") return "browser";
  return /^lizardcd-cli\//.test(request.headers.get("user-agent") ?? "") ? "cli" : "json";
}

export function contextOf(request: Request, settings: PageSettings, actor?: Actor): PageContext {
  const url = new URL(request.url);
  const theme = cookieOf(request, "theme");
  return {
    lang: languageOf(request.headers.get("accept-language") ?? undefined, cookieOf(request, "lang")),
    theme: theme === "light" || theme === "dark" ? theme : undefined,
    path: pathOf(request, url, settings.publicUrl),
    user: actor && { username: actor.username, role: actor.role, firstPassword: actor.firstPassword },
    simulated: settings.simulated(),
    insecure: settings.insecure,
    plaintext: settings.plaintext,
    registries: actor && settings.registries?.(),
    enrolls: settings.enrolls,
    origin: settings.publicUrl?.replace(/\/+$/, "") ?? url.origin,
    now: settings.clock(),
    version: settings.version,
  };
}

/** Where "again" and "back" lead: the page itself, or after a form the page that it stands on. */
function pathOf({ method, headers }: Request, url: URL, publicUrl: string | undefined): string {
  const from = method === "GET" ? url.href : (headers.get("referer") ?? "");
  const page = URL.canParse(from) ? new URL(from) : undefined;
  const isOurs = page?.host === url.host || (publicUrl !== undefined && page?.host === new URL(publicUrl).host);
  return (page && isOurs && ownPath(`${page.pathname}${page.search}`)) || "/fleet";
}
