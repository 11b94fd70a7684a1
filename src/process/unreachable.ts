/**
 * What runtime and gRPC say of a connection, without their advice and wrapping.
 * @param caFlag the setting by which a CA is trusted there: "server-ca".
 */
export function unreachable(problem: string, caFlag?: string): string {
  const said = problem
    .replace(/\.? (Is the computer|For more information).*$/, "")
    .replace(/No connection established\. Last error: (Error: )?/, "")
    .replace(/ECONNREFUSED: Unable to connect|connect ECONNREFUSED \S+|ECONNREFUSED/, "connection refused");
  const unknownCa = /unable to (verify the first|get (local )?issuer) certificate|self.signed certificate/i.test(said);
  return caFlag && unknownCa ? `${said}: if that is the server's own, give its CA with --${caFlag}` : said;
}
