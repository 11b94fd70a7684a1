// Agents that dial in: each WebSocket becomes a unix socket, which the pool calls like any other address. What flows over
// it is the same mutual TLS and gRPC.
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Failed } from "../contract/errors.ts";
import type { Source } from "../discovery/discovery.ts";
import { createEntries } from "../discovery/entries.ts";
import type { Log } from "../process/log.ts";
import { readCertificate } from "../trust/identity.ts";
import { beat, beatAnswer, beatMsFor, quickestMs, silenceMs } from "../tunnel/beat.ts";
import {
  type Challenge,
  createStreams,
  type Hello,
  leaving,
  type Notice,
  type Streams,
  type Welcome,
} from "../tunnel/frame.ts";
import { type Admit, mayAnnounce } from "./admission.ts";

/** A WebSocket as the HTTP server hands it over. */
export interface Socket {
  /** Bytes sent, 0 where it is closed, -1 where it has to wait for `drain`. */
  send(data: string | Uint8Array): number;
  close(code?: number, reason?: string): void;
}

export interface Tunnels {
  readonly source: Source;
  /** @param network where it comes from. */
  open(id: object, socket: Socket, network?: string): void;
  arrived(id: object, data: string | Uint8Array): void;
  drain(id: object): void;
  closed(id: object): void;
  /**
   * Tells the agents that showed these certificates. They stay connected: so the fleet says why they are not called,
   * rather than that they are gone.
   */
  revoked(serials: readonly string[]): void;
  /** Agents that are connected. */
  readonly count: number;
  close(): Promise<void>;
}

export interface TunnelOptions {
  prefix: string;
  admit: Admit;
  /** The data folder, where the sockets lie. */
  data: string;
  log: Log;
  /** Milliseconds from one beat to the next where so many tunnels are open. */
  beatMs?: (tunnels: number) => number;
}

interface Tunnel {
  socket: Socket;
  /** Where it comes from, until it has proved itself. */
  network?: string;
  challenge: string;
  streams?: Streams;
  server?: Server;
  keys: string[];
  instance: string;
  /** Of the certificate it showed. */
  serial?: string;
  /** It beats as often as it is told. */
  paced: boolean;
  /** What it was told last. */
  beatMs: number;
  heard: number;
  waiting: (() => void)[];
}

const patienceMs = 10_000;
/** Of those that have not proved themselves: in all, and from one network. Each may hold one message of 256 KB. */
export const mostUnproven = 400;
export const mostUnprovenHere = 250;
/** Short against the beat: what is silent for too long is not kept for another beat. */
const checkMs = 250;

