// The flags of every command. Nothing here loads the contract: what needs none of it starts sooner.
import type { DescField } from "@bufbuild/protobuf";
import type { FlagShape } from "../process/flags.ts";
import type { Lang } from "../words/words.ts";
import { type CliCode, tell } from "./words.ts";

export interface Field extends FlagShape {
  /** The input's field; undefined for flags that only the command line has. */
  field?: DescField;
  required?: boolean;
  /** Seconds on the wire, a length of time on the command line. */
  seconds?: boolean;
  help: (lang: Lang) => string;
}

export const asText = (code: CliCode) => (lang: Lang) => tell(lang, code as "required");

export const everywhere: readonly Field[] = [
  { name: "server", short: "s", help: asText("flag.server") },
  { name: "token", help: asText("flag.token") },
  { name: "context", help: asText("flag.context") },
  { name: "server-ca", help: asText("flag.serverCa") },
  { name: "output", short: "o", help: asText("flag.output") },
  { name: "no-headers", boolean: true, help: asText("flag.noHeaders") },
  { name: "timeout", help: asText("flag.timeout") },
  { name: "help", short: "h", boolean: true, help: asText("flag.help") },
];

export const versionFlags: readonly Field[] = [{ name: "client", boolean: true, help: asText("flag.client") }];
