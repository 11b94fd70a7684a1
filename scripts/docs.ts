// Writes docs/configuration.md from the programs' tables of settings and docs/cli.md from the contract. With --check it
// writes nothing and fails when a committed file is stale.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { agentSettings } from "../src/agent/settings.ts";
import { type Command, commands, everywhere, type Field, summaryOf } from "../src/cli/catalogue.ts";
import { exit } from "../src/cli/exit.ts";
import { usageOf } from "../src/cli/help.ts";
import { olderHelp } from "../src/cli/older.ts";
import { type Key, type Table, variableOf } from "../src/process/settings.ts";
import { serverSettings } from "../src/server/settings.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const exits: Record<string, string> = {
  done: "done",
  failed: "failed: the answer says why",
  usage: "the command line is wrong",
  notSignedIn: "not signed in, or the session has ended",
  forbidden: "the user may not do this",
  notFound: "the object, cluster or path does not exist",
  unreachable: "the server, an agent or a cluster does not answer; what was heard from others is printed",
  unhealthy: "the workload that was waited for failed, passed its deadline, or is held back",
  timedOut: "no answer within `--timeout`, or not healthy within it",
  interrupted: "interrupted",
};

const variables: Record<string, string> = {
  LIZARDCD_SERVER: "the server, where no `--server` or `--context` names one",
  LIZARDCD_TOKEN: "the token to show, where no `--token` does; beside `LIZARDCD_SERVER` to that server alone",
  LIZARDCD_SERVER_CA: "a file with the CA of the server's certificate, PEM, where no `--server-ca` names one",
  XDG_CONFIG_HOME:
    "the folder of `lizardcd/config.yaml`, where contexts and tokens are kept; `~/.config` where it is not set",
  NO_COLOR: "where it is set and not empty, nothing is coloured; nor is anything that goes to a file or a pipe",
  TERM: "in a terminal that is `dumb` nothing is coloured or drawn over",
  "LC_ALL, LC_MESSAGES, LANG": "Chinese where the first that is set begins with `zh`, else English",
  BROWSER: "the program that `open` starts",
};

const pages = { "docs/configuration.md": configuration, "docs/cli.md": commandLine };

const stale: string[] = [];
for (const [file, page] of Object.entries(pages)) {
  const text = `${page().trim()}\n`;
  if (!process.argv.includes("--check")) await writeFile(join(root, file), text);
  else if ((await readFile(join(root, file), "utf8").catch(() => "")) !== text) stale.push(file);
}
if (stale.length > 0) {
  console.error(`stale: ${stale.join(", ")}: run \`npm run generate\``);
  process.exitCode = 1;
}

function configuration(): string {
  return `
# Configuration

<!-- Made by scripts/docs.ts from src/server/settings.ts and src/agent/settings.ts. -->

Every setting can be given in three ways. A flag wins over the environment, the environment over the file.

- A flag: \`--log.level debug\` or \`--log.level=debug\`. A flag without a value is on; \`--no-embedded\` turns it off.
- An environment variable: \`LIZARDCD_LOG_LEVEL=debug\`.
- A key in the YAML file that \`--config\` names: \`log: { level: debug }\`. Keys of earlier versions' files, in the last
  column, keep their meaning.

A secret can come from a file: \`--join-token-file FILE\`, \`LIZARDCD_JOIN_TOKEN_FILE=FILE\`.
Durations are \`500ms\`, \`10s\`, \`5m\`, \`24h\`. Lists are separated by commas.
\`--print-config\` shows every setting and where it comes from. A flag or key that is not known is an
error, with the nearest one; a variable that is not known is not looked at, for Kubernetes makes some of its own.

## lizardcd-server

${settings(serverSettings)}

Known from earlier versions, without meaning here, ignored with a warning: ${olds(serverSettings)}.

## lizardcd-agent

${settings(agentSettings)}

Known from earlier versions, without meaning here, ignored with a warning: ${olds(agentSettings)}.
`;
}

function settings(table: Table): string {
  const keys = Object.values(table).filter(({ old, later }) => !old && later === undefined);
  const lines = keys.map((key) => [
    `\`--${key.flag}\`${key.short ? `, \`-${key.short}\`` : ""}`,
    `\`${variableOf(key)}\``,
    standard(key),
    cell([key.help, key.choices ? key.choices.join(" or ") : "", key.type === "secret" ? "a secret" : ""]),
    (key.file ?? []).map((one) => `\`${typeof one === "string" ? one : `${one.host}, ${one.port}`}\``).join(", "),
  ]);
  return rows(["Flag", "Environment", "Default", "Meaning", "Earlier key"], lines);
}