export async function createTunnels({ prefix, admit, data, log, beatMs = beatMsFor }: TunnelOptions): Promise<Tunnels> {
  const folder = await socketFolder(data);
  const entries = createEntries();
  const tunnels = new Map<object, Tunnel>();
  /** The last tunnel that announced each: an agent may dial in again before its tunnel from before is found dead. */
  const holders = new Map<string, Tunnel>();
  let number = 0;
  const checking = setInterval(checkAll, Math.min(checkMs, beatMs(1)));
  // Connected is announced: each beat confirms it.
  const confirming = setInterval(() => tunnels.size > 0 && entries.tell({ type: "alive" }), quickestMs);
  for (const timer of [checking, confirming]) timer.unref();

  /** What has dialled in and not proved itself, by network. */
  const unproven = new Map<string, number>();
  let allUnproven = 0;

  function open(id: object, socket: Socket, network = ""): void {
    const here = unproven.get(network) ?? 0;
    if (allUnproven >= mostUnproven || here >= mostUnprovenHere) {
      // An agent tries again by itself, later each time.
      socket.close(1013, "too many that have not proved themselves: try again");
      return;
    }
    unproven.set(network, here + 1);
    allUnproven++;
    const challenge = randomBytes(24).toString("base64url");
    const unknown = { keys: [], instance: "", paced: false, beatMs: quickestMs };
    tunnels.set(id, { socket, network, challenge, ...unknown, heard: performance.now(), waiting: [] });
    socket.send(JSON.stringify({ challenge } satisfies Challenge));
  }

  function arrived(id: object, data: string | Uint8Array): void {
    const tunnel = tunnels.get(id);
    if (!tunnel) return;
    tunnel.heard = performance.now();
    try {
      if (typeof data !== "string") {
        if (!tunnel.streams) throw new Error("bytes before the hello");
        tunnel.streams.arrived(data);
      } else if (data === beat) {
        tunnel.socket.send(tunnel.paced ? beatAnswer(paceOf(tunnel)) : beat);
      } else if (data === leaving) {
        withdraw(tunnel);
        tunnel.socket.send(leaving);
      } else if (!tunnel.server) {
        welcome(id, tunnel, helloIn(data));
      }
    } catch (cause) {
      refuse(id, tunnel, cause instanceof Failed ? cause.message : "what arrived is not of the tunnel's protocol");
    }
  }

  function welcome(id: object, tunnel: Tunnel, hello: Hello): void {
    mayAnnounce(admit(hello, tunnel.challenge), prefix, hello.keys);
    proved(tunnel);
    const path = join(folder, `${++number}.sock`);
    const streams = createStreams({ send: (frame) => flow(tunnel, frame) });
    const server = createServer((connection) => {
      const stream = streams.open();
      connection.pipe(stream).pipe(connection);
      connection.on("error", () => stream.destroy());
      stream.on("close", () => connection.destroy());
      connection.on("close", () => stream.destroy());
    });
    // Too many open files: it concerns this tunnel alone. A folder that was cleared away is made again.
    server.once("error", () => {
      server.once("error", (cause) => refuse(id, tunnel, `the server has no socket for it: ${cause.message}`));
      mkdir(folder, { recursive: true, mode: 0o700 }).then(
        () => server.listen(path),
        (cause: Error) => refuse(id, tunnel, `the server has no socket for it: ${cause.message}`),
      );
    });
    tunnel.streams = streams;
    tunnel.server = server;
    tunnel.keys = hello.keys;
    tunnel.instance = hello.instance;
    tunnel.paced = hello.paced === true;
    tunnel.serial = hello.certificate && readCertificate(hello.certificate).serial;
    server.once("listening", () => {
      for (const key of tunnel.keys) {
        holders.set(`${key}\0${hello.instance}`, tunnel);
        entries.put({ key, instance: hello.instance, via: { tunnel: path } });
      }
      tunnel.socket.send(JSON.stringify({ welcome: true, beatMs: paceOf(tunnel) } satisfies Welcome));
      log.info("agent dialled in", { keys: hello.keys.join(","), instance: hello.instance });
    });
    server.listen(path);
  }

  /** From here on, or from its end, it takes no place among those that have not. */
  function proved(tunnel: Tunnel): void {
    const { network } = tunnel;
    if (network === undefined) return;
    tunnel.network = undefined;
    allUnproven--;
    const here = (unproven.get(network) ?? 1) - 1;
    if (here > 0) unproven.set(network, here);
    else unproven.delete(network);
  }

  /** How often it is to beat from now on; silence is measured by what it was told. */
  function paceOf(tunnel: Tunnel): number {
    if (tunnel.paced) tunnel.beatMs = beatMs(tunnels.size);
    return tunnel.beatMs;
  }

  function refuse(id: object, tunnel: Tunnel, problem: string): void {
    log.warn("tunnel refused", { problem });
    tunnel.socket.send(JSON.stringify({ refused: problem } satisfies Welcome));
    tunnel.socket.close(1008, "refused");
    closed(id);
  }

  /** Calls under way go on. */
  function withdraw(tunnel: Tunnel): void {
    for (const key of tunnel.keys.splice(0)) {
      const held = `${key}\0${tunnel.instance}`;
      if (holders.get(held) !== tunnel) continue;
      holders.delete(held);
      entries.remove(key, tunnel.instance);
    }
  }

  function closed(id: object): void {
    const tunnel = tunnels.get(id);
    if (!tunnel) return;
    tunnels.delete(id);
    proved(tunnel);
    const keys = tunnel.keys.join(",");
    withdraw(tunnel);
    for (const wake of tunnel.waiting.splice(0)) wake();
    tunnel.streams?.close(new Error("the tunnel has closed"));
    tunnel.server?.close();
    if (tunnel.server) log.info("agent hung up", { keys, instance: tunnel.instance });
  }

  function checkAll(): void {
    const now = performance.now();
    for (const [id, tunnel] of tunnels) {
      if (now - tunnel.heard < (tunnel.server ? silenceMs(tunnel.beatMs) : patienceMs)) continue;
      tunnel.socket.close(1001, "silent");
      closed(id);
    }
  }

  return {
    source: { name: "tunnel", kind: "embedded", watch: entries.watch },
    open,
    arrived,
    drain(id) {
      for (const wake of tunnels.get(id)?.waiting.splice(0) ?? []) wake();
    },
    closed,
    revoked(serials) {
      const notice = "its certificate is revoked: enroll it again with a new token";
      for (const { serial, socket } of tunnels.values()) {
        if (serial && serials.includes(serial)) socket.send(JSON.stringify({ notice } satisfies Notice));
      }
    },
    get count() {
      return tunnels.size;
    },
    async close() {
      clearInterval(checking);
      clearInterval(confirming);
      for (const [id, tunnel] of tunnels) {
        tunnel.socket.close(1001, "the server stops");
        closed(id);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function flow(tunnel: Tunnel, frame: Uint8Array): Promise<void> | void {
  const sent = tunnel.socket.send(frame);
  if (sent === 0) throw new Error("the tunnel is closed");
  if (sent === -1) return new Promise((resolve) => tunnel.waiting.push(resolve));
}

function helloIn(text: string): Hello {
  const said = JSON.parse(text) as Partial<Hello>;
  const { instance, keys } = said;
  const strings =
    Array.isArray(keys) && keys.length > 0 && keys.length <= 1_000 && keys.every((key) => typeof key === "string");
  if (typeof instance !== "string" || !strings) throw new Error("not a hello");
  return said as Hello;
}

/**
 * In the data folder, where nothing clears it; what a run that was killed has left goes first. Only this user may enter.
 * A unix socket's path may have 107 bytes: where the data folder's is too long, the system's folder for temporary files
 * has to do. @throws Error in words
 */
async function socketFolder(data: string): Promise<string> {
  const folder = join(resolve(data), "tunnels");
  if (join(folder, "1000000000.sock").length <= 107) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    return folder;
  }
  try {
    return await mkdtemp(join(tmpdir(), "lizardcd-"));
  } catch (cause) {
    const problem = `${tmpdir()} cannot be written, and ${data} is too long for sockets`;
    throw new Error(`${problem}: name a folder for temporary files with TMPDIR`, { cause });
  }
}
