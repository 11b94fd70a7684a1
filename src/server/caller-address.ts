// Whose address a request comes from. Behind a proxy that is named it is the last hop that no such proxy made; whatever
// anybody else writes into these headers is not believed.
import { BlockList, isIP } from "node:net";

/** The networks of proxies whose word on a caller's address is believed. */
export interface TrustedProxies {
  has(address: string): boolean;
  readonly none: boolean;
}

/** @param networks "10.0.0.0/8", "2001:db8::/32", "10.1.2.3". @throws Error that names the one that is none */
export function trustedProxies(networks: readonly string[]): TrustedProxies {
  const list = new BlockList();
  for (const network of networks) add(list, network);
  return {
    none: networks.length === 0,
    has(address) {
      const family = isIP(address);
      return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
    },
  };
}

function add(list: BlockList, network: string): void {
  const [address = "", bits, ...more] = network.split("/");
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || more.length > 0 || !(prefix <= most)) {
    throw new Error(`${JSON.stringify(network)} is no network: write 10.0.0.0/8, 2001:db8::/32 or one address`);
  }
  list.addSubnet(address, prefix, family === 6 ? "ipv6" : "ipv4");
}

/**
 * The caller's address.
 * @param peer the address at the other end of the connection.
 */
export function callerAddress(headers: Headers, peer: string, proxies: TrustedProxies): string {
  const near = plainAddress(peer);
  if (!proxies.has(near)) return near;
  const said = [forwardedFor(headers.get("x-forwarded-for")), forwarded(headers.get("forwarded"))]
    .filter((hops) => hops !== undefined)
    .map((hops) => lastUntrusted(hops, near, proxies));
  // A proxy writes one of the two and hands on the other as its caller sent it. Which one is not known here: where they
  // disagree, neither is believed.
  return said.length > 0 && said.every((address) => address === said[0]) ? said[0]! : near;
}

/** Whether the request names another address than the connection's. */
export function namesCaller(headers: Headers): boolean {
  return headers.has("x-forwarded-for") || headers.has("forwarded");
}

/** What one caller can have many of counts as one: an IPv6 address stands for its /64. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail = ""] = address.split("%", 1)[0]!.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0") : [];
  const groups = [...left, ...zeros, ...right].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(":")}::/64`;
}

/** Each proxy adds the address it was called from at the end: from there back, the first one that is no proxy of ours. */
function lastUntrusted(hops: readonly (string | undefined)[], near: string, proxies: TrustedProxies): string {
  let known = near;
  for (const hop of hops.toReversed()) {
    // "unknown" or made up: whoever reported it is as far as one can see.
    if (hop === undefined) return known;
    known = hop;
    if (!proxies.has(hop)) return hop;
  }
  return known;
}

function forwardedFor(header: string | null): (string | undefined)[] | undefined {
  return header?.split(",").map((hop) => addressIn(hop.trim()));
}

/** RFC 7239: `for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"`. */
function forwarded(header: string | null): (string | undefined)[] | undefined {
  return header?.split(",").map((hop) => addressIn(/(?:^|;)\s*for\s*=\s*"?([^";,\s]*)"?/i.exec(hop)?.[1] ?? ""));
}

/** With or without a port and brackets. */
function addressIn(hop: string): string | undefined {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
  return isIP(bare) === 0 ? undefined : plainAddress(bare);
}

/** An IPv4 address as one, also where the socket is of both families: "::ffff:10.0.0.1". */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.toLowerCase();
}
