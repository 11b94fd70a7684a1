// The small parts every page is made of. They take values and answer markup; nothing here knows a noun's page.
import type { ComponentChildren } from "preact";
import type { Failure, Reason } from "../gen/lizardcd/v1/failure_pb.ts";
import {
  age,
  type Code,
  duration,
  joint,
  type Lang,
  type Piece,
  pieces,
  say,
  sentence,
  sentencePieces,
  stopped,
  textOf,
  type WordArgs,
} from "../words/words.ts";
import type { Drawing } from "./sprite.ts";

/** What every view is given besides its message. */
export interface PageContext {
  lang: Lang;
  /** Undefined follows the system. */
  theme?: "light" | "dark";
  /** The path asked for, with its query. */
  path: string;
  user?: { username: string; role: string; firstPassword: boolean };
  /** True where clusters shown are simulated. */
  simulated: boolean;
  /** True where the server listens beyond this machine without TLS. */
  insecure?: boolean;
  /** True where agents that do not speak TLS are called without it. */
  plaintext?: boolean;
  /** The registries outside of the server: state is ok, stale or unknown; milliseconds since each last said anything. */
  registries?: readonly { name: string; state: string; heardMs: number }[];
  /** "given": the server was given certificates and signs none for agents; "off": it uses none. */
  enrolls?: "yes" | "given" | "off";
  /** Where people reach this server, "https://lizardcd.example.com". */
  origin?: string;
  /** The server's clock, milliseconds since 1970. */
  now: number;
  version: string;
}

type Named<Prefix extends string> = Extract<Code, `${Prefix}${string}`>;

/** Every state that has a mark. */
export type StateKey = Extract<Drawing, `m-${string}`> extends `m-${infer Key}` ? Key : never;

const marks: ReadonlySet<string> = new Set<StateKey>([
  "ok",
  "run",
  "degraded",
  "failed",
  "refused",
  "stale",
  "lost",
  "unknown",
  "wait",
  "reading",
  "paused",
  "zero",
]);

/** A state that came over the wire; what we do not know is shown as unknown, never as well. */
export function stateOf(state: string): StateKey {
  return marks.has(state) ? (state as StateKey) : "unknown";
}

export function stateWord(lang: Lang, state: string): string {
  return say(lang, `state.${stateOf(state)}` as Named<"state."> & "state.ok");
}

/** A registry answers, is silent, or has not been heard yet. */
export function registryWord(lang: Lang, state: string): string {
  return say(lang, `registry.${state === "ok" || state === "stale" ? state : "unknown"}`);
}

export function Mark({ state, label }: { state: string; label?: string }) {
  const s = stateOf(state);
  const spoken = label ? { role: "img" as const, "aria-label": label } : { "aria-hidden": true };
  return (
    <svg class="mark" data-s={s} {...spoken}>
      <use href={`#m-${s}`} />
    </svg>
  );
}

export function Ico({
  name,
  small = true,
}: {
  name: Extract<Drawing, `i-${string}`> extends `i-${infer N}` ? N : never;
  small?: boolean;
}) {
  return (
    <svg class={small ? "ico s" : "ico"} aria-hidden="true">
      <use href={`#i-${name}`} />
    </svg>
  );
}

/** Mark and word together: shape, word and colour. */
export function State({ ctx, state, word }: { ctx: PageContext; state: string; word?: string }) {
  return (
    <span class="state">
      <Mark state={state} />
      <span class="word" data-s={stateOf(state)}>
        {word ?? stateWord(ctx.lang, state)}
      </span>
    </span>
  );
}

/** @param ms milliseconds since the fact was confirmed; negative for never. Old ones say so; the browser ticks. */
export function Age({
  ctx,
  ms,
  lost,
  id,
  bare,
}: {
  ctx: PageContext;
  ms: number;
  lost?: boolean;
  id?: string;
  bare?: boolean;
}) {
  const old = lost || ms < 0 ? "lost" : ms > 60_000 ? "old" : undefined;
  return (
    <time id={id} class="age" data-a={old} data-t={stamp(ctx, ms)} data-bare={bare}>
      {bare ? duration(ctx.lang, ms) : age(ctx.lang, ms)}
    </time>
  );
}

/** When something happened: an age that is no measure of what we know. */
export function Since({ ctx, ms, bare }: { ctx: PageContext; ms: number; bare?: boolean }) {
  return (
    <time data-t={stamp(ctx, ms)} data-bare={bare}>
      {bare ? duration(ctx.lang, ms) : age(ctx.lang, ms)}
    </time>
  );
}

