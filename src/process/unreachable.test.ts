import { expect, test } from "bun:test";
import { unreachable } from "./unreachable.ts";

test("a connection that fails is said without advice, and a CA that is not known by its setting", () => {
  const cases: [said: string, shown: string][] = [
    ["ECONNREFUSED: Unable to connect. Is the computer able to access the url?", "connection refused"],
    [
      "unable to verify the first certificate",
      "unable to verify the first certificate: if that is the server's own, give its CA with --server-ca",
    ],
    ["the socket was closed", "the socket was closed"],
  ];
  for (const [said, shown] of cases) expect(unreachable(said, "server-ca")).toBe(shown);
  expect(unreachable("self signed certificate")).toBe("self signed certificate");
});
