import { afterAll, beforeAll, expect, test } from "bun:test";
import { type RealBrowser, startBrowser } from "./browser.ts";
import { describePart } from "./part.ts";

describePart("chromium", "the real browser", () => {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      if (new URL(request.url).pathname !== "/") return new Response("no such page", { status: 404 });
      const language = request.headers.get("accept-language");
      const script =
        "console.error('broken'); document.title = String(matchMedia('(prefers-color-scheme: dark)').matches)";
      return new Response(`<p>${language}</p><img src="/missing.png"><script>${script}</script>`, {
        headers: { "content-type": "text/html" },
      });
    },
  });
  let browser: RealBrowser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.stop();
    await server.stop(true);
  });

  test("a page has the width, theme and language that were asked for, and its problems are seen", async () => {
    const { page, problems, requests, close } = await browser.newPage({
      width: 390,
      theme: "dark",
      lang: "zh",
      baseUrl: server.url.origin,
    });
    await page.goto("/");
    expect(await page.locator("p").textContent()).toStartWith("zh-CN");
    expect(await page.title()).toBe("true");
    expect(await page.evaluate(() => innerWidth)).toBe(390);
    expect(problems.join("\n")).toContain("broken");
    expect(problems.join("\n")).toContain("404");
    expect(requests).toContain(`${server.url.origin}/missing.png`);
    expect((await page.screenshot()).length).toBeGreaterThan(1000);
    await close();
  });

  test("without JavaScript no script runs", async () => {
    const { page, close } = await browser.newPage({ javaScript: false, baseUrl: server.url.origin });
    await page.goto("/");
    expect(await page.title()).toBe("");
    await close();
  });
});
