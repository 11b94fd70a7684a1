// A kubeconfig as typed values. kubectl reads YAML as YAML 1.1, turns it into JSON and decodes that strictly by type: an
// unquoted 7714e88 is a number, and a number is no token. A value of another type is refused by its path and never
// converted. Source of the fields: k8s.io/client-go/tools/clientcmd/api/v1.
import { FAILSAFE_SCHEMA, load, Type } from "js-yaml";

export interface Kubeconfig {
  apiVersion?: string;
  kind?: string;
  "current-context"?: string;
  clusters?: Named<"cluster", ClusterEntry>[];
  contexts?: Named<"context", ContextEntry>[];
  users?: Named<"user", UserEntry>[];
}

export type Named<F extends string, T> = { name?: string } & { [field in F]?: T };

export interface ClusterEntry {
  server?: string;
  "tls-server-name"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "certificate-authority"?: string;
  /** Bytes. */
  "certificate-authority-data"?: Buffer;
  "proxy-url"?: string;
  "disable-compression"?: boolean;
  extensions?: Named<"extension", unknown>[];
}

export interface ContextEntry {
  cluster?: string;
  user?: string;
  namespace?: string;
}

export interface UserEntry {
  "client-certificate"?: string;
  "client-certificate-data"?: Buffer;
  "client-key"?: string;
  "client-key-data"?: Buffer;
  token?: string;
  tokenFile?: string;
  as?: string;
  "as-uid"?: string;
  "as-groups"?: string[];
  "as-user-extra"?: Record<string, string[]>;
  username?: string;
  password?: string;
  "auth-provider"?: { name?: string };
  exec?: ExecEntry;
}

export interface ExecEntry {
  apiVersion?: string;
  command?: string;
  args?: string[];
  env?: { name?: string; value?: string }[];
  installHint?: string;
  provideClusterInfo?: boolean;
  interactiveMode?: string;
}

/** What stands in the file is no kubeconfig; the message is for a person, and starts with where it stands. */
export class FileInvalid extends Error {
  override readonly name = "FileInvalid";
}

type Shape = "string" | "boolean" | "bytes" | "any" | { list: Shape } | { map: Shape } | Fields;
type Fields = { fields: Record<string, Shape> };

const named = (field: string, shape: Shape): Shape => ({ list: { fields: { name: "string", [field]: shape } } });

const execShape: Fields = {
  fields: {
    apiVersion: "string",
    command: "string",
    args: { list: "string" },
    env: { list: { fields: { name: "string", value: "string" } } },
    installHint: "string",
    provideClusterInfo: "boolean",
    interactiveMode: "string",
  },
};

const configShape: Fields = {
  fields: {
    apiVersion: "string",
    kind: "string",
    "current-context": "string",
    preferences: { fields: { colors: "boolean", extensions: named("extension", "any") } },
    extensions: named("extension", "any"),
    clusters: named("cluster", {
      fields: {
        server: "string",
        "tls-server-name": "string",
        "insecure-skip-tls-verify": "boolean",
        "certificate-authority": "string",
        "certificate-authority-data": "bytes",
        "proxy-url": "string",
        "disable-compression": "boolean",
        extensions: named("extension", "any"),
      },
    }),
    contexts: named("context", {
      fields: { cluster: "string", user: "string", namespace: "string", extensions: named("extension", "any") },
    }),
    users: named("user", {
      fields: {
        "client-certificate": "string",
        "client-certificate-data": "bytes",
        "client-key": "string",
        "client-key-data": "bytes",
        token: "string",
        tokenFile: "string",
        as: "string",
        "as-uid": "string",
        "as-groups": { list: "string" },
        "as-user-extra": { map: { list: "string" } },
        username: "string",
        password: "string",
        "auth-provider": { fields: { name: "string", config: { map: "string" } } },
        exec: execShape,
        extensions: named("extension", "any"),
      },
    }),
  },
};

/** @param bytes UTF-8, or UTF-16 with its mark. @throws FileInvalid */
export function parseKubeconfig(bytes: Uint8Array): Kubeconfig {
  const config = typed(parseYaml(decoded(bytes)), configShape, "") as Kubeconfig | undefined;
  if (!config) throw new FileInvalid("is not a kubeconfig: it is empty or holds no fields");
  const { apiVersion = "", kind = "" } = config;
  if ((apiVersion || "v1") !== "v1" || (kind || "Config") !== "Config") {
    throw new FileInvalid(
      `is not a kubeconfig: it is a ${kind || "Config"} of ${apiVersion || "v1"}, not a Config of v1`,
    );
  }
  unique(config.clusters, "clusters");
  unique(config.contexts, "contexts");
  unique(config.users, "users");
  return config;
}

function decoded(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xfe && second === 0xff ? "utf-16be" : first === 0xff && second === 0xfe ? "utf-16le" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FileInvalid(`is not text in ${encoding.toUpperCase()}`, { cause });
  }
}

/** What a plain scalar means that is no text; its source is kept, since the message shows it. */
class Plain {
  constructor(
    readonly type: "number" | "boolean",
    readonly source: string,
  ) {}

