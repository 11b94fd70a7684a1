import { allResources, apiVersion, type Resource } from "./resource.ts";

const verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];

/** `/api`, `/apis`, `/api/v1`, `/apis/apps/v1` …; undefined for any other path. */
export function catalogue(path: string): object | undefined {
  const groups = [...new Set(allResources.filter((r) => r.group).map((r) => apiVersion(r)))];
  if (path === "/api") return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
  if (path === "/apis") {
    return { kind: "APIGroupList", apiVersion: "v1", groups: [...groups, "authorization.k8s.io/v1"].map(group) };
  }
  if (path === "/apis/authorization.k8s.io/v1") {
    return list("authorization.k8s.io/v1", [
      review("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
      review("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ]);
  }
  const [, version] = /^\/(?:api|apis)\/(.+)$/.exec(path) ?? [];
  const members = allResources.filter((resource) => apiVersion(resource) === version);
  return members.length > 0 ? list(version!, members.flatMap(entries)) : undefined;
}

function entries(resource: Resource): object[] {
  const { plural: name, kind, namespaced, shortNames } = resource;
  const sub = (part: string, of: string) => ({
    name: `${name}/${part}`,
    singularName: "",
    namespaced,
    kind: of,
    verbs: ["get", "patch", "update"],
  });
  return [
    {
      name,
      singularName: kind.toLowerCase(),
      namespaced,
      kind,
      verbs,
      shortNames,
      ...(resource.group === "apps" && { categories: ["all"] }),
    },
    ...(resource.status ? [sub("status", kind)] : []),
    ...(resource.scale ? [{ ...sub("scale", "Scale"), group: "autoscaling", version: "v1" }] : []),
    ...(kind === "Pod" ? [{ name: "pods/log", singularName: "", namespaced, kind, verbs: ["get"] }] : []),
  ];
}

const list = (groupVersion: string, resources: object[]) => ({
  kind: "APIResourceList",
  apiVersion: "v1",
  groupVersion,
  resources,
});

const review = (name: string, kind: string) => ({ name, singularName: "", namespaced: false, kind, verbs: ["create"] });

function group(groupVersion: string) {
  const [name, version] = groupVersion.split("/");
  return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
}
