// The frame around every page: head, top bar, notices, toasts, keys. Works without JavaScript.
import type { ComponentChildren } from "preact";
import { href } from "../contract/operation.ts";
import { type Lang, langs, say } from "../words/words.ts";
import { assetHref } from "./assets.ts";
import { Age, Callout, gap, Ico, Mark, type PageContext, registryWord, State, stateOf } from "./parts.tsx";
import { html, partial } from "./render.ts";
import { sprite } from "./sprite.ts";

export type { PageContext } from "./parts.tsx";

export interface PageOptions {
  title: string;
  /** The destination this page belongs to. */
  nav?: Destination;
  /** No bar, no notices: for who is not signed in. */
  bare?: boolean;
  children: ComponentChildren;
}

export type Destination = "fleet" | "workloads" | "agents" | "audit";

/** What holds on every page; the server sends it as Content-Security-Policy. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "manifest-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A whole document. */
export function page(ctx: PageContext, options: PageOptions): string {
  return `<!doctype html>${html(<Document ctx={ctx} {...options} />)}`;
}

const htmlLang: { [L in Lang]: string } = { en: "en", zh: "zh-CN" };

// htmx would write its indicator styles into the page, which the policy forbids, and the stream's extension has to be
// approved by the name it registers under.
const htmxConfig = JSON.stringify({
  includeIndicatorCSS: false,
  extensions: "sse",
  sse: { reconnectMaxDelay: 5000 },
});

function Document({ ctx, title, nav, bare, children }: PageOptions & { ctx: PageContext }) {
  return (
    <html lang={htmlLang[ctx.lang]} data-theme={ctx.theme} data-now={ctx.now} data-nav={nav}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content={ctx.theme ?? "light dark"} />
        <meta name="referrer" content="same-origin" />
        <meta name="htmx-config" content={htmxConfig} />
        <title>{`${title} · Lizardcd`}</title>
        <link rel="icon" href={assetHref("/assets/favicon.svg")} type="image/svg+xml" />
        <link rel="stylesheet" href={assetHref("/assets/app.css")} />
        {/* Not deferred: deferred it may begin before its extension has come, and the page would never be live. */}
        <script src={assetHref("/assets/htmx.js")} />
        <script src={assetHref("/assets/hx-sse.js")} defer />
        <script src={assetHref("/assets/client.js")} defer />
      </head>
      <body>
        <svg width="0" height="0" class="absolute" aria-hidden="true">
          <defs dangerouslySetInnerHTML={{ __html: sprite }} />
        </svg>
        {bare ? (
          children
        ) : (
          <>
            <a class="skip" href="#main">
              {say(ctx.lang, "skip")}
            </a>
            <TopBar ctx={ctx} nav={nav} />
            <main id="main" tabIndex={-1}>
              <Notices ctx={ctx} />
              {children}
            </main>
            <TabBar ctx={ctx} nav={nav} />
            <div id="toasts" class="toasts" role="status" aria-live="polite" />
            <Keys ctx={ctx} />
            <Unsent ctx={ctx} />
          </>
        )}
      </body>
    </html>
  );
}

const destinations = [
  { key: "fleet", href: href("fleet.get"), icon: "fleet" },
  { key: "workloads", href: href("fleet.listWorkloads"), icon: "list" },
  { key: "agents", href: href("fleet.listAgents"), icon: "agent" },
  { key: "audit", href: href("audit.list"), icon: "clock" },
] as const;

function TopBar({ ctx, nav }: { ctx: PageContext; nav?: Destination }) {
  const find = say(ctx.lang, "find");
  return (
    <header class="top">
      <a class="brand" href={href("fleet.get")}>
        <svg aria-hidden="true">
          <use href="#logo" />
        </svg>
        Lizardcd
      </a>
      {ctx.user && (
        <>
          <nav class="mainnav" aria-label={say(ctx.lang, "nav")}>
            {destinations.map(({ key, href }) => (
              <a href={href} aria-current={nav === key ? "page" : undefined}>
                {say(ctx.lang, `nav.${key}`)}
              </a>
            ))}
          </nav>
          <form class="jump" role="search" action={href("fleet.listWorkloads")}>
            <Ico name="search" />
            <input id="find" class="input input-sm" name="q" type="search" placeholder={find} aria-label={find} />
            <kbd class="kbd js" aria-hidden="true">
              /
            </kbd>
          </form>
        </>
      )}
      {ctx.simulated && (
        <span class="tag" data-s="warn" title={say(ctx.lang, "simulated.long")}>
          {say(ctx.lang, "simulated")}
          <span class="sr-only">{say(ctx.lang, "simulated.long")}</span>
        </span>
      )}
      {ctx.user && <Registries ctx={ctx} />}
      {ctx.user && <AccountMenu ctx={ctx} user={ctx.user} />}
    </header>
  );
}

