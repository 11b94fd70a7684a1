// Scripts and style that a page names.
import type { BenchServer } from "./bench.ts";
import { type Figure, shown } from "./figure.ts";

export async function assetsOf(server: BenchServer, html: string): Promise<Figure[]> {
  const scripts = [...html.matchAll(/<script[^>]*\ssrc="([^"]+)"/g)].map((match) => match[1]!);
  const styles = [...html.matchAll(/<link[^>]*rel="stylesheet"[^>]*>/g)].map(
    (match) => /href="([^"]+)"/.exec(match[0])![1]!,
  );
  if (scripts.length === 0 || styles.length === 0) throw new Error("the page names no script or no style");
  return [await sizeOf(server, "JavaScript, compressed", scripts, 60), await sizeOf(server, "CSS, compressed", styles)];
}

async function sizeOf(server: BenchServer, what: string, paths: string[], atMost?: number): Promise<Figure> {
  const parts: string[] = [];
  let sum = 0;
  for (const path of paths) {
    const answer = await server.fetch(path.replaceAll("&amp;", "&"), {
      headers: { "accept-encoding": "gzip" },
      decompress: false,
    } as RequestInit);
    const { byteLength } = await answer.arrayBuffer();
    sum += byteLength;
    parts.push(`${path.replace(/^.*\/|\?.*$/g, "")} ${shown(byteLength / 1000)}`);
  }
  const runs = `${paths.length} file${paths.length > 1 ? "s" : ""}`;
  return { what, value: sum / 1000, unit: "KB", spread: parts.join(", "), runs, goal: atMost ? { atMost } : undefined };
}
