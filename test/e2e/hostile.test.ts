// What comes from a cluster is text, whatever it says: in every page, every stream and in a terminal.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { startBrowser } from "../testbed/browser.ts";
import { describePart } from "../testbed/part.ts";
import { expectQuiet } from "./browser-world.ts";
import { failingName, failureCodes, harmless, poison, startHostileAgent, workloadNames } from "./hostile.ts";
import { type Cli, newCli } from "./world.ts";

const cluster = "evil-1";
const at = (name: string) => `/clusters/${cluster}/namespaces/shop/deployments/${name}`;
const partial = { "hx-request": "true", "hx-request-type": "partial" };

let server: TestServer;
let cli: Cli;

beforeAll(async () => {
  server = await startTestServer();
  server.announce(cluster, (await startHostileAgent(cluster)).address);
  server.announce("dead-1", "127.0.0.1:1");
  await eventually(
    () => server.client.get("/fleet"),
    ({ body }) => body.clusters.length === 2 && body.clusters[1].workloads > 0,
  );
  cli = await newCli();
  await cli(["login", server.url, "-u", "admin", "--password-stdin"], server.password);
});
afterAll(endAll);

test("what is looked for would be found", async () => {
  const found = (await alive(`<p>${poison("p")}</p><a href="javascript:x">`)).join(" ");
  for (const part of ["<img>", "onerror", "<script>", "character 1b", "character 202e", "javascript:", "0"]) {
    expect(found).toContain(part);
  }
  expect(poison("p")).toMatch(obeyed);
});

for (const lang of ["en", "zh"]) {
  describe(`in ${lang}, nothing planted comes alive in`, () => {
    const page = (path: string, headers: Record<string, string> = {}) =>
      server.client.page(path, { headers: { "accept-language": lang, ...headers } });
    const posted = (path: string, form: Record<string, string>, headers = {}) =>
      server.client.page(path, { form, headers: { "accept-language": lang, ...headers } });

    for (const [what, path] of [
      ["the fleet", "/fleet"],
      ["the fleet by a label", `/fleet?group=${encodeURIComponent(poison("key").slice(0, 60))}`],
      ["the workloads", "/workloads"],
      ["the workloads, filtered by poison", `/workloads?q=${encodeURIComponent(poison("q").slice(0, 250))}`],
      ["a path that is not there", `/${encodeURIComponent(poison("path"))}`],
    ] as const) {
      test(what, async () => {
        for (const headers of [undefined, partial]) expect(await alive((await page(path, headers)).body)).toEqual([]);
      });
    }

    test("the pages that list what came from clusters, which do show it", async () => {
      for (const path of ["/fleet", "/workloads"]) expect((await page(path)).body).toContain(harmless);
    });

    test("the page of a workload, for every reason", async () => {
      for (const name of workloadNames) {
        const { status, body } = await page(at(name));
        expect([name, status, body.includes(harmless)]).toEqual([name, 200, true]);
        expect([name, await alive(body)]).toEqual([name, []]);
      }
    });

    test("the page of every failure", async () => {
      for (const code of failureCodes) {
        const { status, body } = await page(at(failingName(code)));
        expect([code, status !== 200, await alive(body)]).toEqual([code, true, []]);
        const fragment = await page(at(failingName(code)), partial);
        expect([code, await alive(fragment.body)]).toEqual([code, []]);
      }
    });

    test("what is said after a write, and before it", async () => {
      for (const [verb, form] of [
        ["restart", {}],
        ["scale", { replicas: "4" }],
        ["image", { container: "web", image: "a:1" }],
        ["image", { container: "web", image: "a:1", dryRun: "true" }],
      ] as const) {
        for (const headers of [{}, partial]) {
          const { body } = await posted(`${at("reason-0")}/${verb}`, { ...form } as Record<string, string>, headers);
          expect([verb, await alive(body)]).toEqual([verb, []]);
        }
      }
      const preview = await posted(`${at("reason-0")}/image`, { image: "a:1", dryRun: "true" }, partial);
      expect(preview.body).toContain(harmless);
    });

    test("the audit, which keeps what was changed", async () => {
      await server.client.post("/login", { username: poison("who").slice(0, 60), password: "x" });
      const { body } = await page("/audit");
      expect(body).toContain(harmless);
      expect(await alive(body)).toEqual([]);
    });

    test("the streams: every message is one, and harmless", async () => {
      const paths = ["/fleet/live", "/workloads/live", `${at("reason-3")}/live`];
      const streams = paths.map((path) => heard(`${server.url}${path}`, { "accept-language": lang }));
      for (const messages of await Promise.all(streams)) {
        expect(messages.length).toBeGreaterThan(0);
        // A line break in a name starts no field of its own.
        const fields = messages.flatMap(({ lines }) => lines.map((line) => line.split(":")[0]));
        expect(fields.filter((field) => field !== "data" && field !== "event")).toEqual([]);
        for (const { lines } of messages) {
          const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
          const event = lines.find((line) => line.startsWith("event: "));
          if (event) JSON.parse(data.join("\n"));
          else expect(await alive(data.join("\n"))).toEqual([]);
        }
        expect(JSON.stringify(messages)).toContain(harmless);
      }
    });
  });
}

