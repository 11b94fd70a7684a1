/** A host of its own on this machine: a network namespace behind a pair of virtual interfaces, whose link can be cut. */
import { describe, setDefaultTimeout } from "bun:test";
import { report } from "./part.ts";

export interface Host {
  /** Its address, and that of this machine on the same link. */
  address: string;
  gateway: string;
  /** Runs a program there. */
  command(words: string[]): string[];
  /** The link is down: nothing passes, and nobody is told. */
  cut(): void;
  mend(): void;
  /** Its programs must have ended. */
  remove(): void;
}

/**
 * `describe` for tests that need hosts; names what is missing where this machine has none. That is no failure with
 * CI=true: unlike a program, the right to make them cannot be installed.
 */
export function describeHosts(title: string, define: () => void): void {
  setDefaultTimeout(120_000);
  const reason = obstacle();
  if (reason === undefined) return void describe(title, define);
  report([{ part: "network namespaces", reason }], title);
  describe.skip(title, define);
}

/** From the range for tests of networks (RFC 2544), which no real network has. */
export function createHost(): Host {
  removeLeft();
  const name = `${prefix}${process.pid}-${++count}`;
  const net = `198.18.${process.pid % 256}.${((process.pid >> 8) % 64) * 4}`;
  const at = (n: number) => net.replace(/\d+$/, (last) => String(Number(last) + n));
  const [gateway, address] = [at(1), at(2)];
  ip("netns", "add", name);
  const inside = (...words: string[]) => ip("-n", name, ...words);
  ip("link", "add", linkOf(name), "type", "veth", "peer", "name", "eth0", "netns", name);
  ip("addr", "add", `${gateway}/30`, "dev", linkOf(name));
  ip("link", "set", linkOf(name), "up");
  inside("addr", "add", `${address}/30`, "dev", "eth0");
  inside("link", "set", "lo", "up");
  inside("link", "set", "eth0", "up");
  return {
    address,
    gateway,
    command: (words) => ["ip", "netns", "exec", name, ...words],
    cut: () => inside("link", "set", "eth0", "down"),
    mend: () => inside("link", "set", "eth0", "up"),
    remove() {
      // The namespace itself goes with the last of its programs.
      ip("link", "del", linkOf(name));
      ip("netns", "del", name);
    },
  };
}

const prefix = "lzcd";
let count = 0;
const linkOf = (name: string) => `v${name}`;

function obstacle(): string | undefined {
  if (process.platform !== "linux") return `${process.platform} has none`;
  if (!Bun.which("ip")) return "there is no ip: apt-get install iproute2";
  if (process.getuid?.() !== 0) return "only root can make them";
  const probe = `${prefix}probe${process.pid}`;
  try {
    ip("netns", "add", probe);
    ip("netns", "del", probe);
    return undefined;
  } catch (cause) {
    return (cause as Error).message;
  }
}

/** Of a run that was killed. */
function removeLeft(): void {
  for (const line of ip("netns", "list").split("\n")) {
    const name = line.split(" ")[0]!;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (name.startsWith(prefix) && pid > 0 && !isAlive(pid)) ip("netns", "del", name);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return false;
    return true;
  }
}

/** @throws Error in its words */
function ip(...words: string[]): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["ip", ...words], { stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`ip ${words.join(" ")} ended with ${exitCode}: ${stderr.toString().trim()}`);
  return stdout.toString();
}
