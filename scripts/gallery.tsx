// Serves every page with invented messages, to look at while working on the views:
//   bun scripts/gallery.tsx [port]            then open the address it prints
//   bun scripts/gallery.tsx --shots FOLDER    pictures of each page, by Chromium ($CHROMIUM or /usr/bin/chromium)
// Query: ?lang=zh &theme=dark. Nothing here talks to a cluster.
import { create } from "@bufbuild/protobuf";
import { operations } from "../src/contract/operation.ts";
import { UserSchema } from "../src/gen/lizardcd/v1/user_pb.ts";
import { SetImageRequestSchema } from "../src/gen/lizardcd/v1/workload_pb.ts";
import { accountPage } from "../src/views/account.tsx";
import { agentsChanged, agentsPage } from "../src/views/agents.tsx";
import { assets } from "../src/views/assets.ts";
import { auditPage } from "../src/views/audit.tsx";
import { agentPage, namespacesPage, summaryPage } from "../src/views/cluster.tsx";
import { invitationMade } from "../src/views/enroll.tsx";
import { errorFragment, errorPage } from "../src/views/error.tsx";
import * as examples from "../src/views/examples.ts";
import { fleetPage } from "../src/views/fleet.tsx";
import { contentSecurityPolicy, type PageContext } from "../src/views/layout.tsx";
import { loginPage } from "../src/views/login.tsx";
import { operationsPage } from "../src/views/operations.tsx";
import { registriesPage } from "../src/views/registries.tsx";
import { revokeDone } from "../src/views/revoke.tsx";
import { imagePage, imagePreview, workloadPage, writeDone } from "../src/views/workload.tsx";
import {
  agesEvent,
  workloadsFragment,
  workloadsLiveAll,
  workloadsLiveRow,
  workloadsPage,
} from "../src/views/workloads.tsx";

const changes = [
  {
    path: "spec.template.spec.containers[web].image",
    before: '"registry.example.com/shop/web:1.4.2"',
    after: '"registry.example.com/shop/web:1.4.3"',
  },
];
const setImage = create(SetImageRequestSchema, {
  container: "web",
  image: "registry.example.com/shop/web:1.4.3",
  dryRun: true,
});
const calm = examples.workload({
  row: examples.row(),
  revisions: [],
  pods: examples.workload().pods.slice(3),
  conditions: [],
  events: [],
});
const autoscaled = examples.workload({ autoscaler: { name: "web", min: 3, max: 12, desired: 5 } });

