import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { operations } from "../contract/operation.ts";
import { reason } from "../contract/reasons.ts";
import { SetImageRequestSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import { wordsFor } from "../words/words.ts";
import { agentAges, agentFacts, agentsChanged, agentsPage } from "./agents.tsx";
import { assets } from "./assets.ts";
import { auditPage } from "./audit.tsx";
import { errorFragment, errorPage } from "./error.tsx";
import * as examples from "./examples.ts";
import { clusterTile, fleetPage, fleetTiles } from "./fleet.tsx";
import { registriesMenu } from "./layout.tsx";
import { imageParts, strategyText } from "./parts.tsx";
import { imagePreview, workloadBody, workloadPage, writeDone } from "./workload.tsx";
import {
  agesEvent,
  rowId,
  workloadRow,
  workloadsFragment,
  workloadsLiveAll,
  workloadsLiveRemoved,
  workloadsPage,
} from "./workloads.tsx";

const ctx = examples.context();
const item = (change: Parameters<typeof examples.row>[0], ageMs = 4000) => ({
  ...examples.workloads().items[0]!,
  row: examples.row(change),
  ageMs,
});

test("a cluster that does not answer is never green and shows no number as if it were known", () => {
  for (const state of ["stale", "lost", "unknown", "of-tomorrow"]) {
    const tile = clusterTile(ctx, examples.cluster("edge", "eu", { state, workloads: 8, states: { ok: 8 } }));
    expect(tile).not.toMatch(/f-ok|data-s="ok"|Reachable/);
    expect(tile).toContain("bar hollow");
    expect(tile).not.toMatch(/[^~?/\d]8\/8/);
  }
  expect(
    clusterTile(ctx, examples.cluster("edge", "eu", { state: "stale", workloads: 60, states: { ok: 60 } })),
  ).toContain("~60/60");
  expect(clusterTile(ctx, examples.cluster("edge", "eu", { state: "lost", workloads: 8 }))).toContain("?/8");
});

test("each state of a workload has its own mark and word in its row", () => {
  const words = {
    ok: "Healthy",
    run: "Rolling out",
    degraded: "Degraded",
    failed: "Failed",
    paused: "Paused",
    zero: "Scaled to 0",
    stale: "Stale",
    lost: "Lost",
  };
  for (const [state, word] of Object.entries(words)) {
    const row = workloadRow(ctx, item({ state, ready: 2 }));
    expect(row).toContain(`href="#m-${state}"`);
    expect(row).toContain(word);
  }
  expect(workloadRow(ctx, item({ state: "stale", ready: 2 }))).toContain("~2/5");
  expect(workloadRow(ctx, item({ state: "lost", ready: 2 }))).toContain("?/5");
  expect(workloadRow(ctx, item({ state: "lost" }))).not.toContain("f-ok");
  expect(workloadRow(ctx, item({ state: "failed", ready: 2 }))).toContain('<rect class="f-bad" x="40%" width="60%"/>');
  expect(workloadRow(ctx, item({}, 90_000))).toContain('class="age" data-a="old"');
});

test("a row says why: a reason where there is one, none of what a silent cluster said last", () => {
  const why = reason("image.pull", { image: "shop/web:1", problem: "manifest unknown" }, { sinceMs: 1 });
  const cell = (state: string, lang: "en" | "zh" = "en") =>
    workloadRow(examples.context({ lang }), item({ state, ready: 2, reason: why })).split("<td>")[5];
  expect(cell("failed")).toBe("Image shop/web:1 cannot be pulled: manifest unknown");
  expect(cell("failed", "zh")).toContain("无法拉取镜像");
  expect(cell("stale")).toBe("");
  expect(cell("lost")).toBe("");
  const head = workloadsPage(ctx, examples.workloads(), examples.workloadsRequest(), { clusters: [] });
  // As many heads as cells, so that each cell stands below its own.
  expect(/<thead.*?<\/thead>/s.exec(head)![0].match(/<th /g)).toHaveLength(10);
  expect(workloadRow(ctx, item({})).match(/<t[dh][ >]/g)).toHaveLength(10);
});

test("a row's id is the same on every page and differs for every workload", () => {
  const ids = new Set(examples.manyWorkloads(1000).items.map(({ row }) => rowId(row!)));
  expect(ids.size).toBe(1000);
  const key = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "web" };
  expect(rowId(key)).toBe(rowId(examples.row()));
  expect(workloadsLiveRemoved(ctx, { $typeName: "lizardcd.v1.WorkloadKey", ...key })).toContain(
    `hx-target="#${rowId(key)}" hx-swap="delete"`,
  );
});

