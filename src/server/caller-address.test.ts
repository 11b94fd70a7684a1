import { describe, expect, test } from "bun:test";
import { callerAddress, namesCaller, networkOf, trustedProxies } from "./caller-address.ts";

const proxies = trustedProxies(["10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"]);
const of = (peer: string, headers: Record<string, string>, trusted = proxies) =>
  callerAddress(new Headers(headers), peer, trusted);

describe("the caller's address", () => {
  const cases: [what: string, peer: string, headers: Record<string, string>, address: string][] = [
    ["is the peer's where nothing is said", "10.0.0.1", {}, "10.0.0.1"],
    ["is the hop before the proxy", "10.0.0.1", { "x-forwarded-for": "203.0.113.5" }, "203.0.113.5"],
    ["is the last hop that no proxy made", "10.0.0.1", { "x-forwarded-for": "203.0.113.5, 10.2.0.1" }, "203.0.113.5"],
    ["is not what that caller wrote before", "10.0.0.1", { "x-forwarded-for": "1.1.1.1, 203.0.113.5" }, "203.0.113.5"],
    ["is the peer's where the peer is no proxy", "203.0.113.9", { "x-forwarded-for": "1.1.1.1" }, "203.0.113.9"],
    ["is the first proxy's where all are proxies", "10.0.0.1", { "x-forwarded-for": "10.9.9.9, 10.2.0.1" }, "10.9.9.9"],
    ["may have a port", "10.0.0.1", { "x-forwarded-for": "203.0.113.5:4711" }, "203.0.113.5"],
    ["may be of IPv6, with a port", "10.0.0.1", { "x-forwarded-for": "[2001:DB8::1]:4711" }, "2001:db8::1"],
    ["is the peer's where the hop is made up", "10.0.0.1", { "x-forwarded-for": "localhost" }, "10.0.0.1"],
    [
      "is the proxy's that reported what is unknown",
      "10.0.0.1",
      { "x-forwarded-for": "unknown, 10.2.0.1" },
      "10.2.0.1",
    ],
    ["is the peer's where the header is empty", "10.0.0.1", { "x-forwarded-for": "" }, "10.0.0.1"],
    [
      "of a socket of both families is IPv4",
      "::ffff:10.0.0.1",
      { "x-forwarded-for": "::ffff:203.0.113.5" },
      "203.0.113.5",
    ],
    ["is never made up of a part of a hop", "10.0.0.1", { "x-forwarded-for": "x[203.0.113.5]" }, "10.0.0.1"],
    ["has nothing after its port", "10.0.0.1", { "x-forwarded-for": "203.0.113.5:1x" }, "10.0.0.1"],
    ["has nothing before it", "10.0.0.1", { "x-forwarded-for": "x203.0.113.5:1" }, "10.0.0.1"],
    ["in brackets has nothing after them", "10.0.0.1", { "x-forwarded-for": "[2001:db8::1]x" }, "10.0.0.1"],
    ["in brackets may lack a port", "10.0.0.1", { "x-forwarded-for": "[2001:db8::1]" }, "2001:db8::1"],
    ["comes from a proxy of one address", "192.0.2.7", { "x-forwarded-for": "203.0.113.5" }, "203.0.113.5"],
    ["comes from a proxy of IPv6", "2001:db8:1::7", { "x-forwarded-for": "203.0.113.5" }, "203.0.113.5"],
    ["is read from Forwarded", "10.0.0.1", { forwarded: "for=203.0.113.5;proto=https;by=10.0.0.1" }, "203.0.113.5"],
    ["is read from Forwarded of IPv6", "10.0.0.1", { forwarded: 'proto=https; For="[2001:db8::5]:47"' }, "2001:db8::5"],
    ["is the last of Forwarded", "10.0.0.1", { forwarded: 'for=1.1.1.1, for="203.0.113.5:1"' }, "203.0.113.5"],
    ["is the peer's where Forwarded hides it", "10.0.0.1", { forwarded: "for=_hidden" }, "10.0.0.1"],
    [
      "is the peer's where both headers disagree",
      "10.0.0.1",
      { forwarded: "for=1.1.1.1", "x-forwarded-for": "203.0.113.5" },
      "10.0.0.1",
    ],
    [
      "is what both headers say",
      "10.0.0.1",
      { forwarded: "for=203.0.113.5", "x-forwarded-for": "203.0.113.5" },
      "203.0.113.5",
    ],
  ];
  for (const [what, peer, headers, address] of cases) {
    test(what, () => expect(of(peer, headers)).toBe(address));
  }

  test("is never read from headers where no proxy is trusted", () => {
    expect(of("127.0.0.1", { "x-forwarded-for": "203.0.113.5" }, trustedProxies([]))).toBe("127.0.0.1");
  });
});

test("whether a proxy is trusted at all is told, and what is no address is no proxy", () => {
  expect([trustedProxies([]).none, proxies.none]).toEqual([true, false]);
  expect([proxies.has("10.1.2.3"), proxies.has("unix socket"), proxies.has("")]).toEqual([true, false, false]);
});

test("a request that names a caller in either header is told from one that names none", () => {
  const names = (headers: Record<string, string>) => namesCaller(new Headers(headers));
  expect(names({ "x-forwarded-for": "203.0.113.5" })).toBe(true);
  expect(names({ forwarded: "for=203.0.113.5" })).toBe(true);
  expect(names({ host: "cd.example.com" })).toBe(false);
});

test("what is no network is refused by name", () => {
  for (const network of [
    "10.0.0.0/33",
    "10.0.0",
    "proxy.example.com",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "10.0.0.0/8x",
    "10.0.0.0/0x8",
    "::/129",
    "",
  ]) {
    expect(() => trustedProxies([network])).toThrow(JSON.stringify(network));
  }
});

test("an IPv6 address stands for its /64, an IPv4 address for itself", () => {
  expect(networkOf("203.0.113.5")).toBe("203.0.113.5");
  expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:db8:1:2:ffff::")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:db8:1::3:4:5:6")).toBe("2001:db8:1:0::/64");
  expect(networkOf("2001::3:4:5:6:7:8")).toBe("2001:0:3:4::/64");
  expect(networkOf("2001:db8::")).toBe("2001:db8:0:0::/64");
  expect(networkOf("2001:db8::1")).toBe("2001:db8:0:0::/64");
  expect(networkOf("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
  expect(networkOf("::1")).toBe("0:0:0:0::/64");
});
