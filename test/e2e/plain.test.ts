// The same console without JavaScript: what is read is there, and what is done is done by forms.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { endAll } from "../harness.ts";
import type { OpenPage } from "../testbed/browser.ts";
import { describePart } from "../testbed/part.ts";
import { type BrowserWorld, expectQuiet, expectWhole, startBrowserWorld } from "./browser-world.ts";

// A page that the browser kept is shown again without being loaded again.
const kept = { waitUntil: "commit" } as const;
const cart = "/clusters/eu-1/namespaces/shop/deployments/cart";

describePart("chromium", "without JavaScript", () => {
  let world: BrowserWorld;
  let opened: OpenPage;
  let page: Page;

  beforeAll(async () => {
    world = await startBrowserWorld();
    opened = await world.open({ javaScript: false, anonymous: true });
    page = opened.page;
  });
  afterAll(endAll);

  const spec = () => world.well.sandbox.get("Deployment", "shop", "cart")?.spec;

  test("one logs in and reads", async () => {
    await page.goto("/fleet");
    await page.locator("[name=username]").fill("admin");
    await page.locator("[name=password]").fill(world.server.password);
    await page.keyboard.press("Enter");
    await page.waitForURL("/fleet");
    await expectWhole(page, "clusters answer");
    expect(await page.locator(".tile").count()).toBe(3);
    await page.locator("header [name=q]").fill("cart");
    await page.keyboard.press("Enter");
    await page.waitForURL("/workloads?q=cart");
    expect(await page.locator("#rows > tr[data-k]").count()).toBe(2);
    await page.locator("#q").fill("cart:2");
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=cart%3A2/);
    await page.locator(`#rows a[href="${cart}"]`).click();
    await page.waitForURL(cart);
    await expectWhole(page, "cart");
    expect(await page.locator("#workload table tbody tr").count()).toBe(3);
    // Nothing is offered that would do nothing.
    for (const one of await page.locator(".js").all()) expect(await one.isVisible()).toBe(false);
  });

  test("how a cluster is added opens by its link", async () => {
    await page.goto("/fleet");
    await page.getByRole("link", { name: "Add cluster" }).click();
    await page.locator("#add-cluster[open] .cmd").first().waitFor();
  });

  test("one restarts", async () => {
    await page.goto(cart);
    await page.getByRole("button", { name: "Restart" }).first().click();
    expect(spec()!.template.metadata?.annotations?.["kubectl.kubernetes.io/restartedAt"]).toBeUndefined();
    await page.locator("#restart[open] .btn-primary").click();
    await page.waitForURL(`${cart}?done=restart`);
    await page.locator(".callout[data-s=ok]", { hasText: "shop/cart" }).waitFor();
    await expectWhole(page, "cart");
    const { annotations } = spec()!.template.metadata;
    expect(Date.parse(annotations["kubectl.kubernetes.io/restartedAt"])).toBeGreaterThan(Date.now() - 60_000);
    await page.goBack(kept);
    await expectWhole(page, "cart");
  });

  test("one scales in a dialog that the browser opens", async () => {
    await page.goto(cart);
    await page.getByRole("button", { name: "Scale" }).first().click();
    const field = page.locator("#scale[open] [name=replicas]");
    await field.fill("4");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${cart}?done=scale`);
    await page.locator(".callout[data-s=ok]", { hasText: "shop/cart" }).waitFor();
    expect(spec()!.replicas).toBe(4);
  });

  test("one sets an image, over a page that shows what will change", async () => {
    await page.goto(cart);
    await page.getByRole("button", { name: "Set image" }).first().click();
    await page.locator("#set-image[open] [name=image]").fill("registry.example.com/shop/cart:2.2.0");
    await page.getByRole("button", { name: "Show what changes" }).click();
    await page.waitForURL(`${cart}/image`);
    await expectWhole(page, "Set image");
    await page.locator("ins", { hasText: "cart:2.2.0" }).waitFor();
    expect(spec()!.template.spec.containers[0].image).toEndWith("cart:2.0.7");
    await page.getByRole("button", { name: "Set image to 2.2.0" }).click();
    await page.waitForURL(`${cart}?done=setImage`);
    expect(spec()!.template.spec.containers[0].image).toEndWith("cart:2.2.0");
  });

  test("what is wrong is said on a whole page", async () => {
    await page.goto(cart);
    await page.getByRole("button", { name: "Set image" }).first().click();
    await page.locator("#set-image[open] [name=image]").fill("Not An Image");
    await page.getByRole("button", { name: "Show what changes" }).click();
    await page.getByText("image reference").first().waitFor();
    await expectWhole(page, "");
    await page.goto("/workloads?state=purple");
    await page.getByText("purple").first().waitFor();
    await expectWhole(page, "");
  });

  test("one signs out, and the console was silent", async () => {
    await page.goto("/fleet");
    await page.locator("header details.menu summary").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("/login");
    await page.goto("/fleet");
    expect(new URL(page.url()).pathname).toBe("/login");
    expectQuiet(opened, world.server, /status of 400/);
  });
});
