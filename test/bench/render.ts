// Renders the workloads page again and again. Argument: { rows, times } as JSON. Prints { ms }.
import { create } from "@bufbuild/protobuf";
import {
  ListFleetWorkloadsRequestSchema,
  ListFleetWorkloadsResponseSchema,
} from "../../src/gen/lizardcd/v1/fleet_pb.ts";
import type { PageContext } from "../../src/views/parts.tsx";
import { workloadsPage } from "../../src/views/workloads.tsx";
import { manyRows } from "./rows.ts";

export interface RenderResult {
  ms: number[];
}

const { rows, times } = JSON.parse(process.argv[2]!) as { rows: number; times: number };
const items = manyRows("stub", rows).map((row) => ({ row, ageMs: 100 }));
const states: Record<string, number> = {};
for (const { row } of items) states[row.state] = (states[row.state] ?? 0) + 1;
const response = create(ListFleetWorkloadsResponseSchema, { items, total: rows, states, clusters: 1 });
const request = create(ListFleetWorkloadsRequestSchema, { limit: rows });
const context: PageContext = {
  lang: "en",
  path: "/workloads?limit=1000",
  user: { username: "admin", role: "admin", firstPassword: false },
  simulated: false,
  insecure: false,
  now: 1_750_000_000_000,
  version: "0.1.0",
};
const ms: number[] = [];
for (let turn = -20; turn < times; turn++) {
  const began = performance.now();
  const html = workloadsPage(context, response, request, { clusters: [{ name: "stub" }] });
  const took = performance.now() - began;
  if (html.split("<tr").length < rows) throw new Error("the page shows fewer rows");
  if (turn >= 0) ms.push(Math.round(took * 1000) / 1000);
  // As between two requests: the event loop turns.
  await Bun.sleep(0);
}
console.log(JSON.stringify({ ms } satisfies RenderResult));
