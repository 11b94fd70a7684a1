// Taking a cluster that nobody announces any more from the list. What is running is not touched by it.
import { href } from "../contract/operation.ts";
import { say } from "../words/words.ts";
import { type PageContext, Say, Toast } from "./parts.tsx";
import { html, partial } from "./render.ts";

/** What is said when it is done: a toast. */
export function removeDone(ctx: PageContext, cluster: string): string {
  const toast = html(
    <Toast ctx={ctx} state="ok">
      <Say ctx={ctx} code="remove.done" params={{ cluster }} />
    </Toast>,
  );
  return toast + partial("remove-cluster", "delete", "");
}

export function RemoveCluster({ ctx, cluster }: { ctx: PageContext; cluster: string }) {
  const { lang } = ctx;
  const path = href("fleet.removeCluster", { cluster });
  return (
    <section class="panel" id="remove-cluster" aria-labelledby="remove-cluster-h">
      <header class="panel-h">
        <h2 id="remove-cluster-h">{say(lang, "remove.what", { cluster })}</h2>
      </header>
      <form
        method="post"
        action={path}
        hx-post={path}
        hx-target="#toasts"
        hx-swap="beforeend"
        hx-disable="find button"
        class="panel-b grid gap-3 justify-items-start max-w-[560px]"
      >
        <p class="text-muted">{say(lang, "remove.lead")}</p>
        <button class="btn btn-sm">{say(lang, "remove.do")}</button>
      </form>
    </section>
  );
}