const pages: { [name: string]: (ctx: PageContext) => string } = {
  fleet: (ctx) => fleetPage(ctx, examples.fleet(), examples.fleetRequest(), { recent: examples.audit().items }),
  "fleet-empty": (ctx) =>
    fleetPage({ ...ctx, simulated: false }, examples.fleet({ clusters: [] }), examples.fleetRequest()),
  "fleet-many": (ctx) =>
    fleetPage(
      ctx,
      examples.fleet({
        clusters: [..."abc"].flatMap((letter) =>
          examples.fleet().clusters.map((one) => ({ ...one, name: `${one.name}${letter}` })),
        ),
      }),
      examples.fleetRequest(),
    ),
  "fleet-first": (ctx) =>
    fleetPage(
      { ...ctx, user: { username: "admin", role: "admin", firstPassword: true }, insecure: true },
      examples.fleet({
        clusters: ["calm", "rough", "shy"].map((name) => examples.cluster(name, "demo")),
        attention: [],
        group: "",
        groups: [],
      }),
      examples.fleetRequest({ group: "" }),
      { recent: [] },
    ),
  workloads: (ctx) =>
    workloadsPage(ctx, examples.workloads(), examples.workloadsRequest({ namespace: ["shop", "pay"] }), {
      clusters: examples.fleet().clusters,
    }),
  "workloads-none": (ctx) =>
    workloadsPage(
      ctx,
      examples.workloads({ items: [], unanswered: [], total: 0, states: {}, continue: "" }),
      examples.workloadsRequest({ q: "nothing" }),
      { clusters: [] },
    ),
  "workloads-1000": (ctx) =>
    workloadsPage(ctx, examples.manyWorkloads(1000), examples.workloadsRequest(), { clusters: [] }),
  workload: (ctx) => workloadPage(ctx, examples.workload()),
  "workload-calm": (ctx) => workloadPage(ctx, calm, { done: "restart" }),
  "workload-hpa": (ctx) =>
    workloadPage(ctx, autoscaled, {
      failure: examples.failure("scale.autoscaled", { name: "web", autoscaler: "web", min: 3, max: 12 }),
    }),
  "workload-lost": (ctx) => workloadPage(ctx, examples.workload(), { state: "lost" }),
  "workload-zero": (ctx) =>
    workloadPage(
      ctx,
      examples.workload({
        row: examples.row({ state: "zero", desired: 0, ready: 0 }),
        pods: [],
        revisions: [],
        conditions: [],
        events: [],
      }),
    ),
  "set-image": (ctx) => imagePage(ctx, { workload: examples.workload({ changes }), request: setImage }),
  login: (ctx) =>
    loginPage({ ...ctx, user: undefined }, { username: "admin", failure: examples.failure("login.wrong", {}) }),
  error: (ctx) =>
    errorPage(
      ctx,
      examples.failure(
        "agent.unavailable",
        { key: "lizardcd-agent.*.eu-1", problem: "connection refused" },
        "deployments/shop/web in eu-1",
      ),
      503,
    ),
  "error-404": (ctx) =>
    errorPage(
      ctx,
      examples.failure("workload.not_found", { kind: "Deployment", name: "webb", cluster: "eu-1", namespace: "shop" }),
      404,
    ),
  agents: (ctx) => agentsPage(ctx, examples.agents(), examples.agentsRequest(), { enrolls: "yes" }),
  "agents-enrolled": (ctx) =>
    agentsPage(ctx, examples.agents(), examples.agentsRequest(), { enrolls: "yes", invitation: examples.invitation }),
  "agents-one": (ctx) =>
    agentsPage(
      ctx,
      examples.agents({ items: examples.agents().items.slice(1, 2) }),
      examples.agentsRequest({ cluster: "cn-sh-2" }),
      { enrolls: "yes", revoked: "cn-sh-2" },
    ),
  "agents-none": (ctx) =>
    agentsPage({ ...ctx, plaintext: true }, examples.agents({ items: [] }), examples.agentsRequest(), {
      enrolls: "yes",
    }),
  registries: (ctx) => registriesPage(ctx, examples.registries()),
  "cluster-agent": (ctx) => agentPage(ctx, examples.agentInfo, { cluster: "eu-1" }),
  "cluster-namespaces": (ctx) => namespacesPage(ctx, examples.namespaces, { cluster: "eu-1" }),
  "cluster-summary": (ctx) => summaryPage(ctx, examples.summary(), { cluster: "eu-1" }),
  audit: (ctx) => auditPage(ctx, examples.audit(), examples.auditRequest({ actor: "admin" }), { open: ["1"] }),
  account: (ctx) => accountPage(ctx, create(UserSchema, { username: "admin", role: "admin" })),
  operations: (ctx) => operationsPage(ctx, operations),
};

const shots = process.argv.indexOf("--shots");
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: shots > 0 ? 0 : Number(process.argv[2] ?? 0),
  idleTimeout: 0,
  fetch: answer,
});
console.log(
  Object.keys(pages)
    .map((name) => `${server.url}${name}`)
    .join("\n"),
);
if (shots > 0) {
  await takeShots(process.argv[shots + 1] ?? "shots", process.argv.slice(shots + 2));
  await server.stop(true);
}

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const asset = assets[url.pathname];
  if (asset) return new Response(asset.body, { headers: { "content-type": asset.type } });
  // Streams and forms look as the page they belong to.
  const look = new URL(request.headers.get("hx-current-url") ?? url).searchParams;
  const theme = look.get("theme");
  const ctx = examples.context({
    lang: look.get("lang") === "zh" ? "zh" : "en",
    theme: theme === "dark" || theme === "light" ? theme : undefined,
    path: url.pathname + url.search,
    now: Date.now(),
  });
  if (url.pathname.endsWith("/live")) return live(ctx, url.pathname);
  if (request.method === "POST") return html(await post(ctx, request, url));
  if (url.pathname === "/workloads" && request.headers.get("hx-request-type") === "partial") {
    return html(
      workloadsFragment(
        ctx,
        examples.workloads(),
        examples.workloadsRequest({
          q: url.searchParams.get("q") ?? "",
          cluster: url.searchParams.getAll("cluster"),
          state: url.searchParams.getAll("state"),
        }),
        { clusters: examples.fleet().clusters },
      ),
    );
  }
  const name = url.pathname.startsWith("/clusters/") ? "workload" : url.pathname.slice(1) || "fleet";
  const page = pages[name];
  return page ? html(page(ctx)) : html(pages["error-404"]!(ctx), 404);
}

