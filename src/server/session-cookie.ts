// The cookie that carries a browser's session. Cookies know no ports: what else runs at this host can set one of the same
// name, and over TLS the prefix __Host- keeps that from whoever does not come over TLS.

export interface SessionCookie {
  readonly secure: boolean;
  /** A Set-Cookie header; none lives longer than `seconds`. */
  set(token: string, seconds: number): string;
  /** What the request carries under the name, in the browser's order. */
  all(request: Request): string[];
}

/** As many as are looked at: each is a signature to check. */
const most = 8;

/** @param secure browsers come over TLS. */
export function sessionCookie(secure: boolean): SessionCookie {
  const name = secure ? "__Host-lizardcd_session" : "lizardcd_session";
  const rest = `Path=/; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
  return {
    secure,
    set: (token, seconds) => `${name}=${token}; ${rest}; Max-Age=${seconds}`,
    all: (request) => [...cookiesOf(request, name)].slice(0, most),
  };
}

export function cookieOf(request: Request, name: string): string | undefined {
  return [...cookiesOf(request, name)][0];
}

function* cookiesOf({ headers }: Request, name: string): Generator<string> {
  for (const part of (headers.get("cookie") ?? "").split(";")) {
    const at = part.indexOf("=");
    const value = part.slice(at + 1).trim();
    if (at > 0 && part.slice(0, at).trim() === name && value !== "") yield value;
  }
}
