/** TLS before a server that has none itself: ends it, and passes on what comes out. */
import { connect } from "node:net";
import { createServer, type Server } from "node:tls";
import type { Certificate } from "./certificates.ts";

export interface TlsFront {
  stop(): void;
}

/** @param port on 127.0.0.1, of which `target` is the port behind it. @throws where the port is taken */
export async function startTlsFront(
  { cert, key }: Pick<Certificate, "cert" | "key">,
  port: number,
  target: number,
  protocol: "h2" | "http/1.1",
): Promise<TlsFront> {
  const open = new Set<{ destroy(): void }>();
  const server: Server = createServer({ cert, key, ALPNProtocols: [protocol] }, (near) => {
    const far = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on("data", (bytes: Buffer) => to.write(bytes));
      from.on("close", () => to.destroy());
      from.on("error", () => from.destroy());
    }
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    stop() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
