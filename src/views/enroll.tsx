// How an agent is enrolled: a form that makes a one-time token, and the lines to run with it.
import { href } from "../contract/operation.ts";
import type { Invitation } from "../gen/lizardcd/v1/trust_pb.ts";
import { duration, say } from "../words/words.ts";
import { isThisMachine } from "./empty.tsx";
import { Cmd, Ico, type PageContext, Say } from "./parts.tsx";
import { html } from "./render.ts";

export interface EnrollOptions {
  /** "given": the server was given certificates and signs none; "off": it uses none. */
  enrolls: "yes" | "given" | "off";
  /** What the form has just made: shown once. */
  invitation?: Invitation;
}

interface EnrollProps {
  ctx: PageContext;
  options: EnrollOptions;
  /** Filled in already. */
  cluster: string;
  open: boolean;
}

/** The inside of #invitation, for htmx. */
export function invitationMade(ctx: PageContext, invitation: Invitation): string {
  return html(<Made ctx={ctx} invitation={invitation} />);
}

export function Enroll({ ctx, options, cluster, open }: EnrollProps) {
  const { lang } = ctx;
  const { enrolls, invitation } = options;
  const readonly = ctx.user?.role === "readonly";
  if (enrolls !== "yes" || readonly) {
    const why = enrolls === "yes" ? "enroll.may" : (`enroll.${enrolls}` as const);
    return open || enrolls !== "yes" ? <p class="hint">{say(lang, why)}</p> : null;
  }
  const path = href("trust.invite");
  return (
    <details class="fold panel" open={open || invitation !== undefined}>
      <summary>
        <span class="chev">
          <Ico name="chev" />
        </span>
        <h2>{say(lang, "enroll")}</h2>
      </summary>
      <div id="enroll" class="enroll">
        <form
          class="grid gap-3 content-start min-w-0"
          method="post"
          action={path}
          hx-post={path}
          hx-target="#invitation"
          hx-swap="innerHTML"
          hx-disable="find button"
        >
          <p class="hint">{say(lang, "enroll.lead")}</p>
          <label class="grid gap-1">
            <span class="font-medium">{say(lang, "cluster")}</span>
            <input
              class="input input-sm w-full mono"
              name="cluster"
              required
              maxLength={63}
              pattern="[a-z0-9]([a-z0-9.\-]{0,61}[a-z0-9])?"
              autoComplete="off"
              autoCapitalize="off"
              spellcheck={false}
              placeholder="eu-1"
              value={cluster}
            />
          </label>
          <fieldset class="grid gap-1">
            <legend class="font-medium mb-1">{say(lang, "enroll.namespaces")}</legend>
            <div class="grid gap-1 grid-cols-3" data-grows>
              {[1, 2, 3].map((n) => (
                <input
                  key={n}
                  class="input input-sm w-full mono"
                  name="namespaces"
                  maxLength={63}
                  pattern="[a-z0-9]([\-a-z0-9]{0,61}[a-z0-9])?"
                  autoComplete="off"
                  autoCapitalize="off"
                  spellcheck={false}
                  aria-label={say(lang, "enroll.namespace", { n })}
                />
              ))}
            </div>
            <p class="hint">{say(lang, "enroll.whole")}</p>
          </fieldset>
          <fieldset class="flex flex-wrap gap-1 items-center">
            <legend class="font-medium mb-1">{say(lang, "enroll.lifetime")}</legend>
            {lifetimes.map((seconds, index) => (
              <input
                key={seconds}
                class="btn btn-sm"
                type="radio"
                name="lifetime"
                value={seconds}
                checked={index === 0}
                aria-label={duration(lang, seconds * 1000)}
              />
            ))}
          </fieldset>
          <button class="btn btn-sm btn-primary justify-self-start">
            <Ico name="key" />
            {say(lang, "enroll.do")}
          </button>
        </form>
        <div id="invitation" class="min-w-0" aria-live="polite">
          {invitation && <Made ctx={ctx} invitation={invitation} />}
        </div>
      </div>
    </details>
  );
}

/** Seconds a token may live: an hour, a day, a week. */
const lifetimes = [3_600, 86_400, 604_800];

function Made({ ctx, invitation }: { ctx: PageContext; invitation: Invitation }) {
  const { lang } = ctx;
  const { cluster, expiresIn, command, helm } = invitation;
  const until = new Date(ctx.now + expiresIn * 1000).toISOString();
  return (
    <section class="grid gap-3 grid-cols-[minmax(0,1fr)]" aria-labelledby="made-h">
      <div>
        <h3 id="made-h" class="text-sm!">
          <Say ctx={ctx} code="enroll.head" params={{ cluster }} />
        </h3>
        <p class="text-muted">
          {say(lang, "enroll.until", {
            time: duration(lang, expiresIn * 1000),
            until: `${until.slice(0, 16).replace("T", " ")} UTC`,
          })}
        </p>
      </div>
      <div class="grid gap-1.5 grid-cols-[minmax(0,1fr)]">
        <p>{say(lang, "enroll.agent")}</p>
        <Cmd ctx={ctx} label={say(lang, "enroll.agent")} text={command} />
      </div>
      <div class="grid gap-1.5 grid-cols-[minmax(0,1fr)]">
        <p>{say(lang, "enroll.helm")}</p>
        {isThisMachine(ctx.origin) && <p class="hint">{say(lang, "agent.loopback", { origin: ctx.origin! })}</p>}
        <Cmd ctx={ctx} label={say(lang, "enroll.helm")} text={helm} />
      </div>
      <p class="hint">{say(lang, "enroll.after")}</p>
    </section>
  );
}
