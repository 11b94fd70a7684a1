// How large the programs are that `npm run build` makes.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { buildPrograms } from "../../scripts/build.ts";
import type { Bench } from "./bench.ts";
import type { Figure, Part } from "./figure.ts";

export const size: Part<Bench> = {
  name: "size",
  title: "Size",
  conditions: "Binaries for this machine; MB are 1,000,000 bytes. Bun's own runtime is nearly all of it.",
  async run(bench) {
    const programs = await buildPrograms({ out: join(bench.group.folder, "size") });
    const figures: Figure[] = [];
    for (const [what, path] of Object.entries(programs)) {
      figures.push({ what, value: (await stat(path)).size / 1e6, unit: "MB", runs: "1 build" });
    }
    return figures;
  },
};
