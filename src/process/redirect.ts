// Requests of ours carry tokens, so they are never taken along to where an answer leads: it is said instead, for
// somebody to name the right address.

/** In words where the answer leads elsewhere; undefined for any other answer. To be asked with `redirect: "manual"`. */
export function redirectOf({ status, headers }: Pick<Response, "status" | "headers">): string | undefined {
  if (status < 300 || status > 399 || status === 304) return undefined;
  const url = URL.parse(headers.get("location") ?? "");
  // Shown without what may be a secret of that address.
  const where = url ? `to ${url.origin}${url.pathname}`.slice(0, 200) : "elsewhere";
  return `it answers ${status} and leads ${where}, where no credential is sent: give the address that answers by itself`;
}
