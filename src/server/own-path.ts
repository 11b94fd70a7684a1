// What leads to a page of this server and nowhere else: asked before anything that somebody else wrote becomes a link or
// a redirect.

const longest = 2_000;

/**
 * The path as a header and a link may carry it; undefined for what is none of ours. Browsers read a backslash as a slash,
 * pass over tabs and newlines, and make "//" of "/.//": what the parser makes of it is looked at again.
 */
export function ownPath(text: unknown): string | undefined {
  if (typeof text !== "string" || !text.startsWith("/") || text.length > longest) return undefined;
  if (/[\\\p{Cc}]/u.test(text)) return undefined;
  const here = "http://here.invalid";
  if (!URL.canParse(text, here)) return undefined;
  const { origin, pathname, search, hash } = new URL(text, here);
  const path = `${pathname}${search}${hash}`;
  return origin === here && !path.startsWith("//") && path.length <= 3 * longest ? path : undefined;
}