/** For the stream of any page: the menu of registries, as it is now. */
export function registriesMenu(ctx: PageContext): string {
  return partial("registries", "outerMorph", html(<Registries ctx={ctx} />));
}

// One registry that answers is nothing to speak of.
function Registries({ ctx }: { ctx: PageContext }) {
  const { lang, registries: all = [] } = ctx;
  const n = all.filter(({ state }) => state === "ok").length;
  if (all.length < 2 && n === all.length) return <span id="registries" />;
  const silent = all.find(({ state }) => state !== "ok");
  return (
    <span id="registries">
      <details id="registries-menu" class="menu">
        <summary class="conn">
          <Mark state={silent ? stateOf(silent.state) : "ok"} />
          <span class="t">{say(lang, "registries.some", { n, total: all.length })}</span>{" "}
          <span class="sr-only">{say(lang, "registries.answer")}</span>
        </summary>
        <div>
          <table class="tbl still">
            <caption class="lab text-left px-3 py-1">{say(lang, "registries")}</caption>
            <tbody>
              {all.map(({ name, state, heardMs }) => (
                <tr key={name} data-c={`registry ${name}`}>
                  <td>
                    <State ctx={ctx} state={state} word={registryWord(lang, state)} />
                  </td>
                  <th scope="row" class="mono">
                    {name}
                  </th>
                  <td>
                    <Age ctx={ctx} ms={heardMs} lost={state === "stale"} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <ul>
            <li>
              <a href={href("fleet.listRegistries")}>{say(lang, "registries.show")}</a>
            </li>
          </ul>
        </div>
      </details>
    </span>
  );
}

function AccountMenu({ ctx, user }: { ctx: PageContext; user: NonNullable<PageContext["user"]> }) {
  return (
    <details class="menu">
      <summary class="icobtn">
        <span class="tally" aria-hidden="true">
          {user.username.slice(0, 2).toUpperCase()}
        </span>
        <span class="user-n">{user.username}</span>
        <span class="sr-only">{say(ctx.lang, "account.menu")}</span>
        <Ico name="down" />
      </summary>
      <div class="grid gap-1">
        <form class="prefs" method="post" action="/preferences">
          <input type="hidden" name="next" value={ctx.path} />
          <fieldset>
            <legend class="lab">{say(ctx.lang, "theme")}</legend>
            {(["system", "light", "dark"] as const).map((theme) => (
              <button class="btn btn-xs" name="theme" value={theme} aria-pressed={(ctx.theme ?? "system") === theme}>
                {say(ctx.lang, `theme.${theme}`)}
              </button>
            ))}
          </fieldset>
          <fieldset>
            <legend class="lab">{say(ctx.lang, "language")}</legend>
            {langs.map((lang) => (
              <button
                class="btn btn-xs"
                name="lang"
                value={lang}
                lang={htmlLang[lang]}
                aria-pressed={ctx.lang === lang}
              >
                {say(lang, "language.own")}
              </button>
            ))}
          </fieldset>
        </form>
        <ul>
          <li>
            <a href={href("user.account")}>{say(ctx.lang, "account")}</a>
          </li>
          <li>
            <a href="/operations">{say(ctx.lang, "operations")}</a>
          </li>
          <li class="js">
            <button type="button" command="show-modal" commandfor="keys">
              {say(ctx.lang, "keys")}
              <kbd class="kbd end">?</kbd>
            </button>
          </li>
          <li>
            <form method="post" action={href("user.logout")}>
              <button>{say(ctx.lang, "signOut")}</button>
            </form>
          </li>
        </ul>
        <p class="hint px-2 pb-1">Lizardcd {ctx.version}</p>
      </div>
    </details>
  );
}

function Notices({ ctx }: { ctx: PageContext }) {
  const open = ctx.user?.firstPassword;
  return (
    <div class="notices">
      <Callout id="offline" state="stale" hidden>
        <b class="font-semibold">{say(ctx.lang, "offline.head")}</b>
        {gap(ctx)}
        {say(ctx.lang, "offline.rest")}
      </Callout>
      {ctx.user && (
        <Callout
          id="signed-out"
          state="stale"
          hidden
          action={
            <a class="btn btn-xs" href={`/login?next=${encodeURIComponent(ctx.path)}`}>
              {say(ctx.lang, "login")}
            </a>
          }
        >
          <b class="font-semibold">{say(ctx.lang, "signedOut.head")}</b>
          {gap(ctx)}
          {say(ctx.lang, "signedOut.rest")}
        </Callout>
      )}
      {open && (
        <Callout
          state="degraded"
          action={
            ctx.path.startsWith(href("user.account")) ? undefined : (
              <a class="btn btn-xs" href={href("user.account")}>
                {say(ctx.lang, "firstPassword.do")}
              </a>
            )
          }
        >
          <b class="font-semibold">{say(ctx.lang, "firstPassword.head")}</b>
          {gap(ctx)}
          {say(ctx.lang, "firstPassword.rest")}
        </Callout>
      )}
      <Unencrypted ctx={ctx} />
    </div>
  );
}

/** What may be read on the way: on every page, also before anybody has signed in. */
export function Unencrypted({ ctx }: { ctx: PageContext }) {
  return (
    <>
      {ctx.insecure && (
        <Callout state="degraded">
          <b class="font-semibold">{say(ctx.lang, "insecure.head")}</b>
          {gap(ctx)}
          {say(ctx.lang, "insecure.rest")}
        </Callout>
      )}
      {ctx.plaintext && (
        <Callout
          state="degraded"
          action={
            ctx.user &&
            !ctx.path.startsWith(href("fleet.listAgents")) && (
              <a class="btn btn-xs" href={href("fleet.listAgents")}>
                {say(ctx.lang, "nav.agents")}
              </a>
            )
          }
        >
          <b class="font-semibold">{say(ctx.lang, "plaintext.head")}</b>
          {gap(ctx)}
          {say(ctx.lang, "plaintext.rest")}
        </Callout>
      )}
    </>
  );
}

/** The browser puts a copy beside the button of a form that met no answer. */
function Unsent({ ctx }: { ctx: PageContext }) {
  return (
    <template id="unsent">
      <div class="callout unsent" data-s="lost" role="alert">
        <Mark state="lost" />
        <p>
          <b>{say(ctx.lang, "unsent.head")}</b>
          {gap(ctx)}
          {say(ctx.lang, "unsent.rest")}
        </p>
      </div>
    </template>
  );
}

function TabBar({ ctx, nav }: { ctx: PageContext; nav?: Destination }) {
  if (!ctx.user) return null;
  return (
    <nav class="tabbar" aria-label={say(ctx.lang, "nav.tabs")}>
      {destinations.map(({ key, href, icon }) => (
        <a href={href} aria-current={nav === key ? "page" : undefined}>
          <Ico name={icon} small={false} />
          {say(ctx.lang, `nav.${key}`)}
        </a>
      ))}
    </nav>
  );
}

const keys = [
  ["/", "keys.find"],
  ["g f", "keys.fleet"],
  ["g w", "keys.workloads"],
  ["g a", "keys.agents"],
  ["g u", "keys.audit"],
  ["j k", "keys.move"],
  ["↵", "keys.open"],
  ["r", "keys.restart"],
  ["s", "keys.scale"],
  ["i", "keys.image"],
  ["esc", "keys.close"],
  ["?", "keys.all"],
] as const;

function Keys({ ctx }: { ctx: PageContext }) {
  return (
    <dialog id="keys" class="modal" aria-labelledby="keys-t">
      <div class="modal-box w-[420px] max-w-[calc(100vw-24px)]">
        <div class="dlg-h">
          <h2 id="keys-t" class="text-lg!">
            {say(ctx.lang, "keys")}
          </h2>
          <CloseDialog ctx={ctx} id="keys" />
        </div>
        <dl class="keylist">
          {keys.map(([key, code]) => (
            <div>
              <dt>
                {key.split(" ").map((one) => (
                  <kbd class="kbd">{one}</kbd>
                ))}
              </dt>
              <dd>{say(ctx.lang, code)}</dd>
            </div>
          ))}
        </dl>
      </div>
    </dialog>
  );
}

export function CloseDialog({ ctx, id }: { ctx: PageContext; id: string }) {
  return (
    <button class="icobtn end" type="button" command="close" commandfor={id} aria-label={say(ctx.lang, "close")}>
      <Ico name="x" small={false} />
    </button>
  );
}
