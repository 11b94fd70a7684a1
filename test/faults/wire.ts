// A TCP connection's way that can go dark: bytes no longer pass, and nobody is told.
import { connect, createServer, type Socket } from "node:net";
import { onEnd } from "../harness.ts";

export interface Wire {
  /** "127.0.0.1:34567", in place of the target's. */
  address: string;
  /** Passes nothing from here on, and closes nothing. */
  goDark(): void;
  /** Passes what was held back, and what comes. */
  heal(): void;
  /** How many connections have been made over it. */
  readonly made: number;
}

/** @param target "127.0.0.1:34567" */
export async function startWire(target: string): Promise<Wire> {
  const sockets = new Set<Socket>();
  let dark = false;
  const held: (() => void)[] = [];
  let made = 0;
  const pass = (step: () => void) => {
    if (dark) held.push(step);
    else step();
  };
  const link = (from: Socket, to: Socket) => {
    from.on("data", (bytes) => pass(() => to.write(bytes)));
    from.on("close", () => pass(() => to.destroy()));
    from.on("error", () => from.destroy());
  };
  const server = createServer((near) => {
    made++;
    sockets.add(near);
    pass(() => {
      const [host, port] = target.split(":") as [string, string];
      const far = connect(Number(port), host);
      sockets.add(far);
      link(near, far);
      link(far, near);
    });
    near.on("error", () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as { port: number }).port}`,
    goDark() {
      dark = true;
    },
    heal() {
      dark = false;
      for (const step of held.splice(0)) step();
    },
    get made() {
      return made;
    },
  };
}
