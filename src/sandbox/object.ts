// biome-ignore lint/suspicious/noExplicitAny: API objects are open JSON; clients may send anything
export type Json = any;

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFields {
  manager: string;
  operation: "Update" | "Apply";
  apiVersion: string;
  time: string;
  fieldsType: "FieldsV1";
  fieldsV1: Json;
  subresource?: string;
}

export interface Metadata {
  name: string;
  namespace?: string;
  generateName?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: ManagedFields[];
}

/** A stored object, without kind and apiVersion, as the items of a list are. Never changed in place. */
export interface Stored {
  metadata: Metadata;
  spec?: Json;
  status?: Json;
  [field: string]: Json;
}

export const isObject = (value: unknown): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const equal = (a: unknown, b: unknown): boolean => Bun.deepEquals(a, b);

/** Now, or `ms` (epoch milliseconds), in RFC 3339 with whole seconds, as metav1.Time is written. */
export const timestamp = (ms = Date.now()): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

const safe = "bcdfghjklmnpqrstvwxz2456789";

/** The five random characters at the end of a generated name. */
export function suffix(): string {
  let text = "";
  for (let i = 0; i < 5; i++) text += safe[Math.floor(Math.random() * safe.length)];
  return text;
}

/** A short stable hash of any JSON, in the alphabet of pod-template-hash. */
export function shortHash(value: unknown): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(JSON.stringify(value))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return [...String(hash)].map((digit) => safe[digit.charCodeAt(0) % safe.length]).join("");
}

export const controllerOf = (object: Stored): OwnerReference | undefined =>
  object.metadata.ownerReferences?.find((owner) => owner.controller);