test("clusters that did not answer stand in the list with their sentence and age", () => {
  const page = workloadsPage(ctx, examples.workloads(), examples.workloadsRequest(), { clusters: [] });
  expect(page).toContain("Agent lizardcd-agent.*.edge-rtm does not answer");
  expect(page).toContain("41 min ago");
  expect(page).toContain("118 match in the 39 of 40 clusters that answer");
});

test("every filter is in the URL and each chip leads to the list without it", () => {
  const request = examples.workloadsRequest({ cluster: ["eu-1", "eu-2"], state: ["failed"], q: "web", limit: 50 });
  const fragment = workloadsFragment(ctx, examples.workloads(), request, { clusters: [{ name: "eu-3" }] });
  expect(fragment).toContain("/workloads?cluster=eu-2&amp;state=failed&amp;q=web&amp;limit=50");
  expect(fragment).toContain("/workloads?cluster=eu-1&amp;cluster=eu-2&amp;cluster=eu-3&amp;state=failed");
  expect(fragment).toContain(
    'hx-sse:connect="/workloads/live?cluster=eu-1&amp;cluster=eu-2&amp;state=failed&amp;q=web&amp;limit=50"',
  );
  for (const id of ["wl-count", "wl-states", "wl-chips"])
    expect(fragment).toMatch(new RegExp(`id="${id}"[^>]*hx-swap-oob="true"`));
});

test("the stream's first message carries all rows and the counts", () => {
  const message = workloadsLiveAll(ctx, examples.workloads(), examples.workloadsRequest());
  expect(message).toStartWith('<hx-partial hx-target="#rows" hx-swap="innerMorph"><tr');
  expect(message.match(/<tr /g)?.length).toBe(examples.workloads().items.length + 1);
  expect(JSON.parse(agesEvent(ctx, [["eu-1", 2000]]))).toEqual({ "eu-1": ctx.now / 1000 - 2 });
});

test("an empty list says what to do next", () => {
  const none = examples.workloads({ items: [], unanswered: [], total: 0, continue: "", clusters: 0 });
  expect(workloadsPage(ctx, none, examples.workloadsRequest(), { clusters: [] })).toContain("No clusters yet.");
  expect(workloadsPage(ctx, none, examples.workloadsRequest({ q: "x" }), { clusters: [] })).toContain("Clear all");
  expect(fleetPage(ctx, examples.fleet({ clusters: [] }), examples.fleetRequest())).toContain(
    "npm start -- --kubeconfig",
  );
});

test("lines that carry an address of this machine alone say so, and name the setting", () => {
  const fleet = (origin: string) =>
    fleetPage(
      { ...ctx, simulated: false, origin, enrolls: "yes" },
      examples.fleet({ clusters: [] }),
      examples.fleetRequest(),
    );
  for (const origin of ["http://127.0.0.1:5117", "https://localhost:5117", "http://[::1]:5117"]) {
    expect(fleet(origin)).toContain(`The lines carry ${origin}`);
    expect(fleet(origin)).toContain("--public-url");
  }
  expect(fleet("https://cd.example.com")).not.toContain("The lines carry");
  // Binaries and charts know no npm, and no folder of the demo.
  expect(fleet("https://cd.example.com")).not.toMatch(/npm start|\.lizardcd/);
});

test("a workload page offers what can be done, as forms that work without scripts", () => {
  const page = workloadPage(ctx, examples.workload());
  for (const verb of ["restart", "scale", "image"]) {
    expect(page).toMatch(
      new RegExp(`<form[^>]*method="post"[^>]*action="/clusters/eu-1/namespaces/shop/deployments/web/${verb}"`),
    );
  }
  expect(page).toContain("Revision 41, leaving");
  expect(page).toContain("3 of 5 moved");
  expect(page).toContain("cannot be pulled");
});

