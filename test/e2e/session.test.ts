// A page whose session ends while it is open: it says so where it stands, stops asking, and leads back after signing in.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { endAll, eventually, login, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, startStubAgent } from "../stub-agent.ts";
import { type RealBrowser, startBrowser } from "../testbed/browser.ts";

let server: TestServer;
let browser: RealBrowser;

beforeAll(async () => {
  server = await startTestServer();
  browser = await startBrowser();
  onEnd(() => browser.stop());
  const agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web")] });
  onEnd(agent.stop);
  server.announce("eu-1", agent.address);
  await eventually(
    () => server.client.get("/workloads"),
    ({ body }) => body.items?.length === 1,
  );
}, 120_000);
afterAll(endAll);

async function signedIn(path: string, lang = "en") {
  const mine = await login(server.url, "admin", server.password);
  const opened = await browser.newPage({ baseUrl: server.url });
  const cookies = { lizardcd_session: mine.token, lang };
  await opened.context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: server.url })));
  const live = opened.page.waitForResponse((response) => new URL(response.url()).pathname.endsWith("/live"));
  await opened.page.goto(path);
  expect((await live).status()).toBe(200);
  return { mine, ...opened };
}

for (const [path, lang, said] of [
  ["/fleet", "en", "The session was logged out. Log in again."],
  ["/workloads?q=web", "en", "The session was logged out. Log in again."],
  ["/agents", "zh", "会话已注销"],
  ["/registries", "en", "The session was logged out. Log in again."],
  ["/clusters/eu-1/namespaces/shop/deployments/web", "en", "The session was logged out. Log in again."],
] as const) {
  test(`${path} in ${lang} says why it moves no more, and asks no more`, async () => {
    const { mine, page, requests } = await signedIn(path, lang);
    const notice = page.locator("#signed-out");
    expect(await notice.isVisible()).toBe(false);
    await mine.post("/logout", {});
    await notice.waitFor();
    expect(await notice.textContent()).toContain(said);
    const asked = requests.length;
    // Longer than the first attempts to connect again would take.
    await Bun.sleep(4_000);
    expect(requests.slice(asked)).toEqual([]);
    expect(await page.locator("#offline").isVisible()).toBe(false);
    await notice.locator("a").click();
    await page.waitForURL(/\/login\?next=/);
    await page.locator("input[name=username]").fill("admin");
    await page.locator("input[name=password]").fill(server.password);
    await page.locator("form[action='/login'] button").click();
    await page.waitForURL(`${server.url}${path}`);
    await page.close();
  }, 60_000);
}
