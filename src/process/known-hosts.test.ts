import { expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { createAuthority, createServerCertificate } from "../../test/testbed/certificates.ts";
import { checkHostName, type HostOptions, knownHosts } from "./known-hosts.ts";

const isKnown = (options: HostOptions, host: string | null) => knownHosts(options)(host);
const publicUrl = "https://cd.example.com:8443";

test("an address that others can reach, without a word on its names, answers to any", () => {
  for (const host of ["evil.example", "10.0.0.7", "x"]) expect(isKnown({ host: "0.0.0.0" }, host)).toBe(true);
});

test("with a public address it answers to that, to this machine's own addresses and to loopback names", () => {
  const own = Object.values(networkInterfaces()).flatMap((some) => some!.map(({ address }) => address));
  for (const host of ["0.0.0.0", "::"]) {
    for (const address of own) {
      const shown = address.includes(":") ? `[${address}]` : address;
      expect([address, isKnown({ host, publicUrl }, `${shown}:5117`)]).toEqual([address, true]);
    }
    for (const name of [
      "cd.example.com",
      "CD.example.com.",
      "localhost:5117",
      "app.localhost",
      "[::1]:5117",
      "127.200.0.1",
      null,
      "",
    ]) {
      expect([name, isKnown({ host, publicUrl }, name)]).toEqual([name, true]);
    }
    for (const name of [
      "evil.example",
      "a.localhost.evil.example",
      ".localhost.evil.example",
      "127.0.0.1.evil.example",
      "x127.0.0.1",
      "cd.example.com:8443.evil.example",
      "192.0.2.77",
      "[2001:db8::77]:1",
      "example.com",
    ]) {
      expect([name, isKnown({ host, publicUrl }, name)]).toEqual([name, false]);
    }
  }
});

test("an address that is listened on is known by itself alone", () => {
  const options = { host: "192.0.2.1", publicUrl };
  expect([isKnown(options, "192.0.2.1:5117"), isKnown(options, "192.0.2.2:5117")]).toEqual([true, false]);
});

test("names that are given hold with and without a port, with all below them where they begin with a star", () => {
  const options = { host: "0.0.0.0", names: ["lizardcd.shop.svc", "*.example.com", "192.0.2.7", "2001:db8::7"] };
  for (const name of ["lizardcd.shop.svc:5117", "a.b.example.com", "192.0.2.7:30117", "[2001:DB8::7]:1"]) {
    expect([name, isKnown(options, name)]).toEqual([name, true]);
  }
  for (const name of ["shop.svc", "example.com", "badexample.com"])
    expect([name, isKnown(options, name)]).toEqual([name, false]);
});

test("the names of the certificate that is served there hold too, and open nothing by themselves", () => {
  const { cert } = createServerCertificate(createAuthority("test"), [
    "cd.example.com",
    "*.cd.example.com",
    "192.0.2.7",
  ]);
  const options = { host: "127.0.0.1", certificate: cert };
  for (const name of ["cd.example.com:5117", "eu.cd.example.com", "192.0.2.7", "localhost"]) {
    expect([name, isKnown(options, name)]).toEqual([name, true]);
  }
  for (const name of ["example.com", "192.0.2.8"]) expect([name, isKnown(options, name)]).toEqual([name, false]);
  expect(isKnown({ host: "0.0.0.0", certificate: cert }, "evil.example")).toBe(true);
});

test("what is no name is refused by name", () => {
  for (const name of ["lizardcd", "*.example.com", "10.0.0.7", "[::1]", "2001:db8::7", "a_b.c.", "cd.example.com"]) {
    expect(() => checkHostName(name)).not.toThrow();
  }
  for (const name of ["https://cd.example.com", "cd.example.com/x", "*", "a.*.b", "a b", "cd.example.com:8443"]) {
    expect(() => checkHostName(name)).toThrow(JSON.stringify(name));
  }
});
