// Every page in both themes, both languages, wide and narrow: nothing for axe to complain of, nothing wider than the
// screen, and a picture of each to look at.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { Failed, toFailure } from "../../src/contract/errors.ts";
import { newRequest } from "../../src/trust/request.ts";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, startStubAgent } from "../stub-agent.ts";
import type { OpenPage } from "../testbed/browser.ts";
import { createSelfSigned } from "../testbed/certificates.ts";
import { describePart } from "../testbed/part.ts";
import { type BrowserWorld, expectQuiet, startBrowserWorld } from "./browser-world.ts";
import { temporaryFolder } from "./world.ts";

const shop = "/namespaces/shop/deployments";

interface Shown {
  name: string;
  path: string;
  /** Nobody is logged in. */
  anonymous?: boolean;
  /** On a server without clusters. */
  bare?: boolean;
  /** On a server with HTTPS and a certificate of its own, which enrolls agents. */
  secure?: boolean;
  /** On a server whose clusters are in every state that is no good news. */
  silent?: boolean;
  /** Brings the page where it is to be seen. */
  ready?: (page: Page) => Promise<void>;
  /** The status that is expected. */
  status?: number;
  /** Made of what another page here shows as well. */
  variant?: boolean;
}

const shown: Shown[] = [
  { name: "login", path: "/login", anonymous: true },
  { name: "fleet", path: "/fleet" },
  { name: "fleet-grouped", variant: true, path: "/fleet?group=region" },
  { name: "workloads", path: "/workloads" },
  { name: "workloads-filtered", variant: true, path: "/workloads?cluster=us-1&state=failed&q=web" },
  { name: "workload", path: `/clusters/eu-1${shop}/cart` },
  { name: "workload-failed", path: `/clusters/us-1${shop}/web` },
  {
    name: "workload-set-image",
    variant: true,
    path: `/clusters/eu-1${shop}/cart#set-image`,
    async ready(page) {
      await page.locator("#set-image[open] input[name=image]").fill("registry.example.com/shop/cart:2.1.0");
      await page.locator("#image-preview ins").first().waitFor();
    },
  },
  {
    name: "workload-scale",
    variant: true,
    path: `/clusters/eu-1${shop}/cart#scale`,
    ready: (page) => page.locator("#scale[open]").waitFor(),
  },
  { name: "audit", path: "/audit" },
  { name: "fleet-silent", path: "/fleet", silent: true },
  { name: "agents-silent", path: "/agents", silent: true },
  { name: "agents-gone", path: "/agents?cluster=gone", silent: true },
  { name: "account", path: "/account" },
  { name: "agents", path: "/agents" },
  {
    name: "agents-enrolled",
    variant: true,
    secure: true,
    path: "/agents",
    async ready(page) {
      const form = page.locator("#enroll form");
      await form.locator("input[name=cluster]").fill("eu-2");
      await form.locator("button").click();
      await page.locator("#invitation pre.long").last().scrollIntoViewIfNeeded();
    },
  },
  { name: "registries", path: "/registries" },
  { name: "namespaces", variant: true, path: "/clusters/eu-1/namespaces" },
  { name: "agent", variant: true, path: "/clusters/eu-1/agent" },
  { name: "summary", variant: true, path: "/clusters/us-1/summary" },
  { name: "operations", path: "/operations" },
  { name: "error", path: `/clusters/eu-1${shop}/no-such`, status: 404 },
  { name: "error-agent", variant: true, path: `/clusters/nowhere-1${shop}/web`, status: 404 },
  { name: "empty-fleet", path: "/fleet", bare: true },
  { name: "empty-workloads", variant: true, path: "/workloads", bare: true },
  { name: "no-match", variant: true, path: "/workloads?q=nothing-is-called-so" },
  {
    name: "keys",
    variant: true,
    path: "/workloads",
    async ready(page) {
      await page.keyboard.press("?");
      await page.locator("#keys[open]").waitFor();
    },
  },
];