describePart("chromium", "a browser", () => {
  test("does nothing of what the planted text says, nor complains of it", async () => {
    const browser = await startBrowser();
    onEnd(() => browser.stop());
    const opened = await browser.newPage({ baseUrl: server.url });
    const { page, context } = opened;
    const cookie = { name: "lizardcd_session", value: server.client.token, url: server.url };
    await context.addCookies([{ ...cookie, httpOnly: true, sameSite: "Strict" }]);
    const dialogs: string[] = [];
    page.on("dialog", async (dialog) => {
      dialogs.push(dialog.message());
      await dialog.dismiss();
    });
    for (const path of ["/fleet", "/workloads", at("reason-0"), at("reason-3"), "/audit", "/agents"]) {
      await page.goto(path);
      const live = page.locator("#rows tr, .tile, #workload h1, main h1").first();
      await live.waitFor();
      await page.locator("main").hover();
      // The stream has its turn, and the script that adds a row's actions.
      for (const row of (await page.locator("#rows tr").all()).slice(0, 3)) await row.hover();
      await page.waitForTimeout(700);
      expect([path, await page.locator("main img, main script, main iframe").count()]).toEqual([path, 0]);
    }
    expect(dialogs).toEqual([]);
    expectQuiet(opened, server);
    await opened.close();
  });
});

describe("the CLI prints nothing that a terminal would obey:", () => {
  const one = ["-c", cluster, "-n", "shop"];
  const commands: string[][] = [
    ["get", "clusters"],
    ["get", "workloads"],
    ["get", "namespaces", cluster],
    ["get", "agent", cluster],
    ["get", "workload", "reason-0", ...one],
    ["get", "workload", "reason-2", ...one],
    ["get", "workload", failingName("workload.not_found"), ...one],
    ["restart", "reason-1", ...one],
    ["scale", "reason-1", "--replicas", "4", ...one],
    ["set", "image", "reason-1", "--image", "a:1", ...one],
    ["set", "image", "reason-1", "--image", "a:1", "--dry-run", ...one],
    ["get", "audit"],
    ["get", "workload", poison("name").replaceAll("\u0000", ""), ...one],
  ];
  for (const words of commands) {
    test(
      words
        .slice(0, 3)
        .join(" ")
        .slice(0, 40)
        .replace(/[^ -~]/g, "?"),
      async () => {
        for (const output of ["table", "json", "name"]) {
          const { out, err } = await cli([...words, "-o", output]);
          expect([output, (out + err).match(obeyed)?.map((sign) => sign.codePointAt(0))]).toEqual([output, undefined]);
          if (output === "table") expect(out + err).toMatch(/<img|lizardcd: |reason-|evil-1/);
        }
      },
    );
  }

  test("and JSON gives back every character that nothing obeys", async () => {
    const { out } = await cli(["get", "workload", "reason-0", ...one, "-o", "json"]);
    const said = JSON.parse(out).strategy as string;
    expect(said).toContain('<img src=x onerror="alert(1)"><script>alert(1)</script></textarea></title>&lt;&#60;"');
    expect(said).not.toMatch(obeyed);
  });
});

const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const elements = new Set("img iframe object embed base frame math textarea style audio video".split(" "));

/** What in this markup would do something that no view of ours has written. */
async function alive(html: string): Promise<string[]> {
  const found = [...new Set(html.match(obeyed) ?? [])].map((sign) => `character ${sign.codePointAt(0)!.toString(16)}`);
  await new HTMLRewriter()
    .on("*", {
      element(element) {
        const { tagName } = element;
        const attributes = [...element.attributes];
        if (elements.has(tagName)) found.push(`<${tagName}>`);
        for (const [name, value] of attributes) {
          if (name.startsWith("on") || name === "style") found.push(`<${tagName} ${name}>`);
          if (/^hx-(on|vals|headers|vars)/.test(name)) found.push(`<${tagName} ${name}>`);
          const leads = /^(href|src|action|formaction|hx-(get|post|put|delete)|hx-sse:connect)$/.test(name);
          if (leads && !/^([/?#](?![/\\])|$)/.test(value)) found.push(`<${tagName} ${name}="${value}">`);
        }
        if (tagName === "script" && !/^\/assets\/[\w.-]+\.js/.test(Object.fromEntries(attributes).src ?? "")) {
          found.push("<script>");
        }
      },
    })
    .transform(new Response(html))
    .text();
  return found;
}

/** What a stream says in its first moments. */
async function heard(url: string, headers: Record<string, string>): Promise<{ lines: string[] }[]> {
  const stop = new AbortController();
  const answer = await fetch(url, {
    headers: { ...headers, authorization: `Bearer ${server.client.token}`, accept: "text/event-stream" },
    signal: stop.signal,
  });
  let text = "";
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  const enough = Bun.sleep(1_200);
  for (;;) {
    const next = await Promise.race([reader.read(), enough]);
    if (!next || next.done) break;
    text += next.value;
  }
  stop.abort();
  return text
    .split("\n\n")
    .slice(0, -1)
    .map((message) => ({ lines: message.split("\n").filter((line) => !line.startsWith(":")) }))
    .filter(({ lines }) => lines.length > 0);
}
