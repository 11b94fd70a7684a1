// Where the doors stand: one listening address, with TLS where files are given. A renewed certificate is taken up by
// listening anew beside the old listener, whose connections live on.
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { notListening, probe } from "../process/listen.ts";
import type { Log } from "../process/log.ts";
import { reasonOf } from "../process/setting-file.ts";

export interface HttpOptions {
  host: string;
  port: number;
  /** Files with certificate chain and private key, PEM; read again when they change. */
  tls?: { cert: string; key: string };
  log: Log;
}

/** The part of an Elysia app that listens. */
export interface Listener {
  listen(options: object): unknown;
  server: { port?: number; stop(closeActive?: boolean): Promise<void> } | null;
}

export interface Http {
  readonly port: number;
  /** Reads the certificate again where it has changed. @throws Error in words where it cannot be used: the old one stays */
  look(): void;
  /** Stops accepting, lets what is under way finish for so many milliseconds, then closes it. */
  stop(patienceMs: number): Promise<void>;
}

const lookMs = 10_000;

/**
 * @param create makes an app over the same parts each time: all that lasts lives outside of it.
 * @throws Error when the address is in use or the certificate cannot be read.
 */
export function listen(create: () => Listener, { host, port, tls, log }: HttpOptions): Http {
  let files = tls && read(tls);
  probe("http-addr", host, port);
  let current = open(port);
  const old: Listener[] = [];
  const timer = tls && setInterval(lookByItself, lookMs);
  timer?.unref();

  function open(at: number): Listener {
    const app = create();
    try {
      // Two listeners on one port are needed only while one takes over from the other. Said in either case: Elysia would
      // share every port, and a second server would silently take half of the requests.
      app.listen({
        hostname: host,
        port: at,
        development: false,
        idleTimeout: 0,
        tls: files,
        reusePort: files !== undefined,
      });
    } catch (cause) {
      throw notListening("http-addr", { host, port: at }, cause);
    }
    return app;
  }

  function look(): void {
    if (!tls) return;
    const next = read(tls);
    if (next.cert === files!.cert && next.key === files!.key) return;
    files = next;
    const before = current;
    current = open(before.server!.port!);
    old.push(before);
    // Without force: streams and tunnels of the old listener end when they end.
    void before.server!.stop().then(() => old.splice(old.indexOf(before), 1));
    log.info("certificate read again", { file: tls.cert });
  }

  function lookByItself(): void {
    try {
      look();
    } catch (cause) {
      log.error("the new certificate cannot be used, the old one stays", {
        file: tls!.cert,
        problem: cause instanceof Error ? cause.message : String(cause),
      });
    }
  }

  return {
    get port() {
      return current.server!.port!;
    },
    look,
    async stop(patienceMs) {
      clearInterval(timer);
      const all = [...old, current];
      await Promise.race([Promise.all(all.map((app) => app.server!.stop())), Bun.sleep(patienceMs)]);
      await Promise.all(all.map((app) => app.server!.stop(true)));
    },
  };
}

function read({ cert, key }: { cert: string; key: string }): { cert: string; key: string } {
  const text = (file: string) => {
    try {
      return readFileSync(file, "utf8");
    } catch (cause) {
      throw new Error(`${file} cannot be read: ${reasonOf(cause)}`, { cause });
    }
  };
  const files = { cert: text(cert), key: text(key) };
  // Refused here, by name: a listener that cannot use them would say less.
  try {
    createSecureContext(files);
  } catch (cause) {
    throw new Error(
      `--http.tls.cert ${cert} and --http.tls.key ${key} cannot be used together: ${reasonOf(cause)}: ` +
        "give the certificate chain and its own private key, PEM",
      { cause },
    );
  }
  return files;
}
