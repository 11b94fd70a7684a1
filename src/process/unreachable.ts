import { certificateOf } from "./shown-certificate.ts";

/** What runtime and gRPC say of a connection, without their advice and wrapping. */
export function unreachable(problem: string): string {
  return problem
    .replace(/\.? (Is the computer|For more information).*$/, "")
    .replace(/No connection established\. Last error: (Error: )?/, "")
    .replace(/ECONNREFUSED: Unable to connect|connect ECONNREFUSED \S+|ECONNREFUSED/, "connection refused");
}

/** The same of our server: where nobody here knows who signed its certificate, with what it shows and how to trust it. */
export async function unreachableServer(server: string, problem: string): Promise<string> {
  const said = unreachable(problem);
  if (!/unable to (verify the first|get (local )?issuer) certificate|self.signed certificate/i.test(said)) return said;
  const shown = await certificateOf(new URL(server));
  const certificate = shown
    ? `; it shows ${shown.subject || shown.names}, valid until ${shown.until}, SHA-256 ${shown.fingerprint}`
    : "";
  return `${said}${certificate}: if that is the server's own, give its CA with --server-ca`;
}
