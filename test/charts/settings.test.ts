// The programs understand every setting that the charts write, in each preset.
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { agentSettings } from "../../src/agent/settings.ts";
import type { Table } from "../../src/process/settings.ts";
import { serverSettings } from "../../src/server/settings.ts";
import type { KubeObject } from "../testbed/cluster.ts";
import { describePart } from "../testbed/part.ts";
import { type Chart, charts, objectsOf, presetFile, presetsOf, render } from "./helm.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "lizardcd-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

// `UPDATE_SNAPSHOTS=1 npm test -- charts/settings` writes them into the schemas.
for (const [chart, table] of [
  ["lizardcd-server", serverSettings],
  ["lizardcd-agent", agentSettings],
] as const) {
  test(`the settings that ${chart} lets through are those of the program, by the names of their flags`, async () => {
    const file = join(root, "helm", chart, "values.schema.json");
    const schema = JSON.parse(readFileSync(file, "utf8"));
    const { settings } = schema.properties;
    const wanted = namesOf(table);
    if (process.env.UPDATE_SNAPSHOTS === "1") {
      settings.additionalProperties = false;
      settings.properties = Object.fromEntries(wanted.map((name) => [name, {}]));
      writeFileSync(file, `${JSON.stringify(schema, null, 2)}\n`);
    }
    expect(settings.additionalProperties).toBe(false);
    expect(Object.keys(settings.properties)).toEqual(wanted);
  });
}

/** Each flag; a secret's file; and what stands before a dot, since --set makes an object of it. */
function namesOf(table: Table): string[] {
  const flags = Object.values(table).flatMap(({ flag, type }) => (type === "secret" ? [flag, `${flag}-file`] : [flag]));
  const before = flags.flatMap((flag) => (flag.includes(".") ? [flag.split(".")[0]!] : []));
  return [...new Set([...flags, ...before])].sort();
}

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
