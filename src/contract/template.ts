// Sentences with named places, "{name} not found", whose names TypeScript reads from the text.

type Names<T extends string> = T extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** What a template needs: `{ name: string | number }`. */
export type ParamsOf<T extends string> = { [N in Names<T>]: string | number };

/** Puts the values in; a place without a value stays visible. */
export function fill(template: string, params: Record<string, string | number>): string {
  return template.replace(/\{(\w+)\}/g, (place, name: string) => String(params[name] ?? place));
}
