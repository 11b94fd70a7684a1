import { type Applied, apply } from "./apply.ts";
import { emptyStatus, withDefaults } from "./defaults.ts";
import { alreadyExists, badRequest, conflict, expired, invalid, modified, notFound, refused } from "./failure.ts";
import { fieldsOf, ownable } from "./fields.ts";
import { equal, type Json, type Metadata, type Stored, suffix, timestamp } from "./object.ts";
import { afterApply, afterUpdate, type Writer } from "./ownership.ts";
import { exceededQuota } from "./quota.ts";
import { apiVersion, qualifiedKind, type Resource, resources } from "./resource.ts";
import type { Store } from "./store.ts";
import { apiVersionMismatch, checkTypes, validate } from "./validation.ts";

export interface Removal {
  /** Seconds; undefined: the object's own. */
  grace?: number;
  orphan?: boolean;
  dryRun?: boolean;
  uid?: string;
  resourceVersion?: string;
}

/** The writes of the API server: defaults, validation, admission, generation and field ownership. */
export class Api {
  constructor(readonly store: Store) {}

  get(resource: Resource, namespace: string | undefined, name: string): Stored {
    const object = this.store.get(resource, namespace, name);
    if (!object) throw notFound(resource, name);
    return object;
  }

  create(resource: Resource, namespace: string | undefined, body: Json, writer: Writer, applied?: Applied): Stored {
    checkBody(resource, namespace, body);
    const { kind: _, apiVersion: __, ...rest } = body;
    if (resource.status && resource !== resources.nodes) rest.status = emptyStatus(resource);
    const wanted: Json = rest.metadata ?? {};
    const name = wanted.name || (wanted.generateName ? wanted.generateName + suffix() : "");
    if (!name) {
      const message = "Required value: name or generateName is required";
      throw invalid(qualifiedKind(resource), "", [{ reason: "FieldValueRequired", message, field: "metadata.name" }]);
    }
    if (namespace !== undefined) this.#admitInto(resource, namespace, name);
    if (this.store.get(resource, namespace, name)) throw alreadyExists(resource, name);
    const metadata: Metadata = {
      ...writable(wanted),
      ...(wanted.generateName && { generateName: wanted.generateName }),
      name,
      ...(namespace !== undefined && { namespace }),
      uid: crypto.randomUUID(),
      resourceVersion: "",
      ...(resource.generation && { generation: 1 }),
      creationTimestamp: timestamp(),
    };
    const object = withDefaults(resource, { ...rest, metadata });
    validate(resource, object);
    const excess = resource === resources.pods && exceededQuota(this.store, object);
    if (excess) throw refused(resource, name, excess);
    metadata.managedFields = applied
      ? afterApply(resource, undefined, object, applied.fields, {}, writer)
      : afterUpdate(resource, undefined, object, writer);
    object.metadata = { ...object.metadata, managedFields: metadata.managedFields };
    if (!writer.dryRun) return this.store.put(resource, object);
    // What is never stored has no version.
    const { resourceVersion: ___, ...unstored } = object.metadata;
    return { ...object, metadata: unstored as Metadata };
  }

  /** Replaces the object by `body`; status only through the subresource "status", all but status otherwise. */
  update(resource: Resource, old: Stored, body: Json, writer: Writer, applied?: Applied): Stored {
    checkBody(resource, old.metadata.namespace, body);
    const { name } = old.metadata;
    const wanted: Json = body.metadata ?? {};
    if (wanted.name !== undefined && wanted.name !== name) {
      throw badRequest(`the name of the object (${wanted.name}) does not match the name on the URL (${name})`);
    }
    if (wanted.uid && wanted.uid !== old.metadata.uid) {
      const message = `Invalid value: "${wanted.uid}": field is immutable`;
      throw invalid(qualifiedKind(resource), name, [{ reason: "FieldValueInvalid", message, field: "metadata.uid" }]);
    }
    if (wanted.resourceVersion && wanted.resourceVersion !== old.metadata.resourceVersion)
      throw modified(resource, name);
    let object =
      writer.subresource === "status" ? statusOf(old, body) : withDefaults(resource, mainOf(resource, old, body));
    if (writer.subresource !== "status") validate(resource, object, old);
    if (changesGeneration(resource, old, object) && writer.subresource !== "status") {
      object = {
        ...object,
        metadata: { ...object.metadata, generation: (old.metadata.generation ?? 0) + 1 },
      };
    }
    const unchanged = equal(unmanaged(old), unmanaged(object));
    if (unchanged && !applied) return old;
    const managedFields = applied
      ? afterApply(resource, old, object, applied.fields, applied.taken, writer)
      : afterUpdate(resource, old, object, writer);
    if (unchanged && equal(managedFields, old.metadata.managedFields)) return old;
    object = { ...object, metadata: { ...object.metadata, managedFields } };
    if (writer.dryRun) return object;
    // The last finalizer gone: the object goes with it.
    if (object.metadata.deletionTimestamp && !object.metadata.finalizers?.length && resource !== resources.pods) {
      return this.store.remove(resource, object);
    }
    return this.store.put(resource, object);
  }

