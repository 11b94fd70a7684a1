// `npm run bench`: every part; `npm run bench -- hop fleet`: those. `--write` puts the tables of all parts that ran into
// docs/benchmarks.md. A benchmark prints figures and is no test: it fails only where it cannot measure.
import { join } from "node:path";
import { startBench } from "./bench.ts";
import { churn } from "./churn.ts";
import { cli } from "./cli.ts";
import { conditions } from "./conditions.ts";
import { consul } from "./consul.ts";
import { etcd } from "./etcd.ts";
import { type Figure, isMet, table } from "./figure.ts";
import { fleet } from "./fleet.ts";
import { hop } from "./hop.ts";
import { list } from "./list.ts";
import { lookup } from "./lookup.ts";
import { memory } from "./memory.ts";
import { nacos } from "./nacos.ts";
import { page } from "./page.ts";
import { requests } from "./requests.ts";
import { size } from "./size.ts";
import { startup } from "./startup.ts";

const parts = [size, startup, memory, hop, list, page, requests, fleet, churn, lookup, etcd, consul, nacos, cli];
const document = join(import.meta.dir, "../../docs/benchmarks.md");

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const write = args.includes("--write");
  const names = args.filter((arg) => arg !== "--write");
  const unknown = names.filter((name) => !parts.some((part) => part.name === name));
  if (unknown.length > 0 || process.platform !== "linux") {
    const problem = unknown.length > 0 ? `there is no part ${unknown.join(", ")}` : "it reads /proc, which Linux has";
    console.error(`bench: ${problem}; parts are ${parts.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  const began = performance.now();
  const said = conditions();
  console.log(said.join("\n"));
  const bench = await startBench();
  const sections: { name: string; text: string; figures: Figure[] }[] = [];
  try {
    for (const part of parts) {
      if (names.length > 0 && !names.includes(part.name)) continue;
      const figures = await part.run(bench);
      const text = `## ${part.title}\n\n${part.conditions}\n\n${table(figures)}\n`;
      sections.push({ name: part.name, text, figures });
      console.log(`\n${text.trimEnd()}`);
    }
  } finally {
    await bench.stop();
  }
  const judged = sections.flatMap(({ figures }) => figures).filter((figure) => figure.goal);
  const met = judged.filter((figure) => isMet(figure)).length;
  const summary = `${met} of ${judged.length} goals met, ${Math.round((performance.now() - began) / 1000)} s`;
  console.log(`\n${summary}`);
  if (write) await writeDown([...said, summary], sections);
  return 0;
}

/** Replaces what stands between the marks of each part, or adds them at the end; the words around them stay. */
async function writeDown(said: string[], sections: { name: string; text: string }[]): Promise<void> {
  let text = await Bun.file(document).text();
  const run = { name: "conditions", text: `${said.map((line) => `- ${line}`).join("\n")}\n` };
  for (const { name, text: part } of [run, ...sections]) {
    const [begin, end] = [`<!-- bench ${name} -->\n`, `<!-- end ${name} -->`];
    if (!text.includes(begin)) text += `\n${begin}${end}\n`;
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    text = text.slice(0, from + begin.length) + part + text.slice(to);
  }
  await Bun.write(document, text);
}
