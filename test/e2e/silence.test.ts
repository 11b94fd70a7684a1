// What the pages of registries, agents and clusters say, word for word, while a real etcd falls silent, comes back, holds
// what is not ours, and an agent leaves: in a browser, without reloading.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { etcdAnnouncer, etcdSource } from "../../src/discovery/etcd.ts";
import { endAll, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, type StubAgent, startStubAgent } from "../stub-agent.ts";
import { type RealBrowser, startBrowser } from "../testbed/browser.ts";
import { type RealEtcd, startEtcd } from "../testbed/etcd.ts";
import { describePart } from "../testbed/part.ts";
import { mark } from "./browser-world.ts";

describePart(["etcd", "chromium"], "pages that look at a registry", () => {
  let etcd: RealEtcd;
  let browser: RealBrowser;
  let server: TestServer;
  let agent: StubAgent;
  let pages: { registries: Page; agents: Page; fleet: Page };
  let unmoved: (() => Promise<void>)[];
  const leave = new AbortController();
  let left: Promise<void>;

  beforeAll(async () => {
    [etcd, browser] = await Promise.all([startEtcd(), startBrowser()]);
    onEnd(() => etcd.stop());
    onEnd(() => browser.stop());
    server = await startTestServer({ sources: [etcdSource({ hosts: [etcd.endpoint], prefix: "" })] });
    agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web")] });
    onEnd(agent.stop);
    const registration = {
      keys: ["lizardcd-agent.*.eu-1"],
      via: { address: agent.address },
      instance: crypto.randomUUID(),
    };
    left = etcdAnnouncer({ hosts: [etcd.endpoint] }).announce(registration, leave.signal);
    onEnd(() => leave.abort());
    const [registries, agents, fleet] = await Promise.all(["/registries", "/agents", "/fleet"].map(open));
    pages = { registries: registries!, agents: agents!, fleet: fleet! };
    await says(pages.fleet, ".tile", "eu-1");
    unmoved = await Promise.all([registries!, agents!, fleet!].map(mark));
  });
  afterAll(endAll);

  test("while all is well: answers, one entry, just heard; announced and seen are two columns", async () => {
    await says(pages.registries, registry, "Answers", "etcd", "1");
    expect(await heads(pages.registries)).toEqual([
      "State",
      "Name",
      "Kind",
      "Entries",
      "Heard",
      "Last error",
      "Ignored",
    ]);
    await says(pages.agents, agentRow, "Reachable", "lizardcd-agent.*.eu-1", "1 of 1 answers", "etcd", "0.1.0", "none");
    const columns = [
      "State",
      "Key",
      "Instances",
      "Registries",
      "Announced",
      "Seen",
      "Version",
      "Certificate",
      "Actions",
    ];
    expect(await heads(pages.agents)).toEqual(columns);
    expect(await pages.fleet.locator("#registries-menu").count()).toBe(0);
  });

  test("frozen: it is silent, its agent stale, and what the agent itself says goes on", async () => {
    etcd.pause();
    await says(pages.registries, registry, "Silent");
    expect(await cell(pages.registries, registry, "Last error")).toMatch(/\S{10}/);
    await says(pages.agents, agentRow, "Stale", "1 of 1 answers");
    await says(pages.fleet, "#registries-menu", "0 of 1 registry");
    await says(pages.fleet, ".tile", "Reachable");
    // Announced gets old, seen does not.
    await pages.agents.waitForTimeout(4_000);
    const [announced, seen] = await Promise.all(["Announced", "Seen"].map((name) => seconds(pages.agents, name)));
    expect(announced).toBeGreaterThan(seen! + 2);
  });

  test("thawed: it answers again, and its last error stays to be read", async () => {
    etcd.resume();
    await says(pages.registries, registry, "Answers");
    expect(await cell(pages.registries, registry, "Last error")).toMatch(/\S{10}.* ago/s);
    await says(pages.agents, agentRow, "Reachable");
    await pages.fleet.locator("#registries-menu").waitFor({ state: "detached" });
  });

  test("killed and started again: the same, with nothing lost meanwhile", async () => {
    await etcd.kill();
    await says(pages.registries, registry, "Silent", "1");
    await says(pages.agents, agentRow, "Stale");
    await etcd.restart();
    await says(pages.registries, registry, "Answers", "1");
    await says(pages.agents, agentRow, "Reachable");
    await says(pages.fleet, ".tile", "Reachable");
  });

  test("a value that is not ours is counted, and said with its key and why", async () => {
    const stop = new AbortController();
    const bad = { keys: ["lizardcd-agent.*.eu-2"], via: { address: "nonsense" }, instance: crypto.randomUUID() };
    const done = etcdAnnouncer({ hosts: [etcd.endpoint] }).announce(bad, stop.signal);
    await says(pages.registries, registry, "lizardcd-agent.*.eu-2", "not host:port");
    stop.abort();
    await done;
  });

  test("an agent that leaves is lost, and says since when it is announced no longer", async () => {
    leave.abort();
    await left;
    await says(pages.agents, agentRow, "Lost", "no longer announced", "none");
    expect(await cell(pages.agents, agentRow, "Announced")).toBe("no longer");
    await says(pages.fleet, ".tile[data-s=lost]", "eu-1");
    await says(pages.registries, registry, "Answers", "0");
  });

  test("none of the pages was loaded again", async () => {
    for (const check of unmoved) await check();
  });

  async function open(path: string): Promise<Page> {
    const opened = await browser.newPage({ baseUrl: server.url });
    opened.page.setDefaultTimeout(30_000);
    const cookie = { name: "lizardcd_session", value: server.client.token, url: server.url };
    await opened.context.addCookies([{ ...cookie, httpOnly: true, sameSite: "Strict" }]);
    await opened.page.goto(path);
    return opened.page;
  }
});

const registry = '#registry-rows tr[data-c="registry etcd"]';
const agentRow = 'tr[data-c="agent lizardcd-agent.*.eu-1"]';

/** Waits until that element says all of these. */
async function says(page: Page, selector: string, ...words: string[]): Promise<void> {
  let found = page.locator(selector);
  for (const word of words) found = found.filter({ hasText: word });
  try {
    await found.first().waitFor();
  } catch (cause) {
    const said = await page.locator(selector).allTextContents();
    throw new Error(`${words.join(", ")}: not in ${JSON.stringify(said)}`, { cause });
  }
}

function heads(page: Page): Promise<string[]> {
  return page.locator("thead th").evaluateAll((all) => all.map((one) => one.textContent!.trim()));
}

function cell(page: Page, line: string, name: string): Promise<string> {
  return page.locator(`${line} td[data-l="${name}"]`).textContent().then(String);
}

async function seconds(page: Page, name: string): Promise<number> {
  return Number(/(\d+) s/.exec(await cell(page, agentRow, name))?.[1]);
}