  /** Without it the library takes a field's name for an object. */
  get [Symbol.toStringTag](): string {
    return "Plain";
  }

  /** As the name of a field. */
  toString(): string {
    return this.type === "boolean" ? String(truths.test(this.source)) : this.source;
  }
}

const truths = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const falsehoods = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;

/** The plain scalars of YAML 1.1 as Go's reader resolves them; all others are text. */
const schema = FAILSAFE_SCHEMA.extend({
  implicit: [
    plainType("null", /^(?:~|null|Null|NULL)?$/, () => null),
    plainType("bool", new RegExp(`${truths.source}|${falsehoods.source}`), (source) => new Plain("boolean", source)),
    ...[
      /^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+)$/,
      /^[-+]?[0-9][0-9_]*$/,
      /^[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/,
      /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    ].map((test, index) => plainType(`number-${index}`, test, (source) => new Plain("number", source))),
    new Type("tag:yaml.org,2002:merge", { kind: "scalar", resolve: (source) => source === "<<" }),
  ],
});

function plainType(name: string, test: RegExp, construct: (source: string) => unknown): Type {
  const resolve = (source: string | null) => test.test(source ?? "");
  return new Type(`tag:yaml.org,2002:${name}`, { kind: "scalar", resolve, construct });
}

/** The first document: kubectl reads no further. */
function parseYaml(text: string): unknown {
  const end = /\n(?:---|\.\.\.)(?=\s|$)/.exec(
    text.replace(/^(?:\s*(?:#.*|%.*|---.*)?\n)*/, (before) => " ".repeat(before.length)),
  );
  try {
    return load(end ? text.slice(0, end.index + 1) : text, { schema, json: true });
  } catch (cause) {
    // The library's whole message shows the lines around the place, which may hold a token.
    const { reason, mark } = cause as { reason?: string; mark?: { line: number } };
    const where = mark ? ` in line ${mark.line + 1}` : "";
    throw new FileInvalid(`is not valid YAML: ${reason ?? String(cause)}${where}`, { cause });
  }
}

function typed(value: unknown, shape: Shape, path: string): unknown {
  if (value === null || value === undefined) return undefined;
  if (shape === "any") return plainValue(value);
  if (shape === "string") return typeof value === "string" ? value : refuse(path, "a text", value);
  if (shape === "boolean") {
    if (value instanceof Plain && value.type === "boolean") return truths.test(value.source);
    return refuse(path, "true or false", value);
  }
  if (shape === "bytes") return bytesOf(value, path);
  if ("list" in shape) {
    if (!Array.isArray(value)) return refuse(path, "a list", value);
    return value.map((one, index) => typed(one, shape.list, `${path}[${index}]`) ?? emptyOf(shape.list));
  }
  if (typeof value !== "object" || Array.isArray(value) || value instanceof Plain) return refuse(path, "fields", value);
  const at = (name: string) => (path ? `${path}.${name}` : name);
  const entries = Object.entries(value as Record<string, unknown>);
  if ("map" in shape) return Object.fromEntries(entries.map(([name, one]) => [name, typed(one, shape.map, at(name))]));
  return Object.fromEntries(
    entries
      .filter(([name]) => Object.hasOwn(shape.fields, name))
      .map(([name, one]) => [name, typed(one, shape.fields[name]!, at(name))]),
  );
}

/** What an item of a list is where nothing stands. */
function emptyOf(shape: Shape): unknown {
  return shape === "string" ? "" : {};
}

function bytesOf(value: unknown, path: string): Buffer {
  if (typeof value !== "string") return refuse(path, "base64", value);
  const text = value.replace(/[\r\n]/g, "");
  if (text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)) return Buffer.from(text, "base64");
  if (text.startsWith("-----BEGIN")) {
    throw new FileInvalid(`: ${path} is PEM, base64 of it is expected: encode it, or name the file without -data`);
  }
  throw new FileInvalid(`: ${path} is not base64`);
}

function plainValue(value: unknown): unknown {
  if (value instanceof Plain) return value.type === "boolean" ? truths.test(value.source) : numberOf(value.source);
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plainValue(one)]));
}

function numberOf(source: string): number {
  const digits = source.replaceAll("_", "");
  return /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
}

/** A secret's value is never shown; a number that was meant as a text is known by its place. */
function refuse(path: string, wanted: string, value: unknown): never {
  const have = Array.isArray(value)
    ? "a list"
    : value instanceof Plain
      ? `the ${value.type} that YAML reads there`
      : typeof value === "string"
        ? "a text"
        : "fields";
  const hint = wanted === "a text" && value instanceof Plain ? ": put it in quotes" : "";
  throw new FileInvalid(`: ${path || "the file"} must be ${wanted}, not ${have}${hint}`);
}

function unique(list: { name?: string }[] | undefined, field: string): void {
  const names = new Set<string>();
  for (const { name = "" } of list ?? []) {
    if (names.has(name)) throw new FileInvalid(`: ${field} holds the name ${JSON.stringify(name)} twice`);
    names.add(name);
  }
}
