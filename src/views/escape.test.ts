// Everything that comes from a cluster is hostile until shown to be harmless: markup, control characters and reading
// direction overrides are planted in every string of every message, and looked for in every page.
import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { operations } from "../contract/operation.ts";
import { UserSchema } from "../gen/lizardcd/v1/user_pb.ts";
import { SetImageRequestSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import { accountPage } from "./account.tsx";
import { agentsChanged, agentsFragment, agentsPage, agentsParts, agentsRows } from "./agents.tsx";
import { auditPage } from "./audit.tsx";
import { agentPage, namespacesPage, summaryPage } from "./cluster.tsx";
import { invitationMade } from "./enroll.tsx";
import { errorFragment, errorPage } from "./error.tsx";
import * as examples from "./examples.ts";
import { clusterTile, fleetBoard, fleetFragment, fleetLiveAll, fleetPage, fleetParts, fleetTiles } from "./fleet.tsx";
import { registriesMenu } from "./layout.tsx";
import { loginPage } from "./login.tsx";
import { operationsPage } from "./operations.tsx";
import { registriesLive, registriesPage } from "./registries.tsx";
import { revokeDone } from "./revoke.tsx";
import { imagePage, imagePreview, workloadLive, workloadPage, writeDone } from "./workload.tsx";
import { workloadRow, workloadsFragment, workloadsLiveAll, workloadsLiveRow, workloadsPage } from "./workloads.tsx";

const plants = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `' onload='alert(1)`,
  `<hx-partial hx-target="#rows">`,
  "\u202egnp.exe",
  "a\u0000b\u0007c",
  "\u200b\u2066x",
];
// Fields by which a view chooses what it draws; all of them are also tried with a plant.
const choosing = new Set([
  "state",
  "code",
  "outcome",
  "operation",
  "resource",
  "type",
  "status",
  "role",
  "group",
  "path",
]);

function planted<T>(value: T, plant: string, all: boolean, field = ""): T {
  if (typeof value === "string") return (choosing.has(field) && !all ? value : value + plant) as T;
  if (Array.isArray(value)) return value.map((one) => planted(one, plant, all, field)) as T;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      /^[\w$]+$/.test(name) && !["params", "labels", "states"].includes(field) ? name : `${name}${plant}`,
      name === "$typeName" ? one : planted(one, plant, all, name),
    ]),
  ) as T;
}

