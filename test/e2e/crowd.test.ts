// More clusters than one looks at: found by typing, by state and page by page, in a browser.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, type StubAgent, startStubAgent } from "../stub-agent.ts";
import { type OpenPage, type RealBrowser, startBrowser } from "../testbed/browser.ts";
import { describePart } from "../testbed/part.ts";
import { expectQuiet } from "./browser-world.ts";

describePart("chromium", "a crowd of clusters", () => {
  let browser: RealBrowser;
  let server: TestServer;
  let ill: StubAgent;
  let opened: OpenPage;
  let page: Page;

  beforeAll(async () => {
    browser = await startBrowser();
    onEnd(() => browser.stop());
    server = await startTestServer();
    const well = await startStubAgent({ rows: [row("any", "web")], labels: { region: "eu" } });
    ill = await startStubAgent({ rows: [row("ill", "web", { state: "failed", ready: 0 })] });
    for (const agent of [well, ill]) onEnd(agent.stop);
    for (let number = 0; number < 60; number++) server.announce(`c-${number}`, well.address);
    for (let number = 0; number < 3; number++) server.announce(`ill-${number}`, ill.address);
    await eventually(
      () => server.client.get("/fleet?limit=1"),
      ({ body }) => body.states.ok === 60 && body.states.degraded === 3,
    );
    opened = await browser.newPage({ baseUrl: server.url });
    page = opened.page;
    const cookie = { name: "lizardcd_session", value: server.client.token, url: server.url };
    await opened.context.addCookies([{ ...cookie, httpOnly: true, sameSite: "Strict" }]);
  });
  afterAll(endAll);

  const tiles = () => page.locator(".tile strong").allTextContents();
  const shows = (count: number) => eventually(tiles, (names) => names.length === count);

  test("what one types finds clusters at once, stands in the address, and the stream follows it", async () => {
    await page.goto("/fleet");
    await shows(63);
    const followed = page.waitForRequest((request) => request.url().endsWith("/fleet/live?q=c-1"));
    await page.keyboard.press("/");
    await page.keyboard.type("c-1");
    expect(await shows(11)).toContain("c-19");
    await followed;
    expect(page.url()).toEndWith("/fleet?q=c-1");
    expect(await page.locator("#q").inputValue()).toBe("c-1");
    // The stream's first message leaves what is shown and typed.
    await page.waitForTimeout(700);
    expect((await tiles()).length).toBe(11);
    await page.locator("#q").fill("");
    await shows(63);
    expect(page.url()).toEndWith("/fleet");
  });

  test("a state lists its clusters, and Back leads to all", async () => {
    await page.locator("#fleet-states a", { hasText: "Degraded" }).click();
    expect((await shows(3)).sort()).toEqual(["ill-0", "ill-1", "ill-2"]);
    expect(page.url()).toEndWith("/fleet?state=degraded");
    await page.goBack();
    await shows(63);
  });

  test("page by page: those that need somebody first, and each once", async () => {
    await page.goto("/fleet?limit=40");
    const first = await shows(40);
    expect(first.slice(0, 3)).toEqual(["ill-0", "ill-1", "ill-2"]);
    await page.getByText("40 of 63 shown").waitFor();
    await page.locator("#fleet-rest a[rel=next]").click();
    const second = await shows(23);
    expect(new Set([...first, ...second]).size).toBe(63);
    await page.locator("#fleet-rest a", { hasText: "First" }).click();
    await shows(40);
  });

  test("agents are found by their keys, and what one looked for is kept by a reload", async () => {
    await page.goto("/agents");
    await page.locator("#q").fill("ill-2");
    const keys = () => page.locator("#agents th").allTextContents();
    await eventually(keys, (all) => all.length === 1 && all[0]!.includes("ill-2"));
    await page.reload();
    expect(await keys()).toHaveLength(1);
    await page.locator("#q").fill("nothing is called so");
    await page.getByText("Nothing matches these filters").waitFor();
    await page.getByText("Clear all").click();
    await eventually(keys, (all) => all.length === 63);
  });

  test("nothing went wrong in the browser", () => expectQuiet(opened, server));
});
