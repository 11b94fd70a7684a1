// Dials out: an agent that nobody can reach opens a WebSocket to the server, and serves gRPC over it.
import type { Duplex } from "node:stream";
import type { Announcer } from "../discovery/discovery.ts";
import { backoff, sleep } from "../process/backoff.ts";
import { unreachableServer } from "../process/unreachable.ts";
import { beat, beatIn, quickestMs, silenceMs } from "../tunnel/beat.ts";
import {
  type Challenge,
  createStreams,
  type Hello,
  isChallenge,
  leaving,
  type Notice,
  type Streams,
  tunnelPath,
  type Welcome,
} from "../tunnel/frame.ts";

export interface TunnelOptions {
  /** "https://lizardcd.example.com". */
  server: string;
  /** PEM of the CA to trust at that address instead of the system's; asked for each connection. */
  serverCa?: () => string | undefined;
  /** "http://proxy:3128", reached by CONNECT. */
  proxy?: string;
  /** Proof of who this is: a certificate and a signature over the challenge, or the join token. */
  prove(challenge: string): Promise<Pick<Hello, "certificate" | "proof" | "token">>;
  /** Hands a stream that the server has opened to the gRPC server. */
  inject(stream: Duplex): void;
}

const patienceMs = 10_000;
/** How long a server may take to send no new calls, and those under way to end. */
const leaveMs = 2_000;
const drainMs = 10_000;
/** Above this many bytes waiting to leave, streams wait. */
const highWater = 1024 * 1024;

/** Announcing is being connected: the keys hold as long as the tunnel is open. */
export function tunnelAnnouncer({ server, serverCa, proxy, prove, inject }: TunnelOptions): Announcer {
  /** Those that are left: each hangs up by itself when its calls have ended. */
  const left = new Set<Left>();
  const url = `${server.replace(/^http/, "ws").replace(/\/+$/, "")}${tunnelPath}`;

  return {
    name: `server ${server} (tunnel)`,
    async announce({ keys, instance }, signal, onState) {
      const wait = backoff({ first: 250, most: 10_000 });
      let told = "";
      while (!signal.aborted) {
        const problem = await connect({ keys, instance }, signal, {
          onOpen() {
            wait.reset();
            told = "";
            onState?.({ announced: true });
          },
          onNotice: (notice) => onState?.({ announced: false, problem: notice }),
        });
        if (signal.aborted) return;
        if (problem !== told) onState?.({ announced: false, problem });
        told = problem;
        await sleep(wait.next(), signal);
      }
    },
    async close() {
      await Promise.all([...left].map((line) => line.hangUp()));
    },
  };

  /** Resolves when the tunnel has ended, with the reason in words. */
  function connect(
    who: { keys: string[]; instance: string },
    signal: AbortSignal,
    { onOpen, onNotice }: { onOpen(): void; onNotice(notice: string): void },
  ): Promise<string> {
    return new Promise((resolve) => {
      const ca = serverCa?.();
      const socket = new WebSocket(url, {
        ...(proxy ? { proxy } : {}),
        ...(ca ? { tls: { ca } } : {}),
      } as never);
      socket.binaryType = "arraybuffer";
      const streams = createStreams({ send: (frame) => flow(socket, frame) }, inject);
      let heard = performance.now();
      let open = false;
      // As often as the server says, which knows how many it hears.
      let beatMs = quickestMs;
      let timer = setTimeout(check, beatMs);
      function check(): void {
        const quiet = performance.now() - heard;
        if (quiet > (open ? silenceMs(beatMs) : patienceMs)) end("the server has fallen silent");
        else {
          if (open) socket.send(beat);
          timer = setTimeout(check, beatMs);
        }
      }
      /** At once: a server that says less than before no longer waits as long. */
      function pace(told = 0): void {
        if (!told || told === beatMs) return;
        beatMs = told;
        clearTimeout(timer);
        timer = setTimeout(check, beatMs);
      }
      const leave = () => {
        if (!open) return end("stopped");
        // From its answer on the server sends no new calls here; those under way are answered first.
        socket.send(leaving);
        setTimeout(() => resolve("stopped"), leaveMs);
        const line: Left = {
          async hangUp() {
            while (socket.readyState === WebSocket.OPEN && socket.bufferedAmount > 0) await sleep(5);
            end("stopped");
          },
        };
        left.add(line);
        void drain(streams, socket)
          .then(line.hangUp)
          .then(() => left.delete(line));
      };
      signal.addEventListener("abort", leave, { once: true });

      function end(problem: string): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
        streams.close(new Error(problem));
        socket.onclose = null;
        socket.onmessage = null;
        socket.onerror = null;
        socket.close();
        resolve(problem);
      }

      socket.onmessage = ({ data }) => {
        heard = performance.now();
        if (typeof data !== "string") {
          try {
            streams.arrived(new Uint8Array(data as ArrayBuffer));
          } catch (cause) {
            end((cause as Error).message);
          }
          return;
        }
        const told = beatIn(data);
        if (told !== undefined) return pace(told);
        if (data === leaving) return resolve("stopped");
        const said = wordsIn(data);
        if (!said) return end(`${server} says what is not of the tunnel's protocol: is it a Lizardcd server?`);
        if ("refused" in said) return end(said.refused);
        if ("notice" in said) return onNotice(said.notice);
        if ("welcome" in said) {
          open = true;
          pace(said.beatMs);
          onOpen();
          return;
        }
        prove(said.challenge)
          .then((proof) => socket.send(JSON.stringify({ ...who, ...proof, paced: true } satisfies Hello)))
          .catch((cause: Error) => end(cause.message));
      };
      socket.onerror = async (event) => {
        // Its closing says less.
        socket.onclose = null;
        end((await unreachableServer(server, (event as ErrorEvent).message)) || `${server} does not answer`);
      };
      socket.onclose = ({ reason }) => end(reason || `${server} closed the tunnel`);
    });
  }
}

/** Undefined for what is none of them: whatever answers at that address may say anything. */
function wordsIn(text: string): Challenge | Welcome | Notice | undefined {
  let said: Partial<Challenge & Notice & { welcome: true; refused: string }> | null;
  try {
    said = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
  if (typeof said !== "object" || said === null) return undefined;
  const texts = typeof said.refused === "string" || typeof said.notice === "string";
  const known = isChallenge(said.challenge) || texts || said.welcome === true;
  return known ? (said as Challenge | Welcome | Notice) : undefined;
}

interface Left {
  /** Closes it when what was written has gone out. */
  hangUp(): Promise<void>;
}

async function drain(streams: Streams, socket: WebSocket): Promise<void> {
  const end = performance.now() + drainMs;
  while (streams.count > 0 && socket.readyState === WebSocket.OPEN && performance.now() < end) await sleep(20);
}

/** Waits while too much is waiting to leave. */
function flow(socket: WebSocket, frame: Uint8Array): Promise<void> | void {
  socket.send(frame as Uint8Array<ArrayBuffer>);
  if (socket.bufferedAmount < highWater) return;
  return new Promise((resolve, reject) => {
    const check = () => {
      if (socket.readyState !== WebSocket.OPEN) return reject(new Error("the tunnel is closed"));
      if (socket.bufferedAmount < highWater / 2) return resolve();
      setTimeout(check, 5);
    };
    check();
  });
}