  apply(resource: Resource, namespace: string | undefined, name: string, config: Json, writer: Writer, force: boolean) {
    const { status, ...rest } = config;
    const wanted = resource.status && writer.subresource !== "status" ? rest : config;
    if (config.apiVersion !== apiVersion(resource) || config.kind !== resource.kind) {
      throw badRequest(`invalid object type: ${config.apiVersion ?? ""}, Kind=${config.kind ?? ""}`);
    }
    const live = this.store.get(resource, namespace, name);
    if (!live) {
      const applied = { object: wanted, fields: fieldsOf(ownable(wanted)), taken: {} };
      const body = { ...wanted, metadata: { ...wanted.metadata, name } };
      return { created: true, object: this.create(resource, namespace, body, writer, applied) };
    }
    const { resourceVersion } = config.metadata ?? {};
    if (resourceVersion && resourceVersion !== live.metadata.resourceVersion) throw modified(resource, name);
    const applied = apply(resource, live, wanted, writer, force);
    return { created: false, object: this.update(resource, live, applied.object, writer, applied) };
  }

  /** Deletes at once, or marks for deletion what has finalizers, and pods that are running. */
  delete(resource: Resource, object: Stored, removal: Removal = {}): { object: Stored; gone: boolean } {
    const { name, uid, resourceVersion, finalizers } = object.metadata;
    if (removal.uid && removal.uid !== uid) {
      const why = `Precondition failed: UID in precondition: ${removal.uid}, UID in object meta: ${uid}`;
      throw conflict(resource, name, why);
    }
    if (removal.resourceVersion && removal.resourceVersion !== resourceVersion) throw modified(resource, name);
    if (removal.dryRun) return { object, gone: true };
    const grace = graceOf(resource, object, removal.grace);
    if (grace > 0 || finalizers?.length || resource === resources.namespaces) {
      if (object.metadata.deletionTimestamp) return { object, gone: false };
      const metadata = {
        ...object.metadata,
        deletionTimestamp: timestamp(Date.now() + grace * 1000),
        deletionGracePeriodSeconds: grace,
        ...(resource.generation && { generation: (object.metadata.generation ?? 0) + 1 }),
      };
      const status = resource === resources.namespaces ? { ...object.status, phase: "Terminating" } : object.status;
      return { object: this.store.put(resource, { ...object, metadata, ...(status && { status }) }), gone: false };
    }
    if (removal.orphan) this.#orphan(uid);
    return { object: this.store.remove(resource, object), gone: true };
  }

  #admitInto(resource: Resource, namespace: string, name: string): void {
    const space = this.store.get(resources.namespaces, undefined, namespace);
    if (!space) throw notFound(resources.namespaces, namespace);
    if (!space.metadata.deletionTimestamp) return;
    throw refused(
      resource,
      name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
    );
  }

  #orphan(uid: string): void {
    for (const { resource, object } of this.store.dependents(uid)) {
      const ownerReferences = object.metadata.ownerReferences?.filter((owner) => owner.uid !== uid);
      this.store.put(resource, { ...object, metadata: { ...object.metadata, ownerReferences } });
    }
  }
}

/** The 410 for a resourceVersion or continue token from before the history. */
export const tooOld = (asked: number | string, oldest: number) =>
  expired(`too old resource version: ${asked} (${oldest})`);

function checkBody(resource: Resource, namespace: string | undefined, body: Json): void {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw badRequest(`couldn't get version/kind; json parse error: json: cannot unmarshal into Go value`);
  }
  if (body.kind !== undefined && body.kind !== resource.kind) {
    throw badRequest(
      `${body.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: no kind "${body.kind}" is ` +
        `registered for version "${apiVersion(resource)}" in scheme "pkg/runtime/scheme.go:111"`,
    );
  }
  if (body.apiVersion !== undefined && body.apiVersion !== apiVersion(resource)) {
    throw apiVersionMismatch(resource, body.apiVersion);
  }
  checkTypes(resource, body);
  const given = body.metadata?.namespace;
  if (given && namespace !== undefined && given !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
}

const writable = (metadata: Json): Json => {
  const { labels, annotations, ownerReferences, finalizers } = metadata;
  return {
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(ownerReferences && { ownerReferences }),
    ...(finalizers && { finalizers }),
  };
};

function mainOf(resource: Resource, old: Stored, body: Json): Stored {
  const { kind: _, apiVersion: __, ...rest } = body;
  const { labels, annotations, ownerReferences, finalizers, ...identity } = old.metadata;
  const object: Stored = { ...rest, metadata: { ...identity, ...writable(body.metadata ?? {}) } };
  if (!resource.status) return object;
  const { status, ...main } = object;
  return old.status === undefined
    ? { ...main, metadata: object.metadata }
    : { ...main, metadata: object.metadata, status: old.status };
}

/** Through /status only the status moves, and annotations, which controllers write along with it. */
function statusOf(old: Stored, body: Json): Stored {
  const annotations = body.metadata?.annotations ?? old.metadata.annotations;
  return { ...old, metadata: { ...old.metadata, ...(annotations && { annotations }) }, status: body.status };
}

/** A Deployment counts changes of its annotations too. */
function changesGeneration(resource: Resource, old: Stored, next: Stored): boolean {
  if (!resource.generation) return false;
  if (!equal(old.spec, next.spec)) return true;
  return resource === resources.deployments && !equal(old.metadata.annotations ?? {}, next.metadata.annotations ?? {});
}

const unmanaged = (object: Stored) => ({
  ...object,
  metadata: { ...object.metadata, managedFields: undefined },
});

function graceOf(resource: Resource, object: Stored, asked: number | undefined): number {
  if (resource !== resources.pods || !object.spec?.nodeName) return 0;
  if (object.status?.phase === "Failed" || object.status?.phase === "Succeeded") return 0;
  return asked ?? object.spec.terminationGracePeriodSeconds ?? 30;
}
