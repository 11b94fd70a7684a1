// A template that names a field which no answer has would print nothing, and nobody would know why.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { Operation } from "../contract/operation.ts";
import type { Lang } from "../words/words.ts";
import { listOf } from "./catalogue.ts";
import type { Format } from "./format.ts";
import type { JsonPath } from "./jsonpath.ts";
import { clean } from "./output.ts";
import type { Terminal } from "./terminal.ts";
import { tell } from "./words.ts";

/** Says which fields there are where a template names another; a server of another version may have it all the same. */
export async function tellUnknown(format: Format, schema: DescMessage, terminal: Terminal, lang: Lang): Promise<void> {
  const unknown = format.as === "value" && format.paths ? unknownIn(format.paths, schema) : undefined;
  if (unknown) await terminal.err(`lizardcd: ${clean(tell(lang, "jsonpath.unknown", unknown))}\n`);
}

/** What the rows of an operation's list are. */
export function rowSchema(operation: Operation): DescMessage {
  const { method } = operation;
  return belowOf(method.output.fields.find(({ localName }) => localName === listOf(operation))!) ?? method.output;
}

function unknownIn(paths: JsonPath["paths"], schema: DescMessage): { field: string; fields: string } | undefined {
  for (const path of paths) {
    let at: DescMessage | undefined = schema;
    for (const { name, open } of path) {
      if (open || !at) break;
      if (name === undefined) continue;
      const found = fieldIn(at, name);
      if (!found) return { field: JSON.stringify(name), fields: namesIn(at).join(", ") };
      at = belowOf(found);
    }
  }
  return undefined;
}

/** As a template finds it: `items` is the list, and what an item lacks is in its `row`. */
function fieldIn({ fields }: DescMessage, name: string): DescField | undefined {
  const called = (all: readonly DescField[], wanted: string) => all.find(({ jsonName }) => jsonName === wanted);
  const list = name === "items" ? called(fields, "clusters") : undefined;
  const row = called(fields, "row")?.message;
  return called(fields, name) ?? (list?.fieldKind === "list" ? list : undefined) ?? (row && called(row.fields, name));
}

function namesIn({ fields }: DescMessage): string[] {
  const names = fields.flatMap((field) =>
    field.jsonName === "row" && field.message ? namesIn(field.message) : field.jsonName,
  );
  return [...new Set(names)];
}

function belowOf(field: DescField): DescMessage | undefined {
  return field.fieldKind === "message" || field.fieldKind === "list" ? field.message : undefined;
}
