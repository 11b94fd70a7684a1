// What every page says whoever stands at the door, also before anybody has signed in.
import { afterEach, expect, test } from "bun:test";
import { client, endAll, startTestServer } from "../../test/harness.ts";
import { loginPage } from "../views/login.tsx";

afterEach(endAll);

const agents = "Agents may be called without encryption (--insecure).";
const people = "This server listens without TLS.";
const pages = ["/fleet", "/agents", "/workloads", "/registries", "/audit", "/account", "/operations", "/nowhere"];

test("a server that is --insecure says so on every page, to whoever is not signed in too; another says nothing", async () => {
  for (const insecure of [true, false]) {
    const server = await startTestServer({ insecure, trust: { lifeMs: 86_400_000 } });
    const nobody = client(server.url, "");
    for (const [who, path] of [...pages.map((page) => [server.client, page] as const), [nobody, "/login"] as const]) {
      const { body } = await who.page(path);
      expect([path, body.includes("<html"), body.includes(agents)]).toEqual([path, true, insecure]);
      // The machine's own address is nobody else's.
      expect([path, body.includes(people)]).toEqual([path, false]);
    }
  }
});

test("where the server can be reached without TLS, the login says so before a password is typed", () => {
  const ctx = { lang: "en", path: "/login", simulated: false, now: 0, version: "" } as const;
  for (const insecure of [true, false]) expect(loginPage({ ...ctx, insecure }).includes(people)).toBe(insecure);
});