/** Markup without its ages, which the browser counts on by itself. */
export function timeless(markup: string): string {
  return markup.replace(/<time\b[^>]*>[^<]*/g, "");
}

/** Seconds of the server's clock, so that a page measures no clock but its own against it. */
export function stamp(ctx: PageContext, ms: number): number | undefined {
  return ms < 0 ? undefined : Math.floor((ctx.now - ms) / 1000);
}

export interface Parts {
  ok: number;
  run?: number;
  bad?: number;
  of: number;
}

/** Decoration beside the number it draws. `hollow` draws what is last known or not known. */
export function Bar({ ok, run = 0, bad = 0, of, hollow }: Parts & { hollow?: boolean }) {
  if (hollow) return <svg class="bar hollow" aria-hidden="true" />;
  const share = (n: number) => `${of > 0 ? Math.round((1000 * Math.min(n, of)) / of) / 10 : 0}%`;
  return (
    <svg class="bar" aria-hidden="true">
      {ok > 0 && <rect class="f-ok" width={share(ok)} />}
      {run > 0 && <rect class="f-run" x={share(ok)} width={share(run)} />}
      {bad > 0 && <rect class="f-bad" x={share(ok + run)} width={share(bad)} />}
    </svg>
  );
}

const mostPods = 12;

/** Squares, one for a pod; beyond a dozen the bar says it better. */
export function Pods({ ctx, ready, desired }: { ctx: PageContext; ready: number; desired: number }) {
  if (desired === 0 || desired > mostPods) return <span class="pods" />;
  return (
    <span class="pods" role="img" aria-label={say(ctx.lang, "pods.ready", { ready, desired })}>
      {Array.from({ length: desired }, (_, index) =>
        index < ready ? (
          <svg viewBox="0 0 12 12" key={index}>
            <rect class="f-ok" width="12" height="12" rx="2.5" />
          </svg>
        ) : (
          <svg viewBox="0 0 12 12" key={index}>
            <rect x=".75" y=".75" width="10.5" height="10.5" rx="2" fill="none" stroke-width="1.5" class="s-bad" />
            <path d="m4 4 4 4m0-4-4 4" stroke-width="1.5" class="s-bad" />
          </svg>
        ),
      )}
    </span>
  );
}

/** The last part of the path and the tag; the registry is cut, the tag never. */
export function Image({ image, full }: { image: string; full?: boolean }) {
  const { registry, name, tag } = imageParts(image);
  return (
    <span class={full ? "mono wrap-anywhere text-muted" : "mono"} title={full ? undefined : image}>
      {full && registry}
      {name}
      {tag && <b>{tag}</b>}
    </span>
  );
}

/** "registry.example.com/shop/web:1.4.2" -> registry "registry.example.com/shop/", name "web:", tag "1.4.2". */
export function imageParts(image: string): { registry: string; name: string; tag: string } {
  const slash = image.lastIndexOf("/") + 1;
  const last = image.slice(slash);
  const cut = last.search(/[:@]/);
  if (cut < 0) return { registry: image.slice(0, slash), name: last, tag: "" };
  const tag = last.slice(cut + 1).replace(/(@?sha256:[0-9a-f]{12})[0-9a-f]+$/, "$1…");
  return { registry: image.slice(0, slash), name: last.slice(0, cut + 1), tag };
}

const inMono = new Set([
  "image",
  "container",
  "containers",
  "key",
  "line",
  "name",
  "cluster",
  "namespace",
  "where",
  "path",
  "autoscaler",
  "expected",
  "actual",
  "selector",
  "object",
  "from",
  "to",
  "limit",
  "permission",
]);

/** Text with its values set in their own type: names, images and keys in mono. */
export function Said({ parts }: { parts: readonly Piece[] }) {
  return (
    <>
      {parts.map((part) =>
        typeof part === "string" ? part : inMono.has(part.name) ? <code>{part.value}</code> : part.value,
      )}
    </>
  );
}

export function Say<C extends Code>({
  ctx,
  code,
  params,
}: { ctx: PageContext; code: C } & (WordArgs<C> extends [] ? { params?: undefined } : { params: WordArgs<C>[0] })) {
  return <Said parts={pieces(ctx.lang, code, ...([params] as unknown as WordArgs<C>))} />;
}

/** What happened in bold, then the detail: for a callout or a list. */
export function ReasonSentence({ ctx, reason }: { ctx: PageContext; reason: Reason | Failure }) {
  const { head, rest } = sentencePieces(ctx.lang, reason);
  return (
    <>
      <b>
        <Said parts={[...head, joint(ctx.lang, head, rest)]} />
      </b>
      {rest.length > 0 && gap(ctx)}
      <Said parts={full(ctx, rest)} />
    </>
  );
}

