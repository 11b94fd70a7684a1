// Which proxy leads to an address, by one rule for every client: that of Go's programs, kubectl among them. Bun's fetch has
// a rule of its own (NO_PROXY beats a proxy that was given, networks are not known), so that a program takes the
// variables out of its environment at its start and gives fetch the proxy of each address.
import { BlockList, isIP } from "node:net";

export type Env = Record<string, string | undefined>;

const names = ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] as const;

let taken: Env | undefined;

/** Takes the proxies out of this process's environment. */
export function takeProxies(env: Env = process.env): void {
  taken ??= {};
  for (const name of names.flatMap((one) => [one, one.toLowerCase()])) {
    if (env[name] !== undefined) taken[name] = env[name];
    delete env[name];
  }
}

/** The environment as it was given, for a program that is started from here. */
export function givenEnvironment(): Env {
  return { ...process.env, ...taken };
}

/** @returns the proxy of the environment for this address; undefined for none. @throws Error for a proxy that is no URL */
export function proxyOf(url: string, env: Env = givenEnvironment()): string | undefined {
  const { protocol, hostname, port } = new URL(url);
  const either = (name: (typeof names)[number]) => env[name] || env[name.toLowerCase()] || undefined;
  const proxy = either(protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (!proxy) return undefined;
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (isThisMachine(host) || excepts(either("NO_PROXY") ?? "", host, port || (protocol === "https:" ? "443" : "80"))) {
    return undefined;
  }
  // Said without a scheme it is HTTP.
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

/** For fetch: the proxy that leads to this address, where there is one. */
export function proxied(url: string): { proxy?: string } {
  const proxy = proxyOf(url);
  return proxy ? { proxy } : {};
}

/** @param hostname of a URL. No proxy could lead back to this machine. */
export function isThisMachine(hostname: string): boolean {
  return hostname === "localhost" || /^(?:\[::1\]|::1)$/.test(hostname) || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function excepts(list: string, host: string, port: string): boolean {
  return list.split(",").some((one) => {
    const entry = one.trim().toLowerCase();
    if (entry === "") return false;
    if (entry === "*") return true;
    if (entry.includes("/")) return holds(entry, host);
    const [, name = entry, only] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
    if (only && only !== port) return false;
    const bare = name.replace(/^\[|\]$/g, "").replace(/^\*\./, ".");
    if (isIP(bare) || isIP(host)) return bare === host;
    // A name stands for itself and what is below; one with a dot before it only for what is below.
    return bare.startsWith(".") ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
  });
}

/** Whether a network in CIDR notation holds an address. */
function holds(network: string, host: string): boolean {
  const version = isIP(host);
  const [address = "", bits = ""] = network.split("/");
  if (version === 0 || isIP(address) !== version || !/^\d+$/.test(bits)) return false;
  const family = version === 4 ? "ipv4" : "ipv6";
  if (Number(bits) > (version === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family);
  return list.check(host, family);
}
