// The certificate that somebody shows, whoever signed it: for people to compare with the one that they expect.
import { connect } from "node:tls";

const lookMs = 3_000;

export interface Shown {
  fingerprint: string;
  subject: string;
  /** "localhost, 10.0.0.1". */
  names: string;
  until: string;
}

/** What it shows, trusted or not; undefined where it speaks no TLS. */
export function certificateOf({ hostname, port }: URL) {
  return new Promise<Shown | undefined>((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const servername = /^[\d.:]+$|:/.test(host) ? undefined : host;
    const socket = connect({ host, port: Number(port) || 443, servername, rejectUnauthorized: false }, () => {
      const { fingerprint256, subject, subjectaltname = "", valid_to } = socket.getPeerCertificate();
      const name = [subject?.CN].flat()[0] ?? "";
      const names = subjectaltname.replace(/(^|, )(DNS|IP Address):/g, "$1");
      finish(fingerprint256 ? { fingerprint: fingerprint256, subject: name, names, until: valid_to } : undefined);
    });
    const timer = setTimeout(() => finish(undefined), lookMs);
    const finish = (found: Parameters<typeof resolve>[0]) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(found);
    };
    socket.on("error", () => finish(undefined));
  });
}
