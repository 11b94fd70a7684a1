// Cutting a cluster's agents off. It cannot be undone, so the cluster's name is typed; the typed name is what is sent.
import { href } from "../contract/operation.ts";
import { say } from "../words/words.ts";
import { CloseDialog } from "./layout.tsx";
import { Mark, type PageContext, Say, Toast } from "./parts.tsx";
import { html, partial } from "./render.ts";

/** What is said when it is done: a toast. */
export function revokeDone(ctx: PageContext, cluster: string): string {
  const toast = html(
    <Toast ctx={ctx} state="ok">
      <Say ctx={ctx} code="revoke.done" params={{ cluster }} />
    </Toast>,
  );
  return toast + partial("failure", "innerHTML", "");
}

/** One for the page: the browser's script puts the cluster in. Without scripts the link leads to the form below. */
export function RevokeDialog({ ctx }: { ctx: PageContext }) {
  return (
    <dialog id="revoke" class="modal" aria-labelledby="revoke-t">
      <div class="modal-box w-[460px] max-w-[calc(100vw-24px)]">
        <div class="dlg-h">
          <h2 id="revoke-t" class="text-lg!">
            <Say ctx={ctx} code="revoke.what" params={{ cluster: "…" }} />
          </h2>
          <CloseDialog ctx={ctx} id="revoke" />
        </div>
        <RevokeForm ctx={ctx} cluster="" dialog />
      </div>
    </dialog>
  );
}

export function RevokeForm({ ctx, cluster, dialog }: { ctx: PageContext; cluster: string; dialog?: boolean }) {
  const { lang } = ctx;
  const path = href("trust.revoke");
  const id = dialog ? "revoke-name" : "cut-off-name";
  return (
    <form
      method="post"
      action={path}
      hx-post={path}
      hx-target="#toasts"
      hx-swap="beforeend"
      hx-disable="find button"
      data-closes={dialog ? "revoke" : undefined}
    >
      <div class={dialog ? "px-5 py-4 grid gap-3" : "panel-b grid gap-3 max-w-[560px]"}>
        <p class="state items-start! whitespace-normal!">
          <Mark state="degraded" />
          <span>{say(lang, "revoke.lead")}</span>
        </p>
        <label class="grid gap-1" for={id}>
          <span class="font-medium">{say(lang, "revoke.type")}</span>
          <input
            id={id}
            class="input input-sm w-full mono"
            name="cluster"
            required
            pattern={cluster === "" ? undefined : exactly(cluster)}
            placeholder={cluster}
            autoComplete="off"
            autoCapitalize="off"
            spellcheck={false}
          />
        </label>
      </div>
      <div class={dialog ? "dlg-f" : "panel-b pt-0!"}>
        <span class={dialog ? "end flex gap-2" : "flex gap-2"}>
          {dialog && (
            <button type="button" class="btn btn-sm" command="close" commandfor="revoke">
              {say(lang, "cancel")}
            </button>
          )}
          <button class="btn btn-sm btn-danger">{say(lang, "revoke.do")}</button>
        </span>
      </div>
    </form>
  );
}

/** The browser itself refuses any other name. Cluster names hold no other special sign than the dot. */
function exactly(cluster: string): string {
  return cluster.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
