// Writes docs/schema, the JSON schemas of the programs' configuration files, and what follows from elsewhere in those of
// the charts' values.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { agentSettings } from "../src/agent/settings.ts";
import { jsonSchema } from "../src/process/schema.ts";
import { serverSettings } from "../src/server/settings.ts";
import { chartSchemas } from "./chart-schema.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** File -> its text. */
export const schemas: Record<string, string> = {
  ...Object.fromEntries(
    Object.entries({ "lizardcd-server": serverSettings, "lizardcd-agent": agentSettings }).map(([name, table]) => [
      `docs/schema/${name}.schema.json`,
      `${JSON.stringify(jsonSchema(name, table), null, 2)}\n`,
    ]),
  ),
  ...chartSchemas,
};

if (import.meta.main) {
  for (const [file, text] of Object.entries(schemas)) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), text);
  }
}