function html(body: string, status = 200): Response {
  return new Response(body, {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": contentSecurityPolicy },
  });
}

async function post(ctx: PageContext, request: Request, { pathname }: URL): Promise<string> {
  const form = await request.formData();
  if (pathname === "/agents/invitations") return invitationMade(ctx, examples.invitation);
  if (pathname === "/agents/revocations") return revokeDone(ctx, String(form.get("cluster")));
  if (form.get("dryRun") === "true") {
    const image = String(form.get("image"));
    if (image.includes("bad"))
      return errorFragment(
        ctx,
        examples.failure("object.invalid", {
          cluster: "eu-1",
          kind: "Deployment",
          name: "web",
          problem: "denied by policy",
        }),
        422,
        request.headers.get("hx-target") ?? "",
      );
    return imagePreview(
      ctx,
      examples.workload({ changes }),
      create(SetImageRequestSchema, { container: String(form.get("container")), image }),
    );
  }
  if (pathname.endsWith("/scale"))
    return writeDone(ctx, {
      operation: "workload.scale",
      workload: examples.workload({ changes: [{ path: "spec.replicas", before: "5", after: "6" }] }),
    });
  if (pathname.endsWith("/image"))
    return writeDone(ctx, { operation: "workload.setImage", workload: examples.workload({ changes }) });
  return writeDone(ctx, { operation: "workload.restart", workload: examples.workload() });
}

function live(ctx: PageContext, path: string): Response {
  const events = new ReadableStream({
    async start(controller) {
      const send = (data: string, event?: string) =>
        controller.enqueue(
          `${event ? `event: ${event}\n` : ""}${data
            .split("\n")
            .map((line) => `data: ${line}`)
            .join("\n")}\n\n`,
        );
      if (path === "/agents/live") {
        const all = examples.agents();
        await Bun.sleep(300);
        send(agentsChanged(ctx, all, all.items.slice(0, 1), { enrolls: "yes" }));
      }
      if (path === "/workloads/live") {
        send(workloadsLiveAll(ctx, examples.workloads(), examples.workloadsRequest()));
        await Bun.sleep(300);
        send(
          workloadsLiveRow(ctx, {
            ...examples.workloads().items[3]!,
            row: examples.row({ cluster: "eu-2", state: "ok", desired: 6, ready: 6 }),
          }),
        );
        send(workloadsLiveRow(ctx, { ...examples.workloads().items[3]!, row: examples.row({ name: "brand-new" }) }));
      }
      send(agesEvent(ctx, [["eu-1", 2000]]), "ages");
    },
  });
  return new Response(events, { headers: { "content-type": "text/event-stream" } });
}

async function takeShots(folder: string, only: string[]): Promise<void> {
  const { chromium } = await import("playwright-core");
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
  const looks = [
    { look: "light", width: 1440, height: 900, query: "theme=light" },
    { look: "dark", width: 1440, height: 900, query: "theme=dark" },
    { look: "phone", width: 390, height: 844, query: "theme=light" },
    { look: "zh", width: 1440, height: 900, query: "theme=light&lang=zh" },
    { look: "zh-phone", width: 390, height: 844, query: "theme=dark&lang=zh" },
  ];
  try {
    for (const { look, width, height, query } of looks) {
      const page = await browser.newPage({ viewport: { width, height }, deviceScaleFactor: width < 500 ? 2 : 1 });
      page.on("console", (message) => message.type() === "error" && console.error(look, message.text()));
      page.on("pageerror", (error) => console.error(look, error.message));
      for (const name of Object.keys(pages)) {
        if (only.length > 0 && !only.includes(name)) continue;
        await page.goto(`${server.url}${name}?${query}`);
        await page.waitForTimeout(200);
        await page.screenshot({ path: `${folder}/${name}.${look}.png` });
      }
      await page.close();
    }
  } finally {
    await browser.close();
  }
}
