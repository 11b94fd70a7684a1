// The console in a real browser: what a person does, and what moves by itself while they look.
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { workload } from "../../src/sandbox/seeds.ts";
import { endAll, eventually } from "../harness.ts";
import type { OpenPage } from "../testbed/browser.ts";
import { describePart } from "../testbed/part.ts";
import { type BrowserWorld, expectQuiet, expectWhole, mark, startBrowserWorld } from "./browser-world.ts";

const cart = "/clusters/eu-1/namespaces/shop/deployments/cart";
// A page that the browser kept is shown again without being loaded again.
const kept = { waitUntil: "commit" } as const;
const images = "registry.example.com/shop/cart";

describePart("chromium", "in the browser", () => {
  let world: BrowserWorld;
  const opened: OpenPage[] = [];

  beforeAll(async () => {
    world = await startBrowserWorld();
  });
  // Whatever a test looks at, its console stays silent and its requests stay here.
  afterEach(async () => {
    await world.edge.back();
    for (const one of opened.splice(0)) {
      await one.close();
      expectQuiet(one, world.server, lostOnPurpose);
    }
  });
  afterAll(endAll);

  async function open(options?: Parameters<BrowserWorld["open"]>[0]): Promise<Page> {
    const one = await world.open(options);
    opened.push(one);
    return one.page;
  }
  const ready = (page: Page, text: string) => page.locator("#workload h1 ~ .hint", { hasText: text }).waitFor();
  const state = (page: Page, key: string) => page.locator(`#workload h1 ~ .state .mark[data-s=${key}]`).waitFor();
  const toast = (page: Page, text: string) => page.locator(".toast-note", { hasText: text });
  const row = (page: Page, name: string) => page.locator("#rows > tr", { has: page.getByText(name, { exact: true }) });

  test("from the login over fleet and workloads to one workload", async () => {
    const page = await open({ anonymous: true });
    await page.goto("/workloads?cluster=eu-1");
    expect(new URL(page.url()).pathname).toBe("/login");
    await page.locator("[name=username]").fill("admin");
    await page.locator("[name=password]").fill("wrong");
    await page.keyboard.press("Enter");
    await page.locator("[name=password][aria-invalid=true]").waitFor();
    await page.locator("[name=password]").fill(world.server.password);
    await page.keyboard.press("Enter");
    // Where one wanted to go in the first place.
    await page.waitForURL("/workloads?cluster=eu-1");
    expect((await page.context().cookies()).find(({ name }) => name === "lizardcd_session")?.httpOnly).toBe(true);

    await page.locator(".mainnav a", { hasText: "Fleet" }).click();
    await expectWhole(page, "clusters answer");
    expect(await page.locator(".tile").count()).toBe(3);
    await page.locator(".tile", { hasText: "us-1" }).click();
    await page.waitForURL("/workloads?cluster=us-1");
    await expectWhole(page, "Workloads");
    await page.locator(".mainnav a", { hasText: "Workloads" }).click();
    await page.waitForURL("/workloads");
    for (const cluster of ["eu-1", "us-1", "edge-1"]) await page.locator("#rows", { hasText: cluster }).waitFor();
    await page.locator(`#rows a[href="${cart}"]`).click();
    await page.waitForURL(cart);
    await expectWhole(page, "cart");
    await ready(page, "3 of 3");
  });

  test("restart: a toast, and the rollout moves without reloading; Back is a whole page", async () => {
    const page = await open();
    await page.goto("/workloads");
    await page.locator(`#rows a[href="${cart}"]`).click();
    await page.waitForURL(cart);
    const same = await mark(page);
    const pods = () => page.locator("#workload table tbody th").allTextContents();
    const before = await pods();
    expect(before).toHaveLength(3);
    const states = await shownStates(page);
    await page.locator("[data-key=r]").click();
    await page.locator("#restart[open] .btn-primary").click();
    await toast(page, "Restarting shop/cart in eu-1").waitFor();
    expect(await page.locator("dialog[open]").count()).toBe(0);
    await eventually(pods, (now) => now.length === 3 && now.every((name) => !before.includes(name)));
    await state(page, "ok");
    expect(await states()).toEqual(["ok", "run", "ok"]);
    await same();
    expect(page.url()).toBe(`${world.server.url}${cart}`);
    await page.goBack(kept);
    await expectWhole(page, "Workloads");
    await row(page, "cart").first().waitFor();
    await page.goForward(kept);
    await expectWhole(page, "cart");
    await ready(page, "3 of 3");
  });

  test("scale: the dialog closes, pods come live, Undo takes it back", async () => {
    const page = await open();
    await page.goto("/fleet");
    await page.goto(cart);
    const same = await mark(page);
    await page.locator("[data-key=s]").click();
    const field = page.locator("#scale[open] [name=replicas]");
    expect(await field.inputValue()).toBe("3");
    await field.fill("5");
    await page.locator("#scale .btn-primary").click();
    await toast(page, "Scaled shop/cart in eu-1 to 5").waitFor();
    expect(await page.locator("dialog[open]").count()).toBe(0);
    await ready(page, "5 of 5");
    expect(world.well.sandbox.get("Deployment", "shop", "cart")?.spec.replicas).toBe(5);
    await toast(page, "to 5").getByRole("button", { name: "Undo" }).click();
    await toast(page, "Scaled shop/cart in eu-1 to 3").waitFor();
    expect(await toast(page, "to 5").count()).toBe(0);
    await ready(page, "3 of 3");
    expect(world.well.sandbox.get("Deployment", "shop", "cart")?.spec.replicas).toBe(3);
    await same();
    await page.goBack(kept);
    await expectWhole(page, "clusters answer");
  });

  test("set image: old and new by dry run first, then the rollout; a wrong reference is told at the form", async () => {
    const page = await open();
    await page.goto("/workloads?q=cart");
    await page.locator(`#rows a[href="${cart}"]`).click();
    await page.waitForURL(cart);
    const same = await mark(page);
    await page.locator("[data-key=i]").click();
    const field = page.locator("#set-image[open] [name=image]").first();
    await field.fill("Not An Image");
    await page.locator("#image-preview", { hasText: "image reference" }).waitFor();
    await field.fill(`${images}:2.1.0`);
    await page.locator("#image-preview ins", { hasText: `${images}:2.1.0` }).waitFor();
    await page.locator("#image-preview del", { hasText: `${images}:2.0.7` }).waitFor();
    const imageNow = () =>
      world.well.sandbox.get("Deployment", "shop", "cart")?.spec.template.spec.containers[0].image as string;
    expect(imageNow()).toBe(`${images}:2.0.7`);
    await page.getByRole("button", { name: "Set image to 2.1.0" }).click();
    await toast(page, "Set the image of shop/cart").waitFor();
    expect(imageNow()).toBe(`${images}:2.1.0`);
    await page.locator(".container-fact, aside", { hasText: ":2.1.0" }).first().waitFor();
    await state(page, "ok");
    await ready(page, "3 of 3");
    await same();
    await page.goBack(kept);
    await page.waitForURL("/workloads?q=cart");
    await expectWhole(page, "Workloads");
    await row(page, "cart").first().waitFor();
  });

  test("a dry run that somebody overtook is refused, and says what is there now", async () => {
    const page = await open();
    const path = "/clusters/eu-1/namespaces/shop/deployments/mailer";
    const image = "registry.example.com/shop/mailer";
    await page.goto(path);
    await page.locator("[data-key=i]").click();
    await page.locator("#set-image[open] [name=image]").first().fill(`${image}:1.1.0`);
    await page.locator("#image-preview ins").first().waitFor();
    await world.server.client.post(`${path}/image`, { image: `${image}:9.9.9` });
    await page.getByRole("button", { name: "Set image to 1.1.0" }).click();
    await page.locator("#failure .callout", { hasText: "9.9.9 by now" }).waitFor();
    const spec = world.well.sandbox.get("Deployment", "shop", "mailer")?.spec;
    expect(spec.template.spec.containers[0].image).toBe(`${image}:9.9.9`);
  });

  test("what an autoscaler owns says so, on the page and where one scales", async () => {
    const page = await open();
    await page.goto("/clusters/eu-1/namespaces/shop/deployments/web");
    await page.locator("aside", { hasText: "HPA web owns the replicas: 3 to 10" }).waitFor();
    await page.keyboard.press("s");
    await page.locator("#scale[open]", { hasText: "0 switches it off" }).waitFor();
  });

  test("filters are in the URL; a copied URL shows the same view; Back undoes each", async () => {
    const page = await open();
    await page.goto("/workloads");
    const shown = () => page.locator("#rows > tr[data-k] th").allTextContents();
    const all = (await shown()).length;
    await page.locator("#wl-states a", { hasText: "Failed" }).click();
    await page.waitForURL("/workloads?state=failed");
    await eventually(shown, (names) => names.length < all && names.includes("web"));
    expect(await page.locator("#rows > tr[data-k]:not([data-k=failed])").count()).toBe(0);
    await page.locator("#q").fill("web");
    await page.waitForURL(/q=web/);
    await eventually(shown, (names) => names.join() === "web");
    await expectWhole(page, "Workloads");

    const copied = page.url();
    const other = await open();
    await other.goto(copied);
    await row(other, "web").waitFor();
    expect(await other.locator("#rows > tr[data-k] th").allTextContents()).toEqual(["web"]);
    expect(await other.locator("#q").inputValue()).toBe("web");

    await page.goBack(kept);
    await page.waitForURL("/workloads");
    await expectWhole(page, "Workloads");
    await eventually(shown, (names) => names.length === all);
    await page.locator("#rows a", { hasText: "us-1" }).first().click();
    await page.waitForURL("/workloads?cluster=us-1");
    await expectWhole(page, "Workloads");
  });

  test("a workload that begins to fail is there by itself: row, count, fleet", async () => {
    const list = await open();
    await list.goto("/workloads?cluster=eu-1");
    const fleet = await open();
    await fleet.goto("/fleet");
    const page = await open();
    await page.goto("/clusters/eu-1/namespaces/media/deployments/uploads");
    await row(list, "uploads").waitFor();
    await fleet.locator(".tile[data-s=ok]", { hasText: "eu-1" }).waitFor();
    const same = await Promise.all([list, fleet, page].map(mark));

    world.well.sandbox.apply(workload("media", "newcomer", { replicas: 2, image: "media/newcomer:missing-1.0" }));
    world.well.sandbox.apply(workload("media", "uploads", { replicas: 2, image: "media/uploads:crash-3.0" }));
    await row(list, "newcomer").locator(":scope", { hasText: "Failed" }).waitFor();
    await list.locator("#wl-states a", { hasText: "Failed" }).waitFor();
    await fleet.locator("#attention", { hasText: "media/newcomer" }).waitFor();
    await fleet.locator(".tile[data-s=degraded]", { hasText: "eu-1" }).waitFor();
    await page.locator("#workload .callout", { hasText: "crash" }).waitFor();
    await state(page, "degraded");

    world.well.sandbox.apply(workload("media", "uploads", { replicas: 2, image: "media/uploads:2.5.6" }));
    world.well.sandbox.apply(workload("media", "newcomer", { replicas: 2, image: "media/newcomer:1.1" }));
    await state(page, "ok");
    await row(list, "newcomer").locator(":scope", { hasText: "Healthy" }).waitFor();
    await fleet.locator(".tile[data-s=ok]", { hasText: "eu-1" }).waitFor();
    for (const check of same) await check();
  });

  test("a cluster whose agent is lost is never green, and comes back by itself", async () => {
    const fleet = await open();
    await fleet.goto("/fleet");
    const list = await open();
    await list.goto("/workloads?cluster=edge-1");
    const page = await open();
    await page.goto("/clusters/edge-1/namespaces/edge/deployments/gateway");
    await row(list, "gateway").waitFor();
    await ready(page, "2 of 2");
    const same = await Promise.all([fleet, list, page].map(mark));

    await world.edge.lose();
    const tile = fleet.locator(".tile", { hasText: "edge-1" });
    await fleet.locator(".tile[data-s=lost]", { hasText: "edge-1" }).waitFor();
    expect(await tile.locator("rect.f-ok, [data-s=ok], [data-s=reach]").count()).toBe(0);
    expect(await tile.textContent()).toContain("?/");
    await fleet.locator("#attention", { hasText: "edge-1" }).waitFor();
    await page.locator("#workload .callout[data-s=lost]").waitFor();
    expect(await page.locator("#workload [data-s=ok], #workload .f-ok, #workload [data-key]").count()).toBe(0);
    await list.locator("#rows tr[data-k=lost]", { hasText: "edge-1" }).first().waitFor();
    expect(await list.locator("#rows tr[data-k=ok]").count()).toBe(0);

    await world.edge.back();
    await fleet.locator(".tile[data-s=ok]", { hasText: "edge-1" }).waitFor();
    await ready(page, "2 of 2");
    await state(page, "ok");
    await row(list, "gateway").locator(":scope", { hasText: "Healthy" }).waitFor();
    for (const check of same) await check();
  });

  test("a script that is late does not keep the page from being live", async () => {
    for (const late of ["hx-sse", "htmx", "client"]) {
      const page = await open();
      await page.route(`**/assets/${late}.js*`, async (route) => {
        await Bun.sleep(1_000);
        await route.continue();
      });
      const stream = page.waitForRequest(/\/fleet\/live/);
      await page.goto("/fleet");
      await stream;
    }
  });

  test("the keyboard is enough", async () => {
    const page = await open();
    await page.goto("/fleet");
    await page.keyboard.press("?");
    await page.locator("#keys[open]").waitFor();
    await page.keyboard.press("Escape");
    expect(await page.locator("dialog[open]").count()).toBe(0);
    await page.keyboard.press("g");
    await page.keyboard.press("w");
    await page.waitForURL("/workloads");
    await row(page, "cart").first().waitFor();
    await page.keyboard.press("/");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("q");
    await page.keyboard.type("gateway jj");
    await page.locator("#rows .none").waitFor();
    await page.locator("#q").fill("recommendations");
    await eventually(
      () => page.locator("#rows > tr[data-k]").count(),
      (count) => count === 1,
    );
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.locator("#rows tr.cur", { hasText: "recommendations" }).waitFor();
    await page.keyboard.press("r");
    await page.waitForURL(/deployments\/recommendations$/);
    await page.locator("#restart[open]").waitFor();
    await page.keyboard.press("Enter");
    await toast(page, "Restarting shop/recommendations").waitFor();
    await page.keyboard.press("s");
    await page.locator("#scale[open]").waitFor();
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement)?.name)).toBe("replicas");
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("u");
    await page.waitForURL("/audit");
    await page.keyboard.press("g");
    await page.keyboard.press("f");
    await page.waitForURL("/fleet");
  });

  test("what changes a running workload asks first: Enter confirms, Escape and Back leave it as it is", async () => {
    const page = await open();
    const there = "/clusters/eu-1/namespaces/shop/deployments/recommendations";
    await page.goto("/workloads?q=recommendations&cluster=eu-1");
    await page.locator(`#rows a[href="${there}"]`).click();
    await page.waitForURL(there);
    const same = await mark(page);
    const writes: string[] = [];
    page.on("request", (request) => request.method() === "POST" && writes.push(request.url()));
    const dialogs = page.locator("dialog[open]");
    for (const [open, id] of [
      ["r", "restart"],
      ["s", "scale"],
      ["i", "set-image"],
      ["?", "keys"],
    ] as const) {
      await page.keyboard.press(open);
      await page.locator(`#${id}[open]`).waitFor();
      await page.goBack(kept);
      await eventually(
        () => dialogs.count(),
        (count) => count === 0,
      );
      await page.goForward(kept);
      await page.locator(`#${id}[open]`).waitFor();
      await page.keyboard.press("Escape");
      await eventually(
        () => page.evaluate(() => history.state?.dialog),
        (dialog) => dialog === undefined,
      );
      expect(new URL(page.url()).pathname).toBe(there);
      await same();
    }
    expect(writes).toEqual([]);

    await page.getByRole("button", { name: "Pause" }).first().click();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Pause");
    await page.keyboard.press("Enter");
    await toast(page, "Paused the rollouts").waitFor();
    expect(world.well.sandbox.get("Deployment", "shop", "recommendations")?.spec.paused).toBe(true);
    await page.locator("[command=show-modal][commandfor=resume]").click();
    await page.keyboard.press("Enter");
    await toast(page, "Resumed the rollouts").waitFor();
    expect(world.well.sandbox.get("Deployment", "shop", "recommendations")?.spec.paused).toBeFalsy();
    expect(writes).toHaveLength(2);
    // Back from a page whose dialog is closed leaves the page.
    await page.goBack(kept);
    await page.waitForURL(/\/workloads/);
  });

  test("a form that the server does not answer says so beside its button and keeps what it holds", async () => {
    for (const answer of ["none", "a proxy's"]) {
      const page = await open();
      await page.goto(cart);
      await page.route("**/deployments/cart/*", (route) =>
        route.request().method() !== "POST"
          ? route.fallback()
          : answer === "none"
            ? route.abort("connectionrefused")
            : route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }),
      );
      await page.keyboard.press("s");
      const field = page.locator("#scale[open] [name=replicas]");
      await field.fill("7");
      await page.keyboard.press("Enter");
      await page.locator("#scale[open] .unsent", { hasText: "The server did not answer." }).waitFor();
      expect(await field.inputValue()).toBe("7");
      expect(await page.locator("body", { hasText: "Bad Gateway" }).count()).toBe(0);
      expect(world.well.sandbox.get("Deployment", "shop", "cart")?.spec.replicas).toBe(3);
      // It answers again: the same press does it, and the note is gone.
      await page.unroute("**/deployments/cart/*");
      await field.fill("3");
      await page.locator("#scale .btn-primary").click();
      await toast(page, "Scaled shop/cart").waitFor();
      expect(await page.locator(".unsent").count()).toBe(0);
    }
  });

  test("reasons in lists and events stand beside what they explain, and on a phone containers stand above events", async () => {
    for (const width of [1440, 390]) {
      const page = await open({ width, height: 900 });
      await page.goto("/workloads?cluster=us-1&state=failed&state=degraded");
      await page.locator("#rows > tr[data-k] > :nth-child(6)", { hasText: /\w/ }).first().waitFor();
      await page.locator("#rows > tr[data-k] th a").first().click();
      await page.waitForURL(/\/clusters\/us-1\//);
      await page.locator("#h-ev").waitFor();
      // A reason of Kubernetes is one long word.
      await page.evaluate(() => {
        const text = document.createTreeWalker(document.querySelector("section:has(#h-ev) .cond > b")!, 4).nextNode()!;
        text.nodeValue = "FailedToRetrieveImagePullSecretsOfTheServiceAccount";
      });
      const over = await page.evaluate(
        () =>
          [...document.querySelectorAll<HTMLElement>(".cond > b")].filter((one) => one.scrollWidth > one.clientWidth)
            .length,
      );
      expect(over).toBe(0);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      const top = async (id: string) => (await page.locator(id).boundingBox())!.y;
      if (width === 390) expect(await top("#h-c")).toBeLessThan(await top("#h-ev"));
    }
  });

  test("k goes up again, and j stops at the end", async () => {
    const page = await open();
    await page.goto("/workloads?cluster=edge-1&sort=name");
    const at = () => page.locator("#rows tr.cur th").textContent();
    const names = await page.locator("#rows > tr[data-k] th").allTextContents();
    await page.keyboard.press("j");
    expect(await at()).toBe(names[0]!);
    await page.keyboard.press("j");
    expect(await at()).toBe(names[1]!);
    await page.keyboard.press("k");
    await page.keyboard.press("k");
    expect(await at()).toBe(names[0]!);
    for (const _ of names) await page.keyboard.press("j");
    expect(await at()).toBe(names.at(-1)!);
    expect(await page.locator("#rows tr.cur").count()).toBe(1);
  });

  test("actions of a row are under the pointer", async () => {
    const page = await open();
    await page.goto("/workloads?q=catalog&cluster=eu-1");
    await row(page, "catalog").hover();
    // Also when the row is replaced meanwhile.
    await page.waitForTimeout(500);
    await row(page, "catalog").getByRole("link", { name: "Restart: catalog" }).click();
    await page.waitForURL(/deployments\/catalog$/);
    await page.locator("#restart[open] .btn-primary").click();
    await toast(page, "Restarting shop/catalog in eu-1").waitFor();
  });

  test("theme and language are chosen in the menu and stay", async () => {
    const page = await open({ theme: "light" });
    await page.goto("/workloads?cluster=eu-1");
    await page.locator("header details.menu summary").click();
    await page.getByRole("button", { name: "Dark" }).click();
    await page.locator("html[data-theme=dark]").waitFor();
    expect(page.url()).toEndWith("/workloads?cluster=eu-1");
    await page.locator("header details.menu summary").click();
    await page.getByRole("button", { name: "简体中文" }).click();
    await page.locator("html[lang=zh-CN][data-theme=dark]").waitFor();
    await expectWhole(page, "工作负载");
    await page.goto("/fleet");
    await page.locator("html[lang=zh-CN][data-theme=dark]").waitFor();
  });

  test("the end of the session leads to the login and back to where one was", async () => {
    const page = await open({ anonymous: true });
    await page.goto("/login");
    await page.locator("[name=username]").fill("admin");
    await page.locator("[name=password]").fill(world.server.password);
    await page.keyboard.press("Enter");
    await page.waitForURL("/fleet");
    await page.locator("header details.menu summary").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(/\/login/);
    // The page before shows nothing of what it showed.
    await page.goBack(kept);
    await page.waitForURL(/\/login/);
    expect(await page.locator(".tile").count()).toBe(0);
  });
});

/** Every state that the workload has shown since, one after the other: some last no longer than a look. */
async function shownStates(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const seen: string[] = [];
    const look = () => {
      const now = document.querySelector<SVGElement>("#workload h1 ~ .state .mark")?.dataset.s ?? "none";
      if (seen.at(-1) !== now) seen.push(now);
      document.documentElement.dataset.seen = seen.join(" ");
    };
    look();
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
  return async () => (await page.locator("html").getAttribute("data-seen"))!.split(" ");
}

// A stream ends with the server's word for it when its agent is gone; the browser says so in its console.
const lostOnPurpose =
  /status of (400|401|409|503)|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_REFUSED|htmx:error: Failed to fetch|status of 502/;
