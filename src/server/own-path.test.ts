import { expect, test } from "bun:test";
import { ownPath } from "./own-path.ts";

test("paths of this server stay what they are, written as a header can carry them", () => {
  const paths: [given: string, path: string][] = [
    ["/", "/"],
    ["/fleet?group=region", "/fleet?group=region"],
    ["/workloads?q=caf\u00e9 au lait", "/workloads?q=caf%C3%A9%20au%20lait"],
    ["/workloads?q=%C3%A9&next=//evil.example", "/workloads?q=%C3%A9&next=//evil.example"],
    ["/clusters/eu-1/namespaces/shop/deployments/web#scale", "/clusters/eu-1/namespaces/shop/deployments/web#scale"],
    ["/fleet/../agents", "/agents"],
    ["/a\ud800b", "/a%EF%BF%BDb"],
  ];
  for (const [given, path] of paths) {
    expect([given, ownPath(given)]).toEqual([given, path]);
    expect(() => new Headers({ location: ownPath(given)! })).not.toThrow();
  }
});

test("whatever leads elsewhere is none, however it is written", () => {
  const elsewhere = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n\\evil.example",
    "\t//evil.example",
    "/.//evil.example",
    "/x/..//evil.example",
    "/./\\evil.example",
    "/%2e//evil.example",
    "/a\\..\\b",
    "/\u0000",
    "https://evil.example/",
    "javascript:alert(1)",
    "evil.example",
    "///[",
    "",
    `/${"a".repeat(2_000)}`,
    undefined,
    ["/fleet"],
    7,
  ];
  for (const one of elsewhere) expect([one, ownPath(one)]).toEqual([one, undefined]);
  // As a browser resolves it: what is kept never leaves the origin.
  for (const one of ["/a//evil.example", "/\u3000/evil.example", "/%09/evil.example", "/@evil.example"]) {
    const path = ownPath(one)!;
    expect([one, new URL(path, "https://own.example/login").origin]).toEqual([one, "https://own.example"]);
  }
});
