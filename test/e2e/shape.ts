// Holds a JSON value against a schema of the OpenAPI document: as much of JSON Schema as the document uses, and no field
// that it does not name.

type Schema = Record<string, unknown>;
export type Schemas = Record<string, Schema>;

const known = new Set([
  ...["type", "title", "description", "properties", "required", "additionalProperties", "items"],
  ...["enum", "pattern", "minimum", "maximum", "maxLength", "format", "$ref"],
]);

/** @returns what is wrong, one line each, with the place; nothing when the value is as the schema says. */
export function mismatches(schema: Schema, value: unknown, schemas: Schemas, at = "answer"): string[] {
  const foreign = Object.keys(schema).filter((word) => !known.has(word));
  if (foreign.length > 0) return [`${at}: this check does not know ${foreign.join(", ")}`];
  if (typeof schema.$ref === "string") {
    const name = schema.$ref.replace("#/components/schemas/", "");
    const found = schemas[name];
    return found ? mismatches(found, value, schemas, at) : [`${at}: ${schema.$ref} leads nowhere`];
  }
  const wrong: string[] = [];
  const say = (problem: string) => wrong.push(`${at}: ${problem}, but is ${JSON.stringify(value)?.slice(0, 100)}`);
  if (schema.type && !types[schema.type as string]?.(value)) say(`should be ${schema.type}`);
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) say(`should be one of ${schema.enum.join(", ")}`);
  if (typeof value === "string") {
    if (schema.pattern && !new RegExp(schema.pattern as string, "u").test(value)) say(`should match ${schema.pattern}`);
    if (schema.maxLength !== undefined && value.length > Number(schema.maxLength)) say("is too long");
  }
  if (typeof value === "number") {
    if (schema.minimum !== undefined && value < Number(schema.minimum)) say(`should be at least ${schema.minimum}`);
    if (schema.maximum !== undefined && value > Number(schema.maximum)) say(`should be at most ${schema.maximum}`);
  }
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries())
      wrong.push(...mismatches(schema.items as Schema, one, schemas, `${at}[${index}]`));
  } else if (typeof value === "object" && value !== null) {
    const properties = (schema.properties ?? {}) as Schemas;
    for (const name of (schema.required ?? []) as string[]) if (!(name in value)) say(`lacks ${name}`);
    for (const [name, one] of Object.entries(value)) {
      const own = properties[name] ?? schema.additionalProperties;
      if (typeof own === "object") wrong.push(...mismatches(own as Schema, one, schemas, `${at}.${name}`));
      else if (own !== true) wrong.push(`${at}: ${name} is not in the document`);
    }
  }
  return wrong;
}

const types: Record<string, (value: unknown) => boolean> = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  integer: Number.isInteger,
  number: (value) => typeof value === "number",
};
