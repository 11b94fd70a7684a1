import { badRequest, type Cause, invalid } from "./failure.ts";
import { equal, isObject, type Json, type Stored } from "./object.ts";
import { apiVersion, qualifiedKind, type Resource, resources } from "./resource.ts";
import { selectorMatches } from "./selector.ts";

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const int32 = 2 ** 31;

const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an " +
  "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/** Values of the wrong JSON type: a 400, as when the real server cannot decode the body. */
export function checkTypes(resource: Resource, object: Json): void {
  const cannot = (what: string, field: string, type: string) =>
    badRequest(
      `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ` +
        `json: cannot unmarshal ${what} into Go struct field ${field} of type ${type}`,
    );
  if (!isObject(object.metadata ?? {}))
    throw cannot(jsonType(object.metadata), `${resource.kind}.metadata`, "v1.ObjectMeta");
  for (const field of ["labels", "annotations"]) {
    for (const value of Object.values(object.metadata?.[field] ?? {})) {
      if (typeof value !== "string") throw cannot(jsonType(value), `ObjectMeta.metadata.${field}`, "string");
    }
  }
  if (object.spec !== undefined && !isObject(object.spec)) {
    throw cannot(jsonType(object.spec), `${resource.kind}.spec`, `${resource.version}.${resource.kind}Spec`);
  }
  for (const field of ["replicas", "progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit"]) {
    const value = object.spec?.[field];
    if (value === undefined || value === null) continue;
    if (!Number.isInteger(value) || Math.abs(value) >= int32) {
      const what = typeof value === "number" ? `number ${value}` : jsonType(value);
      throw cannot(what, `${resource.kind}Spec.spec.${field}`, "int32");
    }
  }
  const containers = object.spec?.template?.spec?.containers;
  if (containers !== undefined && !Array.isArray(containers)) {
    throw cannot(jsonType(containers), "PodSpec.spec.template.spec.containers", "[]v1.Container");
  }
}

/** Throws a 422 that lists every field at fault. */
export function validate(resource: Resource, object: Stored, old?: Stored): void {
  const causes: Cause[] = [];
  const { spec = {} } = object;
  validateName(resource, object, causes);
  if (isWorkload(resource)) validateWorkload(resource, object, old, causes);
  if (resource === resources.pods) validatePod(spec, causes);
  if (resource === resources.statefulsets && old) validateStatefulSetUpdate(spec, old.spec, causes);
  if (causes.length > 0) throw invalid(qualifiedKind(resource), object.metadata.name, causes);
}

export function negativeReplicas(name: string, replicas: number): void {
  if (replicas < 0) throw invalid("Scale.autoscaling", name, [notNegative(replicas, "spec.replicas")]);
}

export const apiVersionMismatch = (resource: Resource, version: string) =>
  badRequest(
    `the API version in the data (${version}) does not match the expected API version (${apiVersion(resource)})`,
  );

function validateName(resource: Resource, { metadata }: Stored, causes: Cause[]): void {
  const { name } = metadata;
  const label = resource === resources.namespaces;
  const limit = label ? 63 : 253;
  if (name.length > limit)
    causes.push(invalidValue("metadata.name", quote(name), `must be no more than ${limit} characters`));
  else if (!(label ? dnsLabel : dnsSubdomain).test(name)) {
    causes.push(invalidValue("metadata.name", quote(name), label ? labelRule : subdomainRule));
  }
}

function validateWorkload(resource: Resource, object: Stored, old: Stored | undefined, causes: Cause[]): void {
  const { spec = {} } = object;
  if (spec.replicas < 0) causes.push(notNegative(spec.replicas, "spec.replicas"));
  if (!spec.selector) causes.push({ reason: "FieldValueRequired", message: "Required value", field: "spec.selector" });
  if (!spec.selector || !selectorMatches(spec.selector, spec.template?.metadata?.labels)) {
    causes.push(
      invalidValue(
        "spec.template.metadata.labels",
        goMap(spec.template?.metadata?.labels ?? {}),
        "`selector` does not match template `labels`",
      ),
    );
  }
  if (old && resource !== resources.statefulsets && !equal(old.spec.selector, spec.selector)) {
    causes.push(invalidValue("spec.selector", JSON.stringify(spec.selector), "field is immutable"));
  }
  if (spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0)) {
    causes.push(
      invalidValue(
        "spec.progressDeadlineSeconds",
        spec.progressDeadlineSeconds,
        "must be greater than minReadySeconds",
      ),
    );
  }
  validateContainers(spec.template?.spec ?? {}, "spec.template.spec", causes);
}

function validateContainers(spec: Json, path: string, causes: Cause[]): void {
  const { containers = [] } = spec;
  const required = (field: string) => causes.push({ reason: "FieldValueRequired", message: "Required value", field });
  if (containers.length === 0) required(`${path}.containers`);
  const seen = new Set<string>();
  for (const [i, container] of containers.entries()) {
    const field = `${path}.containers[${i}]`;
    if (!container.name) required(`${field}.name`);
    else if (!dnsLabel.test(container.name))
      causes.push(invalidValue(`${field}.name`, quote(container.name), labelRule));
    else if (seen.has(container.name)) {
      causes.push({
        reason: "FieldValueDuplicate",
        message: `Duplicate value: ${quote(container.name)}`,
        field: `${field}.name`,
      });
    }
    seen.add(container.name);
    if (!container.image) required(`${field}.image`);
  }
}

function validatePod(spec: Json, causes: Cause[]): void {
  validateContainers(spec, "spec", causes);
  // A template may hold such an image; its pods cannot be created.
  for (const [i, { image = "" }] of (spec.containers ?? []).entries()) {
    if (image === image.trim()) continue;
    causes.push(
      invalidValue(`spec.containers[${i}].image`, quote(image), "must not have leading or trailing whitespace"),
    );
  }
}

function validateStatefulSetUpdate(spec: Json, old: Json, causes: Cause[]): void {
  const may = ["replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit"];
  const rest = ["persistentVolumeClaimRetentionPolicy", "minReadySeconds"];
  const fixed = (value: Json) =>
    Object.fromEntries(Object.entries(value).filter(([key]) => ![...may, ...rest].includes(key)));
  if (equal(fixed(spec), fixed(old))) return;
  const message =
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', " +
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
  causes.push({ reason: "FieldValueForbidden", message, field: "spec" });
}

const isWorkload = (resource: Resource) => resource.group === "apps" && resource !== resources.controllerrevisions;

const invalidValue = (field: string, value: unknown, why: string): Cause => ({
  reason: "FieldValueInvalid",
  message: `Invalid value: ${value}: ${why}`,
  field,
});

const notNegative = (value: number, field: string) => invalidValue(field, value, "must be greater than or equal to 0");

const quote = (text: string) => JSON.stringify(text);

const goMap = (labels: Record<string, string>) => JSON.stringify(labels);

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value;
}