function standard(key: Key): string {
  const { default: value, type } = key;
  if (typeof value === "function") return `\`${value({ XDG_DATA_HOME: "$XDG_DATA_HOME", HOME: "$HOME" })}\``;
  if (value !== undefined && value !== "") return `\`${value}\``;
  return type === "boolean" ? "`false`" : "";
}

function olds(table: Table): string {
  const keys = Object.values(table).filter(({ old }) => old);
  return keys.map(({ flag }) => `\`--${flag}\``).join(", ");
}

function commandLine(): string {
  return `
# Command line

<!-- Made by scripts/docs.ts from the contract in proto/. -->

\`lizardcd\` speaks the server's HTTP API. In a checkout it is \`npm run cli --\`, for example
\`npm run cli -- get workloads\`. Sign in first: \`lizardcd login http://127.0.0.1:5117\`.

A workload is named as with kubectl: \`deploy/web\`, \`sts/queue\`, \`ds/logs\`; a bare name is a Deployment.
\`get deployments\`, \`get statefulsets\`, \`get daemonsets\` and their short names are \`get workloads\` of one kind.

\`-o json\` and \`-o yaml\` print what the server answers; of \`get clusters eu-1\`, that cluster alone.
\`-o jsonpath=…\` takes kubectl's templates:
\`-o 'jsonpath={range .items[*]}{.cluster}/{.name} {.state}{"\\n"}{end}'\`. In a template each list is \`.items\`, also that of
clusters, which JSON calls \`clusters\`; and what JSON has in an item's \`row\` is found without it. A field that there is not
prints nothing, as with kubectl, and standard error says which there are.

## Commands

${rows(
  ["Command", "What it does"],
  commands.map((command) => [
    `[\`lizardcd ${command.words}\`](#lizardcd-${command.words.replaceAll(" ", "-")})`,
    summaryOf(command, "en"),
  ]),
)}

## Flags of every command

${flags(everywhere)}

## Environment

${rows(
  ["Variable", "Meaning"],
  Object.entries(variables).map(([name, meaning]) => [`\`${name}\``, meaning]),
)}

## Exit codes

${rows(
  ["Code", "Meaning"],
  Object.entries(exit).map(([name, code]) => [String(code), meaningOf(name)]),
)}

${commands.map(section).join("\n\n")}

## lzcli

Called by this name (\`ln -s lizardcd lzcli\`) the program takes the grammar of the tool before it, and that alone. Exit codes
are those above. Each of the two names keeps a session of its own: \`lizardcd\` reads the file of \`lzcli\` only where it has none yet.

\`\`\`
${olderHelp.trim()}
\`\`\`
`;
}

/** @throws Error for a code that nobody has said the meaning of. */
function meaningOf(name: string): string {
  const meaning = exits[name];
  if (!meaning) throw new Error(`exit code ${name} has no meaning: give it one in scripts/docs.ts`);
  return meaning;
}

function section(command: Command): string {
  const { words, operation, positional, aliases = [] } = command;
  const own = command.flags.filter(({ name }) => !positional.some((one) => one.name === name));
  const http = operation?.http && `\`${operation.http.method} ${operation.http.path}\``;
  const said = [
    `${summaryOf(command, "en")}.`,
    http ? `Over HTTP: ${http}.` : "",
    operation?.permission ? `Permission: \`${operation.permission}\`.` : "",
    operation?.audited ? "Audited." : "",
  ];
  return `## lizardcd ${words}

${said.filter(Boolean).join(" ")}

\`\`\`
lizardcd ${usageOf(command)}${own.length > 0 ? " [flags]" : ""}
\`\`\`
${aliases.length > 0 ? `\nAlso: ${aliases.map((words) => `\`lizardcd ${words}\``).join(", ")}.\n` : ""}${own.length > 0 ? `\n${flags(own)}\n` : ""}`.trim();
}

function flags(all: readonly Field[]): string {
  return rows(
    ["Flag", "Meaning"],
    all.map(({ name, short, required, boolean, help, field }) => [
      `\`--${name}\`${short ? `, \`-${short}\`` : ""}`,
      cell([
        required ? "required" : "",
        help("en"),
        boolean ? "a switch" : "",
        field?.fieldKind === "list" ? "several: repeated, or separated by commas" : "",
      ]),
    ]),
  );
}

function rows(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) =>
    `| ${cells.map((one) => one.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...lines.map(row)].join("\n");
}

function cell(parts: readonly string[]): string {
  return parts.filter(Boolean).join("; ");
}
