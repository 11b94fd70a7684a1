// Theme and language: two cookies, set by a plain form.
import { Failed } from "../contract/errors.ts";
import { languageOf } from "../words/words.ts";
import { readBody, unprovenBodyLimit } from "./body.ts";
import { ownPath } from "./own-path.ts";
import { baseHeaders, redirect, sameOrigin } from "./route.ts";

const year = 365 * 24 * 3600;

/** Goes back to `next`, a path of this server. */
export async function preferences(
  request: Request,
  { secure, publicUrl }: { secure: boolean; publicUrl?: string },
): Promise<Response> {
  const headers = baseHeaders(Bun.randomUUIDv7());
  try {
    sameOrigin(request, publicUrl);
    const { theme, lang, next } = await readBody(request, { limit: unprovenBodyLimit });
    const set = (name: string, value: string) =>
      headers.append(
        "set-cookie",
        `${name}=${value}; Path=/; SameSite=Strict; Max-Age=${value ? year : 0}${secure ? "; Secure" : ""}`,
      );
    if (theme === "light" || theme === "dark") set("theme", theme);
    if (theme === "system") set("theme", "");
    if (typeof lang === "string" && languageOf(undefined, lang) === lang) set("lang", lang);
    return redirect(ownPath(next) ?? "/fleet", headers);
  } catch (cause) {
    if (!(cause instanceof Failed)) throw cause;
    return new Response(`${cause.message}\n`, { status: cause.http, headers });
  }
}
