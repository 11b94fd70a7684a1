// A JSON schema of a program's configuration file, from its table of settings: for editors that complete and check YAML.
import type { Key, Table } from "./setting.ts";
import { secretFiles } from "./setting-file.ts";

export interface Schema {
  [keyword: string]: unknown;
  properties?: Record<string, Schema>;
}

export function jsonSchema(name: string, table: Table): Schema {
  const root: Schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `Configuration file of ${name}`,
    ...emptyObject(),
  };
  for (const key of Object.values(table)) {
    if (key.later || key.flag === "config") continue;
    if (key.old) {
      const gone = { deprecationMessage: "means nothing to this version and is ignored" };
      for (const path of [key.flag, capital(key.flag), ...pathsIn(key)]) put(root, path, gone);
      continue;
    }
    put(root, key.flag, { description: key.help, ...typeOf(key) });
    const earlier = { description: key.help, deprecationMessage: `is ${key.flag} now, and works as before` };
    const spelled = key.flag.includes("-") ? [] : [capital(key.flag)];
    for (const path of [...spelled, ...pathsIn(key)]) put(root, path, { ...earlier, ...typeOf(key) });
    for (const { host, port } of pairsIn(key)) {
      put(root, host, { ...earlier, type: "string" });
      put(root, port, { ...earlier, type: ["integer", "string"] });
    }
    for (const path of secretFiles(key))
      put(root, path, { description: `${key.help}; the file it lies in`, type: "string" });
  }
  return root;
}

/** The same for a chart's values, where each setting has the name of its flag, whole or nested as --set makes it. */
export function settingsSchema(table: Table): Schema {
  const root = emptyObject();
  for (const key of Object.values(table)) {
    if (key.later) continue;
    const named = new Map([[key.flag, key.old ? {} : { description: key.help, ...typeOf(key) }]]);
    if (key.type === "secret")
      named.set(`${key.flag}-file`, { description: `${key.help}; the file it lies in`, type: "string" });
    for (const [name, schema] of named) {
      put(root, name, schema);
      root.properties![name] = schema;
    }
  }
  return root;
}

function emptyObject(): Schema {
  return { type: "object", additionalProperties: false, properties: {} };
}

/** "log.level" nests; what stands there already stays. */
function put(root: Schema, path: string, schema: Schema): void {
  const parts = path.split(".");
  const last = parts.pop()!;
  let at = root;
  for (const part of parts) {
    at.properties![part] ??= emptyObject();
    at = at.properties![part]!;
    // What means nothing covers all that nests below it.
    if (!at.properties) return;
  }
  at.properties![last] ??= schema;
}

function pathsIn({ file = [] }: Key): string[] {
  return file.filter((one) => typeof one === "string");
}

function pairsIn({ file = [] }: Key): { host: string; port: string }[] {
  return file.flatMap((one) => (typeof one === "string" ? [] : [one]));
}

/** "prometheus.path" as the earlier files write it. */
function capital(path: string): string {
  return path.replace(/(^|\.)[a-z]/g, (letters) => letters.toUpperCase());
}

function typeOf(key: Key): Schema {
  const standard = typeof key.default === "function" || key.default === undefined ? {} : { default: key.default };
  switch (key.type) {
    case "boolean":
      return { type: "boolean", ...standard };
    case "integer":
      return { type: "integer", ...bounds(key), ...standard };
    case "duration":
      return { type: ["string", "number"], pattern: "^\\d+(\\.\\d+)?(ms|s|m|h|d)?$", ...standard };
    case "list":
      return { type: ["array", "string"], items: { type: "string" } };
    case "labels":
      return { type: ["object", "string"], additionalProperties: { type: ["string", "number", "boolean"] } };
    case "choice":
      return { type: "string", enum: [...(key.choices ?? []), ...Object.keys(key.aliases ?? {})], ...standard };
    case "address":
      return { type: "string", pattern: "^(\\[[0-9a-fA-F:]+\\]|[^:\\[\\]\\s]*):\\d{1,5}$", ...standard };
    default:
      return { type: ["string", "number"], ...standard };
  }
}

function bounds({ min, max }: Key): Schema {
  return { ...(min === undefined ? {} : { minimum: min }), ...(max === undefined ? {} : { maximum: max }) };
}