describePart("chromium", "every page", () => {
  let world: BrowserWorld;
  let empty: TestServer;
  let secured: TestServer;
  let silent: TestServer;
  let axe: string;
  // The next run overwrites them: nobody has to clean up.
  const pictures = join(tmpdir(), "lizardcd-pictures");

  beforeAll(async () => {
    world = await startBrowserWorld();
    empty = await startTestServer();
    secured = await startSecured();
    silent = await startSilent();
    axe = await Bun.file(join(import.meta.dirname, "../../node_modules/axe-core/axe.min.js")).text();
    await mkdir(pictures, { recursive: true });
    console.log(`pictures of every page: ${pictures}`);
    for (const [name, body] of [
      ["catalog/restart", {}],
      ["mailer/scale", { replicas: 2 }],
      ["web/scale", { replicas: 9 }],
    ] as const) {
      await world.server.client.post(`/clusters/eu-1${shop}/${name}`, body);
    }
  });
  afterAll(endAll);

  for (const lang of ["en", "zh"] as const) {
    describe(`${lang}: fits the screen, is legible to all, and asks nobody else:`, () => {
      let mine: OpenPage;
      let stranger: OpenPage;
      let bare: OpenPage;
      let safe: OpenPage;
      let quiet: OpenPage;
      beforeAll(async () => {
        mine = await world.open({ lang });
        stranger = await world.open({ lang, anonymous: true });
        bare = await world.open({ lang, of: empty });
        safe = await world.open({ lang, of: secured, anyCertificate: true });
        quiet = await world.open({ lang, of: silent });
      });
      afterAll(async () => {
        for (const one of [mine, stranger, bare, safe, quiet]) await one.close();
      });

      for (const {
        name,
        path,
        anonymous,
        bare: onEmpty,
        secure,
        silent: unwell,
        ready,
        status = 200,
        variant,
      } of shown) {
        test(name, async () => {
          const { page } = onEmpty ? bare : secure ? safe : unwell ? quiet : anonymous ? stranger : mine;
          const wrong: string[] = [];
          await page.goto("about:blank");
          expect((await page.goto(path))?.status()).toBe(status);
          await ready?.(page);
          for (const [width, height] of [
            [1440, 900],
            [390, 844],
          ] as const) {
            await page.setViewportSize({ width, height });
            for (const theme of ["light", "dark"] as const) {
              await page.emulateMedia({ colorScheme: theme });
              const file = `${name}.${lang}.${theme}.${width}.png`;
              await page.screenshot({ path: join(pictures, file), fullPage: !ready });
              const found = await faults(page);
              // Contrast and names are the same in both languages, and a variant has its page's in the other sizes too.
              const other = (theme === "light") !== (width === 1440);
              if (lang === "en" && !(variant && other)) found.push(...(await violations(page, axe)));
              wrong.push(...found.map((one) => `${theme}, ${width} px: ${one}`));
            }
          }
          expect(wrong).toEqual([]);
        });
      }

      test("no page had an error, and none asked another server", () => {
        // The browser reports the status of the pages that are to have one.
        expectQuiet(mine, world.server, /status of 404/);
        expectQuiet(stranger, world.server);
        expectQuiet(bare, empty);
        expectQuiet(safe, secured);
        expectQuiet(quiet, silent);
      });
    });
  }

  test("axe would see what is wrong", async () => {
    const { page, close } = await world.open();
    // A page without a stream: what does not belong there would be morphed away.
    await page.goto("/account");
    await page.evaluate(() => {
      document.querySelector("h1")!.insertAdjacentHTML("afterend", '<button></button><img src="data:,">');
    });
    expect((await violations(page, axe)).join(" ")).toMatch(/button-name.*image-alt/s);
    await close();
  });
});

