// A value as JSON of bounded length that is JSON still: what does not fit is left out whole, and that is said.

export interface KeptJson {
  text: string;
  /** True where something was left out. */
  cut: boolean;
}

/** Characters that a long text keeps where the whole is too long. */
const shortText = 200;

/** @param most characters. */
export function keptJson(value: unknown, most: number): KeptJson {
  const whole = JSON.stringify(value);
  if (whole.length <= most) return { text: whole, cut: false };
  const short = JSON.stringify(value, (_, one: unknown) =>
    typeof one === "string" && one.length > shortText
      ? `${one.slice(0, shortText)}… (${one.length - shortText} characters left out)`
      : one,
  );
  if (short.length <= most) return { text: short, cut: true };
  return { text: JSON.stringify({ "left out": `${whole.length} characters` }), cut: true };
}

/** As many of the list as fit, each whole. @param most characters. */
export function keptList(list: readonly unknown[], most: number): KeptJson {
  const texts: string[] = [];
  let length = 2;
  for (const one of list) {
    const text = JSON.stringify(one);
    length += text.length + 1;
    if (length > most) break;
    texts.push(text);
  }
  return { text: texts.length > 0 ? `[${texts.join(",")}]` : "", cut: texts.length < list.length };
}
