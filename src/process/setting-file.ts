// The configuration file: YAML whose keys are all known, ours and those of the old programs.
import { nearest } from "./nearest.ts";
import { type Given, type Key, SettingInvalid, type Table } from "./setting.ts";

export interface Found {
  value: unknown;
  /** "flag --data". */
  source: string;
  /** "--data", "the environment variable LIZARDCD_DATA", "the key Sqlite of server.yaml". */
  where: string;
  /** Set where a file names an address by host and port apart, as the old files do. */
  apart?: true;
}

export interface SettingFile {
  find(key: Key, fromFile: (path: string, where: string, source: string) => Found): Found | undefined;
}

/** Keys are compared without regard to case, as the old programs did. */
export function fileOf(path: string, table: Table, readFile: Given["readFile"]): SettingFile {
  const root = parseFile(path, readFile);
  const known = new Map<string, Key>();
  for (const key of Object.values(table)) for (const one of pathsOf(key)) known.set(one.toLowerCase(), key);
  const leaves = new Map<string, { value: unknown; written: string }>();
  walk(root, "", (written, value) => {
    const lower = written.toLowerCase();
    if (known.has(lower)) {
      leaves.set(lower, { value, written });
      // Also what nests below a key that is old: Telemetry covers Telemetry.Endpoint.
      return true;
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return false;
    const near = nearest(written, [...known.keys()]);
    const next = near ? `, did you mean ${near}? See --help` : ": see --help";
    throw new SettingInvalid(`the key ${written} of ${path} is not known${next}`);
  });
  const where = (written: string) => `the key ${written} of ${path}`;
  return {
    find(key, fromFile) {
      for (const one of [key.flag, ...(key.file ?? [])]) {
        if (typeof one === "string") {
          const leaf = leaves.get(one.toLowerCase());
          // The old files leave what they do not use empty.
          if (leaf && leaf.value !== null && leaf.value !== "") {
            return { value: leaf.value, source: `file ${path}`, where: where(leaf.written) };
          }
          continue;
        }
        const [host, port] = [leaves.get(one.host.toLowerCase()), leaves.get(one.port.toLowerCase())];
        const named = port ?? (host?.value ? host : undefined);
        if (!named) continue;
        const value = `${host?.value ?? "127.0.0.1"}:${port?.value ?? portOf(key)}`;
        return { value, source: `file ${path}`, where: where(named.written), apart: true };
      }
      const named = secretFiles(key).find((one) => leaves.get(one.toLowerCase())?.value);
      const leaf = named && leaves.get(named.toLowerCase());
      return leaf ? fromFile(String(leaf.value), where(leaf.written), `file ${path}`) : undefined;
    },
  };
}

/** Of the default: what a file leaves out that names a host alone. */
function portOf({ default: standard }: Key): string {
  return String(standard).split(":").at(-1)!;
}

function parseFile(path: string, readFile: Given["readFile"]): Record<string, unknown> {
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    throw new SettingInvalid(`the configuration file ${path} cannot be read: ${reasonOf(cause)}`, { cause });
  }
  let root: unknown;
  try {
    root = Bun.YAML.parse(text);
  } catch (cause) {
    throw new SettingInvalid(`the configuration file ${path} is not valid YAML: ${reasonOf(cause)}`, { cause });
  }
  if (root === null || root === undefined) return {};
  if (typeof root !== "object" || Array.isArray(root)) {
    throw new SettingInvalid(`the configuration file ${path} must hold keys and values`);
  }
  return root as Record<string, unknown>;
}

function walk(node: Record<string, unknown>, above: string, visit: (path: string, value: unknown) => boolean): void {
  for (const [name, value] of Object.entries(node)) {
    const path = above ? `${above}.${name}` : name;
    if (!visit(path, value)) walk(value as Record<string, unknown>, path, visit);
  }
}

function pathsOf(key: Key): string[] {
  return [
    key.flag,
    ...secretFiles(key),
    ...(key.file ?? []).flatMap((one) => (typeof one === "string" ? [one] : [one.host, one.port])),
  ];
}

/** Keys that name the file of a secret: "join-token-file", "Auth.AccessSecretFile". */
export function secretFiles({ type, flag, file = [] }: Key): string[] {
  if (type !== "secret") return [];
  const older = file.flatMap((one) => (typeof one === "string" ? [`${one}File`] : []));
  return [`${flag}-file`, `${flag}File`, ...older];
}

export function reasonOf(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  const known: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    EISDIR: "it is a folder",
    ENOTDIR: "it is below a file",
    EROFS: "its file system is read-only",
    ENOSPC: "its disk is full",
  };
  return known[code ?? ""] ?? message ?? String(cause);
}