/** One whose lines for agents carry its certificate. */
async function startSecured(): Promise<TestServer> {
  const folder = await temporaryFolder();
  const { cert, key } = createSelfSigned(["127.0.0.1"]);
  const tls = { cert: join(folder, "tls.crt"), key: join(folder, "tls.key") };
  await writeFile(tls.cert, cert);
  await writeFile(tls.key, key, { mode: 0o600 });
  return startTestServer({ http: { host: "127.0.0.1", port: 0, tls }, trust: { lifeMs: 86_400_000 } }, { ca: cert });
}

/** One that knows of clusters what is no good news: reading, enrolled and unread, silent, stale, in part missing. */
async function startSilent(): Promise<TestServer> {
  // Enrolled agents and stubs, which speak no TLS, are both called here.
  const server = await startTestServer({ trust: { lifeMs: 86_400_000 }, insecure: true });
  const refused = "its account may not list and watch workloads in the whole cluster, nor in shop";
  const failure = (code: "cluster.refused" | "namespace.not_found", params: object) =>
    toFailure(new Failed(code, params as never));
  const says = {
    reading: { synced: false, workloads: 0, states: {}, worst: [] },
    rightless: { synced: false, failure: failure("cluster.refused", { cluster: "rightless", problem: refused }) },
    stale: { watchAgeMs: 600_000 },
    gone: {},
    well: {},
  };
  for (const [cluster, said] of Object.entries(says)) {
    const agent = await startStubAgent({ cluster, rows: [row(cluster, "web"), row(cluster, "cart")] });
    onEnd(() => agent.stop());
    agent.says = said;
    const withdraw = server.announce(cluster, agent.address);
    if (cluster === "rightless") await enrolled(server, cluster);
    if (cluster !== "gone") continue;
    await inState(server, cluster, "ok");
    await withdraw();
  }
  const part = await startStubAgent({ cluster: "part", rows: [row("part", "web")] });
  onEnd(() => part.stop());
  part.says = { namespace: "shop", info: { scope: ["shop"] } };
  server.announce("part", part.address, "shop");
  const missing = await startStubAgent({ cluster: "part" });
  onEnd(() => missing.stop());
  const none = failure("namespace.not_found", { cluster: "part", namespace: "pay" });
  missing.says = { namespace: "pay", synced: false, failure: none };
  server.announce("part", missing.address, "pay");
  await enrolled(server, "expected");
  for (const [cluster, state] of Object.entries({ rightless: "unknown", reading: "reading", part: "degraded" }))
    await inState(server, cluster, state);
  return server;
}

async function enrolled(server: TestServer, cluster: string): Promise<void> {
  const { request } = await newRequest();
  const body = { token: server.joinToken, cluster, request };
  expect((await server.client.post("/agents/certificates", body)).status).toBe(200);
}

async function inState(server: TestServer, cluster: string, state: string): Promise<void> {
  await eventually(
    () => server.client.get("/fleet"),
    ({ body }) => body.clusters.find(({ name }: { name: string }) => name === cluster)?.state === state,
  );
}

async function violations(page: Page, axe: string): Promise<string[]> {
  // Put in from outside of the page: its policy allows no script of others.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    type Found = { id: string; nodes: { target: string[]; failureSummary?: string }[] };
    const { violations } = await (
      globalThis as never as { axe: { run(): Promise<{ violations: Found[] }> } }
    ).axe.run();
    return violations.map(
      ({ id, nodes }) =>
        `${id} at ${nodes.map(({ target, failureSummary }) => `${target} (${failureSummary})`).join("; ")}`,
    );
  });
}

/** Wider than the screen, or words that were never put in. */
function faults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) {
      const widest = [...document.querySelectorAll("body *")].find(
        (element) => element.getBoundingClientRect().right > clientWidth + 1,
      );
      found.push(`${scrollWidth} px wide, first by ${widest?.outerHTML.slice(0, 200)}`);
    }
    const text = document.body.textContent ?? "";
    for (const word of ["undefined", "NaN", "[object", "null,"])
      if (text.includes(word)) found.push(`the word ${word}`);
    if (/\{\w+\}/.test(text.replace(/\/\{\w+\}/g, ""))) found.push("a place without its value");
    return found;
  });
}
