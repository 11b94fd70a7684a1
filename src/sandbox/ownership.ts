import { changedFields, existing, type Fields, ownable, union, without } from "./fields.ts";
import { type Json, type ManagedFields, type Stored, timestamp } from "./object.ts";
import { apiVersion, type Resource } from "./resource.ts";

/** Who writes: kept in managedFields with the fields the write touched. */
export interface Writer {
  manager: string;
  operation?: "Update" | "Apply";
  subresource?: string;
  /** Check and answer, write nothing. */
  dryRun?: boolean;
}

/** managedFields after an ordinary write: the writer owns what it changed, nobody else does. */
export function afterUpdate(
  resource: Resource,
  before: Stored | undefined,
  after: Stored,
  writer: Writer,
): ManagedFields[] {
  const entries = before?.metadata.managedFields ?? [];
  const owned = view(resource, after, writer);
  const changed = changedFields(before ? view(resource, before, writer) : {}, owned) ?? {};
  const touched = Object.keys(changed).length > 0;
  // A write of status alone leaves everybody's spec fields as they are.
  const statusOnly = before !== undefined && before.spec === after.spec && sameLabels(before, after);
  const result: ManagedFields[] = [];
  let own: ManagedFields | undefined;
  for (const entry of entries) {
    if (statusOnly && entry.subresource !== "status") {
      result.push(entry);
      continue;
    }
    const kept = touched ? existing(entry.fieldsV1, after) : entry.fieldsV1;
    if (isSame(entry, resource, writer)) own = { ...entry, fieldsV1: kept };
    else push(result, { ...entry, fieldsV1: touched ? without(kept, changed) : existing(kept, after) });
  }
  if (own || touched) {
    const fieldsV1 = own ? union(own.fieldsV1, changed) : changed;
    push(result, entryOf(resource, writer, touched ? timestamp() : own!.time, fieldsV1));
  }
  return result.sort(byAge);
}

/** managedFields after an apply: the manager owns exactly what it applied; `taken` leaves the others. */
export function afterApply(
  resource: Resource,
  before: Stored | undefined,
  after: Stored,
  applied: Fields,
  taken: Fields,
  writer: Writer,
): ManagedFields[] {
  const result: ManagedFields[] = [];
  let time = timestamp();
  for (const entry of before?.metadata.managedFields ?? []) {
    if (isSame(entry, resource, writer)) {
      if (Bun.deepEquals(entry.fieldsV1, applied) && before!.spec === after.spec) time = entry.time;
      continue;
    }
    push(result, { ...entry, fieldsV1: without(existing(entry.fieldsV1, after), taken) });
  }
  push(result, entryOf(resource, writer, time, applied));
  return result.sort(byAge);
}

export const isSame = (entry: ManagedFields, resource: Resource, writer: Writer): boolean =>
  entry.manager === writer.manager &&
  entry.operation === (writer.operation ?? "Update") &&
  (entry.subresource ?? "") === (writer.subresource ?? "") &&
  (entry.operation === "Apply" || entry.apiVersion === apiVersion(resource));

/** What a write can own: no status through the main resource, where status has a door of its own. */
function view(resource: Resource, object: Stored, writer: Writer): Json {
  const { status, ...rest } = object;
  if (writer.subresource === "status" || !resource.status) return ownable(object);
  return ownable(rest);
}

function entryOf(resource: Resource, writer: Writer, time: string, fieldsV1: Fields): ManagedFields {
  return {
    manager: writer.manager,
    operation: writer.operation ?? "Update",
    apiVersion: apiVersion(resource),
    time,
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(writer.subresource && { subresource: writer.subresource }),
  };
}

function push(entries: ManagedFields[], entry: ManagedFields): void {
  if (Object.keys(entry.fieldsV1).length > 0) entries.push(entry);
}

/** Applies first, then by time, then by name, as the API server keeps them. */
function byAge(a: ManagedFields, b: ManagedFields): number {
  const text = (entry: ManagedFields) => `${entry.operation} ${entry.time} ${entry.manager} ${entry.subresource ?? ""}`;
  return text(a) < text(b) ? -1 : 1;
}

const sameLabels = (a: Stored, b: Stored): boolean =>
  Bun.deepEquals(a.metadata.labels, b.metadata.labels) &&
  Bun.deepEquals(a.metadata.annotations, b.metadata.annotations);
