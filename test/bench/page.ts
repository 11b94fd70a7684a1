// The page of 1,000 rows, and what else a browser loads.
import { gzipSync } from "node:zlib";
import { assetsOf } from "./asset.ts";
import { type Bench, forStubs } from "./bench.ts";
import { type Figure, type Part, quantile, shown } from "./figure.ts";
import { known } from "./memory.ts";
import type { RenderResult } from "./render.ts";

const path = "/workloads?limit=1000";

export const page: Part<Bench> = {
  name: "page",
  title: "The page of 1,000 rows, and what a browser loads",
  conditions:
    "Render: messages to HTML text, as the server calls it, from source in a process of its own, after 20 renders that do " +
    "not count. Sizes and the whole request: from the compiled server, compressed with gzip as a browser asks for it; the " +
    "rows come from a stub agent, their names and images do not repeat, and one in ten has a reason. Scripts and style " +
    "are those that the page names, each compressed.",
  async run(bench) {
    const { ms } = await bench.script<RenderResult>("render.ts", { rows: 1_000, times: 120 });
    const server = await bench.startServer(forStubs);
    const stub = await bench.startStub(server, { rows: 1_000 });
    await server.announce(crypto.randomUUID(), ["lizardcd-agent.*.stub"], stub.addresses[0]!);
    await known(server, "stub");
    const requests: number[] = [];
    let html = "";
    let wire = 0;
    for (let turn = 0; turn < 40; turn++) {
      const began = performance.now();
      const answer = await server.fetch(path, {
        headers: { accept: "text/html", "accept-encoding": "gzip" },
        decompress: false,
      } as RequestInit);
      const body = await answer.arrayBuffer();
      requests.push(performance.now() - began);
      wire = body.byteLength;
      html = new TextDecoder().decode(Bun.gunzipSync(new Uint8Array(body)));
    }
    const warm = requests.slice(10);
    const shownRows = html.split("<tr").length - 2;
    if (shownRows < 1_000) throw new Error(`the page shows ${shownRows} rows, not 1,000`);
    const figures: Figure[] = [
      {
        what: "render, median",
        value: quantile(ms, 0.5),
        unit: "ms",
        spread: `p95 ${shown(quantile(ms, 0.95))}, max ${shown(Math.max(...ms))}`,
        runs: `${ms.length} renders`,
        goal: { atMost: 5 },
      },
      {
        what: "whole request, median",
        value: quantile(warm, 0.5),
        unit: "ms",
        spread: `p95 ${shown(quantile(warm, 0.95))}`,
        runs: `${warm.length} requests`,
      },
      {
        what: "page, compressed",
        value: wire / 1000,
        unit: "KB",
        spread: `${shown(html.length / 1000)} before; at gzip's best level ${shown(gzipSync(html, { level: 9 }).length / 1000)}`,
        runs: "1 page",
        goal: { atMost: 35 },
      },
      ...(await assetsOf(server, html)),
    ];
    await server.process.stop();
    await stub.process.stop();
    return figures;
  },
};
