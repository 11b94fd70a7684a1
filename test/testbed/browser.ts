/** A real Chromium, driven by Playwright; it ends with the process that started it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { provide } from "./build.ts";
import { processGroup } from "./processes.ts";
import { untilAlive } from "./wait.ts";

export interface PageOptions {
  /** Viewport in CSS pixels; default 1440 x 900. */
  width?: number;
  height?: number;
  theme?: "light" | "dark";
  /** What the browser asks for in Accept-Language; default English. */
  lang?: "en" | "zh";
  javaScript?: boolean;
  /** Origin for relative addresses: `page.goto("/workloads")`. */
  baseUrl?: string;
  /** Nobody says whom to trust: the address may show any certificate. */
  anyCertificate?: boolean;
}

/** One page in a context (cookies, cache) of its own. */
export interface OpenPage {
  page: Page;
  context: BrowserContext;
  /** Console errors, uncaught exceptions and failed requests so far, one sentence each. */
  problems: string[];
  /** Every address that was asked for, to see that none leaves the server's origin. */
  requests: string[];
  close(): Promise<void>;
}

export interface RealBrowser {
  browser: Browser;
  newPage(options?: PageOptions): Promise<OpenPage>;
  stop(): Promise<void>;
}

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Screenshots of two machines differ less.
  "--force-color-profile=srgb",
  "--hide-scrollbars",
];

export async function startBrowser(): Promise<RealBrowser> {
  const { chromium: program } = await provide("chromium");
  const group = await processGroup({ name: "browser", grace: 0 });
  try {
    const profile = join(group.folder, "profile");
    const running = await group.start({
      name: "chromium",
      command: [program, ...flags, "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"],
      // What it keeps outside of its profile (crash reports, fonts' cache) goes with the group as well.
      env: { ...process.env, HOME: group.folder, TMPDIR: group.folder },
    });
    // Chromium chooses the port and writes it, and the path of its socket, into this file.
    const endpoint = await untilAlive(
      running,
      async () => {
        const [port, path] = readFileSync(join(profile, "DevToolsActivePort"), "utf8").trim().split("\n");
        return port && path && `ws://127.0.0.1:${port}${path}`;
      },
      { what: "Chromium to listen" },
    );
    const browser = await chromium.connectOverCDP(endpoint, { timeout: 60_000 });
    return {
      browser,
      newPage: (options) => newPage(browser, options),
      async stop() {
        await browser.close();
        await group.stop();
      },
    };
  } catch (cause) {
    await group.stop();
    throw cause;
  }
}

async function newPage(browser: Browser, options: PageOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    colorScheme: options.theme ?? "light",
    locale: options.lang === "zh" ? "zh-CN" : "en-US",
    javaScriptEnabled: options.javaScript ?? true,
    baseURL: options.baseUrl,
    reducedMotion: "reduce",
    ignoreHTTPSErrors: options.anyCertificate ?? false,
  });
  const page = await context.newPage();
  const problems: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  page.on("requestfailed", (request) => {
    const why = request.failure()?.errorText ?? "unknown";
    // A page that is left ends its own streams.
    if (why !== "net::ERR_ABORTED") problems.push(`request: ${request.method()} ${request.url()}: ${why}`);
  });
  return { page, context, problems, requests, close: () => context.close() };
}
