import { describe, expect, test } from "bun:test";
import { verify } from "node:crypto";
import { createAuthority, openAuthority, RequestInvalid } from "./authority.ts";
import { covers, identityOf, isServer, readCertificate } from "./identity.ts";
import { newRequest, prove } from "./request.ts";

const day = 86_400_000;

describe("an authority", () => {
  test("signs a request's key under the names it chose itself", async () => {
    const authority = openAuthority(await createAuthority());
    const { request } = await newRequest();
    const signed = await authority.sign(request, { cluster: "eu-1", namespaces: ["shop", "pay"] }, day);
    const read = readCertificate(signed.certificate);
    expect(identityOf(read.names)).toEqual({ cluster: "eu-1", namespaces: ["shop", "pay"] });
    expect(read.serial).toBe(signed.serial);
    expect(read.certificate.checkIssued(readCertificate(authority.certificate).certificate)).toBe(true);
    expect(read.certificate.verify(readCertificate(authority.certificate).certificate.publicKey)).toBe(true);
    expect(isServer(read.names)).toBe(false);
  });

  test("outlives a restart: what it signed before verifies after", async () => {
    const kept = await createAuthority();
    const { request } = await newRequest();
    const { certificate } = await openAuthority(kept).sign(request, { cluster: "a", namespaces: ["*"] }, day);
    const ca = readCertificate(openAuthority(kept).certificate).certificate;
    expect(readCertificate(certificate).certificate.verify(ca.publicKey)).toBe(true);
  });

  test("refuses what is no request, and one whose signature is another's", async () => {
    const authority = openAuthority(await createAuthority());
    await expect(authority.sign("nonsense", { cluster: "a", namespaces: ["*"] }, day)).rejects.toBeInstanceOf(
      RequestInvalid,
    );
    const { request } = await newRequest();
    const body = Buffer.from(request.replace(/-----[^-]+-----|\s/g, ""), "base64");
    body[body.length - 5]! ^= 1;
    const broken = `-----BEGIN CERTIFICATE REQUEST-----\n${body.toString("base64")}\n-----END CERTIFICATE REQUEST-----`;
    await expect(authority.sign(broken, { cluster: "a", namespaces: ["*"] }, day)).rejects.toBeInstanceOf(
      RequestInvalid,
    );
  });

  test("gives the server a certificate of its own", async () => {
    const own = await openAuthority(await createAuthority()).own(day);
    const { names } = readCertificate(own.certificate);
    expect(isServer(names)).toBe(true);
    expect(identityOf(names)).toBeUndefined();
  });
});

describe("an identity", () => {
  test("covers its own keys, and with * every namespace of its cluster, never another cluster", () => {
    const whole = { cluster: "prod", namespaces: ["*"] };
    expect(covers(whole, { namespace: "*", cluster: "prod" })).toBe(true);
    expect(covers(whole, { namespace: "shop", cluster: "prod" })).toBe(true);
    expect(covers(whole, { namespace: "*", cluster: "prod2" })).toBe(false);
    const shop = { cluster: "prod", namespaces: ["shop"] };
    expect(covers(shop, { namespace: "*", cluster: "prod" })).toBe(false);
    expect(covers(shop, { namespace: "pay", cluster: "prod" })).toBe(false);
  });

  test("keeps dots in the cluster's name", () => {
    expect(identityOf("DNS:agent.lizardcd, URI:lizardcd://agent/shop.10.0.0.1")).toEqual({
      cluster: "10.0.0.1",
      namespaces: ["shop"],
    });
  });

  test("is nobody where no name is ours", () => {
    for (const names of [undefined, "", "DNS:example.com", "URI:https://agent/shop.eu", "URI:lizardcd://agent/"]) {
      expect(identityOf(names)).toBeUndefined();
    }
  });
});

test("a proof verifies with the certificate's key alone", async () => {
  const authority = openAuthority(await createAuthority());
  const { key, request } = await newRequest();
  const { certificate } = await authority.sign(request, { cluster: "a", namespaces: ["*"] }, day);
  const proof = Buffer.from(await prove("text", key), "base64");
  const publicKey = readCertificate(certificate).certificate.publicKey;
  const holds = (text: string) =>
    verify("sha256", Buffer.from(text), { key: publicKey, dsaEncoding: "ieee-p1363" }, proof);
  expect(holds("text")).toBe(true);
  expect(holds("other")).toBe(false);
});
