// What stands around a long list of clusters or agents: text to find, states to choose, and the rest of it. Every choice is
// a link or a form, and the URL holds them all.
import type { ComponentChildren } from "preact";
import { grouped, say } from "../words/words.ts";
import { Ico, Mark, type PageContext } from "./parts.tsx";

/** A list's part of a page: its address with something changed, and the element that answers replace. */
export interface ListPlace<A extends ListAsked> {
  ctx: PageContext;
  asked: A;
  target: string;
  to(change?: Partial<A>): string;
}

export interface ListAsked {
  q: string;
  state: string[];
  limit: number;
  continue: string;
}

/** A list of no more than these is looked through faster than it is filtered. */
const fewest = 12;

export function worthFinding(asked: ListAsked, all: number): boolean {
  return all > fewest || asked.q !== "" || asked.state.length > 0;
}

/** Text to find. `fields` are what else is chosen, so that it is kept. */
export function Find<A extends ListAsked>({
  place: { ctx, asked, target, to },
  fields,
  label,
}: {
  place: ListPlace<A>;
  fields: readonly (readonly [name: string, value: string])[];
  label: string;
}) {
  const action = to({ q: "", state: [], limit: 0, continue: "" } as unknown as Partial<A>).replace(/\?.*/, "");
  const kept = [...fields, ...asked.state.map((state) => ["state", state] as const)];
  return (
    <form
      id="filter"
      class="filters"
      role="search"
      action={action}
      hx-get={action}
      hx-target={target}
      hx-swap="outerMorph"
      hx-trigger="submit, input delay:250ms"
      hx-replace-url="true"
      hx-sync="this:replace"
    >
      {kept.map(([name, value]) => value !== "" && <input type="hidden" name={name} value={value} />)}
      {asked.limit > 0 && <input type="hidden" name="limit" value={asked.limit} />}
      <div class="jump m-0! w-[220px]!">
        <Ico name="search" />
        <input
          id="q"
          class="input input-sm"
          type="search"
          name="q"
          value={asked.q}
          placeholder={label}
          aria-label={label}
          autocomplete="off"
          spellcheck={false}
        />
      </div>
      <noscript>
        <button class="btn btn-sm">{say(ctx.lang, "filter")}</button>
      </noscript>
    </form>
  );
}

/** How many are in each state; each a link that lists them alone. */
export function StateChips<A extends ListAsked>({
  id,
  place: { asked, target, to },
  order,
  counts,
  word,
}: {
  id: string;
  place: ListPlace<A>;
  order: readonly string[];
  counts: Readonly<Record<string, number>>;
  word(state: string): string;
}) {
  return (
    <span id={id} class="filters" {...boosted(target)}>
      {order.map((state) => {
        const chosen = asked.state.includes(state);
        const count = counts[state] ?? 0;
        if (count === 0 && !chosen) return null;
        const next = chosen ? asked.state.filter((one) => one !== state) : [...asked.state, state];
        const href = to({ state: next, continue: "" } as unknown as Partial<A>);
        return (
          <a key={state} class="chip" href={href} aria-current={chosen ? "true" : undefined}>
            <Mark state={state} />
            {word(state)} <b>{grouped(count)}</b>
          </a>
        );
      })}
    </span>
  );
}

/** How much of the list is shown, and the way to the rest. Nothing where it is whole. */
export function Rest<A extends ListAsked>({
  id,
  place: { ctx, asked, target, to },
  shown,
  total,
  next,
}: {
  id: string;
  place: ListPlace<A>;
  shown: number;
  total: number;
  next: string;
}) {
  const first = asked.continue !== "";
  if (next === "" && !first) return <div id={id} />;
  return (
    <div id={id} class="foot">
      <span class="hint">
        {say(ctx.lang, "shown", { n: shown, total })} · {say(ctx.lang, "worstFirst")}
      </span>
      <span class="filters" {...boosted(target, "show:top")}>
        {first && (
          <a class="btn btn-xs" href={to({ continue: "" } as Partial<A>)}>
            {say(ctx.lang, "first")}
          </a>
        )}
        {next !== "" && (
          <a class="btn btn-xs" rel="next" href={to({ continue: next } as Partial<A>)}>
            {say(ctx.lang, "next")}
          </a>
        )}
      </span>
    </div>
  );
}

/** Nothing matches what was asked for. */
export function NoMatch<A extends ListAsked>({ place: { ctx, target }, all }: { place: ListPlace<A>; all: string }) {
  return (
    <div class="empty" {...boosted(target)}>
      <p class="font-medium">{say(ctx.lang, "workloads.noMatch")}</p>
      <a class="underline hint" href={all}>
        {say(ctx.lang, "clearAll")}
      </a>
    </div>
  );
}

/** A chosen value, and the way back from it. */
export function Chosen({
  ctx,
  href,
  what,
  children,
}: {
  ctx: PageContext;
  href: string;
  what: string;
  children: ComponentChildren;
}) {
  return (
    <span class="chip">
      {children}
      <a class="x" href={href} aria-label={say(ctx.lang, "filter.remove", { what })}>
        <Ico name="x" />
      </a>
    </span>
  );
}

/** Links inside replace the list alone, and the address. */
export function boosted(target: string, show = "show:none") {
  return {
    "hx-boost:inherited": "true",
    "hx-target:inherited": target,
    "hx-swap:inherited": `outerMorph ${show}`,
  };
}
