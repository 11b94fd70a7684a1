// Ages and durations in words. Without imports: the browser's script ticks by the same function.
export type Lang = "en" | "zh";

const units = {
  en: { s: "s", min: "min", h: "h", d: "d", ago: " ago", never: "never", gap: " " },
  zh: { s: "秒", min: "分钟", h: "小时", d: "天", ago: "前", never: "从未", gap: " " },
} as const;

/** @param ms a length of time. Answers "4 s", "12 min", "3 h", "6 d". */
export function duration(lang: Lang, ms: number): string {
  const { s, min, h, d, gap } = units[lang];
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}${gap}${s}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${gap}${min}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}${gap}${h}`;
  return `${Math.floor(hours / 24)}${gap}${d}`;
}

/** @param ms milliseconds since; negative for never. Answers "4 s ago". */
export function age(lang: Lang, ms: number): string {
  return ms < 0 ? units[lang].never : duration(lang, ms) + units[lang].ago;
}
