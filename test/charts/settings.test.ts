// The programs understand every setting that the charts write, in each preset.
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { KubeObject } from "../testbed/cluster.ts";
import { describePart } from "../testbed/part.ts";
import { type Chart, charts, objectsOf, presetFile, presetsOf, render } from "./helm.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "lizardcd-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

describePart("helm", "the settings of", ({ helm }) => {
  for (const chart of charts) {
    for (const preset of presetsOf(chart)) {
      test(`${chart} with its preset ${preset} are read without a word of warning`, async () => {
        const files = await settingsOf(helm, chart, preset);
        expect(files.length).toBe(chart === "lizardcd" ? 2 : 1);
        for (const { program, path, keys } of files) {
          const child = Bun.spawnSync([process.execPath, `src/${program}/main.ts`, "-f", path, "--print-config"], {
            cwd: root,
          });
          expect(child.stderr.toString()).toBe("");
          expect(child.exitCode).toBe(0);
          const inForce = child.stdout.toString();
          for (const key of keys) expect(inForce).toMatch(new RegExp(`^${key.replace(/-file$/, "")}: .*# file`, "m"));
        }
      });
    }
  }
});

/** The files of a release, with something in each file that they refer to. */
async function settingsOf(helm: string, chart: Chart, preset: string) {
  const objects = objectsOf(await render(helm, chart, ["--values", presetFile(chart, preset)]));
  const maps = objects.filter((one): one is KubeObject & { data: Record<string, string> } => one.kind === "ConfigMap");
  return maps.flatMap(({ data }) =>
    Object.entries(data).map(([file, text]) => {
      const path = join(folder, `${chart}-${preset}-${file}`);
      const secrets = [...text.matchAll(/-file: (\S+)/g)].map(([, secret]) => secret!);
      for (const secret of secrets) {
        mkdirSync(dirname(join(folder, secret)), { recursive: true });
        writeFileSync(join(folder, secret), "secret\n");
      }
      writeFileSync(path, text.replace(/-file: /g, `-file: ${folder}`));
      const keys = Object.keys(Bun.YAML.parse(text) as object);
      return { program: file.replace(".yaml", ""), path, keys };
    }),
  );
}
