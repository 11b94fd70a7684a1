// A browser before a server with three simulated clusters: one that is well, one that is not, one that can be lost.
import { expect } from "bun:test";
import type { Page } from "playwright-core";
import { calm, roaming, stormy } from "../../src/sandbox/seeds.ts";
import { eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { type OpenPage, type PageOptions, type RealBrowser, startBrowser } from "../testbed/browser.ts";
import { type SimulatedCluster, startSimulated } from "./world.ts";

export interface BrowserWorld {
  server: TestServer;
  browser: RealBrowser;
  well: SimulatedCluster;
  ill: SimulatedCluster;
  edge: SimulatedCluster;
  /** A page of somebody who is logged in, unless told otherwise; `of` another server than this one. */
  open(options?: PageOptions & { anonymous?: boolean; of?: TestServer }): Promise<OpenPage>;
}

export async function startBrowserWorld(): Promise<BrowserWorld> {
  const server = await startTestServer();
  const [browser, well, ill, edge] = await Promise.all([
    startBrowser(),
    startSimulated(server, "eu-1", { seed: calm, speed: 2, labels: { env: "prod", region: "eu" } }),
    startSimulated(server, "us-1", {
      seed: { ...stormy, traffic: undefined },
      // Its progress deadline is a minute.
      speed: 12,
      labels: { env: "prod", region: "us" },
    }),
    startSimulated(server, "edge-1", {
      seed: { ...roaming, traffic: undefined },
      speed: 4,
      labels: { env: "edge", region: "eu" },
    }),
  ]);
  onEnd(() => browser.stop());
  // A rollout has had its time, and a container has crashed more than once.
  await eventually(
    () => server.client.get("/workloads?cluster=us-1&state=failed&state=degraded"),
    ({ body }) =>
      ["web", "checkout", "feed-importer"].every((name) => JSON.stringify(body.items).includes(`"${name}"`)),
  );
  return {
    ...{ server, browser, well, ill, edge },
    async open({ anonymous, of = server, ...options } = {}) {
      const opened = await browser.newPage({ baseUrl: of.url, ...options });
      opened.page.setDefaultTimeout(45_000);
      if (!anonymous) {
        const secure = of.url.startsWith("https:");
        const name = secure ? "__Host-lizardcd_session" : "lizardcd_session";
        const cookie = { name, value: of.client.token, url: of.url, secure };
        await opened.context.addCookies([{ ...cookie, httpOnly: true, sameSite: "Strict" }]);
      }
      return opened;
    },
  };
}

/** Nothing went wrong in the browser, and nothing was asked of another server. */
export function expectQuiet({ problems, requests }: OpenPage, server: TestServer, but?: RegExp): void {
  expect(problems.filter((problem) => !but?.test(problem))).toEqual([]);
  expect(requests.filter((url) => !url.startsWith(`${server.url}/`) && !url.startsWith("data:"))).toEqual([]);
}

/** Marks the document, so that a reload is noticed. */
export async function mark(page: Page): Promise<() => Promise<void>> {
  await page.evaluate(() => {
    document.documentElement.dataset.marked = "yes";
  });
  return async () => expect(await page.locator("html").getAttribute("data-marked")).toBe("yes");
}

/** A whole page of ours and no fragment. */
export async function expectWhole(page: Page, title: string): Promise<void> {
  await page.locator("header.top .brand").waitFor();
  await page.locator("h1", { hasText: title }).first().waitFor();
  expect(await page.locator("html").getAttribute("lang")).toMatch(/^(en|zh-CN)$/);
  expect(await page.locator("header.top").count()).toBe(1);
}
