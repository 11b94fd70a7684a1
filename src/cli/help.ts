// Help, made from the commands: nothing of it is written twice.
import type { Lang } from "../words/words.ts";
import { type Command, commands, everywhere, type Field, summaryOf } from "./catalogue.ts";
import { tell } from "./words.ts";

export function helpText(command: Command | undefined, lang: Lang): string {
  return command ? ofCommand(command, lang) : ofAll(lang);
}

function ofAll(lang: Lang): string {
  const lines = commands.map((command) => [`  ${usageOf(command)}`, summaryOf(command, lang)] as const);
  return `${tell(lang, "summary")}

${tell(lang, "usage")} lizardcd COMMAND [flags]

${tell(lang, "commands")}
${columns(lines)}
${tell(lang, "everywhere")}
${flagLines(everywhere, lang)}
${tell(lang, "more")}
`;
}

function ofCommand(command: Command, lang: Lang): string {
  const positional = new Set(command.positional.map(({ name }) => name));
  const own = command.flags.filter(({ name }) => !positional.has(name));
  const also = command.aliases?.map((words) => `lizardcd ${words}`).join(", ");
  return `${summaryOf(command, lang)}

${tell(lang, "usage")} lizardcd ${usageOf(command)} [flags]
${also ? `${tell(lang, "also", { words: also })}\n` : ""}
${own.length > 0 ? `${tell(lang, "flags")}\n${flagLines(own, lang)}\n` : ""}${tell(lang, "everywhere")}
${flagLines(everywhere, lang)}`;
}

/** What may be left out stands in brackets. */
export function usageOf({ words, positional }: Command): string {
  const places = positional.map(({ name, required }) => (required ? name.toUpperCase() : `[${name.toUpperCase()}]`));
  return [words, ...places].join(" ");
}

function flagLines(flags: readonly Field[], lang: Lang): string {
  return columns(
    flags.map(({ name, short, boolean, required, help }) => {
      const left = `  ${short ? `-${short}, ` : "    "}--${name}${boolean ? "" : ` ${placeOf(name)}`}`;
      return [left, [required ? tell(lang, "required") : "", help(lang)].filter(Boolean).join("; ")] as const;
    }),
  );
}

function placeOf(name: string): string {
  return name.split("-").at(-1)!.toUpperCase();
}

function columns(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([left]) => left.length)) + 2;
  return lines.map(([left, right]) => `${right ? left.padEnd(width) : left}${right}\n`).join("");
}
