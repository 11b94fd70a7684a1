// Help, made from the commands: nothing of it is written twice.
import type { Lang } from "../words/words.ts";
import { type Command, commands, everywhere, type Field, summaryOf } from "./catalogue.ts";
import { pairs, paragraph } from "./output.ts";
import { tell } from "./words.ts";

/**
 * Of one command, or of all that begin with these words.
 * @param width of the terminal; where there is none no line is broken: whoever searches finds all of it in one.
 */
export function helpText(command: Command | undefined, lang: Lang, width?: number, begun = ""): string {
  const parts = command ? ofCommand(command, lang, width) : ofAll(lang, width, begun);
  return parts.filter(Boolean).join("\n");
}

function ofAll(lang: Lang, width: number | undefined, begun: string): string[] {
  const shown = begun ? commands.flatMap((command) => beginningSo(command, `${begun} `)) : commands;
  const lines = shown.map((command) => [`  ${usageOf(command)}`, summaryOf(command, lang)] as const);
  return [
    paragraph(tell(lang, "summary"), width),
    paragraph(`${tell(lang, "usage")} lizardcd ${begun ? `${begun} ` : ""}COMMAND [flags]`, width),
    paragraph(tell(lang, "commands"), width) + pairs(lines, width),
    paragraph(tell(lang, "everywhere"), width) + flagLines(everywhere, lang, width),
    paragraph(tell(lang, "more"), width),
  ];
}

/** Under its own words, else under the other words that begin so. */
function beginningSo(command: Command, begun: string): Command[] {
  const words = [command.words, ...(command.aliases ?? [])].find((one) => one.startsWith(begun));
  return words === undefined ? [] : [{ ...command, words }];
}

function ofCommand(command: Command, lang: Lang, width: number | undefined): string[] {
  const positional = new Set(command.positional.map(({ name }) => name));
  const own = command.flags.filter(({ name }) => !positional.has(name));
  const also = command.aliases?.map((words) => `lizardcd ${words}`).join(", ");
  return [
    paragraph(summaryOf(command, lang), width),
    paragraph(`${tell(lang, "usage")} lizardcd ${usageOf(command)} [flags]`, width) +
      (also ? paragraph(tell(lang, "also", { words: also }), width) : ""),
    own.length > 0 ? paragraph(tell(lang, "flags"), width) + flagLines(own, lang, width) : "",
    paragraph(tell(lang, "everywhere"), width) + flagLines(everywhere, lang, width),
  ];
}

/** What may be left out stands in brackets. */
export function usageOf({ words, positional }: Command): string {
  const places = positional.map(({ name, required }) => (required ? name.toUpperCase() : `[${name.toUpperCase()}]`));
  return [words, ...places].join(" ");
}

function flagLines(flags: readonly Field[], lang: Lang, width: number | undefined): string {
  const lines = flags.map(({ name, short, boolean, required, help }) => {
    const left = `  ${short ? `-${short}, ` : "    "}--${name}${boolean ? "" : ` ${placeOf(name)}`}`;
    return [
      left,
      [required ? tell(lang, "required") : "", help(lang)].filter(Boolean).join(lang === "en" ? "; " : "；"),
    ] as const;
  });
  return pairs(lines, width);
}

function placeOf(name: string): string {
  return name.split("-").at(-1)!.toUpperCase();
}