/** Between sentences: Chinese sets none. */
export function gap({ lang }: PageContext): string {
  return lang === "en" ? " " : "";
}

// With its full stop, where it has none.
function full(ctx: PageContext, parts: Piece[]): Piece[] {
  const text = textOf(parts);
  return text === "" ? parts : [...parts, stopped(ctx.lang, text).slice(text.length)];
}

export function sentenceOf(ctx: PageContext, said: Reason | Failure): string {
  return stopped(ctx.lang, sentence(ctx.lang, said));
}

export function Callout({
  id,
  state,
  hidden,
  children,
  action,
}: {
  id?: string;
  state: string;
  hidden?: boolean;
  children: ComponentChildren;
  action?: ComponentChildren;
}) {
  return (
    <div id={id} class="callout" data-s={stateOf(state)} hidden={hidden}>
      <Mark state={state} />
      <p>{children}</p>
      {action && <span class="end">{action}</span>}
    </div>
  );
}

/** Errors stay until dismissed; the rest goes after 6 s. `undo` is a form that takes it back. */
export function Toast({
  ctx,
  state,
  children,
  action,
}: {
  ctx: PageContext;
  state: string;
  children: ComponentChildren;
  action?: ComponentChildren;
}) {
  return (
    <div class="toast-note" data-s={stateOf(state)}>
      <Mark state={state} />
      <p>{children}</p>
      <span class="flex gap-1">
        {action}
        <button type="button" class="icobtn s js" data-dismiss aria-label={say(ctx.lang, "toast.dismiss")}>
          <Ico name="x" />
        </button>
      </span>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="font-medium">{title}</p>
      {children && <div class="hint">{children}</div>}
    </div>
  );
}

export function Panel({
  id,
  title,
  hint,
  end,
  children,
}: {
  id: string;
  title: string;
  hint?: ComponentChildren;
  end?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="panel" aria-labelledby={id}>
      <header class="panel-h">
        <h2 id={id}>{title}</h2>
        {hint && <span class="hint">{hint}</span>}
        {end && <span class="hint end pr-1.5">{end}</span>}
      </header>
      {children}
    </section>
  );
}

/** Characters that a narrow screen shows at a glance: a certificate in a line has a multiple of them. */
const longCommand = 320;

export function Cmd({ ctx, text, label }: { ctx: PageContext; text: string; label: string }) {
  // It scrolls in itself, which a keyboard must be able to do too.
  const long = { class: "long", tabIndex: 0, role: "region", "aria-label": label } as const;
  return (
    <div class="cmd">
      <pre {...(text.length > longCommand ? long : {})}>
        <code>{text}</code>
      </pre>
      <button type="button" class="btn btn-xs js" data-copy={text} aria-label={`${say(ctx.lang, "copy")}: ${label}`}>
        <Ico name="copy" />
        {say(ctx.lang, "copy")}
      </button>
    </div>
  );
}

/** One stream a page: out-of-band elements arrive over it, it draws nothing itself. */
export function Stream({ href, oob }: { href: string; oob?: boolean }) {
  return (
    <div
      id="stream"
      hx-sse:connect={href}
      hx-sse:close="over"
      hx-trigger="load, reconnect"
      hx-swap="none"
      hx-swap-oob={oob ? "true" : undefined}
      hidden
    />
  );
}

/** "RollingUpdate, at most 25% unavailable, 1 surge", as agents write it, in the reader's language. */
export function strategyText(lang: Lang, strategy: string): string {
  return strategy
    .split(", ")
    .map((part) => strategyPart(lang, part))
    .join(say(lang, "comma"));
}

function strategyPart(lang: Lang, part: string): string {
  if (part === "RollingUpdate" || part === "Recreate" || part === "OnDelete") return say(lang, `strategy.${part}`);
  if (part === "no surge") return say(lang, "strategy.noSurge");
  for (const [pattern, code] of strategyParts) {
    const n = pattern.exec(part)?.[1];
    if (n !== undefined) return say(lang, code, { n });
  }
  return part;
}

const strategyParts = [
  [/^at most (\S+) unavailable$/, "strategy.unavailable"],
  [/^(\S+) surge$/, "strategy.surge"],
  [/^from pod (\S+) up$/, "strategy.partition"],
] as const;

const kinds: { [resource: string]: string } = {
  deployments: "Deployment",
  statefulsets: "StatefulSet",
  daemonsets: "DaemonSet",
};

export function kindOf(resource: string): string {
  return kinds[resource] ?? resource;
}
