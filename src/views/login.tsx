// Signing in.

import { href } from "../contract/operation.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import { langs, say } from "../words/words.ts";
import { page, Unencrypted } from "./layout.tsx";
import { Mark, type PageContext, sentenceOf } from "./parts.tsx";

export interface LoginOptions {
  /** The path to go on to. */
  next?: string;
  username?: string;
  failure?: Failure;
}

export function loginPage(ctx: PageContext, { next, username, failure }: LoginOptions = {}): string {
  const { lang } = ctx;
  // "The session has ended" is no fault of what was typed.
  const wrong = failure?.code === "login.wrong";
  return page(ctx, {
    title: say(lang, "login"),
    bare: true,
    children: (
      <main id="main" class="min-h-dvh grid lg:grid-cols-[minmax(0,1fr)_minmax(0,1.1fr)]">
        <div class="grid place-content-center px-6 py-12 bg-base-100 grid-cols-[minmax(0,320px)] gap-8">
          <Unencrypted ctx={ctx} />
          <form class="grid gap-4" method="post" action={href("user.login")}>
            <div class="grid gap-3">
              <svg class="w-9 h-9" aria-hidden="true">
                <use href="#logo" />
              </svg>
              <h1>{say(lang, "login.title")}</h1>
            </div>
            {next && <input type="hidden" name="next" value={next} />}
            {failure && !wrong && (
              <p class="state whitespace-normal!" role="alert">
                <Mark state={failure.code.startsWith("session.") ? "stale" : "failed"} />
                {sentenceOf(ctx, failure)}
              </p>
            )}
            <label class="grid gap-1">
              <span class="font-medium">{say(lang, "username")}</span>
              <input
                class="input w-full"
                name="username"
                autoComplete="username"
                autoCapitalize="off"
                required
                autoFocus={!username}
                value={username}
              />
            </label>
            <label class="grid gap-1">
              <span class="font-medium">{say(lang, "password")}</span>
              <input
                class="input w-full"
                type="password"
                name="password"
                autoComplete="current-password"
                required
                autoFocus={Boolean(username)}
                aria-invalid={wrong ? "true" : undefined}
                aria-describedby={wrong ? "wrong" : undefined}
              />
              {wrong && (
                <span id="wrong" class="state whitespace-normal! text-bad" role="alert">
                  <Mark state="failed" />
                  {say(lang, "login.wrong")}
                </span>
              )}
            </label>
            <button class="btn btn-primary w-full">{say(lang, "login")}</button>
            <p class="hint">{say(lang, "login.recorded")}</p>
          </form>
          <form class="flex gap-2 -ml-2" method="post" action="/preferences">
            <input type="hidden" name="next" value={ctx.path} />
            {langs
              .filter((one) => one !== lang)
              .map((one) => (
                <button class="btn btn-xs btn-ghost" name="lang" value={one} lang={one === "zh" ? "zh-CN" : one}>
                  {say(one, "language.own")}
                </button>
              ))}
          </form>
        </div>
        <Board />
      </main>
    ),
  });
}

const columns = [50, 126, 202, 278, 354, 430, 506];
const rows = [37, 103, 169, 235, 301, 367];

// A fleet at a glance: one cluster is stale, one is silent, the rest is well.
function Board() {
  const tiles = rows
    .flatMap((y) => columns.map((x) => ({ x, y })))
    .filter(({ x, y }) => x !== 278 || (y !== 169 && y !== 235));
  return (
    <div
      class="hidden lg:grid place-content-center bg-base-200 border-l border-line p-10 overflow-hidden"
      aria-hidden="true"
    >
      <svg viewBox="0 0 560 420" class="w-[560px] max-w-full">
        <path
          d={tiles.map(({ x, y }) => `M${x} ${y} 280 210`).join("")}
          class="s-line2"
          stroke-width="1"
          opacity=".55"
        />
        {tiles.map(({ x, y }, index) => {
          const state = x === 126 && y === 235 ? "stale" : x === 278 && y === 301 ? "lost" : "ok";
          const fill = state === "lost" ? "f-line" : `f-${state}`;
          return (
            <g key={`${x} ${y}`}>
              <rect
                x={x - 30}
                y={y - 23}
                width="60"
                height="46"
                rx="6"
                class={state === "stale" ? "f-panel s-stale" : "f-panel s-line2"}
                stroke-dasharray={state === "ok" ? undefined : "4 3"}
              />
              <circle cx={x - 18} cy={y - 10} r="4" class={fill} />
              <rect x={x - 9} y={y - 12} width={18 + ((index * 7) % 16)} height="4" rx="2" class="f-soft" />
              <rect
                x={x - 22}
                y={y + 7}
                width="44"
                height="4"
                rx="2"
                class={state === "ok" ? "f-ok" : "f-line"}
                opacity=".8"
              />
            </g>
          );
        })}
        <svg x="246" y="176" width="68" height="68">
          <use href="#logo" />
        </svg>
      </svg>
    </div>
  );
}
