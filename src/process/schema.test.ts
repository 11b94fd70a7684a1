import { expect, test } from "bun:test";
import { join } from "node:path";
import { schemas } from "../../scripts/schema.ts";
import { agentSettings } from "../agent/settings.ts";
import { serverSettings } from "../server/settings.ts";
import { jsonSchema, type Schema } from "./schema.ts";
import { helpText, printConfig, readSettings, type Table } from "./settings.ts";

const root = join(import.meta.dir, "../..");
const tables = { "lizardcd-server": serverSettings, "lizardcd-agent": agentSettings } as Record<string, Table>;

test("the committed schemas are those of the tables (npm run generate)", async () => {
  for (const [file, text] of Object.entries(schemas)) {
    expect([file, await Bun.file(join(root, file)).text()]).toEqual([file, text]);
  }
});

/** What a schema of this kind says is wrong with a value; it has no other keywords than these. */
function problems(schema: Schema, value: unknown, at = ""): string[] {
  const { type, properties, additionalProperties, items, pattern } = schema;
  const is = Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  const types = [type ?? is].flat();
  if (!types.includes(is) && !(is === "integer" && types.includes("number"))) return [`${at} is ${is}`];
  if (is === "string" && pattern && !new RegExp(pattern as string).test(value as string))
    return [`${at} is no ${pattern}`];
  if (schema.enum && !(schema.enum as unknown[]).includes(value)) return [`${at} is none of ${schema.enum}`];
  if (is === "array") return (value as unknown[]).flatMap((one) => problems(items as Schema, one, `${at}[]`));
  if (is !== "object" || !properties) return [];
  return Object.entries(value as object).flatMap(([name, one]) => {
    const own = properties[name];
    if (own) return problems(own, one, `${at}.${name}`);
    return additionalProperties === false ? [`${at}.${name} is not known`] : [];
  });
}

/** "log.level: x" as it nests. */
function nested(flat: Record<string, unknown>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(flat)) {
    const parts = path.split(".");
    const last = parts.pop()!;
    let at = root;
    for (const part of parts) {
      at[part] ??= {};
      at = at[part] as Record<string, unknown>;
    }
    at[last] = value;
  }
  return root;
}

test("what --print-config prints is valid by the schema, and a misspelt key or wrong type is not", () => {
  for (const [name, table] of Object.entries(tables)) {
    const schema = jsonSchema(name, table);
    const printed = printConfig({ table }, readSettings(table, { argv: [], env: {}, readFile: () => "" }));
    const flat = Bun.YAML.parse(printed) as Record<string, unknown>;
    expect(Object.keys(flat).length).toBeGreaterThan(8);
    expect([name, problems(schema, nested(flat))]).toEqual([name, []]);
    expect(problems(schema, { log: { levl: "info" } })).toEqual([".log.levl is not known"]);
    expect(problems(schema, { log: { level: "loud" } })).toHaveLength(1);
    expect(problems(schema, { "metrics-addr": "5017" })).toHaveLength(1);
    for (const { flag } of Object.values(table).filter(({ old, later }) => !old && !later)) {
      if (flag === "config") continue;
      expect([flag, problems(schema, nested({ [flag]: null })).join()]).not.toEqual([
        flag,
        expect.stringContaining("not known"),
      ]);
      expect(helpText({ name, summary: "", table })).toContain(`--${flag}`);
    }
  }
});

test("the earlier programs' files are valid too", () => {
  const server = {
    Name: "s",
    Host: "0.0.0.0",
    Port: 5117,
    Log: { Encoding: "plain", Level: "severe" },
    Sqlite: "/x.db",
  };
  expect(problems(jsonSchema("s", serverSettings), { ...server, Auth: { AccessSecretFile: "/run/s" } })).toEqual([]);
  const agent = { ListenOn: "0.0.0.0:5017", Telemetry: { Name: "x" }, Etcd: { Hosts: ["a:1"], Key: "k" } };
  expect(problems(jsonSchema("a", agentSettings), agent)).toEqual([]);
});
