// What was written for a setting, as the value it stands for.
import { networkInterfaces } from "node:os";
import { type Key, SettingInvalid } from "./setting.ts";

const durations: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function settingValue(key: Key, value: unknown, where: string): unknown {
  const wrong = (expected: string) => {
    const shown = key.type === "secret" ? "" : `, not ${JSON.stringify(value)}`;
    return new SettingInvalid(`${where} must be ${expected}${shown}`);
  };
  const text = typeof value === "string" ? value.trim() : typeof value === "object" ? undefined : String(value);
  switch (key.type) {
    case "list": {
      const items = Array.isArray(value) ? value.map(String) : text?.split(",");
      if (!items) throw wrong("a list, or text with commas");
      return items.map((item) => item.trim()).filter((item) => item !== "");
    }
    case "labels":
      return labelsOf(value, text, wrong);
    case "boolean":
      if (text === "true" || text === "1" || text === "yes") return true;
      if (text === "false" || text === "0" || text === "no") return false;
      throw wrong("true or false");
    case "integer":
      if (text === undefined || !/^-?\d+$/.test(text)) throw wrong("a whole number");
      return bounded(key, Number(text), wrong);
    case "duration": {
      const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text ?? "");
      if (!match) throw wrong("a length of time such as 500ms, 10s, 5m or 24h");
      return bounded(key, Number(match[1]) * durations[match[2] ?? key.unit ?? "s"]!, wrong);
    }
    case "choice": {
      const lower = text?.toLowerCase() ?? "";
      const choice = key.aliases?.[lower] ?? lower;
      if (!key.choices?.includes(choice)) throw wrong(alternatives(key.choices ?? []));
      return choice;
    }
    case "address": {
      if (text === undefined || !/^(\[[0-9a-fA-F:]+\]|[^:[\]\s]*):\d{1,5}$/.test(text)) throw wrong("host:port");
      const { host, port } = hostPort(text);
      return `${host.includes(":") ? `[${host}]` : host}:${port}`;
    }
    default:
      if (text === undefined) throw wrong("text");
      return text === "" && key.default === undefined ? undefined : text;
  }
}

function labelsOf(
  value: unknown,
  text: string | undefined,
  wrong: (expected: string) => Error,
): Record<string, string> {
  const pairs: [string, string][] =
    text === undefined && value !== null && !Array.isArray(value)
      ? Object.entries(value as object).map(([name, one]) => [name, String(one)])
      : (text ?? "")
          .split(",")
          .filter((pair) => pair.trim() !== "")
          .map((pair) => {
            const [name = "", ...rest] = pair.split("=");
            if (rest.length === 0) throw wrong("labels such as env=prod,region=eu");
            return [name.trim(), rest.join("=").trim()];
          });
  for (const [name, one] of pairs) {
    if (
      !/^[A-Za-z0-9]([-\w./]{0,61}[A-Za-z0-9])?$/.test(name) ||
      !/^([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?$/.test(one)
    ) {
      throw wrong("labels such as env=prod,region=eu");
    }
  }
  return Object.fromEntries(pairs);
}

/** As one would write it: 24h, not 86400000ms. */
export function durationText(ms: number): string {
  const unit = (["h", "m", "s"] as const).find((one) => ms > 0 && ms % durations[one]! === 0);
  return unit ? `${ms / durations[unit]!}${unit}` : `${ms}ms`;
}

function bounded(key: Key, value: number, wrong: (expected: string) => Error): number {
  const unit = key.type === "duration" ? " ms" : "";
  if (key.min !== undefined && value < key.min) throw wrong(`at least ${key.min}${unit}`);
  if (key.max !== undefined && value > key.max) throw wrong(`at most ${key.max}${unit}`);
  return value;
}

/** "127.0.0.1:5117", ":5117" (every address), "[::1]:5117". */
export function hostPort(address: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(address);
  if (!match || Number(match[3]) > 65_535) throw new SettingInvalid(`${JSON.stringify(address)} is not host:port`);
  return { host: match[1] ?? (match[2] || everyAddress()), port: Number(match[3]) };
}

/** Every address of both families; of IPv4 alone where the machine has no IPv6. */
function everyAddress(): "::" | "0.0.0.0" {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.some(({ family }) => family === "IPv6") ? "::" : "0.0.0.0";
}

export function isLoopback(address: string): boolean {
  const { host } = hostPort(address);
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * @param meant what to add where it is meant.
 * @throws SettingInvalid where others could reach an unencrypted address and nobody said that this is meant.
 */
export function refuseOpen(flag: string, address: string, allowed: boolean, meant = "--insecure"): void {
  if (allowed || isLoopback(address)) return;
  throw new SettingInvalid(
    `--${flag} ${address} can be reached from other machines and is not encrypted: add ${meant} if that is meant`,
  );
}

/** "a, b or c". */
function alternatives(choices: readonly string[]): string {
  return [choices.slice(0, -1).join(", "), choices.at(-1)].filter(Boolean).join(" or ");
}
