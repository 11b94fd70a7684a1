import type { Api } from "../api.ts";
import { equal, type Json, type Stored, shortHash } from "../object.ts";
import { isOwnedBy, ownerReference } from "../pod.ts";
import { type Resource, resources } from "../resource.ts";
import { controllerManager } from "./loop.ts";

/** On pods: of a StatefulSet the revision's name, of a DaemonSet its hash alone. */
export const revisionLabel = "controller-revision-hash";
const hashLabel = "controller.kubernetes.io/hash";

/** The ControllerRevision of the object's template, made when new and renumbered when an old one returns. */
export function syncRevision(api: Api, resource: Resource, owner: Stored): Stored {
  const all = revisionsOf(api, owner);
  const template = { ...owner.spec.template, $patch: "replace" };
  const found = all.find((revision) => equal(revision.data.spec.template, template));
  const newest = Math.max(0, ...all.map((revision) => revision.revision));
  if (found && found.revision === newest) return found;
  if (found) {
    return api.update(resources.controllerrevisions, found, { ...found, revision: newest + 1 }, controllerManager);
  }
  return api.create(
    resources.controllerrevisions,
    owner.metadata.namespace,
    revisionFor(resource, owner, newest + 1),
    controllerManager,
  );
}

export function revisionFor(resource: Resource, owner: Stored, number: number): Json {
  const hash = shortHash(owner.spec.template);
  const name = `${owner.metadata.name}-${hash}`;
  const label = resource === resources.statefulsets ? hashLabel : revisionLabel;
  return {
    metadata: {
      name,
      namespace: owner.metadata.namespace,
      labels: { ...owner.spec.template.metadata?.labels, [label]: hash },
      ownerReferences: [ownerReference(resource, owner)],
    },
    data: { spec: { template: { ...owner.spec.template, $patch: "replace" } } },
    revision: number,
  };
}

/** Drops the oldest revisions nothing runs, beyond the owner's revisionHistoryLimit. */
export function cleanRevisions(api: Api, owner: Stored, inUse: Set<string | undefined>): void {
  const unused = revisionsOf(api, owner)
    .filter(({ metadata }) => !inUse.has(metadata.name) && !inUse.has(metadata.labels?.[revisionLabel]))
    .sort((a, b) => a.revision - b.revision);
  for (const revision of unused.slice(0, Math.max(0, unused.length - owner.spec.revisionHistoryLimit))) {
    api.delete(resources.controllerrevisions, revision);
  }
}

const revisionsOf = (api: Api, owner: Stored): Stored[] =>
  api.store
    .dependentsOf(owner.metadata.uid, resources.controllerrevisions)
    .filter((revision) => isOwnedBy(revision, owner));
