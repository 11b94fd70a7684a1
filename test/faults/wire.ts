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
  /** What is connected passes nothing any more, for good; new connections do: the host has come back as another. */
  lose(): void;
  /** How many connections have been made over it. */
  readonly made: number;
}

/** @param target "127.0.0.1:34567" */
export async function startWire(target: string): Promise<Wire> {
  const sockets = new Set<Socket>();
  let dark = false;
  const held: (() => void)[] = [];
  let made = 0;
  let lost = 0;
  const pass = (step: () => void) => {
    if (dark) held.push(step);
    else step();
  };
  const link = (from: Socket, to: Socket, number: number) => {
    const alive = (step: () => void) => pass(() => number > lost && step());
    from.on("data", (bytes) => alive(() => to.write(bytes)));
    from.on("close", () => alive(() => to.destroy()));
    from.on("error", () => from.destroy());
  };
  const server = createServer((near) => {
    const number = ++made;
    sockets.add(near);
    pass(() => {
      const [host, port] = target.split(":") as [string, string];
      const far = connect(Number(port), host);
      sockets.add(far);
      link(near, far, number);
      link(far, near, number);
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
    lose() {
      lost = made;
    },
    get made() {
      return made;
    },
  };
}
