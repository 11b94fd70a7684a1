// The parts of the charts' values.schema.json that follow from something else: settings from the programs' tables, what
// is a pod's or an object's of Kubernetes from the models of its official client. The rest of each file is its own.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as models from "@kubernetes/client-node";
import { agentSettings } from "../src/agent/settings.ts";
import { type Schema, settingsSchema } from "../src/process/schema.ts";
import type { Table } from "../src/process/settings.ts";
import { serverSettings } from "../src/server/settings.ts";

const root = join(fileURLToPath(import.meta.url), "../..");

const pod: Record<string, string> = {
  resources: "V1ResourceRequirements",
  podSecurityContext: "V1PodSecurityContext",
  securityContext: "V1SecurityContext",
  tolerations: "Array<V1Toleration>",
  affinity: "V1Affinity",
  extraEnv: "Array<V1EnvVar>",
  extraVolumes: "Array<V1Volume>",
  extraVolumeMounts: "Array<V1VolumeMount>",
  "networkPolicy.from": "Array<V1NetworkPolicyPeer>",
  "networkPolicy.metricsFrom": "Array<V1NetworkPolicyPeer>",
  "networkPolicy.egress": "Array<V1NetworkPolicyEgressRule>",
};

const charts: Record<string, { settings?: Table; parts: Record<string, string> }> = {
  "lizardcd-server": { settings: serverSettings, parts: pod },
  "lizardcd-agent": { settings: agentSettings, parts: { ...pod, "rbac.extraRules": "Array<V1PolicyRule>" } },
  lizardcd: {
    parts: Object.fromEntries(
      ["etcd", "consul", "nacos"].flatMap((one) =>
        ["resources", "podSecurityContext", "securityContext"].map((part) => [`${one}.${part}`, pod[part]!]),
      ),
    ),
  },
};

const quantity = {
  type: ["string", "number"],
  pattern: "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$",
};
const quantities = {
  type: "object",
  propertyNames: { pattern: "^(cpu|memory|ephemeral-storage|hugepages-.+|.+/.+)$" },
  additionalProperties: quantity,
};

/** What the models leave open. */
const closer: Record<string, Record<string, Schema>> = {
  V1ResourceRequirements: { limits: quantities, requests: quantities },
  V1EmptyDirVolumeSource: { sizeLimit: quantity },
  V1Toleration: {
    operator: { enum: ["Exists", "Equal", "Lt", "Gt"] },
    effect: { enum: ["", "NoSchedule", "PreferNoSchedule", "NoExecute"] },
  },
  V1SeccompProfile: { type: { enum: ["RuntimeDefault", "Localhost", "Unconfined"] } },
  V1PodSecurityContext: { fsGroupChangePolicy: { enum: ["OnRootMismatch", "Always"] } },
};
const needed: Record<string, string[]> = {
  V1EnvVar: ["name"],
  V1Volume: ["name"],
  V1VolumeMount: ["name", "mountPath"],
  V1SeccompProfile: ["type"],
};

interface Model {
  attributeTypeMap: { baseName: string; type: string; format: string }[];
}

/** @param definitions gets those of the models that it refers to */
function schemaOf(type: string, format: string, definitions: Record<string, Schema>): Schema {
  const [, item] = /^Array<(.*)>$/.exec(type) ?? [];
  if (item) return { type: "array", items: schemaOf(item, format, definitions) };
  const [, value] = /^\{ \[key: string\]: (.*); \}$/.exec(type) ?? [];
  if (value) return { type: "object", additionalProperties: schemaOf(value, format, definitions) };
  if (type === "number") return { type: format.startsWith("int") ? "integer" : "number" };
  if (type === "IntOrString") return { type: ["integer", "string"] };
  if (type === "Date" || type === "V1MicroTime") return { type: "string" };
  if (type === "string" || type === "boolean" || type === "object") return { type };
  if (type === "any") return {};
  const name = type.replace(/^(Core)?V1/, "");
  if (!definitions[name]) {
    const definition: Schema = { type: "object", additionalProperties: false, properties: {} };
    // Before its fields: some models hold themselves.
    definitions[name] = definition;
    if (needed[type]) definition.required = needed[type];
    for (const field of (models as unknown as Record<string, Model>)[type]!.attributeTypeMap) {
      definition.properties![field.baseName] =
        closer[type]?.[field.baseName] ?? schemaOf(field.type, field.format, definitions);
    }
  }
  return { $ref: `#/definitions/${name}` };
}

/** File -> its text. */
export const chartSchemas: Record<string, string> = Object.fromEntries(
  Object.entries(charts).map(([chart, { settings, parts }]) => {
    const file = `helm/${chart}/values.schema.json`;
    const { definitions: _, ...schema } = JSON.parse(readFileSync(join(root, file), "utf8")) as Schema;
    const definitions: Record<string, Schema> = {};
    if (settings)
      schema.properties!.settings = {
        description: "Settings by the names of their flags.",
        ...settingsSchema(settings),
      };
    for (const [path, type] of Object.entries(parts)) {
      const names = path.split(".");
      const last = names.pop()!;
      const holder = names.reduce((at: Schema, name) => at.properties![name]!, schema);
      holder.properties![last] = schemaOf(type, "", definitions);
    }
    const sorted = Object.fromEntries(Object.entries(definitions).sort(([a], [b]) => (a < b ? -1 : 1)));
    return [file, `${JSON.stringify({ ...schema, definitions: sorted }, null, 2)}\n`];
  }),
);
