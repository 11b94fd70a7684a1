import { reasonOf } from "./setting-file.ts";

/** Why nothing can listen there, by the setting that says where: the runtime tells neither. */
export function notListening(flag: string, at: string | { host: string; port: number }, cause: unknown): Error {
  const where = `--${flag} ${typeof at === "string" ? at : written(at)}`;
  return new Error(`${where} ${problemOf(cause)}`, { cause });
}

function written({ host, port }: { host: string; port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function problemOf(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "EADDRINUSE")
    return "is in use by another program: choose another one (port 0 is any that is free), or stop that program";
  if (code === "EADDRNOTAVAIL") return "is not an address of this machine";
  return `cannot be listened on: ${reasonOf(cause)}`;
}

/**
 * Refuses an address that is in use. Bun.serve shares a port with whoever allows that, and with `development: false` also
 * where nobody asked for it: a second program would silently take half of the requests. @throws Error in words
 */
export function probe(flag: string, host: string, port: number): void {
  if (port === 0) return;
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true);
  } catch (cause) {
    throw notListening(flag, { host, port }, cause);
  }
}
