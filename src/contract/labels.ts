/** Empty where there is none: what every object has, such as "constructor", is no label. */
export function labelOf(labels: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(labels, name) ? labels[name]! : "";
}