test("beside an HPA the page says what scaling does, and why the HPA itself does nothing", () => {
  const autoscaler = { name: "web-hpa", min: 3, max: 12, desired: 0 };
  const page = workloadPage(ctx, examples.workload({ autoscaler: { ...autoscaler, desired: 5 } }));
  expect(page).toContain('id="scale"');
  expect(page).toContain("owns the replicas: ");
  expect(page).toContain("0 switches it off");
  expect(page).toContain("It wants 5 now");
  const blind = reason("autoscaler.no_metrics", { autoscaler: "web-hpa", problem: "no metrics API" });
  const broken = workloadPage(ctx, examples.workload({ autoscaler: { ...autoscaler, reason: blind } }));
  expect(broken).toContain("cannot read metrics");
  expect(broken).not.toContain("It wants");
  const hidden = workloadPage(ctx, examples.workload({ notes: [reason("autoscaler.unreadable", {})] }));
  expect(hidden).toContain("may not read HorizontalPodAutoscalers");
  expect(workloadPage(ctx, examples.workload({ row: examples.row({ resource: "daemonsets" }) }))).not.toContain(
    'id="scale"',
  );
});

test("of a lost cluster's workload nothing is green and nothing can be done", () => {
  const body = workloadBody(ctx, examples.workload(), { state: "lost" });
  expect(body).not.toMatch(/data-s="ok"|<form|f-ok/);
  expect(body).toContain("eu-1 does not answer.");
  expect(body).toContain("?/5");
});

test("what was scaled or whose image was set can be undone by one form; a restart cannot", () => {
  const scaled = writeDone(ctx, {
    operation: "workload.scale",
    workload: examples.workload({ changes: [{ path: "spec.replicas", before: "3", after: "5" }] }),
  });
  expect(scaled).toContain('name="replicas" value="3"');
  const image = [{ path: "spec.template.spec.containers[web].image", before: '"shop/web:1"', after: '"shop/web:2"' }];
  const set = writeDone(ctx, { operation: "workload.setImage", workload: examples.workload({ changes: image }) });
  for (const field of [
    'name="container" value="web"',
    'name="image" value="shop/web:1"',
    'name="expect" value="shop/web:2"',
  ])
    expect(set).toContain(field);
  const restarted = writeDone(ctx, { operation: "workload.restart", workload: examples.workload() });
  expect(restarted).not.toContain("<form");
  expect(writeDone(ctx, { operation: "workload.scale", workload: examples.workload() })).not.toContain("<form");
});