function pages(plant: string, all: boolean): { [name: string]: string } {
  const p = <T>(value: T) => planted(value, plant, all);
  const ctx = examples.context({
    path: `/fleet?q=${plant}`,
    user: { username: plant, role: plant, firstPassword: true },
    version: plant,
    origin: `http://127.0.0.1:5117/${plant}`,
    registries: [{ name: plant, state: plant, heardMs: 1 }],
  });
  const agents = p(examples.agents());
  const fleet = p(examples.fleet());
  const board = p(examples.fleetRequest({ q: "a", state: ["ok"], label: ["a=b"], limit: 1, continue: "c" }));
  const agentsAsked = p(examples.agentsRequest({ cluster: "a", q: "b", state: ["ok"], continue: "c" }));
  const response = p(examples.workloads());
  const request = p(examples.workloadsRequest({ cluster: ["a"], namespace: ["b"], q: "c", labelSelector: "d" }));
  const workload = p(
    examples.workload({
      autoscaler: { name: "hpa", min: 1, max: 2, desired: 2 },
      changes: [{ path: "spec.template.spec.containers[web].image", before: '"a"', after: '"b"' }],
    }),
  );
  const image = p(create(SetImageRequestSchema, { container: "web", image: "registry/web:1" }));
  const failure = p(examples.failure("agent.unavailable", { key: "k", problem: "p" }, "o"));
  return {
    fleet: fleetPage(ctx, fleet, board, { recent: p(examples.audit()).items }),
    fleetLive:
      fleetLiveAll(ctx, fleet, board) +
      [...fleetParts(ctx, fleet, board).values()].join("") +
      fleetBoard(ctx, fleet, board) +
      fleetTiles(ctx, fleet, fleet.clusters),
    fleetEmpty: fleetFragment(ctx, p(examples.fleet({ clusters: [], total: 1 })), board),
    tile: clusterTile(ctx, fleet.clusters[0]!),
    workloads: workloadsPage(ctx, response, request, { clusters: fleet.clusters }),
    workloadsFragment: workloadsFragment(ctx, response, request, { clusters: fleet.clusters }),
    workloadsLive:
      workloadsLiveAll(ctx, response, request) +
      workloadsLiveRow(ctx, response.items[0]!) +
      workloadRow(ctx, response.items[1]!),
    workload: workloadPage(ctx, workload, { failure }),
    workloadLost: workloadLive(ctx, workload, { state: "lost" }),
    write: writeDone(ctx, { operation: "workload.setImage", workload }) + imagePreview(ctx, workload, image),
    image: imagePage(ctx, { workload, request: image, failure }),
    login: loginPage({ ...ctx, user: undefined }, { next: plant, username: plant, failure }),
    error: errorPage(ctx, failure, 503) + errorFragment(ctx, failure, 409),
    agents: agentsPage(ctx, agents, agentsAsked, {
      enrolls: "yes",
      invitation: p(examples.invitation),
      revoked: plant,
    }),
    agentsLive:
      agentsFragment(ctx, p(examples.agents({ items: [] })), agentsAsked, { enrolls: "yes" }) +
      agentsRows(ctx, agents, agentsAsked, { enrolls: "yes" }) +
      [...agentsParts(ctx, agents, agentsAsked).values()].join("") +
      agentsChanged(ctx, agents, agents.items, { enrolls: "yes" }),
    enrolled: invitationMade(ctx, p(examples.invitation)) + revokeDone(ctx, plant),
    registries: registriesPage(ctx, p(examples.registries())),
    registriesLive: registriesLive(ctx, p(examples.registries())) + registriesMenu(ctx),
    cluster:
      agentPage(ctx, p(examples.agentInfo), { cluster: "eu-1" }) +
      namespacesPage(ctx, p(examples.namespaces), { cluster: "eu-1" }) +
      summaryPage(ctx, p(examples.summary()), { cluster: "eu-1" }),
    audit: auditPage(ctx, p(examples.audit()), p(examples.auditRequest({ actor: "a", q: "b" })), { open: ["1"] }),
    account: accountPage(ctx, p(create(UserSchema, { username: "u", role: "admin" })), { failure }),
    operations: operationsPage(ctx, operations),
  };
}

for (const plant of plants) {
  for (const all of [false, true]) {
    test(`${JSON.stringify(plant)} is text on every page${all ? ", also where a view chooses by it" : ""}`, () => {
      for (const [name, page] of Object.entries(pages(plant, all))) {
        const alive = {
          name,
          script: /<script>|<img|<hx-partial hx-target="#rows">(?!<tr|<\/hx)/.test(page),
          handler: /<[^>]*\s(onerror|onload)=/.test(page.replace(/"[^"]*"/g, '""')),
          unseen: /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(page),
        };
        expect(alive).toEqual({ name, script: false, handler: false, unseen: false });
      }
    });
  }
}

test("the plants do arrive: a page without escaping would fail", () => {
  const { workload, workloads, fleet } = pages("<script>alert(1)</script>", false);
  for (const page of [workload!, workloads!, fleet!])
    expect(page.split("&lt;script>").length + page.split("&lt;script&gt;").length).toBeGreaterThan(20);
  expect(pages("\u202e", false).workload).toContain("\\u202e");
});

test("no page carries what the content security policy forbids", () => {
  for (const [name, page] of Object.entries(pages("x", false))) {
    const found = page.match(
      /\sstyle="|<style|\shx-on|\son[a-z]+="|javascript:|<script(?! src="\/assets\/)|https?:\/\/(?!127\.0\.0\.1|www\.w3\.org)/g,
    );
    expect({ name, found }).toEqual({ name, found: null });
  }
});
