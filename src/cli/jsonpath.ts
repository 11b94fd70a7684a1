// The JSONPath templates of kubectl: {.items[*].row.name}, {range .items[*]}…{"\n"}{end}, {.items[?(@.state=="ok")]}.

export interface JsonPath {
  /** What the template says of a value; `show` makes its text safe. */
  write: (value: unknown, show: (text: string) => string) => string;
  /** Where it looks, from the value on. */
  paths: readonly (readonly Step[])[];
}

/** One sentence, without the template. */
export class JsonPathInvalid extends Error {
  override readonly name = "JsonPathInvalid";
}

export interface Step {
  take: (values: unknown[], root: unknown) => unknown[];
  /** Of the field that it takes. */
  name?: string;
  /** What it takes is not known from the template alone. */
  open?: boolean;
}
type Part =
  | { type: "text"; text: string }
  | { type: "path"; steps: Step[] }
  | { type: "range"; steps: Step[]; parts: Part[] };

/** @throws JsonPathInvalid */
export function parseJsonPath(template: string): JsonPath {
  const tokens = tokenize(/^\s*[.[$@]/.test(template) && !template.includes("{") ? `{${template}}` : template);
  const parts = partsOf(tokens, false);
  return { write: (value, show) => render(parts, value, value, show), paths: pathsIn(parts, []) };
}

function pathsIn(parts: readonly Part[], before: readonly Step[]): (readonly Step[])[] {
  return parts.flatMap((part) => {
    if (part.type === "text") return [];
    const path = [...before, ...part.steps];
    return part.type === "range" ? [path, ...pathsIn(part.parts, path)] : [path];
  });
}

/** What one path, ".row.name", finds. @throws JsonPathInvalid */
export function find(path: string): (value: unknown) => unknown[] {
  const steps = stepsOf(path);
  return (value) => walk(steps, value, value);
}

type Token = { text: string } | { code: string };

function tokenize(template: string): Token[] {
  const tokens: Token[] = [];
  let rest = template;
  while (rest !== "") {
    const open = rest.indexOf("{");
    if (open < 0) return [...tokens, { text: rest }];
    if (open > 0) tokens.push({ text: rest.slice(0, open) });
    const close = endOf(rest, open);
    tokens.push({ code: rest.slice(open + 1, close).trim() });
    rest = rest.slice(close + 1);
  }
  return tokens;
}

/** The closing brace: not one that stands in a quoted text. */
function endOf(text: string, open: number): number {
  let quote = "";
  for (let at = open + 1; at < text.length; at++) {
    const character = text[at]!;
    if (quote) {
      if (character === "\\") at++;
      else if (character === quote) quote = "";
    } else if (character === '"' || character === "'") quote = character;
    else if (character === "}") return at;
  }
  throw new JsonPathInvalid(quote ? `a ${quote} is not closed` : "a { is not closed");
}

function partsOf(tokens: Token[], inside: boolean): Part[] {
  const parts: Part[] = [];
  for (let token = tokens.shift(); token; token = tokens.shift()) {
    if ("text" in token) parts.push({ type: "text", text: token.text });
    else if (token.code === "end") {
      if (!inside) throw new JsonPathInvalid("{end} has no {range}");
      return parts;
    } else if (/^range\b/.test(token.code)) {
      parts.push({ type: "range", steps: stepsOf(token.code.slice(5).trim()), parts: partsOf(tokens, true) });
    } else if (/^["']/.test(token.code)) parts.push({ type: "text", text: literal(token.code) });
    else parts.push({ type: "path", steps: stepsOf(token.code) });
  }
  if (inside) throw new JsonPathInvalid("{range} has no {end}");
  return parts;
}

function render(parts: readonly Part[], value: unknown, root: unknown, show: (text: string) => string): string {
  return parts
    .map((part) => {
      if (part.type === "text") return part.text;
      const found = walk(part.steps, value, root);
      if (part.type === "range") return found.map((one) => render(part.parts, one, root, show)).join("");
      return found.map((one) => show(textOf(one))).join(" ");
    })
    .join("");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === null || value === undefined ? "" : JSON.stringify(value);
}

function walk(steps: readonly Step[], value: unknown, root: unknown): unknown[] {
  return steps.reduce<unknown[]>((values, step) => step.take(values, root), [value]);
}

const oneText = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/;
const texts = new RegExp(`(${oneText.source})(?:\\s*,\\s*(?:${oneText.source}))*`);
const patterns = {
  recursive: /^\.\.(\*|[\w$-]+)/,
  field: /^\.(\*|(?:[\w$/-]|\\.)+)/,
  quoted: new RegExp(`^\\[\\s*(${texts.source})\\s*\\]`),
  every: /^\[\s*\*\s*\]/,
  filter: /^\[\s*\?\(\s*(.*?)\s*\)\s*\]/,
  slice: /^\[\s*(-?\d*)\s*:\s*(-?\d*)\s*(?::\s*([1-9]\d*)?\s*)?\]/,
  index: /^\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]/,
};

function stepsOf(path: string): Step[] {
  const steps: Step[] = [];
  let rest = path;
  if (rest.startsWith("$") || rest.startsWith("@")) rest = rest.slice(1);
  if (rest === "." || rest === "") return steps;
  if (/^[A-Za-z_]/.test(rest)) rest = `.${rest}`;
  while (rest !== "") {
    const { step, length } = stepAt(rest);
    steps.push(step);
    rest = rest.slice(length);
  }
  return steps;
}

function stepAt(rest: string): { step: Step; length: number } {
  for (const [name, pattern] of Object.entries(patterns)) {
    const match = pattern.exec(rest);
    if (match) return { step: steps[name as keyof typeof patterns](match), length: match[0].length };
  }
  throw new JsonPathInvalid(`${JSON.stringify(rest)} is not a step such as .name, [0], [*] or [?(@.name=="x")]`);
}

const steps: Record<keyof typeof patterns, (match: RegExpExecArray) => Step> = {
  recursive: ([, name]) => ({
    take: each((value) => below(value).flatMap((one) => (name === "*" ? [one] : own(one, name!)))),
    open: true,
  }),
  field: ([, written]) => {
    if (written === "*") return { take: each(inside), open: true };
    const name = written!.replace(/\\(.)/g, "$1");
    return { take: each((value) => field(value, name)), name };
  },
  quoted: ([, written]) => {
    const names = written!.match(new RegExp(oneText, "g"))!.map((one) => one.slice(1, -1));
    const takes = names.map(keyOrPath);
    return { take: (values, root) => takes.flatMap((take) => take(values, root)), open: true };
  },
  every: () => ({ take: each(inside) }),
  filter: ([, condition]) => {
    const holds = conditionOf(condition!);
    return { take: (values, root) => values.flatMap(inside).filter((value) => holds(value, root)) };
  },
  slice: ([, from, to, step = 1]) => {
    const part = (all: unknown[]) => all.slice(from ? Number(from) : 0, to ? Number(to) : undefined);
    return {
      take: each((value) => (Array.isArray(value) ? part(value).filter((_, at) => at % Number(step) === 0) : [])),
    };
  },
  index: ([, all]) => {
    const wanted = all!.split(",").map(Number);
    return {
      take: each((value) =>
        Array.isArray(value) ? wanted.map((index) => value.at(index)).filter((one) => one !== undefined) : [],
      ),
    };
  },
};

/** ['app.kubernetes.io/name'] is one key; where there is none of that name it is a path, as with kubectl. */
function keyOrPath(written: string): Step["take"] {
  const name = written.replace(/\\(.)/g, "$1");
  let path: Step[] | undefined;
  try {
    path = stepsOf(`.${written}`);
  } catch (error) {
    if (!(error instanceof JsonPathInvalid)) throw error;
  }
  return each((value) => {
    const found = field(value, name);
    return found.length > 0 || !path ? found : walk(path, value, value);
  });
}

const each =
  (of: (value: unknown) => unknown[]): Step["take"] =>
  (values) =>
    values.flatMap(of);

function inside(value: unknown): unknown[] {
  return typeof value === "object" && value !== null ? Object.values(value) : [];
}

function field(value: unknown, name: string): unknown[] {
  const found = own(value, name);
  return found.length > 0 ? found : habitual(value, name);
}

function own(value: unknown, name: string): unknown[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return [];
  return [(value as Record<string, unknown>)[name]];
}

/** Where kubectl's habits look: every list is `items`, and what an item lacks is looked for in its `row`. */
function habitual(value: unknown, name: string): unknown[] {
  if (name === "items") return own(value, "clusters").filter(Array.isArray);
  return own(value, "row").flatMap((row) => own(row, name));
}

function below(value: unknown): unknown[] {
  return [value, ...inside(value).flatMap(below)];
}

type Condition = (value: unknown, root: unknown) => boolean;

function conditionOf(text: string): Condition {
  if (/&&|\|\|/.test(text.replaceAll(/'[^']*'|"[^"]*"/g, ""))) {
    throw new JsonPathInvalid("a filter has one condition, without && and ||");
  }
  const [, left = "", operator, right = ""] = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/.exec(text) ?? [undefined, text];
  const read = operand(left.trim());
  if (!operator) return (value, root) => read(value, root) !== undefined;
  const other = operand(right.trim());
  return (value, root) => compare(read(value, root), operator, other(value, root));
}

function operand(text: string): (value: unknown, root: unknown) => unknown {
  if (/^["']/.test(text)) {
    const said = literal(text);
    return () => said;
  }
  if (/^-?\d+(\.\d+)?$/.test(text)) return () => Number(text);
  if (text === "true" || text === "false") return () => text === "true";
  const steps = stepsOf(text);
  return (value, root) => walk(steps, text.startsWith("$") ? root : value, root)[0];
}

function compare(a: unknown, operator: string, b: unknown): boolean {
  if (operator === "==") return a === b;
  if (operator === "!=") return a !== b;
  if (typeof a !== typeof b || (typeof a !== "number" && typeof a !== "string")) return false;
  const [x, y] = [a, b as typeof a];
  return operator === "<" ? x < y : operator === "<=" ? x <= y : operator === ">" ? x > y : x >= y;
}

const escapes: Record<string, string> = { n: "\n", t: "\t", r: "\r" };

function literal(text: string): string {
  const quote = text[0]!;
  if (text.length < 2 || !text.endsWith(quote)) throw new JsonPathInvalid(`a ${quote} is not closed`);
  const meant = (_: string, code: string | undefined, character: string) =>
    code ? String.fromCharCode(Number.parseInt(code, 16)) : (escapes[character] ?? character);
  return text.slice(1, -1).replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, meant);
}