test("no button of a page or a row changes a running workload by one press: each opens a question", () => {
  for (const lang of ["en", "zh"] as const) {
    const page = workloadPage(examples.context({ lang }), examples.workload());
    const forms = page.match(/<form[^>]*method="post"[^>]*action="\/clusters[^>]*>/g) ?? [];
    expect(forms.length).toBe(5);
    // Each of them stands in a dialog, and the button that has the focus there is the one that does it.
    const outside = page.replace(/<dialog.*?<\/dialog>/gs, "");
    expect(outside).not.toMatch(/<form[^>]*action="\/clusters/);
    for (const verb of ["restart", "pause", "resume"]) {
      const dialog = new RegExp(`<dialog id="${verb}".*?</dialog>`, "s").exec(page)![0];
      expect(dialog).toMatch(/<button class="btn btn-sm btn-primary" autofocus>/);
      expect(dialog).toContain(wordsFor(lang)[`${verb}.ask` as "restart.ask"]);
    }
  }
  const list = workloadsPage(ctx, examples.workloads(), examples.workloadsRequest(), { clusters: [] });
  expect(/<template id="rowacts">.*?<\/template>/s.exec(list)![0]).not.toContain("<form");
});

test("a Deployment is paused or resumed, whichever it is not; each undoes the other", () => {
  const web = "/clusters/eu-1/namespaces/shop/deployments/web";
  const offered = (page: string) =>
    ["pause", "resume"].filter((verb) => page.includes(`command="show-modal" commandfor="${verb}"`));
  const running = workloadPage(ctx, examples.workload());
  expect(offered(running)).toEqual(["pause"]);
  expect(offered(workloadPage(ctx, examples.workload({ paused: true })))).toEqual(["resume"]);
  // While one looks, the one becomes the other.
  for (const verb of ["pause", "resume"]) expect(running).toContain(`action="${web}/${verb}"`);
  const set = workloadPage(ctx, examples.workload({ row: examples.row({ resource: "statefulsets" }) }));
  expect(set).not.toContain('/pause"');

  const changes = [{ path: "spec.paused", before: "", after: "true" }];
  const done = writeDone(ctx, { operation: "workload.pause", workload: examples.workload({ changes }) });
  expect(done).toContain("Paused the rollouts of ");
  expect(done).toContain(`action="${web}/resume"`);
  expect(writeDone(ctx, { operation: "workload.pause", workload: examples.workload() })).not.toContain("<form");
});

test("the dry run shows old and new, and the form that does it expects the old", () => {
  const changes = [{ path: "spec.template.spec.containers[web].image", before: '"shop/web:1"', after: '"shop/web:2"' }];
  const request = create(SetImageRequestSchema, { container: "web", image: "shop/web:2", dryRun: true });
  const preview = imagePreview(ctx, examples.workload({ changes }), request);
  expect(preview).toContain("<del>-  shop/web:1</del><ins>+  shop/web:2</ins>");
  for (const field of [
    'name="dryRun" value="false"',
    'name="expect" value="shop/web:1"',
    'name="image" value="shop/web:2"',
  ])
    expect(preview).toContain(field);
  expect(imagePreview(ctx, examples.workload(), request)).toContain("Nothing to change");
});

test("an error says what happened, what next, which object and which request", () => {
  const failure = examples.failure(
    "agent.none",
    { where: "eu-1/shop", key: "lizardcd-agent.*.eu-1" },
    "deployments/shop/web in eu-1",
  );
  const page = errorPage(ctx, failure, 404);
  for (const text of [
    "No agent for ",
    "Is one announced under",
    "deployments/shop/web in eu-1",
    "request 7f3a19c2",
    "Try again",
  ])
    expect(page).toContain(text);
  expect(errorFragment(ctx, failure, 404)).toContain('hx-target="#failure"');
  expect(errorFragment(ctx, failure, 422, "section#image-preview")).not.toContain("toast-note");
});

test("what the object's state forbids is refused; only what somebody else changed may be tried again", () => {
  const forbidden = errorPage(ctx, examples.failure("restart.paused", { name: "web" }, ""), 409);
  expect([forbidden.includes(">Refused<"), forbidden.includes("Try again")]).toEqual([true, false]);
  const raced = errorPage(ctx, examples.failure("object.conflict", { kind: "", name: "web", problem: "" }, ""), 409);
  expect([raced.includes("Changed meanwhile"), raced.includes("Try again")]).toEqual([true, true]);
});

test("a fleet of more than 80 clusters folds the groups that are well", () => {
  const calm = Array.from({ length: 60 }, (_, index) => examples.cluster(`calm-${index}`, "calm"));
  for (const group of ["region", ""]) {
    const asked = examples.fleetRequest({ group });
    const page = fleetPage(ctx, examples.fleet({ clusters: [...examples.fleet().clusters, ...calm], group }), asked);
    expect(page.split('<details class="grp-fold').length).toBe(2);
  }
  expect(fleetPage(ctx, examples.fleet(), examples.fleetRequest())).not.toContain("grp-fold");
  const changed = examples.fleet().clusters.slice(0, 2);
  expect(fleetTiles(ctx, examples.fleet(), changed).match(/<li id="cluster-/g)?.length).toBe(2);
});

test("what needs somebody does not push the clusters off the screen: six are shown, the rest is folded", () => {
  const [one] = examples.fleet().attention;
  const attention = Array.from({ length: 20 }, (_, index) => ({ ...one!, cluster: `c-${index}` }));
  const page = fleetPage(ctx, examples.fleet({ attention }), examples.fleetRequest());
  const [above, folded] = page.split('<details id="attention-more"');
  expect([above!.split('<span class="who').length - 1, folded!.split('<span class="who').length - 1]).toEqual([6, 14]);
  expect(fleetPage(ctx, examples.fleet(), examples.fleetRequest())).not.toContain("attention-more");
});

test("a cluster that has never answered has no workloads of which one could speak", () => {
  const attention = [{ cluster: "new-1", state: "lost", seenMs: -1 }];
  const page = fleetPage(ctx, examples.fleet({ attention }), examples.fleetRequest());
  expect(page).toContain("It has never answered");
});

test("agents enroll themselves, without an account", () => {
  const entry = { ...examples.audit().items[0]!, actor: "", operation: "trust.enroll", cluster: "eu-1", name: "" };
  const page = fleetPage(ctx, examples.fleet(), examples.fleetRequest(), { recent: [entry] });
  expect(page).toMatch(/<b>an agent<\/b> enrolled itself/);
});

test("what was refused or failed does not stand in the activity as if it had been done", () => {
  const entry = { ...examples.audit().items[0]!, operation: "workload.restart" };
  const shown = (outcome: string) =>
    fleetPage(ctx, examples.fleet(), examples.fleetRequest(), { recent: [{ ...entry, outcome }] });
  const panel = (outcome: string) => /<section id="recent".*?<\/section>/s.exec(shown(outcome))![0];
  expect(panel("failed")).toMatch(/class="word"[^>]*>Failed</);
  expect(panel("refused")).toMatch(/class="word"[^>]*>Refused</);
  expect(panel("done")).not.toContain('class="word"');
});

test("what was not done, or of which nobody knows, is said as tried, in both languages and for every operation", () => {
  for (const lang of ["en", "zh"] as const) {
    for (const { verb, method } of operations.filter(({ audited }) => audited)) {
      expect([method.name, Object.keys(wordsFor(lang))]).toEqual([
        method.name,
        expect.arrayContaining([`tried.${verb}`]),
      ]);
    }
  }
  const entry = { ...examples.audit().items[0]!, operation: "workload.restart" };
  const shown = (outcome: string) =>
    auditPage(ctx, { ...examples.audit(), items: [{ ...entry, outcome }] }, examples.auditRequest());
  expect(shown("done")).toContain("restarted ");
  for (const outcome of ["refused", "failed", "unknown"]) {
    expect(shown(outcome)).toContain("tried to restart ");
    expect(shown(outcome)).not.toContain("restarted ");
  }
});

test("how many need somebody is the same number everywhere, and a link leads to those that are not shown", () => {
  const [one] = examples.fleet().attention;
  const attention = Array.from({ length: 20 }, (_, index) => ({ ...one!, cluster: `c-${index}` }));
  const page = fleetPage(ctx, examples.fleet({ attention, needs: 52 }), examples.fleetRequest());
  expect(page).toContain("52 items need you.");
  expect(page).toMatch(/class="tally" data-s="bad">52</);
  expect(page).toContain("14 more<");
  expect(page).toMatch(/href="\/workloads\?state=failed&amp;state=degraded">32 more in the list/);
});

test("a strategy is said in the reader's language, part by part", () => {
  expect(strategyText("zh", "RollingUpdate, at most 25% unavailable, 1 surge, from pod 2 up")).toBe(
    "滚动更新，最多 25% 个不可用，超出 1，从序号 2 起",
  );
  expect(strategyText("zh", "OnDelete")).not.toContain("OnDelete");
  expect(strategyText("en", "of tomorrow, 3 things")).toBe("of tomorrow, 3 things");
});

test("every container's image stands at its revision", () => {
  const page = workloadPage(ctx, examples.workload());
  const roll = /id="h-roll".*?<\/section>/s.exec(page)![0];
  for (const name of ["web:", "envoy:"]) expect(roll).toContain(name);
});

test("the audit says every operation that writes in words", () => {
  for (const { id, verb } of operations.filter(({ audited }) => audited)) {
    expect([id, Object.keys(wordsFor("en"))]).toEqual([id, expect.arrayContaining([`deed.${verb}`])]);
  }
});

test("both languages fill every page", () => {
  const chinese = workloadPage(examples.context({ lang: "zh" }), examples.workload());
  expect(chinese).toContain('<html lang="zh-CN"');
  expect(chinese).toContain("无法拉取镜像");
});

test("of an image the registry is cut, the tag never", () => {
  expect(imageParts("registry.example.com:5000/shop/web:1.4.2")).toEqual({
    registry: "registry.example.com:5000/shop/",
    name: "web:",
    tag: "1.4.2",
  });
  expect(imageParts("web")).toEqual({ registry: "", name: "web", tag: "" });
  expect(imageParts(`a/web:1@sha256:${"0123456789abcdef".repeat(4)}`).tag).toBe("1@sha256:0123456789ab…");
});

test("an agent's row tells what a registry says from what the agent answered, and says why it is lost", () => {
  const page = agentsPage(ctx, examples.agents(), examples.agentsRequest(), { enrolls: "yes" });
  const row = (key: string) => page.split("<tr ").find((text) => text.includes(`data-c="agent ${key}"`))!;
  expect(row("lizardcd-agent.*.ap-jp-1")).toMatch(/Stale.*3 min ago.*3 s ago/);
  expect(row("lizardcd-agent.*.edge-rtm")).toMatch(/0 of 1 answer.*41 min ago/);
  expect(row("lizardcd-agent.*.edge-rtm")).toContain("Does not answer: connection refused.");
  expect(row("lizardcd-agent.*.edge-rtm")).not.toContain('data-s="ok"');
  expect(row("lizardcd-agent.*.edge-ham")).toMatch(/dialled in.*tag" data-s="warn".*ends in 5 d/);
  expect(row("lizardcd-agent.pay.eu-2")).toContain("called without encryption");
  // What is gone was announced, and nothing is known of its encryption.
  expect(row("lizardcd-agent.*.gone-1")).toMatch(/data-l="Announced"><span class="dim">no longer</);
  expect(row("lizardcd-agent.*.gone-1")).not.toContain("called without encryption");
  // Certificates are revoked by cluster, so it is offered once for each.
  expect(page.match(/data-revoke="eu-2"/g)?.length).toBe(1);
});

test("a row that only grew older is sent as ages, in the order in which it shows them", () => {
  const [row] = examples.agents().items;
  const older = { ...row!, announcedMs: 9000, seenMs: 8000, certificateMs: row!.certificateMs - 9000 };
  expect(agentFacts(older)).toBe(agentFacts(row!));
  expect(agentFacts({ ...older, state: "lost" })).not.toBe(agentFacts(row!));
  const { [`agent ${row!.key}`]: stamps } = JSON.parse(agentAges(ctx, [older]));
  expect(stamps).toEqual([3000, 5000, 9000, 8000].map((ms) => (ctx.now - ms) / 1000));
  const shown = agentsChanged(ctx, examples.agents(), [older], { enrolls: "yes" });
  expect([...shown.matchAll(/<time[^>]* data-t="(\d+)"/g)].map((match) => Number(match[1]))).toEqual(stamps);
});

test("who may only look is offered neither to enroll nor to revoke", () => {
  const viewer = examples.context({ user: { username: "v", role: "readonly", firstPassword: false } });
  const page = agentsPage(viewer, examples.agents(), examples.agentsRequest({ cluster: "eu-1" }), { enrolls: "yes" });
  expect(page).not.toMatch(/agents\/invitations|agents\/revocations|data-revoke/);
  const given = agentsPage(ctx, examples.agents(), examples.agentsRequest(), { enrolls: "given" });
  expect(given).not.toContain("/agents/invitations");
  expect(given).toContain("signs none");
});

test("revoking asks for the cluster's name, which the browser itself compares", () => {
  const dotted = examples.agents({ items: [{ ...examples.agents().items[0]!, cluster: "eu.1" }] });
  const page = agentsPage(ctx, dotted, examples.agentsRequest({ cluster: "eu.1" }), { enrolls: "yes" });
  expect(page).toMatch(/<form[^>]* action="\/agents\/revocations"/);
  expect(page).toContain('pattern="eu\\.1"');
});

test("the registries stand in the top bar when there are several or one is silent", () => {
  const one = (state: string) => [{ name: "etcd", state, heardMs: 1000 }];
  expect(registriesMenu({ ...ctx, registries: one("ok") })).not.toContain("summary");
  expect(registriesMenu({ ...ctx, registries: [] })).not.toContain("summary");
  expect(registriesMenu({ ...ctx, registries: one("stale") })).toContain("0 of 1 registry");
  expect(registriesMenu(ctx)).toContain("2 of 3 registries");
});

test("what the browser loads and the page of 1,000 rows stay within their sizes", () => {
  const packed = (path: string) => gzipSync(assets[path]!.body).length;
  const script = packed("/assets/htmx.js") + packed("/assets/hx-sse.js") + packed("/assets/client.js");
  const times: number[] = [];
  let page = "";
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    page = workloadsPage(ctx, examples.manyWorkloads(1000), examples.workloadsRequest(), { clusters: [] });
    times.push(performance.now() - start);
  }
  const rows = gzipSync(page).length;
  console.log(
    `1,000 rows: ${page.length} B, ${rows} B gzip, ${Math.min(...times).toFixed(1)} ms at best; scripts ${script} B, css ${packed("/assets/app.css")} B gzip`,
  );
  expect(script).toBeLessThan(60 * 1024);
  expect(packed("/assets/app.css")).toBeLessThan(20 * 1024);
  expect(rows).toBeLessThan(35 * 1024);
});
